//! A compiler for convolution pipelines: checked text in, specialised machine code out.
//!
//! A model is a small text. [`Model`] parses it, [`Model::compile`] checks every shape for one size of
//! input and makes machine code for this CPU, and [`Program::run`] applies it. A [`Session`] does so for
//! any size.
//!
//! ```
//! use convc::{Model, Options, Tensor};
//!
//! # fn main() -> Result<(), convc::Error> {
//! let text = "model shift {\n  input x [1, 2, 3]\n  filter([[0, 0, 1]], pad=same)\n}\n";
//! let program = Model::from_str("shift.conv", text)?.compile(&Options::default())?;
//! let x = Tensor::new(&[1, 2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0])?;
//! assert_eq!(program.run(&[x.view()])?[0].data(), [2.0, 3.0, 0.0, 5.0, 6.0, 0.0]);
//! # Ok(())
//! # }
//! ```
//!
//! What is wrong with a text comes as data, all of it at once:
//!
//! ```
//! use convc::{Error, Model, Options};
//!
//! let text = "model m {\n  input x [1, 4, 4]\n  c = conv(kernel=5, out=8)\n}\n";
//! let model = Model::from_str("m.conv", text).expect("the syntax is right");
//! let Err(Error::Model(report)) = model.compile(&Options::default()) else { panic!("it fits nowhere") };
//! assert_eq!(report.diagnostics[0].code.number(), "E0401");
//! println!("{report}");
//! ```
//!
//! # Stages
//!
//! [`pipeline`] has them in a row, each a function from one type to the next:
//!
//! - **[`syntax`]**: text to a syntax tree with all spans and comments;
//! - **[`graph`]**: the checked model, every size concrete; its evaluator is the reference for everything;
//! - **[`plan`]**: what runs, in which order, on which buffers;
//! - **[`kernels`]**: the vector IR and the loops around it, as data;
//! - **[`code`]**: machine code, as data;
//! - **[`runtime`]**: code in memory, and weights.
//!
//! The library never prints, exits, panics on what it is given, or keeps global state.
#![warn(missing_docs)]
#![deny(unsafe_code)]

pub mod code;
pub mod diag;
pub mod graph;
pub mod io;
pub mod kernels;
pub mod limits;
pub mod model;
pub mod onnx;
mod pages;
pub mod pipeline;
pub mod plan;
pub mod runtime;
pub mod source;
pub mod syntax;
pub mod target;
pub mod tensor;
pub mod train;

#[cfg(feature = "cli")]
pub mod cli;

/// What [`Model::from_onnx_bytes`] takes: of a `Vec<u8>` without a copy.
pub use bytes::Bytes;
pub use model::{Error, Math, Model, Options, Port, Program, Session};
pub use tensor::{Tensor, TensorView};
