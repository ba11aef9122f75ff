//! Lowers the transform of weights: `U = G g Gᵀ` into panels, one set for each position of a tile.

use super::transform::Transform;
use crate::kernels::call::CallBuilder;
use crate::kernels::ir::{Count, LANES, Spills, VECTOR_BYTES};
use crate::kernels::lower::{LowerError, Lowering, distance};
use crate::kernels::panels::{Part, parts};
use crate::kernels::step::Nest;
use crate::plan::BufferId;
use crate::plan::task::PackWinograd;

/// Bytes of one channel's 3×3 taps.
const TAPS_BYTES: i64 = 4 * 9;

/// One unit transforms the taps of a panel's output channels for a block of input channels. Positions lie far apart in
/// the panels, by a power of two as a rule, where a cache holds few lines at once: so they are collected in memory of
/// the thread, from where each goes to its place in whole lines.
pub(in crate::kernels) fn lower(
    task: &PackWinograd,
    out: BufferId,
    low: &mut Lowering,
) -> Result<Vec<Vec<Nest>>, LowerError> {
    if task.vectors == 0 || task.in_channels == 0 || task.out_channels == 0 {
        return Err(LowerError::Plan("transformed weights of no channels"));
    }
    let panels = task.panels();
    distance(panels.bytes() as i64 * i64::from(task.tile.positions()))?;
    // Parts of the same panels and blocks: the last panel's last vector may be by itself.
    let mut units: Vec<Vec<Part>> = Vec::new();
    for part in parts(&panels) {
        let same = |unit: &&mut Vec<Part>| {
            unit.first().is_some_and(|other| (other.panel, other.block) == (part.panel, part.block))
        };
        match units.iter_mut().find(same) {
            Some(unit) => unit.push(part),
            None => units.push(vec![part]),
        }
    }
    let most = panels.vectors.min(panels.group_vectors());
    let local = low.local(u64::from(task.tile.positions()) * pitch(most) as u64);
    let mut nests = Vec::new();
    for unit in units {
        let mut inner = Vec::new();
        for part in &unit {
            inner.push(transform(task, part, local, low)?);
        }
        if let Some(part) = unit.first() {
            inner.push(spread(task, part, local, out, low)?);
            nests.push(Nest::around(vec![part.panels, part.blocks], inner));
        }
    }
    Ok(vec![nests])
}

/// Bytes from one position to the next where they are collected: a line more than a block of channels, so that not all
/// of them share a few lines of the cache.
fn pitch(width: u64) -> i64 {
    (LANES as u64 * width) as i64 * VECTOR_BYTES + 64
}

/// The nest over `[panel, block, vector]` that transforms taps into memory of the thread, from `local` on.
fn transform(task: &PackWinograd, part: &Part, local: i64, low: &mut Lowering) -> Result<Nest, LowerError> {
    let panels = task.panels();
    let w = low.view(task.w);
    let (w_out, w_in) = if task.transposed {
        (TAPS_BYTES, task.out_channels as i64 * TAPS_BYTES)
    } else {
        (task.in_channels as i64 * TAPS_BYTES, TAPS_BYTES)
    };
    let tap = |y: i32, x: i32| if task.transposed { 4 * (8 - 3 * y - x) } else { 4 * (3 * y + x) };
    let next = distance(w_in)?;
    let stride = distance(w_out)?;
    distance(w_out * LANES as i64)?;
    let inputs = task.tile.inputs() as usize;
    let position = distance(pitch(part.width))?;
    let vector = LANES as i64 * w_out;
    let mut c = CallBuilder::new(format!("pack_winograd{}_{}", task.tile.outputs(), part.lanes));
    let read = (part.panel * panels.vectors + part.first) as i64 * vector
        + (part.block * panels.block) as i64 * w_in;
    let src = c.ptr(w.arg(read, &[panels.vectors as i64 * vector, panels.block as i64 * w_in, vector]));
    let dst = c.ptr(super::local(local + part.first as i64 * VECTOR_BYTES, vec![0, 0, VECTOR_BYTES]));
    let dst_step = c.int(part.width as i64 * VECTOR_BYTES);
    let real = c.int(part.channels as i64);
    let padding = c.int((panels.block - part.channels) as i64);
    let transform = Transform::weights(&mut c.b, task.tile);
    c.b.repeat(Count::Int(real), |b| {
        let mut columns = Vec::new();
        for x in 0..3 {
            let taps: Vec<_> =
                (0..3).map(|y| b.load_strided(src.at(tap(y, x)), stride, part.lanes as usize)).collect();
            columns.push(transform.apply(b, &taps));
        }
        for i in 0..inputs {
            let taps: Vec<_> = columns.iter().map(|column| column[i]).collect();
            for (j, value) in transform.apply(b, &taps).into_iter().enumerate() {
                b.store(dst.at((i * inputs + j) as i32 * position), value, LANES);
            }
        }
        b.advance(src, next);
        b.advance_int(dst, dst_step);
    });
    let zero = c.b.splat(0.0);
    c.b.repeat(Count::Int(padding), |b| {
        for p in 0..task.tile.positions() as i32 {
            b.store(dst.at(p * position), zero, LANES);
        }
        b.advance_int(dst, dst_step);
    });
    let call = c.finish(Spills::Allowed, low);
    Ok(Nest::new(vec![part.vectors], vec![call]))
}

/// The call over `[panel, block]` that brings what was collected to its places.
fn spread(
    task: &PackWinograd,
    part: &Part,
    local: i64,
    out: BufferId,
    low: &mut Lowering,
) -> Result<Nest, LowerError> {
    let panels = task.panels();
    let out = low.view(out);
    let at = |panel, block| panels.offset(0, panel, block, 0, 0) as i64;
    let row = distance(part.width as i64 * VECTOR_BYTES)?;
    let mut c = CallBuilder::new(format!("pack_winograd_spread{}", part.width));
    let src = c.ptr(super::local(local, vec![0; 2]));
    let dst = c.ptr(out.arg(
        at(part.panel, part.block),
        &[at(1, 0), at(part.panel, part.block + 1) - at(part.panel, part.block)],
    ));
    let positions = c.int(i64::from(task.tile.positions()));
    let rows = LANES as i64;
    let gap = distance(pitch(part.width) - rows * i64::from(row))?;
    let step = c.int(panels.bytes() as i64 - rows * i64::from(row));
    c.b.repeat(Count::Int(positions), |b| {
        b.repeat(Count::Static(LANES as u32), |b| {
            for offset in (0..row).step_by(VECTOR_BYTES as usize) {
                let value = b.load(src.at(offset), LANES);
                b.store(dst.at(offset), value, LANES);
            }
            b.advance(src, row);
            b.advance(dst, row);
        });
        b.advance(src, gap);
        b.advance_int(dst, step);
    });
    let call = c.finish(Spills::Allowed, low);
    Ok(Nest::new(vec![], vec![call]))
}
