//! Powers.
//!
//! `log₂|a|` is computed to about 36 bits as a sum of two f32, multiplied by b the same way and
//! exponentiated: the method of FreeBSD's `e_powf.c`. Products are exact where both factors have 12
//! bits, so it does not matter how an fma rounds.

use super::{MAGNITUDE, Operand, SIGN, exp, horner, log};
use crate::kernels::build::KernelBuilder;
use crate::kernels::ir::{Cmp, VecBinary, VecUnary, Vreg};

/// `(3/2 · ln(m)/s − 3 − s²) / s⁴` by powers of s², `s = (m − 1)/(m + 1)`, highest power first: 3/5,
/// 3/7, …, the last fitted.
const SERIES: [f32; 6] = [0.206_975_01, 0.230_660_75, 0.272_728_12, 0.333_333_34, 0.428_571_43, 0.6];

/// `2 / (3 ln 2)`, and it as a sum whose first part has 12 bits.
const TO_LOG2: f32 = 0.961_796_7;
const TO_LOG2_HIGH: f32 = 0.961_914_06;
const TO_LOG2_LOW: f32 = -1.173_685_74e-4;

/// ln 2, and it as a sum whose first part has 15 bits.
const LN2: f32 = std::f32::consts::LN_2;
const LN2_HIGH: f32 = 0.693_145_75;
const LN2_LOW: f32 = 1.428_606_8e-6;

/// Where 2ᶻ is ∞ or 0 for sure.
const LIMIT: f32 = 192.0;

/// The first 12 bits.
fn high(k: &mut KernelBuilder, x: Vreg) -> Vreg {
    k.binary(VecBinary::And, x, Operand::Const(0xffff_f000))
}

/// `log₂ x` of a positive finite x, as a sum whose first part has 12 bits.
fn log2(k: &mut KernelBuilder, x: Vreg) -> (Vreg, Vreg) {
    let (m, e) = log::split(k, x);
    // s = (m − 1)/(m + 1) = s_high + s_low
    let u = k.binary(VecBinary::Sub, m, 1.0);
    let divisor = k.binary(VecBinary::Add, m, 1.0);
    let one = k.splat(1.0);
    let v = k.binary(VecBinary::Div, one, divisor);
    let s = k.binary(VecBinary::Mul, u, v);
    let s_high = high(k, s);
    let t_high = high(k, divisor);
    let t_low = k.binary(VecBinary::Sub, t_high, 1.0);
    let t_low = k.binary(VecBinary::Sub, m, t_low);
    let s_low = product_difference(k, u, s_high, t_high);
    let s_low = product_difference(k, s_low, s_high, t_low);
    let s_low = k.binary(VecBinary::Mul, s_low, v);
    // 3/2 · ln m = s · (3 + s² + r)
    let square = k.binary(VecBinary::Mul, s, s);
    let r = horner(k, square, &SERIES);
    let r = k.binary(VecBinary::Mul, r, square);
    let r = k.binary(VecBinary::Mul, r, square);
    let sum = k.binary(VecBinary::Add, s_high, s);
    k.fma(r, s_low, sum);
    let square = k.binary(VecBinary::Mul, s_high, s_high);
    let t_high = k.binary(VecBinary::Add, square, 3.0);
    let t_high = k.binary(VecBinary::Add, t_high, r);
    let t_high = high(k, t_high);
    let t_low = k.binary(VecBinary::Sub, t_high, 3.0);
    let t_low = k.binary(VecBinary::Sub, t_low, square);
    let t_low = k.binary(VecBinary::Sub, r, t_low);
    let u = k.binary(VecBinary::Mul, s_high, t_high);
    let v = k.binary(VecBinary::Mul, t_low, s);
    k.fma(v, s_low, t_high);
    // times 2/(3 ln 2), plus e
    let p_high = k.binary(VecBinary::Add, u, v);
    let p_high = high(k, p_high);
    let p_low = k.binary(VecBinary::Sub, p_high, u);
    let p_low = k.binary(VecBinary::Sub, v, p_low);
    let z_high = k.binary(VecBinary::Mul, p_high, TO_LOG2_HIGH);
    let z_low = k.binary(VecBinary::Mul, p_low, TO_LOG2);
    k.fma(z_low, p_high, TO_LOG2_LOW);
    let sum = k.binary(VecBinary::Add, z_high, z_low);
    let sum = k.binary(VecBinary::Add, sum, e);
    let sum = high(k, sum);
    let rest = k.binary(VecBinary::Sub, sum, e);
    let rest = k.binary(VecBinary::Sub, rest, z_high);
    let rest = k.binary(VecBinary::Sub, z_low, rest);
    (sum, rest)
}

/// `c − a · b`, the product being exact.
fn product_difference(k: &mut KernelBuilder, c: Vreg, a: Vreg, b: Vreg) -> Vreg {
    let product = k.binary(VecBinary::Mul, a, b);
    k.binary(VecBinary::Sub, c, product)
}

/// `2^(high + low)`, high being exact to 24 bits and low small.
fn exp2(k: &mut KernelBuilder, z_high: Vreg, z_low: Vreg) -> Vreg {
    let n = k.binary(VecBinary::Add, z_high, z_low);
    let n = k.unary(VecUnary::Round, n);
    let z_high = k.binary(VecBinary::Sub, z_high, n);
    // (high + low) · ln 2 = r + rest
    let t = k.binary(VecBinary::Add, z_high, z_low);
    let t = k.binary(VecBinary::And, t, Operand::Const(0xffff_8000));
    let rest = k.binary(VecBinary::Sub, t, z_high);
    let rest = k.binary(VecBinary::Sub, z_low, rest);
    let rest = k.binary(VecBinary::Mul, rest, LN2);
    k.fma(rest, t, LN2_LOW);
    let r = k.binary(VecBinary::Mul, t, LN2_HIGH);
    let r = k.binary(VecBinary::Add, r, rest);
    let p = exp::polynomial(k, r);
    exp::scale(k, p, n)
}

/// `|a|ᵇ` for numbers; anything for NaN.
fn magnitude(k: &mut KernelBuilder, a: Vreg, b: Vreg) -> Vreg {
    let a = k.binary(VecBinary::And, a, MAGNITUDE);
    let (log_high, log_low) = log2(k, a);
    // ln 0 and ln ∞ have one part.
    let infinity = k.splat(f32::INFINITY);
    let finite = k.cmp(Cmp::Lt, a, infinity);
    let log_high = k.blend(finite, log_high, infinity);
    let log_low = k.binary(VecBinary::And, log_low, finite);
    let zero = k.cmp(Cmp::Eq, a, 0.0);
    let least = k.splat(f32::NEG_INFINITY);
    let log_high = k.blend(zero, least, log_high);
    let log_low = k.binary(VecBinary::AndNot, zero, log_low);
    // b · log₂ a in two parts; in one where that is out of range.
    let z = k.binary(VecBinary::Mul, b, log_high);
    let b_high = high(k, b);
    let b_low = k.binary(VecBinary::Sub, b, b_high);
    let z_high = k.binary(VecBinary::Mul, b_high, log_high);
    let z_low = k.binary(VecBinary::Mul, b, log_low);
    k.fma(z_low, b_low, log_high);
    let size = k.binary(VecBinary::And, z, MAGNITUDE);
    let within = k.cmp(Cmp::Lt, size, LIMIT);
    let z_low = k.binary(VecBinary::And, z_low, within);
    let bounded = super::at_most(k, LIMIT, z);
    let bounded = super::at_least(k, -LIMIT, bounded);
    let z_high = k.blend(within, z_high, bounded);
    exp2(k, z_high, z_low)
}

/// `aᵇ` as C's `powf`, within 2 ulp.
pub(super) fn pow(k: &mut KernelBuilder, a: Vreg, b: Vreg) -> Vreg {
    let result = magnitude(k, a, b);
    // |a| = 1: also for infinite b.
    let size = k.binary(VecBinary::And, a, MAGNITUDE);
    let one = k.splat(1.0);
    let unit = k.cmp(Cmp::Eq, size, one);
    let result = k.blend(unit, one, result);
    // The sign of a, where b is odd.
    let floor = k.unary(VecUnary::Floor, b);
    let integer = k.cmp(Cmp::Eq, floor, b);
    let half = k.binary(VecBinary::Mul, b, 0.5);
    let floor = k.unary(VecUnary::Floor, half);
    let even = k.cmp(Cmp::Eq, floor, half);
    let odd = k.binary(VecBinary::AndNot, even, integer);
    let sign = k.binary(VecBinary::And, a, SIGN);
    let sign = k.binary(VecBinary::And, sign, odd);
    let result = k.binary(VecBinary::Or, result, sign);
    // No power of a negative number where b is no integer.
    let negative = k.cmp(Cmp::Lt, a, 0.0);
    let finite = k.cmp(Cmp::Lt, size, f32::INFINITY);
    let negative = k.binary(VecBinary::And, negative, finite);
    let none = k.binary(VecBinary::AndNot, integer, negative);
    let result = k.binary(VecBinary::Or, result, none);
    // NaN, but for a = 1 and b = 0.
    let nan = k.cmp(Cmp::Unordered, a, b);
    let sum = k.binary(VecBinary::Add, a, b);
    let result = k.blend(nan, sum, result);
    let zero = k.cmp(Cmp::Eq, b, 0.0);
    let is_one = k.cmp(Cmp::Eq, a, one);
    let always = k.binary(VecBinary::Or, zero, is_one);
    k.blend(always, one, result)
}
