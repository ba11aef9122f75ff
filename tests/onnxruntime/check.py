"""Holds exported models to ONNX Runtime: the same inputs through `convc run` and through the exported file.

    python tests/onnxruntime/check.py target/release/convc MODEL.conv [NAME=SIZE,…] …

Each argument is a model, or a model and its open sizes behind a colon. Needs onnxruntime, onnx and numpy;
`.ci/onnxruntime` installs them into an environment of their own.
"""

import os
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime

TOLERANCE = 1e-4


def check(convc, argument, folder):
    path, _, sizes = argument.partition(":")
    size = ["--size", sizes] if sizes else []
    onnx_file = os.path.join(folder, "m.onnx")
    subprocess.run([convc, "export", path, "-o", onnx_file, *size], check=True, capture_output=True)
    onnx.checker.check_model(onnx_file, full_check=True)
    session = onnxruntime.InferenceSession(onnx_file, providers=["CPUExecutionProvider"])
    worst = 0.0
    # A batch of one and, where the batch is free, one of three.
    batches = [1, 3] if any(isinstance(i.shape[0], str) for i in session.get_inputs() if i.shape) else [1]
    for batch in batches:
        rng = np.random.default_rng(7)
        feeds, given = {}, []
        for i, x in enumerate(session.get_inputs()):
            shape = [batch if isinstance(d, str) else d for d in x.shape]
            feeds[x.name] = rng.random(shape, dtype=np.float32)
            given.append(os.path.join(folder, f"x{i}.npy"))
            np.save(given[-1], feeds[x.name])
        result = os.path.join(folder, "y.npz")
        subprocess.run([convc, "run", path, *given, "-o", result, *size], check=True, capture_output=True)
        found = np.load(result)
        for output, expected in zip(session.get_outputs(), session.run(None, feeds)):
            y = found[output.name]
            if y.shape != expected.shape:
                raise SystemExit(f"{argument}: `{output.name}` is {y.shape}, ONNX Runtime gives {expected.shape}")
            span = max(float(np.ptp(expected)), 1e-6)
            worst = max(worst, float(np.max(np.abs(y - expected))) / span)
    if not worst <= TOLERANCE:
        raise SystemExit(f"{argument}: {worst:.1e} of the range apart")
    print(f"{argument}: {worst:.1e} of the range")


def main():
    convc, *models = sys.argv[1:]
    if not models:
        raise SystemExit(__doc__)
    for model in models:
        with tempfile.TemporaryDirectory() as folder:
            check(convc, model, folder)
    print(f"{len(models)} models agree with ONNX Runtime {onnxruntime.__version__}")


main()
