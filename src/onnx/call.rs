//! A node with the values that it is applied to, and its settings by name.

use std::sync::Arc;

use super::draft::Ref;
use super::error::OnnxError;
use super::network::{Attribute, Network, Node};
use super::tensor::Constant;

/// A value while a network is imported.
#[derive(Clone, Debug)]
pub enum Value {
    /// It is known.
    Known(Arc<Constant>),
    /// It depends on an input of the network.
    Live(Live),
}

/// A value that the draft computes.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// Which.
    pub at: Ref,
    /// Whether ONNX's axis 0 is the free batch axis, which `dims` leaves out.
    pub batched: bool,
    /// Its axes in the draft.
    pub dims: Vec<u64>,
}

impl Live {
    /// How many axes it has in ONNX.
    pub fn rank(&self) -> usize {
        self.dims.len() + usize::from(self.batched)
    }
}

/// A node that is being folded or lowered.
pub struct Call<'a> {
    /// The network, to count its nodes for messages.
    pub net: &'a Network,
    /// The node.
    pub node: &'a Node,
    /// What it is applied to; `None` for what is left out.
    pub inputs: Vec<Option<Value>>,
    /// Which of its outputs are used.
    pub wanted: Vec<bool>,
}

impl<'a> Call<'a> {
    /// The version of the operators.
    pub fn opset(&self) -> i64 {
        self.net.opset
    }

    /// The error for a node that breaks the rules.
    pub fn invalid(&self, what: impl Into<String>) -> OnnxError {
        OnnxError::Invalid { node: self.node.label(), what: what.into() }
    }

    /// The error for a node that cannot be expressed.
    pub fn unsupported(&self, what: impl Into<String>) -> OnnxError {
        let others = self.net.others(self.node);
        OnnxError::Unsupported { node: self.node.label(), what: what.into(), others }
    }

    /// A rule's result, with the node in its error.
    pub fn rule<T>(&self, result: Result<T, String>) -> Result<T, OnnxError> {
        result.map_err(|what| self.invalid(what))
    }

    /// Whether an output is used.
    pub fn wants(&self, output: usize) -> bool {
        self.wanted.get(output).copied().unwrap_or(false)
    }

    /// The error where one of the outputs after the first is used.
    pub fn only_first(&self, why: &str) -> Result<(), OnnxError> {
        match (1..self.wanted.len()).find(|&i| self.wants(i)) {
            Some(i) => Err(self.unsupported(format!("its output {i} is used, {why}"))),
            None => Ok(()),
        }
    }

    /// An input, if it is given.
    pub fn input(&self, index: usize) -> Option<&Value> {
        self.inputs.get(index).and_then(Option::as_ref)
    }

    /// An input that must be given.
    pub fn must(&self, index: usize) -> Result<&Value, OnnxError> {
        self.input(index).ok_or_else(|| self.invalid(format!("input {index} is missing")))
    }

    /// An input that must be known where it is given; `what` names it in the error.
    pub fn known(&self, index: usize, what: &str) -> Result<Option<&Arc<Constant>>, OnnxError> {
        match self.input(index) {
            None => Ok(None),
            Some(Value::Known(constant)) => Ok(Some(constant)),
            Some(Value::Live(_)) => {
                let name = self.node.inputs.get(index).map(String::as_str).unwrap_or_default();
                Err(self.unsupported(format!(
                    "{what} ({name:?}) must be known when the network is imported, and depends on an input"
                )))
            }
        }
    }

    /// An input that must be given and known.
    pub fn must_know(&self, index: usize, what: &str) -> Result<&Arc<Constant>, OnnxError> {
        let found = self.known(index, what)?;
        found.ok_or_else(|| self.invalid(format!("{what}, its input {index}, is missing")))
    }

    fn attribute(&self, name: &str) -> Option<&'a Attribute> {
        self.node.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    fn mistyped(&self, name: &str, wanted: &str) -> OnnxError {
        self.invalid(format!("its attribute {name:?} is not {wanted}"))
    }

    /// A whole number, if it is given.
    pub fn int_of(&self, name: &str) -> Result<Option<i64>, OnnxError> {
        match self.attribute(name) {
            None => Ok(None),
            Some(Attribute::Int(v)) => Ok(Some(*v)),
            Some(_) => Err(self.mistyped(name, "a whole number")),
        }
    }

    /// A whole number.
    pub fn int(&self, name: &str, default: i64) -> Result<i64, OnnxError> {
        Ok(self.int_of(name)?.unwrap_or(default))
    }

    /// A whole number that stands for yes or no.
    pub fn flag(&self, name: &str) -> Result<bool, OnnxError> {
        Ok(self.int(name, 0)? != 0)
    }

    /// A number, if it is given.
    pub fn float_of(&self, name: &str) -> Result<Option<f32>, OnnxError> {
        match self.attribute(name) {
            None => Ok(None),
            Some(Attribute::Float(v)) if v.is_finite() => Ok(Some(*v)),
            Some(Attribute::Float(v)) => Err(self.invalid(format!("its attribute {name:?} is {v}"))),
            Some(_) => Err(self.mistyped(name, "a number")),
        }
    }

    /// A number.
    pub fn float(&self, name: &str, default: f32) -> Result<f32, OnnxError> {
        Ok(self.float_of(name)?.unwrap_or(default))
    }

    /// A string.
    pub fn text(&self, name: &str, default: &'static str) -> Result<&'a str, OnnxError> {
        match self.attribute(name) {
            None => Ok(default),
            Some(Attribute::Text(v)) => Ok(v),
            Some(_) => Err(self.mistyped(name, "a string")),
        }
    }

    /// Whole numbers, if they are given.
    pub fn ints(&self, name: &str) -> Result<Option<&'a [i64]>, OnnxError> {
        match self.attribute(name) {
            None => Ok(None),
            Some(Attribute::Ints(v)) => Ok(Some(v)),
            Some(_) => Err(self.mistyped(name, "a list of whole numbers")),
        }
    }

    /// Numbers, if they are given.
    pub fn floats(&self, name: &str) -> Result<Option<&'a [f32]>, OnnxError> {
        match self.attribute(name) {
            None => Ok(None),
            Some(Attribute::Floats(v)) => Ok(Some(v)),
            Some(_) => Err(self.mistyped(name, "a list of numbers")),
        }
    }

    /// A tensor, if it is given.
    pub fn tensor(&self, name: &str) -> Result<Option<&'a Arc<Constant>>, OnnxError> {
        match self.attribute(name) {
            None => Ok(None),
            Some(Attribute::Tensor(v)) => Ok(Some(v)),
            Some(_) => Err(self.mistyped(name, "a tensor of numbers")),
        }
    }

    /// Whole numbers that are an attribute in older versions and an input in newer ones.
    pub fn list(&self, name: &str, index: usize) -> Result<Option<Vec<i64>>, OnnxError> {
        if let Some(list) = self.ints(name)? {
            return Ok(Some(list.to_vec()));
        }
        let Some(constant) = self.known(index, name)? else { return Ok(None) };
        if constant.dims().len() > 1 || constant.integers().is_none() {
            return Err(self.invalid(format!("{name} (input {index}) is not a list of whole numbers")));
        }
        Ok(constant.integers().map(<[i64]>::to_vec))
    }
}
