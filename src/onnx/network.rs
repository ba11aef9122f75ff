//! An ONNX graph that was read: names resolved, constants decoded, nodes in an order in which they can
//! be computed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use super::error::NodeName;
use super::tensor::{Constant, Kind};

/// A network.
///
/// Invariants: every name that a node uses is an input, a constant or an output of a node before it, and
/// each name is given once.
#[derive(Clone, Debug)]
pub struct Network {
    pub(super) name: String,
    pub(super) producer: String,
    pub(super) opset: i64,
    /// The file, which large constants are parts of.
    pub(super) file: Bytes,
    pub(super) nodes: Vec<Node>,
    pub(super) constants: BTreeMap<String, Arc<Constant>>,
    /// Constants whose type is not read, with that type.
    pub(super) strange: BTreeMap<String, i32>,
    pub(super) inputs: Vec<NetworkInput>,
    pub(super) outputs: Vec<String>,
    /// Functions that the file defines, by name.
    pub(super) functions: BTreeSet<String>,
}

/// What a network takes.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkInput {
    /// Its name in the graph.
    pub name: String,
    /// The name as a word of the language, unique among inputs and symbols.
    pub word: String,
    /// What its elements are; `None` for types that are not read.
    pub kind: Option<Kind>,
    /// Its axes with that of the batch; `None` where the file does not say how many.
    pub axes: Option<Vec<InputAxis>>,
    /// Whether every use of it is that of a weight, bias, shape or other parameter, or it does not hold
    /// floating point numbers: it should be bound as a constant.
    pub parameter: bool,
}

/// An axis of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputAxis {
    /// A number.
    Fixed(u64),
    /// A symbol, as a word of the language.
    Open(String),
}

/// One operation.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Its place in the file.
    pub number: usize,
    pub name: String,
    pub op: String,
    /// Empty for ONNX's own.
    pub domain: String,
    /// Empty strings for those left out.
    pub inputs: Vec<String>,
    pub outputs: Vec<String>,
    pub attributes: Vec<(String, Attribute)>,
}

/// A setting of a node.
#[derive(Clone, Debug)]
pub(super) enum Attribute {
    Float(f32),
    Int(i64),
    Text(String),
    Tensor(Arc<Constant>),
    Floats(Vec<f32>),
    Ints(Vec<i64>),
    /// Of a type that no operator here has: a graph, strings, a sparse tensor.
    Other,
}

impl Node {
    /// For messages.
    pub fn label(&self) -> NodeName {
        let op =
            if self.domain.is_empty() { self.op.clone() } else { format!("{}.{}", self.domain, self.op) };
        NodeName { number: self.number, name: self.name.clone(), op }
    }
}

impl Network {
    /// What it takes, constants left out, in the graph's order.
    pub fn inputs(&self) -> Vec<NetworkInput> {
        self.inputs.clone()
    }

    /// The names of what it gives, in the graph's order.
    pub fn outputs(&self) -> Vec<String> {
        self.outputs.clone()
    }

    /// The version of ONNX's operators.
    pub fn opset(&self) -> i64 {
        self.opset
    }

    /// Who wrote the file, with the version; may be empty.
    pub fn producer(&self) -> &str {
        &self.producer
    }

    /// The graph's name; may be empty.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many nodes it has.
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// How many other nodes have a node's operator.
    pub(super) fn others(&self, node: &Node) -> usize {
        let same = self.nodes.iter().filter(|n| n.op == node.op && n.domain == node.domain);
        same.count().saturating_sub(1)
    }

    /// For each node, whether anything that the network gives depends on it.
    pub(super) fn needed(&self) -> Vec<bool> {
        let mut wanted: BTreeSet<&str> = self.outputs.iter().map(String::as_str).collect();
        let mut needed = vec![false; self.nodes.len()];
        for (node, needed) in self.nodes.iter().zip(&mut needed).rev() {
            *needed = node.outputs.iter().any(|o| !o.is_empty() && wanted.contains(o.as_str()));
            if *needed {
                wanted.extend(node.inputs.iter().map(String::as_str).filter(|i| !i.is_empty()));
            }
        }
        needed
    }
}

/// Whether an input of an operator is a weight, a bias, a shape or the like.
pub(super) fn parameter_position(op: &str, index: usize) -> bool {
    match op {
        "Conv"
        | "ConvTranspose"
        | "BatchNormalization"
        | "InstanceNormalization"
        | "LayerNormalization"
        | "GroupNormalization"
        | "Gemm"
        | "PRelu"
        | "Clip"
        | "Reshape"
        | "Resize"
        | "Upsample"
        | "Pad"
        | "Slice"
        | "Squeeze"
        | "Unsqueeze"
        | "Split"
        | "Expand"
        | "Tile"
        | "Gather"
        | "Dropout" => index >= 1,
        "ConstantOfShape" | "Range" => true,
        _ => op.starts_with("Reduce") && index >= 1,
    }
}

/// Finds the inputs that are parameters by all their uses.
pub(super) fn mark_parameters(network: &mut Network) {
    let mut as_data: BTreeSet<&str> = network.outputs.iter().map(String::as_str).collect();
    let mut used: BTreeSet<&str> = BTreeSet::new();
    for node in &network.nodes {
        for (index, input) in node.inputs.iter().enumerate() {
            used.insert(input);
            if !parameter_position(&node.op, index) {
                as_data.insert(input);
            }
        }
    }
    for input in &mut network.inputs {
        let name = input.name.as_str();
        let parameter = used.contains(name) && !as_data.contains(name);
        input.parameter = parameter || matches!(input.kind, Some(Kind::Whole | Kind::Bool));
    }
}
