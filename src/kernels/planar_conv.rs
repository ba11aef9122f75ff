//! Lowers convolutions on planes: any groups and channels, vectors along the row.
//!
//! A tile is several vectors of a row in several output channels, so that an element that is loaded
//! meets several weights. Every output sums input channels, then taps in the order of the list, whatever
//! the tile.

use super::axes::pieces;
use super::build::KernelBuilder;
use super::call::CallBuilder;
use super::ir::{Addr, Count, Int, LANES, Offset, Ptr, Spills, Vreg};
use super::lower::{LowerError, Lowering, distance};
use super::stencil::{Planes, Stencil, Then, Weight};
use super::step::{Call, Nest};
use super::tiles::{Frame, Fused, RowTiles, Units, each_row, row_tiles, rows_at_once};
use super::window::{Window, first_row};
use crate::plan::stencil::is_stencil;
use crate::plan::task::PlanarConv;
use crate::plan::{BufferId, LayoutKind, View};

mod products;
#[cfg(test)]
mod tests;

/// Output channels of a tile, at most.
const MOST_CHANNELS: u64 = 3;

/// Vectors of a tile beside a number of output channels: 16 registers hold the sums, the vectors and a
/// weight.
fn most_units(channels: u64) -> u32 {
    match channels {
        1 => 8,
        2 => 4,
        _ => 3,
    }
}

/// `(first, tiles, channels)` for the output channels of a group: threes, and twos where one would be left.
fn channel_tiles(channels: u64) -> Vec<(u64, u64, u64)> {
    let threes = match channels % MOST_CHANNELS {
        1 => (channels / MOST_CHANNELS).saturating_sub(1),
        _ => channels / MOST_CHANNELS,
    };
    let left = channels - threes * MOST_CHANNELS;
    let parts = [(threes, MOST_CHANNELS), (left / 2, 2), (left % 2, 1)];
    let mut first = 0;
    let mut tiles = Vec::new();
    for (count, width) in parts {
        if count > 0 {
            tiles.push((first, count, width));
        }
        first += count * width;
    }
    tiles
}

/// One unit of work makes some rows in the output channels of a tile.
pub(super) fn lower(
    task: &PlanarConv,
    out: BufferId,
    low: &mut Lowering,
) -> Result<Vec<Vec<Nest>>, LowerError> {
    if let Some(nests) = stencil(task, out, low)? {
        return Ok(vec![nests]);
    }
    if let Some(nests) = products::lower(task, out, low)? {
        return Ok(vec![nests]);
    }
    let (x, out) = (low.view(task.x), low.view(out));
    let divides = |n: u64| task.groups > 0 && n.is_multiple_of(task.groups);
    if x.kind != LayoutKind::Planar || out.kind != LayoutKind::Planar {
        return Err(LowerError::Plan("a planar convolution on blocks"));
    }
    if !divides(x.dims[1]) || !divides(out.dims[1]) || task.tap_index.len() != task.taps.len() {
        return Err(LowerError::Plan("a planar convolution with uneven groups or unnumbered taps"));
    }
    let [rows, columns] = task.phase;
    if rows.count == 0 || columns.count == 0 {
        return Ok(Vec::new());
    }
    if task.then.is_some() {
        return Err(LowerError::Plan("channels that go on together, but are made one after the other"));
    }
    let job = Job { task, x, out, weights: Weights::of(task, &x, &out) };
    let mut nests = Vec::new();
    for (first, tiles, channels) in channel_tiles(out.dims[1] / task.groups) {
        let parts = row_tiles(u64::from(columns.count), LayoutKind::Planar, most_units(channels));
        let units: u64 = parts.iter().map(|part| part.units as u64 * part.count).sum();
        let work = units * channels * task.taps.len() as u64 * job.weights.ins as u64;
        for (row, size, count) in pieces(u64::from(rows.count), rows_at_once(u64::from(rows.count), work)) {
            let step = i64::from(rows.step);
            let frame = Frame {
                dims: vec![(0, 1), (1, job.weights.outs), (1, channels as i64), (2, size as i64 * step)],
                start: [0, first as i64, i64::from(rows.start) + row as i64 * step, i64::from(columns.start)],
                step: i64::from(columns.step),
                row_step: step,
            };
            let calls = parts.iter().map(|part| job.tile_rows(&frame, channels, part, [row, size], low));
            let dims = vec![out.dims[0], task.groups, tiles, count];
            nests.push(Nest::new(dims, calls.collect::<Result<_, _>>()?));
        }
    }
    Ok(vec![nests])
}

/// Of one input channel, where its window is a stencil.
fn stencil(task: &PlanarConv, out: BufferId, low: &mut Lowering) -> Result<Option<Vec<Nest>>, LowerError> {
    let source = low.view(task.x);
    if source.dims[1] != task.groups || !is_stencil(&task.taps, task.stride, &task.phase, &task.epilogue) {
        return Ok(None);
    }
    let Some(planes) = Planes::of(&task.taps, task.stride[0], task.x, out, low) else { return Ok(None) };
    let view = low.view(out);
    let outs = task.then.as_ref().map_or(view.dims[1] / task.groups, |then| then.channels);
    let w_taps = 4 * i64::from(task.w_taps);
    let at = |o: u64, tap: usize| distance(o as i64 * w_taps + 4 * i64::from(task.tap_index[tap]));
    let w = low.view(task.w);
    let bias = task.bias.map(|bias| low.view(bias));
    let mut nests = Vec::new();
    for (first, tiles, channels) in channel_tiles(outs) {
        // Code that knows weights serves one tile alone.
        let alone = task.groups == 1 && outs == channels;
        let known = |o: u64, tap: usize| {
            let place = o * u64::from(task.w_taps) + u64::from(task.tap_index[tap]);
            task.known.get(place as usize).copied().filter(|_| alone)
        };
        let weight = |o: u64, tap: usize| -> Result<Option<Weight>, LowerError> {
            let known = known(o, tap);
            let weight = Weight { offset: at(o, tap)?, known: known.map(f32::to_bits) };
            Ok((known != Some(0.0)).then_some(weight))
        };
        let weights = (0..channels)
            .map(|o| (0..task.taps.len()).map(|tap| weight(o, tap)).collect())
            .collect::<Result<_, _>>()?;
        let (first, each) = (first as i64, channels as i64);
        let outs = outs as i64;
        let then = task.then.as_ref().map(|then| Then {
            w: low.view(then.w).arg(0, &[0, 0, 0]),
            bias: then.bias.map(|bias| low.view(bias).arg(0, &[0, 0, 0])),
            planes: view.dims[1] as usize,
            epilogue: &then.epilogue,
        });
        let stencil = Stencil {
            taps: &task.taps,
            step: i64::from(task.stride[0]),
            splat: true,
            weights,
            epilogue: &task.epilogue,
            dims: vec![view.dims[0], task.groups, tiles],
            x_strides: vec![source.strides[0], source.strides[1], 0],
            w: w.arg(first * w_taps, &[0, outs * w_taps, each * w_taps]),
            out_strides: vec![view.strides[0], outs * view.strides[1], each * view.strides[1]],
            bias: bias.map(|bias| bias.arg(4 * first, &[0, 4 * outs, 4 * each])),
            out_start: first * view.strides[1],
            then,
        };
        nests.extend(stencil.lower(&planes, low)?);
    }
    Ok(Some(nests))
}

/// Byte distances in the weights.
struct Weights {
    /// Output channels of a group.
    outs: i64,
    /// Input channels of a group.
    ins: i64,
    /// From one output channel to the next.
    out: i64,
    /// From one input channel to the next.
    channel: i64,
    /// From one group to the next.
    group: i64,
}

impl Weights {
    fn of(task: &PlanarConv, x: &View, out: &View) -> Weights {
        let (ins, outs) = ((x.dims[1] / task.groups) as i64, (out.dims[1] / task.groups) as i64);
        let taps = 4 * i64::from(task.w_taps);
        let (out, channel) = if task.w_transposed { (taps, outs * taps) } else { (ins * taps, taps) };
        Weights { outs, ins, out, channel, group: outs * ins * taps }
    }
}

struct Job<'a> {
    task: &'a PlanarConv,
    x: View,
    out: View,
    weights: Weights,
}

impl Job<'_> {
    /// The tiles of `rows` rows from `first` on.
    fn tile_rows(
        &self,
        frame: &Frame,
        channels: u64,
        tiles: &RowTiles,
        [first, rows]: [u64; 2],
        low: &mut Lowering,
    ) -> Result<Call, LowerError> {
        let Job { task, x, out, weights } = self;
        let [sy, sx] = task.stride.map(i64::from);
        let first_channel = frame.start[1];
        let first_column = tiles.start as i64 * LANES as i64;
        let frame = frame.at(tiles, LayoutKind::Planar);
        let name = format!("planar_t{}_{}x{channels}", task.taps.len(), tiles.units);
        let mut c = CallBuilder::new(name);
        let (first, rows) = (first as i64, rows as i64);
        let x_start = first_row(&task.taps, x) + first_column * sx * x.strides[3] + first * sy * x.strides[2];
        let group_planes = weights.ins * x.strides[1];
        let src = c.ptr(x.arg(x_start, &[x.strides[0], group_planes, 0, rows * sy * x.strides[2]]));
        let per_tile = channels as i64;
        let w =
            low.view(task.w).arg(first_channel * weights.out, &[0, weights.group, per_tile * weights.out, 0]);
        let w = c.ptr(w);
        let dst = c.ptr(frame.arg(out));
        let bias = task.bias.map(|bias| {
            let view = low.view(bias);
            c.ptr(view.arg(4 * first_channel, &[0, 4 * weights.outs, 4 * per_tile, 0]))
        });
        let count = c.int(tiles.count as i64);
        let ins = c.int(weights.ins);
        let x_plane = c.int(x.strides[1]);
        let w_channel = c.int(weights.channel);
        let out_plane = c.int(out.strides[1]);
        let rewind = Rewind {
            x: c.int(tiles.units as i64 * 32 * sx - weights.ins * x.strides[1]),
            w: c.int(-weights.ins * weights.channel),
        };
        let tap_weights: Vec<i64> = task.tap_index.iter().map(|tap| 4 * i64::from(*tap)).collect();
        let work = tiles.units * channels as usize;
        let window = Window::declare(&task.taps, &tap_weights, x, work, 4, &mut c, low)?;
        let fused =
            Fused::declare(&task.epilogue, LayoutKind::Planar, &frame, channels as usize, &mut c, low)?;
        // One tile of channels, each tap by itself in the code: what is known of it can be left out.
        let by_itself = task.taps.len() * work <= super::window::UNROLLED
            && task.groups == 1
            && weights.ins == 1
            && weights.outs as u64 == channels;
        let zeros = if by_itself { task.known.iter().map(|w| *w == 0.0).collect() } else { Vec::new() };
        // Output channels of the tile are constant distances apart in the weights.
        let mut out_weights = Vec::new();
        for o in 0..per_tile {
            let far = task.tap_index.iter().max().map_or(0, |tap| 4 * i64::from(*tap));
            distance(o * weights.out + far)?;
            out_weights.push(distance(o * weights.out)?);
        }
        let tile = Tile {
            tiles,
            read: Units::new(LayoutKind::Planar, sx)?,
            write: Units::new(LayoutKind::Planar, frame.step)?,
            out_weights,
            zeros,
            ins,
            x_plane,
            w_channel,
            out_plane,
            rewind,
        };
        let ptrs = Ptrs { src, w, dst, bias, at: c.b.ptr() };
        let moved = tiles.count as i64 * tiles.units as i64;
        let several = (rows > 1).then(|| c.int(rows));
        let mut next = Vec::new();
        if several.is_some() {
            let row = sy * x.strides[2] - moved * i64::from(tile.read.bytes);
            next.push((src, c.int(row)));
            let row = frame.row_step * out.strides[2] - moved * i64::from(tile.write.bytes);
            next.push((dst, c.int(row)));
            next.extend(fused.next_rows(moved, &mut c));
        }
        each_row(&mut c.b, several, &next, |b| {
            b.repeat(Count::Int(count), |b| tile.emit(b, &ptrs, &window, &fused));
        });
        Ok(c.finish(Spills::Allowed, low))
    }
}

/// From behind the last input channel to the next tile's first.
struct Rewind {
    x: Int,
    w: Int,
}

struct Ptrs {
    src: Ptr,
    w: Ptr,
    dst: Ptr,
    bias: Option<Ptr>,
    /// The place in the current output plane.
    at: Ptr,
}

struct Tile<'a> {
    tiles: &'a RowTiles,
    read: Units,
    write: Units,
    /// Bytes from the first output channel's weights to each one's.
    out_weights: Vec<i32>,
    /// By the place in the weights, which are known to be 0.
    zeros: Vec<bool>,
    ins: Int,
    x_plane: Int,
    w_channel: Int,
    out_plane: Int,
    rewind: Rewind,
}

impl Tile<'_> {
    fn emit(&self, b: &mut KernelBuilder, ptrs: &Ptrs, window: &Window, fused: &Fused<'_>) {
        let units = self.tiles.units;
        // One list of sums for each output channel.
        let mut sums: Vec<Vec<Vreg>> = Vec::new();
        for o in 0..self.out_weights.len() as i32 {
            let start = |b: &mut KernelBuilder| match ptrs.bias {
                None => b.splat(0.0),
                Some(bias) => b.load_splat(bias.at(4 * o)),
            };
            sums.push((0..units).map(|_| start(b)).collect());
        }
        b.repeat(Count::Int(self.ins), |b| {
            window.walk(b, ptrs.src, ptrs.w, &mut |b, taps| {
                for (at, weight) in taps {
                    self.tap(b, &sums, *at, *weight);
                }
            });
            b.advance_int(ptrs.src, self.x_plane);
            b.advance_int(ptrs.w, self.w_channel);
        });
        b.advance_int(ptrs.src, self.rewind.x);
        b.advance_int(ptrs.w, self.rewind.w);

        b.set_ptr(ptrs.at, ptrs.dst, Offset::Bytes(0));
        fused.first_plane(b);
        for (o, sums) in sums.iter().enumerate() {
            if o > 0 {
                b.advance_int(ptrs.at, self.out_plane);
                fused.next_plane(b);
            }
            for (unit, &sum) in sums.iter().enumerate() {
                let lanes = self.tiles.lanes(unit);
                let result = fused.apply(b, sum, unit, lanes);
                self.write.store(b, ptrs.at.at(unit as i32 * self.write.bytes), result, lanes);
            }
        }
        b.advance(ptrs.dst, units as i32 * self.write.bytes);
        fused.advance(b, units);
    }

    /// One tap of one input channel, for all sums.
    fn tap(&self, b: &mut KernelBuilder, sums: &[Vec<Vreg>], at: Addr, weight: Addr) {
        let unit_at = |unit: usize| at.ptr.at(at.offset + unit as i32 * self.read.bytes);
        if let [sums] = sums {
            let weight = b.load_splat(weight);
            for (unit, &sum) in sums.iter().enumerate() {
                self.read.multiply(b, sum, weight, unit_at(unit), self.tiles.lanes(unit));
            }
            return;
        }
        let values: Vec<Vreg> = (0..self.tiles.units)
            .map(|unit| self.read.load(b, unit_at(unit), self.tiles.lanes(unit)))
            .collect();
        for (sums, out) in sums.iter().zip(&self.out_weights) {
            if self.zeros.get(((weight.offset + out) / 4) as usize) == Some(&true) {
                continue;
            }
            let weight = b.load_splat(weight.ptr.at(weight.offset + out));
            for (&sum, &value) in sums.iter().zip(&values) {
                b.fma(sum, weight, value);
            }
        }
    }
}
