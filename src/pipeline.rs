//! The stages in a row. No algorithm lives here.
//!
//! ```text
//! text ─parse→ Ast ─check→ Graph ─optimise→ Graph ─plan→ Plan ─lower→ Lowered ─assemble→ Code ─load→ program
//! ```

pub use crate::code::assemble::{assemble, assemble_on};
pub use crate::graph::check::check;
pub use crate::graph::passes::{optimise, specialise};
pub use crate::kernels::{lower, lower_traced};
pub use crate::plan::plan;
pub use crate::syntax::parse;
