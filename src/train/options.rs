//! How to train.

use std::collections::BTreeMap;

use super::error::not_negative;
use super::{Init, Loss, Optimizer, Schedule, TrainError};

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
    pub statistics_momentum: f64,
    /// How weights begin, whatever file the model has for them; none: with that file's, or as PyTorch's layers.
    pub init: Option<Init>,
    /// What else a training is told from others by, such as the seed of the samples' order, by its name: kept in
    /// checkpoints, and [`super::Trainer::resume`] refuses one that says otherwise.
    pub notes: BTreeMap<String, String>,
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
            notes: BTreeMap::new(),
        }
    }

    /// Holds the numbers to what a training can go by.
    pub(super) fn check(&self) -> Result<(), TrainError> {
        self.optimizer.check()?;
        self.schedule.check()?;
        not_negative("learning rate", self.rate)?;
        if !(0.0..=1.0).contains(&self.statistics_momentum) {
            return Err(TrainError::option("statistics' momentum", self.statistics_momentum, "from 0 to 1"));
        }
        match self.init {
            Some(Init::Constant(value)) if !value.is_finite() => {
                Err(TrainError::option("initial weight", value.into(), "a finite number"))
            }
            _ => Ok(()),
        }
    }
}
