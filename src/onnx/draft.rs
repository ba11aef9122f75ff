//! An imported network before it is text. One page.
//!
//! Lowering makes a draft from the nodes of an ONNX graph; writing makes a text in the language and a
//! table of weights from the draft. Everything that remains to be said about the network is in it: shape
//! arithmetic is folded, identities are gone, every line is one layer, function or operator of the language.
//!
//! Invariants:
//! - a line refers only to inputs and to lines before it;
//! - `dims` of inputs and lines are those of one sample where `batched`, and never contain 0;
//! - settings are those of the language's table for that layer, in its units (`pad` is before and after,
//!   axes do not count the batch);
//! - names are hints: dotted, made of letters, digits and `_`, not necessarily unique or even given. The
//!   writer makes them unique.

use std::sync::Arc;

use crate::tensor::Tensor;

/// A network as lines of the language.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Draft {
    /// The model's name: a word.
    pub name: String,
    /// What it takes, in the graph's order.
    pub inputs: Vec<Input>,
    /// What it computes, each from what is before it.
    pub lines: Vec<Line>,
    /// What it gives, with names.
    pub outputs: Vec<(String, Ref)>,
}

/// `input x [3, H, W]`, or `tensor x [3, 4, 5]` where there is no batch axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// Its name in the ONNX graph, made a word and unique among inputs.
    pub name: String,
    /// Whether ONNX's axis 0 is a free batch axis, which `axes` leaves out.
    pub batched: bool,
    /// Its axes.
    pub axes: Vec<Axis>,
}

/// An axis of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Axis {
    /// A number.
    Fixed(u64),
    /// A symbol that the input binds; here with the number that the draft was made for.
    Open(String, u64),
}

/// A value of a draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ref {
    /// An entry of [`Draft::inputs`].
    Input(u32),
    /// The result of an entry of [`Draft::lines`].
    Line(u32),
}

/// One layer, function or operator with its result.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// What the network calls it, `layer1.0.conv1`; empty where it has no name worth keeping.
    pub name: String,
    /// What is computed.
    pub what: What,
    /// The axes of its result.
    pub dims: Vec<u64>,
    /// Its weights, by the suffix of their keys: `weight`, `bias`, `running_mean`, …; "" for a `param`.
    pub weights: Vec<(&'static str, Arc<Tensor>)>,
}

/// What a line computes.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// A layer applied to a value: `conv(kernel=3, out=8)`.
    Layer {
        /// What it is applied to.
        x: Ref,
        /// The layer's name in the language.
        layer: &'static str,
        /// Its settings, in the order of the table; those equal to the default are left out.
        settings: Vec<(&'static str, Setting)>,
    },
    /// A function of operands: `concat(a, b, axis=1)`, `min(a, 0.5)`, `sqrt(a)`.
    Function {
        /// The function's name in the language.
        function: &'static str,
        /// Its operands.
        operands: Vec<Operand>,
        /// Its settings.
        settings: Vec<(&'static str, Setting)>,
    },
    /// `a + b`; the operator is one of `+ - * /`.
    Operator(char, Operand, Operand),
    /// `param name [64, 1, 1]`: a tensor of the weights by itself.
    Param,
}

/// An operand of a function or operator.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Operand {
    /// A value.
    Value(Ref),
    /// A number.
    Number(f32),
}

/// A setting's value.
#[derive(Clone, Debug, PartialEq)]
pub enum Setting {
    /// `3`
    Whole(i64),
    /// `(3, 5)`; written `3` where both are equal.
    Pair([i64; 2]),
    /// `((top, bottom), (left, right))`; written shorter where it can be.
    Sides([[i64; 2]; 2]),
    /// `0.1`: the shortest decimal that is this number.
    Number(f32),
    /// `(0.5, 2)`; written as one number where both are equal.
    Numbers([f64; 2]),
    /// `((0, 0.5), (0.25, 1))`: for rows, for columns.
    Spans([[f32; 2]; 2]),
    /// `[1, 2, -1]`
    List(Vec<i64>),
    /// `true`, `same_upper`, …
    Word(&'static str),
}

impl Draft {
    /// The axes of a value, and whether a batch axis stands before them.
    pub fn dims(&self, value: Ref) -> Option<Vec<u64>> {
        match value {
            Ref::Line(i) => self.lines.get(i as usize).map(|line| line.dims.clone()),
            Ref::Input(i) => self.inputs.get(i as usize).map(|input| {
                input
                    .axes
                    .iter()
                    .map(|axis| match axis {
                        Axis::Fixed(n) | Axis::Open(_, n) => *n,
                    })
                    .collect()
            }),
        }
    }
}

impl Line {
    /// The values that it refers to, in order.
    pub fn refs(&self) -> Vec<Ref> {
        let values = |operands: &[Operand]| {
            operands
                .iter()
                .filter_map(|operand| match operand {
                    Operand::Value(value) => Some(*value),
                    Operand::Number(_) => None,
                })
                .collect()
        };
        match &self.what {
            What::Layer { x, .. } => vec![*x],
            What::Function { operands, .. } => values(operands),
            What::Operator(_, a, b) => values(&[*a, *b]),
            What::Param => Vec::new(),
        }
    }
}
