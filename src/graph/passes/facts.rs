//! What passes ask about a graph.

use crate::graph::{Graph, Op, Value};

/// For each value, whether it depends on parameters and constants only.
pub(super) fn fixed(graph: &Graph) -> Vec<bool> {
    let mut fixed: Vec<bool> = Vec::with_capacity(graph.nodes.len());
    for node in &graph.nodes {
        let args = node.args.iter().all(|a| fixed.get(a.index()).copied().unwrap_or(false));
        fixed.push(args && !matches!(node.op, Op::Input(_)));
    }
    fixed
}

/// The number that a value is, where it is a constant of one element.
pub(super) fn number(graph: &Graph, value: Value) -> Option<f32> {
    match graph.node(value).op {
        Op::Const(i) => match graph.consts.get(i as usize)?.data.as_slice() {
            [one] => Some(*one),
            _ => None,
        },
        _ => None,
    }
}

/// Whether two numbers are the same but for rounding to f32.
pub(super) fn same(a: f64, b: f64) -> bool {
    (a - b).abs() <= 2e-7 * b.abs()
}
