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
/// evaluation: the loss and the scores it is computed from. A slash is in no name of the language, so no input of a
/// model is called as one of these.
pub(super) struct Built {
    pub(super) graph: Graph,
    /// Numbers of the parameters that a step changes.
    pub(super) changed: Vec<usize>,
    /// Numbers of those that have moments; the first ones of `changed`.
    pub(super) trained: Vec<usize>,
    /// Bytes of the parameters and moments among inputs and outputs.
    pub(super) state_bytes: u64,
}

/// The model for so many samples at once.
fn whole(graph: &Graph, samples: u64) -> Result<Graph, GradError> {
    plain_borders(&with_samples(&expand_norms(graph), samples)?)
}

/// Parameters become inputs, for they change; their values in their order.
fn free_parameters(b: &mut Builder) -> Result<Vec<Value>, GradError> {
    let params = std::mem::take(&mut b.graph.params);
    let mut found = vec![None; params.len()];
    for i in 0..b.graph.nodes.len() {
        if let Op::Param(p) = b.graph.nodes[i].op {
            found[p as usize] = Some(Value(i as u32));
        }
    }
    let mut values = Vec::with_capacity(params.len());
    for (param, value) in params.into_iter().zip(found) {
        let op = Op::Input(b.graph.inputs.len() as u32);
        let value = match value {
            Some(value) => {
                b.graph.nodes[value.index()].op = op;
                value
            }
            // One that nothing reads.
            None => b.shaped(op, &[], param.dims.clone())?,
        };
        b.graph.inputs.push(Input { name: format!("p/{}", param.key), value, file: None });
        values.push(value);
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

/// The beginning of both graphs: the model's scores, and a target beside them.
fn scored(graph: Graph, loss: Loss) -> Result<(Builder, [Value; 2]), TrainError> {
    let &[Output { value: y, .. }] = graph.outputs.as_slice() else {
        return Err(TrainError::Outputs { count: graph.outputs.len() });
    };
    let mut b = Builder::new(Graph { outputs: Vec::new(), ..graph }, 't');
    let y = loss.scores(&mut b, y)?;
    let target = loss.target_dims(&b.dims(y));
    let target = input(&mut b, "train/target", target)?;
    Ok((b, [y, target]))
}

fn output(b: &mut Builder, name: String, value: Value) {
    b.graph.outputs.push(Output { name, value });
}

/// A step of `samples` samples.
pub(super) fn step(
    model: &Graph,
    samples: u64,
    loss: Loss,
    optimizer: &Optimizer,
    momentum: f64,
) -> Result<Built, TrainError> {
    let (graph, running) = with_batch_statistics(&whole(model, samples)?, momentum)?;
    let (mut b, [y, target]) = scored(graph, loss)?;
    let mut rates = [target; 3];
    for (rate, name) in rates.iter_mut().zip(Rates::NAMES) {
        *rate = input(&mut b, name, vec![1])?;
    }
    let first_state = b.graph.inputs.len();
    let params = free_parameters(&mut b)?;
    let lost = loss.append(&mut b, y, target)?;
    let candidates: Vec<(usize, Value)> = model
        .params
        .iter()
        .enumerate()
        .filter(|(_, param)| is_trained(param.role))
        .map(|(i, _)| (i, params[i]))
        .collect();
    let wrt: Vec<Value> = candidates.iter().map(|(_, value)| *value).collect();
    let seed = b.number(1.0)?;
    let gradients = backward(&mut b, &[(lost, seed)], &wrt)?;
    output(&mut b, "train/loss".into(), lost);
    let (mut trained, mut moments) = (Vec::new(), Vec::new());
    for ((i, p), gradient) in candidates.into_iter().zip(gradients) {
        let Some(g) = gradient else { continue };
        let key = &model.params[i].key;
        b.at(key, model.params[i].span);
        let mut old = Vec::new();
        for moment in optimizer.moments() {
            let dims = b.dims(p);
            old.push(input(&mut b, &format!("{moment}/{key}"), dims)?);
        }
        let (new, kept) = optimizer.append(&mut b, [p, g], &old, rates)?;
        output(&mut b, format!("p/{key}"), new);
        let names = optimizer.moments().iter().map(|name| format!("{name}/{key}"));
        moments.extend(names.zip(kept));
        trained.push(i);
    }
    if trained.is_empty() {
        return Err(TrainError::NothingToTrain);
    }
    let mut changed = trained.clone();
    for Running { old, new } in running {
        if let Some(i) = params.iter().position(|p| *p == old) {
            output(&mut b, format!("p/{}", model.params[i].key), new);
            changed.push(i);
        }
    }
    for (name, value) in moments {
        output(&mut b, name, value);
    }
    let kept = b.graph.inputs[first_state..].iter().map(|input| input.value);
    let made = b.graph.outputs[1..].iter().map(|output| output.value);
    let state_bytes = bytes(&b.graph, kept.chain(made));
    Ok(Built { graph: b.graph, changed, trained, state_bytes })
}

/// The loss and the scores of `samples` samples, as the model is used.
pub(super) fn evaluation(model: &Graph, samples: u64, loss: Loss) -> Result<Built, TrainError> {
    let (mut b, [y, target]) = scored(whole(model, samples)?, loss)?;
    let params = free_parameters(&mut b)?;
    let lost = loss.append(&mut b, y, target)?;
    output(&mut b, "train/loss".into(), lost);
    output(&mut b, "train/scores".into(), y);
    let state_bytes = bytes(&b.graph, params.into_iter());
    Ok(Built { graph: b.graph, changed: Vec::new(), trained: Vec::new(), state_bytes })
}

fn bytes(graph: &Graph, values: impl Iterator<Item = Value>) -> u64 {
    values.map(|value| 4 * graph.ty(value).elements()).sum()
}
