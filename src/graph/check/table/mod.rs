//! The layers, functions and built-in kernels of the language, in one table.
//!
//! It drives how arguments are checked, what "did you mean" offers, and the reference
//! (`docs/layers.md`), which is printed from it by [`reference`].

mod functions;
mod layers;
mod movement;
mod network_layers;
mod reference;

pub use reference::reference;

pub(super) use functions::FUNCTIONS;
pub(super) use layers::LAYERS;
pub(super) use network_layers::SELU;

use crate::graph::UnaryOp;

/// What a setting takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    /// A whole number of at least so much.
    Whole(u64),
    /// n or `(h, w)`, each at least so much.
    Pair(u64),
    /// n, `(h, w)`, `((top, bottom), (left, right))` or a word.
    Pad,
    /// A number.
    Number,
    /// A number above 0, or `(h, w)` of them.
    Factor,
    /// `true` or `false`.
    Flag,
    /// `true`, `false`, or a list of numbers.
    Bias,
    /// One of these words.
    Word(&'static [&'static str]),
    /// 2-D taps.
    Taps2,
    /// 4-D taps.
    Taps4,
    /// A number, or a list of one for each channel.
    Numbers,
    /// `((y0, y1), (x0, x1))`, numbers.
    Region,
    /// An axis, from 0, or from the last as −1.
    Axis,
    /// A whole number, which may be negative.
    Int,
    /// A list of whole numbers, which may be negative.
    Ints,
    /// A string.
    Text,
}

impl Kind {
    /// For messages and the reference.
    pub fn describe(self) -> String {
        match self {
            Kind::Whole(_) => "a whole number".to_owned(),
            Kind::Pair(_) => "a whole number or a pair `(h, w)`".to_owned(),
            Kind::Pad => {
                "a whole number, a pair `(h, w)`, pairs `((top, bottom), (left, right))` or a word".to_owned()
            }
            Kind::Number => "a number".to_owned(),
            Kind::Factor => "a number or a pair `(h, w)`".to_owned(),
            Kind::Flag => "`true` or `false`".to_owned(),
            Kind::Bias => "`true`, `false` or a list of numbers".to_owned(),
            Kind::Word(words) => {
                let words: Vec<String> = words.iter().map(|w| format!("`{w}`")).collect();
                match words.split_last() {
                    Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
                    _ => words.concat(),
                }
            }
            Kind::Taps2 => "a kernel `[[…], …]`".to_owned(),
            Kind::Taps4 => "a kernel of four axes, `[out, in/groups, kh, kw]`".to_owned(),
            Kind::Numbers => "a number or a list of one for each channel".to_owned(),
            Kind::Region => "pairs of numbers `((y0, y1), (x0, x1))`".to_owned(),
            Kind::Axis => "an axis, counted from 0 or, from the last, −1".to_owned(),
            Kind::Int => "a whole number".to_owned(),
            Kind::Ints => "a list of whole numbers".to_owned(),
            Kind::Text => "a string".to_owned(),
        }
    }

    /// The words that it knows.
    pub fn words(self) -> &'static [&'static str] {
        match self {
            Kind::Word(words) => words,
            Kind::Flag | Kind::Bias => &["true", "false"],
            Kind::Pad => &["same", "same_lower", "same_upper", "valid"],
            _ => &[],
        }
    }
}

/// A setting of a layer or function.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arg {
    pub name: &'static str,
    pub kind: Kind,
    /// What holds where it is not given, as written; `None`: it must be given, or the doc says when.
    pub default: Option<&'static str>,
    pub required: bool,
    pub doc: &'static str,
}

/// A setting that must be given.
pub(super) const fn must(name: &'static str, kind: Kind, doc: &'static str) -> Arg {
    Arg { name, kind, default: None, required: true, doc }
}

/// A setting with a default.
pub(super) const fn with(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Arg {
    Arg { name, kind, default: Some(default), required: false, doc }
}

/// A setting that may be left out; the doc says what then holds.
pub(super) const fn may(name: &'static str, kind: Kind, doc: &'static str) -> Arg {
    Arg { name, kind, default: None, required: false, doc }
}

/// Which layer it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Layer {
    Conv,
    Filter,
    ConvTranspose,
    MaxPool,
    AvgPool,
    GlobalAvgPool,
    GlobalMaxPool,
    Linear,
    Flatten,
    BatchNorm,
    Normalize,
    Prelu,
    Softmax,
    Upsample,
    PixelShuffle,
    Pad,
    Crop,
    Reshape,
    Permute,
    Slice,
    Reduce(Reduction),
    DepthToSpace,
    SpaceToDepth,
    /// An activation without settings.
    Plain(UnaryOp),
    LeakyRelu,
    Elu,
    Celu,
    Gelu,
    Clamp,
    LpPool,
    GlobalLpPool,
    InstanceNorm,
    GroupNorm,
    /// `layer_norm`
    AxesNorm,
    Lrn,
    LogSoftmax,
    Selu,
    HardSigmoid,
    ThresholdedRelu,
    Resize,
}

/// What `reduce_…` computes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Reduction {
    Sum,
    Mean,
    Max,
    Min,
}

/// A layer.
#[derive(Clone, Copy, Debug)]
pub(super) struct LayerDef {
    pub name: &'static str,
    pub layer: Layer,
    pub args: &'static [Arg],
    /// How many of `args`, from the first, may be given without their name.
    pub positional: usize,
    pub doc: &'static str,
    /// The shape rule, for the reference.
    pub rule: &'static str,
    /// Statements of a model, for the reference.
    pub example: &'static str,
}

impl LayerDef {
    /// Whether it can be written without settings.
    pub fn stands_alone(&self) -> bool {
        self.layer != Layer::Conv && !self.args.iter().any(|arg| arg.required)
    }
}

impl LayerDef {
    /// Whether it maps each element by itself and has no weights, so that it may be called in an expression.
    pub fn elementwise(&self) -> bool {
        matches!(
            self.layer,
            Layer::Plain(_)
                | Layer::LeakyRelu
                | Layer::Elu
                | Layer::Celu
                | Layer::Gelu
                | Layer::Clamp
                | Layer::Selu
                | Layer::HardSigmoid
                | Layer::ThresholdedRelu
        )
    }

    /// Whether it has weights, unless its taps are in the text.
    pub fn weighted(&self) -> bool {
        matches!(
            self.layer,
            Layer::Conv
                | Layer::ConvTranspose
                | Layer::Linear
                | Layer::BatchNorm
                | Layer::InstanceNorm
                | Layer::GroupNorm
                | Layer::AxesNorm
                | Layer::Prelu
        )
    }
}

/// Which function it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Sqrt,
    Abs,
    Exp,
    Log,
    Erf,
    Pow,
    Min,
    Max,
    Concat,
    MatMul,
    Gaussian,
    Box,
    SobelX,
    SobelY,
    Laplacian,
    Sharpen,
    Identity,
    Transpose,
    Flip,
}

/// A function of an expression, or one that makes taps.
#[derive(Clone, Copy, Debug)]
pub(super) struct FunctionDef {
    pub name: &'static str,
    pub function: Function,
    /// Settings; operands are not among them.
    pub args: &'static [Arg],
    /// How many operands: values, numbers or kernels.
    pub operands: (usize, usize),
    /// How many of `args` may be given without their name.
    pub positional: usize,
    pub doc: &'static str,
    pub example: &'static str,
}

impl FunctionDef {
    /// Whether it makes taps out of settings alone.
    pub fn makes_taps(&self) -> bool {
        self.operands.1 == 0
    }
}

/// The layer of that name.
pub(super) fn layer(name: &str) -> Option<&'static LayerDef> {
    LAYERS.iter().find(|l| l.name == name)
}

/// The function of that name.
pub(super) fn function(name: &str) -> Option<&'static FunctionDef> {
    FUNCTIONS.iter().find(|f| f.name == name)
}

/// What other programs call a setting, and what it is called here.
pub(super) const OTHER_NAMES: &[(&str, &str)] = &[
    ("padding", "pad"),
    ("pads", "pad"),
    ("kernel_size", "kernel"),
    ("kernel_shape", "kernel"),
    ("size", "kernel"),
    ("k", "kernel"),
    ("ksize", "kernel"),
    ("strides", "stride"),
    ("s", "stride"),
    ("dilations", "dilation"),
    ("dilation_rate", "dilation"),
    ("out_channels", "out"),
    ("out_features", "out"),
    ("filters", "out"),
    ("channels", "out"),
    ("units", "out"),
    ("in_channels", "in"),
    ("in_features", "in"),
    ("group", "groups"),
    ("output_padding", "output_pad"),
    ("padding_mode", "border"),
    ("pad_mode", "border"),
    ("use_bias", "bias"),
    ("negative_slope", "slope"),
    ("alpha", "slope"),
    ("scale_factor", "scale"),
    ("upscale_factor", "factor"),
    ("scale", "factor"),
    ("dim", "axis"),
    ("dim", "axes"),
    ("axis", "axes"),
    ("dims", "axes"),
    ("perm", "axes"),
    ("keepdim", "keepdims"),
    ("starts", "start"),
    ("ends", "end"),
    ("stop", "end"),
    ("steps", "step"),
    ("stride", "step"),
    ("blocksize", "factor"),
    ("block_size", "factor"),
    ("mode", "order"),
    ("epsilon", "eps"),
    ("num_groups", "groups"),
    ("norm_type", "p"),
    ("coordinate_transformation_mode", "coordinates"),
    ("nearest_mode", "nearest"),
    ("cubic_coeff_a", "cubic_a"),
    ("extrapolation_value", "extrapolation"),
    ("training_mode", "training"),
    ("taps", "weight"),
    ("weights", "weight"),
    ("min_val", "min"),
    ("max_val", "max"),
    ("name", "key"),
    ("variance", "std"),
];
