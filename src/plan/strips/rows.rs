//! Which rows of each buffer a strip needs.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::{Along, Strips};
use crate::plan::task::{Epilogue, Operand, Pointwise, StridedCopy};
use crate::plan::{Buffer, BufferId, Fill, Task, TaskKind};

/// Rows (or planes) of a value: from `start` to before `end`, which may lie outside of the picture where a halo is read.
pub type Rows = Range<i64>;

/// The rows (or planes) that a strip needs of each buffer that its group touches.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StripRows(BTreeMap<BufferId, Needed>);

#[derive(Clone, Debug, PartialEq)]
struct Needed {
    rows: Rows,
    /// The first one that the strips before it in its band have not made.
    fresh: i64,
    /// The one that a local buffer begins with.
    origin: i64,
}

/// How a task reads its arguments: `(buffer, step, first, last)`, row `y` of the result taking rows
/// `y · step + first ..= y · step + last`.
pub(crate) type Reads = Vec<(BufferId, i64, i64, i64)>;

impl StripRows {
    /// For strip `number` of a group, which goes on after strip `before` in its band or begins one; none where a task
    /// cannot run on some rows only.
    pub fn of(
        strips: &Strips,
        number: u64,
        before: Option<&StripRows>,
        tasks: &[Task],
        buffers: &[Buffer],
    ) -> Option<StripRows> {
        let extent = strips.along.extent(buffers.get(strips.out.0 as usize)?);
        let from = number * strips.size;
        let group = tasks.get(strips.tasks.clone())?;
        // Copies are made anew: where they are left out, what they read is read in their place, all of it.
        let copies = group.iter().filter(|task| matches!(task.kind, TaskKind::Copy(_)));
        let copies: BTreeSet<BufferId> = copies.map(|task| task.out).collect();
        let before = |id: &BufferId| before.filter(|_| !copies.contains(id));
        let mut strip = StripRows::default();
        strip.need(strips.out, from as i64..extent.min(from + strips.size) as i64, before(&strips.out));
        for task in group.iter().rev() {
            let extent = strips.along.extent(buffers.get(task.out.0 as usize)?);
            let reads = reads(task, strips.along, buffers)?;
            let made = strip.made(task.out, extent)?;
            for (id, step, first, last) in reads {
                if !made.is_empty() {
                    strip.need(id, made.start * step + first..(made.end - 1) * step + last + 1, before(&id));
                }
            }
        }
        Some(strip)
    }

    /// Needs more of a buffer.
    fn need(&mut self, id: BufferId, want: Rows, before: Option<&StripRows>) {
        let rows = match self.0.get(&id) {
            Some(have) => have.rows.start.min(want.start)..have.rows.end.max(want.end),
            None => want,
        };
        let left = before.and_then(|before| before.0.get(&id)).filter(|left| left.rows.end > rows.start);
        let (fresh, origin) = left.map_or((rows.start, rows.start), |left| (left.rows.end, left.origin));
        self.0.insert(id, Needed { rows, fresh, origin });
    }

    /// Whether no row is needed that lies beyond a picture.
    pub fn is_within(&self, along: Along, buffers: &[Buffer]) -> bool {
        self.0.iter().all(|(id, Needed { rows, .. })| {
            let extent = buffers.get(id.0 as usize).map_or(0, |buffer| along.extent(buffer));
            rows.start >= 0 && rows.end <= extent as i64
        })
    }

    /// Whether each task makes rows, and among them those that a halo mirrors.
    pub(in crate::plan) fn can_run(&self, strips: &Strips, tasks: &[Task], buffers: &[Buffer]) -> bool {
        let group = tasks.get(strips.tasks.clone()).unwrap_or_default();
        group.iter().all(|task| {
            let extent = strips.along.extent(&buffers[task.out.0 as usize]);
            let (Some(needed), Some(made)) = (self.needed(task.out), self.made(task.out, extent)) else {
                return false;
            };
            let reach = match task.kind {
                TaskKind::FillHalo(Fill::Reflect) => (-needed.start).max(needed.end - extent as i64).max(0),
                _ => 0,
            };
            made.end - made.start > reach
        })
    }

    /// The rows that are needed of a buffer, those in its halo included.
    pub fn needed(&self, id: BufferId) -> Option<Rows> {
        self.0.get(&id).map(|needed| needed.rows.clone())
    }

    /// Those of them that the strips before it in its band have not made.
    pub fn fresh(&self, id: BufferId) -> Option<Rows> {
        self.0.get(&id).map(|needed| needed.fresh..needed.rows.end.max(needed.fresh))
    }

    /// The row that a local buffer begins with.
    pub fn origin(&self, id: BufferId) -> Option<i64> {
        self.0.get(&id).map(|needed| needed.origin)
    }

    /// The rows of a buffer with so many that a strip makes: those that are needed, lie in the picture and are not there
    /// yet.
    pub fn made(&self, id: BufferId, extent: u64) -> Option<Rows> {
        let Needed { rows, fresh, .. } = self.0.get(&id)?;
        Some((*fresh).clamp(0, extent as i64)..rows.end.clamp(0, extent as i64))
    }
}

/// Whether a copy takes all elements of a buffer to the same places of another.
fn keeps_rows(copy: &StridedCopy, out: BufferId, buffers: &[Buffer]) -> bool {
    let of = |id: BufferId| buffers.get(id.0 as usize).map(|buffer| (buffer, buffer.view()));
    let (Some((x, from)), Some((out, to))) = (of(copy.x), of(out)) else { return false };
    x.dims == out.dims
        && copy.dims == [from.dims[0], from.planes(), from.dims[2], from.dims[3]]
        && (copy.x_offset, copy.out_offset) == (0, 0)
        && copy.x_strides == from.strides
        && copy.out_strides == to.strides
}

/// What a task reads of the same rows or planes; none where it cannot run on some of them only.
pub(crate) fn reads(task: &Task, along: Along, buffers: &[Buffer]) -> Option<Reads> {
    match along {
        Along::Rows => reads_rows(task, buffers),
        Along::Planes => reads_planes(task, buffers),
    }
}

/// Tasks that make a plane of the same plane of their arguments; those of one channel are the same for all.
fn reads_planes(task: &Task, buffers: &[Buffer]) -> Option<Reads> {
    let out = buffers.get(task.out.0 as usize)?;
    match &task.kind {
        TaskKind::Depthwise(_) | TaskKind::Pool(_) | TaskKind::Pointwise(_) | TaskKind::FillHalo(_) => {}
        TaskKind::Copy(copy) if keeps_rows(copy, task.out, buffers) => {}
        _ => return None,
    }
    let mut reads = Reads::new();
    for id in task.kind.reads() {
        let buffer = buffers.get(id.0 as usize)?;
        if buffer.dims[1] == out.dims[1] {
            (buffer.layout.kind == out.layout.kind).then_some(())?;
            reads.push((id, 1, 0, 0));
        } else if buffer.dims[1] != 1 {
            return None;
        }
    }
    Some(reads)
}

fn reads_rows(task: &Task, buffers: &[Buffer]) -> Option<Reads> {
    let height = buffers.get(task.out.0 as usize)?.dims[2];
    // Operands of one row are the same for all rows.
    let same = |id: BufferId| -> Option<Reads> {
        let of = buffers.get(id.0 as usize)?.dims[2];
        Some(if of == height { vec![(id, 1, 0, 0)] } else { Vec::new() })
    };
    let operands = |expr: &Pointwise| -> Option<Reads> {
        let mut reads = Reads::new();
        for input in &expr.inputs {
            if let Operand::Buffer(id) = input {
                reads.extend(same(*id)?);
            }
        }
        Some(reads)
    };
    let window = |x: BufferId, taps: &[(i32, i32)], stride: [u32; 2], epilogue: &Epilogue| -> Option<Reads> {
        let first = taps.iter().map(|tap| tap.0).min()?;
        let last = taps.iter().map(|tap| tap.0).max()?;
        let mut reads = match &epilogue.expr {
            Some(expr) => operands(expr)?,
            None => Reads::new(),
        };
        reads.push((x, i64::from(stride[0]), i64::from(first), i64::from(last)));
        Some(reads)
    };
    let whole = |phase: &[crate::plan::task::Phase; 2]| phase[0].start == 0 && phase[0].step == 1;
    match &task.kind {
        TaskKind::Contract(t) if whole(&t.phase) => window(t.x, &t.taps, t.stride, &t.epilogue),
        TaskKind::PlanarConv(t) if whole(&t.phase) => window(t.x, &t.taps, t.stride, &t.epilogue),
        TaskKind::Depthwise(t) => window(t.x, &t.taps, t.stride, &t.epilogue),
        TaskKind::Pool(t) => window(t.x, &t.taps, t.stride, &t.epilogue),
        TaskKind::Pointwise(expr) => operands(expr),
        TaskKind::Convert { x } => same(*x),
        TaskKind::Copy(t) if keeps_rows(t, task.out, buffers) => same(t.x),
        // Wrapped rows come from the other end of the picture.
        TaskKind::FillHalo(fill) if *fill != Fill::Wrap => Some(Reads::new()),
        _ => None,
    }
}
