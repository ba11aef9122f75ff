//! Whether samples fit a model: the one check, of a batch and of a whole set.

use super::data::{not_below, not_finite};
use super::{Loss, TrainError};
use crate::graph::{Graph, Value};
use crate::tensor::TensorView;

/// How many samples inputs in the model's order and a target have; 1 where no input has an axis for them.
///
/// # Errors
/// If shapes do not fit, a number is not finite, or a class is none of the model's.
pub fn samples(
    graph: &Graph,
    loss: Loss,
    inputs: &[TensorView<'_>],
    target: TensorView<'_>,
) -> Result<usize, TrainError> {
    if inputs.len() != graph.inputs.len() {
        return Err(TrainError::Inputs { given: inputs.len(), expected: graph.inputs.len() });
    }
    let pairs = || graph.inputs.iter().zip(inputs);
    let batched = pairs().find(|(input, _)| graph.ty(input.value).batched);
    let samples = batched.map_or(1, |(_, x)| x.shape().first().copied().unwrap_or(0));
    if samples == 0 {
        return Err(TrainError::Empty);
    }
    let whole = |value: Value| {
        let ty = graph.ty(value);
        let batch = ty.batched.then_some(samples as u64);
        batch.into_iter().chain(ty.dims.iter().copied()).collect::<Vec<u64>>()
    };
    for (input, tensor) in pairs() {
        held(&format!("input `{}`", input.name), *tensor, whole(input.value))?;
    }
    let [output] = graph.outputs.as_slice() else {
        return Err(TrainError::Outputs { count: graph.outputs.len() });
    };
    let y = whole(output.value);
    if let (true, Some(&targets)) = (graph.ty(output.value).batched, target.shape().first())
        && targets != samples
    {
        return Err(TrainError::Samples { inputs: samples, targets });
    }
    held("the target", target, loss.target_dims(&y))?;
    if let Some(classes) = loss.classes(&y)
        && let Some(at) = not_below(target.data(), classes)
    {
        let each = target.data().len() / samples;
        let (sample, class) = (at / each.max(1), target.data()[at]);
        return Err(TrainError::Class { sample, class, last: classes - 1 });
    }
    Ok(samples)
}

fn held(what: &str, tensor: TensorView<'_>, expected: Vec<u64>) -> Result<(), TrainError> {
    if !tensor.shape().iter().map(|&d| d as u64).eq(expected.iter().copied()) {
        return Err(TrainError::Shape { what: what.to_owned(), given: tensor.shape().to_vec(), expected });
    }
    match not_finite(tensor.data()) {
        Some(index) => {
            Err(TrainError::NotANumber { what: what.to_owned(), index, value: tensor.data()[index] })
        }
        None => Ok(()),
    }
}
