//! A compiler for convolution pipelines.
#![warn(missing_docs)]
#![deny(unsafe_code)]

pub mod code;
pub mod diag;
pub mod graph;
pub mod io;
pub mod kernels;
pub mod limits;
pub mod model;
pub mod pipeline;
pub mod plan;
pub mod runtime;
pub mod source;
pub mod syntax;
pub mod target;
pub mod tensor;

#[cfg(feature = "cli")]
pub mod cli;

pub use model::{Error, Math, Model, Options, Port, Program, Session};
pub use tensor::{Tensor, TensorView};
