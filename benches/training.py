#!/usr/bin/env python3
"""Samples per second of a training, beside PyTorch in eager mode: LeNet and a small ResNet, batch 64, SGD with momentum.

    cargo build --release
    benches/training.py target/release/convc [--threads N] [--rounds R]

Needs Python's venv module: PyTorch and NumPy are installed into target/training-venv once. The two take turns, each in a
process of its own; the best of R is taken for both. Data is random, as speed does not depend on it.
"""
import argparse, json, os, pathlib, subprocess, sys, tempfile

BATCH = 64
SAMPLES = 64 * 40

LENET = """model lenet {
  input x [1, 28, 28]
  c1 = conv(kernel=5, out=6, pad=2)
  relu
  maxpool(2)
  c2 = conv(kernel=5, out=16)
  relu
  maxpool(2)
  flatten
  f1 = linear(out=120)
  relu
  f2 = linear(out=84)
  relu
  f3 = linear(out=10)
}
"""

RESNET = """block basic(out) {
  conv1 = conv(kernel=3, pad=1, out=out, bias=false)
  bn1 = batchnorm
  relu
  conv2 = conv(kernel=3, pad=1, out=out, bias=false)
  bn2 = batchnorm
  relu(it + input)
}
block down(out) {
  conv1 = conv(kernel=3, stride=2, pad=1, out=out, bias=false)
  bn1 = batchnorm
  relu
  conv2 = conv(kernel=3, pad=1, out=out, bias=false)
  bn2 = batchnorm
  short = input |> conv(kernel=1, stride=2, out=out, bias=false)
  relu(bn2 + short)
}
model resnet {
  input x [3, 32, 32]
  stem = conv(kernel=3, pad=1, out=16, bias=false)
  bn = batchnorm
  relu
  a1 = basic(out=16)
  a2 = down(out=32)
  a3 = basic(out=32)
  a4 = down(out=64)
  a5 = basic(out=64)
  global_avgpool
  flatten
  fc = linear(out=10)
}
"""

NETS = {"lenet": (LENET, (1, 28, 28)), "resnet": (RESNET, (3, 32, 32))}


def torch_rate(name, threads):
    """Runs inside the environment."""
    import time
    import torch
    from torch import nn
    from torch.nn import functional as F

    torch.set_num_threads(threads)

    class Basic(nn.Module):
        def __init__(self, inputs, out, stride):
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(inputs, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out)
            self.conv2, self.bn2 = nn.Conv2d(out, out, 3, 1, 1, bias=False), nn.BatchNorm2d(out)
            self.short = nn.Conv2d(inputs, out, 1, stride, bias=False) if stride != 1 else nn.Identity()

        def forward(self, x):
            y = F.relu(self.bn1(self.conv1(x)))
            return F.relu(self.bn2(self.conv2(y)) + self.short(x))

    if name == "lenet":
        net = nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))
    else:
        net = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), Basic(16, 16, 1), Basic(16, 32, 2),
            Basic(32, 32, 1), Basic(32, 64, 2), Basic(64, 64, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))
    _, shape = NETS[name]
    x, y = torch.randn(SAMPLES, *shape), torch.randint(0, 10, (SAMPLES,))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)

    def epoch():
        for i in range(0, SAMPLES, BATCH):
            optimizer.zero_grad()
            F.cross_entropy(net(x[i:i + BATCH]), y[i:i + BATCH]).backward()
            optimizer.step()

    epoch()
    start = time.perf_counter()
    for _ in range(3):
        epoch()
    return 3 * SAMPLES / (time.perf_counter() - start)


def convc_rate(convc, name, threads, folder):
    """As PyTorch's: four epochs, of which the first is not counted."""
    command = [convc, "train", f"{folder}/{name}.conv", "--data", f"{folder}/{name}.npz", "--loss", "cross_entropy",
               "--momentum", "0.9", "--batch", str(BATCH), "--epochs", "4", "--threads", str(threads), "-o", f"{folder}/w.safetensors"]
    said = subprocess.run(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, check=True, text=True).stderr
    rates = [float(line.split(", ")[-1].split(" ")[0].replace(",", "")) for line in said.splitlines() if line.startswith("epoch")]
    return 3 / sum(1 / rate for rate in rates[1:])


def environment():
    folder = pathlib.Path(__file__).resolve().parent.parent / "target/training-venv"
    python = folder / "bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "numpy", "torch",
                        "--extra-index-url", "https://download.pytorch.org/whl/cpu"], check=True)
    return str(python)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("convc")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--python", help="one that has PyTorch and NumPy, in place of an environment of its own")
    parser.add_argument("--torch", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.torch:
        print(json.dumps(torch_rate(args.torch, args.threads)))
        return
    python = args.python or environment()
    print("| net | convc, samples/s | PyTorch, samples/s | quotient |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name, (text, shape) in NETS.items():
            pathlib.Path(f"{folder}/{name}.conv").write_text(text)
            make = (f"import numpy as np; r = np.random.default_rng(0); np.savez('{folder}/{name}.npz', "
                    f"x=r.standard_normal(({SAMPLES}, *{shape}), dtype=np.float32), y=r.integers(0, 10, {SAMPLES}).astype(np.float32))")
            subprocess.run([python, "-c", make], check=True)
            ours, theirs = [], []
            for _ in range(args.rounds):
                ours.append(convc_rate(args.convc, name, args.threads, folder))
                command = [python, __file__, args.convc, "--torch", name, "--threads", str(args.threads)]
                theirs.append(json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout))
            print(f"| {name} | {max(ours):.0f} | {max(theirs):.0f} | {max(ours) / max(theirs):.2f} |", flush=True)


if __name__ == "__main__":
    main()
