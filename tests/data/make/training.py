"""Writes traces of PyTorch's trainings into tests/data/train: optimizers on the digits, a net with batchnorm on data
in MNIST's format, losses, and schedules of the learning rate.

What is written of a training are its data, the parameters it begins with, the samples of each step, each step's loss
and the parameters after some steps, of a run in f64. PyTorch's own run in f32 stays within 2.5e-6 of it, so that 1e-5
is a fair tolerance.

Run with PyTorch and NumPy: python tests/data/make/training.py
"""
import struct

import numpy as np
import torch
from common import DATA, read_safetensors, write_safetensors

torch.set_num_threads(1)
TRAIN = DATA / "train"
EXAMPLES = DATA.parent.parent / "examples"


class Digits(torch.nn.Module):
    """examples/digits.conv"""

    def __init__(self):
        super().__init__()
        self.c1 = torch.nn.Conv2d(1, 8, 3, padding=1)
        self.c2 = torch.nn.Conv2d(8, 16, 3, padding=1)
        self.fc = torch.nn.Linear(64, 10)

    def forward(self, x):
        pool = torch.nn.functional.max_pool2d
        x = pool(self.c1(x).relu(), 2)
        x = pool(self.c2(x).relu(), 2)
        return self.fc(x.flatten(1))


class Normed(torch.nn.Module):
    """tests/data/train/mnist_batchnorm/net.conv"""

    def __init__(self):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(1, 6, 5, stride=2, padding=2, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(6)
        self.conv2 = torch.nn.Conv2d(6, 12, 3, bias=False)
        self.bn2 = torch.nn.BatchNorm2d(12)
        self.fc = torch.nn.Linear(300, 10)

    def forward(self, x):
        x = torch.nn.functional.max_pool2d(self.bn1(self.conv1(x)).relu(), 2)
        return self.fc(self.bn2(self.conv2(x)).relu().flatten(1))


def parameters(net):
    return {k: v.detach().float().numpy().copy() for k, v in net.state_dict().items() if not k.endswith("num_batches_tracked")}


def run(net, optimizer, loss, x, y, order, save_at, dtype):
    """Losses, and parameters after some steps."""
    net = net.to(dtype)
    optimizer = optimizer(net.parameters())
    losses, saved = [], {}
    for step, numbers in enumerate(order, 1):
        value = loss(net(x[numbers].to(dtype)), y[numbers] if y.dtype == torch.int64 else y[numbers].to(dtype))
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        losses.append(value.item())
        if step in save_at:
            saved[step] = {k: v.detach().numpy().copy() for k, v in net.state_dict().items() if v.is_floating_point()}
    return losses, saved


def trace(name, make, init, optimizer, loss, x, y, order, save_at):
    folder = TRAIN / name
    folder.mkdir(parents=True, exist_ok=True)
    results = []
    for dtype in (torch.float64, torch.float32):
        net = make()
        net.load_state_dict({k: torch.from_numpy(v.copy()) for k, v in init.items()}, strict=False)
        results.append(run(net, optimizer, loss, x, y, order, save_at, dtype))
    (losses, wide), (_, narrow) = results
    far = [max(np.abs(wide[n][k] - narrow[n][k]).max() for k in wide[n]) for n in save_at]
    np.save(folder / "losses.npy", np.float32(losses))
    assert max(far) < 2.5e-6
    for n in save_at:
        write_safetensors(folder / f"after_{n}.safetensors", {k: np.float32(v) for k, v in wide[n].items()})
    print(name, "first and last loss", losses[0], losses[-1], "f32 from f64", dict(zip(save_at, far)))
    return folder


def optimizers():
    set_ = np.load(EXAMPLES / "digits8x8.npz")
    x, y = torch.from_numpy(np.float32(set_["x_train"])), torch.from_numpy(np.int64(set_["y_train"]))
    given = TRAIN / "digits8x8_cnn"
    init = {k.replace(".w", ".weight").replace(".b", ".bias"): v for k, v in read_safetensors(given / "init.safetensors").items()}
    order = np.load(given / "batch_indices.npy")[:40].astype(int)
    ways = {
        "digits_adam": lambda p: torch.optim.Adam(p, lr=0.001),
        "digits_adam_decay": lambda p: torch.optim.Adam(p, lr=0.002, betas=(0.8, 0.99), eps=1e-6, weight_decay=0.01),
        "digits_adamw": lambda p: torch.optim.AdamW(p, lr=0.001, weight_decay=0.1),
        "digits_nesterov": lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9, nesterov=True, weight_decay=0.001),
    }
    for name, optimizer in ways.items():
        trace(name, Digits, init, optimizer, torch.nn.functional.cross_entropy, x, y, order, [1, 10, 40])


def mnist():
    """Digits enlarged to 28×28 bytes, as MNIST's files."""
    folder = TRAIN / "mnist_batchnorm"
    folder.mkdir(parents=True, exist_ok=True)
    set_ = np.load(EXAMPLES / "digits8x8.npz")
    for part, name, count in (("train", "train", 64), ("test", "t10k", 20)):
        x = torch.from_numpy(np.float32(set_[f"x_{part}"][:count]))
        x = torch.nn.functional.interpolate(x / x.max(), size=(28, 28), mode="bilinear")
        pixels = np.uint8(np.round(255 * x.numpy()[:, 0]))
        labels = np.uint8(set_[f"y_{part}"][:count])
        for what, array in (("images-idx3", pixels), ("labels-idx1", labels)):
            head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
            (folder / f"{name}-{what}-ubyte").write_bytes(head + array.tobytes())
        if part == "train":
            given = (pixels, labels)
    x = torch.from_numpy(np.float32(given[0]) / np.float32(255))[:, None]
    y = torch.from_numpy(np.int64(given[1]))
    torch.manual_seed(1)
    net = Normed()
    init = parameters(net)
    write_safetensors(folder / "init.safetensors", init)
    numbers = np.random.default_rng(1)
    order = np.stack([numbers.permutation(len(y))[:16] for _ in range(20)])
    np.save(folder / "batch_order.npy", np.int32(order))
    trace("mnist_batchnorm", Normed, init, lambda p: torch.optim.Adam(p, lr=0.003), torch.nn.functional.cross_entropy,
          x, y, order, [1, 10, 20])


def losses():
    """A convolution by the mean square and the mean magnitude of differences."""
    torch.manual_seed(2)
    x, y = torch.randn(6, 2, 6, 7), torch.randn(6, 3, 6, 7)
    make = lambda: torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3, padding=1))
    rename = lambda tensors: {k.replace("0.", "c."): v for k, v in tensors.items()}
    init = parameters(make())
    order = np.array([[0, 1, 2], [3, 4, 5], [5, 0, 3], [2, 1, 4], [4, 2, 0]])
    for name, loss in (("mse", torch.nn.functional.mse_loss), ("l1", torch.nn.functional.l1_loss)):
        folder = trace(f"loss_{name}", make, init, lambda p: torch.optim.SGD(p, lr=0.1), loss, x, y, order, [1, 5])
        for path in folder.glob("after_*.safetensors"):
            write_safetensors(path, rename(read_safetensors(path)))
    write_safetensors(TRAIN / "loss_mse/start.safetensors",
                      {"x": x.numpy(), "y": y.numpy(), "order": np.float32(order), **rename(init)})


def coefficients():
    """Adam on a linear layer in f64, with betas that f32 rounds, and its moments."""
    torch.manual_seed(3)
    x, y, net = torch.randn(6, 3).double(), torch.randn(6, 2).double(), torch.nn.Linear(3, 2).double()
    with torch.no_grad():
        for p in net.parameters():
            p.copy_((p / 4).float())
        x, y = x.float().double(), y.float().double()
    init = {k: np.float32(v.detach().numpy()) for k, v in net.state_dict().items()}
    optimizer = torch.optim.Adam(net.parameters(), lr=0.003, betas=(0.7, 0.9999), eps=1e-5, weight_decay=0.001)
    for _ in range(12):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(net(x), y).backward()
        optimizer.step()
    tensors = {"x": np.float32(x), "y": np.float32(y), **{f"start.{k}": v for k, v in init.items()}}
    for key, p in net.named_parameters():
        state = optimizer.state[p]
        for name, value in (("", p.detach()), ("mean.", state["exp_avg"]), ("square.", state["exp_avg_sq"])):
            tensors[name + key] = np.float32(value.numpy())
    write_safetensors(TRAIN / "adam_moments.safetensors", tensors)


def schedules():
    """Factors of the learning rate by torch.optim.lr_scheduler, 24 steps; a warm-up takes the first 5."""
    from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR, StepLR

    def factors(make):
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        schedule, rates = make(optimizer), []
        for _ in range(24):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        return np.float32(rates)

    def warm(rest):
        # From 1/5 to 1 in equal steps; the fifth has the full rate.
        return lambda o: SequentialLR(o, [LinearLR(o, 1 / 5, total_iters=4), rest(o)], milestones=[5])

    write_safetensors(TRAIN / "schedules.safetensors", {
        "step": factors(lambda o: StepLR(o, 7, gamma=0.3)),
        "cosine": factors(lambda o: CosineAnnealingLR(o, T_max=23, eta_min=0.1)),
        "warmup": factors(lambda o: LinearLR(o, 1 / 5, total_iters=4)),
        "warmup_step": factors(warm(lambda o: StepLR(o, 7, gamma=0.3))),
        "warmup_cosine": factors(warm(lambda o: CosineAnnealingLR(o, T_max=18, eta_min=0.1))),
    })


optimizers()
mnist()
losses()
coefficients()
schedules()
