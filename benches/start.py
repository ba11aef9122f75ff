#!/usr/bin/env python3
"""From a network's bytes to the first result, beside other runtimes: each time in a process of its own, in turn.

    cargo build --release --example start
    benches/start.py target/release/examples/start MODEL.onnx… [--threads N] [--rounds R]

Times are in ms, the least of R: making a program or session of a file in memory, one run, its result fetched. Python
and the libraries are loaded before. ONNX Runtime and OpenVINO read MODEL.onnx; LiteRT, ncnn and MNN take part where
MODEL.tflite, MODEL.ncnn.param with MODEL.ncnn.bin, and MODEL.mnn lie beside it. Needs numpy and whichever of them.
"""
import argparse, json, os, pathlib, subprocess, sys, time

PEERS = {"onnxruntime": ".onnx", "openvino": ".onnx", "litert": ".tflite", "ncnn": ".ncnn.param", "mnn": ".mnn"}


def onnxruntime(path, threads, x):
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    data = path.with_suffix(".onnx").read_bytes()
    def first():
        session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        return session.run(None, {session.get_inputs()[0].name: x})[0]
    return first


def openvino(path, threads, x):
    import openvino as ov
    core = ov.Core()
    core.get_property("CPU", "FULL_DEVICE_NAME")
    data = path.with_suffix(".onnx").read_bytes()
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32",
                "NUM_STREAMS": 1, "ENABLE_CPU_PINNING": False}
    return lambda: core.compile_model(core.read_model(data), "CPU", settings)([x])[0]


def litert(path, threads, x):
    from ai_edge_litert.interpreter import Interpreter
    data = path.with_suffix(".tflite").read_bytes()
    x = x.transpose(0, 2, 3, 1).copy()
    def first():
        interpreter = Interpreter(model_content=data, num_threads=threads)
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
        interpreter.invoke()
        return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    return first


def ncnn(path, threads, x):
    import ncnn, numpy as np
    def first():
        net = ncnn.Net()
        o = net.opt
        o.num_threads, o.use_vulkan_compute = threads, False
        o.use_fp16_packed = o.use_fp16_storage = o.use_fp16_arithmetic = o.use_bf16_storage = False
        net.load_param(str(path.with_suffix(".ncnn.param")))
        net.load_model(str(path.with_suffix(".ncnn.bin")))
        run = net.create_extractor()
        run.input(net.input_names()[0], ncnn.Mat(x[0]))
        return np.array(run.extract(net.output_names()[0])[1])
    return first


def mnn(path, threads, x):
    import MNN, numpy as np
    shape = MNN.Tensor(x.shape, MNN.Halide_Type_Float, x, MNN.Tensor_DimensionType_Caffe)
    def first():
        net = MNN.Interpreter(str(path.with_suffix(".mnn")))
        session = net.createSession({"numThread": threads, "precision": "high", "backend": "CPU"})
        net.getSessionInput(session).copyFrom(shape)
        net.runSession(session)
        y = net.getSessionOutput(session)
        host = np.zeros(y.getShape(), np.float32)
        y.copyToHostTensor(MNN.Tensor(y.getShape(), MNN.Halide_Type_Float, host, MNN.Tensor_DimensionType_Caffe))
        return host
    return first


def one(peer, path, threads):
    """In a process of its own."""
    out, dev = os.dup(1), os.dup2(2, 1)  # for libraries that chat
    import numpy as np
    shape = json.loads(os.environ["START_SHAPE"])
    first = globals()[peer](path, threads, np.zeros(shape, np.float32))
    start = time.perf_counter()
    first()
    took = (time.perf_counter() - start) * 1e3
    os.write(out, json.dumps({"total_ms": took}).encode())
    os._exit(0)


def shape_of(path):
    import onnxruntime as ort
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return [d if isinstance(d, int) else 1 for d in session.get_inputs()[0].shape]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("start", help="the example `start`, or with --one a peer")
    parser.add_argument("models", nargs="+", type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--peers", default=",".join(PEERS), help="some of these, %(default)s")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[: args.threads]))
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = str(args.threads)
    if args.one:
        return one(args.start, args.models[0], args.threads)
    chosen = args.peers.split(",")
    print("| model | convc | load + compile + first run | " + " | ".join(chosen) + " |")
    print("|---|---|---|" + "---|" * len(chosen))
    for path in args.models:
        os.environ["START_SHAPE"] = json.dumps(shape_of(path))
        commands = {"convc": [args.start, path, str(args.threads)]}
        for peer in chosen:
            if path.with_suffix(PEERS[peer]).exists():
                commands[peer] = [sys.executable, __file__, peer, path, "--one", "--threads", str(args.threads)]
        least = {}
        for _ in range(args.rounds):
            for name, command in commands.items():
                ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
                said = json.loads(ran.stdout) if ran.returncode == 0 else {"total_ms": float("nan")}
                if name not in least or said["total_ms"] < least[name]["total_ms"]:
                    least[name] = said
        own = least["convc"]
        parts = " + ".join(f"{own[part + '_ms']:.1f}" for part in ("load", "compile", "first_run"))
        peers = " | ".join(f"{least[p]['total_ms']:.1f}" if p in least else "–" for p in chosen)
        print(f"| {path.stem} | {own['total_ms']:.1f} | {parts} | {peers} |", flush=True)


if __name__ == "__main__":
    main()
