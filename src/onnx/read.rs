//! Bytes to [`Network`].

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message;

use super::error::OnnxError;
use super::external::External;
use super::network::{Attribute, InputAxis, Network, NetworkInput, Node, mark_parameters};
use super::payload::lighten;
use super::proto::{
    AttributeProto, Dimension, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto,
};
use super::tensor::{self, Constant};
use super::wire;
use super::words::Words;
use crate::limits;

/// Reads an ONNX file. External data is looked for beneath `folder`, the model's own; without one, it
/// is refused. Large constants stay where they lie in the bytes.
///
/// # Errors
/// If the bytes are no ONNX model, the model contradicts itself, or a limit is exceeded.
pub fn read(bytes: impl Into<Bytes>, folder: Option<&Path>) -> Result<Network, OnnxError> {
    let bytes = bytes.into();
    wire::check(&bytes)?;
    let light = lighten(&bytes)?;
    let model = ModelProto::decode(Bytes::from(light.bytes)).map_err(|e| malformed(e.to_string()))?;
    let version = |domain: &str| {
        let mut sets = model.opset_import.iter().filter(|s| standard(s.domain.as_deref()) == domain);
        sets.find_map(|s| s.version)
    };
    let opset = version("").unwrap_or(1);
    let functions = model.functions.iter().filter_map(|f| f.name.clone()).collect();
    let producer = [&model.producer_name, &model.producer_version];
    let producer: Vec<&str> =
        producer.iter().filter_map(|p| p.as_deref()).filter(|p| !p.is_empty()).collect();
    let producer = producer.join(" ");
    let graph = model.graph.ok_or_else(|| malformed("it holds no graph"))?;
    let mut network = graph_of(graph, light.raw, &mut External::beneath(folder))?;
    network.file = bytes;
    network.opset = opset;
    network.producer = producer;
    network.functions = functions;
    mark_parameters(&mut network);
    Ok(network)
}

fn malformed(what: impl Into<String>) -> OnnxError {
    OnnxError::Malformed(what.into())
}

/// Attributes of one node; ONNX's own have at most twenty.
const ATTRIBUTES: usize = 64;

fn too_many(what: &str, found: usize) -> OnnxError {
    let limit = limits::PORTS as u64;
    OnnxError::Limit { what: format!("{what} of the graph"), found: found as u64, limit }
}

/// A domain, with both names of ONNX's own as the empty one.
fn standard(domain: Option<&str>) -> &str {
    match domain {
        None | Some("ai.onnx") => "",
        Some(other) => other,
    }
}

fn graph_of(
    graph: GraphProto,
    raw: Vec<Option<Bytes>>,
    external: &mut External<'_>,
) -> Result<Network, OnnxError> {
    let mut constants = BTreeMap::new();
    let mut strange = BTreeMap::new();
    let raw = raw.into_iter().chain(std::iter::repeat(None));
    let mut names = BTreeSet::new();
    for (tensor, raw) in graph.initializer.into_iter().zip(raw) {
        let name = tensor.name.clone().unwrap_or_default();
        let data_type = tensor.data_type.unwrap_or(0);
        if !names.insert(name.clone()) {
            return Err(malformed(format!("two initialisers have the name {name:?}")));
        }
        match constant(tensor, raw, &name, external)? {
            Some(constant) => {
                constants.insert(name, Arc::new(constant));
            }
            None => {
                strange.insert(name, data_type);
            }
        }
    }
    let known = |name: &str| constants.contains_key(name) || strange.contains_key(name);
    let inputs = inputs(&graph.input, known)?;
    if graph.output.len() > limits::PORTS {
        return Err(too_many("outputs", graph.output.len()));
    }
    let outputs: Vec<String> = graph.output.into_iter().map(|o| o.name.unwrap_or_default()).collect();
    let mut nodes = Vec::with_capacity(graph.node.len());
    for (number, node) in graph.node.into_iter().enumerate() {
        nodes.push(node_of(number, node, external)?);
    }
    let given: BTreeSet<&str> = constants
        .keys()
        .chain(strange.keys())
        .map(String::as_str)
        .chain(inputs.iter().map(|i| i.name.as_str()))
        .collect();
    let order = order(&nodes, &given)?;
    let made: BTreeSet<&str> = nodes.iter().flat_map(|n| &n.outputs).map(String::as_str).collect();
    let mut seen = BTreeSet::new();
    for output in &outputs {
        if output.is_empty() || !made.contains(output.as_str()) && !given.contains(output.as_str()) {
            return Err(malformed(format!("nothing makes the output {output:?}")));
        }
        if !seen.insert(output) {
            return Err(malformed(format!("the output {output:?} is listed twice")));
        }
    }
    if outputs.is_empty() {
        return Err(malformed("the graph has no outputs"));
    }
    let mut slots: Vec<Option<Node>> = nodes.into_iter().map(Some).collect();
    let nodes = order.into_iter().filter_map(|i| slots.get_mut(i).and_then(Option::take)).collect();
    Ok(Network {
        name: graph.name.unwrap_or_default(),
        producer: String::new(),
        opset: 0,
        file: Bytes::new(),
        nodes,
        constants,
        strange,
        inputs,
        outputs,
        functions: BTreeSet::new(),
    })
}

/// A tensor's elements, `raw` if they were taken out of it; `None` if they are of a type that is not read.
fn constant(
    tensor: TensorProto,
    raw: Option<Bytes>,
    name: &str,
    external: &mut External<'_>,
) -> Result<Option<Constant>, OnnxError> {
    let wrong = |what: String| malformed(format!("the tensor {name:?} {what}"));
    if tensor.data_location == Some(1) && tensor::kind_of(tensor.data_type.unwrap_or(0)).is_some() {
        let (_, length) = tensor::extent(&tensor).map_err(wrong)?;
        let bytes = external.load(name, &tensor.external_data, length)?;
        return tensor::decode(tensor, Some(bytes.into())).map_err(wrong);
    }
    tensor::decode(tensor, raw).map_err(wrong)
}

fn node_of(number: usize, node: NodeProto, external: &mut External<'_>) -> Result<Node, OnnxError> {
    let mut attributes = Vec::with_capacity(node.attribute.len());
    let name = node.name.unwrap_or_default();
    let op = node.op_type.unwrap_or_default();
    if node.attribute.len() > ATTRIBUTES {
        let what = format!("node {number} ({}) has {} attributes", op.escape_debug(), node.attribute.len());
        return Err(malformed(what));
    }
    for attribute in node.attribute {
        let key = attribute.name.clone().unwrap_or_default();
        let value = attribute_of(attribute, &key, external)?;
        if attributes.iter().any(|(other, _)| *other == key) {
            return Err(malformed(format!("node {number} ({}) has {key:?} twice", op.escape_debug())));
        }
        attributes.push((key, value));
    }
    let domain = standard(node.domain.as_deref()).to_owned();
    Ok(Node { number, name, op, domain, inputs: node.input, outputs: node.output, attributes })
}

fn attribute_of(
    attribute: AttributeProto,
    key: &str,
    external: &mut External<'_>,
) -> Result<Attribute, OnnxError> {
    let text = |s: Option<Vec<u8>>| {
        let text = String::from_utf8(s.unwrap_or_default());
        text.map_err(|_| malformed(format!("the attribute {key:?} is not UTF-8")))
    };
    // Files of the first version of the format leave the type out.
    let kind = match attribute.r#type.unwrap_or(0) {
        0 if attribute.f.is_some() => 1,
        0 if attribute.i.is_some() => 2,
        0 if attribute.s.is_some() => 3,
        0 if attribute.t.is_some() => 4,
        0 if !attribute.floats.is_empty() => 6,
        0 => 7,
        given => given,
    };
    Ok(match kind {
        1 => Attribute::Float(attribute.f.unwrap_or(0.0)),
        2 => Attribute::Int(attribute.i.unwrap_or(0)),
        3 => Attribute::Text(text(attribute.s)?),
        4 => match constant(attribute.t.unwrap_or_default(), None, key, external)? {
            Some(constant) => Attribute::Tensor(Arc::new(constant)),
            None => Attribute::Other,
        },
        6 => Attribute::Floats(attribute.floats),
        7 => Attribute::Ints(attribute.ints),
        _ => Attribute::Other,
    })
}

/// The inputs that are not constants.
fn inputs(infos: &[ValueInfoProto], known: impl Fn(&str) -> bool) -> Result<Vec<NetworkInput>, OnnxError> {
    let mut names = BTreeSet::new();
    let mut words = Words::default();
    let mut inputs = Vec::new();
    for info in infos {
        let name = info.name.clone().unwrap_or_default();
        if name.is_empty() {
            return Err(malformed("an input has no name"));
        }
        if !names.insert(name.clone()) {
            return Err(malformed(format!("two inputs have the name {name:?}")));
        }
        if known(&name) {
            continue;
        }
        if inputs.len() >= limits::PORTS {
            return Err(too_many("inputs", infos.len()));
        }
        let tensor = info.r#type.as_ref().and_then(|t| t.tensor_type.as_ref());
        let Some(tensor) = tensor else {
            let what = "it is not a tensor; only tensors are read".to_owned();
            return Err(OnnxError::Input { input: name, what });
        };
        let kind = tensor::kind_of(tensor.elem_type.unwrap_or(0));
        let word = words.fresh(&name, "x");
        inputs.push((NetworkInput { name, word, kind, axes: None, parameter: false }, tensor.shape.as_ref()));
    }
    // Symbols after all inputs, so that inputs keep their names.
    let mut symbols: HashMap<String, String> = HashMap::new();
    let mut done = Vec::with_capacity(inputs.len());
    for (mut input, shape) in inputs {
        if let Some(shape) = shape {
            let rank = shape.dim.len();
            if rank > limits::RANK {
                let what = format!("it has {rank} axes, and at most {} are read", limits::RANK);
                return Err(OnnxError::Input { input: input.name, what });
            }
            let axes: Result<Vec<InputAxis>, String> = shape
                .dim
                .iter()
                .enumerate()
                .map(|(i, dim)| axis(dim, (i, rank), &mut words, &mut symbols))
                .collect();
            match axes {
                Ok(axes) => input.axes = Some(axes),
                Err(what) => return Err(OnnxError::Input { input: input.name, what }),
            }
        }
        done.push(input);
    }
    Ok(done)
}

fn axis(
    dim: &Dimension,
    (i, rank): (usize, usize),
    words: &mut Words,
    symbols: &mut HashMap<String, String>,
) -> Result<InputAxis, String> {
    // Some exporters write `?` or `-1` for every axis that is open; those are not the same axis.
    let named = |s: &&str| s.chars().any(|c| c.is_ascii_alphabetic());
    if let Some(symbol) = dim.dim_param.as_deref().filter(named) {
        let word = match symbols.get(symbol) {
            Some(word) => word.clone(),
            None => {
                let word = words.fresh(symbol, "S");
                symbols.insert(symbol.to_owned(), word.clone());
                word
            }
        };
        return Ok(InputAxis::Open(word));
    }
    // Old exporters write 0 or -1 for what is open.
    match dim.dim_value {
        Some(n) if n > 0 => match u64::try_from(n).ok().filter(|&n| n <= limits::DIM) {
            Some(n) => Ok(InputAxis::Fixed(n)),
            None => Err(format!("axis {i} has the length {n}, and {} is the limit", limits::DIM)),
        },
        Some(n) if n < -1 => Err(format!("axis {i} has the length {n}")),
        _ => {
            let usual = ["N", "C", "H", "W"];
            let name = match usual.get(i) {
                Some(name) if rank == 4 => (*name).to_owned(),
                _ if i == 0 => "N".to_owned(),
                _ => format!("D{i}"),
            };
            Ok(InputAxis::Open(words.fresh(&name, "S")))
        }
    }
}

/// An order in which nodes can be computed: the file's own where it is one.
fn order(nodes: &[Node], given: &BTreeSet<&str>) -> Result<Vec<usize>, OnnxError> {
    let mut maker: HashMap<&str, usize> = HashMap::new();
    for (i, node) in nodes.iter().enumerate() {
        for output in node.outputs.iter().filter(|o| !o.is_empty()) {
            if given.contains(output.as_str()) || maker.insert(output, i).is_some() {
                return Err(malformed(format!("{} makes {output:?}, which exists already", node.label())));
            }
        }
    }
    let mut waits = vec![0usize; nodes.len()];
    let mut after: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for (i, node) in nodes.iter().enumerate() {
        for input in node.inputs.iter().filter(|i| !i.is_empty() && !given.contains(i.as_str())) {
            let Some(&from) = maker.get(input.as_str()) else {
                return Err(malformed(format!("{} uses {input:?}, which nothing makes", node.label())));
            };
            if let (Some(list), Some(count)) = (after.get_mut(from), waits.get_mut(i)) {
                list.push(i);
                *count += 1;
            }
        }
    }
    let mut ready: BTreeSet<usize> = (0..nodes.len()).filter(|&i| waits.get(i) == Some(&0)).collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(i) = ready.pop_first() {
        order.push(i);
        for &next in after.get(i).map(Vec::as_slice).unwrap_or_default() {
            if let Some(count) = waits.get_mut(next) {
                *count -= 1;
                if *count == 0 {
                    ready.insert(next);
                }
            }
        }
    }
    if order.len() == nodes.len() {
        return Ok(order);
    }
    let stuck = nodes.iter().zip(&waits).find(|(_, waits)| **waits > 0);
    let label = stuck.map(|(node, _)| node.label().to_string()).unwrap_or_default();
    Err(malformed(format!("its nodes form a circle: {label} waits for itself")))
}
