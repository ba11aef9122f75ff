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
        /// The sample in its batch.
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
        /// Where in the batch.
        index: usize,
        /// What is there.
        value: f32,
    },
    /// Training went wrong.
    #[error(
        "the loss is {loss} at step {step}: a smaller learning rate, a warm-up or inputs scaled to about 1 usually help"
    )]
    NotFinite {
        /// The step, counted from 1.
        step: u64,
        /// The loss.
        loss: f32,
    },
    /// A state that is not of this model and optimizer.
    #[error("the checkpoint does not fit: {0}")]
    State(String),
}
