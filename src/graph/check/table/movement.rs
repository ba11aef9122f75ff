//! The layers that move, cut and sum elements along any axes.

use super::Kind::{Axis, Flag, Int, Ints, Number, Pad, Whole, Word};
use super::layers::BORDER;
use super::{Arg, Layer, LayerDef, Reduction, may, must, with};

pub(super) const PAD: LayerDef = LayerDef {
    name: "pad",
    layer: Layer::Pad,
    args: &[
        may("pad", Pad, "rows and columns added on each side; this, `before` or `after` must be given"),
        may("before", Ints, "elements added before each axis, one number for each; 0 where not given"),
        may("after", Ints, "elements added after each axis, one number for each; 0 where not given"),
        BORDER,
        with("value", Number, "0", "what `border=zero` adds"),
    ],
    positional: 1,
    doc: "Adds rows and columns around each channel, or, with `before` and `after`, elements along any axes.",
    rule: "`out = n + p` along each side, or `out = n + before + after` along each axis",
    example: "input x [3, 8, 8]\npad(((1, 0), (2, 2)), border=reflect) -> [3, 9, 12]\npad(before=[0, 0, 1], after=[5, 0, 0]) -> [8, 9, 13]",
};

pub(super) const RESHAPE: LayerDef = LayerDef {
    name: "reshape",
    layer: Layer::Reshape,
    args: &[must("shape", Ints, "the axes of the result; one may be −1 and follows from the others")],
    positional: 1,
    doc: "The same elements in the same order, the last axis fastest, under other axes.",
    rule: "as given; as many elements as before",
    example: "input x [12, 4]\nreshape([3, 2, -1]) -> [3, 2, 8]",
};

pub(super) const PERMUTE: LayerDef = LayerDef {
    name: "permute",
    layer: Layer::Permute,
    args: &[must("axes", Ints, "each axis once: axis i of the result is axis `axes[i]` of the value")],
    positional: 1,
    doc: "Puts the axes into another order.",
    rule: "`out[i] = n[axes[i]]`",
    example: "input x [3, 20, 30]\npermute([1, 2, 0]) -> [20, 30, 3]",
};

pub(super) const SLICE: LayerDef = LayerDef {
    name: "slice",
    layer: Layer::Slice,
    args: &[
        must("axis", Axis, "the axis that is cut"),
        may(
            "start",
            Int,
            "the first element; where not given the axis' first, with a negative step its last",
        ),
        may("end", Int, "the element before which it ends; where not given it goes to the axis' end"),
        with("step", Int, "1", "from one element to the next; negative for the reverse order"),
    ],
    positional: 0,
    doc: "Elements of an axis, as `[start:end:step]` in Python: negative numbers count from the end, and what lies outside of the axis is left out.",
    rule: "`out = ceil((end − start)/step)` along the axis, at least 1",
    example: "input x [3, 8, 8]\nslice(axis=1, start=-5, end=-1) -> [3, 4, 8]\nslice(axis=0, step=-1) -> [3, 4, 8]",
};

const AXES: Arg = may("axes", Ints, "the axes, from 0 or, from the last, −1; all where not given");
const KEEP: Arg = with("keepdims", Flag, "true", "keep the axes, with length 1");
const REDUCED: &str = "the axes have length 1 or, with `keepdims=false`, are gone";

const fn reduce(name: &'static str, what: Reduction, doc: &'static str, example: &'static str) -> LayerDef {
    let layer = Layer::Reduce(what);
    LayerDef { name, layer, args: &[AXES, KEEP], positional: 0, doc, rule: REDUCED, example }
}

pub(super) const REDUCE_SUM: LayerDef = reduce(
    "reduce_sum",
    Reduction::Sum,
    "The sum along axes.",
    "input x [3, 8, 8]\nreduce_sum(axes=[0]) -> [1, 8, 8]",
);
pub(super) const REDUCE_MEAN: LayerDef = reduce(
    "reduce_mean",
    Reduction::Mean,
    "The mean along axes.",
    "input x [3, 8, 8]\nreduce_mean(axes=[-2, -1], keepdims=false) -> [3]",
);
pub(super) const REDUCE_MAX: LayerDef = reduce(
    "reduce_max",
    Reduction::Max,
    "The largest element along axes; NaN if any is.",
    "input x [3, 8, 8]\nreduce_max(axes=[2]) -> [3, 8, 1]",
);
pub(super) const REDUCE_MIN: LayerDef = reduce(
    "reduce_min",
    Reduction::Min,
    "The smallest element along axes; NaN if any is.",
    "input x [3, 8, 8]\nreduce_min(keepdims=false) -> []",
);

const ORDERS: super::Kind = Word(&["dcr", "crd"]);

pub(super) const DEPTH_TO_SPACE: LayerDef = LayerDef {
    name: "depth_to_space",
    layer: Layer::DepthToSpace,
    args: &[
        must("factor", Whole(1), "the upscaling factor r"),
        with(
            "order",
            ORDERS,
            "dcr",
            "how channels are numbered: `dcr` is `(i·r + j)·C + c`, `crd` is `c·r² + i·r + j`, as in `pixel_shuffle`",
        ),
    ],
    positional: 1,
    doc: "Channels become pixels: the channel numbered by row phase i, column phase j and c goes to these phases of channel c. ONNX's DepthToSpace.",
    rule: "`[C·r², H, W]` to `[C, H·r, W·r]`",
    example: "input x [48, 20, 30]\ndepth_to_space(4) -> [3, 80, 120]",
};

pub(super) const SPACE_TO_DEPTH: LayerDef = LayerDef {
    name: "space_to_depth",
    layer: Layer::SpaceToDepth,
    args: &[
        must("factor", Whole(1), "the downscaling factor r"),
        with("order", ORDERS, "dcr", "how channels are numbered, as in `depth_to_space`"),
    ],
    positional: 1,
    doc: "Pixels become channels: the inverse of `depth_to_space`. ONNX's SpaceToDepth.",
    rule: "`[C, H, W]` to `[C·r², H/r, W/r]`",
    example: "input x [3, 80, 120]\nspace_to_depth(2) -> [12, 40, 60]",
};
