//! What the lowerings of all tasks share: the table of kernels and the constants.

use std::collections::HashMap;

use super::ir::Kernel;
use super::step::{CallArg, KernelId};
use crate::plan::{Buffer, BufferId, Plan, View};
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
    kernels: Vec<Kernel>,
    index: HashMap<Kernel, KernelId>,
    consts: Vec<u8>,
}

impl<'a> Lowering<'a> {
    pub(crate) fn new(plan: &'a Plan) -> Self {
        Lowering { plan, kernels: Vec::new(), index: HashMap::new(), consts: plan.consts.clone() }
    }

    /// What is lowered for.
    pub(crate) fn target(&self) -> &Target {
        &self.plan.target
    }

    /// A buffer, for its halo.
    pub(crate) fn buffer(&self, id: BufferId) -> &Buffer {
        self.plan.buffer(id)
    }

    /// A buffer as kernels address it.
    pub(crate) fn view(&self, id: BufferId) -> View {
        self.plan.view(id)
    }

    /// The number of a kernel; an equal one made before serves again.
    pub(crate) fn kernel(&mut self, kernel: Kernel) -> KernelId {
        let next = KernelId(self.kernels.len() as u32);
        *self.index.entry(kernel).or_insert_with_key(|kernel| {
            self.kernels.push(kernel.clone());
            next
        })
    }

    /// Adds constants and gives their byte offset in [`super::step::Base::Consts`], a multiple of 32.
    pub(crate) fn constants(&mut self, bytes: &[u8]) -> i64 {
        self.consts.resize(self.consts.len().next_multiple_of(32), 0);
        let offset = self.consts.len() as i64;
        self.consts.extend_from_slice(bytes);
        offset
    }

    /// The kernels and the constants.
    pub(crate) fn finish(self) -> (Vec<Kernel>, Vec<u8>) {
        (self.kernels, self.consts)
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
