//! One step of training as a graph, and its program.

use super::optimizer::Rates;
use super::{Loss, Optimizer, TrainError};
use crate::graph::grad::{
    Builder, GradError, Running, backward, plain_borders, with_batch_statistics, with_samples,
};
use crate::graph::passes::expand_norms;
use crate::graph::{Graph, Input, Op, Output, ParamRole, Value};

/// A graph whose inputs are, in this order: the model's inputs, the target, for a step [`Rates`], the model's
/// parameters, and for a step the moments of those that are trained.
///
/// The outputs of a step: the loss, the new values of `changed`, the new moments of `trained`. Those of an
/// evaluation: the loss and the scores it is computed from.
pub(super) struct Built {
    pub(super) graph: Graph,
    /// Numbers of the parameters that a step changes.
    pub(super) changed: Vec<usize>,
    /// Numbers of those that have moments; the first ones of `changed`.
    pub(super) trained: Vec<usize>,
}

/// The model for so many samples at once.
fn whole(graph: &Graph, samples: u64) -> Result<Graph, GradError> {
    plain_borders(&with_samples(&expand_norms(graph), samples)?)
}

/// Parameters become inputs, for they change; their values in their order.
fn free_parameters(b: &mut Builder) -> Result<Vec<Option<Value>>, GradError> {
    let params = std::mem::take(&mut b.graph.params);
    let mut values = vec![None; params.len()];
    for i in 0..b.graph.nodes.len() {
        if let Op::Param(p) = b.graph.nodes[i].op {
            values[p as usize] = Some(Value(i as u32));
        }
    }
    for (param, value) in params.into_iter().zip(&mut values) {
        let op = Op::Input(b.graph.inputs.len() as u32);
        let value = match *value {
            Some(value) => {
                b.graph.nodes[value.index()].op = op;
                value
            }
            // One that nothing reads.
            None => b.shaped(op, &[], param.dims.clone())?,
        };
        b.graph.inputs.push(Input { name: format!("p.{}", param.key), value, file: None });
    }
    Ok(values)
}

fn input(b: &mut Builder, name: &str, dims: Vec<u64>) -> Result<Value, GradError> {
    let value = b.shaped(Op::Input(b.graph.inputs.len() as u32), &[], dims)?;
    b.graph.inputs.push(Input { name: name.to_owned(), value, file: None });
    Ok(value)
}

/// Whether a parameter is learned; the statistics of batchnorm are kept otherwise.
pub(super) fn is_trained(role: ParamRole) -> bool {
    !matches!(role, ParamRole::Mean | ParamRole::Variance)
}

/// A step of `samples` samples.
pub(super) fn step(
    model: &Graph,
    samples: u64,
    loss: Loss,
    optimizer: &Optimizer,
    momentum: f32,
) -> Result<Built, TrainError> {
    let (graph, running) = with_batch_statistics(&whole(model, samples)?, momentum)?;
    let y = single_output(&graph)?;
    let mut b = Builder::new(Graph { outputs: Vec::new(), ..graph }, 't');
    let y = loss.scores(&b, y);
    let target = loss.target(&b.dims(y));
    let target = input(&mut b, "target", target)?;
    let mut rates = [target; 3];
    for (rate, name) in rates.iter_mut().zip(Rates::NAMES) {
        *rate = input(&mut b, name, vec![1])?;
    }
    let params = free_parameters(&mut b)?;
    let lost = loss.append(&mut b, y, target)?;
    let candidates: Vec<(usize, Value)> = model
        .params
        .iter()
        .enumerate()
        .filter(|(_, param)| is_trained(param.role))
        .filter_map(|(i, _)| params[i].map(|value| (i, value)))
        .collect();
    let wrt: Vec<Value> = candidates.iter().map(|(_, value)| *value).collect();
    let seed = b.number(1.0)?;
    let gradients = backward(&mut b, &[(lost, seed)], &wrt)?;
    b.graph.outputs.push(Output { name: "loss".into(), value: lost });
    let (mut trained, mut moments) = (Vec::new(), Vec::new());
    for ((i, p), gradient) in candidates.into_iter().zip(gradients) {
        let Some(g) = gradient else { continue };
        let key = &model.params[i].key;
        b.at(key, model.params[i].span);
        let mut old = Vec::new();
        for moment in optimizer.moments() {
            let dims = b.dims(p);
            old.push(input(&mut b, &format!("{moment}.{key}"), dims)?);
        }
        let (new, kept) = optimizer.append(&mut b, [p, g], &old, rates)?;
        b.graph.outputs.push(Output { name: format!("p.{key}"), value: new });
        moments.extend(
            optimizer.moments().iter().zip(kept).map(|(name, value)| (format!("{name}.{key}"), value)),
        );
        trained.push(i);
    }
    if trained.is_empty() {
        return Err(TrainError::NothingToTrain);
    }
    let mut changed = trained.clone();
    for Running { old, new } in running {
        if let Some(i) = params.iter().position(|p| *p == Some(old)) {
            b.graph.outputs.push(Output { name: format!("p.{}", model.params[i].key), value: new });
            changed.push(i);
        }
    }
    b.graph.outputs.extend(moments.into_iter().map(|(name, value)| Output { name, value }));
    Ok(Built { graph: b.graph, changed, trained })
}

/// The loss and the scores of `samples` samples, as the model is used.
pub(super) fn evaluation(model: &Graph, samples: u64, loss: Loss) -> Result<Built, TrainError> {
    let graph = whole(model, samples)?;
    let y = single_output(&graph)?;
    let mut b = Builder::new(Graph { outputs: Vec::new(), ..graph }, 't');
    let y = loss.scores(&b, y);
    let target = loss.target(&b.dims(y));
    let target = input(&mut b, "target", target)?;
    free_parameters(&mut b)?;
    let lost = loss.append(&mut b, y, target)?;
    b.graph.outputs.push(Output { name: "loss".into(), value: lost });
    b.graph.outputs.push(Output { name: "scores".into(), value: y });
    Ok(Built { graph: b.graph, changed: Vec::new(), trained: Vec::new() })
}

fn single_output(graph: &Graph) -> Result<Value, TrainError> {
    match graph.outputs.as_slice() {
        [output] => Ok(output.value),
        outputs => Err(TrainError::Outputs { count: outputs.len() }),
    }
}
