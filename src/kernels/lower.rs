//! What the lowerings of all tasks share: the table of kernels and the constants.

use std::collections::{BTreeMap, HashMap};

use super::index::Index;
use super::ir::{Kernel, LANES};
use super::step::{CallArg, KernelId};
use crate::plan::strips::{Along, Rows, StripRows};
use crate::plan::{Buffer, BufferId, Halo, LayoutKind, Plan, Task, View, strips};
use crate::target::Target;

/// Why a task could not be lowered: the plan contradicts itself or a distance fits no instruction.
/// Never the user's mistake.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LowerError {
    /// A byte distance within a row or a panel is beyond 32 bits.
    #[error("a distance of {0} bytes does not fit an instruction")]
    Distance(i64),
    /// The plan breaks an invariant of its definition.
    #[error("the plan is inconsistent: {0}")]
    Plan(&'static str),
}

/// A byte distance as instructions hold it.
pub(crate) fn distance(bytes: i64) -> Result<i32, LowerError> {
    i32::try_from(bytes).map_err(|_| LowerError::Distance(bytes))
}

/// Collects kernels, each once, and constants while tasks are lowered.
pub(crate) struct Lowering<'a> {
    plan: &'a Plan,
    kernels: Index<Kernel>,
    consts: Vec<u8>,
    /// Where constants that were added lie.
    placed: HashMap<Vec<u8>, i64>,
    local_bytes: u64,
    scope: Option<Scope>,
}

/// The rows that a task is lowered for, where they are not all.
pub(crate) struct Scope(Vec<(BufferId, Part)>);

/// Buffers that others stand for, for some rows: copies that need not be made.
pub(crate) type Aliases = BTreeMap<BufferId, BufferId>;

/// Some rows or planes of a buffer, as if it had no others.
struct Part {
    /// The buffer that the rows lie in.
    of: BufferId,
    along: Along,
    /// The row or plane that counts as the first.
    first: i64,
    count: u64,
    /// Rows of the halo above and below that are to be filled, where they are not all.
    halo: Option<[u32; 2]>,
    /// The row or plane that a local buffer begins with.
    origin: i64,
}

impl Scope {
    /// For the rows or planes `made` of a task's result, in a strip.
    pub(crate) fn new(
        plan: &Plan,
        along: Along,
        task: &Task,
        made: &Rows,
        strip: &StripRows,
        aliases: &Aliases,
    ) -> Result<Scope, LowerError> {
        let stands = |id: BufferId| aliases.get(&id).copied().unwrap_or(id);
        let count = (made.end - made.start) as u64;
        let height = plan.buffer(task.out).dims[2] as i64;
        let origin = |id: BufferId| strip.origin(id).unwrap_or(0);
        let needed = strip.needed(task.out).unwrap_or(made.clone());
        let beyond = [(-needed.start).max(0) as u32, (needed.end - height).max(0) as u32];
        let halo = (along == Along::Rows).then_some(beyond);
        let out = Part { of: task.out, along, first: made.start, count, halo, origin: origin(task.out) };
        let mut parts = vec![(task.out, out)];
        let reads = strips::reads(task, along, &plan.buffers)
            .ok_or(LowerError::Plan("a strip of a task without rows"))?;
        for (id, step, ..) in reads {
            let of = stands(id);
            let (first, count) = (made.start * step, count * step as u64);
            let part = Part { of, along, first, count, halo: Some([0; 2]), origin: origin(of) };
            if !parts.iter().any(|(other, _)| *other == id) {
                parts.push((id, part));
            }
        }
        Ok(Scope(parts))
    }

    fn part(&self, id: BufferId) -> Option<&Part> {
        self.0.iter().find(|(other, _)| *other == id).map(|(_, part)| part)
    }
}

impl<'a> Lowering<'a> {
    pub(crate) fn new(plan: &'a Plan) -> Self {
        Lowering {
            plan,
            kernels: Index::default(),
            consts: plan.consts.clone(),
            placed: HashMap::new(),
            local_bytes: plan.local_bytes,
            scope: None,
        }
    }

    /// What is lowered for.
    pub(crate) fn target(&self) -> &Target {
        &self.plan.target
    }

    /// Lowers for some rows only, from now on, or for all again.
    pub(crate) fn scope(&mut self, scope: Option<Scope>) {
        self.scope = scope;
    }

    /// Whether only some rows are lowered for.
    pub(crate) fn is_some_rows(&self) -> bool {
        self.scope
            .as_ref()
            .is_some_and(|Scope(parts)| parts.iter().any(|(_, part)| part.along == Along::Rows))
    }

    fn part(&self, id: BufferId) -> Option<&Part> {
        self.scope.as_ref().and_then(|scope| scope.part(id))
    }

    /// The halo of a buffer, as far as it lies around the rows that are lowered for.
    pub(crate) fn halo(&self, id: BufferId) -> Halo {
        let halo = self.plan.buffer(id).layout.halo;
        match self.part(id) {
            Some(Part { halo: Some([top, bottom]), .. }) => Halo { top: *top, bottom: *bottom, ..halo },
            _ => halo,
        }
    }

    /// A buffer of the plan.
    pub(crate) fn buffer(&self, id: BufferId) -> &Buffer {
        self.plan.buffer(id)
    }

    /// The row of the picture that the view of a buffer begins with.
    pub(crate) fn first_row(&self, id: BufferId) -> i64 {
        match self.part(id) {
            Some(Part { along: Along::Rows, first, .. }) => *first,
            _ => 0,
        }
    }

    /// A buffer, or the rows of it that are lowered for, as kernels address it.
    pub(crate) fn view(&self, id: BufferId) -> View {
        let part = self.part(id);
        let buffer = self.plan.buffer(part.map_or(id, |part| part.of));
        let mut view = buffer.view();
        if let Some(part) = part {
            let before = if buffer.kept.is_some() { part.origin } else { 0 };
            match part.along {
                Along::Rows => {
                    view.origin += (part.first - before) * view.strides[2];
                    view.dims[2] = part.count;
                }
                Along::Planes => {
                    let lanes = if view.kind == LayoutKind::Blocked { LANES as u64 } else { 1 };
                    view.origin += (part.first - before) * view.strides[1];
                    view.dims[1] = (part.count * lanes).min(view.dims[1] - part.first as u64 * lanes);
                }
            }
        }
        view
    }

    /// The number of a kernel; an equal one made before serves again.
    pub(crate) fn kernel(&mut self, kernel: Kernel) -> KernelId {
        KernelId(self.kernels.add(kernel))
    }

    /// Adds constants, equal ones once, and gives their byte offset in [`super::step::Base::Consts`], a multiple of 32.
    pub(crate) fn constants(&mut self, bytes: &[u8]) -> i64 {
        if let Some(offset) = self.placed.get(bytes) {
            return *offset;
        }
        self.consts.resize(self.consts.len().next_multiple_of(32), 0);
        let offset = self.consts.len() as i64;
        self.consts.extend_from_slice(bytes);
        self.placed.insert(bytes.to_vec(), offset);
        offset
    }

    /// Local memory that the units of one step use for themselves: the byte offset in
    /// [`super::step::Base::Local`] of a piece that no buffer of the plan lies in.
    pub(crate) fn local(&mut self, bytes: u64) -> i64 {
        let offset = self.plan.local_bytes.next_multiple_of(64);
        self.local_bytes = self.local_bytes.max(offset + bytes);
        offset as i64
    }

    /// The kernels, the constants, and the bytes of local memory.
    pub(crate) fn finish(self) -> (Vec<Kernel>, Vec<u8>, u64) {
        (self.kernels.into_items(), self.consts, self.local_bytes)
    }
}

impl View {
    /// A pointer argument `offset` bytes from element `[0, 0, 0, 0]`, moving by `strides` per index.
    pub(crate) fn arg(&self, offset: i64, strides: &[i64]) -> CallArg {
        CallArg::Ptr {
            base: self.base,
            offset: self.origin + offset,
            strides: strides.to_vec(),
            tables: Vec::new(),
        }
    }
}
