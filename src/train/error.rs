//! Why training stops.

use crate::graph::grad::GradError;

/// Why a model cannot be trained, or why training stopped.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The model itself.
    #[error(transparent)]
    Model(#[from] crate::model::Error),
    /// A layer without a gradient.
    #[error(transparent)]
    Grad(#[from] GradError),
    /// A loss is of one output.
    #[error("the model has {count} outputs; a loss is of one: leave the others out with `output`")]
    Outputs {
        /// How many it has.
        count: usize,
    },
    /// No parameter.
    #[error("there is nothing to train: no output depends on a weight")]
    NothingToTrain,
    /// A number among the options that no training goes by.
    #[error("the {option} is {value:?}; it must be {wanted}")]
    Option {
        /// What it is.
        option: &'static str,
        /// What was given.
        value: f64,
        /// What may be given.
        wanted: &'static str,
    },
    /// Another number of inputs.
    #[error("{given} inputs are given, but the model has {expected}")]
    Inputs {
        /// How many there are.
        given: usize,
        /// How many it has.
        expected: usize,
    },
    /// Nothing to learn from.
    #[error("there are no samples: the data is empty")]
    Empty,
    /// Targets for other samples.
    #[error("there are {inputs} samples, but targets for {targets}")]
    Samples {
        /// How many samples the inputs have.
        inputs: usize,
        /// How many the target has.
        targets: usize,
    },
    /// A batch that does not fit the model.
    #[error("{what} has the shape {given:?}, but the model wants {expected:?}")]
    Shape {
        /// The input, or `target`.
        what: String,
        /// Its shape.
        given: Vec<usize>,
        /// What fits.
        expected: Vec<u64>,
    },
    /// A class that the model does not know.
    #[error("the target of sample {sample} is class {class}; the model has the classes 0 to {last}")]
    Class {
        /// The sample, counted from 0.
        sample: usize,
        /// What was given.
        class: f32,
        /// The largest class there is.
        last: u64,
    },
    /// A number that is none.
    #[error("element {index} of {what} is {value}")]
    NotANumber {
        /// The input, or `target`.
        what: String,
        /// Where, counted from 0.
        index: usize,
        /// What is there.
        value: f32,
    },
    /// Training went wrong: a smaller learning rate, a warm-up or inputs scaled to about 1 usually help.
    #[error("the loss is {loss} at step {step}")]
    NotFinite {
        /// The step, counted from 1.
        step: u64,
        /// The loss.
        loss: f32,
    },
    /// A step whose loss is finite and whose result is not.
    #[error("`{key}` would be {value} after step {step}")]
    Diverged {
        /// The step, counted from 1.
        step: u64,
        /// The parameter, or the parameter of a moment.
        key: String,
        /// What it would hold.
        value: f32,
    },
    /// A state of another training.
    #[error("the checkpoint is of a training with {what} {written}; this one has {given}")]
    Course {
        /// What they differ in: `optimizer`, or a name of [`super::TrainOptions::notes`].
        what: String,
        /// In the checkpoint.
        written: String,
        /// Here.
        given: String,
    },
    /// A state that is not of this model and optimizer.
    #[error("the checkpoint does not fit: {0}")]
    State(String),
}

impl TrainError {
    pub(super) fn option(option: &'static str, value: f64, wanted: &'static str) -> TrainError {
        TrainError::Option { option, value, wanted }
    }
}

/// Holds an option to what f32 has from 0 on.
pub(super) fn not_negative(option: &'static str, value: f64) -> Result<(), TrainError> {
    match (0.0..=f64::from(f32::MAX)).contains(&value) {
        true => Ok(()),
        false => Err(TrainError::option(option, value, "a finite number, 0 or more")),
    }
}
