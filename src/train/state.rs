//! What training changes, and what it needs to go on.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Optimizer, TrainError};
use crate::graph::{Graph, Param};
use crate::model::Error;
use crate::runtime::params::{Entry, STEPS, Stored, TRAINER, Table};
use crate::tensor::{Raw, Tensor};

/// Weights and moments.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct State {
    /// Of the model, in the order of its graph.
    pub(super) params: Vec<Vec<f32>>,
    /// Of the parameters that are trained, in the order of a step's graph.
    pub(super) moments: Vec<Vec<f32>>,
}

/// What a step number is split at: a checkpoint has it as two halves that f32 holds exactly.
const HALF: u64 = 1 << 24;

/// What all states of a training have in common.
pub(super) struct Form {
    /// Of the model.
    pub(super) params: Vec<Param>,
    /// Numbers of the parameters with moments.
    pub(super) trained: Vec<usize>,
    /// Which moments each of these has.
    pub(super) names: &'static [&'static str],
}

impl Form {
    pub(super) fn new(graph: &Graph, trained: Vec<usize>, optimizer: &Optimizer) -> Form {
        Form { params: graph.params.clone(), trained, names: optimizer.moments() }
    }

    /// Each moment's key and parameter, in the order of a step's graph.
    fn moments(&self) -> impl Iterator<Item = (String, &Param)> {
        let params = self.trained.iter().map(|&i| &self.params[i]);
        params.flat_map(|param| {
            self.names.iter().map(move |name| (format!("{TRAINER}{name}.{}", param.key), param))
        })
    }

    /// The bytes of a state; `u64::MAX` where that overflows.
    pub(super) fn bytes(&self) -> u64 {
        let all = self.params.iter().chain(self.moments().map(|(_, param)| param));
        all.map(bytes).fold(0, u64::saturating_add)
    }

    /// The first number that is not finite, with the key of its parameter or moment.
    pub(super) fn not_finite(&self, state: &State, changed: &[usize]) -> Option<(String, f32)> {
        let params = changed.iter().map(|&i| &state.params[i]);
        if params.chain(&state.moments).all(|data| all_finite(data)) {
            return None;
        }
        let keys = changed.iter().map(|&i| self.params[i].key.clone());
        let keys = keys.chain(self.moments().map(|(key, _)| key));
        let data = changed.iter().map(|&i| &state.params[i]).chain(&state.moments);
        keys.zip(data).find_map(|(key, data)| Some((key, *data.iter().find(|v| !v.is_finite())?)))
    }
}

/// Whether no number is infinite or none. Comparisons of integers, so that they are done many at once.
fn all_finite(data: &[f32]) -> bool {
    const EXPONENT: u32 = 0x7f80_0000;
    data.chunks(4096).all(|chunk| {
        let found = chunk.iter().fold(0, |found, v| found | u32::from(v.to_bits() & EXPONENT == EXPONENT));
        found == 0
    })
}

impl State {
    /// Zeros for moments.
    ///
    /// # Errors
    /// If there is no memory for them.
    pub(super) fn new(params: Vec<Vec<f32>>, form: &Form) -> Result<State, TrainError> {
        let moments = form.moments().map(|(_, param)| zeros(bytes(param) / 4)).collect::<Result<_, _>>()?;
        Ok(State { params, moments })
    }

    /// A state of the same form to be written to.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub(super) fn another(&self) -> Result<State, TrainError> {
        let copy = |data: &Vec<f32>| {
            let mut copy = zeros(data.len() as u64)?;
            copy.copy_from_slice(data);
            Ok::<_, TrainError>(copy)
        };
        let all = |data: &[Vec<f32>]| data.iter().map(copy).collect::<Result<_, _>>();
        Ok(State { params: all(&self.params)?, moments: all(&self.moments)? })
    }

    /// The weights by their keys.
    pub(super) fn weights(&self, form: &Form) -> Result<Table, TrainError> {
        let tensor = |(param, data): (&Param, &Vec<f32>)| {
            let shape: Vec<usize> = param.dims.iter().map(|&d| d as usize).collect();
            let tensor = Tensor::new(&shape, data.clone()).map_err(Error::from)?;
            Ok((param.key.clone(), Arc::new(tensor)))
        };
        form.params.iter().zip(&self.params).map(tensor).collect()
    }

    /// The weights as a file has them.
    pub(super) fn weight_entries(&self, form: &Form) -> Vec<Entry<'_>> {
        let pairs = form.params.iter().zip(&self.params);
        pairs.map(|(param, data)| entry(param.key.clone(), param, data)).collect()
    }

    /// Everything, the moments and the number of steps by keys that no weight has.
    pub(super) fn entries<'a>(&'a self, form: &Form, steps: &'a [f32; 2]) -> Vec<Entry<'a>> {
        let mut entries = self.weight_entries(form);
        let moments = form.moments().zip(&self.moments);
        entries.extend(moments.map(|((key, param), data)| entry(key, param, data)));
        entries.push(Entry { key: STEPS.to_owned(), dims: vec![2], data: Raw::Numbers(steps) });
        entries
    }

    /// Reads what [`State::entries`] has written, and gives the number of steps. After an error it may be
    /// neither what it was nor what was read.
    pub(super) fn fill(&mut self, file: &Stored<'_>, form: &Form) -> Result<u64, TrainError> {
        let mut halves = [0.0; 2];
        if !file.keys().any(|key| key == STEPS) {
            return Err(TrainError::State(format!("it has no `{STEPS}`: it holds weights alone")));
        }
        file.copy(STEPS, &[2], &mut halves).map_err(TrainError::State)?;
        let [low, high] = halves;
        if halves.iter().any(|half| half.fract() != 0.0 || !(0.0..HALF as f32).contains(half)) {
            return Err(TrainError::State(format!("its `{STEPS}` is damaged: {low} and {high}")));
        }
        let mut known = BTreeSet::new();
        let weights = form.params.iter().map(|param| (param.key.clone(), param)).zip(&mut self.params);
        for ((key, param), data) in weights.chain(form.moments().zip(&mut self.moments)) {
            file.copy(&key, &param.dims, data).map_err(TrainError::State)?;
            if let Some(value) = data.iter().find(|v| !v.is_finite()) {
                return Err(TrainError::State(format!("its `{key}` holds {value}")));
            }
            known.insert(key);
        }
        let foreign = |key: &&str| key.starts_with(TRAINER) && *key != STEPS && !known.contains(*key);
        if let Some(key) = file.keys().find(foreign) {
            let key = key.escape_debug();
            return Err(TrainError::State(format!("its `{key}` is of another model or optimizer")));
        }
        Ok(low as u64 + high as u64 * HALF)
    }
}

/// A number of steps as a checkpoint has it.
pub(super) fn halves(steps: u64) -> [f32; 2] {
    [(steps % HALF) as f32, (steps / HALF) as f32]
}

fn entry<'a>(key: String, param: &Param, data: &'a [f32]) -> Entry<'a> {
    Entry { key, dims: param.dims.clone(), data: Raw::Numbers(data) }
}

fn bytes(param: &Param) -> u64 {
    param.dims.iter().fold(4u64, |n, &d| n.saturating_mul(d))
}

/// Zeros, or an error where there is no memory.
pub(super) fn zeros(len: u64) -> Result<Vec<f32>, TrainError> {
    let refused =
        || Error::Memory { needed: len.saturating_mul(4), limit: 0, layer: "one tensor".to_owned() };
    let mut data = Vec::new();
    let len = usize::try_from(len).map_err(|_| refused())?;
    data.try_reserve_exact(len).map_err(|_| refused())?;
    data.resize(len, 0.0);
    Ok(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_finite_is_found_wherever_it_is() {
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for at in [0, 1, 4095, 4096, 9999] {
                let mut data = vec![f32::MAX; 10_000];
                assert!(all_finite(&data));
                data[at] = value;
                assert!(!all_finite(&data));
            }
        }
    }

    #[test]
    fn a_number_of_steps_comes_back_from_its_halves() {
        for steps in [0, 1, HALF - 1, HALF, 12_345_678_901] {
            let [low, high] = halves(steps);
            assert_eq!(low as u64 + high as u64 * HALF, steps);
        }
    }
}
