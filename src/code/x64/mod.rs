//! The x64 emitter: AVX2 + FMA, 256 bits, and AVX-512 for wide registers, assembled with iced-x86.
//!
//! A kernel goes through [`flat`] (a list of items with their accesses), [`live`] (ranges of time in
//! which a variable must keep its place), [`allocate`] (a register or a stack slot for each range) and
//! [`emit`] (instructions). A register of the IR is a ymm register, of the first 16, and has VEX instructions; a wide
//! one is a zmm register, one of the upper 16 first. Pointers and loop counters are in
//! general-purpose registers, integer arguments stay in memory, where the first argument register
//! points to. Constants stand behind the code, at a multiple of 32 bytes.
//!
//! A contraction of 12 sums, 2 weights and 2 broadcast inputs fills the 16 registers: none is set aside.
//! Items that use values in memory, or need registers for themselves, compete for them like values do.

mod abi;
mod allocate;
mod asm;
mod emit;
mod flat;
mod frame;
mod live;
mod memory;
mod pool;
mod scalar;
#[cfg(test)]
mod tests;
mod transpose;
mod vector;
mod wide;

pub(crate) use abi::Abi;

use super::Function;
use crate::kernels::ir::{Kernel, Spills};
use abi::{VECTOR, WIDE};
use allocate::{File, NoRegister, assign};
use emit::{Allocation, Emitter};
use flat::Class;

/// Why there is no code for a kernel: all but the first are bugs of this compiler.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EmitError {
    /// A contraction's loop needs too many registers, and may not keep them in memory.
    #[error("it needs {pressure} vector registers at once, there are {available}")]
    Pressure {
        /// Its name.
        kernel: String,
        /// How many are live at once.
        pressure: u32,
        /// How many there are.
        available: u32,
    },
    /// A variable is not one of those that the kernel declares.
    #[error("it uses a variable that it does not declare")]
    Variable {
        /// Its name.
        kernel: String,
    },
    /// A variable may be read before it is assigned.
    #[error("it reads a variable before it assigns it")]
    Unassigned {
        /// Its name.
        kernel: String,
    },
    /// An operation with a number outside its limits.
    #[error("it has an operation that no machine code can express: {what}")]
    Operation {
        /// Its name.
        kernel: String,
        /// Which, and why.
        what: String,
    },
    /// The assembler refused an instruction.
    #[error("the assembler refused an instruction: {0}")]
    Assembler(String),
}

impl From<iced_x86::IcedError> for EmitError {
    fn from(error: iced_x86::IcedError) -> Self {
        EmitError::Assembler(error.to_string())
    }
}

/// Machine code for a kernel, `extern "C" fn(args: *const u64)` under `abi`.
///
/// # Errors
/// [`EmitError::Pressure`] where registers run out and may not live in memory; bugs of earlier stages.
pub(crate) fn emit(kernel: &Kernel, symbol: String, abi: Abi) -> Result<Function, EmitError> {
    let mut flat = flat::flatten(kernel)?;
    let mut ranges = live::ranges(&mut flat, &kernel.name)?;
    let vectors = vector_file(kernel);
    let no_register = |NoRegister| match pressure(kernel) {
        Ok(pressure) => EmitError::Pressure {
            kernel: kernel.name.clone(),
            pressure,
            available: if kernel.wides > 0 { WIDE.len() } else { VECTOR.len() } as u32,
        },
        Err(error) => error,
    };
    let mut homes = Vec::new();
    let vector = assign(&mut flat, &mut ranges, vectors, kernel.spills, &mut homes);
    let vector = vector.map_err(no_register)?;
    let general = [(Class::General, &abi.general()[..])];
    let general = assign(&mut flat, &mut ranges, &general, Spills::Allowed, &mut homes);
    let general = general.map_err(no_register)?;
    let allocation = Allocation { homes, vector, general };
    let (bytes, code_len) = Emitter::new(kernel, &flat, &allocation, abi)?.run()?;
    Ok(Function { symbol, bytes, align: pool::ALIGN as u64, code_len })
}

/// How many vectors are live at once at the most, before any goes to memory.
fn pressure(kernel: &Kernel) -> Result<u32, EmitError> {
    let ranges = live::ranges(&mut flat::flatten(kernel)?, &kernel.name)?;
    Ok(allocate::pressure(&ranges, vector_file(kernel)))
}

/// The vector registers of a kernel.
fn vector_file(kernel: &Kernel) -> File<'static> {
    const FILE: File<'_> = &[(Class::Vector, &VECTOR), (Class::Wide, &WIDE)];
    if kernel.wides > 0 { FILE } else { &FILE[..1] }
}
