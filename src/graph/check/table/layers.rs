//! The layers.

use super::Kind::{
    self, Axis, Bias, Factor, Flag, Number, Numbers, Pad, Pair, Taps2, Taps4, Text, Whole, Word,
};
use super::{Arg, Layer, LayerDef, may, movement, must, network_layers as network, with};
use crate::graph::UnaryOp;

const BORDERS: Kind = Word(&["zero", "replicate", "reflect", "wrap"]);

const STRIDE: Arg = with("stride", Pair(1), "1", "step of the window");
pub(super) const DILATION: Arg = with("dilation", Pair(1), "1", "step between taps");
pub(super) const PAD: Arg = with("pad", Pad, "0", "elements assumed on each side");
pub(super) const PAD_TOTAL: Arg = may(
    "pad_total",
    Pair(0),
    "the textbook's total padding p: ceil(p/2) on top and left, floor(p/2) at the bottom and right",
);
pub(super) const WINDOW: Arg = must("kernel", Pair(1), "size of the window");
pub(super) const WINDOW_STRIDE: Arg =
    may("stride", Pair(1), "step of the window; the kernel's size where not given");
const GROUPS: Arg = with("groups", Whole(1), "1", "groups of channels that do not see each other");
const IN: Arg = may("in", Whole(1), "channels of the input; inferred, and checked where given");
pub(super) const KEY: Arg =
    may("key", Text, "prefix of its tensors in the weight file, where that is not its name");
pub(super) const BORDER: Arg = with("border", BORDERS, "zero", "what lies around the input");
const FLIP: Arg =
    with("flip", Flag, "false", "turn the taps around: true convolution instead of cross-correlation");
pub(super) const CEIL: Arg = with("ceil_mode", Flag, "false", "round the output's size up");

const WINDOW_RULE: &str = "`out = floor((n + p − k_eff)/s) + 1` along each side, with `k_eff = (k − 1)·d + 1` and p the padding of both sides";
pub(super) const POOL_RULE: &str = "`out = floor((n + p − k_eff)/s) + 1` along each side; with `ceil_mode`, `ceil` instead, less one if the last window would start past the input";
pub(super) const SAME_SHAPE: &str = "the shape stays as it is";

/// An activation without settings.
const fn plain(name: &'static str, op: UnaryOp, doc: &'static str, example: &'static str) -> LayerDef {
    LayerDef { name, layer: Layer::Plain(op), args: &[], positional: 0, doc, rule: SAME_SHAPE, example }
}

/// Every layer, in the order of the reference.
pub(in crate::graph::check) const LAYERS: &[LayerDef] = &[
    LayerDef {
        name: "conv",
        layer: Layer::Conv,
        args: &[
            may(
                "kernel",
                Pair(1),
                "size of the kernel, whose taps are weights; this or `weight` must be given",
            ),
            may("out", Whole(1), "channels of the output; must be given with `kernel`"),
            IN,
            STRIDE,
            PAD,
            PAD_TOTAL,
            DILATION,
            GROUPS,
            may(
                "bias",
                Bias,
                "whether a bias is added, or the bias itself; true with `kernel`, false with `weight`",
            ),
            BORDER,
            may("weight", Taps4, "taps in the text instead of weights"),
            FLIP,
            KEY,
        ],
        positional: 0,
        doc: "Convolution over all channels (a cross-correlation, as in all deep learning). Weights: `.weight` `[out, in/groups, kh, kw]`, `.bias` `[out]`.",
        rule: WINDOW_RULE,
        example: "input x [3, 32, 32]\nconv1 = conv(kernel=3, stride=2, pad=1, out=16) -> [16, 16, 16]",
    },
    LayerDef {
        name: "filter",
        layer: Layer::Filter,
        args: &[
            must("taps", Taps2, "the kernel: a literal, a named kernel or a built-in"),
            STRIDE,
            PAD,
            PAD_TOTAL,
            DILATION,
            BORDER,
            FLIP,
        ],
        positional: 1,
        doc: "One 2-D kernel applied to each channel by itself; no weights, no bias.",
        rule: WINDOW_RULE,
        example: "input photo [3, 8, 8]\nfilter(gaussian(5, sigma=1.2), pad=same, border=replicate) -> [3, 8, 8]",
    },
    LayerDef {
        name: "conv_transpose",
        layer: Layer::ConvTranspose,
        args: &[
            must("kernel", Pair(1), "size of the kernel"),
            must("out", Whole(1), "channels of the output"),
            IN,
            STRIDE,
            with(
                "pad",
                Pad,
                "0",
                "elements cut off each side of the output; `same_lower` and `same_upper` make the output n·s, or `output_shape`, and say where the larger half is cut",
            ),
            with("output_pad", Pair(0), "0", "elements added at the bottom and on the right of the output"),
            may(
                "output_shape",
                Pair(1),
                "height and width of the output, from which the padding follows: the larger half before, with `pad=same_upper` after",
            ),
            DILATION,
            GROUPS,
            with("bias", Flag, "true", "whether a bias is added"),
            KEY,
        ],
        positional: 0,
        doc: "Transposed convolution, the adjoint of `conv`. Weights: `.weight` `[in, out/groups, kh, kw]`, `.bias` `[out]`.",
        rule: "`out = (n − 1)·s − p + k_eff + output_pad` along each side, `0 ≤ output_pad < max(s, d)`",
        example: "input x [8, 16, 16]\nup = conv_transpose(kernel=4, stride=2, pad=1, out=3) -> [3, 32, 32]",
    },
    LayerDef {
        name: "maxpool",
        layer: Layer::MaxPool,
        args: &[WINDOW, WINDOW_STRIDE, PAD, PAD_TOTAL, DILATION, CEIL],
        positional: 1,
        doc: "The maximum of each window. Padding is ignored; NaN stays NaN.",
        rule: POOL_RULE,
        example: "input x [64, 112, 112]\nmaxpool(kernel=3, stride=2, pad=1) -> [64, 56, 56]",
    },
    LayerDef {
        name: "avgpool",
        layer: Layer::AvgPool,
        args: &[
            WINDOW,
            WINDOW_STRIDE,
            PAD,
            PAD_TOTAL,
            DILATION,
            CEIL,
            with("count_include_pad", Flag, "true", "whether padding counts in the divisor"),
        ],
        positional: 1,
        doc: "The mean of each window, clipped to the padded input.",
        rule: POOL_RULE,
        example: "input x [6, 28, 28]\navgpool(kernel=2, stride=2) -> [6, 14, 14]",
    },
    LayerDef {
        name: "global_avgpool",
        layer: Layer::GlobalAvgPool,
        args: &[],
        positional: 0,
        doc: "The mean of each channel.",
        rule: "`[C, H, W]` to `[C, 1, 1]`",
        example: "input x [512, 7, 7]\nglobal_avgpool -> [512, 1, 1]",
    },
    LayerDef {
        name: "global_maxpool",
        layer: Layer::GlobalMaxPool,
        args: &[],
        positional: 0,
        doc: "The maximum of each channel.",
        rule: "`[C, H, W]` to `[C, 1, 1]`",
        example: "input x [512, 7, 7]\nglobal_maxpool -> [512, 1, 1]",
    },
    network::LPPOOL,
    network::GLOBAL_LPPOOL,
    LayerDef {
        name: "linear",
        layer: Layer::Linear,
        args: &[
            must("out", Whole(1), "values of the output"),
            may("in", Whole(1), "values of the input; inferred, and checked where given"),
            with("bias", Flag, "true", "whether a bias is added"),
            KEY,
        ],
        positional: 0,
        doc: "A fully connected layer on the last axis. A value of several rows or columns is flattened first (`flatten`). Weights: `.weight` `[out, in]`, `.bias` `[out]`.",
        rule: "`[…, in]` to `[…, out]`; `[C, 1, 1]` counts as `[C]`",
        example: "input x [16, 5, 5]\nflatten\nfc1 = linear(out=120) -> [120]",
    },
    LayerDef {
        name: "flatten",
        layer: Layer::Flatten,
        args: &[],
        positional: 0,
        doc: "All axes of a sample as one, in row-major order.",
        rule: "`[C, H, W]` to `[C·H·W]`",
        example: "input x [16, 5, 5]\nflatten -> [400]",
    },
    LayerDef {
        name: "batchnorm",
        layer: Layer::BatchNorm,
        args: &[
            with("eps", Number, "1e-5", "added to the variance"),
            with(
                "training",
                Flag,
                "false",
                "take mean and variance of the value itself, over all axes but that of the channels; it must be a `tensor`",
            ),
            KEY,
        ],
        positional: 0,
        doc: "`(x − running_mean) / sqrt(running_var + eps) · weight + bias` for each channel. Weights, each `[C]`: `.weight` (or `.scale`), `.bias` (or `.shift`), `.running_mean` (or `.mean`), `.running_var` (or `.var`).",
        rule: SAME_SHAPE,
        example: "input x [64, 56, 56]\nbn1 = batchnorm",
    },
    network::INSTANCE_NORM,
    network::GROUP_NORM,
    network::LAYER_NORM,
    network::LRN,
    LayerDef {
        name: "normalize",
        layer: Layer::Normalize,
        args: &[must("mean", Numbers, "subtracted"), must("std", Numbers, "divided by; not 0")],
        positional: 0,
        doc: "`(x − mean) / std` for each channel.",
        rule: SAME_SHAPE,
        example: "input photo [3, 224, 224]\nnormalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])",
    },
    plain("relu", UnaryOp::Relu, "`max(0, x)`; NaN stays NaN.", "input x [3, 8, 8]\nrelu"),
    plain("relu6", UnaryOp::Clamp { lo: 0.0, hi: 6.0 }, "`min(max(x, 0), 6)`", "input x [3, 8, 8]\nrelu6"),
    LayerDef {
        name: "leaky_relu",
        layer: Layer::LeakyRelu,
        args: &[with("slope", Number, "0.01", "factor of negative x")],
        positional: 1,
        doc: "`x` where `x ≥ 0`, else `slope · x`.",
        rule: SAME_SHAPE,
        example: "input x [3, 8, 8]\nleaky_relu(slope=0.1)",
    },
    LayerDef {
        name: "prelu",
        layer: Layer::Prelu,
        args: &[with("per_channel", Flag, "false", "one slope for each channel instead of one for all"), KEY],
        positional: 0,
        doc: "`x` where `x ≥ 0`, else `slope · x` with the slope a weight: `.weight` (or `.slope`), `[1]` or `[C]`.",
        rule: SAME_SHAPE,
        example: "input x [16, 8, 8]\nact = prelu(per_channel=true)",
    },
    LayerDef {
        name: "elu",
        layer: Layer::Elu,
        args: &[with("alpha", Number, "1", "the limit for x → −∞ is −alpha")],
        positional: 1,
        doc: "`x` where `x > 0`, else `alpha · (eˣ − 1)`.",
        rule: SAME_SHAPE,
        example: "input x [3, 8, 8]\nelu(alpha=0.5)",
    },
    network::SELU_LAYER,
    LayerDef {
        name: "celu",
        layer: Layer::Celu,
        args: &[with("alpha", Number, "1", "the limit for x → −∞ is −alpha")],
        positional: 1,
        doc: "`max(0, x) + min(0, alpha · (e^(x/alpha) − 1))`",
        rule: SAME_SHAPE,
        example: "input x [3, 8, 8]\ncelu(alpha=2)",
    },
    LayerDef {
        name: "gelu",
        layer: Layer::Gelu,
        args: &[with("approximate", Word(&["none", "tanh"]), "none", "`tanh`: the approximation by tanh")],
        positional: 0,
        doc: "`x · Φ(x)`, Φ the normal distribution.",
        rule: SAME_SHAPE,
        example: "input x [3, 8, 8]\ngelu(approximate=tanh)",
    },
    plain("silu", UnaryOp::Silu, "`x · sigmoid(x)`", "input x [3, 8, 8]\nsilu"),
    plain("sigmoid", UnaryOp::Sigmoid, "`1 / (1 + e⁻ˣ)`", "input x [3, 8, 8]\nsigmoid"),
    plain("tanh", UnaryOp::Tanh, "`tanh x`", "input x [3, 8, 8]\ntanh"),
    network::HARDSIGMOID,
    plain("hardswish", UnaryOp::HardSwish, "`x · hardsigmoid(x)`", "input x [3, 8, 8]\nhardswish"),
    plain("softplus", UnaryOp::Softplus, "`ln(1 + eˣ)`", "input x [3, 8, 8]\nsoftplus"),
    plain("softsign", UnaryOp::Softsign, "`x / (1 + |x|)`", "input x [3, 8, 8]\nsoftsign"),
    plain("mish", UnaryOp::Mish, "`x · tanh(softplus(x))`", "input x [3, 8, 8]\nmish"),
    network::THRESHOLDED_RELU,
    LayerDef {
        name: "softmax",
        layer: Layer::Softmax,
        args: &[may("axis", Axis, "the axis whose values sum to 1; that of the channels where not given")],
        positional: 0,
        doc: "`exp(x − max) / Σ exp(x − max)` along an axis.",
        rule: SAME_SHAPE,
        example: "input x [10]\nsoftmax",
    },
    network::LOG_SOFTMAX,
    LayerDef {
        name: "clamp",
        layer: Layer::Clamp,
        args: &[
            may("min", Number, "lower bound; none where not given"),
            may("max", Number, "upper bound; none where not given"),
        ],
        positional: 2,
        doc: "`min(max(x, min), max)`; NaN stays NaN.",
        rule: SAME_SHAPE,
        example: "input x [3, 8, 8]\nclamp(0, 1)",
    },
    LayerDef {
        name: "upsample",
        layer: Layer::Upsample,
        args: &[
            may("scale", Factor, "factor of the sides; this or `size` must be given"),
            may("size", Pair(1), "height and width of the output"),
            with(
                "mode",
                Word(&["nearest", "bilinear", "bicubic"]),
                "nearest",
                "how elements around a position are combined",
            ),
            with(
                "align_corners",
                Flag,
                "false",
                "map the corners' centres onto each other (`bilinear` and `bicubic`)",
            ),
        ],
        positional: 0,
        doc: "Resampling. `nearest` takes the element at `floor(o/scale)`; `bilinear` and `bicubic` use half-pixel centres, as PyTorch does.",
        rule: "`out = floor(n·scale)` along each side, or `size`",
        example: "input x [16, 20, 30]\nupsample(scale=2, mode=bilinear) -> [16, 40, 60]",
    },
    network::RESIZE,
    LayerDef {
        name: "pixel_shuffle",
        layer: Layer::PixelShuffle,
        args: &[must("factor", Whole(1), "the upscaling factor r")],
        positional: 1,
        doc: "Channel `c·r² + i·r + j` becomes row phase i and column phase j of channel c.",
        rule: "`[C·r², H, W]` to `[C, H·r, W·r]`",
        example: "input x [48, 20, 30]\npixel_shuffle(4) -> [3, 80, 120]",
    },
    movement::PAD,
    LayerDef {
        name: "crop",
        layer: Layer::Crop,
        args: &[
            may("all", Pair(0), "rows and columns cut off each side"),
            with("top", Whole(0), "0", "rows cut off above"),
            with("bottom", Whole(0), "0", "rows cut off below"),
            with("left", Whole(0), "0", "columns cut off on the left"),
            with("right", Whole(0), "0", "columns cut off on the right"),
        ],
        positional: 1,
        doc: "Cuts rows and columns off each channel.",
        rule: "`out = n − before − after` along each side, at least 1",
        example: "input x [3, 8, 8]\ncrop(top=1, left=2) -> [3, 7, 6]",
    },
    movement::RESHAPE,
    movement::PERMUTE,
    movement::SLICE,
    movement::REDUCE_SUM,
    movement::REDUCE_MEAN,
    movement::REDUCE_MAX,
    movement::REDUCE_MIN,
    movement::DEPTH_TO_SPACE,
    movement::SPACE_TO_DEPTH,
];
