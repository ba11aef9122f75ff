//! The exponential and what is made of it alone.
//!
//! `x = n · ln 2 + r` with `|r| ≤ ln 2 / 2`; `eʳ` is a polynomial whose coefficients were fitted by
//! Remez' exchange; `2ⁿ` is put together from its exponent's bits.

use super::{MAGNITUDE, SIGN, at_least, at_most, horner, where_negative};
use crate::kernels::build::KernelBuilder;
use crate::kernels::ir::{VecBinary, VecUnary, Vreg};

const LOG2_E: f32 = std::f32::consts::LOG2_E;
/// The first 15 bits of ln 2, so that `n · LN2_HIGH` is exact, and the rest.
const LN2_HIGH: f32 = 0.693_145_75;
const LN2_LOW: f32 = 1.428_606_8e-6;

/// `(eʳ − 1 − r) / r²` for `|r| ≤ ln 2 / 2`, highest power first: within 3.1e-9 of `eʳ`.
const EXP: [f32; 5] = [0.001_395_060_3, 0.008_368_953, 0.041_666_206, 0.166_665_18, 0.5];

/// `n = round(x / ln 2)` as f32.
pub(super) fn quotient(k: &mut KernelBuilder, x: Vreg) -> Vreg {
    let n = k.binary(VecBinary::Mul, x, LOG2_E);
    k.unary(VecUnary::Round, n)
}

/// `r = x − n · ln 2`
pub(super) fn remainder(k: &mut KernelBuilder, x: Vreg, n: Vreg) -> Vreg {
    let r = k.copy(x);
    k.fma(r, n, -LN2_HIGH);
    k.fma(r, n, -LN2_LOW);
    r
}

/// `eʳ`
pub(super) fn polynomial(k: &mut KernelBuilder, r: Vreg) -> Vreg {
    let [a, b, c, d, e] = EXP;
    horner(k, r, &[a, b, c, d, e, 1.0, 1.0])
}

/// `eʳ − 1`, accurate in relation to r.
fn polynomial_m1(k: &mut KernelBuilder, r: Vreg) -> Vreg {
    let p = horner(k, r, &EXP);
    let p = k.binary(VecBinary::Mul, p, r);
    let sum = k.copy(r);
    k.fma(sum, p, r);
    sum
}

/// `2ⁿ` for an i32 with `−126 ≤ n ≤ 127`.
fn power_of_2(k: &mut KernelBuilder, n: Vreg) -> Vreg {
    let biased = k.binary(VecBinary::AddInt, n, super::Operand::Const(127));
    k.unary(VecUnary::ShiftLeft(23), biased)
}

/// `p · 2ⁿ` for `−252 ≤ n ≤ 254`, in two factors so that subnormal results are rounded once.
pub(super) fn scale(k: &mut KernelBuilder, p: Vreg, n: Vreg) -> Vreg {
    let n = k.unary(VecUnary::ToInt, n);
    let half = k.unary(VecUnary::ShiftRightArithmetic(1), n);
    let rest = k.binary(VecBinary::SubInt, n, half);
    let factor = power_of_2(k, half);
    let p = k.binary(VecBinary::Mul, p, factor);
    let factor = power_of_2(k, rest);
    k.binary(VecBinary::Mul, p, factor)
}

/// `eˣ`, within 2 ulp.
pub(crate) fn exp(k: &mut KernelBuilder, x: Vreg) -> Vreg {
    // Beyond these the result is ∞ and 0.
    let x = at_most(k, 89.0, x);
    exp_not_large(k, x)
}

/// `eˣ` for x ≤ 89 or NaN, within 2 ulp.
fn exp_not_large(k: &mut KernelBuilder, x: Vreg) -> Vreg {
    let x = at_least(k, -104.0, x);
    let n = quotient(k, x);
    let r = remainder(k, x, n);
    let p = polynomial(k, r);
    scale(k, p, n)
}

/// `eˣ` for −87 ≤ x ≤ 88 or NaN, within 2 ulp.
pub(super) fn exp_normal(k: &mut KernelBuilder, x: Vreg) -> Vreg {
    let n = quotient(k, x);
    let r = remainder(k, x, n);
    let p = polynomial(k, r);
    let n = k.unary(VecUnary::ToInt, n);
    let factor = power_of_2(k, n);
    k.binary(VecBinary::Mul, p, factor)
}

/// `e^−|x|`, within 2 ulp.
pub(super) fn exp_minus_magnitude(k: &mut KernelBuilder, x: Vreg) -> Vreg {
    let x = k.binary(VecBinary::Or, x, SIGN);
    exp_not_large(k, x)
}

/// `eˣ − 1`, within 3 ulp.
///
/// `2 · (s · (eʳ − 1) + (s − 1/2))` with `s = 2ⁿ⁻¹`: exact but for the polynomial and two sums, and s
/// does not overflow before the result does.
pub(super) fn expm1(k: &mut KernelBuilder, x: Vreg) -> Vreg {
    let x = at_most(k, 89.0, x);
    let x = at_least(k, -30.0, x);
    let n = quotient(k, x);
    let r = remainder(k, x, n);
    let q = polynomial_m1(k, r);
    let n = k.unary(VecUnary::ToInt, n);
    let n = k.binary(VecBinary::SubInt, n, super::Operand::Const(1));
    let s = power_of_2(k, n);
    let half = k.binary(VecBinary::Sub, s, 0.5);
    k.fma(half, q, s);
    k.binary(VecBinary::Add, half, half)
}

/// `1 / (1 + e⁻ˣ)`, within 3 ulp: `z / (1 + z)` with `z = eˣ` where x is negative.
pub(super) fn sigmoid(k: &mut KernelBuilder, x: Vreg) -> Vreg {
    let z = exp_minus_magnitude(k, x);
    let divisor = k.binary(VecBinary::Add, z, 1.0);
    let one = k.splat(1.0);
    let dividend = where_negative(k, x, z, one);
    k.binary(VecBinary::Div, dividend, divisor)
}

/// `tanh x`, within 3 ulp: `−t / (t + 2)` with `t = e^−2|x| − 1`, and the sign of x.
pub(super) fn tanh(k: &mut KernelBuilder, x: Vreg) -> Vreg {
    let t = k.binary(VecBinary::Or, x, SIGN);
    let t = k.binary(VecBinary::Add, t, t);
    let t = expm1(k, t);
    let divisor = k.binary(VecBinary::Add, t, 2.0);
    let quotient = k.binary(VecBinary::Div, t, divisor);
    let quotient = k.binary(VecBinary::And, quotient, MAGNITUDE);
    let sign = k.binary(VecBinary::And, x, SIGN);
    k.binary(VecBinary::Or, quotient, sign)
}
