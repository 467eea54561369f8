"""Adapters laid over hf_vit_eps and timm_vit_eps, and what plain torch makes of them.

NAME/overlay.safetensors, NAME/adapter_config.json (unless AdaptFormer's defaults are meant), and
expected.safetensors for the input of the base.

/usr/bin/python3 make.py      needs torch (1.13)
"""
import json
import os
import sys

import torch
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from files import read, write

torch.manual_seed(1)
D, A, R = 24, 3, 5


def random(*shape):
    return torch.randn(*shape) * 0.3


def layer_norm(x, w, name, eps):
    return F.layer_norm(x, (D,), w[name + ".weight"], w[name + ".bias"], eps)


def linear(x, w, name):
    return F.linear(x, w[name + ".weight"], w[name + ".bias"])


def timm_as_huggingface(w):
    """timm's tensors under transformers' names, so that one forward pass serves both."""
    out = {"embeddings.cls_token": w["cls_token"], "embeddings.position_embeddings": w["pos_embed"]}
    names = {"norm1": "layernorm_before", "norm2": "layernorm_after", "attn.proj": "attention.output.dense",
             "mlp.fc1": "intermediate.dense", "mlp.fc2": "output.dense"}
    for kind in ("weight", "bias"):
        out["embeddings.patch_embeddings.projection." + kind] = w["patch_embed.proj." + kind]
        out["layernorm." + kind] = w["norm." + kind]
        for i in range(2):
            for ours, theirs in names.items():
                out[f"encoder.layer.{i}.{theirs}.{kind}"] = w[f"blocks.{i}.{ours}.{kind}"]
            for part, rows in zip(("query", "key", "value"), w[f"blocks.{i}.attn.qkv.{kind}"].chunk(3)):
                out[f"encoder.layer.{i}.attention.attention.{part}.{kind}"] = rows
    return out


def forward(w, x, eps, attn_adapter, mlp_adapter):
    """ViT whose branches h of x go through adapter(i, x, h), which gives what is added to x."""
    P = w["embeddings.patch_embeddings.projection.weight"].shape[-1]
    x = F.conv2d(x, w["embeddings.patch_embeddings.projection.weight"],
                 w["embeddings.patch_embeddings.projection.bias"], stride=P).flatten(2).transpose(1, 2)
    x = torch.cat([w["embeddings.cls_token"].expand(len(x), -1, -1), x], 1) + w["embeddings.position_embeddings"]
    for i in range(2):
        layer = f"encoder.layer.{i}."
        y = layer_norm(x, w, layer + "layernorm_before", eps)
        q, k, v = (linear(y, w, layer + "attention.attention." + n).unflatten(-1, (A, D // A)).transpose(1, 2)
                   for n in ("query", "key", "value"))
        h = ((q @ k.transpose(-1, -2) * (D // A) ** -0.5).softmax(-1) @ v).transpose(1, 2).flatten(2)
        x = x + attn_adapter(i, x, linear(h, w, layer + "attention.output.dense"))
        y = layer_norm(x, w, layer + "layernorm_after", eps)
        y = linear(F.gelu(linear(y, w, layer + "intermediate.dense")), w, layer + "output.dense")
        x = x + mlp_adapter(i, x, y)
    return layer_norm(x, w, "layernorm", eps)


def save(name, overlay, config, tokens):
    folder = os.path.join(HERE, name)
    os.makedirs(folder, exist_ok=True)
    write(folder + "/overlay.safetensors", overlay)
    write(folder + "/expected.safetensors", {"tokens": tokens})
    if config is not None:
        with open(folder + "/adapter_config.json", "w") as file:
            json.dump(config, file)


def plain(i, x, h):
    return h


# --- AdaptFormer, over timm_vit_eps -----------------------------------------------------------------


def adaptformer(name, config, scale, sequential=False, norm=None, learned=False):
    base = os.path.join(os.path.dirname(HERE), "timm_vit_eps")
    w = {}
    for i in range(2):
        stem = f"blocks.{i}.adaptmlp."
        for part, shape in (("down_proj", (R, D)), ("up_proj", (D, R))):
            w[f"{stem}{part}.weight"], w[f"{stem}{part}.bias"] = random(*shape), random(shape[0])
        if norm:
            w[stem + "adapter_layer_norm_before.weight"] = 1 + random(D)
            w[stem + "adapter_layer_norm_before.bias"] = random(D)
        if learned:
            w[stem + "scale"] = torch.tensor([0.7 + i])

    def adapter(i, x, h):
        stem = f"blocks.{i}.adaptmlp."
        u = h if sequential else x
        if norm == "in":
            u = layer_norm(u, w, stem + "adapter_layer_norm_before", 1e-5)
        u = linear(F.relu(linear(u, w, stem + "down_proj")), w, stem + "up_proj") * w.get(stem + "scale", scale)
        if norm == "out":
            u = layer_norm(u, w, stem + "adapter_layer_norm_before", 1e-5)
        return h + u

    pixels = read(base + "/input.safetensors")["pixel_values"]
    weights = timm_as_huggingface(read(base + "/model.safetensors"))
    save(name, w, config, forward(weights, pixels, 1e-6, plain, adapter))


adaptformer("adaptformer", None, 0.1)
adaptformer("adaptformer_in", {"ffn_adapter_scalar": "0.5", "ffn_adapter_layernorm_option": "in"}, 0.5, norm="in")
adaptformer("adaptformer_out", {"ffn_adapter_scalar": "learnable_scalar", "ffn_adapter_layernorm_option": "out"},
            None, norm="out", learned=True)
adaptformer("adaptformer_sequential", {"ffn_option": "sequential", "ffn_adapter_scalar": 2}, 2, sequential=True)

# --- AdapterHub, over hf_vit_eps --------------------------------------------------------------------

ACTIVATIONS = {"relu": F.relu, "swish": F.silu, "gelu": F.gelu, "tanh": torch.tanh}


def adapter_hub(name, places, leave_out=(), **config):
    base = os.path.join(os.path.dirname(HERE), "hf_vit_eps")
    w = {}
    for place in places:
        for i in range(2):
            if i in leave_out:
                continue
            stem = f"vit.encoder.layer.{i}.{place}.adapters.flowers."
            width = R + i
            if config.get("ln_before"):
                for kind, tensor in (("weight", 1 + random(D)), ("bias", random(D))):
                    w[f"{stem}adapter_norm_before.{kind}"] = w[f"{stem}adapter_down.0.{kind}"] = tensor
            down = stem + ("adapter_down.1" if config.get("ln_before") else "adapter_down.0")
            w[down + ".weight"], w[down + ".bias"] = random(width, D), random(width)
            w[stem + "adapter_up.weight"], w[stem + "adapter_up.bias"] = random(D, width), random(D)
            if config.get("ln_after"):
                w[stem + "adapter_norm_after.weight"], w[stem + "adapter_norm_after.bias"] = 1 + random(D), random(D)
            if config.get("scaling") == "channel":
                w[stem + "scaling"] = random(D)

    def at(place):
        def adapter(i, x, h):
            stem = f"vit.encoder.layer.{i}.{place}.adapters.flowers."
            if stem + "adapter_up.weight" not in w:
                return h
            parallel = config.get("is_parallel")
            residual = h
            u = x if parallel else x + h if config.get("original_ln_before") else h
            if config.get("ln_before"):
                u = layer_norm(u, w, stem + "adapter_norm_before", 1e-5)
            u = linear(u, w, stem + ("adapter_down.1" if config.get("ln_before") else "adapter_down.0"))
            u = linear(ACTIVATIONS[config["non_linearity"]](u), w, stem + "adapter_up")
            u = u * w.get(stem + "scaling", config.get("scaling", 1.0))
            if config.get("adapter_residual_before_ln") and not parallel:
                u = u + residual
            if config.get("ln_after"):
                u = layer_norm(u, w, stem + "adapter_norm_after", 1e-5)
            return u if config.get("adapter_residual_before_ln") and not parallel else u + residual
        return adapter

    pixels = read(base + "/input.safetensors")["pixel_values"]
    weights = {k[4:]: v for k, v in read(base + "/model.safetensors").items() if k.startswith("vit.")}
    with open(base + "/config.json") as file:
        eps = json.load(file)["layer_norm_eps"]
    tokens = forward(weights, pixels, eps, at("attention_adapters"), at("output.output_adapters"))
    full = {"original_ln_before": False, "original_ln_after": True, "residual_before_ln": True, "is_parallel": False,
            "scaling": 1.0, "leave_out": list(leave_out), "use_gating": False, "phm_layer": False, **config}
    save(name, w, {"config": full, "name": "flowers", "model_type": "vit"}, tokens)


BOTH = ("attention_adapters", "output.output_adapters")
adapter_hub("hub_seq_bn", BOTH[1:], non_linearity="relu", original_ln_before=True)
adapter_hub("hub_double_seq_bn", BOTH, non_linearity="swish")
adapter_hub("hub_par_bn", BOTH[1:], non_linearity="relu", is_parallel=True, scaling=4.0, leave_out=(0,))
adapter_hub("hub_norms", BOTH, non_linearity="tanh", ln_before=True, ln_after=True, scaling="channel")
adapter_hub("hub_norm_of_sum", BOTH, non_linearity="gelu", ln_after=True, adapter_residual_before_ln=True)
