//! The trainer: batches in, losses out.

use std::collections::BTreeMap;
use std::path::Path;

use super::compiled::{Compiled, Kind, Programs};
use super::state::{Form, State, halves, zeros};
use super::step::{evaluation, step};
use super::{TrainError, TrainOptions, fit};
use crate::graph::Graph;
use crate::io::{atomic, safe_file};
use crate::limits;
use crate::model::{Error, Model, Options};
use crate::runtime::params::{Entry, Stored, Table, write_safetensors};
use crate::tensor::{Tensor, TensorView};

/// How well a model does on some samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evaluation {
    /// The mean loss.
    pub loss: f64,
    /// The share of classes that were told right, for [`super::Loss::CrossEntropy`].
    pub accuracy: Option<f64>,
}

/// A model in training.
pub struct Trainer {
    graph: Graph,
    options: Options,
    train: TrainOptions,
    form: Form,
    /// Steps done.
    steps: u64,
    state: State,
    /// What the step under way writes, exchanged with the state once it is done.
    next: State,
    programs: Programs,
}

/// The note that says which rule the moments of a checkpoint are of.
const OPTIMIZER: &str = "optimizer";

impl Trainer {
    /// A trainer that begins with the weights that the model has, from its file or by the options' seed, or anew as
    /// [`TrainOptions::init`] says.
    ///
    /// Its memory, that of every program it compiles and that of a checkpoint being read stay together within
    /// [`Options::memory`]; samples that are not in a batch are the caller's.
    ///
    /// # Errors
    /// If the model is wrong, a layer with weights has no name to save them by, a layer has no gradient, there is
    /// nothing to train, an option is out of range, or memory does not suffice.
    pub fn new(model: &Model, options: &Options, train: TrainOptions) -> Result<Trainer, TrainError> {
        train.check()?;
        let options = options.clone().names_wanted();
        let (graph, _) = model.graph(&options)?;
        // That layers have gradients is said before any data is read; of two samples there is a variance.
        let built = step(&graph, 2, train.loss, &train.optimizer, train.statistics_momentum)?;
        let form = Form::new(&graph, built.trained, &train.optimizer);
        // Each number twice, as it is and as it will be.
        within(&options, form.bytes().saturating_mul(2), "the weights and moments, old and new")?;
        let params = match train.init {
            Some(init) => init.apply(&graph, &model.seeded_weights(&graph, &options)?),
            None => model
                .weights(&graph, &options)?
                .params
                .into_tensors()
                .into_iter()
                .map(Tensor::into_data)
                .collect(),
        };
        let state = State::new(params, &form)?;
        let programs = Programs::new(options.clone());
        Ok(Trainer { graph, train, form, steps: 0, next: state.another()?, state, programs, options })
    }

    /// The model's graph.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Steps done.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The learning rate of the next step.
    pub fn rate(&self) -> f64 {
        self.train.rate * self.train.schedule.factor(self.steps, self.train.total_steps)
    }

    /// Compiles the step of a batch of so many samples, which its first step would do otherwise: so that it is known
    /// beforehand whether memory suffices.
    ///
    /// # Errors
    /// If it does not, or such a batch cannot be trained on.
    pub fn prepare_step(&mut self, samples: usize) -> Result<(), TrainError> {
        self.program(Kind::Step, samples).map(drop)
    }

    /// As [`Trainer::prepare_step`], for [`Trainer::evaluate`].
    ///
    /// # Errors
    /// As [`Trainer::prepare_step`].
    pub fn prepare_evaluation(&mut self, samples: usize) -> Result<(), TrainError> {
        self.program(Kind::Evaluation, samples).map(drop)
    }

    fn program(&mut self, kind: Kind, samples: usize) -> Result<&mut Compiled, TrainError> {
        program(&mut self.programs, &self.graph, &self.train, &self.form, kind, samples)
    }

    /// One step on a batch: inputs in the model's order, each with its samples as first axis, and the target.
    /// Gives the loss before the step. After an error everything is as it was.
    ///
    /// # Errors
    /// If the batch does not fit the model, or the loss or what the step would make of a weight is not finite.
    pub fn step(&mut self, inputs: &[TensorView<'_>], target: TensorView<'_>) -> Result<f32, TrainError> {
        let samples = fit::samples(&self.graph, self.train.loss, inputs, target)?;
        let rates = self.train.optimizer.rates(self.rate(), self.steps + 1);
        let program = program(&mut self.programs, &self.graph, &self.train, &self.form, Kind::Step, samples)?;
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
        let ([loss], step) = (lost, self.steps + 1);
        if !loss.is_finite() {
            return Err(TrainError::NotFinite { step, loss });
        }
        if let Some((key, value)) = self.form.not_finite(&self.next, &changed) {
            return Err(TrainError::Diverged { step, key, value });
        }
        for i in changed {
            std::mem::swap(&mut self.state.params[i], &mut self.next.params[i]);
        }
        std::mem::swap(&mut self.state.moments, &mut self.next.moments);
        self.steps = step;
        Ok(loss)
    }

    /// The loss and, of classes, the accuracy on some samples, as the model is used: batchnorm by its running
    /// statistics. Of equal scores the first counts.
    ///
    /// # Errors
    /// If the samples do not fit the model.
    pub fn evaluate(
        &mut self,
        inputs: &[TensorView<'_>],
        target: TensorView<'_>,
    ) -> Result<Evaluation, TrainError> {
        let samples = fit::samples(&self.graph, self.train.loss, inputs, target)?;
        let program =
            program(&mut self.programs, &self.graph, &self.train, &self.form, Kind::Evaluation, samples)?;
        let dims = match program.built.graph.outputs.get(1) {
            Some(scores) => program.built.graph.ty(scores.value).dims.clone(),
            None => Vec::new(),
        };
        let mut lost = [0.0f32];
        let mut scores = zeros(dims.iter().product())?;
        let mut from: Vec<&[f32]> = inputs.iter().map(TensorView::data).collect();
        from.push(target.data());
        from.extend(self.state.params.iter().map(Vec::as_slice));
        program.run(&from, &mut [&mut lost, &mut scores])?;
        let accuracy = self.train.loss.classes(&dims).map(|_| accuracy(&scores, &dims, target.data()));
        Ok(Evaluation { loss: f64::from(lost[0]), accuracy })
    }

    /// A copy of the weights as they are now, by their keys.
    ///
    /// # Errors
    /// None that a caller could cause.
    pub fn weights(&self) -> Result<Table, TrainError> {
        self.state.weights(&self.form)
    }

    /// Writes the weights as safetensors; the file is there as a whole or not at all.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), TrainError> {
        write(path, self.state.weight_entries(&self.form), &BTreeMap::new())
    }

    /// Writes everything that [`Trainer::resume`] needs to go on with the same bits: a weight file, too.
    ///
    /// # Errors
    /// If it cannot be written; a file that was there before is left.
    pub fn checkpoint(&self, path: &Path) -> Result<(), TrainError> {
        write(path, self.state.entries(&self.form, &halves(self.steps)), &self.course())
    }

    /// What a training is told from others by.
    fn course(&self) -> BTreeMap<String, String> {
        let TrainOptions { optimizer, loss, notes, statistics_momentum, .. } = &self.train;
        let own = [
            (OPTIMIZER, optimizer.name().to_owned()),
            ("loss", loss.name().to_owned()),
            ("statistics-momentum", statistics_momentum.to_string()),
        ];
        let own = own.into_iter().chain(optimizer.notes()).map(|(name, note)| (name.to_owned(), note));
        notes.clone().into_iter().chain(own).collect()
    }

    /// Goes on where a checkpoint was written. After an error everything is as it was.
    ///
    /// # Errors
    /// If it cannot be read, is not of this model, or the loss, the optimizer, one of its numbers or one of
    /// [`TrainOptions::notes`] is another one. What a checkpoint says nothing about is not compared.
    pub fn resume(&mut self, path: &Path) -> Result<(), TrainError> {
        let (_, length) = safe_file::open(path).map_err(Error::from)?;
        let held = self.form.bytes().saturating_mul(2).saturating_add(self.programs.own_bytes());
        within(
            &self.options,
            held.saturating_add(length),
            "the checkpoint beside the state it is read into",
        )?;
        let bytes = safe_file::read(path, limits::WEIGHT_FILE_BYTES).map_err(Error::from)?;
        let file = Stored::open(&bytes).map_err(TrainError::State)?;
        let course = self.course();
        // Another rule is told before its numbers.
        let first = course.get_key_value(OPTIMIZER);
        for (what, given) in first.into_iter().chain(&course) {
            if let Some(written) = file.note(what).filter(|written| written != given) {
                let (what, given) = (what.to_owned(), given.to_owned());
                let written = written.escape_debug().to_string();
                return Err(TrainError::Course { what, written, given });
            }
        }
        self.steps = self.next.fill(&file, &self.form)?;
        std::mem::swap(&mut self.state, &mut self.next);
        Ok(())
    }
}

/// A program of a trainer, of whose parts it borrows no more than it needs.
fn program<'p>(
    programs: &'p mut Programs,
    graph: &Graph,
    train: &TrainOptions,
    form: &Form,
    kind: Kind,
    samples: usize,
) -> Result<&'p mut Compiled, TrainError> {
    let TrainOptions { loss, optimizer, statistics_momentum, .. } = train;
    programs.get(kind, samples, form.bytes().saturating_mul(2), || match kind {
        Kind::Step => step(graph, samples as u64, *loss, optimizer, *statistics_momentum),
        Kind::Evaluation => evaluation(graph, samples as u64, *loss),
    })
}

/// Refuses what would take more memory than is allowed.
fn within(options: &Options, needed: u64, layer: &str) -> Result<(), TrainError> {
    match options.memory_limit() {
        Some(limit) if needed > limit => Err(Error::Memory { needed, limit, layer: layer.to_owned() }.into()),
        _ => Ok(()),
    }
}

/// The share of places whose largest score, the first of equal ones, is that of their class.
fn accuracy(scores: &[f32], dims: &[u64], target: &[f32]) -> f64 {
    let (classes, inner) = (dims[1] as usize, dims[2..].iter().product::<u64>() as usize);
    let right = target.iter().enumerate().filter(|(place, class)| {
        let (sample, at) = (place / inner, place % inner);
        let score = |k: usize| scores[(sample * classes + k) * inner + at];
        let class = **class as usize;
        (0..class).all(|k| score(k) < score(class)) && (class..classes).all(|k| score(k) <= score(class))
    });
    right.count() as f64 / target.len().max(1) as f64
}

fn write(
    path: &Path,
    mut entries: Vec<Entry<'_>>,
    notes: &BTreeMap<String, String>,
) -> Result<(), TrainError> {
    atomic::write(path, &[], |file| write_safetensors(&mut entries, notes, file))
        .map_err(|e| Error::from(e).into())
}
