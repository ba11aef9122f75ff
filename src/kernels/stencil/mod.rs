//! Windows over each channel by itself: outputs of several rows share the elements that they load, and the weights
//! stay in registers. A column is one element of a plane, or the 8 channels of a pixel in a block. Planes may lie bare,
//! without a halo: elements outside are zeros made in registers.
//!
//! A tile is some rows times some vectors in some output channels. Every output sums its taps in the order of the list,
//! so bits are those of one row at a time with a halo.

mod columns;
mod row;
mod tile;

use super::axes::pieces;
use super::build::KernelBuilder;
use super::call::CallBuilder;
use super::ir::{Count, Int, LANES, Spills, VECTOR_BYTES, Vreg, Wide};
use super::lower::{LowerError, Lowering};
use super::register::Register;
use super::step::{Call, CallArg, Nest, by_planes};
use super::tiles::{each_row, rows_at_once};
use crate::plan::task::Epilogue;
use crate::plan::window::halo;
use crate::plan::{BufferId, Fill, LayoutKind, View, stencil};
use columns::{Columns, Cut, columns};
use tile::{Ptrs, Rows, Shape, Tile};

pub(super) use tile::Weight;

/// Pixels of blocks from which on rows that share loads pay.
const BLOCKS: u64 = 8;

/// A task as a stencil: its first dims are lead and planes, or lead, groups and tiles of output channels.
pub(super) struct Stencil<'a> {
    pub(super) taps: &'a [(i32, i32)],
    /// Step of the output's rows in the input.
    pub(super) step: i64,
    /// Whether a weight is one number for all lanes, not one for each channel of a block.
    pub(super) splat: bool,
    /// For each output channel of a tile and each tap, its weight; none where it is known to be 0 and left out.
    pub(super) weights: Vec<Vec<Option<Weight>>>,
    pub(super) epilogue: &'a Epilogue,
    /// Extents around the rows.
    pub(super) dims: Vec<u64>,
    /// First input plane, weights, first output plane and bias; all begin with their strides along `dims`.
    pub(super) x_strides: Vec<i64>,
    pub(super) w: CallArg,
    pub(super) out_strides: Vec<i64>,
    pub(super) bias: Option<CallArg>,
    /// Byte offset of the first output plane.
    pub(super) out_start: i64,
    /// What the tile's channels go through together.
    pub(super) then: Option<Then<'a>>,
}

/// A 1×1 convolution of a tile's channels.
pub(super) struct Then<'a> {
    /// `[planes, channels]`, and one for each plane.
    pub(super) w: CallArg,
    pub(super) bias: Option<CallArg>,
    /// Planes that it makes.
    pub(super) planes: usize,
    pub(super) epilogue: &'a Epilogue,
}

/// How planes are seen by a stencil: what is there of the rows and columns that its taps reach.
pub(super) struct Planes {
    x: View,
    out: View,
    /// Whether a halo holds all that lies outside.
    framed: bool,
    /// The row of the picture that the view begins with, and the picture's rows.
    rows: (i64, i64),
}

impl Planes {
    /// None where rows are too short for vectors, or lack a halo that they need.
    pub(super) fn of(
        taps: &[(i32, i32)],
        step: u32,
        x: BufferId,
        out: BufferId,
        low: &Lowering<'_>,
    ) -> Option<Planes> {
        let (source, result) = (low.buffer(x), low.buffer(out));
        let [_, _, height, width] = source.dims;
        let [_, _, out_height, out_width] = result.dims;
        let kind = result.layout.kind;
        let want = halo(taps, [u64::from(step), 1], [out_height, out_width], [height, width], Fill::Zero);
        let have = source.layout.halo;
        let framed = want.top <= have.top
            && want.bottom <= have.bottom
            && want.left <= have.left
            && want.right <= have.right;
        let fits = match kind {
            LayoutKind::Planar => {
                let bare = have.is_none() && stencil::reads_bare([width, out_width], Fill::Zero);
                out_width >= LANES as u64 && (framed || bare)
            }
            LayoutKind::Blocked => framed && out_width >= BLOCKS,
        };
        (source.layout.kind == kind && fits).then(|| Planes {
            x: low.view(x),
            out: low.view(out),
            framed,
            rows: (low.first_row(x), height as i64),
        })
    }

    /// Columns of a register.
    fn columns<R: Register>(&self) -> usize {
        (R::BYTES as i64 / self.out.column_bytes()) as usize
    }

    /// Whether rows can be cut into registers: without a halo, none may reach beyond both ends.
    fn long_enough<R: Register>(&self) -> bool {
        let columns = self.columns::<R>();
        let least = if self.framed { columns } else { 2 * columns };
        self.x.dims[3].min(self.out.dims[3]) >= least as u64
    }
}

/// Tiles of rows that lack the same rows of the input.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Blocks {
    /// The first one's first row.
    start: u64,
    count: u64,
    rows: Rows,
}

impl Stencil<'_> {
    pub(super) fn lower(&self, planes: &Planes, low: &mut Lowering<'_>) -> Result<Vec<Nest>, LowerError> {
        if low.target().has_wide() && planes.long_enough::<Wide>() {
            self.lower_in::<Wide>(planes, low)
        } else {
            self.lower_in::<Vreg>(planes, low)
        }
    }

    /// In registers of one kind.
    fn lower_in<R: Register>(
        &self,
        planes: &Planes,
        low: &mut Lowering<'_>,
    ) -> Result<Vec<Nest>, LowerError> {
        let [_, _, height, width] = planes.out.dims;
        let columns = columns(self.taps, [planes.x.dims[3], width], planes.framed, planes.columns::<R>());
        let shape = Shape::choose::<R>(self, &planes.x, [height, columns.middle]);
        let mut nests = Vec::new();
        for blocks in self.blocks(planes, height, shape.rows) {
            let vectors = (width * planes.out.column_bytes() as u64).div_ceil(VECTOR_BYTES as u64);
            let work = blocks.rows.count as u64 * vectors * self.taps.len() as u64;
            let at_once = rows_at_once(blocks.count, work * self.weights.len() as u64);
            for (first, size, count) in pieces(blocks.count, at_once) {
                let start = blocks.start + first * blocks.rows.count as u64;
                let call = self.call::<R>(planes, &columns, shape, blocks.rows, [start, size], low)?;
                let mut dims = self.dims.clone();
                dims.push(count);
                nests.push(Nest::new(dims, vec![call]));
            }
        }
        Ok(by_planes(self.dims.iter().product(), nests))
    }

    /// Planes of the output that a tile makes.
    fn out_planes(&self) -> usize {
        self.then.as_ref().map_or(self.weights.len(), |then| then.planes)
    }

    fn row_range(&self) -> (i64, i64) {
        let rows = || self.taps.iter().map(|tap| i64::from(tap.0));
        (rows().min().unwrap_or(0), rows().max().unwrap_or(0))
    }

    /// The output's rows, some at a time.
    fn blocks(&self, planes: &Planes, height: u64, rows: usize) -> Vec<Blocks> {
        let (first_tap, last_tap) = self.row_range();
        let mut all: Vec<Blocks> = Vec::new();
        for (start, size, count) in pieces(height, rows as u64) {
            for i in 0..count {
                let start = start + i * size;
                let reads = (last_tap - first_tap + 1) + (size as i64 - 1) * self.step;
                let first = planes.rows.0 + start as i64 * self.step + first_tap;
                let (above, below) = if planes.framed {
                    (0, 0)
                } else {
                    ((-first).clamp(0, reads), (first + reads - planes.rows.1).clamp(0, reads))
                };
                let rows = Rows { count: size as usize, reads, above, below };
                match all.last_mut() {
                    Some(last) if last.rows == rows && above + below == 0 => last.count += 1,
                    _ => all.push(Blocks { start, count: 1, rows }),
                }
            }
        }
        all
    }

    /// `count` tiles of rows from row `first` on.
    fn call<R: Register>(
        &self,
        planes: &Planes,
        columns: &Columns,
        shape: Shape,
        rows: Rows,
        [first, count]: [u64; 2],
        low: &mut Lowering<'_>,
    ) -> Result<Call, LowerError> {
        let Planes { x, out, framed, .. } = planes;
        let name = format!(
            "stencil_t{}_{}x{}x{}x{}{}",
            self.taps.len(),
            rows.count,
            shape.registers,
            R::LANES,
            self.weights.len(),
            match (out.kind, framed) {
                (LayoutKind::Blocked, _) => "_blocks",
                (LayoutKind::Planar, false) => "_bare",
                (LayoutKind::Planar, true) => "",
            }
        );
        let mut c = CallBuilder::new(name);
        let (tiles, per_tile) = (count as i64, rows.count as i64);
        let [pitch, out_pitch] = [x.strides[2], out.strides[2]];
        let [src_step, dst_step] = [per_tile * self.step * pitch, per_tile * out_pitch];
        // The first row that is there.
        let row = first as i64 * self.step + self.row_range().0 + rows.above;
        let row = if rows.above == rows.reads { 0 } else { row };
        let src = c.ptr(x.arg(row * pitch, &with(&self.x_strides, tiles * src_step)));
        let dst = self.out_start + first as i64 * out_pitch;
        let dst = c.ptr(out.arg(dst, &with(&self.out_strides, tiles * dst_step)));
        let w = c.ptr(still(&self.w));
        let bias = self.bias.as_ref().map(|bias| c.ptr(still(bias)));
        let then = self.then.as_ref().map(|then| {
            let w = c.ptr(still(&then.w));
            (w, then.bias.as_ref().map(|bias| c.ptr(still(bias))))
        });
        let pitches = [c.int(pitch), c.int(out_pitch)];
        let plane = (self.out_planes() > 1).then(|| c.int(out.strides[1]));
        // A strip reads a few rows of the caller's planes and then turns to other work, so that processors do not follow.
        // What shares its cache lines with the rows in use would drive these out.
        let ahead = !framed && low.is_some_rows() && pitch % tile::SAME_LINES != 0;
        let ahead = ahead.then(|| c.int(src_step));
        let registers = shape.registers as u64;
        let counts = [columns.middle / registers, columns.middle % registers].map(|n| c.int(n as i64));
        let several = (count > 1).then(|| c.int(tiles));
        let column = out.column_bytes();
        let moved = column * columns.moved() as i64;
        let next = match several {
            Some(_) => vec![(src, c.int(src_step - moved)), (dst, c.int(dst_step - moved))],
            None => Vec::new(),
        };
        let ptrs = tile::Ptrs { src, dst, x: c.b.ptr(), plane: c.b.ptr(), out: c.b.ptr() };
        let tile: Tile<'_, R> = Tile::new(
            self,
            shape,
            rows,
            tile::Args { w, bias, then, pitches, plane, ahead, column },
            &mut c.b,
        );
        each_row(&mut c.b, several, &next, |b| row_of_tiles(b, &tile, columns, &ptrs, counts));
        Ok(c.finish(Spills::Allowed, low))
    }
}

/// The strides of an argument that moves along one dim more.
fn with(strides: &[i64], last: i64) -> Vec<i64> {
    strides.iter().copied().chain([last]).collect()
}

/// An argument that is the same along one dim more.
fn still(arg: &CallArg) -> CallArg {
    let mut arg = arg.clone();
    if let CallArg::Ptr { strides, .. } = &mut arg {
        strides.push(0);
    }
    arg
}

/// The tiles of some rows, from left to right; `counts` are those of the middle with all their registers, and with one.
fn row_of_tiles<R: Register>(
    b: &mut KernelBuilder,
    tile: &Tile<'_, R>,
    columns: &Columns,
    ptrs: &Ptrs,
    counts: [Int; 2],
) {
    let next = |b: &mut KernelBuilder, registers: usize| {
        b.advance(ptrs.src, registers as i32 * R::BYTES);
        b.advance(ptrs.dst, registers as i32 * R::BYTES);
    };
    if let Some(cut) = columns.left {
        tile.emit(b, ptrs, 1, 0, cut);
        next(b, 1);
    }
    for (count, registers) in counts.into_iter().zip([tile.registers(), 1]).take(tile.registers().min(2)) {
        b.repeat(Count::Int(count), |b| {
            tile.emit(b, ptrs, registers, 0, Cut::Whole);
            next(b, registers);
        });
    }
    for &(column, cut) in &columns.right {
        tile.emit(b, ptrs, 1, column, cut);
    }
}
