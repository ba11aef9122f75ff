"""Writes tests/data/cases/filters: classical kernels on a corner of a photo, by SciPy in f64.

Run with NumPy: python tests/data/make/filters.py FOLDER_OF_CASES

The originals are filtered with zeros around the whole photo. Here the input is a corner with a margin
that the largest kernel needs, and the model crops the margin off again.
"""
import numpy as np
from common import CASES, Cases, dims, number

HEAD = """
The photo "camera" of scikit-image (CC0), filtered by SciPy 1 in f64 and rounded to f32.
Written by tests/data/make/filters.py.
"""
SIZE, MARGIN = (48, 64), 6

cases = Cases("filters", HEAD)
folder = CASES / "filters"
photo = np.load(folder / "camera.npy")
for i, path in enumerate(sorted(folder.glob("kernel_*.npy"))):
    name = path.stem[len("kernel_"):]
    taps, y = np.load(path), np.load(folder / f"camera__{name}__zero.npy")
    rows = ",\n               ".join("[" + ", ".join(number(v) for v in row) + "]" for row in taps)
    h, w = SIZE[0] + MARGIN, SIZE[1] + MARGIN
    first = i % 2 == 0
    crop = f"crop(bottom={MARGIN}, right={MARGIN})" if first else f"crop(top={MARGIN}, left={MARGIN})"
    x = photo[..., :h, :w] if first else photo[..., -h:, -w:]
    y = y[..., :SIZE[0], :SIZE[1]] if first else y[..., -SIZE[0]:, -SIZE[1]:]
    x, y = x.reshape(1, 1, h, w), y.reshape(1, 1, *SIZE)
    cases.add(name, [f"input x {dims(x.shape[1:])}", "filter(taps, pad=same)", crop], {"x": x}, {"y": y},
              before=f"kernel taps = [{rows}]\n\n")
cases.save()
