//! Lowers resampling of planes.
//!
//! [`crate::graph::resample`] says which elements each row and column reads. Rows are picked by the
//! driver's tables, columns by gathers with tables of indices and weights. A row first sums its columns,
//! then rows are summed, each in increasing order.

use super::build::KernelBuilder;
use super::call::CallBuilder;
use super::ir::{Count, Inst, LANES, Ptr, Spills, VECTOR_BYTES, VecBinary, Vreg};
use super::lower::{LowerError, Lowering, distance};
use super::step::{Base, CallArg, Nest, TableArg};
use crate::graph::ResizeMode;
use crate::graph::resample::{Tap, taps};
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
    let copies = matches!(task.resize.mode, ResizeMode::Nearest(_));
    let rows = Axis::new(taps(&task.resize, 0, x.dims[2], out.dims[2]));
    let columns = Axis::new(taps(&task.resize, 1, x.dims[3], out.dims[3]));
    let last_column = distance(x.dims[3] as i64 - 1)?;

    let name = format!("resize_{}x{}", rows.reads, columns.reads);
    let mut c = CallBuilder::new(name);
    let dst = c.ptr(out.arg(0, &out.strides[..3]));
    let sources: Vec<Ptr> = (0..rows.reads)
        .map(|k| {
            let offsets = rows.taps.iter().map(|taps| taps[k].index as i64 * x.strides[2]).collect();
            c.ptr(CallArg::Ptr {
                base: x.base,
                offset: x.origin,
                strides: vec![x.strides[0], x.strides[1], 0],
                tables: vec![TableArg { dim: 2, offsets }],
            })
        })
        .collect();
    let table = low.constants(&columns.vectors(copies));
    let table = c.ptr(constant(table, 0));
    let row_weights: Vec<Vreg> = if copies {
        Vec::new()
    } else {
        let weights = low.constants(&rows.weights());
        let weights = c.ptr(constant(weights, 4 * rows.reads as i64));
        (0..rows.reads).map(|k| c.b.load_splat(weights.at(4 * k as i32))).collect()
    };
    let tile = Tile { sources, table, dst, columns: columns.reads, row_weights, last_column };
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
    Ok(vec![vec![Nest { dims: vec![out.dims[0], out.dims[1], out.dims[2]], calls }]])
}

/// Constants that move by `row` bytes for each output row.
fn constant(offset: i64, row: i64) -> CallArg {
    CallArg::Ptr { base: Base::Consts, offset, strides: vec![0, 0, row], tables: Vec::new() }
}

/// What each output position of an axis reads, the same number of elements everywhere.
struct Axis {
    reads: usize,
    taps: Vec<Vec<Tap>>,
}

impl Axis {
    /// Positions that read fewer elements than others read one in halves: no weight becomes 0, which
    /// would turn an infinite element into NaN.
    fn new(mut taps: Vec<Vec<Tap>>) -> Axis {
        let reads = taps.iter().map(Vec::len).max().unwrap_or(1).next_power_of_two();
        for position in &mut taps {
            while position.len() < reads {
                let Some(first) = position.first_mut() else {
                    break;
                };
                first.weight /= 2.0;
                let half = *first;
                position.insert(0, half);
            }
        }
        Axis { reads, taps }
    }

    fn weights(&self) -> Vec<u8> {
        self.taps.iter().flatten().flat_map(|tap| (tap.weight as f32).to_le_bytes()).collect()
    }

    /// For each 8 positions, 8 indices for each element read, then as many weights unless `copies`.
    /// Behind the last position it is repeated.
    fn vectors(&self, copies: bool) -> Vec<u8> {
        let mut bytes = Vec::new();
        for group in self.taps.chunks(LANES) {
            let lane = |lane: usize| group.get(lane).or(group.last()).into_iter().flatten();
            for k in 0..self.reads {
                for tap in (0..LANES).filter_map(|i| lane(i).nth(k)) {
                    bytes.extend((tap.index as i32).to_le_bytes());
                }
            }
            for k in (0..self.reads).filter(|_| !copies) {
                for tap in (0..LANES).filter_map(|i| lane(i).nth(k)) {
                    bytes.extend((tap.weight as f32).to_le_bytes());
                }
            }
        }
        bytes
    }
}

struct Tile {
    /// The rows read.
    sources: Vec<Ptr>,
    /// Indices and weights of the next 8 columns.
    table: Ptr,
    dst: Ptr,
    /// Elements read in a row.
    columns: usize,
    /// One for each row; none where elements are copied.
    row_weights: Vec<Vreg>,
    last_column: i32,
}

impl Tile {
    fn table_bytes(&self) -> i32 {
        let vectors = if self.row_weights.is_empty() { self.columns } else { 2 * self.columns };
        vectors as i32 * VECTOR_BYTES as i32
    }

    fn emit(&self, b: &mut KernelBuilder, lanes: usize) {
        let at = |vector: usize| self.table.at(vector as i32 * VECTOR_BYTES as i32);
        let indices: Vec<Vreg> = (0..self.columns).map(|k| b.load(at(k), LANES)).collect();
        let gather = |b: &mut KernelBuilder, row: Ptr, index: Vreg| {
            let dst = b.vreg();
            b.inst(Inst::Gather { dst, addr: row.at(0), index, bounds: (0, self.last_column) });
            dst
        };
        let mut total = None;
        for (k, row) in self.sources.iter().enumerate() {
            let mut sum = None;
            for (j, index) in indices.iter().enumerate() {
                let value = gather(b, *row, *index);
                sum = Some(match (self.row_weights.is_empty(), sum) {
                    (true, _) => value,
                    (false, None) => b.binary(VecBinary::Mul, value, at(self.columns + j)),
                    (false, Some(sum)) => {
                        b.fma(sum, value, at(self.columns + j));
                        sum
                    }
                });
            }
            total = match (self.row_weights.get(k), sum, total) {
                (None, sum, _) => sum,
                (Some(weight), Some(sum), None) => Some(b.binary(VecBinary::Mul, sum, *weight)),
                (Some(weight), Some(sum), Some(total)) => {
                    b.fma(total, sum, *weight);
                    Some(total)
                }
                (Some(_), None, total) => total,
            };
        }
        if let Some(total) = total {
            b.store(self.dst.at(0), total, lanes);
        }
    }
}
