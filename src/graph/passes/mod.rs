//! Graph → Graph: passes that keep the result.
//!
//! Each pass is a function from a graph to a graph with the same inputs, outputs, parameters and
//! constants-as-seen-from-outside; the evaluator can run either.

mod batchnorm;
mod bind;
mod compose;
mod dead;
mod expand;
mod facts;
mod identity;
mod idioms;
mod pad;
mod rewrite;
mod scale;
mod separate;

pub use batchnorm::fold_batchnorm;
pub use bind::bind;
pub use dead::remove_dead;
pub use expand::{expand, expand_norms};
pub use identity::remove_identities;
pub use idioms::recognise_idioms;
pub use pad::fold_pad;
pub use scale::fold_scale;
pub use separate::separate;

use super::Graph;
use crate::target::Math;
use crate::tensor::Tensor;

/// A pass.
pub type Pass = fn(&Graph) -> Graph;

/// All passes that a compilation runs, in their order, with their names.
pub const PASSES: [(&str, Pass); 7] = [
    ("remove_identities", remove_identities),
    ("recognise_idioms", recognise_idioms),
    ("fold_batchnorm", fold_batchnorm),
    ("fold_pad", fold_pad),
    ("fold_scale", fold_scale),
    ("expand", expand),
    ("remove_dead", remove_dead),
];

/// Makes code depend on the taps of small kernels: those in the text, and those in `values`, the parameters in
/// their order, where they are known. Strict arithmetic keeps every tap.
pub fn specialise(graph: &Graph, values: &[Tensor], math: Math) -> Graph {
    match math {
        Math::Strict => graph.clone(),
        Math::Default => separate(&bind(graph, values)),
    }
}

/// Runs all passes.
pub fn optimise(graph: &Graph) -> Graph {
    PASSES.iter().fold(graph.clone(), |graph, (_, pass)| pass(&graph))
}
