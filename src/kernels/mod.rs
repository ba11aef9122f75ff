//! Plan → vector IR.
//!
//! [`ir`] defines the IR, one page; [`step`] the drivers around the kernels. Every other file here
//! lowers one kind of task of the plan. Nothing here knows an instruction set.

pub mod cost;
pub mod interpret;
pub mod ir;
pub mod print;
pub mod range;
pub mod roof;
pub mod step;
pub mod verify;

pub(crate) mod build;
pub(crate) mod lower;

mod axes;
mod call;
mod contract;
mod convert;
mod copy;
mod depthwise;
mod halo;
mod index;
mod math;
mod matmul;
mod panels;
mod planar_conv;
mod pointwise;
mod pool;
mod pool_grad;
mod reduce;
mod register;
mod resize;
mod rows;
mod softmax;
mod stencil;
mod strips;
mod tasks;

pub use lower::LowerError;
#[cfg(test)]
pub(crate) mod testing;

pub use tasks::{lower, lower_traced};
#[cfg(test)]
mod testbed;
mod tiles;
mod weight_grad;
mod window;
mod winograd;
