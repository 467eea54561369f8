"""What flax makes of google-research's npz, in plain torch: tanh GELU, positions resampled by
scipy's zoom of order 1, a ResNet with flax's eps. The weights and inputs are npz_vit's,
npz_vit_prelogits' and npz_hybrid's.

NAME.safetensors holds `logits`, `forward_features`, and the same with _96x96 for a larger picture,
`pixels_96x96`; npz_vit_bf16.npz is npz_vit's weights as bfloat16, which NumPy saves as |V2.

/usr/bin/python3 make.py      needs torch (1.13), NumPy and SciPy
"""
import io
import os
import sys
import zipfile

import numpy as np
import scipy.ndimage
import torch
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.dirname(HERE)
sys.path.insert(0, GOLDEN)
from files import read, write

torch.manual_seed(3)


def load(name):
    with np.load(os.path.join(GOLDEN, name, "model.npz")) as file:
        return {key: torch.from_numpy(file[key].astype(np.float32)) for key in file.files}


def same_padding(x, kernel, stride, value=0.0):
    pads = []
    for size in (x.shape[3], x.shape[2]):
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads, value=value)


def conv(w, name, x, stride=1):
    kernel = w[name + "/kernel"]
    mean = kernel.mean((0, 1, 2))
    std = kernel.std((0, 1, 2), unbiased=False)
    kernel = ((kernel - mean) / (std + 1e-5)).permute(3, 2, 0, 1)
    return F.conv2d(same_padding(x, kernel.shape[-1], stride), kernel, stride=stride)


def group_norm(w, name, x):
    return F.group_norm(x, 32, w[name + "/scale"].flatten(), w[name + "/bias"].flatten(), 1e-6)


def stem(w, x):
    x = F.relu(group_norm(w, "gn_root", conv(w, "conv_root", x, 2)))
    x = F.max_pool2d(same_padding(x, 3, 2, float("-inf")), 3, 2)
    for block in range(1, 9):
        for unit in range(1, 99):
            name = f"block{block}/unit{unit}/"
            if name + "conv1/kernel" not in w:
                break
            stride = 2 if block > 1 and unit == 1 else 1
            shortcut = x
            if name + "conv_proj/kernel" in w:
                shortcut = group_norm(w, name + "gn_proj", conv(w, name + "conv_proj", x, stride))
            y = F.relu(group_norm(w, name + "gn1", conv(w, name + "conv1", x)))
            y = F.relu(group_norm(w, name + "gn2", conv(w, name + "conv2", y, stride)))
            x = F.relu(shortcut + group_norm(w, name + "gn3", conv(w, name + "conv3", y)))
    return x


def layer_norm(w, name, x):
    return F.layer_norm(x, x.shape[-1:], w[name + "/scale"], w[name + "/bias"], 1e-6)


def positions(table, grid):
    side = int((table.shape[1] - 1) ** 0.5)
    if (side, side) == tuple(grid):
        return table
    patches = table[0, 1:].reshape(side, side, -1).double().numpy()
    patches = scipy.ndimage.zoom(patches, (grid[0] / side, grid[1] / side, 1), order=1)
    return torch.cat([table[:, :1], torch.from_numpy(patches).float().reshape(1, grid[0] * grid[1], -1)], 1)


def forward(w, x):
    if "conv_root/kernel" in w:
        x = stem(w, x)
    kernel = w["embedding/kernel"].permute(3, 2, 0, 1)
    x = F.conv2d(x, kernel, w["embedding/bias"], stride=kernel.shape[-1])
    grid = x.shape[2:]
    x = x.flatten(2).transpose(1, 2)
    x = torch.cat([w["cls"].expand(len(x), -1, -1), x], 1)
    x = x + positions(w["Transformer/posembed_input/pos_embedding"], grid)
    for i in range(99):
        block = f"Transformer/encoderblock_{i}/"
        if block + "LayerNorm_0/scale" not in w:
            break
        y = layer_norm(w, block + "LayerNorm_0", x)
        attention = block + "MultiHeadDotProductAttention_1/"
        q, k, v = (torch.einsum("btd,dhe->bhte", y, w[f"{attention}{n}/kernel"]) + w[f"{attention}{n}/bias"][None, :, None]
                   for n in ("query", "key", "value"))
        y = (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1) @ v
        x = x + torch.einsum("bhte,hed->btd", y, w[attention + "out/kernel"]) + w[attention + "out/bias"]
        y = layer_norm(w, block + "LayerNorm_2", x)
        y = F.gelu(y @ w[block + "MlpBlock_3/Dense_0/kernel"] + w[block + "MlpBlock_3/Dense_0/bias"], approximate="tanh")
        x = x + y @ w[block + "MlpBlock_3/Dense_1/kernel"] + w[block + "MlpBlock_3/Dense_1/bias"]
    tokens = layer_norm(w, "Transformer/encoder_norm", x)
    y = tokens[:, 0]
    if "pre_logits/kernel" in w:
        y = torch.tanh(y @ w["pre_logits/kernel"] + w["pre_logits/bias"])
    return tokens, y @ w["head/kernel"] + w["head/bias"]


for name in ("npz_vit", "npz_vit_prelogits", "npz_hybrid"):
    weights = {k.removeprefix("opt/target/"): v for k, v in load(name).items()}
    pixels = read(os.path.join(GOLDEN, name, "input.safetensors"))["pixel_values"]
    larger = torch.randn(1, 3, 96, 96)
    tokens, logits = forward(weights, pixels)
    large_tokens, large_logits = forward(weights, larger)
    write(os.path.join(HERE, name + ".safetensors"), {
        "logits": logits, "forward_features": tokens, "pixels_96x96": larger,
        "logits_96x96": large_logits, "forward_features_96x96": large_tokens})

with zipfile.ZipFile(os.path.join(HERE, "npz_vit_bf16.npz"), "w") as archive:
    for key, value in load("npz_vit").items():
        bits = value.to(torch.bfloat16).view(torch.int16).numpy().view("V2")
        memory = io.BytesIO()
        np.save(memory, bits.reshape(value.shape))
        archive.writestr(zipfile.ZipInfo(key + ".npy"), memory.getvalue())
