//! A builder of ONNX files, and drafts as text.

use std::sync::Arc;

use convc::diag::Severity;
use convc::graph::check::{CheckOptions, check};
use convc::onnx::draft::{Axis, Draft, Line, Operand, Ref, Setting, What};
use convc::onnx::proto::{
    AttributeProto, Dimension, GraphProto, ModelProto, NodeProto, OperatorSetId, TensorProto,
    TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
};
use convc::onnx::write::{WriteOptions, write};
use convc::onnx::{Bindings, OnnxError};
use convc::source::Source;
use convc::syntax::parse;
use prost::Message;

/// A model being built.
#[derive(Clone)]
pub struct Net(pub ModelProto);

/// An axis of an input: a number, or a symbol.
pub enum Dim {
    N(i64),
    Sym(&'static str),
}

impl From<i64> for Dim {
    fn from(n: i64) -> Self {
        Dim::N(n)
    }
}

impl From<&'static str> for Dim {
    fn from(symbol: &'static str) -> Self {
        Dim::Sym(symbol)
    }
}

/// `dims![“N”, 3, 8]`
#[macro_export]
macro_rules! dims {
    ($($d:expr),* $(,)?) => { vec![$($crate::onnx_import::models::Dim::from($d)),*] };
}

fn info(name: &str, elem_type: i32, dims: Vec<Dim>) -> ValueInfoProto {
    let dim = dims
        .into_iter()
        .map(|d| match d {
            Dim::N(n) => Dimension { dim_value: Some(n), dim_param: None },
            Dim::Sym(s) => Dimension { dim_value: None, dim_param: Some(s.to_owned()) },
        })
        .collect();
    let shape = Some(TensorShapeProto { dim });
    let tensor_type = Some(TensorTypeProto { elem_type: Some(elem_type), shape });
    ValueInfoProto { name: Some(name.to_owned()), r#type: Some(TypeProto { tensor_type }) }
}

/// A tensor of f32 as raw bytes.
pub fn floats(name: &str, dims: &[i64], data: &[f32]) -> TensorProto {
    TensorProto {
        name: Some(name.to_owned()),
        data_type: Some(1),
        dims: dims.to_vec(),
        raw_data: Some(data.iter().flat_map(|v| v.to_le_bytes()).collect()),
        ..TensorProto::default()
    }
}

/// A tensor of i64 as a list.
pub fn ints(name: &str, dims: &[i64], data: &[i64]) -> TensorProto {
    TensorProto {
        name: Some(name.to_owned()),
        data_type: Some(7),
        dims: dims.to_vec(),
        int64_data: data.to_vec(),
        ..TensorProto::default()
    }
}

/// Attributes of a node.
pub fn attr(name: &str) -> AttributeProto {
    AttributeProto { name: Some(name.to_owned()), ..AttributeProto::default() }
}
pub fn int(name: &str, v: i64) -> AttributeProto {
    AttributeProto { i: Some(v), r#type: Some(2), ..attr(name) }
}
pub fn float(name: &str, v: f32) -> AttributeProto {
    AttributeProto { f: Some(v), r#type: Some(1), ..attr(name) }
}
pub fn text(name: &str, v: &str) -> AttributeProto {
    AttributeProto { s: Some(v.into()), r#type: Some(3), ..attr(name) }
}
pub fn list(name: &str, v: &[i64]) -> AttributeProto {
    AttributeProto { ints: v.to_vec(), r#type: Some(7), ..attr(name) }
}
pub fn numbers(name: &str, v: &[f32]) -> AttributeProto {
    AttributeProto { floats: v.to_vec(), r#type: Some(6), ..attr(name) }
}
pub fn tensor(name: &str, t: TensorProto) -> AttributeProto {
    AttributeProto { t: Some(t), r#type: Some(4), ..attr(name) }
}

impl Net {
    /// An empty graph for a version of the operators.
    pub fn new(opset: i64) -> Net {
        let set = OperatorSetId { domain: None, version: Some(opset) };
        let graph = GraphProto { name: Some("net".to_owned()), ..GraphProto::default() };
        Net(ModelProto {
            ir_version: Some(8),
            opset_import: vec![set],
            graph: Some(graph),
            ..ModelProto::default()
        })
    }

    pub fn graph(&mut self) -> &mut GraphProto {
        self.0.graph.as_mut().expect("there is a graph")
    }

    /// An input of f32.
    pub fn input(mut self, name: &str, dims: Vec<Dim>) -> Net {
        self.graph().input.push(info(name, 1, dims));
        self
    }

    /// An input of i64.
    pub fn whole_input(mut self, name: &str, dims: Vec<Dim>) -> Net {
        self.graph().input.push(info(name, 7, dims));
        self
    }

    pub fn output(mut self, name: &str) -> Net {
        self.graph().output.push(info(name, 1, Vec::new()));
        self
    }

    /// An initialiser that counts 0, 1/8, 2/8, …
    pub fn weight(self, name: &str, dims: &[i64]) -> Net {
        let count = dims.iter().product::<i64>();
        let data: Vec<f32> = (0..count).map(|i| i as f32 / 8.0).collect();
        self.init(floats(name, dims, &data))
    }

    pub fn init(mut self, tensor: TensorProto) -> Net {
        self.graph().initializer.push(tensor);
        self
    }

    /// A node without a name.
    pub fn node(self, op: &str, inputs: &[&str], outputs: &[&str], attributes: Vec<AttributeProto>) -> Net {
        self.named("", op, inputs, outputs, attributes)
    }

    pub fn named(
        mut self,
        name: &str,
        op: &str,
        inputs: &[&str],
        outputs: &[&str],
        attributes: Vec<AttributeProto>,
    ) -> Net {
        let strings = |v: &[&str]| v.iter().map(|s| (*s).to_owned()).collect();
        self.graph().node.push(NodeProto {
            input: strings(inputs),
            output: strings(outputs),
            name: Some(name.to_owned()),
            op_type: Some(op.to_owned()),
            attribute: attributes,
            domain: None,
        });
        self
    }

    /// One node from the first input to `y`.
    pub fn only(self, op: &str, inputs: &[&str], attributes: Vec<AttributeProto>) -> Net {
        self.node(op, inputs, &["y"], attributes).output("y")
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.0.encode_to_vec()
    }

    pub fn try_lower(&self, bindings: &Bindings) -> Result<Draft, OnnxError> {
        let draft = convc::onnx::lower(&convc::onnx::read(self.bytes(), None)?, bindings)?;
        if let Err(why) = check_text(&draft) {
            panic!("the language does not take the draft: {why}");
        }
        Ok(draft)
    }

    pub fn lower(&self) -> Draft {
        self.try_lower(&Bindings::default()).expect("it can be imported")
    }

    /// The error of importing it.
    pub fn fails(&self) -> String {
        match self.try_lower(&Bindings::default()) {
            Ok(draft) => panic!("it was imported:\n{}", show(&draft)),
            Err(error) => error.to_string(),
        }
    }

    /// Its draft as text, one line after the other.
    pub fn shows(&self) -> String {
        show(&self.lower())
    }
}

/// Checks that a draft is a text, which the language takes, with the draft's shapes.
///
/// A model of the language takes and computes something; drafts that do not are passed over.
pub fn check_text(draft: &Draft) -> Result<(), String> {
    if draft.inputs.is_empty() || draft.lines.iter().all(|l| l.what == What::Param) {
        return Ok(());
    }
    let text = write(draft, &WriteOptions::default()).text;
    let source = Source::new("draft.conv", text.as_str());
    let (file, _) = parse(&source);
    let open = draft.inputs.iter().flat_map(|i| &i.axes).filter_map(|axis| match axis {
        Axis::Open(symbol, n) => Some((symbol.clone(), *n)),
        Axis::Fixed(_) => None,
    });
    let options = CheckOptions { sizes: open.collect(), weights_given: true, ..CheckOptions::default() };
    let checked = check(&file, &options);
    let errors: Vec<&str> = checked
        .diagnostics
        .iter()
        .filter(|d| d.severity == Severity::Error)
        .map(|d| d.message.as_str())
        .collect();
    let Some(graph) = checked.graph else { return Err(format!("{errors:?}\n{text}")) };
    for ((name, value), output) in draft.outputs.iter().zip(&graph.outputs) {
        let (want, found) = (draft.dims(*value), &graph.ty(output.value).dims);
        if want.as_ref() != Some(found) {
            return Err(format!("{name} has the shape {found:?} instead of {want:?}\n{text}"));
        }
    }
    Ok(())
}

fn pick(value: Ref) -> String {
    match value {
        Ref::Input(i) => format!("x{i}"),
        Ref::Line(i) => format!("%{i}"),
    }
}

fn operand(o: &Operand) -> String {
    match o {
        Operand::Value(v) => pick(*v),
        Operand::Number(n) => n.to_string(),
    }
}

fn setting((name, setting): &(&'static str, Setting)) -> String {
    match setting {
        Setting::Whole(v) => format!("{name}={v}"),
        Setting::Pair([a, b]) if a == b => format!("{name}={a}"),
        Setting::Pair([a, b]) => format!("{name}=({a}, {b})"),
        Setting::Sides([[t, b], [l, r]]) => format!("{name}=(({t}, {b}), ({l}, {r}))"),
        Setting::Number(v) => format!("{name}={v}"),
        Setting::Numbers([a, b]) => format!("{name}=({a}, {b})"),
        Setting::Spans([[a, b], [c, d]]) => format!("{name}=(({a}, {b}), ({c}, {d}))"),
        Setting::List(v) => format!("{name}={v:?}"),
        Setting::Word(v) => format!("{name}={v}"),
    }
}

fn line(line: &Line) -> String {
    let (mut parts, head) = match &line.what {
        What::Layer { x, layer, settings } => {
            (settings.iter().map(setting).collect(), format!("{} |> {layer}", pick(*x)))
        }
        What::Function { function, operands, settings } => {
            let mut all: Vec<String> = operands.iter().map(operand).collect();
            all.extend(settings.iter().map(setting));
            (all, (*function).to_owned())
        }
        What::Operator(sign, a, b) => (Vec::new(), format!("{} {sign} {}", operand(a), operand(b))),
        What::Param => (Vec::new(), "param".to_owned()),
    };
    let args = if parts.is_empty() { String::new() } else { format!("({})", parts.join(", ")) };
    parts.clear();
    let weights: Vec<String> =
        line.weights.iter().map(|(suffix, t)| format!(" {suffix}{:?}", t.shape())).collect();
    format!("{head}{args} -> {:?}{}", line.dims, weights.concat())
}

/// A draft without names.
pub fn show(draft: &Draft) -> String {
    draft.lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The weights of a draft's only line, by suffix.
pub fn weights(draft: &Draft) -> Vec<(&'static str, Arc<convc::Tensor>)> {
    draft.lines.last().expect("it has a line").weights.clone()
}
