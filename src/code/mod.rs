//! Vector IR → machine code, as plain data.
//!
//! [`Code`] can be disassembled, compared, written to an object or loaded. Kernels come from one of two
//! emitters, drivers (the loops of a step) from Cranelift. Nothing here maps or calls memory.

pub mod assemble;
pub mod disasm;

mod clif;
mod driver;
mod x64;

/// What a target can do. Pinned by `--target`; [`Target::host`] asks the machine.
pub use crate::target::Target;

/// Which emitter makes the kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Backend {
    /// `iced-x86`: AVX2 + FMA, 256 bits.
    X64,
    /// Cranelift: f32x4 on any host.
    Cranelift,
}

/// Machine code with nothing resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct Code {
    /// Who made the kernels.
    pub backend: Backend,
    /// Kernels and drivers.
    pub functions: Vec<Function>,
    /// The driver of each prepare step, in order.
    pub prepare: Vec<StepCode>,
    /// The driver of each run step, in order.
    pub run: Vec<StepCode>,
}

/// A function's bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    /// A unique symbol: `k12_conv3x3…` or `s3_conv1`.
    pub symbol: String,
    /// Machine code, with any constants after it.
    pub bytes: Vec<u8>,
    /// Required alignment in bytes.
    pub align: u64,
    /// Calls to other functions.
    pub relocs: Vec<Reloc>,
    /// Where the instructions end and constants begin.
    pub code_len: usize,
}

/// A reference to another function. Functions import nothing else.
#[derive(Clone, Debug, PartialEq)]
pub struct Reloc {
    /// Where in the bytes.
    pub offset: u32,
    /// Cranelift's kind of relocation.
    pub kind: cranelift_codegen::binemit::Reloc,
    /// An index into [`Code::functions`].
    pub target: u32,
    /// Added to the target's address.
    pub addend: i64,
}

/// A step's driver.
#[derive(Clone, Debug, PartialEq)]
pub struct StepCode {
    /// The step's name.
    pub name: String,
    /// An index into [`Code::functions`].
    pub function: u32,
    /// How many units it has.
    pub units: u64,
}
