"""Writes tests/data/npy: one small array in the types and orders that NumPy writes.

Run with NumPy: python tests/data/make/npy.py
"""
import pathlib
import numpy as np

out = pathlib.Path(__file__).parent.parent / "npy"
out.mkdir(exist_ok=True)
a = np.arange(24).reshape(2, 3, 4)
for dtype in "<f2 <f4 <f8 >f2 >f4 >f8 |u1 |i1 <u2 >i2 <i4 >u4 <i8 >u8".split():
    name = dtype.replace("<", "le_").replace(">", "be_").replace("|", "")
    np.save(out / f"{name}.npy", a.astype(dtype))
np.save(out / "bool.npy", a % 3 == 1)
np.save(out / "fortran.npy", np.asfortranarray(a.astype("<f4")))
np.save(out / "scalar.npy", np.float32(2.5))
np.save(out / "empty.npy", np.zeros((0, 3), "<f4"))
np.save(out / "vector.npy", np.array([1.5, -2.5], "<f4"))
with open(out / "version2.npy", "wb") as f:
    np.lib.format.write_array(f, a.astype("<f4"), version=(2, 0))
np.save(out / "object.npy", np.array([{}, None]), allow_pickle=True)
np.save(out / "complex.npy", a.astype("<c8"))
np.save(out / "string.npy", np.array(["a", "bc"]))
np.save(out / "date.npy", np.array(["2020-01-01"], "datetime64[D]"))
np.save(out / "record.npy", np.zeros(2, [("x", "<f4"), ("y", "<i4")]))
np.savez(out / "stored.npz", x=a.astype("<f4"), y=a.astype("|u1"))
np.savez_compressed(out / "deflated.npz", x=a.astype("<f4"), y=a.astype("|u1"))
