//! Code → running programs. The only part with unsafe code.
//!
//! [`Loaded`] holds a program's code; a run takes packed weights ([`Loaded::prepare`]) and scratch memory
//! ([`Loaded::scratch`]) beside the caller's tensors and allocates nothing. Each step of a run is cut into parts,
//! which an [`Executor`] runs: a [`Pool`] of threads, the calling thread alone, or the caller's own.

mod buffer;
mod call;
mod executor;
mod map;
pub mod params;
mod pool;
mod program;
mod share;
mod split;
mod steps;
#[cfg(test)]
mod tests;

pub use buffer::{AllocError, Fenced, Placement};
pub use executor::{Executor, Sequential};
pub use pool::Pool;
pub use program::{Loaded, Packed, Scratch};

use crate::target::Isa;
use crate::tensor::{Raw, Tensor};

/// Why code cannot be loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The machine lacks instructions.
    #[error("this machine does not run code for {0}")]
    Unsupported(Isa),
    /// Calls would not reach across it.
    #[error("the program's code is larger than {limit} bytes")]
    TooLarge {
        /// The most bytes.
        limit: usize,
    },
    /// Executable memory is refused, or the code is malformed.
    #[error("cannot map code: {0}")]
    Map(String),
    /// No memory for constants.
    #[error(transparent)]
    Alloc(#[from] AllocError),
}

/// A parameter's canonical values.
pub trait Param {
    /// They as they lie in memory, row-major: code reads them wherever they begin.
    fn raw(&self) -> Raw<'_>;
}

impl Param for [f32] {
    fn raw(&self) -> Raw<'_> {
        Raw::Numbers(self)
    }
}

impl<const N: usize> Param for [f32; N] {
    fn raw(&self) -> Raw<'_> {
        Raw::Numbers(self)
    }
}

impl Param for Vec<f32> {
    fn raw(&self) -> Raw<'_> {
        Raw::Numbers(self)
    }
}

impl Param for Tensor {
    fn raw(&self) -> Raw<'_> {
        Tensor::raw(self)
    }
}

impl Param for Fenced {
    fn raw(&self) -> Raw<'_> {
        Raw::Numbers(self.values())
    }
}

impl<T: Param + ?Sized> Param for &T {
    fn raw(&self) -> Raw<'_> {
        T::raw(self)
    }
}

/// What a tensor is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// An input.
    Input,
    /// An output.
    Output,
    /// A parameter.
    Param,
    /// Packed weights: they belong to another program.
    Packed,
    /// Scratch memory: it belongs to another program.
    Scratch,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Place::Input => "input",
            Place::Output => "output",
            Place::Param => "parameter",
            Place::Packed => "packed weights",
            Place::Scratch => "scratch memory",
        })
    }
}

/// Why a program was not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// Too few or too many tensors.
    #[error("{given} {place} tensors are given, {expected} are expected")]
    Count {
        /// Of which kind.
        place: Place,
        /// How many there are.
        given: usize,
        /// How many there should be.
        expected: usize,
    },
    /// A tensor of another size.
    #[error("{place} {index} has {bytes} bytes instead of {expected}")]
    Length {
        /// Of which kind.
        place: Place,
        /// Which.
        index: usize,
        /// Its size.
        bytes: u64,
        /// What it should be.
        expected: u64,
    },
    /// No memory.
    #[error(transparent)]
    Alloc(#[from] AllocError),
}
