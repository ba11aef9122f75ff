//! What training changes, and what it needs to go on.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Optimizer, TrainError};
use crate::graph::{Graph, Param};
use crate::runtime::params::Table;
use crate::tensor::Tensor;

/// Weights, moments and the number of steps done.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct State {
    /// Steps done.
    pub(super) steps: u64,
    /// Of the model, in the order of its graph.
    pub(super) params: Vec<Vec<f32>>,
    /// Of the parameters that are trained, in the order of a step's graph.
    pub(super) moments: Vec<Vec<f32>>,
}

/// The key of the number of steps in a checkpoint, as two halves that f32 holds exactly.
const STEPS: &str = "trainer.steps";

/// What a step number is split at.
const HALF: u64 = 1 << 24;

impl State {
    pub(super) fn new(params: Vec<Vec<f32>>) -> State {
        State { steps: 0, params, moments: Vec::new() }
    }

    /// The weights by their keys.
    pub(super) fn weights(&self, graph: &Graph) -> Result<Table, TrainError> {
        let tensors = graph.params.iter().zip(&self.params);
        tensors.map(|(param, data)| Ok((param.key.clone(), tensor(param, data)?))).collect()
    }

    /// Everything, by keys that no weight has.
    pub(super) fn checkpoint(
        &self,
        graph: &Graph,
        trained: &[usize],
        optimizer: &Optimizer,
    ) -> Result<Table, TrainError> {
        let mut table = self.weights(graph)?;
        for ((param, name), data) in moments(graph, trained, optimizer).zip(&self.moments) {
            table.insert(format!("trainer.{name}.{}", param.key), tensor(param, data)?);
        }
        let halves = vec![(self.steps % HALF) as f32, (self.steps / HALF) as f32];
        let steps = Tensor::new(&[2], halves).map_err(|e| TrainError::State(e.to_string()))?;
        table.insert(STEPS.to_owned(), Arc::new(steps));
        Ok(table)
    }

    /// What [`State::checkpoint`] has written.
    pub(super) fn resume(
        table: &BTreeMap<String, Tensor>,
        graph: &Graph,
        trained: &[usize],
        optimizer: &Optimizer,
    ) -> Result<State, TrainError> {
        let data = |key: String, param: &Param| {
            let tensor = table.get(&key).ok_or_else(|| TrainError::State(format!("it has no `{key}`")))?;
            if !tensor.shape().iter().map(|&d| d as u64).eq(param.dims.iter().copied()) {
                let (have, want) = (tensor.shape(), &param.dims);
                return Err(TrainError::State(format!("`{key}` has the shape {have:?} instead of {want:?}")));
            }
            Ok(tensor.data().to_vec())
        };
        let params = graph.params.iter().map(|param| data(param.key.clone(), param));
        let params = params.collect::<Result<_, _>>()?;
        let moments = moments(graph, trained, optimizer)
            .map(|(param, name)| data(format!("trainer.{name}.{}", param.key), param))
            .collect::<Result<_, _>>()?;
        let steps = match table.get(STEPS).map(Tensor::data) {
            Some(&[low, high]) => low as u64 + high as u64 * HALF,
            _ => return Err(TrainError::State(format!("it has no `{STEPS}`: it holds weights alone"))),
        };
        Ok(State { steps, params, moments })
    }

    /// Zeros for moments.
    pub(super) fn without_moments(&mut self, graph: &Graph, trained: &[usize], optimizer: &Optimizer) {
        let zeros = |(param, _): (&Param, _)| vec![0.0; param.dims.iter().product::<u64>() as usize];
        self.moments = moments(graph, trained, optimizer).map(zeros).collect();
    }
}

/// Each moment's parameter and name, in the order of a step's graph.
fn moments<'a>(
    graph: &'a Graph,
    trained: &'a [usize],
    optimizer: &Optimizer,
) -> impl Iterator<Item = (&'a Param, &'static str)> {
    let names = optimizer.moments();
    trained.iter().flat_map(move |&i| names.iter().map(move |&name| (&graph.params[i], name)))
}

fn tensor(param: &Param, data: &[f32]) -> Result<Arc<Tensor>, TrainError> {
    let shape: Vec<usize> = param.dims.iter().map(|&d| d as usize).collect();
    Tensor::new(&shape, data.to_vec()).map(Arc::new).map_err(|e| TrainError::State(e.to_string()))
}
