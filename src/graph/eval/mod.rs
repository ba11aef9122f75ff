//! The reference evaluator: what a graph means, in plain loops.
//!
//! It runs the graph exactly as it is. Every value is stored as f32; every sum is accumulated in
//! f64; elementwise functions are computed in f64 and rounded once. Its results are the same bits
//! on every machine. It is the specification that compiled code is compared with, not a fast path.

mod border;
mod conv;
mod elementwise;
mod movement;
mod norm;
mod number;
mod reduce;
mod shape;

use std::borrow::Cow;

use super::verify::verify;
use super::{Graph, Node, Op, Type, Value};
use crate::tensor::{Tensor, TensorView};
use number::{Number, View};

/// Why a graph could not be evaluated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// The model has another number of inputs.
    #[error("the model has {expected} inputs, but {given} were given")]
    InputCount {
        /// How many the model has.
        expected: usize,
        /// How many were given.
        given: usize,
    },
    /// An input has not the shape that the model declares.
    #[error("input `{name}` has the shape {given:?}, but the model declares {expected}{}",
        if *batched { " (with or without a batch axis in front)" } else { "" })]
    InputShape {
        /// The input.
        name: String,
        /// Its axes in the model.
        expected: Type,
        /// Whether a batch axis may stand in front.
        batched: bool,
        /// The shape given.
        given: Vec<usize>,
    },
    /// Two inputs have different numbers of samples, or an input has none.
    #[error("input `{name}` has {given} samples, but {expected} are expected")]
    Batch {
        /// The input.
        name: String,
        /// The samples of the inputs before it, at least 1.
        expected: usize,
        /// Its samples.
        given: usize,
    },
    /// The model has another number of parameters.
    #[error("the model has {expected} parameters, but {given} were given")]
    ParamCount {
        /// How many the model has.
        expected: usize,
        /// How many were given.
        given: usize,
    },
    /// A parameter has not the shape that the model wants.
    #[error("parameter `{key}` has the shape {given:?}, but the model wants {expected:?}")]
    ParamShape {
        /// The parameter.
        key: String,
        /// Its axes in the model.
        expected: Vec<u64>,
        /// The shape given.
        given: Vec<usize>,
    },
    /// There is not enough memory for a value.
    #[error("not enough memory for `{name}`: {bytes} bytes")]
    Memory {
        /// The value.
        name: String,
        /// What it needs; `u64::MAX` where that overflows.
        bytes: u64,
    },
    /// The graph does not keep its invariants: a bug, not a mistake of the model.
    #[error("the graph is not valid at `{name}`: {reason}")]
    Invalid {
        /// The node.
        name: String,
        /// What is wrong.
        reason: String,
    },
}

/// Evaluates the graph's outputs.
///
/// `inputs` are in the order of [`Graph::inputs`]. One that the model declares with a batch has the
/// axes `[N, …dims]`, or `dims` alone, which counts as one sample; all must agree about N. Outputs
/// that depend on such inputs have the axis N exactly if an input has it. `params` are in the order
/// of [`Graph::params`].
///
/// # Errors
/// If inputs or parameters do not fit the graph, or memory does not suffice.
pub fn evaluate(
    graph: &Graph,
    inputs: &[TensorView<'_>],
    params: &[Tensor],
) -> Result<Vec<Tensor>, EvalError> {
    let batch = checked(graph, inputs, params)?;
    let inputs = inputs.iter().map(|x| Cow::Borrowed(x.data())).collect();
    let params = params.iter().map(|p| Cow::Borrowed(p.data())).collect();
    let evaluation = Evaluation::of_outputs(graph, inputs, params, batch)?;
    graph.outputs.iter().map(|o| evaluation.tensor(o.value)).collect()
}

/// As [`evaluate`], every value stored as f64: for differences of values that are close to each other. Inputs
/// and parameters are rows of elements; the graph has no batched value.
///
/// # Errors
/// If the numbers of elements do not fit the graph.
pub fn evaluate_wide(
    graph: &Graph,
    inputs: &[Vec<f64>],
    params: &[Vec<f64>],
) -> Result<Vec<Vec<f64>>, EvalError> {
    verified(graph)?;
    let of_inputs = graph.inputs.iter().map(|i| (&i.name, graph.ty(i.value).elements()));
    let of_params = graph.params.iter().map(|p| (&p.key, p.dims.iter().product()));
    for (list, given) in [(of_inputs.collect::<Vec<_>>(), inputs), (of_params.collect(), params)] {
        if list.len() != given.len() {
            return Err(EvalError::InputCount { expected: list.len(), given: given.len() });
        }
        for ((name, elements), given) in list.into_iter().zip(given) {
            if elements != given.len() as u64 {
                let (expected, given) = (Type::plain([elements]), vec![given.len()]);
                return Err(EvalError::InputShape { name: name.clone(), expected, batched: false, given });
            }
        }
    }
    let borrowed = |list: &'_ [Vec<f64>]| list.iter().map(|v| Cow::Owned(v.clone())).collect();
    let batch = Batch { samples: 1, axis: false };
    let evaluation = Evaluation::of_outputs(graph, borrowed(inputs), borrowed(params), batch)?;
    Ok(graph.outputs.iter().map(|o| evaluation.values[o.value.index()].to_vec()).collect())
}

/// Evaluates every node's value, in the order of [`Graph::nodes`]; otherwise as [`evaluate`].
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_all(
    graph: &Graph,
    inputs: &[TensorView<'_>],
    params: &[Tensor],
) -> Result<Vec<Tensor>, EvalError> {
    let batch = checked(graph, inputs, params)?;
    let inputs = inputs.iter().map(|x| Cow::Borrowed(x.data())).collect();
    let params = params.iter().map(|p| Cow::Borrowed(p.data())).collect();
    let mut evaluation = Evaluation::new(graph, inputs, params, batch);
    for (value, node) in graph.values() {
        evaluation.compute(value, node)?;
    }
    graph.values().map(|(value, _)| evaluation.tensor(value)).collect()
}

/// The samples of the batch.
#[derive(Clone, Copy)]
struct Batch {
    samples: usize,
    /// Whether outputs have the axis.
    axis: bool,
}

/// The values computed so far.
struct Evaluation<'a, T: Clone> {
    graph: &'a Graph,
    inputs: Vec<Cow<'a, [T]>>,
    params: Vec<Cow<'a, [T]>>,
    batch: Batch,
    /// By node; a batched value holds its samples one after the other.
    values: Vec<Cow<'a, [T]>>,
}

/// The graph keeps its invariants: what follows indexes by its numbers without asking again.
fn verified(graph: &Graph) -> Result<(), EvalError> {
    match verify(graph).err().and_then(|problems| problems.into_iter().next()) {
        Some(problem) => Err(EvalError::Invalid { name: problem.place, reason: problem.message }),
        None => Ok(()),
    }
}

/// Inputs and parameters fit the graph; the batch that the inputs agree about.
fn checked(graph: &Graph, inputs: &[TensorView<'_>], params: &[Tensor]) -> Result<Batch, EvalError> {
    verified(graph)?;
    let batch = batch_of(graph, inputs)?;
    if params.len() != graph.params.len() {
        return Err(EvalError::ParamCount { expected: graph.params.len(), given: params.len() });
    }
    for (param, tensor) in graph.params.iter().zip(params) {
        if !same(&param.dims, tensor.shape()) {
            let (key, expected) = (param.key.clone(), param.dims.clone());
            return Err(EvalError::ParamShape { key, expected, given: tensor.shape().to_vec() });
        }
    }
    Ok(batch)
}

impl<'a, T: Number> Evaluation<'a, T> {
    fn new(graph: &'a Graph, inputs: Vec<Cow<'a, [T]>>, params: Vec<Cow<'a, [T]>>, batch: Batch) -> Self {
        let values = vec![Cow::Borrowed(&[][..]); graph.nodes.len()];
        Evaluation { graph, inputs, params, batch, values }
    }

    /// Computes all nodes; values that nothing reads any more are dropped on the way.
    fn of_outputs(
        graph: &'a Graph,
        inputs: Vec<Cow<'a, [T]>>,
        params: Vec<Cow<'a, [T]>>,
        batch: Batch,
    ) -> Result<Self, EvalError> {
        let mut evaluation = Evaluation::new(graph, inputs, params, batch);
        let mut uses = graph.uses();
        for (value, node) in graph.values() {
            evaluation.compute(value, node)?;
            for arg in &node.args {
                let left = &mut uses[arg.index()];
                *left -= 1;
                if *left == 0 {
                    evaluation.values[arg.index()] = Cow::Borrowed(&[]);
                }
            }
        }
        Ok(evaluation)
    }

    fn compute(&mut self, value: Value, node: &Node) -> Result<(), EvalError> {
        let result = match &node.op {
            Op::Input(i) => self.inputs[*i as usize].clone(),
            Op::Const(i) => {
                Cow::Owned(self.graph.consts[*i as usize].data.iter().map(|&v| T::of(v)).collect())
            }
            Op::Param(i) => self.params[*i as usize].clone(),
            _ => Cow::Owned(self.apply(node)?),
        };
        self.values[value.index()] = result;
        Ok(())
    }

    /// Applies a node's operation to each sample.
    fn apply(&self, node: &Node) -> Result<Vec<T>, EvalError> {
        let dims = sizes(&node.ty);
        let len: usize = dims.iter().product();
        let samples = if node.ty.batched { self.batch.samples } else { 1 };
        let mut out = zeros(samples, len).ok_or_else(|| EvalError::Memory {
            name: node.name.clone(),
            bytes: (len as u64).saturating_mul(samples as u64).saturating_mul(4),
        })?;
        let arg_dims: Vec<Vec<usize>> = node.args.iter().map(|&a| sizes(self.graph.ty(a))).collect();
        for (sample, out) in out.chunks_exact_mut(len).enumerate() {
            let mut args = Vec::with_capacity(node.args.len());
            for (&arg, dims) in node.args.iter().zip(&arg_dims) {
                let data = &self.values[arg.index()];
                let arg_len: usize = dims.iter().product();
                let start = if self.graph.ty(arg).batched { sample * arg_len } else { 0 };
                args.push(View::new(dims, &data[start..start + arg_len]));
            }
            apply_op(node, &args, out, &dims)?;
        }
        Ok(out)
    }
}

impl Evaluation<'_, f32> {
    /// A value as a tensor.
    fn tensor(&self, value: Value) -> Result<Tensor, EvalError> {
        let node = self.graph.node(value);
        let mut shape = sizes(&node.ty);
        if node.ty.batched && self.batch.axis {
            shape.insert(0, self.batch.samples);
        }
        Tensor::new(&shape, self.values[value.index()].to_vec()).map_err(|e| invalid(node, e))
    }
}

/// Applies an operation to the arguments of one sample.
fn apply_op<T: Number>(
    node: &Node,
    args: &[View<'_, T>],
    out: &mut [T],
    dims: &[usize],
) -> Result<(), EvalError> {
    match (&node.op, args) {
        (Op::Conv(op), &[x, w]) => conv::conv(op, x, w, None, out, dims),
        (Op::Conv(op), &[x, w, b]) => conv::conv(op, x, w, Some(b), out, dims),
        (Op::Filter(window, border), &[x, taps]) => conv::filter(*window, *border, x, taps, out, dims),
        (Op::ConvTranspose(op), &[x, w]) => conv::conv_transpose(op, x, w, None, out, dims),
        (Op::ConvTranspose(op), &[x, w, b]) => conv::conv_transpose(op, x, w, Some(b), out, dims),
        (Op::Pool(op), &[x]) => reduce::pool(op, x, out, dims),
        (Op::Reduce(kind, axes), &[x]) => reduce::reduce(*kind, axes, x, out, dims),
        (Op::Linear, &[x, w]) => reduce::linear(x, w, None, out),
        (Op::Linear, &[x, w, b]) => reduce::linear(x, w, Some(b), out),
        (Op::MatMul, &[a, b]) => reduce::matmul(a, b, out, dims),
        (Op::BatchNorm { eps }, &[x, scale, shift, mean, variance]) => {
            elementwise::batch_norm(*eps, x, [scale, shift, mean, variance], out);
        }
        (Op::Unary(op), &[x]) => {
            for (out, &x) in out.iter_mut().zip(x.data()) {
                *out = elementwise::unary(*op, x);
            }
        }
        (Op::Binary(op), &[a, b]) => elementwise::binary(*op, a, b, out, dims),
        (Op::Prelu, &[x, slope]) => elementwise::prelu(x, slope, out),
        (Op::Softmax { axis }, &[x]) => reduce::softmax(*axis, x, out),
        (Op::LogSoftmax { axis }, &[x]) => reduce::log_softmax(*axis, x, out),
        (Op::GroupNorm { groups, eps }, [x, affine @ ..]) => norm::group_norm(*groups, *eps, *x, affine, out),
        (Op::LayerNorm { axes, eps }, [x, affine @ ..]) => norm::layer_norm(*axes, *eps, *x, affine, out),
        (&Op::Lrn { size, alpha, beta, k }, &[x]) => {
            norm::lrn(norm::Response { size, alpha, beta, k }, x, out);
        }
        (Op::Concat { axis }, parts) => movement::concat(*axis, parts, out, dims),
        (Op::Slice { start, step }, &[x]) => movement::slice(start, step, x, out, dims),
        (Op::Pad { before, after, mode }, &[x]) => movement::pad(before, after, *mode, x, out),
        (Op::Resize(op), &[x]) => movement::resize(op, x, out, dims),
        (Op::PixelShuffle { factor }, &[x]) => movement::pixel_shuffle(*factor, x, out),
        (Op::Reshape, &[x]) => out.copy_from_slice(x.data()),
        (Op::Expand, &[x]) => movement::expand(x, out, dims),
        (Op::WeightGrad(op), &[x, dy]) => conv::weight_grad(op, x, dy, out, dims),
        (Op::MaxPoolGrad(window), &[x, dy]) => reduce::max_pool_grad(window, x, dy, out),
        (Op::Transpose { perm }, &[x]) => movement::transpose(perm, x, out, dims),
        (op, args) => return Err(invalid(node, format!("{op:?} has {} arguments", args.len()))),
    }
    Ok(())
}

/// The number of samples that the inputs agree about.
fn batch_of(graph: &Graph, inputs: &[TensorView<'_>]) -> Result<Batch, EvalError> {
    if inputs.len() != graph.inputs.len() {
        return Err(EvalError::InputCount { expected: graph.inputs.len(), given: inputs.len() });
    }
    let mut samples = None;
    let mut axis = false;
    for (input, tensor) in graph.inputs.iter().zip(inputs) {
        let ty = graph.ty(input.value);
        let given = match tensor.shape() {
            dims if same(&ty.dims, dims) => 1,
            [n, dims @ ..] if ty.batched && same(&ty.dims, dims) => {
                axis = true;
                *n
            }
            dims => {
                let (name, expected) = (input.name.clone(), ty.clone());
                return Err(EvalError::InputShape {
                    name,
                    expected,
                    batched: ty.batched,
                    given: dims.to_vec(),
                });
            }
        };
        if ty.batched {
            let expected = *samples.get_or_insert(given.max(1));
            if given != expected {
                return Err(EvalError::Batch { name: input.name.clone(), expected, given });
            }
        }
    }
    Ok(Batch { samples: samples.unwrap_or(1), axis })
}

fn invalid(node: &Node, reason: impl ToString) -> EvalError {
    EvalError::Invalid { name: node.name.clone(), reason: reason.to_string() }
}

/// Axes as sizes in memory; a verified graph's fit.
fn sizes(ty: &Type) -> Vec<usize> {
    ty.dims.iter().map(|&d| d as usize).collect()
}

fn same(dims: &[u64], shape: &[usize]) -> bool {
    dims.len() == shape.len() && dims.iter().zip(shape).all(|(&d, &s)| d == s as u64)
}

/// Zeros, or `None` where memory does not suffice.
fn zeros<T: Number>(samples: usize, len: usize) -> Option<Vec<T>> {
    let total = samples.checked_mul(len)?;
    let mut data = Vec::new();
    data.try_reserve_exact(total).ok()?;
    data.resize(total, T::of(0.0));
    Some(data)
}

#[cfg(test)]
mod tests;
