//! Gradients of elementwise functions.

use std::f64::consts::{PI, SQRT_2};

use super::{Builder, GradError, Handed, Site};
use crate::graph::shape::channel_axis;
use crate::graph::{BinaryOp, UnaryOp, Value};

/// `dx = dy · f′(x)`
pub(super) fn unary(b: &mut Builder, site: &Site<'_>, op: UnaryOp) -> Result<Handed, GradError> {
    let x = site.arg(0)?;
    let dx = match op {
        UnaryOp::Neg => b.unary(UnaryOp::Neg, site.dy)?,
        _ => {
            let slope = slope(b, site, op, x, site.y)?;
            b.mul(site.dy, slope)?
        }
    };
    Ok(vec![Some(dx)])
}

/// `f′(x)`, from the result where it says enough: that is stored anyhow.
fn slope(b: &mut Builder, site: &Site<'_>, op: UnaryOp, x: Value, y: Value) -> Result<Value, GradError> {
    match op {
        UnaryOp::Neg => b.number(-1.0),
        UnaryOp::Abs => b.unary(UnaryOp::Sign, x),
        UnaryOp::Sign => Err(site.none("the sign is constant but at 0")),
        UnaryOp::Sqrt => {
            let twice = b.times(y, 2.0)?;
            b.unary(UnaryOp::Reciprocal, twice)
        }
        UnaryOp::Exp => Ok(y),
        UnaryOp::Log => b.unary(UnaryOp::Reciprocal, x),
        UnaryOp::Reciprocal => {
            let square = b.mul(y, y)?;
            b.unary(UnaryOp::Neg, square)
        }
        UnaryOp::Erf => gauss(b, x, 1.0, 2.0 / PI.sqrt()),
        // The sign of what is never below 0.
        UnaryOp::Relu => b.unary(UnaryOp::Sign, y),
        UnaryOp::Clamp { lo, hi } => {
            let above = b.plus(y, -lo)?;
            let below = b.number_minus(hi, y)?;
            let (above, below) = (b.unary(UnaryOp::Sign, above)?, b.unary(UnaryOp::Sign, below)?);
            b.mul(above, below)
        }
        UnaryOp::LeakyRelu { slope } => {
            let positive = b.positive(x)?;
            let negative = b.number_minus(1.0, positive)?;
            let negative = b.times(negative, slope)?;
            b.add(positive, negative)
        }
        UnaryOp::Elu { alpha } => {
            let below = b.plus(y, alpha)?;
            chosen(b, x, 1.0, below)
        }
        UnaryOp::Selu { alpha, gamma } => {
            let below = b.plus(y, alpha * gamma)?;
            chosen(b, x, gamma, below)
        }
        UnaryOp::Celu { alpha } => {
            let part = b.times(y, 1.0 / alpha)?;
            let below = b.plus(part, 1.0)?;
            chosen(b, x, 1.0, below)
        }
        UnaryOp::Gelu => {
            // Φ(x) + x·φ(x)
            let scaled = b.times(x, (1.0 / SQRT_2) as f32)?;
            let erf = b.unary(UnaryOp::Erf, scaled)?;
            let half = b.times(erf, 0.5)?;
            let cdf = b.plus(half, 0.5)?;
            let density = gauss(b, x, 0.5, 1.0 / (2.0 * PI).sqrt())?;
            let second = b.mul(x, density)?;
            b.add(cdf, second)
        }
        UnaryOp::GeluTanh => gelu_tanh(b, x),
        UnaryOp::Silu => {
            // s + y·(1 − s)
            let s = b.unary(UnaryOp::Sigmoid, x)?;
            let rest = b.number_minus(1.0, s)?;
            let second = b.mul(y, rest)?;
            b.add(s, second)
        }
        UnaryOp::Sigmoid => {
            let rest = b.number_minus(1.0, y)?;
            b.mul(y, rest)
        }
        UnaryOp::Tanh => one_less_square(b, y),
        UnaryOp::Softplus => b.unary(UnaryOp::Sigmoid, x),
        UnaryOp::Softsign => {
            let size = b.unary(UnaryOp::Abs, x)?;
            let sum = b.plus(size, 1.0)?;
            let inverse = b.unary(UnaryOp::Reciprocal, sum)?;
            b.mul(inverse, inverse)
        }
        UnaryOp::Mish => {
            // t + x·(1 − t²)·sigmoid(x), t = tanh(softplus(x))
            let softplus = b.unary(UnaryOp::Softplus, x)?;
            let t = b.unary(UnaryOp::Tanh, softplus)?;
            let rest = one_less_square(b, t)?;
            let s = b.unary(UnaryOp::Sigmoid, x)?;
            let second = b.mul(rest, s)?;
            let second = b.mul(x, second)?;
            b.add(t, second)
        }
        UnaryOp::HardSigmoid { alpha, .. } => {
            let below = b.number_minus(1.0, y)?;
            let (above, below) = (b.unary(UnaryOp::Sign, y)?, b.unary(UnaryOp::Sign, below)?);
            let inside = b.mul(above, below)?;
            b.times(inside, alpha)
        }
        UnaryOp::HardSwish => {
            // 0 up to −3, 1 from 3 on, x/3 + 1/2 between them
            let from_low = b.plus(x, 3.0)?;
            let to_high = b.number_minus(3.0, x)?;
            let (above_low, below_high) = (b.positive(from_low)?, b.positive(to_high)?);
            let third = b.times(x, 1.0 / 3.0)?;
            let line = b.plus(third, 0.5)?;
            let inside = b.mul(above_low, below_high)?;
            let inside = b.mul(inside, line)?;
            let above = b.number_minus(1.0, below_high)?;
            b.add(inside, above)
        }
        UnaryOp::ThresholdedRelu { alpha } => {
            let above = b.plus(x, -alpha)?;
            b.positive(above)
        }
    }
}

/// `factor · exp(−scale · x²)`
fn gauss(b: &mut Builder, x: Value, scale: f64, factor: f64) -> Result<Value, GradError> {
    let square = b.mul(x, x)?;
    let exponent = b.times(square, -scale as f32)?;
    let exp = b.unary(UnaryOp::Exp, exponent)?;
    b.times(exp, factor as f32)
}

/// `1 − t²`
fn one_less_square(b: &mut Builder, t: Value) -> Result<Value, GradError> {
    let square = b.mul(t, t)?;
    b.number_minus(1.0, square)
}

/// `above` where `x > 0`, else `below`.
fn chosen(b: &mut Builder, x: Value, above: f32, below: Value) -> Result<Value, GradError> {
    let positive = b.positive(x)?;
    let rest = b.number_minus(1.0, positive)?;
    let below = b.mul(rest, below)?;
    let above = b.times(positive, above)?;
    b.add(above, below)
}

/// With `u = √(2/π)·(x + 0.044715·x³)` and `t = tanh u`: `(1 + t)/2 + x/2·(1 − t²)·u′`.
fn gelu_tanh(b: &mut Builder, x: Value) -> Result<Value, GradError> {
    let root = (2.0 / PI).sqrt();
    let square = b.mul(x, x)?;
    let cubic = b.times(square, (root * 0.044715) as f32)?;
    let inner = b.plus(cubic, root as f32)?;
    let u = b.mul(x, inner)?;
    let t = b.unary(UnaryOp::Tanh, u)?;
    let half = b.times(t, 0.5)?;
    let first = b.plus(half, 0.5)?;
    let steep = b.times(square, (3.0 * root * 0.044715) as f32)?;
    let du = b.plus(steep, root as f32)?;
    let rest = one_less_square(b, t)?;
    let second = b.mul(rest, du)?;
    let second = b.mul(x, second)?;
    let second = b.times(second, 0.5)?;
    b.add(first, second)
}

pub(super) fn binary(b: &mut Builder, site: &Site<'_>, op: BinaryOp) -> Result<Handed, GradError> {
    let (left, right) = (site.arg(0)?, site.arg(1)?);
    let mut handed = Vec::new();
    for (i, x) in [left, right].into_iter().enumerate() {
        if !site.wants(i) {
            handed.push(None);
            continue;
        }
        let first = i == 0;
        let dx = match op {
            BinaryOp::Add => site.dy,
            BinaryOp::Sub if first => site.dy,
            BinaryOp::Sub => b.unary(UnaryOp::Neg, site.dy)?,
            BinaryOp::Mul => b.mul(site.dy, if first { right } else { left })?,
            BinaryOp::Div => {
                let part = b.binary(BinaryOp::Div, site.dy, right)?;
                if first {
                    part
                } else {
                    let part = b.mul(part, site.y)?;
                    b.unary(UnaryOp::Neg, part)?
                }
            }
            BinaryOp::Pow if first => {
                // b · a^(b − 1)
                let less = b.plus(right, -1.0)?;
                let power = b.binary(BinaryOp::Pow, left, less)?;
                let slope = b.mul(right, power)?;
                b.mul(site.dy, slope)?
            }
            BinaryOp::Pow => {
                let log = b.unary(UnaryOp::Log, left)?;
                let slope = b.mul(site.y, log)?;
                b.mul(site.dy, slope)?
            }
            BinaryOp::Min | BinaryOp::Max => {
                let larger = (op == BinaryOp::Max) == first;
                let difference = if larger { b.sub(left, right)? } else { b.sub(right, left)? };
                let sign = b.unary(UnaryOp::Sign, difference)?;
                let half = b.times(sign, 0.5)?;
                let share = b.plus(half, 0.5)?;
                b.mul(site.dy, share)?
            }
        };
        handed.push(Some(collapsed(b, site, dx, x)?));
    }
    Ok(handed)
}

/// A gradient summed over what its operand was repeated along.
fn collapsed(b: &mut Builder, site: &Site<'_>, dx: Value, x: Value) -> Result<Value, GradError> {
    let dims = b.dims(x);
    if dims == site.node.ty.dims {
        return Ok(dx);
    }
    let full = b.expand(dx, &site.node.ty.dims.clone())?;
    b.collapse(full, &dims)
}

/// `x` where `x ≥ 0`, else `slope · x`.
pub(super) fn prelu(b: &mut Builder, site: &Site<'_>) -> Result<Handed, GradError> {
    let (x, slope) = (site.arg(0)?, site.arg(1)?);
    let dims = b.dims(x);
    let slopes = b.dims(slope);
    // The slope beside the axes of x.
    let along = match (slopes.as_slice(), channel_axis(dims.len())) {
        (&[n], Some(axis)) if n > 1 => {
            let mut along = vec![n];
            along.resize(dims.len() - axis, 1);
            along
        }
        _ => vec![1],
    };
    let dx = if site.wants(0) {
        let beside = b.reshape(slope, along.clone())?;
        let positive = b.positive(x)?;
        let rest = b.number_minus(1.0, positive)?;
        let below = b.mul(rest, beside)?;
        let factor = b.add(positive, below)?;
        Some(b.mul(site.dy, factor)?)
    } else {
        None
    };
    let dslope = if site.wants(1) {
        let negative = b.unary(UnaryOp::Clamp { lo: f32::NEG_INFINITY, hi: 0.0 }, x)?;
        let product = b.mul(site.dy, negative)?;
        let sum = b.collapse(product, &along)?;
        Some(b.reshape(sum, slopes)?)
    } else {
        None
    };
    Ok(vec![dx, dslope])
}
