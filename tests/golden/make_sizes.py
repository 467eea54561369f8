"""Golden folders of variants and sizes that no other golden has, computed in double precision.

hf_beit_absolute      Hugging Face's BEiT with a position table in the place of relative positions
hf_beit_shared        ... with one table of relative positions for all blocks, pooled by the class token
hf_dinov2_swiglu_reg  Hugging Face's DINOv2 with registers and SwiGLU, patches of 7
hf_siglip_headless    Hugging Face's SigLIP tower without its attention pool
openclip_layer_scale  an open_clip tower with layer scale
ms_swin_three_stages  Microsoft's Swin with windows of 4 in three stages, the last as large as its window

/usr/bin/python3 make_sizes.py      needs torch (1.13)
"""
import json
import math
import os
import re
import sys

import torch
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from files import write

torch.manual_seed(1)
K, M = 5, 36


def random(*shape):
    return torch.randn(*shape) * 0.25


class Model:
    """Tensors under timm's names, and what their functions are."""

    def __init__(self, eps):
        self.w, self.eps = {}, eps

    def linear(self, name, outputs, inputs, bias=True):
        self.w[name + ".weight"] = random(outputs, inputs)
        if bias:
            self.w[name + ".bias"] = random(outputs)

    def norm(self, name, width):
        self.w[name + ".weight"], self.w[name + ".bias"] = 1 + random(width), random(width)

    def __getitem__(self, name):
        return self.w[name].double()

    def apply(self, name, x):
        return F.linear(x, self[name + ".weight"], self[name + ".bias"] if name + ".bias" in self.w else None)

    def normalise(self, name, x):
        return F.layer_norm(x, x.shape[-1:], self[name + ".weight"], self[name + ".bias"], self.eps)


class ViT(Model):
    def __init__(self, D, A, P, side, eps, class_token=True, registers=0, table="all", relative=False, pre_norm=False,
                 key_bias=True, layer_scale=True, gated=False, gelu=F.gelu, pooling="token", classes=K, resample=None):
        super().__init__(eps)
        self.D, self.A, self.P, self.side, self.grid = D, A, P, side, (side[0] // P, side[1] // P)
        self.registers, self.relative, self.gated, self.gelu = registers, relative, gated, gelu
        self.pooling, self.classes, self.resample, self.depth = pooling, classes, resample, 2
        w, N = self.w, self.grid[0] * self.grid[1]
        w["patch_embed.proj.weight"] = random(D, 3, P, P) * 0.3
        if not pre_norm:
            w["patch_embed.proj.bias"] = random(D)
        if class_token:
            w["cls_token"] = random(1, 1, D)
        if registers:
            w["reg_token"] = random(1, registers, D)
        if table:
            w["pos_embed"] = random(1, N + class_token, D)
        if relative:
            w["rel_pos_bias.relative_position_bias_table"] = random(
                (2 * self.grid[0] - 1) * (2 * self.grid[1] - 1) + 3, A)
        if pre_norm:
            self.norm("norm_pre", D)
        for i in range(self.depth):
            block = f"blocks.{i}."
            self.norm(block + "norm1", D)
            self.linear(block + "attn.qkv", 3 * D, D)
            if not key_bias:
                w[block + "attn.qkv.bias"][D : 2 * D] = 0
            self.linear(block + "attn.proj", D, D)
            self.norm(block + "norm2", D)
            self.linear(block + "mlp.fc1", 2 * M if gated else M, D)
            self.linear(block + "mlp.fc2", D, M)
            if layer_scale:
                w[block + "ls1.gamma"], w[block + "ls2.gamma"] = random(D), random(D)
        self.norm("fc_norm" if pooling == "mean" else "norm", D)
        if classes:
            self.linear("head", classes, 2 * D if pooling == "both" else D, bias=not pre_norm)

    def positions(self, grid):
        table = self["pos_embed"]
        if grid == self.grid:
            return table
        prefix = table.shape[1] - self.grid[0] * self.grid[1]
        patches = table[:, prefix:].float().reshape(1, *self.grid, self.D).permute(0, 3, 1, 2)
        patches = F.interpolate(patches, size=grid, mode="bicubic", antialias=self.resample == "antialiased")
        return torch.cat([table[:, :prefix], patches.double().flatten(2).transpose(1, 2)], 1)

    def relative_bias(self, grid):
        table, N = self["rel_pos_bias.relative_position_bias_table"], grid[0] * grid[1]
        y, x = torch.arange(N) // grid[1], torch.arange(N) % grid[1]
        rows = (y[:, None] - y + grid[0] - 1) * (2 * grid[1] - 1) + x[:, None] - x + grid[1] - 1
        index = torch.full((N + 1, N + 1), len(table) - 3)
        index[1:, 1:], index[1:, 0], index[0, 0] = rows, len(table) - 2, len(table) - 1
        return table[index].permute(2, 0, 1)

    def forward(self, x):
        bias = self["patch_embed.proj.bias"] if "patch_embed.proj.bias" in self.w else None
        x = F.conv2d(x.double(), self["patch_embed.proj.weight"], bias, stride=self.P)
        grid, B = tuple(x.shape[2:]), len(x)
        x = x.flatten(2).transpose(1, 2)
        if "cls_token" in self.w:
            x = torch.cat([self["cls_token"].expand(B, -1, -1), x], 1)
        if "pos_embed" in self.w:
            x = x + self.positions(grid)
        if self.registers:
            x = torch.cat([x[:, :1], self["reg_token"].expand(B, -1, -1), x[:, 1:]], 1)
        if "norm_pre.weight" in self.w:
            x = self.normalise("norm_pre", x)
        hd = self.D // self.A
        for i in range(self.depth):
            block = f"blocks.{i}."
            q, k, v = (self.apply(block + "attn.qkv", self.normalise(block + "norm1", x))
                       .reshape(B, -1, 3, self.A, hd).permute(2, 0, 3, 1, 4))
            scores = q @ k.transpose(-1, -2) * hd**-0.5
            if self.relative:
                scores = scores + self.relative_bias(grid)
            y = self.apply(block + "attn.proj", (scores.softmax(-1) @ v).transpose(1, 2).flatten(2))
            x = x + (y * self[block + "ls1.gamma"] if block + "ls1.gamma" in self.w else y)
            y = self.apply(block + "mlp.fc1", self.normalise(block + "norm2", x))
            y = F.silu(y.chunk(2, -1)[0]) * y.chunk(2, -1)[1] if self.gated else self.gelu(y)
            y = self.apply(block + "mlp.fc2", y)
            x = x + (y * self[block + "ls2.gamma"] if block + "ls2.gamma" in self.w else y)
        first = self.registers + ("cls_token" in self.w)
        if self.pooling == "mean":
            tokens, pooled = x, self.normalise("fc_norm", x[:, first:].mean(1))
        else:
            tokens = self.normalise("norm", x)
            pooled = tokens[:, 0]
        stages = {"tokens": tokens, "pooled": pooled}
        if self.pooling == "both":
            pooled = torch.cat([pooled, tokens[:, first:].mean(1)], 1)
        if self.classes:
            stages["logits"] = self.apply("head", pooled)
        return stages


class Swin(Model):
    def __init__(self, D, depths, heads, window, side):
        super().__init__(1e-5)
        self.depths, self.heads, self.window, self.side = depths, heads, window, (side, side)
        self.w["patch_embed.proj.weight"], self.w["patch_embed.proj.bias"] = random(D, 3, 4, 4) * 0.4, random(D)
        self.norm("patch_embed.norm", D)
        for s, (blocks, A) in enumerate(zip(depths, heads)):
            for b in range(blocks):
                block = f"layers.{s}.blocks.{b}."
                self.norm(block + "norm1", D)
                self.linear(block + "attn.qkv", 3 * D, D)
                self.linear(block + "attn.proj", D, D)
                self.w[block + "attn.relative_position_bias_table"] = random((2 * window - 1) ** 2, A)
                self.norm(block + "norm2", D)
                self.linear(block + "mlp.fc1", 2 * D, D)
                self.linear(block + "mlp.fc2", D, 2 * D)
            if s + 1 < len(depths):
                self.norm(f"layers.{s}.downsample.norm", 4 * D)
                self.linear(f"layers.{s}.downsample.reduction", 2 * D, 4 * D, bias=False)
                D *= 2
        self.norm("norm", D)
        self.linear("head", K, D)

    def attention(self, block, x, A, shift):
        B, H, W, D = x.shape
        n = self.window

        def windows(t):
            t = t.reshape(-1, H // n, n, W // n, n, t.shape[-1]).transpose(2, 3)
            return t.reshape(len(t), -1, n * n, t.shape[-1])

        region = torch.zeros(H, W)
        if shift:
            x = torch.roll(x, (-shift, -shift), (1, 2))
            parts = (slice(0, -n), slice(-n, -shift), slice(-shift, None))
            for number in range(9):
                region[parts[number // 3], parts[number % 3]] = number
        q, k, v = (self.apply(block + "attn.qkv", windows(x))
                   .reshape(B, -1, n * n, 3, A, D // A).permute(3, 0, 1, 4, 2, 5))
        y, c = torch.arange(n * n) // n, torch.arange(n * n) % n
        rows = (y[:, None] - y + n - 1) * (2 * n - 1) + c[:, None] - c + n - 1
        bias = self[block + "attn.relative_position_bias_table"][rows].permute(2, 0, 1)
        region = windows(region[None, :, :, None])[..., 0]
        mask = (region[:, :, :, None] != region[:, :, None]) * -100.0
        scores = q @ k.transpose(-1, -2) * (D // A) ** -0.5 + bias + mask[:, :, None]
        y = (scores.softmax(-1) @ v).transpose(2, 3).reshape(B, H // n, W // n, n, n, D)
        y = self.apply(block + "attn.proj", y.transpose(2, 3).reshape(B, H, W, D))
        return torch.roll(y, (shift, shift), (1, 2))

    def forward(self, x):
        x = F.conv2d(x.double(), self["patch_embed.proj.weight"], self["patch_embed.proj.bias"], stride=4)
        x = self.normalise("patch_embed.norm", x.permute(0, 2, 3, 1))
        for s, (blocks, A) in enumerate(zip(self.depths, self.heads)):
            for b in range(blocks):
                block = f"layers.{s}.blocks.{b}."
                shift = self.window // 2 if b % 2 and x.shape[1] > self.window else 0
                x = x + self.attention(block, self.normalise(block + "norm1", x), A, shift)
                y = F.gelu(self.apply(block + "mlp.fc1", self.normalise(block + "norm2", x)))
                x = x + self.apply(block + "mlp.fc2", y)
            if s + 1 < len(self.depths):
                x = torch.cat([x[:, i::2, j::2] for j in (0, 1) for i in (0, 1)], -1)
                merging = f"layers.{s}.downsample."
                x = self.apply(merging + "reduction", self.normalise(merging + "norm", x))
        tokens = self.normalise("norm", x).flatten(1, 2)
        return {"tokens": tokens, "pooled": tokens.mean(1), "logits": self.apply("head", tokens.mean(1))}


# --- names and folders ------------------------------------------------------------------------------


def renamed(weights, *rules):
    for pattern, replacement in rules:
        weights = {re.sub(pattern, replacement, name): tensor for name, tensor in weights.items()}
    return weights


def split(weights, stem, parts, key_bias=True):
    result = {}
    for name, tensor in weights.items():
        if ".attn.qkv." not in name:
            result[name] = tensor
            continue
        for n, (part, rows) in enumerate(zip(parts, tensor.chunk(3))):
            if key_bias or n != 1 or not name.endswith("bias"):
                result[name.replace("attn.qkv", stem + part)] = rows
    return result


def golden(name, model, weights, stages, configs, more=()):
    folder = os.path.join(HERE, name)
    os.makedirs(folder, exist_ok=True)
    write(folder + "/model.safetensors", weights)
    for file, config in configs.items():
        with open(os.path.join(folder, file), "w") as out:
            json.dump(config, out)
    for n, side in enumerate([model.side, *more]):
        ending = f"_{side[0]}x{side[1]}.safetensors" if n else ".safetensors"
        pixels = torch.randn(1, 3, *side)
        found = model.forward(pixels)
        write(folder + "/input" + ending, {"pixel_values": pixels})
        write(folder + "/expected" + ending, {theirs: found[ours].float() for ours, theirs in stages.items() if ours in found})


HF_COMMON = (
    (r"^(cls_token)", r"embeddings.\1"), (r"^reg_token", "embeddings.register_tokens"),
    (r"^pos_embed", "embeddings.position_embeddings"), (r"^patch_embed.proj", "embeddings.patch_embeddings.projection"),
    (r"^blocks\.(\d+)", r"encoder.layer.\1"), (r"attn\.proj", "attention.output.dense"), (r"^norm\.", "layernorm."),
    (r"^head\.", "classifier."))
HF_CLIP = (
    (r"^pos_embed", "embeddings.position_embedding.weight"), (r"^patch_embed.proj", "embeddings.patch_embedding"),
    (r"^norm\.", "post_layernorm."), (r"^blocks\.(\d+)", r"encoder.layers.\1"), (r"attn\.proj", "self_attn.out_proj"),
    (r"\.norm(\d)", r".layer_norm\1"), (r"^", "vision_model."))
OPEN_CLIP = (
    (r"^cls_token", "class_embedding"), (r"^pos_embed", "positional_embedding"), (r"^patch_embed.proj", "conv1"),
    (r"^norm_pre", "ln_pre"), (r"^norm\.", "ln_post."), (r"^blocks\.", "transformer.resblocks."),
    (r"attn\.proj", "attn.out_proj"), (r"attn\.qkv\.", "attn.in_proj_"), (r"\.norm(\d)", r".ln_\1"),
    (r"mlp\.fc1", "mlp.c_fc"), (r"mlp\.fc2", "mlp.c_proj"), (r"ls(\d)\.gamma", r"ls_\1.gamma"),
    (r"^head\.weight", "proj"), (r"^", "visual."))
HF_STAGES = {"tokens": "last_hidden_state", "logits": "logits"}


def under(prefix, weights):
    return {name if name.startswith("classifier") else prefix + name: tensor for name, tensor in weights.items()}


def beit(name, mean, config, **rest):
    model = ViT(24, 4, 8, (32, 32), 1e-12, key_bias=False, pooling="mean" if mean else "token", **rest)
    weights = split(model.w, "attention.attention.", ("query", "key", "value"), key_bias=False)
    weights = renamed(
        weights, (r"^rel_pos_bias", "encoder.relative_position_bias"), (r"ls(\d)\.gamma", r"lambda_\1"),
        (r"^fc_norm", "pooler.layernorm"), (r"\.norm1", ".layernorm_before"), (r"\.norm2", ".layernorm_after"),
        (r"mlp\.fc1", "intermediate.dense"), (r"mlp\.fc2", "output.dense"), *HF_COMMON)
    config = {"model_type": "beit", "num_attention_heads": 4, "image_size": 32, "layer_norm_eps": 1e-12,
              "use_mean_pooling": mean, **config}
    golden(name, model, under("beit.", weights), HF_STAGES, {"config.json": config})


def dinov2():
    model = ViT(32, 4, 7, (28, 28), 1e-6, registers=4, gated=True, pooling="both", resample="antialiased")
    weights = renamed(
        split(model.w, "attention.attention.", ("query", "key", "value")), (r"ls(\d)\.gamma", r"layer_scale\1.lambda1"),
        (r"mlp\.fc1", "mlp.weights_in"), (r"mlp\.fc2", "mlp.weights_out"), *HF_COMMON)
    config = {"model_type": "dinov2_with_registers", "num_attention_heads": 4, "image_size": 28, "use_swiglu_ffn": True}
    golden("hf_dinov2_swiglu_reg", model, under("dinov2_with_registers.", weights), HF_STAGES, {"config.json": config},
           [(21, 35)])


def siglip():
    model = ViT(32, 4, 8, (32, 32), 1e-6, class_token=False, layer_scale=False, classes=0,
                gelu=lambda x: 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))))
    weights = renamed(split(model.w, "self_attn.", ("q_proj", "k_proj", "v_proj")), *HF_CLIP)
    weights["vision_model.embeddings.position_embedding.weight"].squeeze_(0)
    config = {"model_type": "siglip_vision_model", "num_attention_heads": 4, "image_size": 32, "vision_use_head": False,
              "hidden_act": "gelu_pytorch_tanh", "layer_norm_eps": 1e-6}
    golden("hf_siglip_headless", model, weights, {"tokens": "last_hidden_state"}, {"config.json": config})


def open_clip():
    model = ViT(48, 2, 8, (32, 32), 1e-5, pre_norm=True, classes=16, resample="antialiased")
    weights = renamed(model.w, *OPEN_CLIP)
    weights["visual.class_embedding"] = weights["visual.class_embedding"].flatten()
    weights["visual.positional_embedding"] = weights["visual.positional_embedding"][0]
    weights["visual.proj"] = weights["visual.proj"].t()
    vision = {"image_size": 32, "layers": 2, "width": 48, "head_width": 24, "patch_size": 8, "ls_init_value": 0.1}
    golden("openclip_layer_scale", model, {**weights, "logit_scale": torch.zeros(1)}, {"logits": "image_features"},
           {"open_clip_config.json": {"model_cfg": {"embed_dim": 16, "vision_cfg": vision}}}, [(40, 24)])


def swin():
    model = Swin(8, (2, 4, 2), (2, 4, 4), 4, 64)
    golden("ms_swin_three_stages", model, model.w, {"tokens": "norm_output", "pooled": "pooled", "logits": "logits"},
           {"config.json": {"DATA": {"IMG_SIZE": 64}}})


beit("hf_beit_absolute", True, {"use_absolute_position_embeddings": True})
beit("hf_beit_shared", False, {"use_shared_relative_position_bias": True}, table=None, relative=True)
dinov2()
siglip()
open_clip()
swin()
