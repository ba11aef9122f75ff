//! [`Network`] to [`Draft`]: shapes become numbers, what is known is computed, every other node
//! becomes lines.

mod activation;
mod builder;
mod conv;
mod cut;
mod dense;
mod elementwise;
mod inputs;
mod join;
mod names;
mod norm;
mod pad;
mod pool;
mod prune;
mod rearrange;
mod reduce;
mod resample;
mod settings;
mod table;
mod window;

use std::collections::BTreeMap;
use std::sync::Arc;

use self::builder::{Builder, Fail, Lowered};
use self::inputs::Inputs;
use self::table::How;
use super::call::{Call, Value};
use super::draft::{Draft, Ref};
use super::error::{OnnxError, UnknownOperator};
use super::fold::{self, Room};
use super::network::{Attribute, Network, NetworkInput, Node};
use super::tensor::{Constant, Kind};
use super::words::Words;
use crate::tensor::Tensor;

/// What a network is lowered for.
#[derive(Clone, Debug, Default)]
pub struct Bindings {
    /// The shapes of inputs as ONNX counts axes, the batch included, by the graph's names.
    pub shapes: BTreeMap<String, Vec<u64>>,
    /// Numbers for symbols, by [`super::InputAxis::Open`].
    pub sizes: BTreeMap<String, u64>,
    /// Inputs that are constants, by the graph's names.
    pub constants: BTreeMap<String, Constant>,
}

impl Bindings {
    /// Binds an input to numbers, which take the type that the input declares.
    ///
    /// # Errors
    /// [`OnnxError::Input`] for a type that is not read, and for numbers that are not whole where whole
    /// ones are wanted.
    pub fn bind(&mut self, input: &NetworkInput, tensor: Arc<Tensor>) -> Result<(), OnnxError> {
        let fail = |what: &str| OnnxError::Input { input: input.name.clone(), what: what.to_owned() };
        let dims: Vec<u64> = tensor.shape().iter().map(|&d| d as u64).collect();
        let constant = match input.kind {
            Some(Kind::Float) => Some(Constant::from_tensor(tensor)),
            Some(Kind::Whole) => {
                if tensor.data().iter().any(|v| v.fract() != 0.0) {
                    return Err(fail("it takes whole numbers"));
                }
                Constant::whole(&dims, tensor.data().iter().map(|&v| v as i64).collect())
            }
            Some(Kind::Bool) => Constant::bools(&dims, tensor.data().iter().map(|&v| v != 0.0).collect()),
            None => return Err(fail("its elements are of a type that is not read")),
        };
        let constant = constant.ok_or_else(|| fail("its axes do not hold its elements"))?;
        self.constants.insert(input.name.clone(), constant);
        Ok(())
    }
}

/// Lowers a network.
///
/// An input with four axes, or whose first axis is open, has a free batch axis, which the draft leaves
/// out: a network computes one sample and is applied to each. Where an operator mixes samples, all
/// inputs keep all of their axes.
///
/// # Errors
/// If an operator is not known, a node breaks the rules of its operator or cannot be expressed, a size
/// is open, or a limit is exceeded.
pub fn lower(network: &Network, bindings: &Bindings) -> Result<Draft, OnnxError> {
    if network.opset < 7 {
        return Err(OnnxError::OldOperators { version: network.opset });
    }
    let needed = network.needed();
    check_operators(network, &needed)?;
    let inputs = Inputs::of(network, bindings)?;
    if let Some(batch) = inputs.batch() {
        match run(network, &needed, bindings, &inputs, Some(batch)) {
            Err(Fail::Mixes) => {}
            Err(Fail::Error(error)) => return Err(error),
            Ok(draft) => return Ok(draft),
        }
    }
    match run(network, &needed, bindings, &inputs, None) {
        Ok(draft) => Ok(draft),
        Err(Fail::Error(error)) => Err(error),
        // No value has a batch axis, so nothing can mix samples.
        Err(Fail::Mixes) => Err(OnnxError::Malformed("its axes cannot be told apart".to_owned())),
    }
}

/// What is known of operators: their names, in the order of the alphabet, and whether they are
/// computed for values that depend on an input (else only for constants).
pub fn operators() -> Vec<(&'static str, bool)> {
    let live = table::OPERATORS.iter().filter(|(_, how)| !matches!(how, How::Refused(_)));
    let mut all: BTreeMap<&'static str, bool> = fold::FOLDS.iter().map(|(name, _)| (*name, false)).collect();
    all.extend(live.map(|(name, _)| (*name, true)));
    all.into_iter().collect()
}

/// Operators that are known and left out, with the reason.
pub fn refused() -> Vec<(&'static str, &'static str)> {
    let reason = |(name, how): &(&'static str, How)| match how {
        How::Refused(why) => Some((*name, *why)),
        _ => None,
    };
    table::OPERATORS.iter().filter_map(reason).collect()
}

/// All unknown operators at once.
fn check_operators(network: &Network, needed: &[bool]) -> Result<(), OnnxError> {
    let mut unknown: Vec<UnknownOperator> = Vec::new();
    let mut places: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (node, _) in network.nodes.iter().zip(needed).filter(|(_, needed)| **needed) {
        let own = node.domain.is_empty();
        let how = table::how(&node.op).filter(|_| own);
        let why = match how {
            Some(How::Refused(why)) => Some(why),
            Some(_) => continue,
            None if own && fold::fold_of(&node.op).is_some() => continue,
            None if network.functions.contains(&node.op) => Some("it is a function that the file defines"),
            None => None,
        };
        match places.get(&(node.domain.as_str(), node.op.as_str())).and_then(|&i| unknown.get_mut(i)) {
            Some(kind) => kind.count += 1,
            None => {
                places.insert((&node.domain, &node.op), unknown.len());
                unknown.push(UnknownOperator { first: node.label(), count: 1, why });
            }
        }
    }
    if unknown.is_empty() { Ok(()) } else { Err(OnnxError::Unknown(unknown)) }
}

/// Bytes of all constants of a network.
fn constant_bytes(network: &Network, bindings: &Bindings) -> u64 {
    let attributes = network.nodes.iter().flat_map(|n| &n.attributes).map(|(_, value)| match value {
        Attribute::Tensor(constant) => constant.bytes(),
        _ => 0,
    });
    let constants = network.constants.values().map(|c| c.bytes());
    attributes.chain(constants).chain(bindings.constants.values().map(Constant::bytes)).sum()
}

fn run(
    network: &Network,
    needed: &[bool],
    bindings: &Bindings,
    inputs: &Inputs,
    batch: Option<u64>,
) -> Lowered<Draft> {
    let room = Room::beside(constant_bytes(network, bindings));
    let mut b = Builder::new(network, needed, room, batch.unwrap_or(1));
    b.draft.name = Words::default().fresh(&network.name, "network");
    for (name, constant) in &network.constants {
        b.values.insert(name, Value::Known(constant.clone()));
    }
    inputs.add(network, &mut b, batch.is_some());
    for (name, constant) in &bindings.constants {
        // The network's own string outlives the builder.
        let own = network.inputs.iter().map(|i| &i.name).chain(network.constants.keys()).find(|n| *n == name);
        if let Some(own) = own {
            b.values.insert(own, Value::Known(Arc::new(constant.clone())));
        }
    }
    for (node, _) in network.nodes.iter().zip(needed).filter(|(_, needed)| **needed) {
        step(network, &mut b, node)?;
    }
    outputs(network, &mut b)?;
    Ok(prune::prune(b.draft))
}

/// Folds or lowers one node.
fn step<'a>(network: &'a Network, b: &mut Builder<'a>, node: &'a Node) -> Lowered<()> {
    let mut call =
        Call { net: network, node, inputs: Vec::with_capacity(node.inputs.len()), wanted: Vec::new() };
    for name in &node.inputs {
        let value = if name.is_empty() {
            None
        } else {
            let found = b.values.get(name.as_str()).cloned();
            Some(found.ok_or_else(|| missing(&call, name))?)
        };
        call.inputs.push(value);
    }
    // Inputs left out at the end may be written or not.
    while call.inputs.last().is_some_and(Option::is_none) {
        call.inputs.pop();
    }
    let used = |name: &String| !name.is_empty() && b.uses.contains_key(name.as_str());
    call.wanted = node.outputs.iter().map(used).collect();
    let first = b.draft.lines.len();
    let known = call.inputs.iter().flatten().all(|value| matches!(value, Value::Known(_)));
    let fold = fold::fold_of(&node.op).filter(|_| known);
    let values = match (fold, call.input(0)) {
        (Some(fold), _) => {
            let constants = fold(&call, &mut b.room)?;
            constants.into_iter().map(|c| Some(Value::Known(Arc::new(c)))).collect()
        }
        (None, Some(Value::Live(x))) if matches!(node.op.as_str(), "Shape" | "Size") => {
            let shape = fold::shape_of(&call, &b.shape(x))?;
            vec![Some(Value::Known(Arc::new(shape)))]
        }
        _ => match table::how(&node.op) {
            Some(How::One(lower)) => vec![Some(Value::Live(lower(b, &call)?))],
            Some(How::Many(lower)) => lower(b, &call)?,
            Some(How::Refused(why)) => return Err(call.unsupported(why).into()),
            None => {
                let what = "it is computed for constants only, and an operand depends on an input";
                return Err(call.unsupported(what).into());
            }
        },
    };
    let mut values = values.into_iter();
    for (output, name) in node.outputs.iter().enumerate() {
        match values.next().flatten() {
            Some(value) => {
                name_line(b, node, &value, first);
                b.values.insert(name, value);
            }
            None if call.wants(output) => {
                return Err(call
                    .unsupported(format!("its output {output} is used, and not computed"))
                    .into());
            }
            None => {}
        }
    }
    Ok(())
}

/// Gives the line of a node's result the node's name, unless it has one or stood there before.
fn name_line(b: &mut Builder<'_>, node: &Node, value: &Value, first: usize) {
    let Value::Live(live) = value else { return };
    let Ref::Line(at) = live.at else { return };
    let own = b.draft.lines.get_mut(at as usize).filter(|_| at as usize >= first);
    if let Some(line) = own.filter(|line| line.name.is_empty()) {
        line.name = names::of_node(node);
    }
}

/// The error for a value that is not there.
fn missing(call: &Call<'_>, name: &str) -> OnnxError {
    if let Some(data_type) = call.net.strange.get(name) {
        return call.unsupported(format!("{name:?} has ONNX's type {data_type}, which is not read"));
    }
    if call.net.inputs.iter().any(|i| i.name == name) {
        let what = "it does not hold floating point numbers, and must be bound as a constant";
        return OnnxError::Input { input: name.to_owned(), what: what.to_owned() };
    }
    call.invalid(format!("{name:?} is not computed"))
}

/// Adds what the network gives.
fn outputs(network: &Network, b: &mut Builder<'_>) -> Lowered<()> {
    let mut words = Words::default();
    for name in &network.outputs {
        let wrong = |what: &str| OnnxError::Output { output: name.clone(), what: what.to_owned() };
        let at = match b.values.get(name.as_str()).cloned() {
            Some(Value::Live(x)) => x.at,
            Some(Value::Known(constant)) if constant.tensor().is_some() && !constant.is_empty() => {
                let node = Node {
                    number: network.nodes.len(),
                    name: String::new(),
                    op: "Constant".to_owned(),
                    domain: String::new(),
                    inputs: Vec::new(),
                    outputs: vec![name.clone()],
                    attributes: Vec::new(),
                };
                let call = Call { net: network, node: &node, inputs: Vec::new(), wanted: Vec::new() };
                b.param(&call, name, &constant, constant.dims())?.at
            }
            Some(Value::Known(_)) => {
                return Err(wrong("it is known at import and holds no floating point numbers").into());
            }
            None => return Err(wrong("it is of a type that is not read").into()),
        };
        b.draft.outputs.push((words.fresh(name, "y"), at));
    }
    Ok(())
}
