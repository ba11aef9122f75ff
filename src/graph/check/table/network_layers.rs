//! Layers that networks from elsewhere use: further norms and pools, resampling in all modes of ONNX.

use super::Kind::{self, Axis, Factor, Flag, Number, Pair, Region, Whole, Word};
use super::layers::{CEIL, DILATION, KEY, PAD, PAD_TOTAL, POOL_RULE, SAME_SHAPE, WINDOW, WINDOW_STRIDE};
use super::{Arg, Layer, LayerDef, may, must, with};

/// The constants that keep mean 0 and variance 1 (Klambauer et al., 2017).
pub(in crate::graph::check) const SELU: [f64; 2] = [1.673_263_242_354_377_2, 1.050_700_987_355_480_5];

const EPS: Arg = with("eps", Number, "1e-5", "added to the variance");
const AFFINE: Arg = with("affine", Flag, "true", "whether a factor and a summand follow, which are weights");
const P: Arg = with("p", Whole(1), "2", "the exponent");
const MODES: Kind = Word(&["nearest", "linear", "cubic"]);
const COORDINATES: Kind = Word(&[
    "half_pixel",
    "half_pixel_symmetric",
    "pytorch_half_pixel",
    "tf_half_pixel_for_nn",
    "asymmetric",
    "align_corners",
    "tf_crop_and_resize",
]);
const ROUNDINGS: Kind = Word(&["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]);

pub(super) const LPPOOL: LayerDef = LayerDef {
    name: "lppool",
    layer: Layer::LpPool,
    args: &[WINDOW, P, WINDOW_STRIDE, PAD, PAD_TOTAL, DILATION, CEIL],
    positional: 1,
    doc: "The norm `(Σ |x|^p)^(1/p)` of each window; padding counts as 0.",
    rule: POOL_RULE,
    example: "input x [6, 28, 28]\nlppool(kernel=2, p=3) -> [6, 14, 14]",
};

pub(super) const GLOBAL_LPPOOL: LayerDef = LayerDef {
    name: "global_lppool",
    layer: Layer::GlobalLpPool,
    args: &[P],
    positional: 0,
    doc: "The norm `(Σ |x|^p)^(1/p)` of each channel.",
    rule: "`[C, H, W]` to `[C, 1, 1]`",
    example: "input x [512, 7, 7]\nglobal_lppool -> [512, 1, 1]",
};

pub(super) const INSTANCE_NORM: LayerDef = LayerDef {
    name: "instance_norm",
    layer: Layer::InstanceNorm,
    args: &[EPS, AFFINE, KEY],
    positional: 0,
    doc: "`(x − mean) / sqrt(variance + eps) · weight + bias` with mean and variance of each channel of the value itself. Weights, each `[C]`: `.weight` (or `.scale`), `.bias` (or `.shift`).",
    rule: SAME_SHAPE,
    example: "input x [64, 56, 56]\nnorm1 = instance_norm",
};

pub(super) const GROUP_NORM: LayerDef = LayerDef {
    name: "group_norm",
    layer: Layer::GroupNorm,
    args: &[must("groups", Whole(1), "how many groups of consecutive channels"), EPS, AFFINE, KEY],
    positional: 1,
    doc: "As `instance_norm`, with mean and variance of each group of channels together.",
    rule: SAME_SHAPE,
    example: "input x [64, 56, 56]\nnorm1 = group_norm(8)",
};

pub(super) const LAYER_NORM: LayerDef = LayerDef {
    name: "layer_norm",
    layer: Layer::AxesNorm,
    args: &[
        with("axes", Whole(1), "1", "how many of the last axes are taken together"),
        EPS,
        AFFINE,
        with("bias", Flag, "true", "whether the summand is among the weights"),
        KEY,
    ],
    positional: 0,
    doc: "`(x − mean) / sqrt(variance + eps) · weight + bias` with mean and variance over the last axes together. Weights, of the shape of those axes: `.weight` (or `.scale`), `.bias` (or `.shift`).",
    rule: SAME_SHAPE,
    example: "input x [49, 96]\nnorm1 = layer_norm(eps=1e-6)",
};

pub(super) const LRN: LayerDef = LayerDef {
    name: "lrn",
    layer: Layer::Lrn,
    args: &[
        must("size", Whole(1), "channels of a window"),
        with("alpha", Number, "0.0001", "factor of the mean square"),
        with("beta", Number, "0.75", "the exponent"),
        with("k", Number, "1", "added to the mean square"),
    ],
    positional: 1,
    doc: "Local response normalisation: `x / (k + alpha/size · Σ x²)^beta`, the sum over the `size` channels around each one that exist.",
    rule: SAME_SHAPE,
    example: "input x [96, 27, 27]\nlrn(5)",
};

pub(super) const LOG_SOFTMAX: LayerDef = LayerDef {
    name: "log_softmax",
    layer: Layer::LogSoftmax,
    args: &[may("axis", Axis, "the axis of the softmax; that of the channels where not given")],
    positional: 0,
    doc: "The logarithm of `softmax`: `x − max − ln Σ exp(x − max)` along an axis.",
    rule: SAME_SHAPE,
    example: "input x [10]\nlog_softmax",
};

pub(super) const SELU_LAYER: LayerDef = LayerDef {
    name: "selu",
    layer: Layer::Selu,
    args: &[
        with("alpha", Number, "1.6732632423543772", "the limit for x → −∞ is −alpha·gamma"),
        with("gamma", Number, "1.0507009873554805", "factor of the whole"),
    ],
    positional: 0,
    doc: "`gamma · elu(x)`; the defaults are the self-normalising constants.",
    rule: SAME_SHAPE,
    example: "input x [3, 8, 8]\nselu",
};

pub(super) const HARDSIGMOID: LayerDef = LayerDef {
    name: "hardsigmoid",
    layer: Layer::HardSigmoid,
    args: &[with("alpha", Number, "1/6", "slope"), with("beta", Number, "0.5", "the value at 0")],
    positional: 0,
    doc: "`min(max(alpha·x + beta, 0), 1)`",
    rule: SAME_SHAPE,
    example: "input x [3, 8, 8]\nhardsigmoid(alpha=0.2)",
};

pub(super) const THRESHOLDED_RELU: LayerDef = LayerDef {
    name: "thresholded_relu",
    layer: Layer::ThresholdedRelu,
    args: &[with("alpha", Number, "1", "the threshold")],
    positional: 1,
    doc: "`x` where `x > alpha`, else 0.",
    rule: SAME_SHAPE,
    example: "input x [3, 8, 8]\nthresholded_relu(0.5)",
};

pub(super) const RESIZE: LayerDef = LayerDef {
    name: "resize",
    layer: Layer::Resize,
    args: &[
        may("scale", Factor, "factor of the sides; this, `size` or both must be given"),
        may(
            "size",
            Pair(1),
            "height and width of the output; `scale` is then only the factor in coordinates",
        ),
        with("mode", MODES, "nearest", "how elements around a position are combined"),
        with("coordinates", COORDINATES, "half_pixel", "how an output position becomes one of the input"),
        with(
            "nearest",
            ROUNDINGS,
            "round_prefer_floor",
            "how a position is rounded to an element (`mode=nearest`)",
        ),
        with("cubic_a", Number, "-0.75", "parameter of the kernel (`mode=cubic`)"),
        with(
            "exclude_outside",
            Flag,
            "false",
            "leave out what lies outside of the input instead of repeating its edge",
        ),
        with("antialias", Flag, "false", "stretch the kernel where a side shrinks (`linear` and `cubic`)"),
        may(
            "roi",
            Region,
            "`((y0, y1), (x0, x1))`, the part of the input that is taken, as shares of its sides; with `coordinates=tf_crop_and_resize`",
        ),
        with(
            "extrapolation",
            Number,
            "0",
            "what positions outside of the input get; with `coordinates=tf_crop_and_resize`",
        ),
    ],
    positional: 0,
    doc: "Resampling of the last two axes with every mode of ONNX's `Resize`, under its names.",
    rule: "`out = floor(n·scale)` along each side, `floor(n·(end − start)·scale)` with a `roi`, or `size`",
    example: "input x [16, 20, 30]\nresize(scale=2, mode=linear, coordinates=align_corners) -> [16, 40, 60]",
};
