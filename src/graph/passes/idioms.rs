//! Activations that exporters write out in arithmetic become one operation again.
//!
//! A product is taken apart into a number and factors, whatever the order of its multiplications and
//! divisions by numbers, and looked at as a whole:
//!
//! - `clip(x + 3, 0, 6) / 6` and `clip(a·x + b, 0, 1)` are hard sigmoids
//! - `x · hardsigmoid(x)`, `x · clip(x + 3, 0, 6) / 6` are a hard swish
//! - `x · sigmoid(x)` is SiLU, `x · tanh(softplus(x))` Mish
//! - `x/2 · (1 + erf(x/√2))` is GELU

use super::facts::{number, same};
use super::rewrite::Rewrite;
use crate::graph::{BinaryOp, Graph, Node, Op, UnaryOp, Value};

/// Nested multiplications that are looked through.
const DEPTH: usize = 4;

/// Recognises the idioms. Only where nothing else reads the steps between.
pub fn recognise_idioms(graph: &Graph) -> Graph {
    let uses = graph.uses();
    let mut rewrite = Rewrite::new(graph);
    let mut found: Vec<Option<Found>> = Vec::with_capacity(graph.nodes.len());
    for (value, node) in graph.values() {
        let seen = Seen { graph, uses: &uses, found: &found };
        let activation = seen.activation(value, node).filter(|a| graph.ty(a.x) == &node.ty);
        match activation {
            Some(Found { op, x }) => {
                let args = vec![rewrite.get(x)];
                let made = rewrite.push(Node { op: Op::Unary(op), args, ..node.clone() });
                rewrite.stand(made);
            }
            None => rewrite.keep(node),
        }
        found.push(activation);
    }
    rewrite.finish()
}

/// A value that was recognised.
#[derive(Clone, Copy)]
struct Found {
    op: UnaryOp,
    x: Value,
}

/// The old graph with what was recognised so far.
struct Seen<'a> {
    graph: &'a Graph,
    uses: &'a [u32],
    found: &'a [Option<Found>],
}

impl Seen<'_> {
    fn activation(&self, value: Value, node: &Node) -> Option<Found> {
        match node.op {
            Op::Binary(BinaryOp::Mul | BinaryOp::Div) => {
                let mut product = Product { number: 1.0, factors: Vec::new() };
                self.take_apart(value, DEPTH, &mut product);
                self.product(&product)
            }
            Op::Unary(UnaryOp::Clamp { lo: 0.0, hi: 1.0 }) => self.line_clipped(*node.args.first()?),
            _ => None,
        }
    }

    /// Multiplies a value to a product, taken apart as far as it is one itself.
    fn take_apart(&self, value: Value, depth: usize, product: &mut Product) {
        if let Some(number) = number(self.graph, value) {
            product.number *= f64::from(number);
            return;
        }
        let node = self.graph.node(value);
        let inner = depth == DEPTH || self.uses[value.index()] == 1;
        match (&node.op, node.args.as_slice()) {
            (Op::Binary(BinaryOp::Mul), &[a, b]) if inner && depth > 0 && self.is_open(value) => {
                self.take_apart(a, depth - 1, product);
                self.take_apart(b, depth - 1, product);
            }
            (Op::Binary(BinaryOp::Div), &[a, b]) if inner && depth > 0 && self.is_open(value) => {
                match number(self.graph, b) {
                    Some(divisor) => {
                        product.number /= f64::from(divisor);
                        self.take_apart(a, depth - 1, product);
                    }
                    None => product.factors.push(value),
                }
            }
            _ => product.factors.push(value),
        }
    }

    /// Whether a value was not recognised as a whole.
    fn is_open(&self, value: Value) -> bool {
        self.found.get(value.index()).copied().flatten().is_none()
    }

    fn product(&self, product: &Product) -> Option<Found> {
        match *product.factors.as_slice() {
            [a] => {
                let x = self.shifted_clip(a).filter(|_| self.only(a) && same(product.number * 6.0, 1.0))?;
                Some(Found { op: UnaryOp::HardSigmoid { alpha: 1.0 / 6.0, beta: 0.5 }, x })
            }
            [a, b] => {
                let of = |x: Value, gate: Value| {
                    if !self.only(gate) {
                        return None;
                    }
                    self.gated(x, gate, product.number).map(|op| Found { op, x })
                };
                of(a, b).or_else(|| of(b, a))
            }
            _ => None,
        }
    }

    fn only(&self, value: Value) -> bool {
        self.uses[value.index()] == 1
    }

    /// What `factor · x · gate` is, the gate a function of x.
    fn gated(&self, x: Value, gate: Value, factor: f64) -> Option<UnaryOp> {
        if same(factor * 6.0, 1.0) && self.shifted_clip(gate) == Some(x) {
            return Some(UnaryOp::HardSwish);
        }
        if same(factor, 0.5) && self.erf_gate(gate) == Some(x) {
            return Some(UnaryOp::Gelu);
        }
        let (op, of) = self.unary(gate)?;
        if !same(factor, 1.0) {
            return None;
        }
        match op {
            UnaryOp::Sigmoid if of == x => Some(UnaryOp::Silu),
            UnaryOp::HardSigmoid { alpha, beta } if of == x => {
                let known = same(f64::from(alpha) * 6.0, 1.0) && beta == 0.5;
                known.then_some(UnaryOp::HardSwish)
            }
            UnaryOp::Tanh if self.only(of) => match self.unary(of)? {
                (UnaryOp::Softplus, of) if of == x => Some(UnaryOp::Mish),
                _ => None,
            },
            _ => None,
        }
    }

    /// A function of one argument, found again or as it stands.
    fn unary(&self, value: Value) -> Option<(UnaryOp, Value)> {
        if let Some(found) = self.found.get(value.index()).copied().flatten() {
            return Some((found.op, found.x));
        }
        let node = self.graph.node(value);
        match (&node.op, node.args.as_slice()) {
            (Op::Unary(op), &[x]) => Some((*op, x)),
            _ => None,
        }
    }

    /// x of `clip(x + 3, 0, 6)`.
    fn shifted_clip(&self, value: Value) -> Option<Value> {
        let (UnaryOp::Clamp { lo: 0.0, hi: 6.0 }, sum) = self.unary(value)? else { return None };
        let (x, shift) = self.with_number(sum, BinaryOp::Add)?;
        (self.only(sum) && shift == 3.0).then_some(x)
    }

    /// The hard sigmoid that is `clip(a·x + b, 0, 1)`.
    fn line_clipped(&self, sum: Value) -> Option<Found> {
        let (line, beta) = self.with_number(sum, BinaryOp::Add)?;
        let scaled = self.with_number(line, BinaryOp::Mul).or_else(|| {
            let (x, divisor) = self.with_number(line, BinaryOp::Div)?;
            Some((x, 1.0 / divisor))
        });
        let (x, alpha) = scaled.filter(|_| self.only(line) && self.only(sum))?;
        Some(Found { op: UnaryOp::HardSigmoid { alpha, beta }, x })
    }

    /// x of `1 + erf(x/√2)`.
    fn erf_gate(&self, value: Value) -> Option<Value> {
        let (erf, one) = self.with_number(value, BinaryOp::Add)?;
        let (UnaryOp::Erf, line) = self.unary(erf)? else { return None };
        if one != 1.0 || !self.only(erf) || !self.only(line) {
            return None;
        }
        if let Some((x, divisor)) = self.with_number(line, BinaryOp::Div) {
            return same(f64::from(divisor), std::f64::consts::SQRT_2).then_some(x);
        }
        let (x, factor) = self.with_number(line, BinaryOp::Mul)?;
        same(f64::from(factor), std::f64::consts::FRAC_1_SQRT_2).then_some(x)
    }

    /// The other operand and the number, where one operand is a number; of a division the divisor.
    fn with_number(&self, value: Value, op: BinaryOp) -> Option<(Value, f32)> {
        let node = self.graph.node(value);
        match (&node.op, node.args.as_slice()) {
            (Op::Binary(found), &[a, b]) if *found == op => {
                let second = number(self.graph, b).map(|n| (a, n));
                let first = || number(self.graph, a).filter(|_| op != BinaryOp::Div).map(|n| (b, n));
                second.or_else(first)
            }
            _ => None,
        }
    }
}

/// A number times values.
struct Product {
    number: f64,
    factors: Vec<Value>,
}
