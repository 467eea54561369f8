#!/usr/bin/env python3
"""Writes the PyTorch files of this folder. Needs torch (1.13 was used) and numpy.

Every tensor holds 0, 1, 2, ... in its own order (row by row), so that a test can tell whether it was
read in the right order whatever its strides are.
"""
import argparse
import collections
import io
import os
import pathlib
import pickle
import zipfile

import numpy as np
import torch

HERE = pathlib.Path(__file__).resolve().parent


def count(*shape, dtype=torch.float32):
    return torch.arange(int(np.prod(shape, dtype=int))).reshape(shape).to(dtype)


def state():
    base = count(4, 6)
    return collections.OrderedDict(
        [
            ("blocks.0.weight", count(3, 5)),
            ("blocks.0.parameter", torch.nn.Parameter(count(2, 3))),
            ("transposed", count(5, 3).t().contiguous().t()),  # strides (1, 5)
            ("columns", torch.arange(24.0).reshape(6, 4).t()[1:3]),  # not contiguous, with an offset
            ("shared.rows", base[2:]),  # offset into a storage that two tensors share
            ("shared.all", base),
            ("expanded", torch.ones(1).expand(4, 2)),  # stride 0
            ("scalar", torch.tensor(7.0)),
            ("empty", torch.zeros(0, 3)),
            ("f64", count(2, dtype=torch.float64)),
            ("f16", count(3, dtype=torch.float16)),
            ("bf16", count(3, dtype=torch.bfloat16)),
            ("i64", count(3, dtype=torch.int64)),
            ("i32", count(3, dtype=torch.int32)),
            ("i16", count(3, dtype=torch.int16)),
            ("i8", count(3, dtype=torch.int8)),
            ("u8", count(3, dtype=torch.uint8)),
            ("bool", torch.tensor([True, False, True])),
        ]
    )


def save(name, value, legacy=False, **options):
    torch.save(value, HERE / name, _use_new_zipfile_serialization=not legacy, **options)


class Hostile:
    def __reduce__(self):
        return os.system, ("touch /tmp/vitrail-was-here",)


class Inst:
    pass


checkpoint = {
    "model": {"w": count(2, 2), "inner": {"b": count(2)}, "list": [count(1), count(3)]},
    "model_ema": {"w": count(2, 2) + 1},
    "optimizer": {"state": {0: {"exp_avg": count(2, 2)}}, "param_groups": [{"lr": 1e-3}]},
    "epoch": 299,
    "best": np.float64(81.5),
    "args": argparse.Namespace(model="vit_tiny", patch_size=16, output_dir=pathlib.Path("out"), ema=True),
    "groups": {"a", "b"},
    "milestones": collections.Counter([3, 4]),
    "nothing": None,
}

save("flat.pth", state())
save("flat_legacy.pth", state(), legacy=True)
save("nested.pth", checkpoint)
save("nested_legacy.pth", checkpoint, legacy=True)
save("protocol4.pth", state(), pickle_protocol=4)
save("tensor.pth", count(2, 3))
save("two_groups.pth", {"left": {"w": count(1)}, "right": {"w": count(2)}})
save("complex.pth", {"c": torch.zeros(2, dtype=torch.complex64), "w": count(1)})
save("hostile.pth", {"w": count(1), "x": Hostile()})
save("hostile_legacy.pth", {"w": count(1), "x": Hostile()}, legacy=True)
save("module.pth", torch.nn.Linear(2, 2))
save("no_tensors.pth", {"epoch": 3})


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = torch.nn.Linear(2, 3)
        self.register_buffer("steps", count(2))
        with torch.no_grad():
            self.proj.weight.copy_(count(3, 2))

    def forward(self, x):
        return self.proj(x)


torch.jit.script(Net()).save(str(HERE / "torchscript.pt"))

# The zip form again, deflated: PyTorch never writes it, archivers that repack it do.
with zipfile.ZipFile(HERE / "flat.pth") as source:
    with zipfile.ZipFile(HERE / "deflated.pth", "w", zipfile.ZIP_DEFLATED) as target:
        for item in source.infolist():
            target.writestr(item.filename, source.read(item))
