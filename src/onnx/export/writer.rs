//! The ONNX graph while it is made: names, nodes, initialisers.

use std::collections::{BTreeMap, BTreeSet};

use super::ExportError;
use crate::graph::{Graph, Node, Type, Value};
use crate::onnx::proto::{AttributeProto, NodeProto, TensorProto};
use crate::tensor::Raw;

/// The element type f32.
pub(super) const FLOAT: i32 = 1;
const INT64: i32 = 7;

/// Nodes and initialisers as they come.
pub(super) struct Writer<'g> {
    graph: &'g Graph,
    names: BTreeMap<Value, String>,
    taken: BTreeSet<String>,
    nodes: Vec<NodeProto>,
    initializers: Vec<TensorProto>,
}

impl<'g> Writer<'g> {
    pub(super) fn new(graph: &'g Graph) -> Self {
        // Outputs keep their names, so nothing else may take them.
        let taken = graph.outputs.iter().map(|o| o.name.clone()).collect();
        Writer { graph, names: BTreeMap::new(), taken, nodes: Vec::new(), initializers: Vec::new() }
    }

    /// The type of a value.
    pub(super) fn ty(&self, value: Value) -> &'g Type {
        self.graph.ty(value)
    }

    /// The elements of a constant, where the value is one.
    pub(super) fn constant(&self, value: Value) -> Option<&'g [f32]> {
        match self.graph.node(value).op {
            crate::graph::Op::Const(i) => self.graph.consts.get(i as usize).map(|c| c.data.as_slice()),
            _ => None,
        }
    }

    /// A name for a value: the one wanted, or one like it.
    pub(super) fn claim(&mut self, value: Value, wanted: &str) -> String {
        let name = self.fresh(wanted);
        self.names.insert(value, name.clone());
        name
    }

    /// A name that is not taken.
    pub(super) fn fresh(&mut self, wanted: &str) -> String {
        let wanted = if wanted.is_empty() { "value" } else { wanted };
        let mut name = wanted.to_owned();
        let mut n = 1u64;
        while !self.taken.insert(name.clone()) {
            n += 1;
            name = format!("{wanted}_{n}");
        }
        name
    }

    /// The name of a value that has been made.
    pub(super) fn name(&self, value: Value) -> Result<String, ExportError> {
        self.names.get(&value).cloned().ok_or(ExportError::Bug("a value is used before it is made"))
    }

    /// The names of a node's arguments.
    pub(super) fn args(&self, node: &Node) -> Result<Vec<String>, ExportError> {
        node.args.iter().map(|&arg| self.name(arg)).collect()
    }

    /// A tensor of numbers.
    pub(super) fn initializer(&mut self, name: String, dims: &[u64], data: Raw<'_>) {
        let raw = match data {
            Raw::Numbers(numbers) => numbers.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Raw::Bytes(bytes) => bytes.to_vec(),
        };
        self.tensor(name, dims, FLOAT, raw);
    }

    /// A tensor of numbers under a name like the one wanted.
    pub(super) fn numbers(&mut self, wanted: &str, dims: &[u64], data: &[f32]) -> String {
        let name = self.fresh(wanted);
        self.initializer(name.clone(), dims, Raw::Numbers(data));
        name
    }

    /// One number.
    pub(super) fn number(&mut self, wanted: &str, number: f32) -> String {
        self.numbers(wanted, &[], &[number])
    }

    /// Whole numbers, as shapes and axes are given.
    pub(super) fn wholes(&mut self, wanted: &str, data: &[i64]) -> String {
        let name = self.fresh(wanted);
        let raw = data.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.tensor(name.clone(), &[data.len() as u64], INT64, raw);
        name
    }

    fn tensor(&mut self, name: String, dims: &[u64], data_type: i32, raw: Vec<u8>) {
        self.initializers.push(TensorProto {
            dims: dims.iter().map(|&d| d as i64).collect(),
            data_type: Some(data_type),
            name: Some(name),
            raw_data: Some(raw.into()),
            ..TensorProto::default()
        });
    }

    /// Appends a node; its settings follow by [`NodeWriter`]'s methods.
    pub(super) fn node(&mut self, op: &str, inputs: Vec<String>, output: String) -> NodeWriter<'_> {
        self.nodes.push(NodeProto {
            input: inputs,
            name: Some(output.clone()),
            output: vec![output],
            op_type: Some(op.to_owned()),
            attribute: Vec::new(),
            domain: None,
        });
        NodeWriter { node: self.nodes.last_mut() }
    }

    /// A node with a result of its own name; gives the name.
    pub(super) fn step(&mut self, op: &str, inputs: Vec<String>, wanted: &str) -> String {
        let name = self.fresh(wanted);
        self.node(op, inputs, name.clone());
        name
    }

    /// The node that makes a value of the graph.
    pub(super) fn make(
        &mut self,
        op: &str,
        inputs: Vec<String>,
        value: Value,
        node: &Node,
    ) -> NodeWriter<'_> {
        let output = self.graph.outputs.iter().find(|o| o.value == value);
        let name = match output {
            // Kept for it.
            Some(output) => {
                self.names.insert(value, output.name.clone());
                output.name.clone()
            }
            None => self.claim(value, &node.name),
        };
        self.node(op, inputs, name)
    }

    /// A reshape; in `dims`, 0 keeps an axis and −1 is inferred.
    pub(super) fn reshaped(&mut self, x: String, dims: &[i64], wanted: &str) -> String {
        let shape = self.wholes(&format!("{wanted}.shape"), dims);
        self.step("Reshape", vec![x, shape], wanted)
    }

    /// A value as `[N, C, H, W]`: spatial operators of ONNX want exactly that.
    pub(super) fn spatial(&mut self, value: Value) -> Result<String, ExportError> {
        let ty = self.ty(value);
        let name = self.name(value)?;
        let Some([c, h, w]) = ty.chw() else {
            return Err(ExportError::Bug("a spatial operation on a value without rows and columns"));
        };
        if is_spatial(ty) {
            return Ok(name);
        }
        let wanted = format!("{name}.nchw");
        Ok(self.reshaped(name, &[-1, c as i64, h as i64, w as i64], &wanted))
    }

    /// Gives the result of a spatial operator the axes that the value has: under the name `made` if they
    /// differ from `[N, C, H, W]`.
    pub(super) fn make_spatial(
        &mut self,
        op: &str,
        inputs: Vec<String>,
        value: Value,
        node: &Node,
        attributes: Vec<AttributeProto>,
    ) {
        if is_spatial(&node.ty) {
            self.make(op, inputs, value, node).all(attributes);
            return;
        }
        let inner = self.fresh(&format!("{}.nchw", node.name));
        self.node(op, inputs, inner.clone()).all(attributes);
        let shape = self.wholes(&format!("{}.shape", node.name), &shape_of(&node.ty));
        self.make("Reshape", vec![inner, shape], value, node);
    }

    /// The nodes, and the initialisers that one of them reads or an output is.
    pub(super) fn finish(mut self) -> (Vec<NodeProto>, Vec<TensorProto>) {
        let read: BTreeSet<&String> = self.nodes.iter().flat_map(|n| &n.input).collect();
        self.initializers.retain(|t| t.name.as_ref().is_some_and(|name| read.contains(name)));
        (self.nodes, self.initializers)
    }
}

/// Whether a value is `[N, C, H, W]` in ONNX.
fn is_spatial(ty: &Type) -> bool {
    ty.dims.len() + usize::from(ty.batched) == 4
}

/// A type as the target of a reshape: the batch axis is kept.
pub(super) fn shape_of(ty: &Type) -> Vec<i64> {
    // −1 and not 0: the argument's axis 0 need not be the batch axis (spatial operators merge axes into it).
    let batch = ty.batched.then_some(-1);
    batch.into_iter().chain(ty.dims.iter().map(|&d| d as i64)).collect()
}

/// Adds settings to a node.
pub(super) struct NodeWriter<'w> {
    node: Option<&'w mut NodeProto>,
}

impl NodeWriter<'_> {
    pub(super) fn all(mut self, attributes: Vec<AttributeProto>) -> Self {
        if let Some(node) = &mut self.node {
            node.attribute.extend(attributes);
        }
        self
    }

    pub(super) fn with(self, attribute: AttributeProto) -> Self {
        self.all(vec![attribute])
    }
}

/// A whole number as a setting.
pub(super) fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { name: Some(name.to_owned()), i: Some(i), r#type: Some(2), ..AttributeProto::default() }
}

/// A number as a setting.
pub(super) fn float(name: &str, f: f32) -> AttributeProto {
    AttributeProto { name: Some(name.to_owned()), f: Some(f), r#type: Some(1), ..AttributeProto::default() }
}

/// Whole numbers as a setting.
pub(super) fn ints(name: &str, ints: impl IntoIterator<Item = u64>) -> AttributeProto {
    let ints = ints.into_iter().map(|i| i as i64).collect();
    AttributeProto { name: Some(name.to_owned()), ints, r#type: Some(7), ..AttributeProto::default() }
}

/// A word as a setting.
pub(super) fn word(name: &str, word: &str) -> AttributeProto {
    let s = Some(word.as_bytes().to_vec());
    AttributeProto { name: Some(name.to_owned()), s, r#type: Some(3), ..AttributeProto::default() }
}
