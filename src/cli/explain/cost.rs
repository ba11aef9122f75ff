//! What a layer costs.

use crate::graph::{Graph, Node, Op};

/// What one node costs for one sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cost {
    /// Weights that it reads, those shared with other layers included.
    pub(super) parameters: u64,
    /// Products summed by convolutions and linear layers.
    pub(super) multiply_adds: u128,
    /// Bytes of its result.
    pub(super) bytes: u64,
}

/// The cost of a node.
pub(super) fn cost(graph: &Graph, node: &Node) -> Cost {
    let parameters = node.args.iter().filter(|&&a| matches!(graph.node(a).op, Op::Param(_)));
    let weight = |i: usize| node.args.get(i).map_or(&[][..], |&a| &graph.ty(a).dims);
    let outputs = u128::from(node.ty.elements());
    let product = |dims: &[u64]| dims.iter().map(|&d| u128::from(d)).product::<u128>();
    let multiply_adds = match &node.op {
        // Each output sums a product for each of the weight's elements behind its first axis.
        Op::Conv(_) | Op::Linear => outputs * product(weight(1).get(1..).unwrap_or_default()),
        Op::Filter(window, _) => outputs * product(&window.kernel),
        // Each input is multiplied by the weight's elements behind its first axis.
        Op::ConvTranspose(_) => product(weight(0)) * product(weight(1).get(1..).unwrap_or_default()),
        _ => 0,
    };
    Cost {
        parameters: parameters.map(|&a| graph.ty(a).elements()).sum(),
        multiply_adds,
        bytes: node.ty.elements().saturating_mul(4),
    }
}
