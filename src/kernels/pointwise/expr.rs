//! Expressions as vector code.

use crate::graph::{BinaryOp, UnaryOp};
use crate::kernels::build::KernelBuilder;
use crate::kernels::ir::{VecBinary, Vreg};
use crate::kernels::math;
use crate::plan::{Pointwise, PointwiseOp};

/// Emits an expression on one vector. `operand` gives the vector of an entry of `inputs`, which is left
/// as it is; it is asked once for each, when the value is first needed, so that few registers are alive.
pub(crate) fn emit_expr(
    k: &mut KernelBuilder,
    expr: &Pointwise,
    operand: impl FnMut(&mut KernelBuilder, usize) -> Vreg,
) -> Vreg {
    let mut emitter =
        Emitter { expr, values: vec![None; expr.ops.len()], inputs: vec![None; expr.inputs.len()], operand };
    let Some(last) = expr.ops.len().checked_sub(1) else { return k.splat(0.0) };
    for (i, op) in expr.ops.iter().enumerate() {
        // Operands and numbers wait until they are used.
        if !matches!(op, PointwiseOp::Operand(_) | PointwiseOp::Scalar(_)) {
            let value = emitter.op(k, *op);
            emitter.values[i] = Some(value);
        }
    }
    emitter.value(k, last as u32)
}

struct Emitter<'a, F> {
    expr: &'a Pointwise,
    values: Vec<Option<Vreg>>,
    inputs: Vec<Option<Vreg>>,
    operand: F,
}

impl<F: FnMut(&mut KernelBuilder, usize) -> Vreg> Emitter<'_, F> {
    fn value(&mut self, k: &mut KernelBuilder, i: u32) -> Vreg {
        if let Some(value) = self.values.get(i as usize).copied().flatten() {
            return value;
        }
        match self.expr.ops.get(i as usize) {
            Some(&PointwiseOp::Operand(input)) => {
                let input = input as usize;
                let known = self.inputs.get(input).copied().flatten();
                let value = known.unwrap_or_else(|| (self.operand)(k, input));
                if let Some(slot) = self.inputs.get_mut(input) {
                    *slot = Some(value);
                }
                value
            }
            // Not kept: a constant is cheaper to make again than to hold.
            Some(&PointwiseOp::Scalar(number)) => k.splat(number),
            _ => k.splat(0.0),
        }
    }

    fn scalar(&self, i: u32) -> Option<f32> {
        match self.expr.ops.get(i as usize) {
            Some(&PointwiseOp::Scalar(number)) => Some(number),
            _ => None,
        }
    }

    fn op(&mut self, k: &mut KernelBuilder, op: PointwiseOp) -> Vreg {
        match op {
            PointwiseOp::Unary(op, x) => {
                let x = self.value(k, x);
                math::unary(k, op, x)
            }
            PointwiseOp::Binary(op, a, b) => self.binary(k, op, a, b),
            PointwiseOp::Prelu(x, slope) => {
                let (x, slope) = (self.value(k, x), self.value(k, slope));
                math::prelu(k, x, slope)
            }
            PointwiseOp::Operand(_) | PointwiseOp::Scalar(_) => k.splat(0.0),
        }
    }

    /// Where a side is a number, without a register for it.
    fn binary(&mut self, k: &mut KernelBuilder, op: BinaryOp, a: u32, b: u32) -> Vreg {
        let commutes = matches!(op, BinaryOp::Add | BinaryOp::Mul | BinaryOp::Min | BinaryOp::Max);
        let (a, b) = if commutes && self.scalar(a).is_some() { (b, a) } else { (a, b) };
        if let Some(number) = self.scalar(b) {
            let direct = match op {
                BinaryOp::Add => Some(VecBinary::Add),
                BinaryOp::Sub => Some(VecBinary::Sub),
                BinaryOp::Mul => Some(VecBinary::Mul),
                BinaryOp::Div => Some(VecBinary::Div),
                BinaryOp::Pow | BinaryOp::Min | BinaryOp::Max => None,
            };
            if let Some(direct) = direct {
                let a = self.value(k, a);
                return k.binary(direct, a, number);
            }
            // The second operand of these is the one that a NaN is taken from.
            let bound = match op {
                BinaryOp::Min if !number.is_nan() => Some(VecBinary::Min),
                BinaryOp::Max if !number.is_nan() => Some(VecBinary::Max),
                _ => None,
            };
            if let Some(bound) = bound {
                let a = self.value(k, a);
                let number = k.splat(number);
                return k.binary(bound, number, a);
            }
            if op == BinaryOp::Pow && number == 2.0 {
                let a = self.value(k, a);
                return k.binary(VecBinary::Mul, a, a);
            }
        }
        let (a, b) = (self.value(k, a), self.value(k, b));
        math::binary(k, op, a, b)
    }
}

/// Whether the result is 0 in padding lanes, where operands are 0 unless `spread`.
pub(super) fn keeps_zero(expr: &Pointwise, spread: &[bool]) -> bool {
    // What is known of each value: that it is this number.
    let mut known: Vec<Option<f32>> = Vec::new();
    for op in &expr.ops {
        let at = |i: u32| known.get(i as usize).copied().flatten();
        let value = match *op {
            PointwiseOp::Operand(input) => (spread.get(input as usize) == Some(&false)).then_some(0.0),
            PointwiseOp::Scalar(number) => Some(number),
            PointwiseOp::Unary(op, x) => (at(x) == Some(0.0) && unary_keeps_zero(op)).then_some(0.0),
            PointwiseOp::Binary(op, a, b) => {
                at(a).zip(at(b)).filter(|&(a, b)| binary_makes_zero(op, a, b)).map(|_| 0.0)
            }
            PointwiseOp::Prelu(x, _) => at(x).filter(|x| *x == 0.0),
        };
        known.push(value);
    }
    known.last().copied().flatten() == Some(0.0)
}

fn unary_keeps_zero(op: UnaryOp) -> bool {
    match op {
        UnaryOp::Neg | UnaryOp::Abs | UnaryOp::Sign | UnaryOp::Sqrt | UnaryOp::Erf | UnaryOp::Relu => true,
        UnaryOp::LeakyRelu { .. } | UnaryOp::Elu { .. } | UnaryOp::Selu { .. } => true,
        UnaryOp::Gelu | UnaryOp::GeluTanh | UnaryOp::Silu | UnaryOp::Tanh => true,
        UnaryOp::Softsign | UnaryOp::Mish | UnaryOp::HardSwish => true,
        UnaryOp::Celu { alpha } => alpha != 0.0,
        UnaryOp::ThresholdedRelu { .. } => true,
        UnaryOp::Clamp { lo, hi } => lo <= 0.0 && 0.0 <= hi,
        UnaryOp::HardSigmoid { beta, .. } => beta <= 0.0,
        UnaryOp::Exp | UnaryOp::Log | UnaryOp::Reciprocal => false,
        UnaryOp::Sigmoid | UnaryOp::Softplus => false,
    }
}

fn binary_makes_zero(op: BinaryOp, a: f32, b: f32) -> bool {
    match op {
        BinaryOp::Add => a + b == 0.0,
        BinaryOp::Sub => a - b == 0.0,
        BinaryOp::Mul => a * b == 0.0,
        BinaryOp::Div => a / b == 0.0,
        BinaryOp::Pow => a == 0.0 && b > 0.0,
        BinaryOp::Min => a.min(b) == 0.0 && !a.is_nan() && !b.is_nan(),
        BinaryOp::Max => a.max(b) == 0.0 && !a.is_nan() && !b.is_nan(),
    }
}

/// Vectors computed at a time: several where each is little work.
pub(super) fn unroll(expr: &Pointwise) -> u64 {
    match expr.ops.iter().map(instructions).sum() {
        0..=8 => 4,
        9..=24 => 2,
        _ => 1,
    }
}

/// About how many instructions an operation takes.
fn instructions(op: &PointwiseOp) -> u32 {
    match op {
        PointwiseOp::Operand(_) | PointwiseOp::Binary(BinaryOp::Add | BinaryOp::Sub, ..) => 1,
        PointwiseOp::Binary(BinaryOp::Mul | BinaryOp::Div, ..) => 1,
        PointwiseOp::Binary(BinaryOp::Min | BinaryOp::Max, ..) | PointwiseOp::Prelu(..) => 3,
        PointwiseOp::Binary(BinaryOp::Pow, ..) => 100,
        PointwiseOp::Scalar(_) => 0,
        PointwiseOp::Unary(op, _) => match op {
            UnaryOp::Neg | UnaryOp::Abs | UnaryOp::Sqrt => 1,
            UnaryOp::Relu | UnaryOp::Reciprocal => 2,
            UnaryOp::Clamp { .. } | UnaryOp::LeakyRelu { .. } | UnaryOp::Softsign => 4,
            UnaryOp::Sign => 6,
            UnaryOp::ThresholdedRelu { .. } => 2,
            UnaryOp::HardSigmoid { .. } | UnaryOp::HardSwish => 6,
            UnaryOp::Exp | UnaryOp::Log | UnaryOp::Erf | UnaryOp::Elu { .. } => 25,
            UnaryOp::Selu { .. } | UnaryOp::Celu { .. } | UnaryOp::Gelu | UnaryOp::GeluTanh => 30,
            UnaryOp::Silu | UnaryOp::Sigmoid | UnaryOp::Tanh => 30,
            UnaryOp::Softplus | UnaryOp::Mish => 35,
        },
    }
}

/// The operations in words: `mul_add_relu`.
pub(super) fn name(expr: &Pointwise) -> String {
    /// Operations that are named; names are for people.
    const MOST: usize = 6;
    let words: Vec<String> = expr
        .ops
        .iter()
        .filter_map(|op| match op {
            PointwiseOp::Operand(_) | PointwiseOp::Scalar(_) => None,
            PointwiseOp::Unary(op, _) => Some(format!("{op:?}")),
            PointwiseOp::Binary(op, ..) => Some(format!("{op:?}")),
            PointwiseOp::Prelu(..) => Some("prelu".to_owned()),
        })
        .map(|word| word.split([' ', '(', '{']).next().unwrap_or_default().to_lowercase())
        .collect();
    match words.len() {
        0 => "pointwise_copy".to_owned(),
        n if n > MOST => format!("{}_and_{}", words[..MOST].join("_"), n - MOST),
        _ => words.join("_"),
    }
}
