//! The trainer: batches in, losses out.

use std::collections::BTreeMap;
use std::path::Path;

use super::compiled::Compiled;
use super::data::{not_below, not_finite};
use super::state::State;
use super::step::{evaluation, step};
use super::{Init, Loss, Optimizer, Schedule, TrainError};
use crate::graph::Graph;
use crate::io::{atomic, safe_file};
use crate::limits;
use crate::model::{Error, Model, Options};
use crate::runtime::params::{Table, tensors_of, to_safetensors};
use crate::tensor::TensorView;

/// How to train.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainOptions {
    /// What is made small.
    pub loss: Loss,
    /// How gradients become steps.
    pub optimizer: Optimizer,
    /// The base learning rate.
    pub rate: f64,
    /// How the rate goes.
    pub schedule: Schedule,
    /// Steps in all, for schedules that end.
    pub total_steps: u64,
    /// The share of a batch in batchnorm's running statistics.
    pub statistics_momentum: f32,
    /// How weights begin, whatever file the model has for them; none: with that file's, or as PyTorch's layers.
    pub init: Option<Init>,
}

impl TrainOptions {
    /// Plain gradient descent at a constant rate of 0.01.
    pub fn new(loss: Loss) -> TrainOptions {
        TrainOptions {
            loss,
            optimizer: Optimizer::Sgd { momentum: 0.0, weight_decay: 0.0, nesterov: false },
            rate: 0.01,
            schedule: Schedule::CONSTANT,
            total_steps: 0,
            statistics_momentum: 0.1,
            init: None,
        }
    }
}

/// How well a model does on some samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evaluation {
    /// The mean loss.
    pub loss: f64,
    /// The share of classes that were told right, for [`Loss::CrossEntropy`].
    pub accuracy: Option<f64>,
}

/// A model in training.
pub struct Trainer {
    graph: Graph,
    options: Options,
    train: TrainOptions,
    state: State,
    /// What the step under way writes, exchanged with the state once it is done.
    next: State,
    /// Numbers of the parameters with moments.
    trained: Vec<usize>,
    /// By the number of samples.
    steps: BTreeMap<usize, Compiled>,
    evaluations: BTreeMap<usize, Compiled>,
}

impl Trainer {
    /// A trainer that begins with the weights that the model has, from its file or by the options' seed, or anew as
    /// [`TrainOptions::init`] says.
    ///
    /// # Errors
    /// If the model is wrong, a layer has no gradient, or there is nothing to train.
    pub fn new(model: &Model, options: &Options, train: TrainOptions) -> Result<Trainer, TrainError> {
        let (graph, _) = model.graph(options)?;
        let params = match train.init {
            Some(init) => init.apply(&graph, &model.seeded_weights(&graph, options)?),
            None => {
                model.weights(&graph, options)?.params.tensors().iter().map(|t| t.data().to_vec()).collect()
            }
        };
        // Compiled for no number of samples: that layers have gradients is said before any data is read.
        let built = step(&graph, 1, train.loss, &train.optimizer, train.statistics_momentum)?;
        let mut state = State::new(params);
        state.without_moments(&graph, &built.trained, &train.optimizer);
        Ok(Trainer {
            next: state.clone(),
            state,
            trained: built.trained,
            graph,
            options: options.clone(),
            train,
            steps: BTreeMap::new(),
            evaluations: BTreeMap::new(),
        })
    }

    /// The model's graph.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Steps done.
    pub fn steps(&self) -> u64 {
        self.state.steps
    }

    /// The learning rate of the next step.
    pub fn rate(&self) -> f64 {
        self.train.rate * self.train.schedule.factor(self.state.steps, self.train.total_steps)
    }

    /// One step on a batch: inputs in the model's order, each with its samples as first axis, and the target.
    /// Gives the loss before the step. After an error everything is as it was.
    ///
    /// # Errors
    /// If the batch does not fit the model, or the loss is not finite.
    pub fn step(&mut self, inputs: &[TensorView<'_>], target: TensorView<'_>) -> Result<f32, TrainError> {
        let samples = self.fitting(inputs, target)?;
        let TrainOptions { loss, optimizer, statistics_momentum, .. } = self.train;
        let rates = optimizer.rates(self.rate(), self.state.steps + 1);
        if !self.steps.contains_key(&samples) {
            let built = step(&self.graph, samples as u64, loss, &optimizer, statistics_momentum)?;
            let compiled = Compiled::new(built, &self.options, self.pool())?;
            self.steps.insert(samples, compiled);
        }
        let Some(program) = self.steps.get_mut(&samples) else { return Err(TrainError::NothingToTrain) };
        let mut from: Vec<&[f32]> = inputs.iter().map(TensorView::data).collect();
        from.push(target.data());
        from.extend(rates.values.iter().map(std::slice::from_ref));
        from.extend(self.state.params.iter().map(Vec::as_slice));
        from.extend(self.state.moments.iter().map(Vec::as_slice));
        let mut lost = [0.0f32];
        let changed = program.built.changed.clone();
        let mut to: Vec<&mut [f32]> = vec![&mut lost];
        let mut places: Vec<Option<&mut [f32]>> =
            self.next.params.iter_mut().map(|data| Some(data.as_mut_slice())).collect();
        to.extend(changed.iter().filter_map(|&i| places[i].take()));
        to.extend(self.next.moments.iter_mut().map(Vec::as_mut_slice));
        program.run(&from, &mut to)?;
        let [lost] = lost;
        if !lost.is_finite() {
            return Err(TrainError::NotFinite { step: self.state.steps + 1, loss: lost });
        }
        for i in changed {
            std::mem::swap(&mut self.state.params[i], &mut self.next.params[i]);
        }
        std::mem::swap(&mut self.state.moments, &mut self.next.moments);
        self.state.steps += 1;
        Ok(lost)
    }

    /// The loss and, of classes, the accuracy on some samples, as the model is used: batchnorm by its running
    /// statistics.
    ///
    /// # Errors
    /// If the samples do not fit the model.
    pub fn evaluate(
        &mut self,
        inputs: &[TensorView<'_>],
        target: TensorView<'_>,
    ) -> Result<Evaluation, TrainError> {
        let samples = self.fitting(inputs, target)?;
        if !self.evaluations.contains_key(&samples) {
            let built = evaluation(&self.graph, samples as u64, self.train.loss)?;
            let compiled = Compiled::new(built, &self.options, self.pool())?;
            self.evaluations.insert(samples, compiled);
        }
        let Some(program) = self.evaluations.get_mut(&samples) else {
            return Err(TrainError::NothingToTrain);
        };
        let dims = match program.built.graph.outputs.get(1) {
            Some(scores) => program.built.graph.ty(scores.value).dims.clone(),
            None => Vec::new(),
        };
        let mut lost = [0.0f32];
        let mut scores = vec![0.0f32; dims.iter().product::<u64>() as usize];
        let mut from: Vec<&[f32]> = inputs.iter().map(TensorView::data).collect();
        from.push(target.data());
        from.extend(self.state.params.iter().map(Vec::as_slice));
        program.run(&from, &mut [&mut lost, &mut scores])?;
        let accuracy = self.train.loss.classes(&dims).map(|_| accuracy(&scores, &dims, target.data()));
        Ok(Evaluation { loss: f64::from(lost[0]), accuracy })
    }

    /// The weights as they are now, by their keys.
    ///
    /// # Errors
    /// None that a caller could cause.
    pub fn weights(&self) -> Result<Table, TrainError> {
        self.state.weights(&self.graph)
    }

    /// Writes the weights as safetensors; the file is there as a whole or not at all.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), TrainError> {
        write(path, &self.weights()?)
    }

    /// Writes everything that [`Trainer::resume`] needs to go on with the same bits: a weight file, too.
    ///
    /// # Errors
    /// If it cannot be written; a file that was there before is left.
    pub fn checkpoint(&self, path: &Path) -> Result<(), TrainError> {
        write(path, &self.state.checkpoint(&self.graph, &self.trained, &self.train.optimizer)?)
    }

    /// Goes on where a checkpoint was written.
    ///
    /// # Errors
    /// If it cannot be read or is not of this model and optimizer.
    pub fn resume(&mut self, path: &Path) -> Result<(), TrainError> {
        let bytes = safe_file::read(path, limits::WEIGHT_FILE_BYTES).map_err(Error::from)?;
        let table = tensors_of(&bytes).map_err(TrainError::State)?;
        self.state = State::resume(&table, &self.graph, &self.trained, &self.train.optimizer)?;
        self.next = self.state.clone();
        Ok(())
    }

    /// The pool that programs share.
    fn pool(&self) -> Option<std::sync::Arc<crate::runtime::Pool>> {
        self.steps.values().chain(self.evaluations.values()).find_map(Compiled::pool)
    }

    /// The number of samples of a batch that fits the model.
    fn fitting(&self, inputs: &[TensorView<'_>], target: TensorView<'_>) -> Result<usize, TrainError> {
        let shape = |what: &str, given: &[usize], expected: Vec<u64>| TrainError::Shape {
            what: what.to_owned(),
            given: given.to_vec(),
            expected,
        };
        let samples = inputs.first().and_then(|x| x.shape().first().copied()).unwrap_or(0) as u64;
        if inputs.len() != self.graph.inputs.len() {
            return Err(shape("the list of inputs", &[inputs.len()], vec![self.graph.inputs.len() as u64]));
        }
        let whole = |value| {
            let ty = self.graph.ty(value);
            let mut dims = if ty.batched { vec![samples] } else { Vec::new() };
            dims.extend(&ty.dims);
            dims
        };
        let same = |given: &[usize], dims: &[u64]| given.iter().map(|&d| d as u64).eq(dims.iter().copied());
        for (input, tensor) in self.graph.inputs.iter().zip(inputs) {
            let expected = whole(input.value);
            if !same(tensor.shape(), &expected) || samples == 0 {
                return Err(shape(&format!("input `{}`", input.name), tensor.shape(), expected));
            }
            finite(&format!("input `{}`", input.name), tensor.data())?;
        }
        let [output] = self.graph.outputs.as_slice() else {
            return Err(TrainError::Outputs { count: self.graph.outputs.len() });
        };
        let y = whole(output.value);
        let expected = self.train.loss.target(&y);
        if !same(target.shape(), &expected) {
            return Err(shape("the target", target.shape(), expected));
        }
        finite("the target", target.data())?;
        if let Some(classes) = self.train.loss.classes(&y)
            && let Some(at) = not_below(target.data(), classes)
        {
            let each = target.data().len() / samples.max(1) as usize;
            let (sample, class) = (at / each.max(1), target.data()[at]);
            return Err(TrainError::Class { sample, class, last: classes - 1 });
        }
        Ok(samples as usize)
    }
}

fn finite(what: &str, data: &[f32]) -> Result<(), TrainError> {
    match not_finite(data) {
        Some(index) => Err(TrainError::NotANumber { what: what.to_owned(), index, value: data[index] }),
        None => Ok(()),
    }
}

/// The share of places whose largest score is that of their class.
fn accuracy(scores: &[f32], dims: &[u64], target: &[f32]) -> f64 {
    let (classes, inner) = (dims[1] as usize, dims[2..].iter().product::<u64>() as usize);
    let right = target.iter().enumerate().filter(|(place, class)| {
        let (sample, at) = (place / inner, place % inner);
        let score = |k: usize| scores[(sample * classes + k) * inner + at];
        (0..classes).all(|k| score(k) <= score(**class as usize))
    });
    right.count() as f64 / target.len().max(1) as f64
}

fn write(path: &Path, table: &Table) -> Result<(), TrainError> {
    let bytes = to_safetensors(table).map_err(TrainError::State)?;
    atomic::write(path, &[], |file| std::io::Write::write_all(file, &bytes))
        .map_err(|e| Error::from(e).into())
}
