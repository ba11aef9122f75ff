//! A row of the input, as the tiles of a kernel see it: registers of neighbouring columns are loaded once, and those
//! between two of them are slid together.
//!
//! A load that is not aligned crosses a cache line, every time where a register is as long as a line; what waits for it
//! is issued again. Slides cost a slot of arithmetic instead, and every column is loaded once.

use std::collections::BTreeMap;
use std::ops::Range;

use super::columns::{Access, Cut};
use crate::kernels::build::KernelBuilder;
use crate::kernels::ir::{Addr, LANES, Ptr, VECTOR_BYTES};
use crate::kernels::register::Register;

/// Columns of a row are counted from the tile's first one.
pub(super) struct Row<R> {
    /// Where column 0 stands.
    start: Addr,
    /// Bytes of a column.
    column: i64,
    /// None where the row lies outside of the picture.
    cut: Option<Cut>,
    /// Whether registers are slid together.
    slides: bool,
    /// By their first columns.
    needed: BTreeMap<i64, Needed>,
    loaded: BTreeMap<i64, R>,
}

/// What is read of a register: some columns, by so many.
struct Needed {
    columns: Range<i64>,
    readers: usize,
}

/// The registers that columns `p` and those after it come from: one, or two that are slid together.
pub(super) fn sources(p: i64, columns: i64, slides: bool) -> (i64, Option<i64>) {
    let over = if slides { p.rem_euclid(columns) } else { 0 };
    let first = p - over;
    (first, (over > 0).then_some(first + columns))
}

/// Columns of a register.
pub(super) fn columns<R: Register>(column: i64) -> i64 {
    i64::from(R::BYTES) / column
}

impl<R: Register> Row<R> {
    /// Of which registers are read that begin with some columns.
    pub(super) fn new(
        ptr: Ptr,
        offset: i32,
        column: i64,
        cut: Option<Cut>,
        read: impl Iterator<Item = i64>,
        slides: bool,
    ) -> Row<R> {
        let columns = columns::<R>(column);
        let mut needed: BTreeMap<i64, Needed> = BTreeMap::new();
        for p in read {
            let (first, second) = sources(p, columns, slides);
            for at in [Some(first), second].into_iter().flatten() {
                let part = p.max(at)..(p + columns).min(at + columns);
                let all = needed.entry(at).or_insert(Needed { columns: part.clone(), readers: 0 });
                all.columns = all.columns.start.min(part.start)..all.columns.end.max(part.end);
                all.readers += 1;
            }
        }
        Row { start: ptr.at(offset), column, cut, slides, needed, loaded: BTreeMap::new() }
    }

    /// Where columns `p` and those after it stand, if that is in memory and nothing else needs them in a register.
    pub(super) fn in_memory(&self, p: i64) -> Option<Addr> {
        let columns = columns::<R>(self.column);
        let whole = self.cut.is_some_and(|cut| cut.access(p, p..p + columns, columns) == Access::Whole);
        let alone = self.needed.get(&p).is_some_and(|needed| needed.readers == 1);
        (alone && whole && sources(p, columns, self.slides).1.is_none()).then(|| self.address(p))
    }

    /// A register of columns `p` and those after it.
    pub(super) fn get(&mut self, b: &mut KernelBuilder, p: i64) -> R {
        let (first, second) = sources(p, columns::<R>(self.column), self.slides);
        let low = self.register(b, first);
        let Some(second) = second else { return low };
        let high = self.register(b, second);
        R::slide(b, low, high, ((p - first) * self.lanes()) as usize)
    }

    fn register(&mut self, b: &mut KernelBuilder, at: i64) -> R {
        if let Some(&register) = self.loaded.get(&at) {
            return register;
        }
        let register = self.load(b, at);
        self.loaded.insert(at, register);
        register
    }

    fn load(&self, b: &mut KernelBuilder, at: i64) -> R {
        let columns = columns::<R>(self.column);
        let needed = self.needed.get(&at).map_or(at..at + columns, |needed| needed.columns.clone());
        let access = self.cut.map_or(Access::Nothing, |cut| cut.access(at, needed, columns));
        let lanes = |columns: i64| (columns * self.lanes()) as usize;
        let register = R::new(b);
        match access {
            Access::Whole => register.load(b, self.address(at)),
            Access::First(there) => register.load_part(b, self.address(at), lanes(there), false),
            Access::Last(there) => {
                register.load_part(b, self.address(at + columns - there), lanes(there), true);
            }
            Access::Nothing => R::start(b, &[register], None),
        }
        register
    }

    fn address(&self, at: i64) -> Addr {
        self.start.ptr.at(self.start.offset + (at * self.column) as i32)
    }

    /// Lanes of a column.
    fn lanes(&self) -> i64 {
        self.column * LANES as i64 / VECTOR_BYTES
    }
}
