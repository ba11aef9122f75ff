"""Writes tests/data/cases/torch: convolutions and small chains that PyTorch computed in f64, and
tests/data/cases/torch_gradients.safetensors: what their losses mean for inputs and weights.

Run with NumPy: python tests/data/make/torch_cases.py FOLDER_OF_CASES
"""
import json

import numpy as np
from common import CASES, DATA, Cases, call, dims, padding, pair, write_safetensors

HEAD = """
Outputs of PyTorch 2.15 on the CPU, computed in f64 and rounded to f32, from seeded random
inputs and weights. Written by tests/data/make/torch_cases.py.
"""
BORDERS = {"zeros": None, "reflect": "reflect", "replicate": "replicate", "circular": "wrap"}
ACTS = {
    "leaky_relu_0.1": "leaky_relu(slope=0.1)", "gelu_erf": "gelu", "gelu_tanh": "gelu(approximate=tanh)",
}
POOLS = {
    "max2": "maxpool(2)", "max3s2p1": "maxpool(kernel=3, stride=2, pad=1)",
    "max3s2ceil": "maxpool(kernel=3, stride=2, ceil_mode=true)",
    "max2x3s1x2": "maxpool(kernel=(2, 3), stride=(1, 2))", "max3d2": "maxpool(kernel=2, stride=1, dilation=2)",
    "avg2": "avgpool(2)", "avg3s2p1_incl": "avgpool(kernel=3, stride=2, pad=1)",
    "avg3s2p1_excl": "avgpool(kernel=3, stride=2, pad=1, count_include_pad=false)",
    "avg3s2ceil": "avgpool(kernel=3, stride=2, ceil_mode=true)",
    "avg3s2p1ceil_incl": "avgpool(kernel=3, stride=2, pad=1, ceil_mode=true)", "avg2x3": "avgpool(kernel=(2, 3))",
    "gap": "global_avgpool", "gmp": "global_maxpool",
}
UPS = {
    "nearest2": "upsample(scale=2)", "nearest3": "upsample(scale=3, mode=nearest)",
    "bilinear2_halfpixel": "upsample(scale=2, mode=bilinear)",
    "bilinear2_aligncorners": "upsample(scale=2, mode=bilinear, align_corners=true)",
    "pixelshuffle2": "pixel_shuffle(2)", "bilinear_to_7x9": "upsample(size=(7, 9), mode=bilinear)",
}
# (kernel, stride, padding, output padding, groups, dilation), in the order of the cases
TRANSPOSED = [
    ((2, 2), (2, 2), 0, (0, 0), 1, 1), ((3, 3), (1, 1), 0, (0, 0), 1, 1), ((3, 3), (2, 2), 1, (1, 1), 1, 1),
    ((4, 4), (2, 2), 1, (0, 0), 1, 1), ((4, 4), (2, 2), 3, (0, 0), 1, 1), ((3, 2), (2, 3), 0, (1, 2), 1, 1),
    ((3, 3), (2, 2), 1, (1, 1), 2, 1), ((3, 3), (2, 2), 0, (0, 0), 4, 1), ((3, 3), (1, 1), 1, (0, 0), 1, 2),
    ((5, 5), (3, 3), 2, (2, 2), 1, 1),
]


def unless(value, default):
    return None if value == default else value


def conv(name, w, pad=0, stride=1, groups=1, bias=True):
    out, _, kh, kw = w.shape
    layer = call("conv", kernel=pair((kh, kw)), out=out, stride=unless(stride, 1), pad=unless(pad, 0),
                 groups=unless(groups, 1), bias=None if bias else "false")
    return f"{name} = {layer}"


def convolution(meta, a):
    """The statements of a layer, and its weights by their keys."""
    top, bottom, left, right = meta["pad_tblr"]
    pad = padding(top, bottom, left, right)
    if meta["padding_same"]:
        odd = all((k - 1) * d % 2 == 0 for k, d in zip(meta["kernel"], meta["dilation"]))
        pad = "same" if odd else "same_upper"
    layer = call(
        "conv", kernel=pair(meta["kernel"]), in_=meta["C"], out=meta["O"], stride=unless(pair(meta["stride"]), "1"),
        pad=unless(pad, "0"), dilation=unless(pair(meta["dilation"]), "1"), groups=unless(meta["groups"], 1),
        border=BORDERS[meta["pad_mode"]], bias=None if meta["bias"] else "false")
    weights = {"c.weight": a["w"]}
    if meta["bias"]:
        weights["c.bias"] = a["b"]
    return [f"c = {layer} -> {dims(a['y'].shape[1:])}"], weights


def chain(tag, index, a):
    """The statements of a chain, and its weights by their keys."""
    p = {k[2:]: v for k, v in a.items() if k.startswith("p_")}
    two = lambda: {"c1.weight": p["w1"], "c1.bias": p["b1"], "c2.weight": p["w2"], "c2.bias": p["b2"]}
    first = conv("c1", p["w1"], 1) if "w1" in p else None
    if tag.startswith("act_"):
        act = tag[4:]
        return [first, ACTS.get(act, act), conv("c2", p["w2"])], two()
    if tag == "prelu":
        return ([first, "a = prelu(per_channel=true)", conv("c2", p["w2"], 1)], two() | {"a.weight": p["a"]})
    if tag.startswith("pool_"):
        return [first, POOLS[tag[5:]], conv("c2", p["w2"])], two()
    if tag.startswith("up_"):
        return [first, UPS[tag[3:]], conv("c2", p["w2"], 1)], two()
    if tag == "convtranspose":
        kernel, stride, pad, output_pad, groups, dilation = TRANSPOSED[index]
        layer = call("conv_transpose", kernel=pair(kernel), out=p["b"].shape[0], stride=unless(pair(stride), "1"),
                     pad=unless(pad, 0), output_pad=unless(pair(output_pad), "0"), groups=unless(groups, 1),
                     dilation=unless(dilation, 1))
        return [f"up = {layer}"], {"up.weight": p["w"], "up.bias": p["b"]}
    if tag == "residual_basic":
        return [first, "relu", conv("c2", p["w2"], 1), "relu(x + it)"], two()
    if tag == "residual_proj":
        return ([conv("s", p["ws"], stride=2, bias=False),
                 "c1 = x |> conv(kernel=3, stride=2, pad=1, out=6)", "relu", conv("c2", p["w2"], 1), "relu(s + it)"],
                two() | {"s.weight": p["ws"]})
    if tag == "concat_dense":
        return [first, "concat(x, c1)", conv("c2", p["w2"], 1)], two()
    if tag == "se_block":
        return (["h = conv(kernel=3, pad=1, out=8)", "global_avgpool", conv("a", p["wa"]), "relu", conv("b", p["wb"]),
                 "h * sigmoid(b)"],
                {"h.weight": p["w1"], "h.bias": p["b1"], "a.weight": p["wa"], "a.bias": p["ba"],
                 "b.weight": p["wb"], "b.bias": p["bb"]})
    if tag == "bn_eval":
        mean, var = np.linspace(-0.5, 0.5, 5), np.linspace(0.5, 2, 5)
        return ([conv("c", p["w1"], 1, bias=False), "bn = batchnorm", "relu"],
                {"c.weight": p["w1"], "bn.weight": p["g"], "bn.bias": p["be"], "bn.running_mean": mean,
                 "bn.running_var": var})
    if tag == "bn_train":
        return ([conv("c", p["w1"], 1, bias=False), "bn = batchnorm(training=true)", "relu"],
                {"c.weight": p["w1"], "bn.weight": p["g"], "bn.bias": p["be"]})
    if tag == "lenet_ce":
        return ([conv("c1", p["w1"]), "relu", "maxpool(2)", conv("c2", p["w2"]), "relu", "maxpool(2)", "flatten",
                 "f = linear(out=10)"], two() | {"f.weight": p["wf"], "f.bias": p["bf"]})
    if tag == "mobilenet_block":
        return ([conv("e", p["we"]), "relu6", conv("d", p["wd"], 1, groups=12), "relu6", conv("p", p["wp"]), "x + it"],
                {f"{k}.{n}": p[c + k] for k in "edp" for n, c in (("weight", "w"), ("bias", "b"))})
    if tag == "softmax_ch":
        return [conv("c", p["w"]), "softmax"], {"c.weight": p["w"], "c.bias": p["b"]}
    raise ValueError(tag)


def gradients(meta, a, of):
    """The arrays with each weight's gradient in its place, as far as there is one."""
    names = {"w": "dw", "b": "db"} if meta["op"] == "conv2d" else {k: "d_" + k[2:] for k in a if k.startswith("p_")}
    return of(a | {k: a[d] for k, d in names.items() if d in a})


cases, learnt = Cases("torch", HEAD), {}
folder = CASES / "torch_cases"
transposed = 0
for meta in json.loads((folder / "INDEX.json").read_text())["cases"]:
    name, tag = meta["name"], meta["tags"][0]
    a = dict(np.load(folder / f"{name}.npz"))
    of = lambda arrays: convolution(meta, arrays) if meta["op"] == "conv2d" else chain(tag, transposed, arrays)
    (statements, weights), (_, slopes) = of(a), gradients(meta, a, of)
    transposed += tag == "convtranspose"
    # The loss is the mean square of y − t, or for classes the cross-entropy of softmax.
    learnt |= {f"{name}/target/y": np.float32(a["t"]), f"{name}/loss/y": a["loss"].reshape(1), f"{name}/in/x": a["dx"]}
    learnt |= {f"{name}/w/{k}": v for k, v in slopes.items() if "running" not in k}
    # Statistics of the batch need its axis.
    declared = f"tensor x {dims(a['x'].shape)}" if tag == "bn_train" else f"input x {dims(a['x'].shape[1:])}"
    cases.add(name, [declared] + statements, {"x": a["x"]}, {"y": a["y"]}, weights)
cases.save()
write_safetensors(DATA / "cases/torch_gradients.safetensors", learnt)
