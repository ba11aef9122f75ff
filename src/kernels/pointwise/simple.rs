//! What often follows a sum, in registers of any width: bounds and arithmetic with numbers.

use crate::graph::{BinaryOp, UnaryOp};
use crate::kernels::build::KernelBuilder;
use crate::kernels::ir::Arith;
use crate::kernels::register::Register;
use crate::plan::{Operand, Pointwise, PointwiseOp};

/// Numbers of an expression at most: each is kept in a register.
const NUMBERS: usize = 3;

/// An expression of a sum alone, of operations that every register has. It gives the bits of [`super::emit_expr`].
pub(crate) struct Simple<R> {
    steps: Vec<Step>,
    numbers: Vec<(u32, Option<R>)>,
}

#[derive(Clone, Copy)]
enum Step {
    Operand,
    /// Its place among the numbers.
    Number(usize),
    /// Of the results of two steps.
    Arith(Arith, usize, usize),
}

impl<R: Register> Simple<R> {
    /// Its operand.
    pub(crate) fn nothing() -> Simple<R> {
        Simple { steps: vec![Step::Operand], numbers: Vec::new() }
    }

    /// Nothing, or an expression; none where it is not such an expression.
    pub(crate) fn of(expr: Option<&Pointwise>) -> Option<Simple<R>> {
        let Some(expr) = expr else { return Some(Simple::nothing()) };
        if !expr.inputs.iter().all(|input| matches!(input, Operand::Sum)) {
            return None;
        }
        let mut simple = Simple { steps: Vec::new(), numbers: Vec::new() };
        // Where each operation's result is among the steps.
        let mut places: Vec<usize> = Vec::new();
        for op in &expr.ops {
            let at = |i: u32| places.get(i as usize).copied();
            let place = match *op {
                PointwiseOp::Operand(0) => simple.step(Step::Operand),
                PointwiseOp::Scalar(number) => simple.number(number),
                PointwiseOp::Unary(UnaryOp::Relu, x) => simple.bound(Arith::Max, 0.0, at(x)?)?,
                PointwiseOp::Unary(UnaryOp::Abs, x) => {
                    let magnitude = simple.number(f32::from_bits(0x7fff_ffff));
                    simple.step(Step::Arith(Arith::And, at(x)?, magnitude))
                }
                PointwiseOp::Unary(UnaryOp::Clamp { lo, hi }, x) => {
                    let x = simple.bound(Arith::Max, lo, at(x)?)?;
                    simple.bound(Arith::Min, hi, x)?
                }
                PointwiseOp::Unary(UnaryOp::LeakyRelu { slope }, x) if 0.0 < slope && slope <= 1.0 => {
                    let slope = simple.number(slope);
                    let scaled = simple.step(Step::Arith(Arith::Mul, at(x)?, slope));
                    simple.step(Step::Arith(Arith::Max, scaled, at(x)?))
                }
                PointwiseOp::Binary(op, a, b) => simple.binary(op, at(a)?, at(b)?)?,
                _ => return None,
            };
            places.push(place);
        }
        let last = places.last().copied()?;
        let is_last = last + 1 == simple.steps.len();
        (is_last && simple.numbers.len() <= NUMBERS).then_some(simple)
    }

    /// Registers that its numbers take.
    pub(crate) fn numbers(&self) -> usize {
        self.numbers.len()
    }

    fn step(&mut self, step: Step) -> usize {
        self.steps.push(step);
        self.steps.len() - 1
    }

    fn number(&mut self, number: f32) -> usize {
        let bits = number.to_bits();
        let known = self.numbers.iter().position(|&(other, _)| other == bits);
        let place = known.unwrap_or_else(|| {
            self.numbers.push((bits, None));
            self.numbers.len() - 1
        });
        self.step(Step::Number(place))
    }

    /// The second operand is the one that a NaN is taken from.
    fn bound(&mut self, op: Arith, bound: f32, x: usize) -> Option<usize> {
        let number = self.number(bound);
        (!bound.is_nan()).then(|| self.step(Step::Arith(op, number, x)))
    }

    fn binary(&mut self, op: BinaryOp, a: usize, b: usize) -> Option<usize> {
        let number = |place: usize| match self.steps.get(place) {
            Some(&Step::Number(number)) => self.numbers.get(number).map(|&(bits, _)| f32::from_bits(bits)),
            _ => None,
        };
        let direct = match op {
            BinaryOp::Add => Arith::Add,
            BinaryOp::Sub => Arith::Sub,
            BinaryOp::Mul => Arith::Mul,
            BinaryOp::Div => Arith::Div,
            BinaryOp::Min | BinaryOp::Max => {
                let op = if op == BinaryOp::Min { Arith::Min } else { Arith::Max };
                let (bound, x) = number(b).map(|bound| (bound, a)).or(number(a).map(|bound| (bound, b)))?;
                return self.bound(op, bound, x);
            }
            BinaryOp::Pow => return None,
        };
        let swap = matches!(op, BinaryOp::Add | BinaryOp::Mul) && number(a).is_some();
        let (a, b) = if swap { (b, a) } else { (a, b) };
        Some(self.step(Step::Arith(direct, a, b)))
    }

    /// Applies it; numbers are made when they are first needed.
    pub(crate) fn apply(&mut self, b: &mut KernelBuilder, operand: R) -> R {
        let mut values: Vec<R> = Vec::new();
        for &step in &self.steps {
            let value = match step {
                Step::Operand => operand,
                Step::Number(place) => {
                    let (bits, known) = &mut self.numbers[place];
                    *known.get_or_insert_with(|| R::number(b, f32::from_bits(*bits)))
                }
                Step::Arith(op, x, y) => R::arith(b, op, values[x], values[y]),
            };
            values.push(value);
        }
        values.last().copied().unwrap_or(operand)
    }
}
