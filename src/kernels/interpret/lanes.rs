//! Vector operations, lane by lane, as [`crate::kernels::ir`] defines them.

use super::{Fault, FmaRounding};
use crate::kernels::ir::{Cmp, LANES, VecBinary, VecUnary};

pub(super) type Lanes = [u32; LANES];

fn map2(a: Lanes, b: Lanes, f: impl Fn(u32, u32) -> u32) -> Lanes {
    let mut out = a;
    for (out, b) in out.iter_mut().zip(b) {
        *out = f(*out, b);
    }
    out
}

fn float2(a: Lanes, b: Lanes, f: impl Fn(f32, f32) -> f32) -> Lanes {
    map2(a, b, |a, b| f(f32::from_bits(a), f32::from_bits(b)).to_bits())
}

fn compare(a: Lanes, b: Lanes, f: impl Fn(f32, f32) -> bool) -> Lanes {
    map2(a, b, |a, b| if f(f32::from_bits(a), f32::from_bits(b)) { u32::MAX } else { 0 })
}

fn float1(a: Lanes, f: impl Fn(f32) -> f32) -> Lanes {
    a.map(|a| f(f32::from_bits(a)).to_bits())
}

fn max(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// Halves against halves, as the sum and the maximum of lanes are defined.
fn across(x: Lanes, f: impl Fn(f32, f32) -> f32) -> Lanes {
    let x = x.map(f32::from_bits);
    let t: [f32; 4] = std::array::from_fn(|i| f(x[i], x[i + 4]));
    [f(f(t[0], t[2]), f(t[1], t[3])).to_bits(); LANES]
}

pub(super) fn fma(acc: Lanes, a: Lanes, b: Lanes, rounding: FmaRounding) -> Lanes {
    let mut out = acc;
    for (i, out) in out.iter_mut().enumerate() {
        let (a, b, c) = (f32::from_bits(a[i]), f32::from_bits(b[i]), f32::from_bits(*out));
        *out = match rounding {
            FmaRounding::Once => a.mul_add(b, c),
            FmaRounding::Twice => a * b + c,
        }
        .to_bits();
    }
    out
}

pub(super) fn binary(op: VecBinary, a: Lanes, b: Lanes) -> Lanes {
    match op {
        VecBinary::Add => float2(a, b, |a, b| a + b),
        VecBinary::Sub => float2(a, b, |a, b| a - b),
        VecBinary::Mul => float2(a, b, |a, b| a * b),
        VecBinary::Div => float2(a, b, |a, b| a / b),
        VecBinary::Max => float2(a, b, max),
        VecBinary::Min => float2(a, b, |a, b| if a < b { a } else { b }),
        VecBinary::And => map2(a, b, |a, b| a & b),
        VecBinary::Or => map2(a, b, |a, b| a | b),
        VecBinary::Xor => map2(a, b, |a, b| a ^ b),
        VecBinary::AndNot => map2(a, b, |a, b| !a & b),
        VecBinary::Cmp(Cmp::Eq) => compare(a, b, |a, b| a == b),
        VecBinary::Cmp(Cmp::Lt) => compare(a, b, |a, b| a < b),
        VecBinary::Cmp(Cmp::Le) => compare(a, b, |a, b| a <= b),
        VecBinary::Cmp(Cmp::Unordered) => compare(a, b, |a, b| a.is_nan() || b.is_nan()),
        VecBinary::AddInt => map2(a, b, u32::wrapping_add),
        VecBinary::SubInt => map2(a, b, u32::wrapping_sub),
    }
}

pub(super) fn unary(op: VecUnary, x: Lanes) -> Result<Lanes, Fault> {
    let shift = |by: u8, f: fn(u32, u32) -> u32| {
        if by >= 32 { Err(Fault::Shift(by)) } else { Ok(x.map(|lane| f(lane, u32::from(by)))) }
    };
    Ok(match op {
        VecUnary::Sqrt => float1(x, f32::sqrt),
        VecUnary::Round => float1(x, f32::round_ties_even),
        VecUnary::Floor => float1(x, f32::floor),
        VecUnary::ToInt => x.map(|lane| to_int(f32::from_bits(lane)) as u32),
        VecUnary::ToFloat => x.map(|lane| (lane as i32 as f32).to_bits()),
        VecUnary::ShiftLeft(by) => return shift(by, |a, by| a << by),
        VecUnary::ShiftRight(by) => return shift(by, |a, by| a >> by),
        VecUnary::ShiftRightArithmetic(by) => return shift(by, |a, by| (a as i32 >> by) as u32),
        VecUnary::SumLanes => across(x, |a, b| a + b),
        VecUnary::MaxLanes => across(x, max),
    })
}

/// To the nearest integer; the least i32 where it does not fit or is NaN.
fn to_int(x: f32) -> i32 {
    let rounded = x.round_ties_even();
    if (-2_147_483_648.0..2_147_483_648.0).contains(&rounded) { rounded as i32 } else { i32::MIN }
}
