"""vitrail, onnxruntime, ggml and PyTorch on the same random weights, alternated; started by ./run.

Each round starts every contestant once, as a process of its own, one after the other; a contestant's time is the median of
its rounds, a ratio the median of the ratios within a round, so that a machine that speeds up and slows down cancels out.
"""
import argparse
import json
import os
import statistics
import struct
import subprocess
import sys
import time

import numpy as np

SIZES = {"Ti": ("vit_tiny_patch16_224", 192, 3, 12), "S": ("vit_small_patch16_224", 384, 6, 12),
         "B": ("vit_base_patch16_224", 768, 12, 12), "L": ("vit_large_patch16_224", 1024, 16, 24)}
SIDE, PATCH, CLASSES, EPS = 224, 16, 1000, 1e-6
# onnxruntime adds products of bytes up in 16 bits where a processor has no VNNI; weights of 7 bits, as its tools' reduce_range
# makes them, keep that from saturating.
LARGEST_INT8 = 127 if "vnni" in open("/proc/cpuinfo").read() else 63
TOLERANCE = {"f32": 1e-3, "bf16": 5e-2, "int8": 3e-1}  # on logits of unit variance


# --- the weights, under timm's names -----------------------------------------------------------------------------------

def random_weights(D, depth):
    random = np.random.default_rng(1)
    weights = {}

    def dense(name, N, K):
        weights[name + ".weight"] = random.normal(0, K ** -0.5, (N, K))
        weights[name + ".bias"] = random.normal(0, 0.05, N)

    def norm(name):
        weights[name + ".weight"] = random.normal(1, 0.05, D)
        weights[name + ".bias"] = random.normal(0, 0.05, D)

    dense("patch_embed.proj", D, 3 * PATCH * PATCH)
    weights["patch_embed.proj.weight"] = weights["patch_embed.proj.weight"].reshape(D, 3, PATCH, PATCH)
    weights["cls_token"] = random.normal(0, 0.5, (1, 1, D))
    weights["pos_embed"] = random.normal(0, 0.5, (1, (SIDE // PATCH) ** 2 + 1, D))
    for i in range(depth):
        b = f"blocks.{i}."
        norm(b + "norm1"), dense(b + "attn.qkv", 3 * D, D), dense(b + "attn.proj", D, D)
        norm(b + "norm2"), dense(b + "mlp.fc1", 4 * D, D), dense(b + "mlp.fc2", D, 4 * D)
    norm("norm"), dense("head", CLASSES, D)
    return {name: value.astype(np.float32) for name, value in weights.items()}


def write_safetensors(path, tensors):
    header, offset = {}, 0
    for name, value in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [offset, offset + value.nbytes]}
        offset += value.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for value in tensors.values():
            file.write(np.ascontiguousarray(value).tobytes())


def read_safetensors(path):
    with open(path, "rb") as file:
        data = file.read()
    end = 8 + struct.unpack("<Q", data[:8])[0]
    return {name: np.frombuffer(data, np.float32, (stop - begin) // 4, end + begin).reshape(tensor["shape"])
            for name, tensor in json.loads(data[8:end]).items() for begin, stop in [tensor["data_offsets"]]}


# --- PyTorch ------------------------------------------------------------------------------------------------------------

def torch_model(weights, D, heads, depth):
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(D, EPS), nn.LayerNorm(D, EPS)
            self.attn = nn.ModuleDict({"qkv": nn.Linear(D, 3 * D), "proj": nn.Linear(D, D)})
            self.mlp = nn.ModuleDict({"fc1": nn.Linear(D, 4 * D), "fc2": nn.Linear(4 * D, D)})

        def forward(self, x):
            B, T, _ = x.shape
            q, k, v = self.attn.qkv(self.norm1(x)).reshape(B, T, 3, heads, D // heads).permute(2, 0, 3, 1, 4).unbind(0)
            a = ((q * (D // heads) ** -0.5) @ k.transpose(-2, -1)).softmax(-1)
            x = x + self.attn.proj((a @ v).transpose(1, 2).reshape(B, T, D))
            return x + self.mlp.fc2(nn.functional.gelu(self.mlp.fc1(self.norm2(x))))

    class ViT(nn.Module):
        def __init__(self):
            super().__init__()
            self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, D, PATCH, PATCH)})
            self.cls_token = nn.Parameter(torch.zeros(1, 1, D))
            self.pos_embed = nn.Parameter(torch.zeros(1, (SIDE // PATCH) ** 2 + 1, D))
            self.blocks = nn.Sequential(*[Block() for _ in range(depth)])
            self.norm, self.head = nn.LayerNorm(D, EPS), nn.Linear(D, CLASSES)

        def forward(self, pixels):
            x = self.patch_embed.proj(pixels).flatten(2).transpose(1, 2)
            x = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), x], 1) + self.pos_embed
            return self.head(self.norm(self.blocks(x))[:, 0])

    model = ViT().eval()
    model.load_state_dict({name: torch.as_tensor(value) for name, value in weights.items()})
    return model


def torch_round(folder, threads, batch, seconds, output):
    """The process of the contestant `PyTorch`."""
    import torch
    torch.set_num_threads(threads)
    size, weights = torch.load(folder + "/model.pt")
    model = torch_model(weights, *SIZES[size][1:])
    pixels = torch.from_numpy(np.fromfile(f"{folder}/pixels_{batch}.bin", np.float32).reshape(batch, 3, SIDE, SIDE))
    times = []
    with torch.inference_mode():
        model = torch.jit.freeze(torch.jit.trace(model, pixels))
        for _ in range(3):
            logits = model(pixels)
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or len(times) < 3:
            begin = time.perf_counter()
            model(pixels)
            times.append(1000 * (time.perf_counter() - begin))
    logits.numpy().tofile(output)
    print(json.dumps({"median_ms": statistics.median(times)}))


# --- onnxruntime's graphs -------------------------------------------------------------------------------------------------

class Graph:
    """A ViT with onnxruntime's own operators; `int8`: products as its dynamic quantisation writes them."""

    def __init__(self, weights, heads, int8):
        self.weights, self.heads, self.int8 = weights, heads, int8
        self.nodes, self.tensors = [], {}

    def constant(self, name, value):
        self.tensors[name] = value
        return name

    def node(self, kind, inputs, outputs=1, domain="", **attributes):
        from onnx import helper
        name = f"{kind}_{len(self.nodes)}"
        names = [f"{name}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, name=name, domain=domain, **attributes))
        return names[0] if outputs == 1 else names

    def own(self, kind, inputs, outputs=1, **attributes):
        return self.node(kind, inputs, outputs, "com.microsoft", **attributes)

    def product(self, x, name):  # without bias
        W = self.weights[name + ".weight"].T  # (K, N)
        if not self.int8:
            return self.node("MatMul", [x, self.constant(name + ".weight", np.ascontiguousarray(W))])
        scale = np.abs(W).max(0) / LARGEST_INT8
        numbers = self.constant(name + ".weight", np.rint(W / scale).astype(np.int8))
        x8, x_scale, x_zero = self.node("DynamicQuantizeLinear", [x], 3)
        sums = self.node("Cast", [self.node("MatMulInteger", [x8, numbers, x_zero])], to=1)
        scales = self.node("Mul", [x_scale, self.constant(name + ".scale", scale.astype(np.float32))])
        return self.node("Mul", [sums, scales])

    def bias(self, name):
        return self.constant(name + ".bias", self.weights[name + ".bias"])

    def norm_parameters(self, name):
        return [self.constant(name + ".weight", self.weights[name + ".weight"]), self.bias(name)]

    def attention(self, x, name, D):
        if not self.int8:
            W = self.constant(name + ".weight", np.ascontiguousarray(self.weights[name + ".weight"].T))
            return self.own("Attention", [x, W, self.bias(name)], num_heads=self.heads)
        qkv = self.node("Add", [self.product(x, name), self.bias(name)])
        split = self.constant("split", np.array([D, D, D], np.int64))
        shape = self.constant("shape", np.array([0, 0, self.heads, D // self.heads], np.int64))
        q, k, v = [self.node("Reshape", [part, shape]) for part in self.node("Split", [qkv, split], 3, axis=2)]
        q, v = [self.node("Transpose", [part], perm=[0, 2, 1, 3]) for part in (q, v)]
        k = self.node("Transpose", [k], perm=[0, 2, 3, 1])
        scores = self.own("FusedMatMul", [q, k], alpha=(D // self.heads) ** -0.5)
        y = self.node("MatMul", [self.node("Softmax", [scores], axis=-1), v])
        joined = self.constant("joined", np.array([0, 0, D], np.int64))
        return self.node("Reshape", [self.node("Transpose", [y], perm=[0, 2, 1, 3]), joined])

    def save(self, path, D, depth):
        from onnx import TensorProto, helper, numpy_helper, save
        w = self.weights
        patches = self.node("Conv", ["pixels", self.constant("patch", w["patch_embed.proj.weight"]),
                                     self.bias("patch_embed.proj")], kernel_shape=[PATCH, PATCH], strides=[PATCH, PATCH])
        flat = self.node("Reshape", [patches, self.constant("flat", np.array([0, D, -1], np.int64))])
        tokens = self.node("Transpose", [flat], perm=[0, 2, 1])
        batch = self.node("Slice", [self.node("Shape", ["pixels"]), self.constant("zero", np.array([0], np.int64)),
                                    self.constant("one", np.array([1], np.int64))])
        rest = self.constant("rest", np.array([1, D], np.int64))
        first = self.node("Expand", [self.constant("cls", w["cls_token"]), self.node("Concat", [batch, rest], axis=0)])
        x = self.node("Add", [self.node("Concat", [first, tokens], axis=1), self.constant("positions", w["pos_embed"])])
        y = self.node("LayerNormalization", [x] + self.norm_parameters("blocks.0.norm1"), epsilon=EPS)

        def add_norm(y, x, norm, bias):  # x + y + bias, and its norm
            outputs = self.own("SkipLayerNormalization", [y, x] + self.norm_parameters(norm) + [self.bias(bias)], 4,
                               epsilon=EPS)
            return outputs[3], outputs[0]

        for i in range(depth):
            b = f"blocks.{i}."
            y = self.product(self.attention(y, b + "attn.qkv", D), b + "attn.proj")
            x, y = add_norm(y, x, b + "norm2", b + "attn.proj")
            y = self.own("BiasGelu", [self.product(y, b + "mlp.fc1"), self.bias(b + "mlp.fc1")])
            after = "norm" if i + 1 == depth else f"blocks.{i + 1}.norm1"
            x, y = add_norm(self.product(y, b + "mlp.fc2"), x, after, b + "mlp.fc2")
        y = self.node("Gather", [y, self.constant("class_row", np.array(0, np.int64))], axis=1)
        y = self.node("Add", [self.product(y, "head"), self.bias("head")])
        self.nodes.append(helper.make_node("Identity", [y], ["logits"]))
        graph = helper.make_graph(
            self.nodes, "vit", [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["B", 3, SIDE, SIDE])],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["B", CLASSES])],
            [numpy_helper.from_array(value, name) for name, value in self.tensors.items()])
        save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17),
                                                     helper.make_opsetid("com.microsoft", 1)], ir_version=8), path)


# --- one model's folder ---------------------------------------------------------------------------------------------------

def prepare(folder, size, batches):
    """Weights for all, PyTorch's module, onnxruntime's graphs, the pictures and the expected logits."""
    import torch
    name, D, heads, depth = SIZES[size]
    os.makedirs(folder, exist_ok=True)
    weights = random_weights(D, depth)
    random = np.random.default_rng(2)
    pixels = random.uniform(-1, 1, (max(batches), 3, SIDE, SIDE)).astype(np.float32)
    with torch.inference_mode():
        logits = torch_model(weights, D, heads, depth)(torch.from_numpy(pixels[:1])).numpy()
    for part in ("weight", "bias"):  # logits of unit variance
        weights["head." + part] /= logits.std()
    model = torch_model(weights, D, heads, depth)
    with torch.inference_mode():
        logits = model(torch.from_numpy(pixels)).numpy()
    for batch in batches:
        pixels[:batch].tofile(f"{folder}/pixels_{batch}.bin")
        write_safetensors(f"{folder}/pixels_{batch}.safetensors", {"pixel_values": pixels[:batch]})
        logits[:batch].tofile(f"{folder}/logits_{batch}.bin")
    if os.path.exists(folder + "/ready"):
        return
    write_safetensors(folder + "/model.safetensors", weights)
    with open(folder + "/config.json", "w") as file:
        json.dump({"architecture": name, "num_classes": CLASSES}, file)
    torch.save((size, model.state_dict()), folder + "/model.pt")
    torch.onnx.export(model, torch.from_numpy(pixels[:1]), folder + "/plain.onnx", opset_version=14,
                      input_names=["pixels"], output_names=["logits"],
                      dynamic_axes={"pixels": {0: "B"}, "logits": {0: "B"}})
    Graph(weights, heads, False).save(folder + "/fused.onnx", D, depth)
    Graph(weights, heads, True).save(folder + "/int8.onnx", D, depth)
    open(folder + "/ready", "w").close()


def contestants(options, size, batch, threads):
    """(name, precision, command that times it, file of its logits or a command that writes them)."""
    here = os.path.dirname(os.path.abspath(__file__))
    folder = f"{options.work}/{size}"
    seconds = str(options.seconds)
    out = folder + "/out.bin"
    result = []
    for name, precision, more in (("vitrail", "f32", []), ("vitrail", "bf16", []), ("vitrail", "int8", []),
                                  ("vitrail, all in int8", "int8", ["--int8-width", "0"])):
        model = ["--model", folder, "--precision", precision, "--threads", str(threads)] + more
        result.append((name, precision,
                       [options.vitrail, "bench", "--batch", str(batch), "--seconds", seconds, "--json"] + model,
                       [options.vitrail, "run", "--input", f"{folder}/pixels_{batch}.safetensors", "--output",
                        folder + "/out.safetensors"] + model))
    for graph, precision in (("plain", "f32"), ("fused", "f32"), ("int8", "int8")):
        result.append((f"onnxruntime, {graph} graph", precision,
                       ["node", here + "/onnxruntime.js", f"{folder}/{graph}.onnx", str(threads), str(batch), str(SIDE),
                        seconds, f"{folder}/pixels_{batch}.bin", out], out))
    for weights, precision in (("f32", "f32"), ("f16", "bf16"), ("bf16", "bf16"), ("q8_0", "int8")):
        if options.ggml:
            result.append((f"ggml, weights in {weights}", precision,
                           [sys.executable, here + "/ggml.py", options.ggml, folder, size, weights, str(threads), str(batch),
                            seconds, out], out))
    result.append(("PyTorch", "f32", [sys.executable, os.path.abspath(__file__), "--torch", folder, str(threads), str(batch),
                                      seconds, out], out))
    return result


def run(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"failed: {' '.join(command)}\n{done.stderr[-2000:]}")
    return done.stdout


def compare(options, size, batch, threads):
    folder = f"{options.work}/{size}"
    everyone = contestants(options, size, batch, threads)
    expected = np.fromfile(f"{folder}/logits_{batch}.bin", np.float32)
    times = {(name, precision): [] for name, precision, _, _ in everyone}
    differences = {}
    for round_ in range(options.rounds):
        for name, precision, command, answer in everyone:
            output = run(command)
            times[name, precision].append(json.loads(output.splitlines()[-1])["median_ms"] / batch)
            if round_ > 0:
                continue
            if isinstance(answer, list):
                run(answer)
                logits = read_safetensors(folder + "/out.safetensors")["logits"].ravel()
            else:
                logits = np.fromfile(answer, np.float32)
            difference = float(np.abs(logits - expected).max())
            differences[name, precision] = difference
            if not difference < TOLERANCE[precision]:
                sys.exit(f"{name} {precision}: logits differ by {difference}, more than {TOLERANCE[precision]}")
    print(f"\nViT-{size}/{PATCH} {SIDE}, batch {batch}, {threads} thread{'s' if threads > 1 else ''}")
    print(f"  {'':32} {'ms/picture':>10}  {'times vitrail f32':>17}  {'times vitrail int8':>18}  {'largest |d logit|':>17}")
    for name, precision, _, _ in everyone:
        def ratio(own):
            return statistics.median(a / b for a, b in zip(times[name, precision], times["vitrail", own]))
        print(f"  {name + ', ' + precision:32} {statistics.median(times[name, precision]):10.2f}  {ratio('f32'):17.2f}  "
              f"{ratio('int8'):18.2f}  {differences[name, precision]:17.1e}", flush=True)


def main():
    if sys.argv[1:2] == ["--torch"]:
        folder, threads, batch, seconds, output = sys.argv[2:]
        return torch_round(folder, int(threads), int(batch), float(seconds), output)
    parser = argparse.ArgumentParser(prog="bench/compare/run", description=__doc__.splitlines()[0])

    def numbers(text):
        return [int(part) for part in text.split(",")]

    parser.add_argument("--models", default="Ti,B", type=lambda text: text.split(","), help="of Ti, S, B, L")
    parser.add_argument("--batch", default=[1, 8], type=numbers)
    parser.add_argument("--threads", default=[1, 2], type=numbers)
    parser.add_argument("--rounds", default=5, type=int)
    parser.add_argument("--seconds", default=1.0, type=float, help="of each contestant in each round")
    parser.add_argument("--vitrail", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--work", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--ggml", help=argparse.SUPPRESS)  # the folder of its libraries, where there is one
    options = parser.parse_args()
    for size in options.models:
        prepare(f"{options.work}/{size}", size, options.batch)
        for batch in options.batch:
            for threads in options.threads:
                compare(options, size, batch, threads)


if __name__ == "__main__":
    main()
