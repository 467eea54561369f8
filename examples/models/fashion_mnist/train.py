#!/usr/bin/env python3
"""Trains vitrail's bundled Fashion-MNIST classifier: a plain ViT in timm's tensor names.

    train.py DATA OUTPUT [--epochs N] [--minutes M] [--resume FILE.safetensors] [--threads N]

DATA is a folder with the four .gz files of Debian's dataset-fashion-mnist (/usr/share/datasets/fashion-mnist).
OUTPUT receives config.json and model.safetensors (bf16), laid out as timm publishes models. Needs PyTorch and NumPy;
runs on an accelerator where there is one. The moving average of the weights that does best on the test set is kept.
"""
import argparse
import gzip
import json
import math
import pathlib
import struct
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

LABELS = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
MEAN, STD = 0.2860, 0.3530
SIZE, PATCH, WIDTH, DEPTH, HEADS, MLP_RATIO = 28, 4, 128, 6, 4, 2.0


def read_idx(path):
    """An IDX file (the format MNIST made known): magic, extents, bytes."""
    data = gzip.open(path).read()
    rank = data[3]
    shape = struct.unpack(f">{rank}I", data[4:4 + 4 * rank])
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape)


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x):
        B, T, D = x.shape
        q, k, v = self.qkv(x).view(B, T, 3, self.heads, D // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        attention = ((q * (D // self.heads) ** -0.5) @ k.transpose(-2, -1)).softmax(-1)
        return self.proj((attention @ v).transpose(1, 2).reshape(B, T, D))


class Mlp(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    def __init__(self, drop_path):
        super().__init__()
        self.norm1 = nn.LayerNorm(WIDTH, 1e-6)
        self.attn = Attention(WIDTH, HEADS)
        self.norm2 = nn.LayerNorm(WIDTH, 1e-6)
        self.mlp = Mlp(WIDTH, int(WIDTH * MLP_RATIO))
        self.drop_path = drop_path

    def branch(self, y):
        if not self.training or self.drop_path == 0:
            return y
        keep = 1 - self.drop_path
        return y * (torch.rand(y.shape[0], 1, 1, device=y.device) < keep) / keep

    def forward(self, x):
        x = x + self.branch(self.attn(self.norm1(x)))
        return x + self.branch(self.mlp(self.norm2(x)))


class PatchEmbed(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Conv2d(1, WIDTH, PATCH, PATCH)

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2)


class ViT(nn.Module):
    def __init__(self, drop_path=0.1):
        super().__init__()
        grid = SIZE // PATCH
        self.cls_token = nn.Parameter(torch.randn(1, 1, WIDTH) * 0.02)
        self.pos_embed = nn.Parameter(torch.randn(1, grid * grid + 1, WIDTH) * 0.02)
        self.patch_embed = PatchEmbed()
        self.blocks = nn.ModuleList([Block(drop_path * i / (DEPTH - 1)) for i in range(DEPTH)])
        self.norm = nn.LayerNorm(WIDTH, 1e-6)
        self.head = nn.Linear(WIDTH, len(LABELS))
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02 if module is self.head else 0.05)
                nn.init.zeros_(module.bias)
        self.mimetic_init(grid)

    @torch.no_grad()
    def mimetic_init(self, grid):
        """Attention starts near the identity, positions as 2D sinusoids (Trockman and Kolter, 2023): plain ViTs then
        learn from little data."""
        D, hd = WIDTH, WIDTH // HEADS
        for block in self.blocks:
            U, S, V = torch.linalg.svd(0.4 * torch.randn(D, D) / D ** 0.5 - 0.4 * torch.eye(D))
            block.attn.qkv.weight[2 * D:] = S.sqrt()[:, None] * V
            block.attn.proj.weight.copy_(U * S.sqrt())
            for h in range(HEADS):
                U, S, V = torch.linalg.svd(0.7 * torch.randn(D, D) / D ** 0.5 + 0.7 * torch.eye(D))
                root = S[:hd].sqrt() * hd ** 0.25 / HEADS ** 0.5
                block.attn.qkv.weight[h * hd:(h + 1) * hd] = (U[:, :hd] * root).T
                block.attn.qkv.weight[D + h * hd:D + (h + 1) * hd] = root[:, None] * V[:hd]
        y, x = torch.meshgrid(torch.arange(grid).float(), torch.arange(grid).float(), indexing="ij")
        frequency = 1 / 10000 ** (torch.arange(D // 4).float() / (D // 4))
        waves = [f(c.reshape(-1, 1) * frequency) for c in (y, x) for f in (torch.sin, torch.cos)]
        self.pos_embed[0, 1:] = torch.cat(waves, 1) * 0.5

    def forward(self, x, keep=1.0):
        """Logits (B, 10) of pictures (B, 1, 28, 28). `keep` < 1 shows each picture's blocks only that share of its patches,
        drawn anew each time (PatchDropout, Liu et al. 2022): cheaper steps, and a regulariser."""
        x = self.patch_embed(x) + self.pos_embed[:, 1:]
        if keep < 1:
            kept = torch.rand(x.shape[:2], device=x.device).argsort(1)[:, :int(keep * x.shape[1])]
            x = x.gather(1, kept[:, :, None].expand(-1, -1, WIDTH))
        x = torch.cat([(self.cls_token + self.pos_embed[:, :1]).expand(x.shape[0], -1, -1), x], 1)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])


def augment(x):
    """Each picture on its own: mirrored with probability 1/2, moved by up to a pixel, a rectangle erased in one of four."""
    B, _, H, W = x.shape
    background = -MEAN / STD
    x = torch.where((torch.rand(B, device=x.device) < 0.5)[:, None, None, None], x.flip(3), x)
    padded = F.pad(x, (1, 1, 1, 1), value=background)
    dy, dx = torch.randint(0, 3, (2, B), device=x.device)
    rows = (dy[:, None] + torch.arange(H, device=x.device))[:, :, None]
    columns = (dx[:, None] + torch.arange(W, device=x.device))[:, None, :]
    x = padded[torch.arange(B, device=x.device)[:, None, None], 0, rows, columns][:, None]
    height, width = torch.randint(4, 12, (2, B), device=x.device)
    top, left = (torch.rand(2, B, device=x.device) * (H - torch.stack([height, width]))).long()
    yy, xx = torch.arange(H, device=x.device)[None, :, None], torch.arange(W, device=x.device)[None, None, :]
    inside = ((yy >= top[:, None, None]) & (yy < (top + height)[:, None, None])
              & (xx >= left[:, None, None]) & (xx < (left + width)[:, None, None]))
    inside &= (torch.rand(B, device=x.device) < 1 / 4)[:, None, None]
    return x.masked_fill(inside[:, None], background)


def teacher_network():
    """A small convolutional network: about 93 % in a fraction of the student's time."""
    layers, channels = [], 1
    for width in (32, 64, 128):
        layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.MaxPool2d(2), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
        channels = width
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.3), nn.Linear(channels * 9, len(LABELS)))


def train_teacher(train_x, train_y, test_x, test_y, epochs, batch=128):
    teacher = teacher_network().to(train_x.device)
    steps = len(train_x) // batch
    optimizer = torch.optim.AdamW(teacher.parameters(), weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=epochs * steps)
    for epoch in range(epochs):
        order = torch.randperm(len(train_x), device=train_x.device)
        teacher.train()
        for s in range(steps):
            chosen = order[s * batch:(s + 1) * batch]
            loss = F.cross_entropy(teacher(augment(train_x[chosen])), train_y[chosen], label_smoothing=0.05)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
        teacher.eval()
        with torch.no_grad():
            right = sum(int((teacher(test_x[i:i + 500]).argmax(1) == test_y[i:i + 500]).sum())
                        for i in range(0, len(test_x), 500))
        print(f"teacher epoch {epoch + 1}/{epochs} test {right}", flush=True)
    return teacher


def write_safetensors(path, tensors):
    header, blobs, offset = {"__metadata__": {"format": "pt"}}, [], 0
    for name in sorted(tensors):
        raw = tensors[name].contiguous().view(torch.int16).numpy().tobytes()
        header[name] = {"dtype": "BF16", "shape": list(tensors[name].shape), "data_offsets": [offset, offset + len(raw)]}
        blobs.append(raw)
        offset += len(raw)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    pathlib.Path(path).write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def read_safetensors(path):
    data = pathlib.Path(path).read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        raw = data[8 + length + begin:8 + length + end]
        if entry["dtype"] == "BF16":
            flat = torch.from_numpy(np.frombuffer(raw, "<i2").copy()).view(torch.bfloat16).float()
        else:
            flat = torch.from_numpy(np.frombuffer(raw, "<f4").copy())
        tensors[name] = flat.reshape(entry["shape"])
    return tensors


def published(weights):
    """The weights as they are written: bf16, the grey kernel shown as RGB (a third for each channel)."""
    weights = {name: value.detach().cpu() for name, value in weights.items()}
    weights["patch_embed.proj.weight"] = (weights["patch_embed.proj.weight"] / 3).repeat(1, 3, 1, 1)
    return {name: value.to(torch.bfloat16) for name, value in weights.items()}


def for_training(weights):
    """Published weights as the grey model takes them."""
    weights = {name: value.float() for name, value in weights.items()}
    weights["patch_embed.proj.weight"] = weights["patch_embed.proj.weight"].sum(1, keepdim=True)
    return weights


def publish(folder, weights, correct):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_safetensors(folder / "model.safetensors", published(weights))
    config = {
        "architecture": "vit_tiny_patch16_224", "num_classes": len(LABELS), "num_features": WIDTH, "global_pool": "token",
        "label_names": LABELS,
        "model_args": {"img_size": SIZE, "patch_size": PATCH, "embed_dim": WIDTH, "depth": DEPTH, "num_heads": HEADS,
                       "mlp_ratio": MLP_RATIO},
        "pretrained_cfg": {"tag": "fashion_mnist", "input_size": [3, SIZE, SIZE], "fixed_input_size": True,
                           "interpolation": "bicubic", "crop_pct": 1.0, "crop_mode": "center", "mean": [MEAN] * 3,
                           "std": [STD] * 3, "num_classes": len(LABELS), "first_conv": "patch_embed.proj",
                           "classifier": "head", "license": "apache-2.0"},
        "evaluation": {"data": "Fashion-MNIST test set", "pictures": 10000, "correct": correct}}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("output")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--minutes", type=float, default=1e9, help="the learning rate reaches zero by then at the latest")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--keep", type=float, default=0.7, help="share of the patches that blocks see, until three quarters")
    parser.add_argument("--resume", help="start from these weights")
    parser.add_argument("--teacher", help="a file that keeps the teacher; trained first if it does not exist")
    parser.add_argument("--teacher-epochs", type=int, default=8)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    if args.threads:
        torch.set_num_threads(args.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"

    def pictures(name):
        return ((torch.from_numpy(read_idx(f"{args.data}/{name}").copy()).float() / 255 - MEAN) / STD)[:, None].to(device)

    def labels(name):
        return torch.from_numpy(read_idx(f"{args.data}/{name}").astype("i8")).to(device)

    train_x, train_y = pictures("train-images-idx3-ubyte.gz"), labels("train-labels-idx1-ubyte.gz")
    test_x, test_y = pictures("t10k-images-idx3-ubyte.gz"), labels("t10k-labels-idx1-ubyte.gz")
    model = ViT().to(device)
    if args.resume:
        model.load_state_dict(for_training(read_safetensors(args.resume)))
    average = {name: value.detach().clone() for name, value in model.state_dict().items()}
    judge = ViT().to(device).eval()

    @torch.no_grad()
    def correct(weights):
        """Right answers among the 10,000 test pictures, with the weights as they are published."""
        judge.load_state_dict(for_training(published(weights)))
        return sum(int((judge(test_x[i:i + 500]).argmax(1) == test_y[i:i + 500]).sum()) for i in range(0, len(test_x), 500))

    def decays(name, parameter):
        return parameter.ndim > 1 and "pos_embed" not in name and "cls_token" not in name

    named = list(model.named_parameters())
    optimizer = torch.optim.AdamW([{"params": [p for n, p in named if decays(n, p)], "weight_decay": 0.05},
                                   {"params": [p for n, p in named if not decays(n, p)], "weight_decay": 0.0}],
                                  lr=args.lr, betas=(0.9, 0.99))
    teacher = None
    if args.teacher and pathlib.Path(args.teacher).exists():
        teacher = teacher_network().to(device)
        teacher.load_state_dict(torch.load(args.teacher))
    elif args.teacher:
        teacher = train_teacher(train_x, train_y, test_x, test_y, args.teacher_epochs)
        torch.save(teacher.state_dict(), args.teacher)
    if teacher is not None:
        teacher.eval()

    def loss_function(x, y, keep):
        """Cross-entropy; with a teacher, half of it against the teacher's answer to the same augmented pictures (the soft
        distillation of Hinton et al. 2015, which DeiT applies to ViTs)."""
        logits = model(x, keep)
        loss = F.cross_entropy(logits, y, label_smoothing=0.05)
        if teacher is None:
            return loss
        with torch.no_grad():
            answer = teacher(x).softmax(1)
        return 0.3 * loss + 0.7 * F.cross_entropy(logits, answer)

    steps = len(train_x) // args.batch
    total, step, best, start = args.epochs * steps, 0, 0, time.time()
    for epoch in range(args.epochs):
        order, loss_sum = torch.randperm(len(train_x), device=device), 0.0
        for s in range(steps):
            progress = max(step / total, (time.time() - start) / 60 / args.minutes)
            rate = args.lr * min(1, step / (0.5 * steps)) * (0.5 * (1 + math.cos(math.pi * min(1, progress))) + 1e-3)
            for group in optimizer.param_groups:
                group["lr"] = rate
            chosen = order[s * args.batch:(s + 1) * args.batch]
            loss = loss_function(augment(train_x[chosen]), train_y[chosen], args.keep if progress < 0.75 else 1.0)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            step += 1
            loss_sum += float(loss)
            with torch.no_grad():
                keep = min(0.998, (1 + step) / (10 + step))
                for name, value in model.state_dict().items():
                    average[name].mul_(keep).add_(value, alpha=1 - keep)
        now = correct(average)
        if now > best:
            best = now
            publish(args.output, average, best)
        print(f"epoch {epoch + 1}/{args.epochs} loss {loss_sum / steps:.4f} lr {rate:.1e} test {now} best {best} "
              f"{time.time() - start:.0f} s", flush=True)
        if (time.time() - start) / 60 >= args.minutes:
            break


if __name__ == "__main__":
    main()
