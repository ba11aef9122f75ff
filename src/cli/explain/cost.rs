//! What a layer costs.

use crate::graph::{Graph, Node, Op, ParamRole};

/// What one node costs for one sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cost {
    /// Weights that it reads, those shared with other layers included. A batchnorm's running mean and
    /// variance are measured, not trained, and do not count.
    pub(super) parameters: u64,
    /// Taps written in the text.
    pub(super) taps: u64,
    /// Weights of a fully connected layer between the same input and output; 0 unless it is a
    /// convolution.
    pub(super) dense: u128,
    /// Products summed by convolutions, linear layers and matrix products.
    pub(super) multiply_adds: u128,
    /// Bytes of its result.
    pub(super) bytes: u64,
}

/// The cost of a node.
pub(super) fn cost(graph: &Graph, node: &Node) -> Cost {
    let convolution = matches!(node.op, Op::Conv(_) | Op::Filter(..) | Op::ConvTranspose(_));
    let weight = |i: usize| node.args.get(i).map_or(&[][..], |&a| &graph.ty(a).dims);
    let outputs = u128::from(node.ty.elements());
    let product = |dims: &[u64]| dims.iter().map(|&d| u128::from(d)).product::<u128>();
    let multiply_adds = match &node.op {
        // Each output sums a product for each of the weight's elements behind its first axis.
        Op::Conv(_) | Op::Linear => outputs * product(weight(1).get(1..).unwrap_or_default()),
        Op::MatMul => outputs * u128::from(weight(0).last().copied().unwrap_or(1)),
        Op::Filter(window, _) => outputs * product(&window.kernel),
        // Each input is multiplied by the weight's elements behind its first axis.
        Op::ConvTranspose(_) => product(weight(0)) * product(weight(1).get(1..).unwrap_or_default()),
        _ => 0,
    };
    Cost {
        parameters: node.args.iter().map(|&a| trained(graph, graph.node(a))).sum(),
        taps: node
            .args
            .iter()
            .filter(|&&a| convolution && matches!(graph.node(a).op, Op::Const(_)))
            .map(|&a| graph.ty(a).elements())
            .sum(),
        dense: if convolution { product(weight(0)) * outputs } else { 0 },
        multiply_adds,
        bytes: node.ty.elements().saturating_mul(4),
    }
}

/// Elements of a node that is a trained parameter, else 0.
fn trained(graph: &Graph, node: &Node) -> u64 {
    let Op::Param(i) = node.op else { return 0 };
    match graph.params.get(i as usize).map(|p| p.role) {
        None | Some(ParamRole::Mean | ParamRole::Variance) => 0,
        Some(_) => node.ty.elements(),
    }
}

/// Elements of a graph's trained parameters, each counted once.
pub(super) fn all_trained(graph: &Graph) -> u64 {
    graph.nodes.iter().map(|node| trained(graph, node)).fold(0, u64::saturating_add)
}
