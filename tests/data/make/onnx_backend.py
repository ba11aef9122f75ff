"""Packs the node tests of ONNX's backend (Apache-2.0) into tests/data/onnx/backend.safetensors.

    python tests/data/make/onnx_backend.py FOLDER

FOLDER holds a folder for each case with model.onnx, input_I_NAME.npy, output_I_NAME.npy and case.json (the names
in order). Tensors of the result: `case/model` (the file's bytes), `case/in/I/NAME`, `case/out/I/NAME`.
"""

import json
import pathlib
import sys

import numpy as np
from safetensors.numpy import save_file

root = pathlib.Path(sys.argv[1])
tensors = {}
for folder in sorted(p for p in root.iterdir() if (p / "case.json").exists()):
    case = json.loads((folder / "case.json").read_text())
    tensors[f"{folder.name}/model"] = np.frombuffer((folder / "model.onnx").read_bytes(), dtype=np.uint8)
    for kind, entries in (("in", case["inputs"]), ("out", case["outputs"])):
        for i, entry in enumerate(entries):
            array = np.load(folder / entry["file"])
            tensors[f"{folder.name}/{kind}/{i}/{entry['name']}"] = np.ascontiguousarray(array).reshape(array.shape)
save_file(tensors, pathlib.Path(__file__).parent.parent / "onnx" / "backend.safetensors")
print(len({k.split("/")[0] for k in tensors}), "cases")
