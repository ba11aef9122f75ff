"""Writes tests/data/cases/onnx: those of ONNX's node tests that the language can say.

Run with NumPy: python tests/data/make/onnx_cases.py FOLDER_OF_CASES
"""
import json

import numpy as np
from common import CASES, Cases, call, dims, number, padding, pair

HEAD = """
Node tests of ONNX 1.23.2 (Apache-2.0, https://github.com/onnx/onnx, onnx/backend/test).
Written by tests/data/make/onnx_cases.py, which leaves out what the language has no words for.
"""
FOLDER = CASES / "onnx_cases"
cases = Cases("onnx", HEAD)
resizes = Cases("onnx_resize", HEAD)
networks = Cases("onnx_networks", HEAD)


def load(name):
    case = json.loads((FOLDER / f"test_{name}" / "case.json").read_text())
    array = lambda entry: np.load(FOLDER / f"test_{name}" / entry["file"])
    return case["attributes"], [array(e) for e in case["inputs"]], [array(e) for e in case["outputs"]]


def elementwise(name, text, to=cases):
    """Inputs a, b, … without a batch axis; `text` may use them and the attributes."""
    attributes, inputs, outputs = load(name)
    names = "abc"[:len(inputs)]
    settings = {k: number(v) for k, v in attributes.items() if isinstance(v, float)}
    declared = [f"tensor {n} {dims(x.shape)}" for n, x in zip(names, inputs)]
    to.add(name, declared + [text.format(**settings)], dict(zip(names, inputs)), {"y": outputs[0]})


def layer(name, text, weights=None, decimals=None, to=cases):
    """One batched input x."""
    _, arrays, outputs = load(name)
    to.add(name, [f"input x {dims(arrays[0].shape[1:])}", text], {"x": arrays[0]}, {"y": outputs[0]}, weights,
              before=f"# recorded with {decimals} decimals\n" if decimals else "")


def window(name):
    """The settings of a window."""
    a = load(name)[0]
    pad = None
    if "pads" in a:
        top, left, bottom, right = a["pads"]
        pad = padding(top, bottom, left, right)
    if "auto_pad" in a:
        pad = a["auto_pad"].lower()
    one = lambda key: pair(a[key]) if key in a else None
    return dict(stride=one("strides"), pad=pad, dilation=one("dilations"))


for op, sign in dict(add="+", sub="-", mul="*", div="/").items():
    for form in ("", "_bcast", "_example"):
        if (FOLDER / f"test_{op}{form}").exists():
            elementwise(op + form, f"a {sign} b")
elementwise("sum_example", "a + b + c")
elementwise("sum_two_inputs", "a + b")

for name, text in {
    "relu": "relu(a)", "leakyrelu": "leaky_relu(a, slope={alpha})", "leakyrelu_default": "leaky_relu(a)",
    "leakyrelu_example": "leaky_relu(a, slope={alpha})", "elu": "elu(a, alpha={alpha})", "elu_default": "elu(a)",
    "elu_example": "elu(a, alpha={alpha})", "selu_default": "selu(a)", "celu": "celu(a, alpha={alpha})",
    "gelu_default_1": "gelu(a)", "gelu_default_2": "gelu(a)", "gelu_tanh_1": "gelu(a, approximate=tanh)",
    "gelu_tanh_2": "gelu(a, approximate=tanh)", "sigmoid": "sigmoid(a)", "sigmoid_example": "sigmoid(a)",
    "tanh": "tanh(a)", "tanh_example": "tanh(a)", "softplus": "softplus(a)", "softplus_example": "softplus(a)",
    "mish": "mish(a)", "hardswish": "hardswish(a)", "swish": "silu(a)",
    "hardsigmoid": "min(max(a * {alpha} + {beta}, 0), 1)", "hardsigmoid_default": "min(max(a * 0.2 + 0.5, 0), 1)",
    "hardsigmoid_example": "clamp(a * {alpha} + {beta}, min=0, max=1)",
    "prelu_broadcast": "max(a, 0) + b * min(a, 0)", "prelu_example": "max(a, 0) + b * min(a, 0)",
    "softmax_axis_0": "a |> softmax(axis=0)", "softmax_axis_1": "a |> softmax(axis=1)",
    "softmax_axis_2": "a |> softmax(axis=2)", "softmax_default_axis": "a |> softmax(axis=2)",
    "softmax_negative_axis": "a |> softmax(axis=2)", "softmax_example": "a |> softmax(axis=1)",
    "softmax_large_number": "a |> softmax(axis=1)",
}.items():
    elementwise(name, text)

for name in ("clip", "clip_example", "clip_inbounds", "clip_outbounds", "clip_splitbounds"):
    _, (x, lo, hi), (y,) = load(name)
    cases.add(name, [f"tensor a {dims(x.shape)}", f"a |> clamp(min={number(lo)}, max={number(hi)})"], {"a": x}, {"y": y})
for name, bound in (("clip_default_min", "min"), ("clip_default_max", "max")):
    _, arrays, (y,) = load(name)
    limit = [v for v in arrays[1:] if v.ndim == 0][0]
    cases.add(name, [f"tensor a {dims(arrays[0].shape)}", f"a |> clamp({bound}={number(limit)})"], {"a": arrays[0]}, {"y": y})
_, (x, lo, hi), (y,) = load("clip_min_greater_than_max")
cases.add("clip_min_greater_than_max", [f"tensor a {dims(x.shape)}", f"min(max(a, {number(lo)}), {number(hi)})"],
          {"a": x}, {"y": y})

for form in ("1d_axis_0", "1d_axis_negative_1", "2d_axis_0", "2d_axis_1", "2d_axis_negative_1", "2d_axis_negative_2",
             "3d_axis_0", "3d_axis_1", "3d_axis_2", "3d_axis_negative_1", "3d_axis_negative_2", "3d_axis_negative_3"):
    attributes, inputs, _ = load(f"concat_{form}")
    axis = attributes["axis"] % inputs[0].ndim
    elementwise(f"concat_{form}", f"concat(a, b, axis={axis})")

for path in sorted(FOLDER.iterdir()):
    name = path.name[5:]
    if name.startswith(("averagepool", "maxpool")) and name != "averagepool_2d_dilations":
        a = load(name)[0]
        average = name.startswith("average")
        settings = window(name)
        settings["stride"] = settings["stride"] or "1"
        include = average and not a.get("count_include_pad")
        # ONNX wrote this one's output by hand, with four decimals.
        decimals = 4 if name == "averagepool_2d_ceil_last_window_starts_on_pad" else None
        layer(name, call("avgpool" if average else "maxpool", kernel=pair(a["kernel_shape"]), **settings,
                         ceil_mode="true" if a.get("ceil_mode") else None,
                         count_include_pad="false" if include else None), decimals=decimals)
for kind in ("average", "max"):
    for form in ("", "_precomputed"):
        layer(f"global{kind}pool{form}", {"average": "global_avgpool", "max": "global_maxpool"}[kind])

for name in ("basic_conv_with_padding", "basic_conv_without_padding", "conv_with_autopad_same",
             "conv_with_strides_and_asymmetric_padding", "conv_with_strides_no_padding", "conv_with_strides_padding"):
    w = load(name)[1][1]
    text = call("conv", kernel=pair(w.shape[2:]), out=w.shape[0], **window(name), bias="false")
    layer(name, f"c = {text}", {"c.weight": w})
for form in ("", "_autopad_same", "_dilations", "_group_2", "_group_2_image_3", "_kernel_shape", "_output_shape", "_pad",
             "_pads"):
    name = f"convtranspose{form}"
    a, (_, w), _ = load(name)
    groups = a.get("group", 1)
    if name == "convtranspose_output_shape":
        # One row and one column more than there are without padding: ONNX adds them at the end.
        del a["output_shape"]
        a["output_padding"] = [1, 1]
    text = call("conv_transpose", kernel=pair(w.shape[2:]), out=w.shape[1] * groups, **window(name),
                output_pad=pair(a["output_padding"]) if "output_padding" in a else None,
                output_shape=pair(a["output_shape"]) if "output_shape" in a else None,
                groups=groups if groups > 1 else None, bias="false")
    layer(name, f"c = {text}", {"c.weight": w})

for name in ("batchnorm_example", "batchnorm_epsilon"):
    a, (_, scale, shift, mean, variance), _ = load(name)
    text = call("batchnorm", eps=number(a["epsilon"]) if "epsilon" in a else None)
    layer(name, f"n = {text}", {"n.scale": scale, "n.bias": shift, "n.mean": mean, "n.var": variance})
for name in ("flatten_axis1", "flatten_default_axis", "flatten_negative_axis3"):
    layer(name, "flatten")
layer("depthtospace_crd_mode_example", "pixel_shuffle(2)")
for name in ("gemm_default_no_bias", "gemm_default_vector_bias", "gemm_default_zero_bias", "gemm_transposeB"):
    a, (_, w, *bias), _ = load(name)
    w = w if a.get("transB") else w.T
    weights = {"l.weight": w} | ({"l.bias": bias[0].reshape(-1)} if bias else {})
    text = call("linear", out=w.shape[0], bias=None if bias else "false")
    layer(name, f"l = {text}", weights)
_, (_, pads, value), _ = load("constant_pad")
_, _, top, left, _, _, bottom, right = pads
layer("constant_pad", call("pad", pad=padding(top, bottom, left, right), value=number(value)))

MODES = dict(linear="bilinear", cubic="bicubic", nearest="nearest")
for name in ("downsample_scales_cubic", "downsample_scales_linear", "upsample_scales_cubic", "upsample_scales_linear",
             "upsample_scales_cubic_align_corners", "upsample_scales_linear_align_corners", "upsample_scales_nearest",
             "upsample_sizes_cubic", "downsample_sizes_cubic"):
    a, inputs, (y,) = load(f"resize_{name}")
    corners = "true" if a.get("coordinate_transformation_mode") == "align_corners" else None
    by = dict(size=pair(y.shape[2:])) if "sizes" in name else dict(scale=None)
    if "scales" in name:
        h, w = (number(s) for s in inputs[1][2:])
        by = dict(scale=h if h == w else f"({h}, {w})")
    layer(f"resize_{name}", call("upsample", **by, mode=MODES[a["mode"]], align_corners=corners))
layer("upsample_nearest", call("upsample", scale="(2, 3)"))

for path in sorted(FOLDER.iterdir()):
    name = path.name[5:]
    if not name.startswith("resize_"):
        continue
    a, (x, *rest), (y,) = load(name)
    size, scale = y.shape[2:], None
    # `axes` names the sides in the order of the lists; without it they are the last two of four.
    order = [axis % 4 - 2 for axis in a.get("axes", [2, 3])]
    sides = lambda values: [values[order.index(i)] if len(values) == 2 else values[-2 + i] for i in (0, 1)]
    if rest[-1].dtype == np.float32:
        scale = [number(v) for v in sides(rest[-1])]
    elif "keep_aspect_ratio_policy" in a:
        wanted = sides(rest[-1])
        choose = min if a["keep_aspect_ratio_policy"] == "not_larger" else max
        scale = [repr(float(choose(wanted[i] / x.shape[2 + i] for i in (0, 1))))] * 2
    roi = None
    if a.get("coordinate_transformation_mode") == "tf_crop_and_resize":
        starts, ends = rest[0][:len(rest[0]) // 2], rest[0][len(rest[0]) // 2:]
        roi = "(" + ", ".join(f"({number(b)}, {number(e)})" for b, e in zip(sides(starts), sides(ends))) + ")"
    setting = lambda key: number(a[key]) if key in a else None
    flag = lambda key: "true" if a.get(key) else None
    layer(name, call("resize", scale=pair(scale) if scale else None,
                     size=None if scale and "keep_aspect_ratio_policy" not in a else pair(size), mode=a["mode"],
                     coordinates=a.get("coordinate_transformation_mode"), nearest=a.get("nearest_mode"),
                     cubic_a=setting("cubic_coeff_a"), exclude_outside=flag("exclude_outside"),
                     antialias=flag("antialias"), roi=roi, extrapolation=setting("extrapolation_value")), to=resizes)
layer("upsample_nearest", call("resize", scale="(2, 3)", coordinates="asymmetric", nearest="floor"), to=resizes)

for form in ("default", "dilations", "pads", "same_lower", "same_upper", "strides"):
    a = load(f"lppool_2d_{form}")[0]
    settings = window(f"lppool_2d_{form}")
    settings["stride"] = settings["stride"] or "1"
    layer(f"lppool_2d_{form}", call("lppool", kernel=pair(a["kernel_shape"]), p=a["p"], **settings), to=networks)
a = load("averagepool_2d_dilations")[0]
layer("averagepool_2d_dilations", call("avgpool", kernel=pair(a["kernel_shape"]), **window("averagepool_2d_dilations"),
                                       ceil_mode="true", count_include_pad="false"), to=networks)
for form in ("example", "epsilon"):
    a, (_, scale, shift), _ = load(f"instancenorm_{form}")
    text = call("instance_norm", eps=number(a["epsilon"]) if "epsilon" in a else None)
    layer(f"instancenorm_{form}", f"n = {text}", {"n.weight": scale, "n.bias": shift}, to=networks)
    name = f"batchnorm_{form}_training_mode"
    a, (x, scale, shift, _, _), (y, _, _) = load(name)
    text = call("batchnorm", eps=number(a["epsilon"]) if "epsilon" in a else None, training="true")
    networks.add(name, [f"tensor x {dims(x.shape)}", f"n = {text}"], {"x": x}, {"y": y},
                 {"n.weight": scale, "n.bias": shift})
for form in ("", "_default"):
    a = load(f"lrn{form}")[0]
    setting = lambda key: number(a[key]) if key in a else None
    layer(f"lrn{form}", call("lrn", size=a["size"], alpha=setting("alpha"), beta=setting("beta"), k=setting("bias")),
          to=networks)
for name, text in {
    "hardsigmoid": "hardsigmoid(a, alpha={alpha}, beta={beta})", "hardsigmoid_default": "hardsigmoid(a, alpha=0.2)",
    "hardsigmoid_example": "hardsigmoid(a, alpha={alpha}, beta={beta})",
    "selu": "selu(a, alpha={alpha}, gamma={gamma})", "selu_example": "selu(a, alpha={alpha}, gamma={gamma})",
}.items():
    elementwise(name, text, to=networks)
for collection in (cases, resizes, networks):
    collection.save()
