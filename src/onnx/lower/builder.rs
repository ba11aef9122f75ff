//! The draft while it grows, and the helpers that every operator uses.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::super::call::{Call, Live, Value};
use super::super::draft::{Draft, Line, Operand, Ref, Setting, What};
use super::super::error::OnnxError;
use super::super::fold::Room;
use super::super::network::Network;
use super::super::tensor::{Constant, count};
use super::names;
use super::settings::Settings;
use crate::limits;
use crate::tensor::Tensor;

/// Why a node is not lowered.
pub enum Fail {
    /// It mixes the samples of a batch: the whole network must be lowered without a free batch axis.
    Mixes,
    /// It cannot be lowered.
    Error(OnnxError),
}

impl From<OnnxError> for Fail {
    fn from(error: OnnxError) -> Self {
        Fail::Error(error)
    }
}

/// What lowering gives.
pub type Lowered<T> = Result<T, Fail>;

/// Tensors that belong to a line, by suffix.
pub type Weights = Vec<(&'static str, Arc<Tensor>)>;

/// A layer without a bias whose result is only what a node gives.
pub struct Biasless {
    /// Its line.
    pub layer: u32,
    /// How many axes of the result stand after the one that a bias would be along.
    pub after: usize,
    /// The name of the node's result.
    pub output: String,
}

/// The draft while it grows.
pub struct Builder<'a> {
    /// The length of the batch axis, where it is free.
    pub batch: u64,
    /// Values by name.
    pub values: HashMap<&'a str, Value>,
    /// What is done.
    pub draft: Draft,
    /// Room for tensors that are computed.
    pub room: Room,
    /// How often each value is used.
    pub uses: HashMap<&'a str, usize>,
    /// Lines whose layer has no bias yet, which the next addition may give one.
    pub biasless: BTreeMap<u32, Biasless>,
    /// Tensors of constants of other types than f32, and `param` lines, by constant.
    params: BTreeMap<(usize, Vec<u64>), (Arc<Constant>, Live)>,
}

impl<'a> Builder<'a> {
    /// A builder with nothing in it.
    pub fn new(net: &'a Network, needed: &[bool], room: Room, batch: u64) -> Self {
        let mut uses = HashMap::new();
        let nodes = net.nodes.iter().zip(needed).filter(|(_, needed)| **needed);
        let inputs = nodes.flat_map(|(n, _)| &n.inputs).chain(&net.outputs);
        for name in inputs.filter(|n| !n.is_empty()) {
            *uses.entry(name.as_str()).or_insert(0) += 1;
        }
        Builder {
            batch,
            values: HashMap::new(),
            draft: Draft::default(),
            room,
            uses,
            biasless: BTreeMap::new(),
            params: BTreeMap::new(),
        }
    }

    /// A value's axes as ONNX counts them.
    pub fn shape(&self, x: &Live) -> Vec<u64> {
        if x.batched { [&[self.batch], x.dims.as_slice()].concat() } else { x.dims.clone() }
    }

    /// The axes of any value as ONNX counts them.
    pub fn shape_of(&self, value: &Value) -> Vec<u64> {
        match value {
            Value::Known(constant) => constant.dims().to_vec(),
            Value::Live(x) => self.shape(x),
        }
    }

    /// An axis of ONNX as one of the draft.
    pub fn own_axis(&self, x: &Live, axis: usize) -> Lowered<usize> {
        if !x.batched {
            return Ok(axis);
        }
        axis.checked_sub(1).ok_or(Fail::Mixes)
    }

    /// ONNX's axes of a result as the draft's, for a value that keeps or lacks the batch axis as `x` does.
    pub fn own_dims(&self, x: &Live, shape: &[u64]) -> Lowered<Vec<u64>> {
        if !x.batched {
            return Ok(shape.to_vec());
        }
        match shape.split_first() {
            Some((&n, rest)) if n == self.batch => Ok(rest.to_vec()),
            _ => Err(Fail::Mixes),
        }
    }

    fn push(&mut self, call: &Call<'_>, line: Line, batched: bool) -> Lowered<Live> {
        let dims = line.dims.clone();
        if dims.contains(&0) {
            return Err(call.unsupported(format!("its result has no elements: {dims:?}")).into());
        }
        let small = count(&dims).is_some_and(|n| n <= limits::ELEMENTS);
        if !small || dims.iter().any(|&d| d > limits::DIM) {
            return Err(call.invalid(format!("its result is too large: {dims:?}")).into());
        }
        if dims.len() > limits::RANK {
            let what = format!("its result has {} axes, and at most {} can be", dims.len(), limits::RANK);
            return Err(call.unsupported(what).into());
        }
        if self.draft.lines.len() >= limits::ONNX_LINES {
            let what = "lines of the imported network".to_owned();
            let (found, limit) = (self.draft.lines.len() as u64 + 1, limits::ONNX_LINES as u64);
            return Err(OnnxError::Limit { what, found, limit }.into());
        }
        let at = Ref::Line(u32::try_from(self.draft.lines.len()).unwrap_or(u32::MAX));
        self.draft.lines.push(line);
        Ok(Live { at, batched, dims })
    }

    /// A line with a layer without weights.
    pub fn layer(
        &mut self,
        call: &Call<'_>,
        x: &Live,
        layer: &'static str,
        settings: Settings,
        dims: Vec<u64>,
    ) -> Lowered<Live> {
        self.weighted(call, x, layer, settings, dims, (String::new(), Vec::new()))
    }

    /// A line with a layer, its name, and its weights.
    pub fn weighted(
        &mut self,
        call: &Call<'_>,
        x: &Live,
        layer: &'static str,
        settings: Settings,
        dims: Vec<u64>,
        (name, weights): (String, Weights),
    ) -> Lowered<Live> {
        let what = What::Layer { x: x.at, layer, settings: settings.done() };
        self.push(call, Line { name, what, dims, weights }, x.batched)
    }

    /// Remembers that the layer `of`, whose result is seen as `result`, has no bias.
    pub fn without_bias(&mut self, call: &Call<'_>, result: &Live, of: &Live, after: usize) {
        if let (Ref::Line(at), Ref::Line(layer)) = (result.at, of.at) {
            let output = call.node.outputs.first().cloned().unwrap_or_default();
            self.biasless.insert(at, Biasless { layer, after, output });
        }
    }

    /// A line with a layer that does not change the shape and has no settings.
    pub fn plain(&mut self, call: &Call<'_>, x: &Live, layer: &'static str) -> Lowered<Live> {
        self.layer(call, x, layer, Settings::default(), x.dims.clone())
    }

    /// A line with a function.
    pub fn function(
        &mut self,
        call: &Call<'_>,
        function: &'static str,
        operands: Vec<Operand>,
        settings: Settings,
        (batched, dims): (bool, Vec<u64>),
    ) -> Lowered<Live> {
        let what = What::Function { function, operands, settings: settings.done() };
        self.push(call, Line { name: String::new(), what, dims, weights: Vec::new() }, batched)
    }

    /// A line with a function of one value that does not change its shape.
    pub fn map(&mut self, call: &Call<'_>, function: &'static str, x: &Live) -> Lowered<Live> {
        let like = (x.batched, x.dims.clone());
        self.function(call, function, vec![Operand::Value(x.at)], Settings::default(), like)
    }

    /// A line with an operator.
    pub fn operator(
        &mut self,
        call: &Call<'_>,
        sign: char,
        a: Operand,
        b: Operand,
        (batched, dims): (bool, Vec<u64>),
    ) -> Lowered<Live> {
        let what = What::Operator(sign, a, b);
        self.push(call, Line { name: String::new(), what, dims, weights: Vec::new() }, batched)
    }

    /// A line with an operator on a value and a number.
    pub fn with_number(&mut self, call: &Call<'_>, x: &Live, sign: char, number: f32) -> Lowered<Live> {
        let number = self.number(call, number)?;
        self.operator(call, sign, Operand::Value(x.at), number, (x.batched, x.dims.clone()))
    }

    /// An operator on two values, of which the second has the shape of the first or 1 along some axes.
    pub fn with_value(&mut self, call: &Call<'_>, x: &Live, sign: char, y: &Live) -> Lowered<Live> {
        let (a, b) = (Operand::Value(x.at), Operand::Value(y.at));
        self.operator(call, sign, a, b, (x.batched, x.dims.clone()))
    }

    /// A number as an operand; one that cannot be written becomes a scalar of the weights.
    pub fn number(&mut self, call: &Call<'_>, number: f32) -> Lowered<Operand> {
        if number.is_finite() {
            return Ok(Operand::Number(number));
        }
        let tensor = self.made(call, Constant::floats(&[], vec![number]))?;
        Ok(Operand::Value(self.param(call, "", &tensor, &[])?.at))
    }

    /// A `param` line for a constant seen under some axes; the same line for the same constant.
    pub fn param(
        &mut self,
        call: &Call<'_>,
        name: &str,
        constant: &Arc<Constant>,
        dims: &[u64],
    ) -> Lowered<Live> {
        // Held in the table, a constant keeps its address, which tells it apart from all others.
        let key = (Arc::as_ptr(constant) as usize, dims.to_vec());
        if let Some((_, live)) = self.params.get(&key) {
            return Ok(live.clone());
        }
        let tensor = self.tensor(call, constant, dims)?;
        let name = names::dotted(name);
        let line = Line { name, what: What::Param, dims: dims.to_vec(), weights: vec![("", tensor)] };
        let live = self.push(call, line, false)?;
        self.params.insert(key, (Arc::clone(constant), live.clone()));
        Ok(live)
    }

    /// A constant's elements as a tensor of f32 under some axes.
    pub fn tensor(&mut self, call: &Call<'_>, constant: &Constant, dims: &[u64]) -> Lowered<Arc<Tensor>> {
        if let Some(tensor) = constant.tensor().filter(|_| constant.dims() == dims) {
            return Ok(tensor.clone());
        }
        let made = match constant.tensor() {
            Some(_) => constant.reshaped(dims),
            None => {
                self.room.take((constant.len() as u64).saturating_mul(4))?;
                Constant::floats(dims, constant.to_floats().into_owned())
            }
        };
        let tensor = made.as_ref().and_then(Constant::tensor).cloned();
        tensor.ok_or_else(|| call.invalid(format!("{:?} cannot be seen as {dims:?}", constant.dims())).into())
    }

    /// A constant that must have the shape asked for, as a tensor.
    pub fn weight(
        &mut self,
        call: &Call<'_>,
        what: &str,
        constant: &Constant,
        dims: &[u64],
    ) -> Lowered<Arc<Tensor>> {
        if constant.dims() != dims {
            let found = constant.dims();
            return Err(call.invalid(format!("{what} has the shape {found:?} instead of {dims:?}")).into());
        }
        self.tensor(call, constant, dims)
    }

    /// The constant, or the error that there is none.
    pub fn made(&mut self, call: &Call<'_>, constant: Option<Constant>) -> Lowered<Arc<Constant>> {
        match constant {
            Some(constant) => {
                self.room.take(constant.bytes())?;
                Ok(Arc::new(constant))
            }
            None => Err(call.invalid("its constant has no shape that fits").into()),
        }
    }

    /// An input of a node as a value of the draft; a constant becomes a `param`.
    pub fn live(&mut self, call: &Call<'_>, index: usize) -> Lowered<Live> {
        match call.must(index)? {
            Value::Live(x) => Ok(x.clone()),
            Value::Known(constant) => {
                let name = call.node.inputs.get(index).cloned().unwrap_or_default();
                self.param(call, &name, constant, constant.dims())
            }
        }
    }

    /// A value seen under other axes of the draft.
    pub fn reshape(&mut self, call: &Call<'_>, x: &Live, dims: &[u64]) -> Lowered<Live> {
        let list = dims.iter().map(|&d| i64::try_from(d).unwrap_or(i64::MAX)).collect();
        self.reshape_as(call, x, dims, list)
    }

    /// As [`Builder::reshape`], with the list that is written.
    pub fn reshape_as(&mut self, call: &Call<'_>, x: &Live, dims: &[u64], list: Vec<i64>) -> Lowered<Live> {
        if dims == x.dims {
            return Ok(x.clone());
        }
        if count(dims) != count(&x.dims) {
            return Err(call.invalid(format!("{:?} cannot be seen as {dims:?}", x.dims)).into());
        }
        if dims.len() == 1 && !x.dims.is_empty() {
            return self.layer(call, x, "flatten", Settings::default(), dims.to_vec());
        }
        let settings = Settings::default().with("shape", Setting::List(list));
        self.layer(call, x, "reshape", settings, dims.to_vec())
    }

    /// A value with its axes in another order.
    pub fn permute(&mut self, call: &Call<'_>, x: &Live, perm: &[usize]) -> Lowered<Live> {
        let dims: Vec<u64> = perm.iter().filter_map(|&p| x.dims.get(p).copied()).collect();
        if perm.iter().enumerate().all(|(i, &p)| i == p) {
            return Ok(x.clone());
        }
        let list = perm.iter().map(|&p| p as i64).collect();
        let settings = Settings::default().with("axes", Setting::List(list));
        self.layer(call, x, "permute", settings, dims)
    }
}
