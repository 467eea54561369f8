"""Golden folders that no publisher's code made.

plain_*       a few lines of torch for variants without another golden: parallel blocks, norms after
              the branches, AIMv2, differential attention
ms_beit3      BEiT-3's picture branch under Microsoft's names
fb_dino       Meta's DINO as its training saves it
fb_dinov3*    Meta's DINOv3: rotary positions of stored periods, a masked bias of k, MLP and SwiGLU
vitp_first    lucidrains' vit-pytorch before there was dropout, a classifier of two layers
vitp_v0_*     ... before `dim_head`, in its last release with the scale of the whole width, and in the
              next one, that of each head
vitp_simple_first   ... its SimpleViT before the norms around the patches' product
lavis_clip    BLIP-2's CLIP tower under LAVIS's names, with its resampling of positions
big_vision*   timm_siglip_map's weights under big_vision's names, block by block and stacked; what
              timm gives for them is expected

/usr/bin/python3 make_twins.py      needs torch (1.13)
"""
import json
import math
import os
import shutil
import sys

import torch
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from files import read, write

torch.manual_seed(0)


# --- plain torch ------------------------------------------------------------------------------------

D, A, M, K, P, S, L = 24, 3, 96, 10, 8, 32, 2
N = (S // P) ** 2


def random(*shape):
    return torch.randn(*shape) * 0.3


class Weights(dict):
    def linear(self, name, outputs, inputs, bias=True):
        self[name + ".weight"] = random(outputs, inputs)
        if bias:
            self[name + ".bias"] = random(outputs)

    def norm(self, name, bias=True):
        self[name + ".weight"] = 1 + random(D)
        if bias:
            self[name + ".bias"] = random(D)

    def patches(self, prefix_tokens):
        self["pos_embed"] = random(1, N + prefix_tokens, D)
        self["patch_embed.proj.weight"] = random(D, 3, P, P) * 0.2
        self["patch_embed.proj.bias"] = random(D)
        if prefix_tokens:
            self["cls_token"] = random(1, 1, D)

    def apply(self, name, x):
        return F.linear(x, self[name + ".weight"], self.get(name + ".bias"))

    def layer_norm(self, name, x):
        return F.layer_norm(x, (D,), self[name + ".weight"], self[name + ".bias"], 1e-6)

    def rms_norm(self, name, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * self[name + ".weight"]

    def attention(self, name, x):
        batch, tokens, _ = x.shape
        q, k, v = self.apply(name + ".qkv", x).reshape(batch, tokens, 3, A, D // A).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-1, -2) * (D // A) ** -0.5).softmax(-1)
        return self.apply(name + ".proj", (weights @ v).transpose(1, 2).reshape(batch, tokens, D))

    def mlp(self, name, x):
        return self.apply(name + ".fc2", F.gelu(self.apply(name + ".fc1", x)))

    def embed(self, x):
        x = F.conv2d(x, self["patch_embed.proj.weight"], self["patch_embed.proj.bias"], stride=P)
        return x.flatten(2).transpose(1, 2)


def golden(name, architecture, weights, forward):
    folder = os.path.join(HERE, name)
    os.makedirs(folder, exist_ok=True)
    pixels = torch.randn(2, 3, S, S)
    write(folder + "/model.safetensors", weights)
    write(folder + "/input.safetensors", {"pixel_values": pixels})
    write(folder + "/expected.safetensors", forward(pixels))
    with open(folder + "/config.json", "w") as file:
        json.dump({"architecture": architecture, "model_args": {"embed_dim": D, "num_heads": A, "img_size": S}}, file)


def parallel_things():
    w = Weights()
    w.patches(1)
    for i in range(L):
        for j in range(2):
            attn, ffn = f"blocks.{i}.attns.{j}", f"blocks.{i}.ffns.{j}"
            w.norm(attn + ".norm")
            w.linear(attn + ".attn.qkv", 3 * D, D)
            w.linear(attn + ".attn.proj", D, D)
            w[attn + ".ls.gamma"] = random(D)
            w.norm(ffn + ".norm")
            w.linear(ffn + ".mlp.fc1", M, D)
            w.linear(ffn + ".mlp.fc2", D, M)
            w[ffn + ".ls.gamma"] = random(D)
    w.norm("norm")
    w.linear("head", K, D)

    def forward(x):
        x = w.embed(x)
        x = torch.cat([w["cls_token"].expand(len(x), -1, -1), x], 1) + w["pos_embed"]
        for i in range(L):
            names = [f"blocks.{i}.attns.{j}" for j in range(2)]
            x = x + sum(w.attention(n + ".attn", w.layer_norm(n + ".norm", x)) * w[n + ".ls.gamma"] for n in names)
            names = [f"blocks.{i}.ffns.{j}" for j in range(2)]
            x = x + sum(w.mlp(n + ".mlp", w.layer_norm(n + ".norm", x)) * w[n + ".ls.gamma"] for n in names)
        x = w.layer_norm("norm", x)
        return {"forward_features": x, "pre_logits": x[:, 0], "logits": w.apply("head", x[:, 0])}

    golden("plain_parallel_things", "vit_small_patch16_18x2_224", w, forward)


def post_norm():
    w = Weights()
    w.patches(0)
    for i in range(L):
        block = f"blocks.{i}"
        w.norm(block + ".norm1")
        w.norm(block + ".norm2")
        w.linear(block + ".attn.qkv", 3 * D, D, bias=False)
        w.linear(block + ".attn.proj", D, D)
        w.linear(block + ".mlp.fc1", M, D)
        w.linear(block + ".mlp.fc2", D, M)
    w.norm("fc_norm")
    w.linear("head", K, D)

    def forward(x):
        x = w.embed(x) + w["pos_embed"]
        for i in range(L):
            block = f"blocks.{i}"
            x = x + w.layer_norm(block + ".norm1", w.attention(block + ".attn", x))
            x = x + w.layer_norm(block + ".norm2", w.mlp(block + ".mlp", x))
        pooled = w.layer_norm("fc_norm", x.mean(1))
        return {"forward_features": x, "pre_logits": pooled, "logits": w.apply("head", pooled)}

    golden("plain_post_norm", "vit_base_patch16_rpn_224", w, forward)


def aimv2():
    w = Weights()
    w.patches(0)
    w.norm("patch_embed.norm", bias=False)
    for i in range(L):
        block = f"blocks.{i}"
        w.norm(block + ".norm1", bias=False)
        w.norm(block + ".norm2", bias=False)
        w.linear(block + ".attn.qkv", 3 * D, D, bias=False)
        w.linear(block + ".attn.proj", D, D, bias=False)
        w.linear(block + ".mlp.fc1_g", M, D, bias=False)
        w.linear(block + ".mlp.fc1_x", M, D, bias=False)
        w.linear(block + ".mlp.fc2", D, M, bias=False)
    w.norm("norm", bias=False)

    def forward(x):
        x = w.rms_norm("patch_embed.norm", w.embed(x)) + w["pos_embed"]
        for i in range(L):
            block = f"blocks.{i}"
            x = x + w.attention(block + ".attn", w.rms_norm(block + ".norm1", x))
            y = w.rms_norm(block + ".norm2", x)
            gate = F.silu(w.apply(block + ".mlp.fc1_g", y))
            x = x + w.apply(block + ".mlp.fc2", gate * w.apply(block + ".mlp.fc1_x", y))
        x = w.rms_norm("norm", x)
        return {"forward_features": x, "pre_logits": x.mean(1)}

    golden("plain_aimv2", "aimv2_large_patch14_224", w, forward)


# Ye et al. 2024, as timm's vit_dwee (one branch after the other) and vit_dpwee (side by side) have it.
def differential(name, architecture, parallel, dual):
    w = Weights()
    w.patches(0)
    w["pos_embed"] = random(1, N, D)
    w["reg_token"] = random(1, 1, D)
    half = D // A // 2
    for i in range(L):
        block = f"blocks.{i}"
        attn = block if parallel else block + ".attn"
        if dual:
            w[attn + ".lambda_a"], w[attn + ".lambda_b"] = random(1).squeeze(), random(1).squeeze()
        else:
            for part in ("q1", "k1", "q2", "k2"):
                w[f"{attn}.lambda_{part}"] = random(half)
        w[attn + ".sub_norm.weight"] = 1 + random(2 * half)
        if parallel:
            w.norm(block + ".in_norm")
            w.linear(block + ".in_proj", M + 3 * D, D)
            w.linear(block + ".out_proj", D, D + M)
            w[block + ".ls.gamma"] = random(D)
            continue
        w.norm(block + ".norm1")
        w.linear(block + ".attn.qkv", 3 * D, D)
        w.norm(block + ".attn.q_norm")
        w.norm(block + ".attn.k_norm")
        for part in ("q_norm", "k_norm"):
            for kind in ("weight", "bias"):
                w[f"{block}.attn.{part}.{kind}"] = w[f"{block}.attn.{part}.{kind}"][:half].clone()
        w.linear(block + ".attn.proj", D, D)
        w[block + ".ls1.gamma"] = random(D)
        w.norm(block + ".norm2")
        w.linear(block + ".mlp.fc1", M, D)
        w.linear(block + ".mlp.fc2", D, M)
        w[block + ".ls2.gamma"] = random(D)
    w.norm("fc_norm")
    w.linear("head", K, D)

    def heads(i, attn, q, k, v):
        batch, tokens, _ = q.shape
        q, k = (x.reshape(batch, tokens, A, 2, half) for x in (q, k))
        if not parallel:
            q, k = (F.layer_norm(x, (half,), w[f"{attn}.{n}.weight"], w[f"{attn}.{n}.bias"], 1e-6)
                    for x, n in ((q, "q_norm"), (k, "k_norm")))
        weights = (torch.einsum("bqahd,bkahd->bahqk", q, k) * half**-0.5).softmax(-1)
        if dual:
            one, two = w[attn + ".lambda_a"], w[attn + ".lambda_b"]
        else:
            one, two = ((w[f"{attn}.lambda_q{n}"] * w[f"{attn}.lambda_k{n}"]).sum() for n in (1, 2))
        start = 0.8 - 0.6 * math.exp(-0.3 * i)
        weights = weights[:, :, 0] - (one.exp() - two.exp() + start) * weights[:, :, 1]
        x = torch.einsum("baqk,bkad->bqad", weights, v.reshape(batch, tokens, A, 2 * half))
        x = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * w[attn + ".sub_norm.weight"]
        return (x * (1 - start)).reshape(batch, tokens, D), weights

    def forward(x):
        x = w.embed(x) + w["pos_embed"]
        x = torch.cat([w["reg_token"].expand(len(x), -1, -1), x], 1)
        stages = {}
        for i in range(L):
            stages[f"hidden_states.{i}"] = x
            block = f"blocks.{i}"
            if parallel:
                hidden, q, k, v = w.apply(block + ".in_proj", w.layer_norm(block + ".in_norm", x)).split([M, D, D, D], -1)
                joined, weights = heads(i, block, q, k, v)
                x = x + w.apply(block + ".out_proj", torch.cat([joined, F.gelu(hidden)], -1)) * w[block + ".ls.gamma"]
                continue
            q, k, v = w.apply(block + ".attn.qkv", w.layer_norm(block + ".norm1", x)).chunk(3, -1)
            joined, weights = heads(i, block + ".attn", q, k, v)
            x = x + w.apply(block + ".attn.proj", joined) * w[block + ".ls1.gamma"]
            x = x + w.mlp(block + ".mlp", w.layer_norm(block + ".norm2", x)) * w[block + ".ls2.gamma"]
        pooled = w.layer_norm("fc_norm", x[:, 1:].mean(1))
        logits = w.apply("head", pooled)
        return {**stages, "attn_last": weights, "forward_features": x, "pre_logits": pooled, "logits": logits}

    golden(name, architecture, w, forward)


# BLIP-2's CLIP tower as LAVIS files have it: a block short, `ln_vision` behind it.
def lavis_clip():
    w = Weights()
    e = "visual_encoder."
    w[e + "class_embedding"] = random(D)
    w[e + "positional_embedding"] = random(N + 1, D)
    w[e + "conv1.weight"] = random(D, 3, P, P) * 0.2
    w.norm(e + "ln_pre")
    for i in range(L):
        block = f"{e}transformer.resblocks.{i}."
        w.norm(block + "ln_1")
        w.norm(block + "ln_2")
        w[block + "attn.in_proj_weight"], w[block + "attn.in_proj_bias"] = random(3 * D, D), random(3 * D)
        w.linear(block + "attn.out_proj", D, D)
        w.linear(block + "mlp.c_fc", M, D)
        w.linear(block + "mlp.c_proj", D, M)
    w.norm("ln_vision")
    w["query_tokens"], w["Qformer.cls.predictions.bias"] = random(1, 4, D), random(7)

    def norm(name, x):
        return F.layer_norm(x, (D,), w[name + ".weight"], w[name + ".bias"], 1e-5)

    def forward(x):
        x = F.conv2d(x, w[e + "conv1.weight"], stride=P)
        table, grid = w[e + "positional_embedding"], tuple(x.shape[2:])
        if grid != (S // P, S // P):
            patches = table[1:].reshape(1, S // P, S // P, D).permute(0, 3, 1, 2)
            patches = F.interpolate(patches, size=grid, mode="bicubic", align_corners=True)
            table = torch.cat([table[:1], patches.flatten(2)[0].t()])
        x = x.flatten(2).transpose(1, 2)
        x = torch.cat([w[e + "class_embedding"].expand(len(x), 1, -1), x], 1) + table
        x = norm(e + "ln_pre", x)
        for i in range(L):
            block = f"{e}transformer.resblocks.{i}."
            y = F.linear(norm(block + "ln_1", x), w[block + "attn.in_proj_weight"], w[block + "attn.in_proj_bias"])
            q, k, v = y.reshape(len(x), -1, 3, A, D // A).permute(2, 0, 3, 1, 4)
            y = ((q @ k.transpose(-1, -2) * (D // A) ** -0.5).softmax(-1) @ v).transpose(1, 2).flatten(2)
            x = x + w.apply(block + "attn.out_proj", y)
            y = w.apply(block + "mlp.c_fc", norm(block + "ln_2", x))
            x = x + w.apply(block + "mlp.c_proj", y * torch.sigmoid(1.702 * y))
        return {"vit_features": x, "image_embeds": norm("ln_vision", x)}

    golden("lavis_clip", None, w, forward)
    folder = os.path.join(HERE, "lavis_clip")
    with open(folder + "/config.json", "w") as file:
        json.dump({"vit": {"num_heads": A, "img_size": S}}, file)
    pixels = torch.randn(1, 3, 48, 24)
    write(folder + "/input_48x24.safetensors", {"pixel_values": pixels})
    write(folder + "/expected_48x24.safetensors", forward(pixels))


# BEiT-3's picture branch under Microsoft's names, beside tensors of its text branch.
def beit3():
    w = Weights()
    layers = "beit3.encoder.layers."
    w["beit3.vision_embed.cls_token"] = random(1, 1, D)
    w["beit3.vision_embed.mask_token"] = random(1, 1, D)
    w["beit3.vision_embed.proj.weight"] = random(D, 3, P, P) * 0.2
    w["beit3.vision_embed.proj.bias"] = random(D)
    w["beit3.encoder.embed_positions.A.weight"] = random(2 + 1 + N, D)
    w["beit3.encoder.embed_positions.B.weight"] = random(9, D)
    w["beit3.text_embed.weight"] = random(7, D)
    for i in range(L):
        layer = f"{layers}{i}."
        for branch in ("A", "B"):
            for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
                w.linear(f"{layer}self_attn.{part}.{branch}", D, D)
            w.norm(f"{layer}self_attn.inner_attn_ln.{branch}")
            w.norm(f"{layer}self_attn_layer_norm.{branch}")
            w.norm(f"{layer}final_layer_norm.{branch}")
            w.linear(f"{layer}ffn.{branch}.fc1", M, D)
            w[f"{layer}ffn.{branch}.ffn_layernorm.weight"] = 1 + random(M)
            w[f"{layer}ffn.{branch}.ffn_layernorm.bias"] = random(M)
            w.linear(f"{layer}ffn.{branch}.fc2", D, M)
    w.norm("fc_norm")
    w.linear("head", K, D)

    def norm(name, x):
        return F.layer_norm(x, x.shape[-1:], w[name + ".weight"], w[name + ".bias"], 1e-5)

    def forward(x):
        x = F.conv2d(x, w["beit3.vision_embed.proj.weight"], w["beit3.vision_embed.proj.bias"], stride=P)
        x = x.flatten(2).transpose(1, 2)
        x = torch.cat([w["beit3.vision_embed.cls_token"].expand(len(x), -1, -1), x], 1)
        x = x + w["beit3.encoder.embed_positions.A.weight"][2:]
        for i in range(L):
            layer = f"{layers}{i}."
            y = norm(layer + "self_attn_layer_norm.A", x)
            q, k, v = (w.apply(f"{layer}self_attn.{n}.A", y).unflatten(-1, (A, D // A)).transpose(1, 2)
                       for n in ("q_proj", "k_proj", "v_proj"))
            y = ((q @ k.transpose(-1, -2) * (D // A) ** -0.5).softmax(-1) @ v).transpose(1, 2).flatten(2)
            x = x + w.apply(layer + "self_attn.out_proj.A", norm(layer + "self_attn.inner_attn_ln.A", y))
            y = F.gelu(w.apply(layer + "ffn.A.fc1", norm(layer + "final_layer_norm.A", x)))
            x = x + w.apply(layer + "ffn.A.fc2", norm(layer + "ffn.A.ffn_layernorm", y))
        pooled = norm("fc_norm", x[:, 1:].mean(1))
        return {"forward_features": x, "pre_logits": pooled, "logits": w.apply("head", pooled)}

    golden("ms_beit3", "beit3", w, forward)


# DINO as its training saves it, and its resampling of positions: by a scale of (n + 0.1) / N.
def dino():
    w = Weights()
    w.patches(1)
    for i in range(L):
        block = f"blocks.{i}"
        w.norm(block + ".norm1")
        w.norm(block + ".norm2")
        w.linear(block + ".attn.qkv", 3 * D, D)
        w.linear(block + ".attn.proj", D, D)
        w.linear(block + ".mlp.fc1", M, D)
        w.linear(block + ".mlp.fc2", D, M)
    w.norm("norm")

    def forward(x):
        table, grid = w["pos_embed"], [side // P for side in x.shape[2:]]
        if grid != [S // P, S // P]:
            patches = table[:, 1:].reshape(1, S // P, S // P, D).permute(0, 3, 1, 2)
            scale = [(side + 0.1) / (S // P) for side in grid]
            patches = F.interpolate(patches, scale_factor=scale, mode="bicubic")
            table = torch.cat([table[:, :1], patches.flatten(2).transpose(1, 2)], 1)
        x = w.embed(x)
        x = torch.cat([w["cls_token"].expand(len(x), -1, -1), x], 1) + table
        for i in range(L):
            block = f"blocks.{i}"
            x = x + w.attention(block + ".attn", w.layer_norm(block + ".norm1", x))
            x = x + w.mlp(block + ".mlp", w.layer_norm(block + ".norm2", x))
        x = w.layer_norm("norm", x)
        return {"forward_features": x, "pre_logits": x[:, 0]}

    head = {"head.mlp.0.weight": random(8, D), "head.last_layer.weight_g": random(5, 1)}
    golden("fb_dino", "dino", w, forward)
    folder = os.path.join(HERE, "fb_dino")
    write(folder + "/model.safetensors", {**{"backbone." + k: v for k, v in w.items()}, **head})
    pixels = torch.randn(1, 3, 48, 24)
    write(folder + "/input_48x24.safetensors", {"pixel_values": pixels})
    write(folder + "/expected_48x24.safetensors", forward(pixels))


# Meta's DINOv3: no position table, q and k of the patches turned, periods in bf16's precision.
def dinov3(name, swiglu, qkv_bias):
    w = Weights()
    heads, hidden = 3, 40 if swiglu else M
    half = D // heads // 2
    w["cls_token"], w["storage_tokens"], w["mask_token"] = random(1, 1, D), random(1, 4, D), random(1, D)
    w["rope_embed.periods"] = (100 ** (torch.arange(half // 2) / (half // 2))).bfloat16().float()
    w["patch_embed.proj.weight"], w["patch_embed.proj.bias"] = random(D, 3, P, P) * 0.2, random(D)
    mask = torch.ones(3 * D)
    mask[D : 2 * D] = 0
    for i in range(L):
        block = f"blocks.{i}"
        w.norm(block + ".norm1")
        w.norm(block + ".norm2")
        w.linear(block + ".attn.qkv", 3 * D, D, bias=qkv_bias)
        if qkv_bias:
            w[block + ".attn.qkv.bias_mask"] = mask
        w.linear(block + ".attn.proj", D, D)
        w[block + ".ls1.gamma"], w[block + ".ls2.gamma"] = random(D), random(D)
        if swiglu:
            w.linear(block + ".mlp.w1", hidden, D)
            w.linear(block + ".mlp.w2", hidden, D)
            w.linear(block + ".mlp.w3", D, hidden)
        else:
            w.linear(block + ".mlp.fc1", hidden, D)
            w.linear(block + ".mlp.fc2", D, hidden)
    w.norm("norm")
    if swiglu:
        w.norm("local_cls_norm")

    def norm(name, x):
        return F.layer_norm(x, (D,), w[name + ".weight"], w[name + ".bias"], 1e-5)

    def turned(x, angles):
        patches = x[:, :, 5:]
        one, two = patches.chunk(2, -1)
        patches = patches * angles.cos() + torch.cat([-two, one], -1) * angles.sin()
        return torch.cat([x[:, :, :5], patches], 2)

    def forward(x):
        height, width = x.shape[2] // P, x.shape[3] // P
        centers = [2 * (torch.arange(n) + 0.5) / n - 1 for n in (height, width)]
        places = torch.stack(torch.meshgrid(*centers, indexing="ij"), -1).reshape(-1, 2, 1)
        angles = (2 * math.pi * places / w["rope_embed.periods"]).flatten(1).tile(2)
        x = w.embed(x)
        x = torch.cat([t.expand(len(x), -1, -1) for t in (w["cls_token"], w["storage_tokens"])] + [x], 1)
        for i in range(L):
            block = f"blocks.{i}"
            bias = w[block + ".attn.qkv.bias"] * mask if qkv_bias else None
            y = F.linear(norm(block + ".norm1", x), w[block + ".attn.qkv.weight"], bias)
            q, k, v = y.reshape(len(x), -1, 3, heads, 2 * half).permute(2, 0, 3, 1, 4)
            scores = turned(q, angles) @ turned(k, angles).transpose(-1, -2) * (2 * half) ** -0.5
            y = (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
            x = x + w.apply(block + ".attn.proj", y) * w[block + ".ls1.gamma"]
            y = norm(block + ".norm2", x)
            if swiglu:
                y = w.apply(block + ".mlp.w3", F.silu(w.apply(block + ".mlp.w1", y)) * w.apply(block + ".mlp.w2", y))
            else:
                y = w.mlp(block + ".mlp", y)
            x = x + y * w[block + ".ls2.gamma"]
        n = norm("norm", x)
        return {"x_prenorm": x, "x_norm_clstoken": n[:, 0], "x_storage_tokens": n[:, 1:5], "x_norm_patchtokens": n[:, 5:]}

    folder = os.path.join(HERE, name)
    golden(name, None, w, forward)
    os.remove(folder + "/config.json")
    pixels = torch.randn(1, 3, 48, 24)
    write(folder + "/input_48x24.safetensors", {"pixel_values": pixels})
    write(folder + "/expected_48x24.safetensors", forward(pixels))


# lucidrains' vit-pytorch in layouts that none of the goldens made with its own code has.
def vit_pytorch(name, heads, version=None, dim_head=None, dropout=True, mlp_head=False, pool="cls", simple=False,
                patch="patch_to_embedding", width_scale=False):
    w = Weights()
    inner = D if dim_head is None else heads * dim_head
    w[patch + ".weight"], w[patch + ".bias"] = random(D, P * P * 3) * 0.2, random(D)
    if not simple:
        w["pos_embedding"], w["cls_token"] = random(1, N + 1, D), random(1, 1, D)
    wrap = "" if simple else "fn."
    out, last = (".0", "3") if dropout else ("", "2")
    for i in range(L):
        attn, ff = f"transformer.layers.{i}.0.", f"transformer.layers.{i}.1."
        w.norm(attn + wrap + "norm")
        w.linear(attn + wrap + wrap + "to_qkv", 3 * inner, D, bias=False)
        w.linear(attn + wrap + wrap + "to_out" + out, D, inner, bias=not simple)
        if simple:
            w.norm(ff + "net.0")
            w.linear(ff + "net.1", M, D)
            w.linear(ff + "net.3", D, M)
        else:
            w.norm(ff + wrap + "norm")
            w.linear(ff + wrap + wrap + "net.0", M, D)
            w.linear(ff + wrap + wrap + "net." + last, D, M)
    head = "linear_head" if simple else "mlp_head"
    layers = ([("linear", M, D), "gelu", "dropout", ("linear", K, M)] if mlp_head else [("linear", K, D)])
    if dropout:
        layers.insert(0, "norm")
    layers = [layer for layer in layers if dropout or layer != "dropout"]
    for n, layer in enumerate(layers):
        if layer == "norm":
            w.norm(f"{head}.{n}")
        elif isinstance(layer, tuple):
            w.linear(f"{head}.{n}", layer[1], layer[2])

    def norm(name, x):
        return F.layer_norm(x, (D,), w[name + ".weight"], w[name + ".bias"], 1e-5)

    def forward(x):
        side = S // P
        x = x.reshape(len(x), 3, side, P, side, P).permute(0, 2, 4, 3, 5, 1).reshape(len(x), N, P * P * 3)
        x = w.apply(patch, x)
        if simple:
            y, c = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
            omega = 10000.0 ** -(torch.arange(D // 4) / (D // 4 - 1))
            y, c = y.reshape(-1, 1) * omega, c.reshape(-1, 1) * omega
            x = x + torch.cat([c.sin(), c.cos(), y.sin(), y.cos()], 1)
        else:
            x = torch.cat([w["cls_token"].expand(len(x), -1, -1), x], 1) + w["pos_embedding"]
        for i in range(L):
            attn, ff = f"transformer.layers.{i}.0.", f"transformer.layers.{i}.1."
            y = w.apply(attn + wrap + wrap + "to_qkv", norm(attn + wrap + "norm", x))
            q, k, v = y.reshape(len(x), -1, 3, heads, inner // heads).permute(2, 0, 3, 1, 4)
            scale = (D if width_scale else inner // heads) ** -0.5
            y = ((q @ k.transpose(-1, -2) * scale).softmax(-1) @ v).transpose(1, 2).flatten(2)
            x = x + w.apply(attn + wrap + wrap + "to_out" + out, y)
            if simple:
                x = x + w.apply(ff + "net.3", F.gelu(w.apply(ff + "net.1", norm(ff + "net.0", x))))
            else:
                y = F.gelu(w.apply(ff + wrap + wrap + "net.0", norm(ff + wrap + "norm", x)))
                x = x + w.apply(ff + wrap + wrap + "net." + last, y)
        y = x.mean(1) if simple or pool == "mean" else x[:, 0]
        for n, layer in enumerate(layers):
            if layer == "norm":
                y = norm(f"{head}.{n}", y)
            elif layer == "gelu":
                y = F.gelu(y)
            elif layer != "dropout":
                y = w.apply(f"{head}.{n}", y)
        return {"transformer_output": x, "logits": y}

    golden(name, None, w, forward)
    args = {"image_size": S, "heads": heads, **({} if simple else {"pool": pool})}
    config = {"framework": "lucidrains/vit-pytorch", **({"version": version} if version else {}), "model_args": args}
    with open(os.path.join(HERE, name, "config.json"), "w") as file:
        json.dump(config, file)


# --- big_vision's names -----------------------------------------------------------------------------


def dense(weights, name):
    return {"kernel": weights[name + ".weight"].t(), "bias": weights[name + ".bias"]}


def norm(weights, name):
    return {"scale": weights[name + ".weight"], "bias": weights[name + ".bias"]}


def heads_in(weight, bias):
    return {"kernel": weight.t().reshape(D, A, D // A), "bias": bias.reshape(A, D // A)}


def heads_out(weights, name):
    return {"kernel": weights[name + ".weight"].t().reshape(A, D // A, D), "bias": weights[name + ".bias"]}


def flat(tree, prefix=""):
    if not isinstance(tree, dict):
        return {prefix[:-1]: tree}
    return {k: v for key, value in tree.items() for k, v in flat(value, prefix + key + "/").items()}


def big_vision():
    source = os.path.join(HERE, "timm_siglip_map")
    w = read(source + "/model.safetensors")
    depth = 1 + max(int(name.split(".")[1]) for name in w if name.startswith("blocks."))

    def parts(name, begin, end):
        rows = slice(begin * D, end * D)
        return heads_in(w[name + ".weight"][rows], w[name + ".bias"][rows])

    def block(i):
        b = f"blocks.{i}."
        qkv = {name: parts(b + "attn.qkv", j, j + 1) for j, name in enumerate(("query", "key", "value"))}
        return flat({
            "LayerNorm_0": norm(w, b + "norm1"),
            "MultiHeadDotProductAttention_0": {**qkv, "out": heads_out(w, b + "attn.proj")},
            "LayerNorm_1": norm(w, b + "norm2"),
            "MlpBlock_0": {"Dense_0": dense(w, b + "mlp.fc1"), "Dense_1": dense(w, b + "mlp.fc2")},
        })

    top = flat({
        "embedding": {"kernel": w["patch_embed.proj.weight"].permute(2, 3, 1, 0), "bias": w["patch_embed.proj.bias"]},
        "pos_embedding": w["pos_embed"],
        "Transformer": {"encoder_norm": norm(w, "norm")},
        "MAPHead_0": {
            "probe": w["attn_pool.latent"],
            "MultiHeadDotProductAttention_0": {
                "query": parts("attn_pool.q", 0, 1),
                "key": parts("attn_pool.kv", 0, 1),
                "value": parts("attn_pool.kv", 1, 2),
                "out": heads_out(w, "attn_pool.proj"),
            },
            "LayerNorm_0": norm(w, "attn_pool.norm"),
            "MlpBlock_0": {"Dense_0": dense(w, "attn_pool.mlp.fc1"), "Dense_1": dense(w, "attn_pool.mlp.fc2")},
        },
        "head": dense(w, "head"),
    })
    blocks = [block(i) for i in range(depth)]
    stacked = {"Transformer/encoderblock/" + k: torch.stack([b[k] for b in blocks]) for k in blocks[0]}
    single = {f"Transformer/encoderblock_{i}/{k}": v for i, b in enumerate(blocks) for k, v in b.items()}
    text = {"params/txt/Embed_0/embedding": torch.zeros(3, 4), "params/t": torch.zeros(1), "params/b": torch.zeros(1)}
    for folder, layers in (("big_vision", single), ("big_vision_scan", stacked)):
        target = os.path.join(HERE, folder)
        os.makedirs(target, exist_ok=True)
        write(target + "/model.safetensors", {**{"params/img/" + k: v for k, v in {**top, **layers}.items()}, **text})
        for name in ("input.safetensors", "expected.safetensors"):
            shutil.copy(os.path.join(source, name), target)


parallel_things()
post_norm()
aimv2()
big_vision()
differential("plain_differential", "vit_dwee_patch16_reg1_gap_256", parallel=False, dual=False)
differential("plain_differential_parallel", "vit_dpwee_patch16_reg1_gap_256", parallel=True, dual=True)
lavis_clip()
beit3()
dino()
dinov3("fb_dinov3", swiglu=False, qkv_bias=True)
dinov3("fb_dinov3_swiglu", swiglu=True, qkv_bias=False)
vit_pytorch("vitp_first", 4, dropout=False, mlp_head=True, width_scale=True)
vit_pytorch("vitp_v0_2", 3, mlp_head=True, width_scale=True)
vit_pytorch("vitp_v0_6_6", 3, "0.6.6", dim_head=20, pool="mean", width_scale=True)
vit_pytorch("vitp_v0_6_7", 3, "0.6.7", dim_head=20)
vit_pytorch("vitp_simple_first", 2, dim_head=20, dropout=True, simple=True, patch="to_patch_embedding.1")
