//! Which nodes are written inside of others: `relu(it + input)`, `x * sigmoid(x)`.

use std::collections::{BTreeMap, BTreeSet};

use super::node::{Kind, Node};
use crate::onnx::draft::{Draft, Ref, What};

/// Layers that may be called like functions.
const ELEMENTWISE: &[&str] = &[
    "relu",
    "relu6",
    "leaky_relu",
    "elu",
    "selu",
    "celu",
    "gelu",
    "silu",
    "sigmoid",
    "tanh",
    "hardsigmoid",
    "hardswish",
    "softplus",
    "softsign",
    "mish",
    "clamp",
    "thresholded_relu",
];

/// The most operations inside each other; more are hard to read.
const DEPTH: usize = 4;

/// What a node is in an expression.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// An operator or function: holds any expression, may stand in any.
    Expression,
    /// An elementwise layer: may stand in an expression, and holds one.
    Elementwise,
    /// Anything else.
    Statement,
}

fn role(draft: &Draft, node: &Node) -> Role {
    let Kind::Line(line) = node.kind else { return Role::Statement };
    match &draft.lines[line].what {
        What::Operator(..) | What::Function { .. } => Role::Expression,
        What::Layer { layer, .. } if ELEMENTWISE.contains(layer) => Role::Elementwise,
        What::Layer { .. } | What::Param => Role::Statement,
    }
}

/// The results of a list that are written inside their only reader. `kept` are values that are needed by
/// name.
pub(super) fn inlined(draft: &Draft, list: &[Node], kept: &BTreeSet<Ref>) -> BTreeSet<Ref> {
    let mut readers: BTreeMap<Ref, Vec<usize>> = BTreeMap::new();
    for (i, node) in list.iter().enumerate() {
        node.reads.iter().for_each(|read| readers.entry(*read).or_default().push(i));
    }
    let mut inside = BTreeSet::new();
    let mut depth: BTreeMap<Ref, usize> = BTreeMap::new();
    for node in list {
        let below = node.reads.iter().filter(|r| inside.contains(*r)).filter_map(|r| depth.get(r)).max();
        let own = 1 + below.copied().unwrap_or(0);
        depth.insert(node.result, own);
        let Some([reader]) = readers.get(&node.result).map(Vec::as_slice) else { continue };
        let fits = matches!(
            (role(draft, node), role(draft, &list[*reader])),
            (Role::Expression | Role::Elementwise, Role::Expression) | (Role::Expression, Role::Elementwise)
        );
        if fits && !node.weighted && !kept.contains(&node.result) && own < DEPTH {
            inside.insert(node.result);
        }
    }
    inside
}
