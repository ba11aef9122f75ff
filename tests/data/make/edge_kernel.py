"""Writes examples/textbook/edges_6x8.npz and tests/data/train/edge_kernel: the textbook's vertical edges, and how
PyTorch learns the 1×2 kernel that finds them, from its default start (seed 0) by plain gradient descent.

Run with PyTorch and NumPy: python tests/data/make/edge_kernel.py
"""
import numpy as np
import torch
from common import DATA, write_safetensors

x = np.ones((1, 1, 6, 8), "float32")
x[..., 2:6] = 0
y = x[..., :-1] - x[..., 1:]
np.savez(DATA.parent.parent / "examples/textbook/edges_6x8.npz", x=x, y=y)

torch.manual_seed(0)
torch.set_num_threads(1)
layer = torch.nn.Conv2d(1, 1, kernel_size=(1, 2), bias=False)
folder = DATA / "train/edge_kernel"
folder.mkdir(parents=True, exist_ok=True)
write_safetensors(folder / "init.safetensors", {"k.weight": layer.weight.detach().numpy()})
optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
losses = []
for _ in range(100):
    loss = torch.nn.functional.mse_loss(layer(torch.from_numpy(x)), torch.from_numpy(y))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
np.save(folder / "losses.npy", np.float32(losses))
write_safetensors(folder / "final.safetensors", {"k.weight": layer.weight.detach().numpy()})
print("first and last loss", losses[0], losses[-1], "kernel", layer.weight.detach().numpy().ravel())
