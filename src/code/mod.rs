//! Vector IR → machine code, as plain data.
//!
//! [`Code`] can be disassembled, compared or loaded. Kernels come from one of two emitters; the steps around
//! them stay data. Nothing here maps or calls memory.

pub mod assemble;
pub mod disasm;

mod clif;
mod isa;
mod x64;

pub use assemble::{assemble, assemble_on};
pub use clif::clif_text;

use crate::kernels::step::{Base, Step};
/// What a target can do. Pinned by `--target`; [`Target::host`] asks the machine.
pub use crate::target::Target;

/// Which emitter makes the kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Backend {
    /// `iced-x86`: AVX2 + FMA, 256 bits, and AVX-512 where the target has it.
    X64,
    /// Cranelift: f32x4 on any host.
    Cranelift,
}

/// Machine code and the steps that call it.
///
/// Only [`assemble()`] makes it and nobody outside changes it: what is loaded is trusted to stay in
/// buffers of [`Code::sizes`].
#[derive(Clone, Debug, PartialEq)]
pub struct Code {
    pub(crate) backend: Backend,
    pub(crate) target: Target,
    pub(crate) functions: Vec<Function>,
    pub(crate) prepare: Vec<Step>,
    pub(crate) run: Vec<Step>,
    pub(crate) prepare_costs: Vec<Vec<u64>>,
    pub(crate) run_costs: Vec<Vec<u64>>,
    pub(crate) consts: Vec<u8>,
    pub(crate) sizes: BufferSizes,
}

impl Code {
    /// Who made the kernels.
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// What it was made for.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The kernels, by the numbers that steps call them by.
    pub fn functions(&self) -> &[Function] {
        &self.functions
    }

    /// The prepare steps, in order.
    pub fn prepare(&self) -> &[Step] {
        &self.prepare
    }

    /// The run steps, in order.
    pub fn run(&self) -> &[Step] {
        &self.run
    }

    /// For each prepare step, what a unit of each of its nests costs, see
    /// [`unit_cost`](crate::kernels::cost::unit_cost).
    pub fn prepare_costs(&self) -> &[Vec<u64>] {
        &self.prepare_costs
    }

    /// The same for each run step.
    pub fn run_costs(&self) -> &[Vec<u64>] {
        &self.run_costs
    }

    /// [`Base::Consts`](crate::kernels::step::Base).
    pub fn consts(&self) -> &[u8] {
        &self.consts
    }

    /// The buffers it works on.
    pub fn sizes(&self) -> &BufferSizes {
        &self.sizes
    }
}

/// Bytes of the buffers that code works on; it stays within buffers of exactly these sizes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BufferSizes {
    /// Packed weights.
    pub packed: u64,
    /// Scratch memory of one run.
    pub arena: u64,
    /// Scratch memory of one thread.
    pub local: u64,
    /// One sample of each input.
    pub inputs: Vec<u64>,
    /// One sample of each output.
    pub outputs: Vec<u64>,
    /// Each parameter.
    pub params: Vec<u64>,
}

impl BufferSizes {
    /// The position of a base in the table of base pointers.
    pub fn base_index(&self, base: Base) -> usize {
        base.index(self.inputs.len(), self.outputs.len())
    }

    /// How many base pointers there are; their order is that of [`Base::index`].
    pub fn bases(&self) -> usize {
        4 + self.inputs.len() + self.outputs.len() + self.params.len()
    }
}

/// Why code cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// The emitter does not make code for the target.
    #[error("{0}")]
    Unsupported(String),
    /// A kernel or step breaks an invariant, or an emitter does: a bug of ours.
    #[error("{function}: {message}")]
    Bug {
        /// The kernel or step.
        function: String,
        /// What is wrong.
        message: String,
    },
}

impl CodeError {
    pub(crate) fn bug(function: &str, message: impl Into<String>) -> CodeError {
        CodeError::Bug { function: function.to_owned(), message: message.into() }
    }
}

/// A function's bytes. It refers to no other function.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    /// A unique symbol: `k12_conv3x3…`.
    pub symbol: String,
    /// Machine code, with any constants after it.
    pub bytes: Vec<u8>,
    /// Required alignment in bytes.
    pub align: u64,
    /// Where the instructions end and constants begin.
    pub code_len: usize,
}
