//! What a task does at the least: arithmetic and memory, for one sample.

use super::task::{Phase, StridedCopy};
use super::{Buffer, BufferId, Fill, Plan, Task, TaskKind};
use crate::kernels::ir::LANES;
use crate::kernels::step::Base;

/// What a task has to do for one sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Floating-point operations: two for each product that the direct algorithm adds up, whatever
    /// algorithm is used; padding lanes of blocks do not count. 0 for tasks that sum no products.
    pub flops: u64,
    /// Bytes of the buffers that are read and written, each once; halos count where windows read them,
    /// and memory of a strip does not.
    pub bytes: u64,
}

/// The work of a task of a plan.
pub fn work(plan: &Plan, task: &Task) -> Work {
    let flops = 2u64.saturating_mul(multiply_adds(plan, task));
    Work { flops, bytes: bytes(plan, task) }
}

fn multiply_adds(plan: &Plan, task: &Task) -> u64 {
    let product = |factors: &[u64]| factors.iter().fold(1u64, |n, &f| n.saturating_mul(f));
    let out = plan.buffer(task.out).dims;
    let channels = |x: BufferId, groups: u64| plan.buffer(x).dims[1] / groups.max(1);
    let positions = |phase: &[Phase; 2]| u64::from(phase[0].count) * u64::from(phase[1].count);
    match &task.kind {
        TaskKind::Contract(t) => {
            product(&[out[0], out[1], positions(&t.phase), t.taps.len() as u64, channels(t.x, t.groups)])
        }
        TaskKind::PlanarConv(t) => {
            let made = t.then.as_ref().map_or(out[1], |then| then.channels);
            let then = t.then.as_ref().map_or(0, |then| out[1] * then.channels);
            let sums = product(&[made, t.taps.len() as u64, channels(t.x, t.groups)]);
            product(&[out[0], positions(&t.phase), sums.saturating_add(then)])
        }
        TaskKind::Winograd(t) => product(&[product(&out), 9, channels(t.tiles.x, 1)]),
        TaskKind::MatMul(t) => product(&[out[0], t.columns, t.inner]),
        TaskKind::Depthwise(t) => product(&[product(&out), t.taps.len() as u64]),
        TaskKind::WeightGrad(t) => {
            let dy = plan.buffer(t.dy).dims;
            product(&[product(&dy), out[2], t.taps.len() as u64])
        }
        TaskKind::WinogradTiles(_)
        | TaskKind::MaxPoolGrad(_)
        | TaskKind::Pool(_)
        | TaskKind::Pointwise(_)
        | TaskKind::Reduce(_)
        | TaskKind::Softmax(_)
        | TaskKind::Resize(_)
        | TaskKind::Copy(_)
        | TaskKind::Convert { .. }
        | TaskKind::FillHalo(_)
        | TaskKind::PackPanels(_)
        | TaskKind::PackWinograd(_) => 0,
    }
}

fn bytes(plan: &Plan, task: &Task) -> u64 {
    let out = plan.buffer(task.out);
    let (window, written) = match &task.kind {
        TaskKind::Contract(t) => (Some(t.x), part(out, &t.phase)),
        TaskKind::PlanarConv(t) => (Some(t.x), part(out, &t.phase)),
        TaskKind::WinogradTiles(t) => (Some(t.x), inside(out)),
        TaskKind::Winograd(t) => (Some(t.tiles.x), inside(out)),
        TaskKind::Depthwise(t) => (Some(t.x), inside(out)),
        TaskKind::Pool(t) => (Some(t.x), inside(out)),
        TaskKind::WeightGrad(t) => (Some(t.x), inside(out)),
        TaskKind::MaxPoolGrad(t) => (Some(t.x), inside(out)),
        TaskKind::Copy(copy) => {
            let ends = [plan.buffer(copy.x), out].into_iter().filter(|end| !is_local(end));
            return ends.count() as u64 * copied(copy);
        }
        TaskKind::FillHalo(_) if is_local(out) => return 0,
        TaskKind::FillHalo(fill) => {
            let halo = out.bytes().saturating_sub(inside(out));
            return match fill {
                Fill::Zero | Fill::NegInfinity | Fill::Constant(_) => halo,
                Fill::Replicate | Fill::Reflect | Fill::Wrap => 2 * halo,
            };
        }
        _ => (None, inside(out)),
    };
    let mut reads = task.kind.reads();
    reads.sort_unstable();
    reads.dedup();
    let read = |id: BufferId| match plan.buffer(id) {
        buffer if is_local(buffer) => 0,
        buffer if window == Some(id) => buffer.bytes(),
        buffer => inside(buffer),
    };
    let written = if is_local(out) { 0 } else { written };
    reads.into_iter().map(read).fold(written, u64::saturating_add)
}

/// Whether a buffer is one of a strip, which no cache has to give away.
fn is_local(buffer: &Buffer) -> bool {
    buffer.base == Base::Local
}

/// Bytes without the halo; padding lanes count, for they are read and written.
fn inside(buffer: &Buffer) -> u64 {
    let view = buffer.view();
    buffer.dims[0] * view.planes() * buffer.dims[2] * buffer.dims[3] * view.column_bytes() as u64
}

/// Bytes of the positions of a phase.
fn part(buffer: &Buffer, phase: &[Phase; 2]) -> u64 {
    let view = buffer.view();
    let positions = u64::from(phase[0].count) * u64::from(phase[1].count);
    buffer.dims[0] * view.planes() * positions * view.column_bytes() as u64
}

/// Bytes that a copy reads, and as many that it writes.
fn copied(copy: &StridedCopy) -> u64 {
    let element = if copy.vector { 4 * LANES as u64 } else { 4 };
    element * copy.dims.iter().product::<u64>()
}

#[cfg(test)]
mod tests;
