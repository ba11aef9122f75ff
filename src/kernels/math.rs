//! Elementary functions as vector code, with their error bounds.
//!
//! Bounds are in units in the last place (ulp) of the exact result, for every finite f32, whether
//! [`Inst::Fma`](super::ir::Inst::Fma) rounds once or twice. Zeros, subnormals, infinities and NaN give
//! what C's functions give; where no such function exists, what the formula gives.
//!
//! | function | ulp |
//! |---|---|
//! | neg, abs, relu, clamp, min, max | exact |
//! | sqrt, reciprocal, leaky_relu, prelu, add, sub, mul, div | 0.5 |
//! | exp, log, erf, pow, softsign | 2 |
//! | tanh, sigmoid, elu, celu | 3 |
//! | softplus, silu, selu | 4 |
//! | mish | 5 |
//! | gelu | 8 |
//!
//! The products `x · p(x)` of silu, mish and gelu lose up to 2⁻¹⁴² more where `p` is subnormal. `gelu_tanh` is
//! within 3 ulp of `x`, hard sigmoid and hard swish within 2 ulp of their largest term.
//!
//! Constants are [`Operand::Const`]s, which an emitter may leave in memory: at most seven registers are
//! alive in a function, its argument included (pow: eleven).

mod erf;
mod exp;
mod log;
mod pow;
#[cfg(test)]
mod tests;

use super::build::KernelBuilder;
use super::ir::{Cmp, Operand, VecBinary, VecUnary, Vreg};
use crate::graph::{BinaryOp, UnaryOp};

pub(crate) use exp::exp;

const SIGN: Operand = Operand::Const(0x8000_0000);
const MAGNITUDE: Operand = Operand::Const(0x7fff_ffff);

/// `op(x)`; see [the table of bounds](self).
pub(crate) fn unary(k: &mut KernelBuilder, op: UnaryOp, x: Vreg) -> Vreg {
    match op {
        UnaryOp::Neg => k.binary(VecBinary::Xor, x, SIGN),
        UnaryOp::Abs => k.binary(VecBinary::And, x, MAGNITUDE),
        UnaryOp::Sign => {
            let one = k.splat(1.0);
            let signed = k.binary(VecBinary::And, x, SIGN);
            let signed = k.binary(VecBinary::Or, signed, one);
            // Zeros and NaN stay as they are.
            let zero = k.cmp(Cmp::Eq, x, 0.0);
            let kept = k.cmp(Cmp::Unordered, x, x);
            let kept = k.binary(VecBinary::Or, kept, zero);
            k.blend(kept, x, signed)
        }
        UnaryOp::Sqrt => k.unary(VecUnary::Sqrt, x),
        UnaryOp::Exp => exp::exp(k, x),
        UnaryOp::Log => log::log(k, x),
        UnaryOp::Reciprocal => {
            let one = k.splat(1.0);
            k.binary(VecBinary::Div, one, x)
        }
        UnaryOp::Erf => erf::erf(k, x),
        UnaryOp::Relu => at_least(k, 0.0, x),
        UnaryOp::Clamp { lo, hi } => {
            let x = at_least(k, lo, x);
            at_most(k, hi, x)
        }
        UnaryOp::LeakyRelu { slope } => {
            let scaled = k.binary(VecBinary::Mul, x, slope);
            if 0.0 < slope && slope <= 1.0 {
                k.binary(VecBinary::Max, scaled, x)
            } else {
                where_negative(k, x, scaled, x)
            }
        }
        UnaryOp::Elu { alpha } => {
            let negative = exp::expm1(k, x);
            let negative = k.binary(VecBinary::Mul, negative, alpha);
            where_positive(k, x, x, negative)
        }
        UnaryOp::Selu { alpha, gamma } => {
            let negative = exp::expm1(k, x);
            let negative = k.binary(VecBinary::Mul, negative, alpha);
            let chosen = where_positive(k, x, x, negative);
            k.binary(VecBinary::Mul, chosen, gamma)
        }
        UnaryOp::Celu { alpha } => {
            let scaled = k.binary(VecBinary::Div, x, alpha);
            let negative = exp::expm1(k, scaled);
            let negative = k.binary(VecBinary::Mul, negative, alpha);
            let negative = at_most(k, 0.0, negative);
            let positive = at_least(k, 0.0, x);
            k.binary(VecBinary::Add, positive, negative)
        }
        UnaryOp::Gelu => erf::gelu(k, x),
        UnaryOp::GeluTanh => gelu_tanh(k, x),
        UnaryOp::Silu => {
            let sigmoid = exp::sigmoid(k, x);
            k.binary(VecBinary::Mul, sigmoid, x)
        }
        UnaryOp::Sigmoid => exp::sigmoid(k, x),
        UnaryOp::Tanh => exp::tanh(k, x),
        UnaryOp::Softplus => log::softplus(k, x),
        UnaryOp::Softsign => {
            let magnitude = k.binary(VecBinary::And, x, MAGNITUDE);
            let divisor = k.binary(VecBinary::Add, magnitude, 1.0);
            k.binary(VecBinary::Div, x, divisor)
        }
        UnaryOp::Mish => mish(k, x),
        UnaryOp::HardSigmoid { alpha, beta } => hard_sigmoid(k, x, alpha, beta),
        UnaryOp::HardSwish => {
            let gate = hard_sigmoid(k, x, 1.0 / 6.0, 0.5);
            k.binary(VecBinary::Mul, gate, x)
        }
        UnaryOp::ThresholdedRelu { alpha } => {
            let threshold = k.splat(alpha);
            let above = k.cmp(Cmp::Lt, threshold, x);
            k.binary(VecBinary::And, x, above)
        }
    }
}

/// `op(a, b)`; see [the table of bounds](self).
pub(crate) fn binary(k: &mut KernelBuilder, op: BinaryOp, a: Vreg, b: Vreg) -> Vreg {
    match op {
        BinaryOp::Add => k.binary(VecBinary::Add, a, b),
        BinaryOp::Sub => k.binary(VecBinary::Sub, a, b),
        BinaryOp::Mul => k.binary(VecBinary::Mul, a, b),
        BinaryOp::Div => k.binary(VecBinary::Div, a, b),
        BinaryOp::Pow => pow::pow(k, a, b),
        BinaryOp::Min => keep_nan(k, VecBinary::Min, a, b),
        BinaryOp::Max => keep_nan(k, VecBinary::Max, a, b),
    }
}

/// `x` where `x ≥ 0` or NaN, else `slope · x`.
pub(crate) fn prelu(k: &mut KernelBuilder, x: Vreg, slope: Vreg) -> Vreg {
    let scaled = k.binary(VecBinary::Mul, x, slope);
    where_negative(k, x, scaled, x)
}

/// The smaller or larger; NaN where either is. The operation alone gives `b` where `a` is NaN.
pub(crate) fn keep_nan(k: &mut KernelBuilder, op: VecBinary, a: Vreg, b: Vreg) -> Vreg {
    let chosen = k.binary(op, a, b);
    let nan = k.cmp(Cmp::Unordered, a, a);
    k.blend(nan, a, chosen)
}

/// `max(bound, x)`; NaN stays NaN.
fn at_least(k: &mut KernelBuilder, bound: f32, x: Vreg) -> Vreg {
    let bound = k.splat(bound);
    k.binary(VecBinary::Max, bound, x)
}

/// `min(bound, x)`; NaN stays NaN.
fn at_most(k: &mut KernelBuilder, bound: f32, x: Vreg) -> Vreg {
    let bound = k.splat(bound);
    k.binary(VecBinary::Min, bound, x)
}

/// `x < 0 ? on : off`
fn where_negative(k: &mut KernelBuilder, x: Vreg, on: Vreg, off: Vreg) -> Vreg {
    let negative = k.cmp(Cmp::Lt, x, 0.0);
    k.blend(negative, on, off)
}

/// `x > 0 ? on : off`
fn where_positive(k: &mut KernelBuilder, x: Vreg, on: Vreg, off: Vreg) -> Vreg {
    let zero = k.splat(0.0);
    let positive = k.cmp(Cmp::Lt, zero, x);
    k.blend(positive, on, off)
}

/// `c[0] xⁿ + c[1] xⁿ⁻¹ + … + c[n]`
fn horner(k: &mut KernelBuilder, x: Vreg, coefficients: &[f32]) -> Vreg {
    let mut sum = None;
    for &c in coefficients {
        let acc = k.splat(c);
        if let Some(sum) = sum {
            k.fma(acc, sum, x);
        }
        sum = Some(acc);
    }
    sum.unwrap_or_else(|| k.splat(0.0))
}

/// `x/2 · (1 + tanh u) = x · sigmoid(2u)`, `u = √(2/π) · (x + 0.044715 x³)`.
fn gelu_tanh(k: &mut KernelBuilder, x: Vreg) -> Vreg {
    let square = k.binary(VecBinary::Mul, x, x);
    // 2·√(2/π), and that times 0.044715.
    let factor = k.splat(1.595_769);
    k.fma(factor, square, 0.071_354_814);
    let twice = k.binary(VecBinary::Mul, factor, x);
    let sigmoid = exp::sigmoid(k, twice);
    k.binary(VecBinary::Mul, sigmoid, x)
}

/// `x · tanh(ln(1 + w)) = x · n / (n + 2)`, `w = eˣ`, `n = w² + 2w`.
fn mish(k: &mut KernelBuilder, x: Vreg) -> Vreg {
    // The quotient is 1 from here on, and n does not overflow.
    let bounded = at_most(k, 20.0, x);
    let w = exp::exp(k, bounded);
    let n = k.binary(VecBinary::Add, w, 2.0);
    let n = k.binary(VecBinary::Mul, n, w);
    let divisor = k.binary(VecBinary::Add, n, 2.0);
    let quotient = k.binary(VecBinary::Div, n, divisor);
    k.binary(VecBinary::Mul, quotient, x)
}

/// `min(max(alpha · x + beta, 0), 1)`
fn hard_sigmoid(k: &mut KernelBuilder, x: Vreg, alpha: f32, beta: f32) -> Vreg {
    let line = k.splat(beta);
    k.fma(line, x, alpha);
    let line = at_least(k, 0.0, line);
    at_most(k, 1.0, line)
}
