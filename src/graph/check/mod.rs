//! Ast → [`Graph`]: names, settings, shapes.
//!
//! [`check`] reports every error it finds. It runs with any sizes left open: what depends on them is
//! then Unknown and says nothing, and everything else is checked at once. Once they are bound the
//! same call gives the graph; what was reported before is reported again at the same places.
//!
//! The parts: [`mod@signature`] (inputs and files, before anything is computed), `table` (what layers
//! and settings there are), `stmt` and `block` (statements, names, inlining), `expr` (expressions),
//! `settings` (arguments against the table), `taps`, `layers/` (one layer each: settings to an
//! operation and a shape), `draft` (the graph being made), `unused` (warnings).

mod block;
mod chain;
mod draft;
mod expr;
mod keys;
mod layers;
mod model;
mod numbers;
mod report;
mod scope;
mod settings;
pub mod signature;
mod stmt;
mod table;
mod taps;
mod thing;
mod unused;
mod weight;

use std::collections::BTreeMap;

use crate::diag::Diagnostic;
use crate::graph::Graph;
use crate::source::Span;
use crate::syntax::ast;

pub use signature::{DimSignature, InputSignature, Signature, signature};
pub use table::reference;

/// What is known beside the text.
#[derive(Clone, Debug, Default)]
pub struct CheckOptions {
    /// The model to check; needed where the file has several.
    pub model: Option<String>,
    /// Numbers for sizes that the model leaves open (`--size H=480`).
    pub sizes: BTreeMap<String, u64>,
    /// The axes of one sample of inputs that are there, by name; they bind the sizes too.
    pub inputs: BTreeMap<String, Vec<u64>>,
    /// Whether weights come from a file although the model names none, so that every weighted layer
    /// needs a name.
    pub weights_given: bool,
}

/// What a check gives.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The graph, if there is no error and every size is bound.
    pub graph: Option<Graph>,
    /// All findings, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
    /// Sizes that are not bound, in the order of the text; the graph waits for them.
    pub unbound: Vec<String>,
    /// Weights that were reported for want of a name: who has the file can say which tensors fit.
    pub unnamed: Vec<Unnamed>,
}

/// A weight that no tensor of a file can be found for, because its layer has no name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unnamed {
    /// Where [`crate::diag::Code::UnnamedWeights`] was reported.
    pub span: Span,
    /// The axes of the weight.
    pub dims: Vec<u64>,
}

impl Checked {
    /// Whether there is an error among the findings.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// Whether a word means something by itself: a layer that needs no settings, a function, a keyword. Who
/// writes text does not name values so. A layer with settings is told from a value by its parentheses, and
/// modules are often called `conv`.
pub fn is_word(name: &str) -> bool {
    const WORDS: &[&str] = &[
        "as",
        "block",
        "false",
        "input",
        "it",
        "kernel",
        "labels",
        "model",
        "output",
        "param",
        "repeat",
        "same",
        "same_lower",
        "same_upper",
        "tensor",
        "true",
        "valid",
        "weights",
    ];
    table::layer(name).is_some_and(table::LayerDef::stands_alone)
        || table::function(name).is_some()
        || WORDS.contains(&name)
}

/// Checks one model of a file.
pub fn check(file: &ast::File, options: &CheckOptions) -> Checked {
    model::check_model(file, options)
}
