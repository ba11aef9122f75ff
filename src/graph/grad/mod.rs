//! Reverse mode: a graph, and what its outputs' gradients mean for its values, as one graph. One page.
//!
//! [`with_samples`] makes the batch an axis like any other, for gradients of weights are sums over samples.
//! [`backward`] then appends nodes: for every value that matters the sum of what each of its readers hands
//! back. What it appends are operations of [`super::Op`], so gradients are printed, verified, planned,
//! compiled and evaluated by what there is for any graph.
//!
//! Invariants:
//! - a graph that is differentiated has no batched value, no window with another border than zeros
//!   ([`plain_borders`]) and no operation that [`super::passes::expand`] replaces;
//! - a gradient has the axes of its value, or 1 in their place where it is the same along them.
//!
//! Where a function has a kink, the gradient is that of PyTorch 2.15: 0 for relu, abs and clamp at their corners, the slope
//! of leaky relu at 0, the first of equal maxima of a window, an equal share for equal maxima of a reduction,
//! half for each of two equal operands. The table is in `docs/training.md`.

mod border;
mod build;
mod conv;
mod elementwise;
mod matrix;
mod movement;
mod pool;
mod reduce;
mod statistics;
mod vjp;
mod whole;

pub use border::plain_borders;
pub use build::Builder;
pub use statistics::{Running, with_batch_statistics};
pub use vjp::with_gradients;
pub use whole::with_samples;

use super::{Node, Op, Value};

/// Why there is no gradient.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GradError {
    /// A layer whose gradient nobody has written.
    #[error("`{name}` has no gradient: {why}")]
    None {
        /// The layer.
        name: String,
        /// What about it.
        why: &'static str,
    },
    /// A batchnorm whose batch has no variance.
    #[error(
        "`{name}` is normalised by the variance of its batch, which has one value for each channel: it takes more samples"
    )]
    OneValue {
        /// The layer.
        name: String,
    },
    /// A value is too large, or an inconsistency of ours.
    #[error("the gradient of `{name}` cannot be made: {message}")]
    Shape {
        /// The layer.
        name: String,
        /// What is wrong.
        message: String,
    },
}

/// What a rule is given: a node, its value, and the gradient of that.
struct Site<'n> {
    node: &'n Node,
    /// The node's value.
    y: Value,
    /// The gradient of `y`, perhaps with axes of length 1.
    dy: Value,
    /// Which arguments' gradients are wanted.
    wanted: &'n [bool],
}

impl Site<'_> {
    /// An argument.
    fn arg(&self, i: usize) -> Result<Value, GradError> {
        let none =
            || GradError::Shape { name: self.node.name.clone(), message: format!("it has no argument {i}") };
        self.node.args.get(i).copied().ok_or_else(none)
    }

    /// Whether the gradient of an argument is wanted.
    fn wants(&self, i: usize) -> bool {
        self.wanted.get(i).copied().unwrap_or(false)
    }

    /// The gradient of `y` with all of its axes.
    fn full(&self, b: &mut Builder) -> Result<Value, GradError> {
        let dims = self.node.ty.dims.clone();
        b.expand(self.dy, &dims)
    }

    fn none(&self, why: &'static str) -> GradError {
        GradError::None { name: self.node.name.clone(), why }
    }
}

/// The gradients of arguments, in their order; none where it is not wanted.
type Handed = Vec<Option<Value>>;

/// Appends the gradients of `wrt` to the graph, given those of some values (`seeds`: value and gradient).
///
/// The sum over all seeds of the inner product of value and gradient is what is differentiated. A value
/// of `wrt` that no seed depends on has none.
///
/// # Errors
/// If a layer in between has no gradient.
pub fn backward(
    b: &mut Builder,
    seeds: &[(Value, Value)],
    wrt: &[Value],
) -> Result<Vec<Option<Value>>, GradError> {
    let count = b.graph.nodes.len();
    let mut matters = vec![false; count];
    for value in wrt {
        matters[value.index()] = true;
    }
    for i in 0..count {
        matters[i] |= b.graph.nodes[i].args.iter().any(|a| matters[a.index()]);
    }
    let mut gradients: Vec<Option<Value>> = vec![None; count];
    for &(value, gradient) in seeds {
        accumulate(b, &mut gradients, value, gradient)?;
    }
    for i in (0..count).rev() {
        let node = b.graph.nodes[i].clone();
        let wanted: Vec<bool> = node.args.iter().map(|a| matters[a.index()]).collect();
        let (Some(dy), true) = (gradients[i], wanted.contains(&true)) else { continue };
        b.at(&node.name, node.span);
        let handed = rule(b, &Site { node: &node, y: Value(i as u32), dy, wanted: &wanted })?;
        for ((&arg, wanted), gradient) in node.args.iter().zip(&wanted).zip(handed) {
            if let (true, Some(gradient)) = (*wanted, gradient) {
                accumulate(b, &mut gradients, arg, gradient)?;
            }
        }
    }
    wrt.iter()
        .map(|&value| {
            let dims = b.dims(value);
            gradients[value.index()].map(|g| b.expand(g, &dims)).transpose()
        })
        .collect()
}

fn accumulate(
    b: &mut Builder,
    gradients: &mut [Option<Value>],
    value: Value,
    gradient: Value,
) -> Result<(), GradError> {
    let slot = &mut gradients[value.index()];
    *slot = Some(match *slot {
        Some(before) => b.add(before, gradient)?,
        None => gradient,
    });
    Ok(())
}

/// The rule of each operation.
fn rule(b: &mut Builder, site: &Site<'_>) -> Result<Handed, GradError> {
    match &site.node.op {
        Op::Input(_) | Op::Const(_) | Op::Param(_) => Ok(Vec::new()),
        Op::Conv(op) => conv::conv(b, site, op),
        Op::Filter(window, _) => conv::filter(b, site, *window),
        Op::ConvTranspose(op) => conv::conv_transpose(b, site, op),
        Op::Pool(op) => pool::pool(b, site, op),
        Op::Reduce(kind, axes) => reduce::reduce(b, site, *kind, axes),
        Op::Softmax { axis } => reduce::softmax(b, site, *axis),
        Op::LogSoftmax { axis } => reduce::log_softmax(b, site, *axis),
        Op::BatchNorm { eps } => reduce::batch_norm(b, site, *eps),
        Op::Linear => matrix::linear(b, site),
        Op::MatMul => matrix::matmul(b, site),
        Op::Unary(op) => elementwise::unary(b, site, *op),
        Op::Binary(op) => elementwise::binary(b, site, *op),
        Op::Prelu => elementwise::prelu(b, site),
        Op::Concat { axis } => movement::concat(b, site, *axis),
        Op::Slice { start, step } => movement::slice(b, site, start, step),
        Op::Pad { before, after, mode } => movement::pad(b, site, before, after, *mode),
        Op::Resize(op) => movement::resize(b, site, op),
        Op::PixelShuffle { factor } => movement::pixel_shuffle(b, site, *factor),
        Op::Reshape => movement::reshape(b, site),
        Op::Transpose { perm } => movement::transpose(b, site, perm),
        Op::Expand => {
            let dims = b.dims(site.arg(0)?);
            let dy = site.full(b)?;
            Ok(vec![Some(b.collapse(dy, &dims)?)])
        }
        Op::GroupNorm { .. } | Op::LayerNorm { .. } | Op::Lrn { .. } => {
            Err(site.none("it is a norm that was to be expanded first"))
        }
        Op::WeightGrad(_) | Op::MaxPoolGrad(_) => Err(site.none("it is a gradient itself")),
    }
}
