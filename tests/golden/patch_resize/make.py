#!/usr/bin/env python3
"""Writes expected.safetensors: patch kernels resized by FlexiViT's pseudo-inverse as timm does it, with PyTorch."""
import json
import struct

import numpy as np
import torch
import torch.nn.functional as F


def resized(kernel, side):
    """timm layers/patch_embed.py, resample_patch_embed: column j of R is the resized j-th basis picture."""
    old = kernel.shape[-1]
    basis = torch.eye(old * old, dtype=torch.float64).reshape(old * old, 1, old, old)
    R = F.interpolate(basis, size=(side, side), mode="bicubic", antialias=True).reshape(old * old, -1).T
    return torch.einsum("pq,dcq->dcp", torch.linalg.pinv(R.T), kernel.double().flatten(2)).reshape(*kernel.shape[:2], side, side)


torch.manual_seed(0)
kernel = torch.randn(2, 3, 8, 8)
tensors = {"kernel": kernel}
for side in (4, 6, 10, 12, 16):
    tensors[f"to_{side}"] = resized(kernel, side).float()
header, blobs, offset = {}, [], 0
for name, value in tensors.items():
    raw = value.contiguous().numpy().astype("<f4").tobytes()
    header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [offset, offset + len(raw)]}
    blobs.append(raw)
    offset += len(raw)
text = json.dumps(header).encode()
open("expected.safetensors", "wb").write(struct.pack("<Q", len(text)) + text + b"".join(blobs))
