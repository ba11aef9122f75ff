//! A model's graph with the gradients of its inputs and parameters as further outputs.

use super::{Builder, GradError, backward, plain_borders, with_samples};
use crate::graph::passes::expand_norms;
use crate::graph::{Graph, Input, Op, Output};

/// The graph for `samples` samples, with an input `d.NAME` for the gradient of each output, and an output
/// `d.NAME` for that of each input and each parameter that the outputs depend on.
///
/// Batchnorm has the statistics that the model was given; what depends on those of a batch is in training.
///
/// # Errors
/// If a layer has no gradient, or a value with all its samples is beyond the limits.
pub fn with_gradients(graph: &Graph, samples: u64) -> Result<Graph, GradError> {
    let graph = plain_borders(&with_samples(&expand_norms(graph), samples)?)?;
    let leaves: Vec<_> = graph
        .values()
        .filter_map(|(value, node)| match node.op {
            Op::Input(i) => Some((value, graph.inputs[i as usize].name.clone())),
            Op::Param(i) => Some((value, graph.params[i as usize].key.clone())),
            _ => None,
        })
        .collect();
    let outputs = graph.outputs.clone();
    let mut b = Builder::new(graph, 'd');
    let mut seeds = Vec::new();
    for output in outputs {
        let dims = b.dims(output.value);
        let seed = b.shaped(Op::Input(b.graph.inputs.len() as u32), &[], dims)?;
        b.graph.inputs.push(Input { name: format!("d.{}", output.name), value: seed, file: None });
        seeds.push((output.value, seed));
    }
    let wrt: Vec<_> = leaves.iter().map(|(value, _)| *value).collect();
    let gradients = backward(&mut b, &seeds, &wrt)?;
    for ((_, name), gradient) in leaves.iter().zip(gradients) {
        if let Some(value) = gradient {
            b.graph.outputs.push(Output { name: format!("d.{name}"), value });
        }
    }
    Ok(b.graph)
}
