"""Golden folders that no publisher's code made.

plain_*       a few lines of torch for variants without another golden: parallel blocks, norms after
              the branches, AIMv2
big_vision*   timm_siglip_map's weights under big_vision's names, block by block and stacked; what
              timm gives for them is expected

/usr/bin/python3 make_twins.py      needs torch (1.13)
"""
import array
import json
import os
import shutil
import struct

import torch
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
torch.manual_seed(0)


def write(path, tensors):
    header, blobs, end = {}, [], 0
    for name, tensor in tensors.items():
        data = array.array("f", tensor.contiguous().flatten().tolist()).tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [end, end + len(data)]}
        end += len(data)
        blobs.append(data)
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def read(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    return {
        name: torch.frombuffer(bytearray(data[slice(*entry["data_offsets"])]), dtype=torch.float32).reshape(entry["shape"])
        for name, entry in header.items()
        if name != "__metadata__"
    }


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
