"""Pictures resized as tf.image.resize does, by torch: bilinear, half-pixel centres, no antialiasing.

pictures.safetensors holds `rgb` (11, 17, 3), values 0 to 255, and `to_HxW` (3, H, W), f32.

/usr/bin/python3 make.py      needs torch (1.13)
"""
import os
import sys

import torch
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from files import write

torch.manual_seed(2)
rgb = torch.randint(0, 256, (11, 17, 3)).float()
pixels = rgb.permute(2, 0, 1)[None].double()
tensors = {"rgb": rgb}
for size in ((5, 5), (24, 24), (11, 8), (30, 17)):
    resized = F.interpolate(pixels, size=size, mode="bilinear", align_corners=False)[0]
    tensors["to_%dx%d" % size] = resized.float()
write(HERE + "/pictures.safetensors", tensors)
