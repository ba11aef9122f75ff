//! How the learning rate goes.

use super::TrainError;
use super::error::not_negative;

/// The learning rate as a function of the steps done, in units of the base rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// What follows the warm-up.
    pub decay: Decay,
    /// Steps in which the rate rises from 1/warmup to 1, linearly.
    pub warmup: u64,
}

/// See [`Schedule::decay`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Decay {
    /// Always 1.
    Constant,
    /// Times `factor` after every `every` steps.
    Step {
        /// Steps, at least 1.
        every: u64,
        /// What the rate is multiplied by.
        factor: f64,
    },
    /// From 1 to `floor` along half a cosine until the last step (Loshchilov and Hutter 2017, without restarts).
    Cosine {
        /// The last rate's share of the base rate.
        floor: f64,
    },
}

impl Schedule {
    /// A rate that never changes.
    pub const CONSTANT: Schedule = Schedule { decay: Decay::Constant, warmup: 0 };

    /// Holds the numbers to what a rate can go by.
    pub(super) fn check(&self) -> Result<(), TrainError> {
        match self.decay {
            Decay::Constant => Ok(()),
            Decay::Step { every: 0, .. } => {
                Err(TrainError::option("number of steps between decays", 0.0, "at least 1"))
            }
            Decay::Step { factor, .. } => not_negative("factor of a decay", factor),
            Decay::Cosine { floor } => not_negative("floor of a cosine", floor),
        }
    }

    /// The factor of step `step` of `total`, counted from 0.
    pub fn factor(&self, step: u64, total: u64) -> f64 {
        if step < self.warmup {
            return (step + 1) as f64 / self.warmup as f64;
        }
        let done = step - self.warmup;
        match self.decay {
            Decay::Constant => 1.0,
            Decay::Step { every, factor } => factor.powf((done / every.max(1)) as f64),
            Decay::Cosine { floor } => {
                let last = total.saturating_sub(self.warmup).saturating_sub(1).max(1);
                let share = (done as f64 / last as f64).min(1.0);
                floor + (1.0 - floor) * 0.5 * (1.0 + (std::f64::consts::PI * share).cos())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warm_up_comes_before_the_decay() {
        let schedule = Schedule { decay: Decay::Step { every: 3, factor: 0.1 }, warmup: 4 };
        let factors: Vec<f64> = (0..11).map(|step| schedule.factor(step, 11)).collect();
        let expected = [0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 1.0, 0.1, 0.1, 0.1, 0.01];
        for (got, want) in factors.iter().zip(expected) {
            assert!((got - want).abs() < 1e-12, "{factors:?}");
        }
    }

    #[test]
    fn a_cosine_ends_at_its_floor() {
        let schedule = Schedule { decay: Decay::Cosine { floor: 0.1 }, warmup: 0 };
        assert_eq!(schedule.factor(0, 11), 1.0);
        assert!((schedule.factor(5, 11) - 0.55).abs() < 1e-12);
        assert!((schedule.factor(10, 11) - 0.1).abs() < 1e-12);
    }
}
