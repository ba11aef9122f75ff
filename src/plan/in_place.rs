//! Results that are written over an operand that nobody needs any more.
//!
//! What reads an operand element by element, at the place where it writes, may write over it: elementwise tasks, and
//! what is applied to sums (a residual). The operand must die there, lie alone in its memory and be like the result, halo
//! included. Neither may be part of a group of strips: strips read rows that others have made.

use super::strips::Strips;
use super::values::{RUN, Values};
use super::{Buffer, BufferId, Plan, Task, TaskKind};
use crate::kernels::step::Base;

impl TaskKind {
    /// The buffers that are read element by element where the result is written, and in no other way.
    pub(super) fn elementwise(&self) -> Vec<BufferId> {
        let expr = match self {
            TaskKind::Pointwise(expr) => Some(expr),
            TaskKind::Contract(t) => t.epilogue.expr.as_ref(),
            TaskKind::Winograd(t) => t.epilogue.expr.as_ref(),
            TaskKind::PlanarConv(t) => t.epilogue.expr.as_ref(),
            TaskKind::Depthwise(t) => t.epilogue.expr.as_ref(),
            TaskKind::Pool(t) => t.epilogue.expr.as_ref(),
            _ => None,
        };
        let operands: Vec<BufferId> = expr.map(|expr| expr.buffers().collect()).unwrap_or_default();
        let reads = self.reads();
        let times = |list: &[BufferId], id: BufferId| list.iter().filter(|other| **other == id).count();
        operands.iter().copied().filter(|&id| times(&reads, id) == times(&operands, id)).collect()
    }
}

/// Whether an element of one buffer is where the same element of the other is, if both begin at the same place.
fn alike(a: &Buffer, b: &Buffer) -> bool {
    a.base == Base::Arena && b.base == Base::Arena && a.dims == b.dims && a.layout == b.layout
}

/// Whether a task writes its result over a buffer as it may, were it the last to read it.
pub(super) fn writes_over(plan: &Plan, number: usize, task: &Task, id: BufferId) -> bool {
    let (out, operand) = (plan.buffer(task.out), plan.buffer(id));
    task.kind.elementwise().contains(&id)
        && alike(out, operand)
        && out.offset == operand.offset
        && !in_strips(&plan.strips, number)
}

fn in_strips(strips: &[Strips], number: usize) -> bool {
    strips.iter().any(|group| group.tasks.contains(&number))
}

/// Gives results the memory of operands, where that is possible, and says so in the tasks' reasons.
pub(super) fn share(values: &mut Values<'_>, strips: &[Strips]) {
    for number in 0..values.run.len() {
        if in_strips(strips, number) {
            continue;
        }
        let task = &values.run[number];
        let Some(over) = task.kind.elementwise().into_iter().find(|&id| dies(values, number, task, id))
        else {
            continue;
        };
        let (from, to) = (values.places[task.out.0 as usize].0, values.places[over.0 as usize].0);
        values.run[number].reason.push_str(&format!("; over b{}", over.0));
        for (storage, _) in &mut values.places {
            if *storage == from {
                *storage = to;
            }
        }
        let written = values.storages[from].lifetime.take();
        if let (Some((_, last)), Some((_, end))) = (&mut values.storages[to].lifetime, written) {
            *last = end;
        }
    }
}

/// Whether the task is the last to touch an operand's memory and the first to touch its result's, and both are whole and alike.
fn dies(values: &Values<'_>, number: usize, task: &Task, id: BufferId) -> bool {
    let buffer = |id: BufferId| &values.buffers[id.0 as usize];
    let place = |id: BufferId| values.places[id.0 as usize];
    let whole = |id: BufferId| place(id).1 == 0 && values.storages[place(id).0].bytes == buffer(id).bytes();
    let lifetime = |id: BufferId| values.storages[place(id).0].lifetime;
    let others = task.kind.reads().into_iter().filter(|&other| other != id);
    let now = RUN + number;
    alike(buffer(task.out), buffer(id))
        && whole(task.out)
        && whole(id)
        && place(task.out).0 != place(id).0
        && lifetime(task.out).is_some_and(|(first, _)| first == now)
        && lifetime(id).is_some_and(|(_, last)| last == now)
        && others.into_iter().all(|other| place(other).0 != place(id).0)
}
