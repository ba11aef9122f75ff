//! Lowers resampling of planes.
//!
//! [`crate::graph::resample`] says which elements each row and column reads. Columns are picked by gathers
//! with tables of indices and weights. Where few rows are read they are picked by the driver's tables and the
//! kernel has no loop over them; where many are (antialiasing), it looks rows up in a table and loops. A row
//! first sums its columns, then rows are summed, each in increasing order. Positions that read nothing
//! get a constant, by masks of rows and of columns.

mod axis;

use axis::{Axis, UNROLLED};

use super::build::KernelBuilder;
use super::call::CallBuilder;
use super::ir::{Count, Inst, LANES, Offset, Ptr, Spills, VECTOR_BYTES, VecBinary, Vreg};
use super::lower::{LowerError, Lowering, distance};
use super::step::{Base, CallArg, Nest, TableArg};
use crate::graph::ResizeMode;
use crate::graph::resample::{Tap, extrapolation, taps};
use crate::plan::task::Resize;
use crate::plan::{BufferId, LayoutKind};

#[cfg(test)]
mod tests;

/// One unit of work makes a row of a plane.
pub(super) fn lower(task: &Resize, out: BufferId, low: &mut Lowering) -> Result<Vec<Vec<Nest>>, LowerError> {
    let (x, out) = (low.view(task.x), low.view(out));
    if x.kind != LayoutKind::Planar || out.kind != LayoutKind::Planar || x.dims[..2] != out.dims[..2] {
        return Err(LowerError::Plan("a resize on blocks or of other channels"));
    }
    let copies = matches!(task.resize.mode, ResizeMode::Nearest(_)) && !task.resize.adjoint;
    let rows = Axis::new(taps(&task.resize, 0, x.dims[2], out.dims[2]));
    let columns = Axis::new(taps(&task.resize, 1, x.dims[3], out.dims[3]));
    let last_column = distance(x.dims[3] as i64 - 1)?;
    let masked = rows.any_outside() || columns.any_outside();

    let many = rows.reads.max(columns.reads) > UNROLLED;
    let name = match (many, masked) {
        // Loops have any number of rounds, masks come on top.
        (false, false) => format!("resize_{}x{}", rows.reads, columns.reads),
        (false, true) => format!("resize_{}x{}_masked", rows.reads, columns.reads),
        (true, _) => format!("resize_{}x{}_looped", rows.reads, columns.reads),
    };
    let mut c = CallBuilder::new(name);
    let dst = c.ptr(out.arg(0, &out.strides[..3]));
    let plane = |tables: Vec<TableArg>| CallArg::Ptr {
        base: x.base,
        offset: x.origin,
        strides: vec![x.strides[0], x.strides[1], 0],
        tables,
    };
    let lines = if many {
        let plane = c.ptr(plane(Vec::new()));
        let table = low.constants(&rows.lookups(x.strides[2])?);
        let table = c.ptr(constant(table, 8 * rows.reads as i64));
        Lines::Looped { plane, table, count: rows.reads as u32, last: distance(rows.last() * x.strides[2])? }
    } else {
        let source = |k: usize| {
            let tap = |taps: &Vec<Tap>| taps.get(k).map_or(0, |tap| tap.index as i64 * x.strides[2]);
            plane(vec![TableArg { dim: 2, offsets: rows.taps.iter().map(tap).collect() }])
        };
        let sources: Vec<Ptr> = (0..rows.reads).map(|k| c.ptr(source(k))).collect();
        let weights: Vec<Vreg> = if copies {
            Vec::new()
        } else {
            let weights = low.constants(&rows.weights());
            let weights = c.ptr(constant(weights, 4 * rows.reads as i64));
            (0..rows.reads).map(|k| c.b.load_splat(weights.at(4 * k as i32))).collect()
        };
        Lines::Unrolled { sources, weights }
    };
    let table = low.constants(&columns.vectors(copies, masked));
    let table = c.ptr(constant(table, 0));
    let outside = masked.then(|| {
        let masks = low.constants(&rows.masks());
        let masks = c.ptr(constant(masks, 4));
        Outside { row: c.b.load_splat(masks.at(0)), value: c.b.splat(extrapolation(&task.resize)) }
    });
    let tile = Tile { lines, table, dst, columns: columns.reads, copies, outside, last_column };
    let width = out.dims[3];
    let count = c.int((width / LANES as u64) as i64);
    c.b.repeat(Count::Int(count), |b| {
        tile.emit(b, LANES);
        b.advance(table, tile.table_bytes());
        b.advance(dst, VECTOR_BYTES as i32);
    });
    if !width.is_multiple_of(LANES as u64) {
        tile.emit(&mut c.b, (width % LANES as u64) as usize);
    }
    let calls = vec![c.finish(Spills::Allowed, low)];
    Ok(vec![vec![Nest::new(vec![out.dims[0], out.dims[1], out.dims[2]], calls)]])
}

/// Constants that move by `row` bytes for each output row.
fn constant(offset: i64, row: i64) -> CallArg {
    CallArg::Ptr { base: Base::Consts, offset, strides: vec![0, 0, row], tables: Vec::new() }
}

struct Tile {
    lines: Lines,
    /// Indices, weights and masks of the next 8 columns.
    table: Ptr,
    dst: Ptr,
    /// Elements read in a row.
    columns: usize,
    /// Elements are copied: there are no weights.
    copies: bool,
    outside: Option<Outside>,
    last_column: i32,
}

/// The rows that an output row reads.
enum Lines {
    Unrolled {
        sources: Vec<Ptr>,
        /// One for each row; none where elements are copied.
        weights: Vec<Vreg>,
    },
    Looped {
        plane: Ptr,
        /// Distances from the plane's first row, each with a weight.
        table: Ptr,
        count: u32,
        /// The greatest distance.
        last: i32,
    },
}

/// What positions outside get.
struct Outside {
    /// All bits of each lane 1 where the row lies inside.
    row: Vreg,
    value: Vreg,
}

impl Tile {
    /// Vectors of the table for an element read.
    fn each(&self) -> usize {
        if self.copies { 1 } else { 2 }
    }

    fn table_bytes(&self) -> i32 {
        let vectors = self.columns * self.each() + usize::from(self.outside.is_some());
        vectors as i32 * VECTOR_BYTES as i32
    }

    fn emit(&self, b: &mut KernelBuilder, lanes: usize) {
        let total = match &self.lines {
            Lines::Unrolled { sources, weights } => self.unrolled(b, sources, weights),
            Lines::Looped { plane, table, count, last } => {
                Some(self.looped(b, *plane, *table, *count, *last))
            }
        };
        let Some(mut total) = total else { return };
        if let Some(outside) = &self.outside {
            let mask = self.table.at(self.table_bytes() - VECTOR_BYTES as i32);
            let inside = b.binary(VecBinary::And, outside.row, mask);
            total = b.blend(inside, total, outside.value);
        }
        b.store(self.dst.at(0), total, lanes);
    }

    fn gather(&self, b: &mut KernelBuilder, row: Ptr, index: Vreg) -> Vreg {
        let dst = b.vreg();
        b.inst(Inst::Gather { dst, addr: row.at(0), index, bounds: (0, self.last_column) });
        dst
    }

    fn unrolled(&self, b: &mut KernelBuilder, sources: &[Ptr], row_weights: &[Vreg]) -> Option<Vreg> {
        let at = |vector: usize| self.table.at(vector as i32 * VECTOR_BYTES as i32);
        let each = self.each();
        let indices: Vec<Vreg> = (0..self.columns).map(|k| b.load(at(each * k), LANES)).collect();
        let mut total = None;
        for (k, row) in sources.iter().enumerate() {
            let mut sum = None;
            for (j, index) in indices.iter().enumerate() {
                let value = self.gather(b, *row, *index);
                sum = Some(match (self.copies, sum) {
                    (true, _) => value,
                    (false, None) => b.binary(VecBinary::Mul, value, at(each * j + 1)),
                    (false, Some(sum)) => {
                        b.fma(sum, value, at(each * j + 1));
                        sum
                    }
                });
            }
            total = match (row_weights.get(k), sum, total) {
                (None, sum, _) => sum,
                (Some(weight), Some(sum), None) => Some(b.binary(VecBinary::Mul, sum, *weight)),
                (Some(weight), Some(sum), Some(total)) => {
                    b.fma(total, sum, *weight);
                    Some(total)
                }
                (Some(_), None, total) => total,
            };
        }
        total
    }

    fn looped(&self, b: &mut KernelBuilder, plane: Ptr, table: Ptr, count: u32, last: i32) -> Vreg {
        let (total, sum) = (b.splat(0.0), b.vreg());
        let (rows, row, columns) = (b.ptr(), b.ptr(), b.ptr());
        b.set_ptr(rows, table, Offset::Bytes(0));
        b.repeat(Count::Static(count), |b| {
            b.lookup(row, plane, rows.at(0), (0, last));
            b.inst(Inst::Splat { dst: sum, bits: 0 });
            b.set_ptr(columns, self.table, Offset::Bytes(0));
            b.repeat(Count::Static(self.columns as u32), |b| {
                let index = b.load(columns.at(0), LANES);
                let value = self.gather(b, row, index);
                b.fma(sum, value, columns.at(VECTOR_BYTES as i32));
                b.advance(columns, 2 * VECTOR_BYTES as i32);
            });
            let weight = b.load_splat(rows.at(4));
            b.fma(total, sum, weight);
            b.advance(rows, 8);
        });
        total
    }
}
