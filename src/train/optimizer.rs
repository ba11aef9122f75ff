//! How a gradient becomes a step. Formulas are those of PyTorch's `torch.optim`.

use super::TrainError;
use super::error::not_negative;
use crate::graph::grad::{Builder, GradError};
use crate::graph::{BinaryOp, UnaryOp, Value};

/// A rule for steps. Coefficients are computed in f64 and rounded where they are applied.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Optimizer {
    /// Stochastic gradient descent: `m ← μ·m + g + λ·p`, `p ← p − η·m`; with Nesterov's momentum
    /// `p ← p − η·(g + λ·p + μ·m)`.
    Sgd {
        /// μ; 0 keeps no momentum.
        momentum: f64,
        /// λ
        weight_decay: f64,
        /// Whether the step looks ahead.
        nesterov: bool,
    },
    /// Adam (Kingma and Ba 2015): with `g ← g + λ·p`, `m ← β₁·m + (1 − β₁)·g`, `v ← β₂·v + (1 − β₂)·g²`,
    /// `p ← p − η/(1 − β₁ᵗ) · m / (√(v/(1 − β₂ᵗ)) + ε)`.
    Adam {
        /// β₁ and β₂
        betas: [f64; 2],
        /// ε
        eps: f64,
        /// λ
        weight_decay: f64,
        /// Whether the decay is a factor `1 − η·λ` of p instead of a part of g: AdamW (Loshchilov and Hutter 2019).
        decoupled: bool,
    },
}

/// Numbers that change from step to step: inputs of the step's graph, in the order of [`Rates::NAMES`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rates {
    pub(super) values: [f32; 3],
}

impl Rates {
    pub(super) const NAMES: [&'static str; 3] = ["train/rate", "train/correction", "train/decay"];
}

impl Optimizer {
    /// Tensors that are kept for each parameter, of its axes.
    pub fn moments(&self) -> &'static [&'static str] {
        match self {
            Optimizer::Sgd { momentum, .. } if *momentum == 0.0 => &[],
            Optimizer::Sgd { .. } => &["momentum"],
            Optimizer::Adam { .. } => &["mean", "square"],
        }
    }

    /// Its numbers by their names, as a checkpoint has them.
    pub(super) fn notes(&self) -> Vec<(&'static str, String)> {
        match self {
            Optimizer::Sgd { momentum, weight_decay, nesterov } => vec![
                ("momentum", momentum.to_string()),
                ("weight-decay", weight_decay.to_string()),
                ("nesterov", nesterov.to_string()),
            ],
            Optimizer::Adam { betas: [first, second], eps, weight_decay, decoupled: _ } => vec![
                ("betas", format!("{first},{second}")),
                ("eps", eps.to_string()),
                ("weight-decay", weight_decay.to_string()),
            ],
        }
    }

    /// What tells apart checkpoints of one rule and another.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Optimizer::Sgd { momentum, .. } if *momentum == 0.0 => "sgd",
            Optimizer::Sgd { .. } => "sgd with momentum",
            Optimizer::Adam { decoupled: false, .. } => "adam",
            Optimizer::Adam { decoupled: true, .. } => "adamw",
        }
    }

    /// Holds the numbers to what `torch.optim` asks of them.
    pub(super) fn check(&self) -> Result<(), TrainError> {
        match *self {
            Optimizer::Sgd { momentum, weight_decay, nesterov } => {
                if !(0.0..1.0).contains(&momentum) {
                    return Err(TrainError::option("momentum", momentum, "from 0 to below 1"));
                }
                if nesterov && momentum == 0.0 {
                    return Err(TrainError::option("momentum", momentum, "above 0 where it is Nesterov's"));
                }
                not_negative("weight decay", weight_decay)
            }
            Optimizer::Adam { betas, eps, weight_decay, .. } => {
                for beta in betas {
                    if !(0.0..1.0).contains(&beta) {
                        return Err(TrainError::option("beta", beta, "from 0 to below 1"));
                    }
                }
                not_negative("eps", eps)?;
                not_negative("weight decay", weight_decay)
            }
        }
    }

    /// The numbers of step `t`, counted from 1, at learning rate η.
    pub(super) fn rates(&self, rate: f64, t: u64) -> Rates {
        let values = match *self {
            Optimizer::Sgd { .. } => [rate, 1.0, 1.0],
            Optimizer::Adam { betas, weight_decay, decoupled, .. } => {
                let correction = |beta: f64| 1.0 - beta.powf(t as f64);
                let decay = if decoupled { 1.0 - rate * weight_decay } else { 1.0 };
                [rate / correction(betas[0]), 1.0 / correction(betas[1]).sqrt(), decay]
            }
        };
        Rates { values: values.map(|v| v as f32) }
    }

    /// Appends a step: the new parameter and the new moments, given the old ones, a gradient, and [`Rates`].
    pub(super) fn append(
        &self,
        b: &mut Builder,
        [p, g]: [Value; 2],
        moments: &[Value],
        [rate, correction, decay]: [Value; 3],
    ) -> Result<(Value, Vec<Value>), GradError> {
        match *self {
            Optimizer::Sgd { momentum, weight_decay, nesterov } => {
                let g = decayed(b, p, g, weight_decay)?;
                let (step, kept) = match moments {
                    [m] => {
                        let part = b.times(*m, momentum as f32)?;
                        let m = b.add(part, g)?;
                        let step = if nesterov {
                            let ahead = b.times(m, momentum as f32)?;
                            b.add(g, ahead)?
                        } else {
                            m
                        };
                        (step, vec![m])
                    }
                    _ => (g, Vec::new()),
                };
                let step = b.mul(step, rate)?;
                Ok((b.sub(p, step)?, kept))
            }
            Optimizer::Adam { betas: [first, second], eps, weight_decay, decoupled } => {
                let (p, g) = match decoupled {
                    true => (b.mul(p, decay)?, g),
                    false => (p, decayed(b, p, g, weight_decay)?),
                };
                let [m, v] = moments else {
                    return Err(GradError::Shape {
                        name: "adam".into(),
                        message: "it keeps two moments".into(),
                    });
                };
                let m = mixed(b, *m, g, first)?;
                let square = b.mul(g, g)?;
                let v = mixed(b, *v, square, second)?;
                let root = b.unary(UnaryOp::Sqrt, v)?;
                let root = b.mul(root, correction)?;
                let divisor = b.plus(root, eps as f32)?;
                let step = b.binary(BinaryOp::Div, m, divisor)?;
                let step = b.mul(step, rate)?;
                Ok((b.sub(p, step)?, vec![m, v]))
            }
        }
    }
}

/// `g + λ·p`
fn decayed(b: &mut Builder, p: Value, g: Value, weight_decay: f64) -> Result<Value, GradError> {
    if weight_decay == 0.0 {
        return Ok(g);
    }
    let part = b.times(p, weight_decay as f32)?;
    b.add(g, part)
}

/// `β·old + (1 − β)·new`
fn mixed(b: &mut Builder, old: Value, new: Value, beta: f64) -> Result<Value, GradError> {
    let old = b.times(old, beta as f32)?;
    let new = b.times(new, (1.0 - beta) as f32)?;
    b.add(old, new)
}
