//! Every function against f64, over a sweep of all exponents and signs.
//!
//! `CONVC_SWEEP=1` sweeps every f32, in hours; `CONVC_SWEEP=257` every 257th, in minutes.

use super::*;
use crate::kernels::interpret::{ArgValue, FmaRounding, Memory, Place, run_kernel};
use crate::kernels::ir::{Count, Inst, LANES, Spills, Stmt};
use crate::kernels::verify::verify_kernel;

/// From one bit pattern to the next: a prime, so that low bits vary.
const STRIDE: usize = 8209;
const NAN: f32 = f32::NAN;
const INF: f32 = f32::INFINITY;

const SPECIAL: [f32; 30] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    2.0,
    -2.0,
    3.0,
    -3.0,
    0.5,
    -0.5,
    1.5,
    -2.5,
    20.0,
    -20.0,
    88.7,
    88.8,
    -87.4,
    -103.9,
    -104.1,
    1e-40,
    -1e-40,
    f32::MIN_POSITIVE,
    f32::MAX,
    f32::MIN,
    f32::EPSILON,
    16_777_216.0,
    16_777_215.0,
    INF,
    -INF,
    NAN,
];

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// `f` over pairs of numbers.
fn eval(
    pairs: &[(f32, f32)],
    rounding: FmaRounding,
    f: impl Fn(&mut KernelBuilder, Vreg, Vreg) -> Vreg,
) -> Vec<f32> {
    let mut k = KernelBuilder::new("test");
    let [a, b, out] = [k.ptr_arg(), k.ptr_arg(), k.ptr_arg()];
    let n = k.int_arg();
    k.repeat(Count::Int(n), |k| {
        let (x, y) = (k.load(a.at(0), 8), k.load(b.at(0), 8));
        let result = f(k, x, y);
        k.store(out.at(0), result, 8);
        for ptr in [a, b, out] {
            k.advance(ptr, 32);
        }
    });
    let kernel = k.finish(Spills::Allowed);
    assert_eq!(verify_kernel(&kernel), []);
    let padded = pairs.len().next_multiple_of(LANES);
    let column = |pick: fn(&(f32, f32)) -> f32| {
        let mut values: Vec<f32> = pairs.iter().map(pick).collect();
        values.resize(padded, 0.0);
        bytes(&values)
    };
    let mut memory = Memory { buffers: vec![column(|p| p.0), column(|p| p.1), vec![0; 4 * padded]] };
    let at = |buffer| ArgValue::Ptr(Place { buffer, offset: 0 });
    let args = [at(0), at(1), at(2), ArgValue::Int((padded / LANES) as i64)];
    run_kernel(&kernel, &args, &mut memory, rounding).unwrap();
    let result = memory.buffers[2].chunks_exact(4).take(pairs.len());
    result.map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
}

/// The distance of f32s about `x`.
fn ulp(x: f64) -> f64 {
    let exponent = (x.abs().to_bits() >> 52) as i32 - 1023;
    2f64.powi(exponent.clamp(-126, 127) - 23)
}

/// How far `got` is from `exact` in ulp of `scale`; infinite where they differ in kind.
fn distance(got: f32, exact: f64, scale: f64) -> f64 {
    let rounded = exact as f32;
    if got.is_nan() || exact.is_nan() {
        return if got.is_nan() && exact.is_nan() { 0.0 } else { INF.into() };
    }
    if got == rounded {
        return 0.0;
    }
    // ∞ for the largest number is one ulp, as is the largest number for ∞.
    let finite = |x: f64| x.clamp(-(2f64.powi(128)), 2f64.powi(128));
    (finite(got.into()) - finite(exact)).abs() / ulp(finite(scale))
}

/// erf in f64: its series, or 1 − erfc.
fn erf(x: f64) -> f64 {
    if x.abs() > 2.0 {
        return x.signum() * (1.0 - erfc(x.abs()));
    }
    let (mut sum, mut term) = (x, x);
    for n in 1..60 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}

/// erfc in f64 for x ≥ 0: 1 − erf, or its continued fraction.
fn erfc(x: f64) -> f64 {
    if x <= 2.0 {
        return 1.0 - erf(x);
    }
    let mut tail = x;
    for n in (1..80).rev() {
        tail = x + f64::from(n) / 2.0 / tail;
    }
    (-x * x).exp() / tail / std::f64::consts::PI.sqrt()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// The definitions of [`UnaryOp`], in f64.
fn exact(op: UnaryOp, x: f64) -> f64 {
    let keep = |x: f64, y: f64| if x.is_nan() { x } else { y };
    match op {
        UnaryOp::Neg => -x,
        UnaryOp::Abs => x.abs(),
        UnaryOp::Sign if x == 0.0 || x.is_nan() => x,
        UnaryOp::Sign => x.signum(),
        UnaryOp::Sqrt => x.sqrt(),
        UnaryOp::Exp => x.exp(),
        UnaryOp::Log => x.ln(),
        UnaryOp::Reciprocal => 1.0 / x,
        UnaryOp::Erf => keep(x, erf(x)),
        UnaryOp::Relu => keep(x, x.max(0.0)),
        UnaryOp::Clamp { lo, hi } => keep(x, x.max(lo.into()).min(hi.into())),
        UnaryOp::LeakyRelu { slope } if x < 0.0 => f64::from(slope) * x,
        UnaryOp::LeakyRelu { .. } => x,
        UnaryOp::Elu { .. } | UnaryOp::Selu { .. } | UnaryOp::Celu { .. } if x > 0.0 => match op {
            UnaryOp::Selu { gamma, .. } => f64::from(gamma) * x,
            _ => x,
        },
        UnaryOp::Elu { alpha } => f64::from(alpha) * x.exp_m1(),
        UnaryOp::Selu { alpha, gamma } => f64::from(gamma) * f64::from(alpha) * x.exp_m1(),
        UnaryOp::Celu { alpha } => f64::from(alpha) * (x / f64::from(alpha)).exp_m1(),
        UnaryOp::Gelu if x < 0.0 => x * 0.5 * erfc(-x / 2f64.sqrt()),
        UnaryOp::Gelu => x * 0.5 * (1.0 + erf(x / 2f64.sqrt())),
        UnaryOp::GeluTanh => {
            let u = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x);
            x * sigmoid(2.0 * u)
        }
        UnaryOp::Silu => x * sigmoid(x),
        UnaryOp::Sigmoid => sigmoid(x),
        UnaryOp::Tanh => x.tanh(),
        UnaryOp::Softplus => keep(x, softplus(x)),
        UnaryOp::Softsign => x / (1.0 + x.abs()),
        UnaryOp::Mish => {
            let w = x.min(40.0).exp();
            keep(x, x * (w * (w + 2.0) / (w * (w + 2.0) + 2.0)))
        }
        UnaryOp::HardSigmoid { alpha, beta } => {
            keep(x, (f64::from(alpha) * x + f64::from(beta)).clamp(0.0, 1.0))
        }
        UnaryOp::HardSwish => keep(x, x * (x / 6.0 + 0.5).clamp(0.0, 1.0)),
        UnaryOp::ThresholdedRelu { alpha } if x > f64::from(alpha) => x,
        UnaryOp::ThresholdedRelu { .. } => 0.0,
    }
}

fn sweep() -> Box<dyn Iterator<Item = f32>> {
    let stride = std::env::var("CONVC_SWEEP").ok().and_then(|stride| stride.parse().ok());
    let all = (0..1u64 << 32).step_by(stride.unwrap_or(STRIDE)).map(|bits| f32::from_bits(bits as u32));
    // The neighbourhoods of numbers where branches meet.
    let near = SPECIAL
        .into_iter()
        .flat_map(|x| (-40i32..40).map(move |d| f32::from_bits(x.to_bits().wrapping_add_signed(d))));
    Box::new(all.chain(near))
}

/// Holds a function to its bound: in ulp of the result, or of `scale` where that is larger.
fn check(op: UnaryOp, bound: f64, scale: impl Fn(f64) -> f64) {
    let mut values = sweep().peekable();
    let mut worst = [(0.0, 0.0); 2];
    while values.peek().is_some() {
        let part: Vec<(f32, f32)> = values.by_ref().take(1 << 20).map(|x| (x, 0.0)).collect();
        for (rounding, worst) in [FmaRounding::Once, FmaRounding::Twice].into_iter().zip(&mut worst) {
            let results = eval(&part, rounding, |k, x, _| unary(k, op, x));
            for (&(x, _), got) in part.iter().zip(results) {
                let want = exact(op, x.into());
                let distance = distance(got, want, want.abs().max(scale(x.into())));
                if distance > worst.0 {
                    *worst = (distance, x);
                }
                assert!(
                    distance <= bound,
                    "{op:?}({x:e}) = {got:e}, not {want:e}: {distance} ulp, {rounding:?}"
                );
            }
        }
    }
    println!("{op:?}: {:.3} ulp at {:e}, {:.3} at {:e}", worst[0].0, worst[0].1, worst[1].0, worst[1].1);
}

fn none(_: f64) -> f64 {
    0.0
}

/// `ulp(scale)` is 2⁻¹⁴² where the result is smaller.
fn subnormal_factor(_: f64) -> f64 {
    2f64.powi(-119)
}

macro_rules! bounds {
    ($($name:ident: $op:expr, $bound:expr, $scale:expr;)*) => {
        $(#[test] fn $name() { check($op, $bound, $scale); })*
    };
}

bounds! {
    neg: UnaryOp::Neg, 0.0, none;
    abs: UnaryOp::Abs, 0.0, none;
    sqrt: UnaryOp::Sqrt, 0.0, none;
    exponential: UnaryOp::Exp, 2.0, none;
    logarithm: UnaryOp::Log, 2.0, none;
    reciprocal: UnaryOp::Reciprocal, 0.0, none;
    error_function: UnaryOp::Erf, 2.0, none;
    relu: UnaryOp::Relu, 0.0, none;
    clamp: UnaryOp::Clamp { lo: -0.75, hi: 6.0 }, 0.0, none;
    leaky_relu: UnaryOp::LeakyRelu { slope: 0.01 }, 0.5, none;
    leaky_relu_above_one: UnaryOp::LeakyRelu { slope: 1.5 }, 0.5, none;
    elu: UnaryOp::Elu { alpha: 1.3 }, 3.0, none;
    selu: UnaryOp::Selu { alpha: 1.673_263_2, gamma: 1.050_701 }, 4.0, none;
    celu: UnaryOp::Celu { alpha: 0.7 }, 3.0, none;
    gelu: UnaryOp::Gelu, 8.0, subnormal_factor;
    gelu_by_tanh: UnaryOp::GeluTanh, 3.0, |x| x.abs().min(2f64.powi(127));
    silu: UnaryOp::Silu, 4.0, subnormal_factor;
    sigmoid_function: UnaryOp::Sigmoid, 3.0, none;
    tanh: UnaryOp::Tanh, 3.0, none;
    softplus_function: UnaryOp::Softplus, 4.0, none;
    softsign: UnaryOp::Softsign, 2.0, none;
    mish_function: UnaryOp::Mish, 5.0, subnormal_factor;
    hard_sigmoid_line: UnaryOp::HardSigmoid { alpha: 0.2, beta: 0.5 }, 2.0, |x| (0.2 * x.abs()).clamp(0.5, 1.0);
    hard_swish: UnaryOp::HardSwish, 2.0, |x| x.abs().min(2f64.powi(127));
}

fn same(got: f32, want: f32) -> bool {
    got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan()
}

/// C's special cases, zeros with their signs.
#[test]
fn special_values_keep_signs_and_nan() {
    let both = [FmaRounding::Once, FmaRounding::Twice];
    let pairs: Vec<(f32, f32)> = [0.0, -0.0, NAN, INF, -INF].map(|x| (x, 0.0)).to_vec();
    let cases = [
        (UnaryOp::Exp, [1.0, 1.0, NAN, INF, 0.0]),
        (UnaryOp::Log, [-INF, -INF, NAN, INF, NAN]),
        (UnaryOp::Tanh, [0.0, -0.0, NAN, 1.0, -1.0]),
        (UnaryOp::Erf, [0.0, -0.0, NAN, 1.0, -1.0]),
        (UnaryOp::Sigmoid, [0.5, 0.5, NAN, 1.0, 0.0]),
        (UnaryOp::Softplus, [2f32.ln(), 2f32.ln(), NAN, INF, 0.0]),
        (UnaryOp::Gelu, [0.0, -0.0, NAN, INF, NAN]),
        (UnaryOp::Silu, [0.0, -0.0, NAN, INF, NAN]),
        (UnaryOp::Elu { alpha: 1.0 }, [0.0, 0.0, NAN, INF, -1.0]),
        (UnaryOp::Relu, [0.0, -0.0, NAN, INF, 0.0]),
        (UnaryOp::Clamp { lo: -1.0, hi: 1.0 }, [0.0, -0.0, NAN, 1.0, -1.0]),
        (UnaryOp::Sqrt, [0.0, -0.0, NAN, INF, NAN]),
        (UnaryOp::Reciprocal, [INF, -INF, NAN, 0.0, -0.0]),
    ];
    for (op, want) in cases {
        for rounding in both {
            let got = eval(&pairs, rounding, |k, x, _| unary(k, op, x));
            let fits = got.iter().zip(want).all(|(&got, want)| same(got, want));
            assert!(fits, "{op:?}: {got:?}, not {want:?}");
        }
    }
}

fn grid(values: &[f32]) -> Vec<(f32, f32)> {
    values.iter().flat_map(|&a| values.iter().map(move |&b| (a, b))).collect()
}

/// Powers are within 2 ulp, and at special values what C says, signs of zeros included.
#[test]
fn powers() {
    let mut pairs = grid(&SPECIAL);
    // a over all magnitudes, b so that most results are finite; and results of all magnitudes.
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32
    };
    for _ in 0..150_000 {
        let a = (next() * 176.0 - 88.0).exp();
        let target = next() * 300.0 - 150.0;
        pairs.push((a, target / a.log2()));
        let near_one = 1.0 + (next() - 0.5) * 0.5f32.powi((next() * 24.0) as i32);
        pairs.push((near_one, target / near_one.log2()));
        pairs.push((-a, (next() * 20.0 - 10.0).round()));
    }
    for rounding in [FmaRounding::Once, FmaRounding::Twice] {
        let mut worst = 0f64;
        let results = eval(&pairs, rounding, |k, a, b| binary(k, BinaryOp::Pow, a, b));
        for (&(a, b), got) in pairs.iter().zip(results) {
            let want = f64::from(a).powf(f64::from(b));
            let distance = distance(got, want, want.abs());
            worst = worst.max(distance);
            assert!(distance <= 2.0, "{a:e} ^ {b:e} = {got:e}, not {want:e}: {distance} ulp, {rounding:?}");
            if want == 0.0 {
                assert!(same(got, want as f32), "{a:e} ^ {b:e} = {got:e}, not {want:e}");
            }
        }
        println!("pow: {worst:.3} ulp");
    }
}

#[test]
fn arithmetic_minimum_and_maximum() {
    let pairs = grid(&SPECIAL);
    let check = |op: BinaryOp, want: fn(f32, f32) -> f32| {
        for ((a, b), got) in pairs.iter().zip(eval(&pairs, FmaRounding::Once, |k, a, b| binary(k, op, a, b)))
        {
            let want = want(*a, *b);
            assert!(got == want || same(got, want), "{op:?}({a}, {b}) = {got}, not {want}");
        }
    };
    check(BinaryOp::Add, |a, b| a + b);
    check(BinaryOp::Sub, |a, b| a - b);
    check(BinaryOp::Mul, |a, b| a * b);
    check(BinaryOp::Div, |a, b| a / b);
    check(BinaryOp::Min, |a, b| if a.is_nan() || b.is_nan() { NAN } else { a.min(b) });
    check(BinaryOp::Max, |a, b| if a.is_nan() || b.is_nan() { NAN } else { a.max(b) });
    for ((x, slope), got) in pairs.iter().zip(eval(&pairs, FmaRounding::Once, prelu)) {
        let want = if *x < 0.0 { slope * x } else { *x };
        assert!(same(got, want), "prelu({x}, {slope}) = {got}, not {want}");
    }
}

/// The most registers that hold something still needed, before any instruction.
fn most_alive(f: impl Fn(&mut KernelBuilder, Vreg, Vreg) -> Vreg) -> usize {
    let mut k = KernelBuilder::new("test");
    let p = k.ptr_arg();
    let (a, b) = (k.load(p.at(0), 8), k.load(p.at(0), 8));
    let result = f(&mut k, a, b);
    k.store(p.at(0), result, 8);
    let mut alive = std::collections::BTreeSet::new();
    let mut most = 0;
    for stmt in k.finish(Spills::Allowed).body.iter().rev() {
        let Stmt::Inst(inst) = stmt else { panic!("functions have no loops") };
        let from = |b: &Operand| if let Operand::Reg(b) = b { Some(*b) } else { None };
        let (dst, reads) = match inst {
            Inst::Splat { dst, .. } | Inst::Load { dst, .. } => (Some(*dst), vec![]),
            Inst::Store { src, .. } => (None, vec![*src]),
            Inst::Move { dst, src } | Inst::Unary { dst, src, .. } => (Some(*dst), vec![*src]),
            Inst::Fma { acc, a, b } => (None, [*acc, *a].into_iter().chain(from(b)).collect()),
            Inst::Binary { dst, a, b, .. } => (Some(*dst), [*a].into_iter().chain(from(b)).collect()),
            Inst::Blend { dst, mask, on, off } => (Some(*dst), vec![*mask, *on, *off]),
            other => panic!("{other} in a function"),
        };
        if let Some(dst) = dst {
            alive.remove(&dst);
        }
        alive.extend(reads);
        most = most.max(alive.len());
    }
    most
}

/// What the table of bounds says of registers, the argument included.
#[test]
fn few_registers_are_alive() {
    let ops = [
        UnaryOp::Exp,
        UnaryOp::Log,
        UnaryOp::Erf,
        UnaryOp::Elu { alpha: 1.0 },
        UnaryOp::Celu { alpha: 0.5 },
        UnaryOp::Gelu,
        UnaryOp::GeluTanh,
        UnaryOp::Silu,
        UnaryOp::Tanh,
        UnaryOp::Softplus,
        UnaryOp::Mish,
        UnaryOp::HardSwish,
    ];
    for op in ops {
        let alive = most_alive(|k, x, _| unary(k, op, x));
        assert!(alive <= 7, "{op:?}: {alive}");
    }
    let alive = most_alive(|k, a, b| binary(k, BinaryOp::Pow, a, b));
    assert!(alive <= 11, "pow: {alive}");
}
