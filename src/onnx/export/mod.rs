//! A checked graph as an ONNX model, so that other programs show and run it.
//!
//! The operators are those of opset [`OPSET`]. What it has no word for is composed of what it has; the few
//! things that cannot be said are an error by name. A free batch axis is the symbol `N` in front.

mod contraction;
mod elementwise;
mod movement;
mod norm;
mod pool;
mod resample;
mod writer;

use prost::Message;

use super::proto::{
    Dimension, GraphProto, ModelProto, OperatorSetId, TensorShapeProto, TensorTypeProto, TypeProto,
    ValueInfoProto,
};
use crate::graph::{Graph, Node, Op, Type, Value};
use crate::tensor::{Raw, Tensor};
use writer::Writer;

/// The version of the operators: the oldest with `wrap` paddings and `Gelu`.
pub const OPSET: i64 = 20;

/// The format's version that goes with it.
const IR_VERSION: i64 = 9;

/// What a protobuf message can hold.
const MOST_BYTES: usize = i32::MAX as usize;

/// Why a graph cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// ONNX has no operator for it.
    #[error("`{name}` cannot be written: {why}")]
    Unsupported {
        /// The node.
        name: String,
        /// What is missing.
        why: String,
    },
    /// The parameters are not those of the graph.
    #[error("the graph has {expected} parameters, {given} were given")]
    Params {
        /// What the graph has.
        expected: usize,
        /// What was given.
        given: usize,
    },
    /// Beyond what the format can hold.
    #[error("the model takes {bytes} bytes; an ONNX file holds at most 2 GiB")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// An inconsistency of ours.
    #[error("the graph contradicts itself: {0}")]
    Bug(&'static str),
}

/// Writes a graph with the values of its parameters, which are in the order of [`Graph::params`].
///
/// # Errors
/// [`ExportError`]
pub fn export(graph: &Graph, params: &[Tensor]) -> Result<Vec<u8>, ExportError> {
    if params.len() != graph.params.len() {
        return Err(ExportError::Params { expected: graph.params.len(), given: params.len() });
    }
    let mut writer = Writer::new(graph);
    let mut inputs = Vec::new();
    for (value, node) in graph.values() {
        match node.op {
            Op::Input(i) => {
                let input = graph.inputs.get(i as usize).ok_or(ExportError::Bug("an input is missing"))?;
                let name = writer.claim(value, &input.name);
                inputs.push(value_info(name, &node.ty));
            }
            Op::Param(i) => {
                let i = i as usize;
                let (param, tensor) = graph
                    .params
                    .get(i)
                    .zip(params.get(i))
                    .ok_or(ExportError::Bug("a parameter is missing"))?;
                let name = writer.claim(value, &param.key);
                writer.initializer(name, &param.dims, tensor.raw());
            }
            Op::Const(i) => {
                let constant =
                    graph.consts.get(i as usize).ok_or(ExportError::Bug("a constant is missing"))?;
                let name = writer.claim(value, &node.name);
                writer.initializer(name, &constant.dims, Raw::Numbers(&constant.data));
            }
            _ => node_of(&mut writer, value, node)?,
        }
    }
    let mut outputs = Vec::new();
    for output in &graph.outputs {
        let from = writer.name(output.value)?;
        let name = output.name.clone();
        if name != from {
            writer.node("Identity", vec![from], name.clone());
        }
        outputs.push(value_info(name, graph.ty(output.value)));
    }
    let (node, initializer) = writer.finish();
    let proto = GraphProto {
        node,
        name: Some(graph.name.clone()),
        initializer,
        input: inputs,
        output: outputs,
        value_info: Vec::new(),
    };
    let model = ModelProto {
        ir_version: Some(IR_VERSION),
        producer_name: Some("convc".to_owned()),
        producer_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        graph: Some(proto),
        opset_import: vec![OperatorSetId { domain: Some(String::new()), version: Some(OPSET) }],
        functions: Vec::new(),
    };
    let bytes = model.encoded_len();
    if bytes > MOST_BYTES {
        return Err(ExportError::TooLarge { bytes });
    }
    Ok(model.encode_to_vec())
}

/// The nodes that compute one node of the graph.
fn node_of(writer: &mut Writer<'_>, value: Value, node: &Node) -> Result<(), ExportError> {
    match &node.op {
        Op::Input(_) | Op::Const(_) | Op::Param(_) => Err(ExportError::Bug("a leaf is no node")),
        Op::Conv(conv) => contraction::conv(writer, value, node, conv),
        Op::Filter(window, border) => contraction::filter(writer, value, node, window, *border),
        Op::ConvTranspose(conv) => contraction::conv_transpose(writer, value, node, conv),
        Op::Linear => contraction::linear(writer, value, node),
        Op::MatMul => contraction::matmul(writer, value, node),
        Op::Pool(pool) => pool::pool(writer, value, node, pool),
        Op::Reduce(kind, axes) => movement::reduce(writer, value, node, *kind, axes),
        Op::BatchNorm { eps } => norm::batchnorm(writer, value, node, *eps),
        Op::GroupNorm { groups, eps } => norm::group_norm(writer, value, node, *groups, *eps),
        Op::LayerNorm { axes, eps } => norm::layer_norm(writer, value, node, *axes, *eps),
        Op::Lrn { size, alpha, beta, k } => norm::lrn(writer, value, node, *size, [*alpha, *beta, *k]),
        Op::Unary(op) => elementwise::unary(writer, value, node, *op),
        Op::Binary(op) => elementwise::binary(writer, value, node, *op),
        Op::Prelu => elementwise::prelu(writer, value, node),
        Op::Softmax { axis } => movement::along(writer, value, node, "Softmax", *axis),
        Op::LogSoftmax { axis } => movement::along(writer, value, node, "LogSoftmax", *axis),
        Op::Concat { axis } => movement::along(writer, value, node, "Concat", *axis),
        Op::Slice { start, step } => movement::slice(writer, value, node, start, step),
        Op::Pad { before, after, mode } => movement::pad(writer, value, node, [before, after], *mode),
        Op::Resize(resize) => resample::resize(writer, value, node, resize),
        Op::PixelShuffle { factor } => movement::pixel_shuffle(writer, value, node, *factor),
        Op::Reshape => movement::reshape(writer, value, node),
        Op::Expand => movement::expand(writer, value, node),
        Op::WeightGrad(_) | Op::MaxPoolGrad(_) => Err(ExportError::Unsupported {
            name: node.name.clone(),
            why: "ONNX has no operator for the gradient of a layer".to_owned(),
        }),
        Op::Transpose { perm } => movement::transpose(writer, value, node, perm),
    }
}

fn value_info(name: String, ty: &Type) -> ValueInfoProto {
    let batch = ty.batched.then(|| Dimension { dim_value: None, dim_param: Some("N".to_owned()) });
    let dims = ty.dims.iter().map(|&d| Dimension { dim_value: Some(d as i64), dim_param: None });
    let shape = TensorShapeProto { dim: batch.into_iter().chain(dims).collect() };
    let tensor = TensorTypeProto { elem_type: Some(writer::FLOAT), shape: Some(shape) };
    ValueInfoProto { name: Some(name), r#type: Some(TypeProto { tensor_type: Some(tensor) }) }
}

#[cfg(test)]
mod tests;
