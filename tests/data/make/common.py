"""What the makers of recorded cases share: reading the originals, writing texts and tensors."""
import json
import pathlib
import struct
import sys

import numpy as np

DATA = pathlib.Path(__file__).parent.parent
# The folder of originals: outputs that other frameworks computed.
CASES = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else None

KINDS = {"float32": "F32", "float16": "F16"}


def write_safetensors(path, tensors):
    """Keys in the given order; f32 and f16."""
    header, blobs, at = {}, [], 0
    for key, array in tensors.items():
        array = np.array(array, order="C")
        blob = array.tobytes()
        header[key] = dict(dtype=KINDS[array.dtype.name], shape=list(array.shape), data_offsets=[at, at + len(blob)])
        blobs.append(blob)
        at += len(blob)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def read_safetensors(path):
    raw = path.read_bytes()
    (n,) = struct.unpack("<Q", raw[:8])
    header, data, out = json.loads(raw[8:8 + n]), raw[8 + n:], {}
    for key, info in header.items():
        if key != "__metadata__":
            a, b = info["data_offsets"]
            kind = {"F32": "<f4", "F16": "<f2"}[info["dtype"]]
            out[key] = np.frombuffer(data[a:b], kind).reshape(info["shape"])
    return out


class Cases:
    """A collection: `NAME.txt` with one model a case, `NAME.safetensors` with its tensors.

    Keys are `case/in/NAME`, `case/out/NAME` and, for weights, `case/w/KEY`.
    """

    def __init__(self, name, head):
        self.name, self.text, self.tensors = name, [head.strip()], {}

    def add(self, case, statements, inputs, outputs, weights=None, before=""):
        lines = "\n".join("  " + line for line in statements)
        self.text.append(f"## {case}\n{before}model case {{\n{lines}\n}}")
        for kind, group in (("in", inputs), ("out", outputs), ("w", weights or {})):
            for key, array in group.items():
                self.tensors[f"{case}/{kind}/{key}"] = np.asarray(array, "float32")

    def save(self):
        folder = DATA / "cases"
        folder.mkdir(exist_ok=True)
        (folder / f"{self.name}.txt").write_text("\n\n".join(self.text) + "\n")
        write_safetensors(folder / f"{self.name}.safetensors", self.tensors)
        print(self.name, len(self.text) - 1, "cases", (folder / f"{self.name}.safetensors").stat().st_size, "bytes")


def pair(v):
    """`3` or `(3, 5)`"""
    return str(v[0]) if v[0] == v[1] else f"({v[0]}, {v[1]})"


def padding(top, bottom, left, right):
    """`1`, `(1, 2)` or `((0, 1), (2, 3))`"""
    if (top, left) == (bottom, right):
        return pair((top, left))
    return f"(({top}, {bottom}), ({left}, {right}))"


def call(name, **settings):
    """`conv(kernel=3, out=4)`; settings that are None are left out."""
    inside = ", ".join(f"{k.rstrip('_')}={v}" for k, v in settings.items() if v is not None)
    return f"{name}({inside})" if inside else name


def dims(shape):
    return "[" + ", ".join(map(str, shape)) + "]"


def number(v):
    """The shortest decimal that gives the f32."""
    return repr(float(np.format_float_positional(np.float32(v), unique=True)))
