//! Checks the plan's invariants, all of them, and says where each is broken.

use std::ops::Range;

use super::in_place::writes_over;
use super::strips::StripRows;
use super::{Buffer, BufferId, Kept, Plan, Strips, Task, TaskKind};
use crate::kernels::step::Base;

/// Every invariant of [`super`] that does not hold. None is a user's mistake.
pub fn verify(plan: &Plan) -> Vec<String> {
    let mut problems = Vec::new();
    bounds(plan, &mut problems);
    order(plan, &mut problems);
    lifetimes(plan, &mut problems);
    strips(plan, &mut problems);
    tiles(plan, &mut problems);
    problems
}

/// The bytes of a base that a buffer takes.
fn bytes(buffer: &Buffer) -> Range<u64> {
    buffer.offset..buffer.offset + buffer.bytes()
}

/// Buffers lie within their base and start where they may.
fn bounds(plan: &Plan, problems: &mut Vec<String>) {
    for (i, buffer) in plan.buffers.iter().enumerate() {
        let id = BufferId(i as u32);
        let mut tasks = plan.prepare.iter().chain(&plan.run);
        if !tasks.any(|t| t.out == id || t.kind.reads().contains(&id)) {
            // What no task touches has no place.
            continue;
        }
        let limit = match buffer.base {
            Base::Arena => plan.arena_bytes,
            Base::Local => plan.local_bytes,
            Base::Packed => plan.packed_bytes,
            Base::Consts => plan.consts.len() as u64,
            // The caller's memory: whole tensors from the start.
            Base::Input(_) | Base::Output(_) | Base::Param(_) => {
                if buffer.offset != 0 || !buffer.layout.halo.is_none() {
                    problems.push(format!("b{i} takes only a part of the caller's memory"));
                }
                continue;
            }
        };
        if bytes(buffer).end > limit {
            problems.push(format!("b{i} ends at {} of {limit} bytes", bytes(buffer).end));
        }
    }
}

/// What a task may read and write, and that it was written before.
fn order(plan: &Plan, problems: &mut Vec<String>) {
    let mut written = vec![false; plan.buffers.len()];
    for (prepare, tasks) in [(true, &plan.prepare), (false, &plan.run)] {
        for task in tasks {
            let mut reads = task.kind.reads();
            if matches!(task.kind, TaskKind::FillHalo(_)) {
                reads.push(task.out);
            }
            for id in reads {
                let base = plan.buffer(id).base;
                let given = matches!(base, Base::Consts | Base::Param(_))
                    || !prepare && matches!(base, Base::Input(_));
                let early = prepare && !matches!(base, Base::Consts | Base::Param(_) | Base::Packed);
                if early {
                    problems.push(format!(
                        "`{}` prepares from b{}, which is known only in a run",
                        task.name, id.0
                    ));
                } else if !given && !made_before(plan, &written, id) {
                    problems.push(format!("`{}` reads b{} before it is written", task.name, id.0));
                }
            }
            let base = plan.buffer(task.out).base;
            let own = if prepare {
                base == Base::Packed
            } else {
                matches!(base, Base::Arena | Base::Local | Base::Output(_))
            };
            if !own {
                problems.push(format!("`{}` writes b{} in {base:?}", task.name, task.out.0));
            }
            written[task.out.0 as usize] = true;
        }
    }
}

/// Whether all bytes of a buffer were written, as itself, as another view of it, or in parts.
fn made_before(plan: &Plan, written: &[bool], id: BufferId) -> bool {
    let this = plan.buffer(id);
    let done = plan.buffers.iter().zip(written).filter(|(other, done)| **done && other.base == this.base);
    let mut ranges: Vec<_> = done.map(|(other, _)| bytes(other)).collect();
    ranges.sort_unstable_by_key(|range| range.start);
    let Range { start, end } = bytes(this);
    let reached =
        ranges.iter().fold(start, |at, range| if range.start <= at { at.max(range.end) } else { at });
    reached >= end
}

/// From the first write to the last read of a buffer, nobody else writes into its bytes. Packed weights
/// that a run reads are needed for good.
fn lifetimes(plan: &Plan, problems: &mut Vec<String>) {
    let touches = |task: &Task, id: BufferId| task.out == id || task.kind.reads().contains(&id);
    for (i, buffer) in plan.buffers.iter().enumerate() {
        let id = BufferId(i as u32);
        let (tasks, kept) = match buffer.base {
            Base::Arena => (&plan.run, false),
            Base::Packed => (&plan.prepare, plan.run.iter().any(|t| touches(t, id))),
            _ => continue,
        };
        let first = tasks.iter().position(|t| t.out == id);
        let last = if kept { Some(tasks.len() - 1) } else { tasks.iter().rposition(|t| touches(t, id)) };
        let (Some(first), Some(last)) = (first, last) else { continue };
        // Tasks of one group run interleaved.
        let group = |at: usize| match buffer.base {
            Base::Arena => plan.strips.iter().find(|s| s.tasks.contains(&at)).map(|s| s.tasks.clone()),
            _ => None,
        };
        let first = group(first).map_or(first, |tasks| tasks.start);
        let last = group(last).map_or(last, |tasks| tasks.end - 1);
        for (number, task) in tasks.iter().enumerate().take(last + 1).skip(first) {
            let other = plan.buffer(task.out);
            let apart = bytes(other).end <= buffer.offset || bytes(buffer).end <= other.offset;
            let over = number == last && buffer.base == Base::Arena && writes_over(plan, number, task, id);
            let fine = apart || is_part(other, buffer) || over;
            if task.out != id && other.base == buffer.base && !fine {
                problems.push(format!("`{}` overwrites b{i} while it is needed", task.name));
            }
        }
    }
}

/// Tiles of Winograd's filtering lie within the halo of what they are cut from, and have a size of chunks for each size of phases.
fn tiles(plan: &Plan, problems: &mut Vec<String>) {
    for task in plan.prepare.iter().chain(&plan.run) {
        let tiles = match &task.kind {
            TaskKind::WinogradTiles(tiles) => tiles,
            TaskKind::Winograd(task) => &task.tiles,
            _ => continue,
        };
        if tiles.dilation.contains(&0) || tiles.chunk.len() != tiles.classes().len() {
            problems.push(format!("`{}` has other phases than chunks", task.name));
            continue;
        }
        let buffer = plan.buffer(tiles.x);
        let halo = buffer.layout.halo;
        let beyond = |axis: usize, before: u32, after: u32| {
            let first = i64::from(tiles.origin[axis]);
            let end = first + tiles.reach()[axis] as i64;
            first < -i64::from(before) || end > buffer.dims[2 + axis] as i64 + i64::from(after)
        };
        if beyond(0, halo.top, halo.bottom) || beyond(1, halo.left, halo.right) {
            problems.push(format!("tiles of `{}` reach beyond b{}", task.name, tiles.x.0));
        }
    }
}

/// What a group of strips hands on lies in local memory, apart, and is touched by the group alone.
fn strips(plan: &Plan, problems: &mut Vec<String>) {
    let mut before = 0;
    for group in &plan.strips {
        let Some(tasks) = plan.run.get(group.tasks.clone()).filter(|_| before <= group.tasks.start) else {
            problems.push(format!("strips of the tasks {:?}", group.tasks));
            continue;
        };
        before = group.tasks.end;
        let mut inner: Vec<BufferId> = tasks.iter().map(|task| task.out).collect();
        inner.sort_unstable();
        inner.dedup();
        inner.retain(|id| *id != group.out);
        for (i, &id) in inner.iter().enumerate() {
            let outside = plan.run.iter().enumerate().any(|(number, task)| {
                !group.tasks.contains(&number) && (task.out == id || task.kind.reads().contains(&id))
            });
            let apart = inner[..i].iter().all(|&other| {
                let (a, b) = (bytes(plan.buffer(id)), bytes(plan.buffer(other)));
                a.end <= b.start || b.end <= a.start
            });
            if plan.buffer(id).base != Base::Local || outside || !apart {
                problems.push(format!("b{} is not a strip's own", id.0));
            }
        }
        if !keep_what_they_need(group, tasks, plan) {
            problems.push(format!("strips of the tasks {:?} read rows that are not kept", group.tasks));
        }
    }
}

/// Whether strips at the edges, and those of a band in the middle, have room in local buffers for all rows that they need,
/// and what copies read still has those that are read in the copies' place.
fn keep_what_they_need(group: &Strips, tasks: &[Task], plan: &Plan) -> bool {
    let rows = |number: u64, before: Option<&StripRows>| {
        StripRows::of(group, number, before, &plan.run, &plan.buffers)
    };
    let fits = |strip: &StripRows| {
        tasks.iter().all(|task| {
            let buffer = plan.buffer(task.out);
            let (Some(needed), Some(origin)) = (strip.needed(task.out), strip.origin(task.out)) else {
                return false;
            };
            let kept = match buffer.kept {
                Some(Kept::Rows(n) | Kept::Planes(n)) => n as i64,
                None => i64::MAX,
            };
            let source = match &task.kind {
                TaskKind::Copy(copy) => strip.origin(copy.x).zip(strip.needed(copy.x)),
                _ => None,
            };
            let extent = group.along.extent(buffer) as i64;
            let there = source.is_none_or(|(origin, read)| {
                origin <= needed.start.max(0) && needed.end.min(extent) <= read.end
            });
            origin <= needed.start && needed.end.saturating_sub(origin) <= kept && there
        })
    };
    let mut strips = vec![rows(0, None), rows(group.count - 1, None), rows(group.count / 2, None)];
    for next in (group.count / 2 + 1..group.count).take((group.band as usize).saturating_sub(1)) {
        let alone = rows(next, None);
        if !alone.is_some_and(|strip| strip.is_within(group.along, &plan.buffers)) {
            break;
        }
        let following = strips.last().and_then(Option::as_ref).and_then(|before| rows(next, Some(before)));
        strips.push(following);
    }
    strips.iter().all(|strip| strip.as_ref().is_some_and(fits))
}

/// Whether a buffer is some planes of another one of the same value, which is written in parts.
fn is_part(part: &Buffer, whole: &Buffer) -> bool {
    let (inner, outer) = (bytes(part), bytes(whole));
    part.value.is_some()
        && part.value == whole.value
        && part.layout == whole.layout
        && outer.start <= inner.start
        && inner.end <= outer.end
}
