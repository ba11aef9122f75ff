//! The graph: a checked model, every size concrete. One page.
//!
//! Invariants, which [`verify`] checks:
//! - nodes are in topological order: a node's arguments have smaller numbers than it;
//! - every type is what the shape rules of its operation give for its arguments' types;
//! - `Input`, `Const` and `Param` nodes name an entry of the table they index, each at most once;
//! - names of inputs and of outputs are unique; parameter keys are unique;
//! - no axis is 0 and no value has more than [`crate::limits::RANK`] axes or
//!   [`crate::limits::ELEMENTS`] elements.
//!
//! **Batch.** A value that is `batched` has one more axis in front, N, that is not among its
//! `dims` and is free: nothing in the graph mixes samples, so a program is compiled for one sample
//! and applied to each. A value declared by `tensor` is not batched; all its axes are in `dims`.
//! Spatial operations work on the last three axes `[C, H, W]` and repeat over the axes before them.

pub mod check;
pub mod eval;
pub mod field;
pub mod grad;
pub mod op;
pub mod passes;
pub mod print;
pub mod resample;
pub mod shape;
pub mod verify;

pub use op::{
    BinaryOp, Border, Conv, ConvTranspose, Coordinates, Nearest, Op, PadMode, Pads, Pool, PoolKind,
    ReduceKind, Resize, ResizeMode, UnaryOp, Window,
};

use crate::source::Span;

/// The number of a node, and of the one value that it makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Value(pub u32);

impl Value {
    /// As an index into [`Graph::nodes`].
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The type of a value: f32 everywhere, so its axes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Type {
    /// Whether a free batch axis stands before `dims`.
    pub batched: bool,
    /// The axes of one sample, outermost first: `[C, H, W]` for pictures.
    pub dims: Vec<u64>,
}

impl Type {
    /// A type with a batch axis.
    pub fn batched(dims: impl Into<Vec<u64>>) -> Self {
        Type { batched: true, dims: dims.into() }
    }

    /// A type without a batch axis.
    pub fn plain(dims: impl Into<Vec<u64>>) -> Self {
        Type { batched: false, dims: dims.into() }
    }

    /// Elements of one sample.
    pub fn elements(&self) -> u64 {
        self.dims.iter().product()
    }

    /// The last three axes, where there are three.
    pub fn chw(&self) -> Option<[u64; 3]> {
        match self.dims.as_slice() {
            [.., c, h, w] => Some([*c, *h, *w]),
            _ => None,
        }
    }
}

/// `[64, 56, 56]`: the axes of one sample, as the language writes them.
impl std::fmt::Display for Type {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[")?;
        for (i, d) in self.dims.iter().enumerate() {
            let sep = if i == 0 { "" } else { ", " };
            write!(f, "{sep}{d}")?;
        }
        f.write_str("]")
    }
}

/// One operation and its result.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What is computed.
    pub op: Op,
    /// From what; the number and meaning of arguments are said at each [`Op`].
    pub args: Vec<Value>,
    /// What results.
    pub ty: Type,
    /// The name in the text (`layer1.0.conv1`), or one made from the operation (`relu_3`); unique.
    pub name: String,
    /// The layer or expression it was written as.
    pub span: Span,
}

/// A model's input.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// Its node.
    pub value: Value,
    /// The file read where none is given, as written.
    pub file: Option<FileRef>,
}

/// A path as written in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRef {
    /// Relative to the model's folder.
    pub path: String,
    /// The string literal.
    pub span: Span,
}

/// Values written in the text: taps, means, numbers. Row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Const {
    /// Its axes.
    pub dims: Vec<u64>,
    /// Its elements.
    pub data: Vec<f32>,
}

/// A tensor of weights: its values come from a file, a seed or training.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    /// Its key in a weight file, as PyTorch's `state_dict` has it: `layer1.0.conv1.weight`.
    pub key: String,
    /// Other keys that are accepted: `prelu1.slope`.
    pub aliases: Vec<String>,
    /// Its axes.
    pub dims: Vec<u64>,
    /// What it is to its layer; the seeded initialisation depends on it.
    pub role: ParamRole,
    /// The layer that wants it.
    pub span: Span,
}

/// What a parameter is to its layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamRole {
    /// A convolution's or linear layer's weight.
    Weight {
        /// Products that one output sums; of a transposed convolution, as in PyTorch, those that one input gives a
        /// channel's outputs.
        fan_in: u64,
    },
    /// A bias beside a weight of that `fan_in`.
    Bias {
        /// The weight's.
        fan_in: u64,
    },
    /// Batchnorm's factor γ.
    Scale,
    /// Batchnorm's summand β.
    Shift,
    /// Batchnorm's running mean.
    Mean,
    /// Batchnorm's running variance.
    Variance,
    /// PReLU's slope.
    Slope,
}

/// A model's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Its name: the value's name, or `output`.
    pub name: String,
    /// Its value.
    pub value: Value,
}

/// A checked model with every size concrete.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    /// The model's name.
    pub name: String,
    /// The nodes, in topological order.
    pub nodes: Vec<Node>,
    /// The inputs, in the order of the text.
    pub inputs: Vec<Input>,
    /// The table that [`Op::Const`] indexes.
    pub consts: Vec<Const>,
    /// The table that [`Op::Param`] indexes, in the order of first use.
    pub params: Vec<Param>,
    /// The outputs, in the order of the text; at least one.
    pub outputs: Vec<Output>,
    /// The file that `weights` names.
    pub weights: Option<FileRef>,
    /// The file that `labels` names.
    pub labels: Option<FileRef>,
}

impl Graph {
    /// The node that makes a value.
    pub fn node(&self, value: Value) -> &Node {
        &self.nodes[value.index()]
    }

    /// The type of a value.
    pub fn ty(&self, value: Value) -> &Type {
        &self.nodes[value.index()].ty
    }

    /// Every value with its node, in order.
    pub fn values(&self) -> impl Iterator<Item = (Value, &Node)> {
        self.nodes.iter().enumerate().map(|(i, n)| (Value(i as u32), n))
    }

    /// For each value, how many arguments and outputs refer to it.
    pub fn uses(&self) -> Vec<u32> {
        let mut uses = vec![0; self.nodes.len()];
        let args = self.nodes.iter().flat_map(|n| &n.args);
        for value in args.chain(self.outputs.iter().map(|o| &o.value)) {
            uses[value.index()] += 1;
        }
        uses
    }
}
