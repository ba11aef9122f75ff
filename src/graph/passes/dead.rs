//! Nodes that no output depends on go away.

use super::rewrite::Rewrite;
use crate::graph::{Graph, Op, Value};

/// Drops nodes that no output reads, but for inputs: a caller still gives them.
pub fn remove_dead(graph: &Graph) -> Graph {
    let mut alive = vec![false; graph.nodes.len()];
    for output in &graph.outputs {
        alive[output.value.index()] = true;
    }
    for (value, node) in graph.values().collect::<Vec<_>>().into_iter().rev() {
        alive[value.index()] |= matches!(node.op, Op::Input(_));
        if alive[value.index()] {
            for arg in &node.args {
                alive[arg.index()] = true;
            }
        }
    }
    let mut rewrite = Rewrite::new(graph);
    for (value, node) in graph.values() {
        if alive[value.index()] {
            rewrite.keep(node);
        } else {
            // Nothing alive reads it, so what stands for it does not matter.
            rewrite.stand(Value(0));
        }
    }
    rewrite.finish()
}
