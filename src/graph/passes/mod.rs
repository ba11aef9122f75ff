//! Graph → Graph: passes that keep the result.
//!
//! Each pass is a function from a graph to a graph with the same inputs, outputs, parameters and
//! constants-as-seen-from-outside; the evaluator can run either.

mod batchnorm;
mod compose;
mod dead;
mod expand;
mod rewrite;

pub use batchnorm::fold_batchnorm;
pub use dead::remove_dead;
pub use expand::expand;

use super::Graph;

/// All passes that a compilation runs, in their order.
pub fn optimise(graph: &Graph) -> Graph {
    remove_dead(&expand(&fold_batchnorm(graph)))
}
