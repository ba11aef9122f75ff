//! A task's output cut into rows and these into tiles: what all kernels that go along rows share.
//!
//! A *unit* is what one register holds: 8 columns of a plane, or the 8 channels of one pixel. Either
//! takes 32 bytes times the step of its columns. A tile is several units, so that operations which wait
//! for each other are interleaved with others. No sum depends on how a row is cut.

use super::build::KernelBuilder;
use super::call::CallBuilder;
use super::ir::{Addr, Count, Int, LANES, Offset, Ptr, VECTOR_BYTES, Vreg};
use super::lower::{LowerError, Lowering, distance};
use super::pointwise;
use super::step::CallArg;
use crate::plan::task::{Epilogue, Operand, Pointwise};
use crate::plan::tiles::split_row;
use crate::plan::{LayoutKind, View};

/// Equal tiles of a row, side by side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct RowTiles {
    /// The first one's first unit.
    pub(super) start: u64,
    /// How many.
    pub(super) count: u64,
    /// Units of each.
    pub(super) units: usize,
    /// Lanes of each one's last unit; fewer than 8 at the end of a planar row, where `count` is 1.
    pub(super) last_lanes: usize,
}

impl RowTiles {
    /// Lanes of a unit.
    pub(super) fn lanes(&self, unit: usize) -> usize {
        if unit + 1 == self.units { self.last_lanes } else { LANES }
    }
}

/// Cuts a row into tiles of at most `most` units.
pub(super) fn row_tiles(columns: u64, kind: LayoutKind, most: u32) -> Vec<RowTiles> {
    let (units, last_lanes) = match kind {
        LayoutKind::Blocked => (columns, LANES),
        LayoutKind::Planar => {
            let rest = (columns % LANES as u64) as usize;
            (columns.div_ceil(LANES as u64), if rest == 0 { LANES } else { rest })
        }
    };
    let mut parts = Vec::new();
    let mut start = 0;
    for (width, count) in split_row(units, most) {
        parts.push(RowTiles { start, count, units: width as usize, last_lanes: LANES });
        start += u64::from(width) * count;
    }
    if last_lanes < LANES
        && let Some(last) = parts.pop()
    {
        let before = last.count - 1;
        if before > 0 {
            parts.push(RowTiles { count: before, ..last });
        }
        let start = last.start + before * last.units as u64;
        parts.push(RowTiles { start, count: 1, last_lanes, ..last });
    }
    parts
}

/// Operations of a call at least, where there are so many: a call costs as much as a hundred.
const CALL_WORK: u64 = 2048;

/// How many rows of a plane one call makes, where a row takes `work` operations: short rows are made together.
pub(super) fn rows_at_once(height: u64, work: u64) -> u64 {
    (CALL_WORK / work.max(1)).clamp(1, height.max(1))
}

/// A pointer that has gone through a row, and the way from there to the start of the next.
pub(super) type NextRow = (Ptr, Int);

/// The code of a row, once or for some rows, one after the other.
pub(super) fn each_row(
    b: &mut KernelBuilder,
    rows: Option<Int>,
    next: &[NextRow],
    row: impl FnOnce(&mut KernelBuilder),
) {
    match rows {
        None => row(b),
        Some(rows) => b.repeat(Count::Int(rows), |b| {
            row(b);
            for &(ptr, by) in next {
                b.advance_int(ptr, by);
            }
        }),
    }
}

/// Where the units of a nest lie in buffers of the output's shape.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    /// For each dim of the nest, the axis it goes along (0 lead, 1 plane, 2 row) and how far.
    pub(super) dims: Vec<(usize, i64)>,
    /// Lead, plane, row and column of the first element.
    pub(super) start: [i64; 4],
    /// From one column to the next.
    pub(super) step: i64,
    /// From one row of a call to the next.
    pub(super) row_step: i64,
}

impl Frame {
    /// The argument for a view; axes of length 1 are broadcast.
    pub(super) fn arg(&self, view: &View) -> CallArg {
        let stride = |axis: usize| if view.dims[axis] == 1 { 0 } else { view.strides[axis] };
        let offset = (0..4).map(|axis| self.start[axis] * stride(axis)).sum();
        view.arg(offset, &self.dims.iter().map(|(axis, far)| far * stride(*axis)).collect::<Vec<_>>())
    }

    /// The frame of a later tile of the rows.
    pub(super) fn at(&self, tiles: &RowTiles, kind: LayoutKind) -> Frame {
        let mut frame = self.clone();
        frame.start[3] += tiles.start as i64 * unit_columns(kind) * self.step;
        frame
    }
}

/// Columns of a unit.
pub(super) fn unit_columns(kind: LayoutKind) -> i64 {
    match kind {
        LayoutKind::Blocked => 1,
        LayoutKind::Planar => LANES as i64,
    }
}

/// How the elements of a unit are read and written, `step` columns apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Units {
    kind: LayoutKind,
    /// Bytes from one lane to the next, where lanes are columns.
    stride: i32,
    /// Bytes from one unit to the next.
    pub(super) bytes: i32,
}

impl Units {
    pub(super) fn new(kind: LayoutKind, step: i64) -> Result<Units, LowerError> {
        Ok(Units { kind, stride: distance(4 * step)?, bytes: distance(VECTOR_BYTES * step)? })
    }

    /// `acc += weight · the unit at addr`, from memory where its lanes are full and adjacent.
    pub(super) fn multiply(&self, b: &mut KernelBuilder, acc: Vreg, weight: Vreg, addr: Addr, lanes: usize) {
        let adjacent = self.kind == LayoutKind::Blocked || (self.stride == 4 && lanes == LANES);
        if adjacent {
            b.fma(acc, weight, addr);
        } else {
            let value = self.load(b, addr, lanes);
            b.fma(acc, weight, value);
        }
    }

    pub(super) fn load(&self, b: &mut KernelBuilder, addr: Addr, lanes: usize) -> Vreg {
        match self.kind {
            LayoutKind::Blocked => b.load(addr, LANES),
            LayoutKind::Planar => b.load_strided(addr, self.stride, lanes),
        }
    }

    pub(super) fn store(&self, b: &mut KernelBuilder, addr: Addr, src: Vreg, lanes: usize) {
        match self.kind {
            LayoutKind::Blocked => b.store(addr, src, LANES),
            LayoutKind::Planar => b.store_strided(addr, src, self.stride, lanes),
        }
    }
}

/// An epilogue with its operands' pointers.
pub(super) struct Fused<'a> {
    expr: Option<&'a Pointwise>,
    /// For each input of the expression; none for the sum.
    operands: Vec<Option<Extra>>,
}

/// An operand other than the sum.
struct Extra {
    ptr: Ptr,
    /// Bytes from unit to unit; 0 where columns are broadcast.
    bytes: i32,
    /// Bytes from row to row; 0 where rows are broadcast.
    row: i64,
    /// How its elements become a register.
    access: Access,
    /// For tiles of several planes: the place in the current one, and the way to the next.
    plane: Option<(Ptr, Int)>,
}

#[derive(Clone, Copy)]
enum Access {
    Splat,
    Units(Units),
}

impl<'a> Fused<'a> {
    /// Declares the operands of an epilogue for an output in `kind`; `planes` is how many planes a tile has.
    pub(super) fn declare(
        epilogue: &'a Epilogue,
        kind: LayoutKind,
        frame: &Frame,
        planes: usize,
        c: &mut CallBuilder,
        low: &Lowering,
    ) -> Result<Fused<'a>, LowerError> {
        let expr = epilogue.expr.as_ref();
        let row_step = frame.row_step;
        let mut operands = Vec::new();
        for input in expr.iter().flat_map(|e| &e.inputs) {
            operands.push(match input {
                Operand::Sum => None,
                Operand::Buffer(id) => {
                    let view = low.view(*id);
                    let ptr = c.ptr(frame.arg(&view));
                    let broadcast = view.dims[3] == 1;
                    let columns = unit_columns(kind) * frame.step * view.column_bytes();
                    let one_channel = kind == LayoutKind::Blocked && view.kind == LayoutKind::Planar;
                    let access = if one_channel || (broadcast && kind == LayoutKind::Planar) {
                        Access::Splat
                    } else {
                        Access::Units(Units::new(kind, frame.step)?)
                    };
                    let plane = if planes > 1 {
                        let far = if view.dims[1] == 1 { 0 } else { view.strides[1] };
                        Some((c.b.ptr(), c.int(far)))
                    } else {
                        None
                    };
                    let bytes = if broadcast { 0 } else { distance(columns)? };
                    let row = if view.dims[2] == 1 { 0 } else { row_step * view.strides[2] };
                    Some(Extra { ptr, bytes, row, access, plane })
                }
            });
        }
        Ok(Fused { expr, operands })
    }

    fn extras(&self) -> impl Iterator<Item = &Extra> {
        self.operands.iter().flatten()
    }

    /// Before the first plane of a tile.
    pub(super) fn first_plane(&self, b: &mut KernelBuilder) {
        for extra in self.extras() {
            if let Some((at, _)) = extra.plane {
                b.set_ptr(at, extra.ptr, Offset::Bytes(0));
            }
        }
    }

    /// Between planes of a tile.
    pub(super) fn next_plane(&self, b: &mut KernelBuilder) {
        for extra in self.extras() {
            if let Some((at, far)) = extra.plane {
                b.advance_int(at, far);
            }
        }
    }

    /// From the end of a row of `units` to the next.
    pub(super) fn next_rows(&self, units: i64, c: &mut CallBuilder) -> Vec<NextRow> {
        self.extras()
            .filter(|extra| extra.row != 0 || extra.bytes != 0)
            .map(|extra| (extra.ptr, extra.row - units * i64::from(extra.bytes)))
            .map(|(ptr, by)| (ptr, c.int(by)))
            .collect()
    }

    /// Behind a tile.
    pub(super) fn advance(&self, b: &mut KernelBuilder, units: usize) {
        for extra in self.extras() {
            b.advance(extra.ptr, units as i32 * extra.bytes);
        }
    }

    /// What becomes of a unit's sum.
    pub(super) fn apply(&self, b: &mut KernelBuilder, sum: Vreg, unit: usize, lanes: usize) -> Vreg {
        let Some(expr) = self.expr else {
            return sum;
        };
        pointwise::emit_expr(b, expr, |b, input| match self.operands.get(input) {
            Some(Some(extra)) => {
                let ptr = extra.plane.map_or(extra.ptr, |(at, _)| at);
                let addr = ptr.at(unit as i32 * extra.bytes);
                match extra.access {
                    Access::Splat => b.load_splat(addr),
                    Access::Units(units) => units.load(b, addr, lanes),
                }
            }
            _ => sum,
        })
    }
}
