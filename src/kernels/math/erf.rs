//! The error function and the normal distribution.

use super::{MAGNITUDE, Operand, SIGN, at_most, exp, horner, where_negative};
use crate::kernels::build::KernelBuilder;
use crate::kernels::ir::{Cmp, VecBinary, Vreg};

/// Below, [`SMALL`] serves; above, [`LARGE`].
const BOUNDARY: f32 = 0.927_734_4;

/// `erf(t)/t − 1` by powers of t², highest first. After N. Juffa, "my_erff".
const SMALL: [f32; 6] =
    [-5.967_617e-4, 4.991_194_2e-3, -2.676_813_5e-2, 1.128_199_25e-1, -3.761_253_4e-1, 1.283_791_7e-1];

/// `ln(1 − erf(t))/t + 1` by powers of t, highest first, for t up to 4. From the same place.
const LARGE: [f32; 7] = [
    -1.728_534_7e-5,
    3.831_971_3e-4,
    -3.883_964_4e-3,
    2.425_462_2e-2,
    -1.067_778_8e-1,
    -6.348_467e-1,
    -1.287_175_1e-1,
];

/// The error function, within 2 ulp.
pub(super) fn erf(k: &mut KernelBuilder, x: Vreg) -> Vreg {
    let t = k.binary(VecBinary::And, x, MAGNITUDE);
    // From here on the result is 1.
    let t = at_most(k, 4.0, t);
    let square = k.binary(VecBinary::Mul, t, t);
    let p = horner(k, square, &SMALL);
    let small = k.copy(t);
    k.fma(small, p, t);

    let p = horner(k, t, &LARGE);
    let exponent = k.binary(VecBinary::Xor, t, SIGN);
    k.fma(exponent, p, t);
    let complement = exp::exp_normal(k, exponent);
    let one = k.splat(1.0);
    let large = k.binary(VecBinary::Sub, one, complement);

    let is_small = k.cmp(Cmp::Lt, t, BOUNDARY);
    let magnitude = k.blend(is_small, small, large);
    let sign = k.binary(VecBinary::And, x, SIGN);
    k.binary(VecBinary::Or, magnitude, sign)
}

/// `e^{t²/2} · Φ(−t) / q` by powers of `q = 1 / (1 + 0.3 t)`, highest first, for t up to 14.5: within
/// 3.5e-9 of itself. Fitted by Remez' exchange.
const MILLS: [f32; 10] = [
    -0.020_623_46,
    0.112_435_564,
    -0.228_213_49,
    0.191_784_38,
    -0.079_423_37,
    0.096_156_77,
    0.078_389_674,
    0.110_235_42,
    0.119_571_81,
    0.119_686_69,
];

/// `x · Φ(x)`, within 8 ulp also where Φ is small.
///
/// `Φ(−t) = e^{−t²/2} · q · MILLS(q)`. The exponent is kept in two parts: `h²/2` with the first 12 bits
/// of t is exact, and what is left of `t²/2` is small.
pub(super) fn gelu(k: &mut KernelBuilder, x: Vreg) -> Vreg {
    let t = k.binary(VecBinary::And, x, MAGNITUDE);
    // From here on Φ(−t) is 0.
    let t = at_most(k, 14.5, t);

    let high = k.binary(VecBinary::And, t, Operand::Const(0xffff_f000));
    let low = k.binary(VecBinary::Sub, t, high);
    let sum = k.binary(VecBinary::Add, t, high);
    let low = k.binary(VecBinary::Mul, low, sum);
    let low = k.binary(VecBinary::Mul, low, -0.5);
    let square = k.binary(VecBinary::Mul, high, high);
    let square = k.binary(VecBinary::Mul, square, -0.5);
    let n = exp::quotient(k, square);
    let r = exp::remainder(k, square, n);
    let r = k.binary(VecBinary::Add, r, low);
    let power = exp::polynomial(k, r);

    let divisor = k.splat(1.0);
    k.fma(divisor, t, 0.3);
    let one = k.splat(1.0);
    let q = k.binary(VecBinary::Div, one, divisor);
    let p = horner(k, q, &MILLS);
    let p = k.binary(VecBinary::Mul, p, q);
    let p = k.binary(VecBinary::Mul, p, power);
    let tail = exp::scale(k, p, n);

    let one = k.splat(1.0);
    let body = k.binary(VecBinary::Sub, one, tail);
    let chosen = where_negative(k, x, tail, body);
    k.binary(VecBinary::Mul, chosen, x)
}
