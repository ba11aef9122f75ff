//! Lowers convolutions of each channel by itself, on planes and on channel blocks.

use super::axes::pieces;
use super::build::KernelBuilder;
use super::call::CallBuilder;
use super::ir::{Count, LANES, Spills, VECTOR_BYTES, Vreg};
use super::lower::{LowerError, Lowering};
use super::stencil::{Planes, Stencil, Weight};
use super::step::{Call, Nest, by_planes};
use super::tiles::{Frame, Fused, RowTiles, Units, each_row, row_tiles, rows_at_once};
use super::window::{Window, first_row};
use crate::plan::stencil::is_stencil;
use crate::plan::task::{Depthwise, Phase};
use crate::plan::{BufferId, LayoutKind, View};

#[cfg(test)]
mod tests;

/// Sums of a tile: as many as hide the latency of FMA and leave registers for a weight and an operand.
const MOST_UNITS: u32 = 8;

/// One unit of work makes some rows of a plane.
pub(super) fn lower(
    task: &Depthwise,
    out: BufferId,
    low: &mut Lowering,
) -> Result<Vec<Vec<Nest>>, LowerError> {
    if let Some(nests) = stencil(task, out, low)? {
        return Ok(vec![nests]);
    }
    let (x, out) = (low.view(task.x), low.view(out));
    if x.kind != out.kind || x.dims[1] != out.dims[1] {
        return Err(LowerError::Plan("a depthwise convolution between layouts or of other channels"));
    }
    let tiles = row_tiles(out.dims[3], out.kind, MOST_UNITS);
    let units: u64 = tiles.iter().map(|tiles| tiles.units as u64 * tiles.count).sum();
    let at_once = rows_at_once(out.dims[2], units * task.taps.len() as u64);
    let mut nests = Vec::new();
    for (first, rows, count) in pieces(out.dims[2], at_once) {
        let calls = tiles.iter().map(|tiles| tile_rows(task, &x, &out, tiles, [first, rows], low));
        nests.push(Nest::new(vec![out.dims[0], out.planes(), count], calls.collect::<Result<_, _>>()?));
    }
    Ok(vec![by_planes(out.planes(), nests)])
}

/// Whether a weight is one number for all lanes, not one for each channel of a block, and its bytes.
fn lanes_of_weights(task: &Depthwise, kind: LayoutKind) -> (bool, i64) {
    let splat = task.shared || kind == LayoutKind::Planar;
    (splat, if splat { 4 } else { VECTOR_BYTES })
}

/// Where the window is a stencil.
fn stencil(task: &Depthwise, out: BufferId, low: &mut Lowering) -> Result<Option<Vec<Nest>>, LowerError> {
    let whole = |count: u64| Phase { start: 0, step: 1, count: count as u32 };
    let (x, view) = (low.view(task.x), low.view(out));
    let phase = [whole(view.dims[2]), whole(view.dims[3])];
    if x.dims[1] != view.dims[1] || !is_stencil(&task.taps, task.stride, &phase, &task.epilogue) {
        return Ok(None);
    }
    let Some(planes) = Planes::of(&task.taps, task.stride[0], task.x, out, low) else { return Ok(None) };
    let (splat, weight_bytes) = lanes_of_weights(task, view.kind);
    let known = |tap: usize| task.known.get(tap).map(|weight| weight.to_bits());
    let weight = |tap: usize| Some(Weight { offset: weight_bytes as i32 * tap as i32, known: known(tap) });
    let per_plane = if task.shared { 0 } else { weight_bytes * task.taps.len() as i64 };
    let stencil = Stencil {
        taps: &task.taps,
        step: i64::from(task.stride[0]),
        splat,
        weights: vec![(0..task.taps.len()).map(weight).collect()],
        epilogue: &task.epilogue,
        dims: vec![view.dims[0], view.planes()],
        x_strides: x.strides[..2].to_vec(),
        w: low.view(task.w).arg(0, &[0, per_plane]),
        out_strides: view.strides[..2].to_vec(),
        bias: task.bias.map(|bias| low.view(bias).arg(0, &[0, view.column_bytes()])),
        out_start: 0,
        then: None,
    };
    stencil.lower(&planes, low).map(Some)
}

/// The tiles of `rows` rows from `first` on.
fn tile_rows(
    task: &Depthwise,
    x: &View,
    out: &View,
    tiles: &RowTiles,
    [first, rows]: [u64; 2],
    low: &mut Lowering,
) -> Result<Call, LowerError> {
    let kind = out.kind;
    let [sy, sx] = task.stride.map(i64::from);
    let (first, rows) = (first as i64, rows as i64);
    let frame =
        Frame { dims: vec![(0, 1), (1, 1), (2, rows)], start: [0, 0, first, 0], step: 1, row_step: 1 };
    let frame = frame.at(tiles, kind);
    let mut c = CallBuilder::new(format!("depthwise_t{}_u{}", task.taps.len(), tiles.units));
    let column = frame.start[3] * sx * x.strides[3];
    let start = first_row(&task.taps, x) + column + first * sy * x.strides[2];
    let src = c.ptr(x.arg(start, &[x.strides[0], x.strides[1], rows * sy * x.strides[2]]));
    let dst = c.ptr(frame.arg(out));
    let count = c.int(tiles.count as i64);
    let (splat, weight_bytes) = lanes_of_weights(task, kind);
    let w = low.view(task.w);
    let plane_weights = if task.shared { 0 } else { weight_bytes * task.taps.len() as i64 };
    let w = c.ptr(w.arg(0, &[0, plane_weights, 0]));
    let bias = task.bias.map(|bias| {
        let column = out.column_bytes();
        c.ptr(low.view(bias).arg(0, &[0, column, 0]))
    });
    let weights: Vec<i64> = (0..task.taps.len() as i64).map(|tap| tap * weight_bytes).collect();
    let window = Window::declare(&task.taps, &weights, x, tiles.units, 3, &mut c, low)?;
    let read = Units::new(kind, sx)?;
    let write = Units::new(kind, 1)?;
    let fused = Fused::declare(&task.epilogue, kind, &frame, 1, &mut c, low)?;
    let moved = tiles.count as i64 * tiles.units as i64;
    let several = (rows > 1).then(|| c.int(rows));
    let mut next = Vec::new();
    if several.is_some() {
        next.push((src, c.int(sy * x.strides[2] - moved * i64::from(read.bytes))));
        next.push((dst, c.int(out.strides[2] - moved * i64::from(write.bytes))));
        next.extend(fused.next_rows(moved, &mut c));
    }
    let tile = |b: &mut KernelBuilder| {
        let acc: Vec<Vreg> = match bias {
            None => (0..tiles.units).map(|_| b.splat(0.0)).collect(),
            Some(bias) => {
                let load = |b: &mut KernelBuilder| match kind {
                    LayoutKind::Planar => b.load_splat(bias.at(0)),
                    LayoutKind::Blocked => b.load(bias.at(0), LANES),
                };
                (0..tiles.units).map(|_| load(b)).collect()
            }
        };
        window.walk(b, src, w, &mut |b, taps| {
            for (at, weight) in taps {
                let weight = if splat { b.load_splat(*weight) } else { b.load(*weight, LANES) };
                for (unit, &acc) in acc.iter().enumerate() {
                    let at = at.ptr.at(at.offset + unit as i32 * read.bytes);
                    read.multiply(b, acc, weight, at, tiles.lanes(unit));
                }
            }
        });
        for (unit, &sum) in acc.iter().enumerate() {
            let lanes = tiles.lanes(unit);
            let result = fused.apply(b, sum, unit, lanes);
            write.store(b, dst.at(unit as i32 * write.bytes), result, lanes);
        }
        b.advance(src, tiles.units as i32 * read.bytes);
        b.advance(dst, tiles.units as i32 * write.bytes);
        fused.advance(b, tiles.units);
    };
    each_row(&mut c.b, several, &next, |b| b.repeat(Count::Int(count), tile));
    Ok(c.finish(Spills::Allowed, low))
}
