//! The graph as text, one line a node:
//! `%3 = conv 3x3 stride 2 pad 1 (%1, conv1.weight, conv1.bias) : [64, 112, 112]  # conv1`.
//!
//! Constants and parameters are written where they are used, and listed below with their axes; only
//! computed values have lines. What is at its default is left out.

use std::fmt::{self, Display, Formatter, Write as _};

use super::{
    BinaryOp, Border, Const, Coordinates, Graph, Nearest, Node, Op, PadMode, Pads, PoolKind, ReduceKind,
    ResizeMode, UnaryOp, Value, Window,
};

/// Elements of a constant that are written out.
const SHOWN: usize = 9;

/// Writes a graph as text, which ends with a newline.
pub fn print(graph: &Graph) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write_graph(graph, &mut out);
    out
}

fn write_graph(graph: &Graph, out: &mut String) -> fmt::Result {
    writeln!(out, "graph {}", escaped(&graph.name))?;
    if let Some(file) = &graph.weights {
        writeln!(out, "weights {:?}", file.path)?;
    }
    if let Some(file) = &graph.labels {
        writeln!(out, "labels {:?}", file.path)?;
    }
    for (value, node) in graph.values() {
        match node.op {
            Op::Const(_) | Op::Param(_) => {}
            _ => writeln!(out, "{}", Line { graph, value, node })?,
        }
    }
    for output in &graph.outputs {
        writeln!(out, "output {} = %{}", escaped(&output.name), output.value.0)?;
    }
    for param in &graph.params {
        writeln!(out, "param {} {:?}", escaped(&param.key), param.dims)?;
    }
    for (value, node) in graph.values() {
        if let Op::Const(index) = node.op
            && let Some(constant) = graph.consts.get(index as usize)
            && !constant.dims.is_empty()
        {
            writeln!(out, "const %{} {:?} = {}", value.0, constant.dims, Elements(&constant.data))?;
        }
    }
    Ok(())
}

/// Names come from files too (an importer's): control characters are escaped.
fn escaped(name: &str) -> String {
    if name.chars().any(char::is_control) { name.escape_debug().to_string() } else { name.to_owned() }
}

/// One node's line.
struct Line<'a> {
    graph: &'a Graph,
    value: Value,
    node: &'a Node,
}

impl Display for Line<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "%{} = {}", self.value.0, Operation(&self.node.op))?;
        if let Op::Input(index) = self.node.op {
            if let Some(input) = self.graph.inputs.get(index as usize) {
                write!(f, " {}", escaped(&input.name))?;
                if let Some(file) = &input.file {
                    write!(f, " = {:?}", file.path)?;
                }
            }
            return write!(f, " : {}{}", if self.node.ty.batched { "N x " } else { "" }, self.node.ty);
        }
        f.write_str(" (")?;
        for (i, &arg) in self.node.args.iter().enumerate() {
            let sep = if i == 0 { "" } else { ", " };
            write!(f, "{sep}{}", Argument { graph: self.graph, value: arg })?;
        }
        write!(f, ") : {}  # {}", self.node.ty, escaped(&self.node.name))
    }
}

/// A value where it is used: a parameter by its key, a number by itself, else its number.
struct Argument<'a> {
    graph: &'a Graph,
    value: Value,
}

impl Display for Argument<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let op = self.graph.nodes.get(self.value.index()).map(|n| &n.op);
        match op {
            Some(Op::Param(i)) => match self.graph.params.get(*i as usize) {
                Some(param) => f.write_str(&escaped(&param.key)),
                None => write!(f, "param {i}"),
            },
            Some(Op::Const(i)) => match self.graph.consts.get(*i as usize) {
                Some(Const { dims, data }) if dims.is_empty() => write!(f, "{}", Elements(data)),
                _ => write!(f, "%{}", self.value.0),
            },
            _ => write!(f, "%{}", self.value.0),
        }
    }
}

struct Elements<'a>(&'a [f32]);

impl Display for Elements<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (i, v) in self.0.iter().take(SHOWN).enumerate() {
            write!(f, "{}{v}", if i == 0 { "" } else { " " })?;
        }
        if self.0.len() > SHOWN { f.write_str(" …") } else { Ok(()) }
    }
}

/// An operation with its settings, without its arguments: `conv 3x3 stride 2 pad 1`.
pub struct Operation<'a>(pub &'a Op);

impl Display for Operation<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(op_name(self.0))?;
        match self.0 {
            Op::Conv(conv) => {
                write!(f, "{}{}", WindowText(&conv.window), border(conv.border))?;
                groups(f, conv.groups)
            }
            Op::Filter(window, b) => write!(f, "{}{}", WindowText(window), border(*b)),
            Op::ConvTranspose(conv) => {
                write!(f, "{}", WindowText(&conv.window))?;
                if conv.output_pad != [0, 0] {
                    write!(f, " output_pad {}", Pair(conv.output_pad))?;
                }
                groups(f, conv.groups)
            }
            Op::WeightGrad(conv) => {
                write!(f, "{}", WindowText(&conv.window))?;
                groups(f, conv.groups)
            }
            Op::MaxPoolGrad(window) => write!(f, "{}", WindowText(window)),
            Op::Pool(pool) => {
                write!(f, "{}", WindowText(&pool.window))?;
                match pool.kind {
                    PoolKind::Average { count_include_pad: false } if pool.window.pad != Pads::default() => {
                        f.write_str(" without padding")
                    }
                    PoolKind::Lp { p } => write!(f, " p {p}"),
                    _ => Ok(()),
                }
            }
            Op::Reduce(_, axes) => write!(f, " axes {axes:?}"),
            Op::BatchNorm { eps } => write!(f, " eps {eps:?}"),
            Op::Unary(op) => unary_settings(f, op),
            Op::Softmax { axis } | Op::LogSoftmax { axis } | Op::Concat { axis } => write!(f, " axis {axis}"),
            Op::Slice { start, step } => {
                write!(f, " from {start:?}")?;
                if step.iter().any(|s| *s != 1) { write!(f, " step {step:?}") } else { Ok(()) }
            }
            Op::GroupNorm { groups, eps } => write!(f, " groups {groups} eps {eps:?}"),
            Op::LayerNorm { axes, eps } => write!(f, " axes {axes} eps {eps:?}"),
            Op::Lrn { size, alpha, beta, k } => {
                write!(f, " size {size} alpha {alpha:?} beta {beta:?} k {k:?}")
            }
            Op::Pad { before, after, mode } => {
                write!(f, " before {before:?} after {after:?}")?;
                match mode {
                    PadMode::Constant(v) => write!(f, " with {v}"),
                    PadMode::Replicate => f.write_str(" replicate"),
                    PadMode::Reflect => f.write_str(" reflect"),
                    PadMode::Wrap => f.write_str(" wrap"),
                }
            }
            Op::Resize(resize) => {
                let mode = match resize.mode {
                    ResizeMode::Nearest(Nearest::Floor) => "nearest".to_owned(),
                    ResizeMode::Nearest(Nearest::Ceil) => "nearest ceil".to_owned(),
                    ResizeMode::Nearest(Nearest::RoundPreferFloor) => "nearest round_prefer_floor".to_owned(),
                    ResizeMode::Nearest(Nearest::RoundPreferCeil) => "nearest round_prefer_ceil".to_owned(),
                    ResizeMode::Linear => "bilinear".to_owned(),
                    ResizeMode::Cubic { a } => format!("cubic a {a}"),
                };
                let coordinates = match resize.coordinates {
                    Coordinates::HalfPixel => "half_pixel",
                    Coordinates::HalfPixelSymmetric => "half_pixel_symmetric",
                    Coordinates::PytorchHalfPixel => "pytorch_half_pixel",
                    Coordinates::TfHalfPixelForNn => "tf_half_pixel_for_nn",
                    Coordinates::Asymmetric => "asymmetric",
                    Coordinates::AlignCorners => "align_corners",
                    Coordinates::TfCropAndResize { .. } => "tf_crop_and_resize",
                };
                write!(f, " {mode} {coordinates} scale {:?}x{:?}", resize.scale[0], resize.scale[1])?;
                if let Coordinates::TfCropAndResize { roi, extrapolation } = resize.coordinates {
                    write!(f, " roi {roi:?} outside {extrapolation}")?;
                }
                if resize.exclude_outside {
                    f.write_str(" exclude_outside")?;
                }
                if resize.antialias {
                    f.write_str(" antialias")?;
                }
                if resize.adjoint { f.write_str(" adjoint") } else { Ok(()) }
            }
            Op::PixelShuffle { factor } => write!(f, " {factor}"),
            Op::Transpose { perm } => write!(f, " {perm:?}"),
            Op::Input(_)
            | Op::Const(_)
            | Op::Param(_)
            | Op::Linear
            | Op::MatMul
            | Op::Binary(_)
            | Op::Prelu
            | Op::Expand
            | Op::Reshape => Ok(()),
        }
    }
}

/// An operation's name: that of the layer or function of the language, where it has one.
pub fn op_name(op: &Op) -> &'static str {
    match op {
        Op::Input(_) => "input",
        Op::Const(_) => "const",
        Op::Param(_) => "param",
        Op::Conv(_) => "conv",
        Op::Filter(..) => "filter",
        Op::ConvTranspose(_) => "conv_transpose",
        Op::Pool(pool) => match pool.kind {
            PoolKind::Max => "maxpool",
            PoolKind::Average { .. } => "avgpool",
            PoolKind::Lp { .. } => "lppool",
        },
        Op::Reduce(ReduceKind::Sum, _) => "reduce_sum",
        Op::Reduce(ReduceKind::Mean, _) => "reduce_mean",
        Op::Reduce(ReduceKind::Max, _) => "reduce_max",
        Op::Linear => "linear",
        Op::BatchNorm { .. } => "batchnorm",
        Op::Unary(op) => unary_name(op),
        Op::Binary(op) => match op {
            BinaryOp::Add => "add",
            BinaryOp::Sub => "sub",
            BinaryOp::Mul => "mul",
            BinaryOp::Div => "div",
            BinaryOp::Pow => "pow",
            BinaryOp::Min => "min",
            BinaryOp::Max => "max",
        },
        Op::Prelu => "prelu",
        Op::Softmax { .. } => "softmax",
        Op::LogSoftmax { .. } => "log_softmax",
        Op::GroupNorm { .. } => "group_norm",
        Op::LayerNorm { .. } => "layer_norm",
        Op::Lrn { .. } => "lrn",
        Op::MatMul => "matmul",
        Op::Concat { .. } => "concat",
        Op::Slice { .. } => "slice",
        Op::Pad { .. } => "pad",
        Op::Resize(_) => "resize",
        Op::PixelShuffle { .. } => "pixel_shuffle",
        Op::Reshape => "reshape",
        Op::Expand => "expand",
        Op::WeightGrad(_) => "weight_grad",
        Op::MaxPoolGrad(_) => "maxpool_grad",
        Op::Transpose { .. } => "permute",
    }
}

fn unary_name(op: &UnaryOp) -> &'static str {
    match op {
        UnaryOp::Neg => "neg",
        UnaryOp::Abs => "abs",
        UnaryOp::Sign => "sign",
        UnaryOp::Sqrt => "sqrt",
        UnaryOp::Exp => "exp",
        UnaryOp::Log => "log",
        UnaryOp::Reciprocal => "reciprocal",
        UnaryOp::Erf => "erf",
        UnaryOp::Relu => "relu",
        UnaryOp::Clamp { .. } => "clamp",
        UnaryOp::LeakyRelu { .. } => "leaky_relu",
        UnaryOp::Elu { .. } => "elu",
        UnaryOp::Selu { .. } => "selu",
        UnaryOp::Celu { .. } => "celu",
        UnaryOp::Gelu => "gelu",
        UnaryOp::GeluTanh => "gelu_tanh",
        UnaryOp::Silu => "silu",
        UnaryOp::Sigmoid => "sigmoid",
        UnaryOp::Tanh => "tanh",
        UnaryOp::Softplus => "softplus",
        UnaryOp::Softsign => "softsign",
        UnaryOp::Mish => "mish",
        UnaryOp::HardSigmoid { .. } => "hardsigmoid",
        UnaryOp::HardSwish => "hardswish",
        UnaryOp::ThresholdedRelu { .. } => "thresholded_relu",
    }
}

fn unary_settings(f: &mut Formatter<'_>, op: &UnaryOp) -> fmt::Result {
    match op {
        UnaryOp::Clamp { lo, hi } => write!(f, " {lo} {hi}"),
        UnaryOp::LeakyRelu { slope } => write!(f, " {slope}"),
        UnaryOp::Elu { alpha } | UnaryOp::Celu { alpha } | UnaryOp::ThresholdedRelu { alpha } => {
            write!(f, " {alpha}")
        }
        UnaryOp::Selu { alpha, gamma } => write!(f, " {alpha} {gamma}"),
        UnaryOp::HardSigmoid { alpha, beta } => write!(f, " {alpha} {beta}"),
        UnaryOp::Neg
        | UnaryOp::Abs
        | UnaryOp::Sign
        | UnaryOp::Sqrt
        | UnaryOp::Exp
        | UnaryOp::Log
        | UnaryOp::Reciprocal
        | UnaryOp::Erf
        | UnaryOp::Relu
        | UnaryOp::Gelu
        | UnaryOp::GeluTanh
        | UnaryOp::Silu
        | UnaryOp::Sigmoid
        | UnaryOp::Tanh
        | UnaryOp::Softplus
        | UnaryOp::Softsign
        | UnaryOp::Mish
        | UnaryOp::HardSwish => Ok(()),
    }
}

fn border(border: Border) -> &'static str {
    match border {
        Border::Zero => "",
        Border::Replicate => " replicate",
        Border::Reflect => " reflect",
        Border::Wrap => " wrap",
    }
}

fn groups(f: &mut Formatter<'_>, groups: u64) -> fmt::Result {
    if groups == 1 { Ok(()) } else { write!(f, " groups {groups}") }
}

/// `2`, or `2x3` where the two differ.
struct Pair([u64; 2]);

impl Display for Pair {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let [h, w] = self.0;
        if h == w { write!(f, "{h}") } else { write!(f, "{h}x{w}") }
    }
}

/// ` 3x3 stride 2 pad 1 dilation 2`
struct WindowText<'a>(&'a Window);

impl Display for WindowText<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Window { kernel: [kh, kw], stride, dilation, pad } = *self.0;
        write!(f, " {kh}x{kw}")?;
        if stride != [1, 1] {
            write!(f, " stride {}", Pair(stride))?;
        }
        let Pads { top, bottom, left, right } = pad;
        if pad == Pads::default() {
        } else if top == bottom && left == right {
            write!(f, " pad {}", Pair([top, left]))?;
        } else {
            write!(f, " pad {top}+{bottom}x{left}+{right}")?;
        }
        if dilation != [1, 1] {
            write!(f, " dilation {}", Pair(dilation))?;
        }
        Ok(())
    }
}
