//! How a training goes, from the arguments.

use super::{Args, OptimizerName, ScheduleName};
use crate::cli::failure::Failure;
use crate::train::{Decay, Optimizer, Schedule, TrainOptions};

/// Samples of a step, where nothing says how many.
const BATCH: usize = 32;
/// Epochs, where nothing says how many.
const EPOCHS: u64 = 10;

/// The steps of a training.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steps {
    /// Samples of a step; the last one of an epoch may have fewer.
    pub(super) batch: usize,
    /// Steps in which all samples are seen once.
    pub(super) per_epoch: u64,
    /// All of them.
    pub(super) total: u64,
}

impl Args {
    /// The steps over so many samples. `order` is the shape of what --batch-order names, steps × samples.
    pub(super) fn steps(&self, samples: usize, order: Option<[usize; 2]>) -> Result<Steps, Failure> {
        let batch = match (self.batch, order) {
            (Some(0), _) => return Err(Failure::usage("--batch: a step has at least one sample")),
            (Some(batch), Some([_, width])) if batch != width => {
                return Err(Failure::usage(format!("--batch {batch}: the steps of --batch-order have {width} samples")));
            }
            (_, Some([_, width])) => width,
            (batch, None) => batch.unwrap_or(BATCH).min(samples),
        };
        let per_epoch = samples.div_ceil(batch.max(1)) as u64;
        let epochs = |n: u64| per_epoch.saturating_mul(n);
        let total = match (self.epochs, order) {
            (Some(0), _) => return Err(Failure::usage("--epochs: there is at least one")),
            (Some(n), Some([steps, _])) if epochs(n) != steps as u64 => {
                return Err(Failure::usage(format!("--epochs {n}: --batch-order has {steps} steps, not {}", epochs(n))));
            }
            (_, Some([steps, _])) => steps as u64,
            (n, None) => epochs(n.unwrap_or(EPOCHS)),
        };
        match self.save_at.iter().find(|step| !(1..=total).contains(*step)) {
            Some(step) => Err(Failure::usage(format!("--save-at {step}: the steps are 1 to {total}"))),
            None => Ok(Steps { batch, per_epoch, total }),
        }
    }

    /// How weights are changed. Numbers are checked with all else that a trainer is given.
    pub(super) fn method(&self, steps: Steps) -> Result<TrainOptions, Failure> {
        self.all_apply()?;
        let mut train = TrainOptions::new(self.loss());
        (train.optimizer, train.rate) = (self.optimizer()?, self.rate()?);
        (train.schedule, train.total_steps) = (self.schedule(steps.per_epoch), steps.total);
        train.init = self.scheme;
        Ok(train)
    }

    /// Refuses what would be passed over.
    fn all_apply(&self) -> Result<(), Failure> {
        let sgd = self.optimizer == OptimizerName::Sgd;
        let stepwise = self.schedule == ScheduleName::Step;
        for (given, option, applies, to) in [
            (self.momentum.is_some(), "--momentum", sgd, "--optimizer sgd"),
            (self.nesterov, "--nesterov", sgd, "--optimizer sgd"),
            (!self.betas.is_empty(), "--betas", !sgd, "--optimizer adam or adamw"),
            (self.eps.is_some(), "--eps", !sgd, "--optimizer adam or adamw"),
            (self.step_every.is_some(), "--step-every", stepwise, "--schedule step"),
            (self.step_factor.is_some(), "--step-factor", stepwise, "--schedule step"),
        ] {
            if given && !applies {
                return Err(Failure::usage(format!("{option} is for {to}")));
            }
        }
        Ok(())
    }

    fn optimizer(&self) -> Result<Optimizer, Failure> {
        let decay = |default| self.weight_decay.unwrap_or(default);
        let adam = |decoupled, default| {
            let betas = match self.betas.as_slice() {
                [] => [0.9, 0.999],
                &[first, second] => [first, second],
                _ => return Err(Failure::usage("--betas: two numbers are wanted, such as 0.9,0.999")),
            };
            Ok(Optimizer::Adam { betas, eps: self.eps.unwrap_or(1e-8), weight_decay: decay(default), decoupled })
        };
        match self.optimizer {
            OptimizerName::Sgd => {
                let (momentum, nesterov) = (self.momentum.unwrap_or(0.0), self.nesterov);
                if nesterov && momentum == 0.0 {
                    return Err(Failure::usage("--nesterov wants a --momentum above 0, such as 0.9"));
                }
                Ok(Optimizer::Sgd { momentum, weight_decay: decay(0.0), nesterov })
            }
            OptimizerName::Adam => adam(false, 0.0),
            OptimizerName::Adamw => adam(true, 0.01),
        }
    }

    fn rate(&self) -> Result<f64, Failure> {
        let rate = self.lr.unwrap_or(match self.optimizer {
            OptimizerName::Sgd => 0.01,
            OptimizerName::Adam | OptimizerName::Adamw => 0.001,
        });
        // A library may want to see what a rate of 0 does; nobody trains with one.
        match rate > 0.0 && rate.is_finite() {
            true => Ok(rate),
            false => Err(Failure::usage(format!("--lr: {rate} is no learning rate: it is finite and above 0"))),
        }
    }

    fn schedule(&self, steps_per_epoch: u64) -> Schedule {
        let decay = match self.schedule {
            ScheduleName::Constant => Decay::Constant,
            ScheduleName::Step => Decay::Step {
                every: self.step_every.unwrap_or(10).saturating_mul(steps_per_epoch),
                factor: self.step_factor.unwrap_or(0.1),
            },
            ScheduleName::Cosine => Decay::Cosine { floor: 0.0 },
        };
        Schedule { decay, warmup: self.warmup }
    }
}
