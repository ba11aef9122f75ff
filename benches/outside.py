#!/usr/bin/env python3
"""What `convc bench` says of itself, held to what can be seen from outside.

    benches/outside.py CONVC MODEL.onnx… [--threads N] [--repeat R]

For every model, two inputs take turns. Each process runs R or 2R times; what R runs more take by the
clock on the wall, by R, is the time of a run, and it is set beside `median_ms`. Outputs for both inputs are
compared with ONNX Runtime's, optimisations off. Once more with `--math strict`. Needs numpy and onnxruntime.
"""
import argparse, json, pathlib, statistics, subprocess, tempfile, time
import numpy as np, onnxruntime as ort

ROUNDS = 5


def reference(model, inputs):
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return [session.run(None, {name: x})[0] for x in inputs]


def shape_of(model):
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    return [d if isinstance(d, int) else 1 for d in session.get_inputs()[0].shape]


def one(convc, model, x, y, repeat, threads, extra):
    """One process: its wall time in ms and what it says."""
    command = [convc, "bench", model, x, "-o", y, "--threads", str(threads), "--warmup", "5",
               "--repeat", str(repeat), "--format", "json", *extra]
    start = time.perf_counter()
    said = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, text=True).stdout
    return (time.perf_counter() - start) * 1e3, json.loads(said)


def row(args, model, folder, extra):
    rng = np.random.default_rng(1)
    shape = shape_of(model)
    inputs = [rng.standard_normal(shape, dtype=np.float32), rng.random(shape, dtype=np.float32)]
    expected = reference(model, inputs)
    files = []
    for i, x in enumerate(inputs):
        np.save(f"{folder}/x{i}.npy", x)
        files.append((f"{folder}/x{i}.npy", f"{folder}/y{i}.npy"))
    _, said = one(args.convc, model, *files[0], 5, args.threads, extra)
    repeat = args.repeat or int(min(2000, max(10, 400 / said["median_ms"])))
    walls, stated, errors = {repeat: [], 2 * repeat: []}, [], [0.0, 0.0]
    for _ in range(ROUNDS):
        for i, times in ((0, repeat), (1, 2 * repeat), (1, repeat), (0, 2 * repeat)):
            wall, said = one(args.convc, model, *files[i], times, args.threads, extra)
            walls[times].append(wall)
            stated.append(said["median_ms"])
            y = np.load(files[i][1]).reshape(expected[i].shape).astype(np.float64)
            errors[i] = max(errors[i], np.abs(y - expected[i]).max() / np.abs(expected[i]).max())
    outside = (min(walls[2 * repeat]) - min(walls[repeat])) / repeat
    return repeat, statistics.median(stated), outside, *errors


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("convc")
    parser.add_argument("models", nargs="+")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=0, help="R; without, as many runs as fit into 0.4 s")
    args = parser.parse_args()
    print("| model | math | R | stated, ms | from outside, ms | quotient | error, first input | error, second input |")
    print("|---|---|---|---|---|---|---|---|")
    for model in args.models:
        for math in ("default", "strict"):
            with tempfile.TemporaryDirectory() as folder:
                r, stated, outside, first, second = row(args, model, folder, ["--math", math])
            name = pathlib.Path(model).stem
            print(f"| {name} | {math} | {r} | {stated:.3f} | {outside:.3f} | {outside / stated:.2f} | {first:.1e} | {second:.1e} |", flush=True)


if __name__ == "__main__":
    main()
