"""Writes resize.safetensors: pictures resized by Pillow with all its filters.

input.<h>x<w> (h, w, 3) u8, and <filter>.<h>x<w>.<height>x<width> (height, width, 3) u8.
Made with Pillow 9.4.0, NumPy 1.24.2:  python3 generate.py
"""
import json
import struct

import numpy as np
from PIL import Image

FILTERS = ["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]
SIZES = {
    (37, 53): [(16, 16), (37, 20), (11, 53), (50, 71), (1, 1), (37, 53), (90, 7)],
    (1, 1): [(3, 5)],
    (5, 64): [(7, 3), (2, 130)],
    (101, 3): [(8, 8)],
}

tensors = {}
random = np.random.default_rng(7)
for (h, w), targets in SIZES.items():
    y, x = np.mgrid[0:h, 0:w]
    wave = 127 + 127 * np.sin(y[..., None] / [2.0, 5.0, 9.0] + x[..., None] / [7.0, 3.0, 4.0])
    noise = random.integers(0, 256, (h, w, 3))
    pixels = np.where(((x // 9 + y // 7) % 2 == 0)[..., None], wave, noise).astype(np.uint8)
    tensors[f"input.{h}x{w}"] = pixels
    for height, width in targets:
        for name in FILTERS:
            resized = Image.fromarray(pixels).resize((width, height), Image.Resampling[name.upper()])
            tensors[f"{name}.{h}x{w}.{height}x{width}"] = np.asarray(resized)

header, data = {}, b""
for name, array in tensors.items():
    start, data = len(data), data + array.tobytes()
    header[name] = {"dtype": "U8", "shape": array.shape, "data_offsets": [start, len(data)]}
text = json.dumps(header).encode()
with open("resize.safetensors", "wb") as file:
    file.write(struct.pack("<Q", len(text)) + text + data)
