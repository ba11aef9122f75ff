//! Lowers contractions: convolutions and linear layers on channel blocks.
//!
//! The output is cut into rows and each row into tiles of `pixels × vectors`, a vector being 8 output
//! channels. [`tile`] has the kernel of a tile; here are the rows, the segments of a row and the
//! addresses. Every output sums channel blocks, then taps, then lanes, in that order, whatever the tile.

pub(super) mod ahead;
pub(super) mod cut;
mod order;
pub(super) mod tile;

use super::ir::LANES;
use super::lower::{LowerError, Lowering, distance};
use super::step::{CallArg, Nest, by_planes};
use crate::plan::task::Contract;
use crate::plan::tiles::{is_wide, most_pixels, rows_together};
use crate::plan::{BufferId, LayoutKind, Operand, View};
use ahead::Ahead;
use cut::Units;
use order::{Order, Traffic};
use tile::{Extra, Lanes, TileSpec};

/// The taps, row by row: the contraction's order.
struct Rows {
    /// Row offset of each row of taps.
    dy: Vec<i32>,
    /// Column offsets, the same in each row.
    dx: Vec<i32>,
}

impl Rows {
    /// Sorts taps into a full grid of rows and columns.
    fn of(taps: &[(i32, i32)]) -> Result<Rows, LowerError> {
        let mut dy: Vec<i32> = taps.iter().map(|t| t.0).collect();
        dy.dedup();
        let columns = if dy.is_empty() { 0 } else { taps.len() / dy.len() };
        let dx: Vec<i32> = taps.iter().take(columns).map(|t| t.1).collect();
        let grid = dy.iter().flat_map(|&y| dx.iter().map(move |&x| (y, x)));
        if !grid.eq(taps.iter().copied()) {
            return Err(LowerError::Plan("the taps of a contraction are not a grid in row order"));
        }
        Ok(Rows { dy, dx })
    }

    /// The one distance between rows, where there is one.
    fn gap(&self) -> Result<i32, LowerError> {
        let mut gaps = self.dy.windows(2).map(|w| w[1] - w[0]);
        let first = gaps.next().unwrap_or(0);
        if gaps.any(|g| g != first) {
            return Err(LowerError::Plan("the rows of a contraction's taps are unevenly spaced"));
        }
        Ok(first)
    }
}

/// One step: the panels with all their vectors, then the narrower last panel of each group.
pub(super) fn lower(
    task: &Contract,
    out: BufferId,
    low: &mut Lowering<'_>,
) -> Result<Vec<Vec<Nest>>, LowerError> {
    let rows = Rows::of(&task.taps)?;
    let (x, out) = (low.view(task.x), low.view(out));
    let blocks = (out.dims[1] / task.groups).div_ceil(LANES as u64);
    let vectors = u64::from(task.vectors);
    let full = blocks / vectors;
    let rest = blocks % vectors;
    let mut nests = Vec::new();
    let mut part = |first: u64, panels: u64, vectors: u64| -> Result<(), LowerError> {
        if panels > 0 {
            let job = Job { task, rows: &rows, x, out, blocks, first, panels, vectors: vectors as u32 };
            let (mut all, mut chunked) = (Vec::new(), false);
            for units in job.cut(low)? {
                let (order, found) = job.nests(&units, low)?;
                chunked |= matches!(order, Order::Chunks(_));
                all.extend(found);
            }
            if !chunked {
                all = by_planes(panels * task.groups, all);
            }
            // A narrower last panel has pixels of its own to share out.
            if let Some(nest) = all.first_mut().filter(|_| !nests.is_empty()) {
                nest.anew = true;
            }
            nests.extend(all);
        }
        Ok(())
    };
    part(0, full, vectors)?;
    part(full * vectors, u64::from(rest > 0), rest)?;
    Ok(vec![nests])
}

/// Panels of one width.
struct Job<'a> {
    task: &'a Contract,
    rows: &'a Rows,
    x: View,
    out: View,
    /// Output blocks of a group.
    blocks: u64,
    /// The first output block.
    first: u64,
    panels: u64,
    vectors: u32,
}

impl Job<'_> {
    /// How the pixels are shared out.
    fn cut(&self, low: &Lowering<'_>) -> Result<Vec<Units>, LowerError> {
        let [rows, columns] = self.task.phase.map(|phase| u64::from(phase.count));
        let most = self.pixels(low);
        if self.is_one_row(low)? {
            return Ok(cut::long_row(rows * columns, most));
        }
        let together = rows_together(rows, columns, self.vectors, low.target());
        Ok(cut::rows(rows, columns, most, together))
    }

    /// Whether the rows of every plane follow each other without a gap, and nothing but their pixels is read.
    fn is_one_row(&self, low: &Lowering<'_>) -> Result<bool, LowerError> {
        let Job { task, x, out, .. } = self;
        let whole = |axis: usize| {
            let phase = task.phase[axis];
            phase.step == 1 && phase.start == 0 && u64::from(phase.count) == out.dims[2 + axis]
        };
        let dense = |view: &View| view.strides[2] == view.strides[3] * view.dims[3] as i64;
        let mut full = Vec::new();
        for view in self.extra_views(low) {
            if Extra::of(&view, out)? == Extra::Full {
                full.push(view);
            }
        }
        Ok(task.taps == [(0, 0)]
            && task.stride == [1, 1]
            && whole(0)
            && whole(1)
            && x.dims[2..] == out.dims[2..]
            && dense(x)
            && dense(out)
            && full.iter().all(dense))
    }

    /// The nests over `[lead, group, panel, unit]`, or these in another order: in which.
    fn nests(&self, units: &Units, low: &mut Lowering<'_>) -> Result<(Order, Vec<Nest>), LowerError> {
        let Job { task, x, out, .. } = self;
        let [rows, columns] = task.phase;
        let lanes = self.lanes();
        let in_channels = x.dims[1] / task.groups;
        let (in_blocks, lane_bytes) = match lanes {
            Lanes::Block { .. } => (in_channels / LANES as u64, 4 * LANES as i64),
            Lanes::Single => (in_channels, 4),
        };
        // A picture of one pixel is a vector of channels: its blocks are adjacent.
        let plane = if self.vector_input() { lane_bytes } else { x.strides[1] };
        let group_planes = match lanes {
            Lanes::Block { .. } => in_channels.div_ceil(LANES as u64),
            Lanes::Single => in_channels,
        };
        let taps = task.taps.len() as i64;
        // Lanes of all blocks, whole or not, as the panels have them.
        let panel_lanes = match lanes {
            Lanes::Block { .. } => (group_planes * LANES as u64) as i64,
            Lanes::Single => in_channels as i64,
        };
        let block_weights = panel_lanes * taps * super::ir::VECTOR_BYTES;
        let w = low.view(task.w);
        let groups_weights = task.groups as i64 * self.blocks as i64 * block_weights;
        let gap = self.rows.gap()?;
        let dims = vec![x.dims[0], task.groups, self.panels, units.count];
        // Bytes of x from one row and column of pixels to the next, and of buffers of the output's shape.
        let x_pixel =
            [i64::from(task.stride[0]) * x.strides[2], i64::from(task.stride[1]) * x.column_bytes()];
        let out_pixel =
            |view: &View| [i64::from(rows.step) * view.strides[2], i64::from(columns.step) * view.strides[3]];
        let far = |pixel: [i64; 2], [row, column]: [u64; 2]| row as i64 * pixel[0] + column as i64 * pixel[1];
        let panel_bytes = block_weights * i64::from(self.vectors);
        let pixel_bytes = far(x_pixel, units.step).unsigned_abs().saturating_mul(units.count);
        let traffic = Traffic {
            pixels: pixel_bytes.saturating_mul(group_planes),
            panel: panel_bytes.unsigned_abs(),
            pictures: x.dims[0],
            panels: self.panels,
            units: units.count,
        };
        let order = Order::of(&traffic, low.target());
        let unit_tiles: u64 = units.runs.iter().map(|run| run.tiles).sum();
        let picture_tiles = units.count * unit_tiles;
        let pictures = if order == Order::PanelForAll { x.dims[0] } else { 1 };
        let ahead = Ahead::of(panel_bytes, in_blocks, picture_tiles * pictures, groups_weights, low.target());
        let mut tiles_before = 0;
        let mut calls = Vec::new();
        for run in &units.runs {
            let first = [units.start[0] + run.start[0], units.start[1] + run.start[1]];
            let last = run.pixels.last().map_or(0, |pixel| i64::from(pixel[0]));
            distance(last * x_pixel[0].max(out_pixel(out)[0]))?;
            let spec = TileSpec {
                pixels: run.pixels.clone(),
                vectors: self.vectors,
                wide: is_wide(self.vectors, low.target()),
                lanes,
                rows: self.rows.dy.len() as u32,
                dx: self.rows.dx.clone(),
                column_bytes: x.column_bytes() as i32,
                stride: task.stride[1] as i32,
                x_row: x_pixel[0] as i32,
                out_row: out_pixel(out)[0] as i32,
                out_column: out_pixel(out)[1] as i32,
                ahead: ahead.map_or(0, Ahead::lines),
                bias: task.bias.is_some(),
                extras: self.extras(low)?,
                expr: task.epilogue.expr.clone(),
            };
            let first_row = self.rows.dy.first().map_or(0, |&y| i64::from(y)) * x.strides[2];
            let x_strides = [x.strides[0], group_planes as i64 * plane, 0, far(x_pixel, units.step)];
            let out_start = |view: &View| {
                let start =
                    i64::from(rows.start) * view.strides[2] + i64::from(columns.start) * view.strides[3];
                start + far(out_pixel(view), first)
            };
            let out_step = |view: &View| far(out_pixel(view), units.step);
            let w_strides = [0, self.blocks as i64 * block_weights, panel_bytes, 0];
            let mut args = vec![
                x.arg(first_row + far(x_pixel, first), &x_strides),
                w.arg(self.first as i64 * block_weights, &w_strides),
                self.out_arg(out, out_start(out), out_step(out)),
                CallArg::Int(run.tiles as i64),
                CallArg::Int(in_blocks as i64),
                CallArg::Int(plane),
                CallArg::Int(i64::from(gap) * x.strides[2]),
                CallArg::Int(out.strides[1]),
            ];
            if let Some(ahead) = ahead {
                let next = self.first as i64 * block_weights + panel_bytes + ahead.share(tiles_before);
                let [_, group, panel, _] = w_strides;
                let picture = if pictures > 1 { ahead.share(picture_tiles) } else { 0 };
                args.push(w.arg(next, &[picture, group, panel, ahead.share(unit_tiles)]));
                tiles_before += run.tiles;
            }
            if let Some(bias) = task.bias {
                args.push(self.channel_arg(&low.view(bias)));
            }
            for extra in self.extra_views(low) {
                let kind = Extra::of(&extra, out)?;
                args.push(match kind {
                    Extra::Full => self.out_arg(&extra, out_start(&extra), out_step(&extra)),
                    Extra::Channel => self.channel_arg(&extra),
                    Extra::Scalar => extra.arg(0, &[0; 4]),
                });
                if kind == Extra::Full {
                    args.push(CallArg::Int(extra.strides[1]));
                }
            }
            calls.push(super::step::Call { kernel: low.kernel(spec.kernel()), args });
        }
        Ok((order, order.apply(Nest::new(dims, calls))))
    }

    /// Pixels of a tile at most: the plan's, but a narrower last panel has room for more.
    fn pixels(&self, low: &Lowering<'_>) -> u32 {
        if self.vectors == self.task.vectors {
            self.task.pixels
        } else {
            most_pixels(self.vectors, low.target())
        }
    }

    /// Whether `x` is one pixel of planar channels, which are adjacent as in a block.
    fn vector_input(&self) -> bool {
        self.x.kind == LayoutKind::Planar && self.x.strides[1] == 4
    }

    /// How input channels are taken: whole blocks and the lanes of a last one, or one by one.
    fn lanes(&self) -> Lanes {
        if self.x.kind == LayoutKind::Blocked || self.vector_input() {
            let channels = self.x.dims[1] / self.task.groups;
            Lanes::Block { rest: (channels % LANES as u64) as u32 }
        } else {
            Lanes::Single
        }
    }

    /// The buffers of the epilogue's operands beside the sum.
    fn extra_views(&self, low: &Lowering<'_>) -> Vec<View> {
        let inputs = self.task.epilogue.expr.iter().flat_map(|e| &e.inputs);
        inputs
            .filter_map(|input| match input {
                Operand::Buffer(id) => Some(low.view(*id)),
                Operand::Sum => None,
            })
            .collect()
    }

    fn extras(&self, low: &Lowering<'_>) -> Result<Vec<(Extra, i32)>, LowerError> {
        let row_step = i64::from(self.task.phase[0].step);
        let of = |view: &View| match Extra::of(view, &self.out)? {
            Extra::Full => Ok((Extra::Full, distance(row_step * view.strides[2])?)),
            extra => Ok((extra, 0)),
        };
        self.extra_views(low).iter().map(of).collect()
    }

    /// A buffer of the output's shape.
    fn out_arg(&self, view: &View, at: i64, step: i64) -> CallArg {
        let plane = view.strides[1];
        view.arg(
            self.first as i64 * plane + at,
            &[view.strides[0], self.blocks as i64 * plane, i64::from(self.vectors) * plane, step],
        )
    }

    /// One vector for each block of channels.
    fn channel_arg(&self, view: &View) -> CallArg {
        let plane = view.strides[1];
        view.arg(
            self.first as i64 * plane,
            &[0, self.blocks as i64 * plane, i64::from(self.vectors) * plane, 0],
        )
    }
}
