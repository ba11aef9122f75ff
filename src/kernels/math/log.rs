//! The logarithm and softplus.

use super::{Operand, at_least, exp, horner};
use crate::kernels::build::KernelBuilder;
use crate::kernels::ir::{Cmp, VecBinary, VecUnary, Vreg};

/// The first 10 bits of ln 2, so that `e · LN2_HIGH` is exact, and the rest.
const LN2_HIGH: f32 = 0.693_359_4;
const LN2_LOW: f32 = -2.121_944_4e-4;
/// √½ as bits: where the range of mantissas starts.
pub(super) const SQRT_HALF: u32 = 0x3f35_04f3;

/// `(ln(1 + f) − f + f²/2) / f³` for `√½ ≤ 1 + f ≤ √2`, highest power first: within 7.3e-10 of f.
const LOG: [f32; 9] = [
    0.069_156_67,
    -0.117_902_175,
    0.118_730_44,
    -0.123_842_89,
    0.142_186_46,
    -0.166_692_54,
    0.200_022_27,
    -0.249_999_87,
    0.333_333_1,
];

/// `(atanh(s)/s − 1) / s²` by powers of s², `s ≤ 1/3`, highest power first: within 1.2e-10.
const ATANH: [f32; 5] = [0.121_486_6, 0.107_143_68, 0.143_083_86, 0.199_994_42, 0.333_333_37];

/// `x = m · 2ᵉ` with `√½ ≤ m < √2`, for positive finite x: m, and e as f32.
pub(super) fn split(k: &mut KernelBuilder, x: Vreg) -> (Vreg, Vreg) {
    let subnormal = k.cmp(Cmp::Lt, x, f32::MIN_POSITIVE);
    let scaled = k.binary(VecBinary::Mul, x, (1 << 23) as f32);
    let x = k.blend(subnormal, scaled, x);
    let bits = k.binary(VecBinary::SubInt, x, Operand::Const(SQRT_HALF));
    let e = k.unary(VecUnary::ShiftRightArithmetic(23), bits);
    let e = k.unary(VecUnary::ToFloat, e);
    let correction = k.binary(VecBinary::And, subnormal, 23.0);
    let e = k.binary(VecBinary::Sub, e, correction);
    let m = k.binary(VecBinary::And, bits, Operand::Const(0x007f_ffff));
    let m = k.binary(VecBinary::AddInt, m, Operand::Const(SQRT_HALF));
    (m, e)
}

/// `ln x`, within 2 ulp; −∞ at zeros, NaN below.
pub(super) fn log(k: &mut KernelBuilder, x: Vreg) -> Vreg {
    let (m, e) = split(k, x);
    let f = k.binary(VecBinary::Sub, m, 1.0);
    let p = horner(k, f, &LOG);
    let square = k.binary(VecBinary::Mul, f, f);
    let cube = k.binary(VecBinary::Mul, square, f);
    let y = k.binary(VecBinary::Mul, p, cube);
    k.fma(y, e, LN2_LOW);
    k.fma(y, square, -0.5);
    let y = k.binary(VecBinary::Add, y, f);
    k.fma(y, e, LN2_HIGH);

    let finite = k.cmp(Cmp::Lt, x, f32::INFINITY);
    let y = k.blend(finite, y, x);
    let zero = k.cmp(Cmp::Eq, x, 0.0);
    let least = k.splat(f32::NEG_INFINITY);
    let y = k.blend(zero, least, y);
    let negative = k.cmp(Cmp::Lt, x, 0.0);
    k.binary(VecBinary::Or, y, negative)
}

/// `ln(1 + eˣ) = max(x, 0) + ln(1 + z)`, `z = e^−|x|`, within 4 ulp.
///
/// `ln(1 + z) = 2 atanh(z / (2 + z))`, which is accurate however small z is.
pub(super) fn softplus(k: &mut KernelBuilder, x: Vreg) -> Vreg {
    let z = exp::exp_minus_magnitude(k, x);
    let divisor = k.binary(VecBinary::Add, z, 2.0);
    let dividend = k.binary(VecBinary::Add, z, z);
    let twice = k.binary(VecBinary::Div, dividend, divisor);
    let square = k.binary(VecBinary::Mul, twice, twice);
    let square = k.binary(VecBinary::Mul, square, 0.25);
    let p = horner(k, square, &ATANH);
    let p = k.binary(VecBinary::Mul, p, square);
    k.fma(twice, p, twice);
    let positive = at_least(k, 0.0, x);
    k.binary(VecBinary::Add, positive, twice)
}
