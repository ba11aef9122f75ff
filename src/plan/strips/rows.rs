//! Which rows of each buffer a strip needs.

use std::collections::BTreeMap;
use std::ops::Range;

use super::Strips;
use crate::plan::task::{Epilogue, Operand, Pointwise, StridedCopy};
use crate::plan::{Buffer, BufferId, Task, TaskKind};

/// Rows of a value: from `start` to before `end`, which may lie outside of the picture where a halo is read.
pub type Rows = Range<i64>;

/// The rows that a strip needs of each buffer that its group writes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StripRows(BTreeMap<BufferId, Rows>);

/// How a task reads its arguments: `(buffer, step, first, last)`, row `y` of the result taking rows
/// `y · step + first ..= y · step + last`.
pub(crate) type Reads = Vec<(BufferId, i64, i64, i64)>;

impl StripRows {
    /// For strip `number` of a group; none where a task cannot run on some rows only.
    pub fn of(strips: &Strips, number: u64, tasks: &[Task], buffers: &[Buffer]) -> Option<StripRows> {
        let height = buffers.get(strips.out.0 as usize)?.dims[2];
        let from = number * strips.rows;
        let mut rows = StripRows::default();
        rows.0.insert(strips.out, from as i64..height.min(from + strips.rows) as i64);
        for task in tasks.get(strips.tasks.clone())?.iter().rev() {
            let dims = buffers.get(task.out.0 as usize)?.dims;
            let reads = reads(task, buffers)?;
            let made = rows.made(task.out, dims[2])?;
            for (id, step, first, last) in reads {
                if made.is_empty() {
                    continue;
                }
                let want = made.start * step + first..(made.end - 1) * step + last + 1;
                let have = rows.0.entry(id).or_insert_with(|| want.clone());
                *have = have.start.min(want.start)..have.end.max(want.end);
            }
        }
        Some(rows)
    }

    /// The rows that are needed of a buffer, those in its halo included.
    pub fn needed(&self, id: BufferId) -> Option<Rows> {
        self.0.get(&id).cloned()
    }

    /// The rows that are needed of a buffer of some height and lie in the picture.
    pub fn made(&self, id: BufferId, height: u64) -> Option<Rows> {
        let Range { start, end } = self.needed(id)?;
        Some(start.clamp(0, height as i64)..end.clamp(0, height as i64))
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

/// What a task reads by rows; none where it cannot run on some rows only.
pub(crate) fn reads(task: &Task, buffers: &[Buffer]) -> Option<Reads> {
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
        TaskKind::FillHalo(fill) if *fill != crate::plan::Fill::Wrap => Some(Reads::new()),
        _ => None,
    }
}
