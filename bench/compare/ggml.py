"""usage: python3 ggml.py LIBRARIES FOLDER SIZE WEIGHTS THREADS BATCH SECONDS OUTPUT

One contestant, one round: the ViT in FOLDER/model.safetensors as a graph of ggml's, its matrices as WEIGHTS (f32, f16,
bf16, q8_0), on ggml's own kernels for this processor, which it chooses among the shared libraries in the folder LIBRARIES.
Writes the raw f32 logits to OUTPUT and prints {"median_ms": ...} of the passes that fit into SECONDS.
"""
import ctypes
import glob
import json
import statistics
import sys
import time
from ctypes import POINTER, c_bool, c_char_p, c_float, c_int, c_int64, c_size_t, c_void_p

import numpy as np

from compare import CLASSES, EPS, PATCH, SIDE, SIZES, read_safetensors

TYPES = {"f32": 0, "f16": 1, "q8_0": 8, "bf16": 30}
CPU = 0
MOST_NODES = 4096


class InitParameters(ctypes.Structure):
    _fields_ = [("mem_size", c_size_t), ("mem_buffer", c_void_p), ("no_alloc", c_bool)]


class Ggml:
    """ggml's C functions, each with the types that its headers give it."""

    def __init__(self, folder):
        self.libraries = [ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)
                          for path in [f"{folder}/libggml-base.so"] + glob.glob(f"{folder}/libggml.*so")]
        P, L, I, S, F = c_void_p, c_int64, c_int, c_size_t, c_float
        for name, result, *arguments in (
                ("backend_load_all_from_path", None, c_char_p), ("backend_init_by_type", P, I, c_char_p),
                ("backend_get_device", P, P), ("backend_dev_backend_reg", P, P),
                ("backend_reg_get_proc_address", P, P, c_char_p), ("backend_alloc_ctx_tensors", P, P, P),
                ("backend_get_default_buffer_type", P, P), ("backend_tensor_set", None, P, P, S, S),
                ("backend_tensor_get", None, P, P, S, S), ("backend_graph_compute", I, P, P),
                ("gallocr_new", P, P), ("gallocr_alloc_graph", c_bool, P, P), ("init", P, InitParameters),
                ("new_graph_custom", P, P, S, c_bool), ("build_forward_expand", None, P, P),
                ("new_tensor_4d", P, P, I, L, L, L, L), ("mul_mat", P, P, P, P), ("add", P, P, P, P),
                ("mul", P, P, P, P), ("norm", P, P, P, F), ("gelu_erf", P, P, P), ("cont", P, P, P),
                ("flash_attn_ext", P, P, P, P, P, P, F, F, F), ("permute", P, P, P, I, I, I, I), ("concat", P, P, P, P, I),
                ("reshape_4d", P, P, P, L, L, L, L), ("view_4d", P, P, P, L, L, L, L, S, S, S, S),
                ("conv_2d", P, P, P, P, I, I, I, I, I, I),
                ("quantize_chunk", S, I, POINTER(c_float), P, L, L, L, P)):
            function = next(getattr(library, "ggml_" + name) for library in self.libraries
                            if hasattr(library, "ggml_" + name))
            function.restype, function.argtypes = result, arguments
            setattr(self, name, function)


def stored(ggml, value, kind):
    """The bytes of a matrix (N, K) as `kind`."""
    value = np.ascontiguousarray(value, np.float32)
    if kind == "f16":
        return value.astype(np.float16)
    if kind == "bf16":
        bits = value.view(np.uint32)
        return ((bits + 0x7fff + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    if kind == "q8_0":
        rows, K = value.shape
        out = np.empty(rows * K // 32 * 34, np.uint8)
        ggml.quantize_chunk(TYPES[kind], value.ctypes.data_as(POINTER(c_float)), out.ctypes.data, 0, rows, K, None)
        return out
    return value


class Model:
    def __init__(self, libraries, weights, size, kind, threads, batch):
        self.ggml, self.kind, self.batch = Ggml(libraries), kind, batch
        _, self.D, self.heads, self.depth = SIZES[size]
        g = self.ggml
        g.backend_load_all_from_path(libraries.encode())
        self.backend = g.backend_init_by_type(CPU, None) or sys.exit("ggml has no kernels for this processor")
        registry = g.backend_dev_backend_reg(g.backend_get_device(self.backend))
        set_threads = g.backend_reg_get_proc_address(registry, b"ggml_backend_set_n_threads")
        ctypes.CFUNCTYPE(None, c_void_p, c_int)(set_threads)(self.backend, threads)
        self.load(weights)
        self.context = g.init(InitParameters(1 << 24, None, True))
        self.build()

    def load(self, weights):
        g = self.ggml
        context = g.init(InitParameters(1 << 20, None, True))
        matrices = {name: value for name, value in weights.items() if value.ndim == 2}
        others = {name: value for name, value in weights.items() if value.ndim != 2}
        others["cls_token"] = np.repeat(others["cls_token"], self.batch, 0)
        self.weights, content = {}, {}
        for name, value in list(matrices.items()) + list(others.items()):
            kind = self.kind if name in matrices else "f32"
            extents = value.shape[::-1] + (1,) * (4 - value.ndim)
            self.weights[name] = g.new_tensor_4d(context, TYPES[kind], *extents)
            content[name] = stored(g, value, kind)
        self.pixels = g.new_tensor_4d(context, TYPES["f32"], SIDE, SIDE, 3, self.batch)
        g.backend_alloc_ctx_tensors(context, self.backend)
        for name, value in content.items():
            g.backend_tensor_set(self.weights[name], value.ctypes.data, 0, value.nbytes)

    def dense(self, x, name):
        product = self.ggml.mul_mat(self.context, self.weights[name + ".weight"], x)
        return self.ggml.add(self.context, product, self.weights[name + ".bias"])

    def norm(self, x, name):
        scaled = self.ggml.mul(self.context, self.ggml.norm(self.context, x, EPS), self.weights[name + ".weight"])
        return self.ggml.add(self.context, scaled, self.weights[name + ".bias"])

    def attention(self, x, name, T):
        g, c, D, heads, B = self.ggml, self.context, self.D, self.heads, self.batch
        hd = D // heads
        qkv = self.dense(x, name + ".qkv")  # (B, T, 3 D)

        def part(i):  # (B, heads, T, hd)
            rows = g.view_4d(c, qkv, hd, heads, T, B, 4 * hd, 4 * 3 * D, 4 * 3 * D * T, 4 * D * i)
            return g.permute(c, rows, 0, 2, 1, 3)

        y = g.flash_attn_ext(c, part(0), part(1), part(2), None, hd ** -0.5, 0.0, 0.0)  # (B, T, heads, hd)
        return self.dense(g.reshape_4d(c, y, D, T, B, 1), name + ".proj")

    def build(self):
        g, c, D, B = self.ggml, self.context, self.D, self.batch
        N = (SIDE // PATCH) ** 2
        T = N + 1
        w = self.weights
        maps = g.conv_2d(c, w["patch_embed.proj.weight"], self.pixels, PATCH, PATCH, 0, 0, 1, 1)  # (B, D, h, w)
        patches = g.cont(c, g.permute(c, g.reshape_4d(c, maps, N, D, B, 1), 1, 0, 2, 3))
        x = g.concat(c, w["cls_token"], g.add(c, patches, w["patch_embed.proj.bias"]), 1)
        x = g.add(c, x, w["pos_embed"])
        for i in range(self.depth):
            b = f"blocks.{i}."
            x = g.add(c, x, self.attention(self.norm(x, b + "norm1"), b + "attn", T))
            hidden = g.gelu_erf(c, self.dense(self.norm(x, b + "norm2"), b + "mlp.fc1"))
            x = g.add(c, x, self.dense(hidden, b + "mlp.fc2"))
        first = g.view_4d(c, x, D, B, 1, 1, 4 * D * T, 4 * D * T * B, 4 * D * T * B, 0)
        self.logits = self.dense(self.norm(g.cont(c, first), "norm"), "head")
        self.graph = g.new_graph_custom(c, MOST_NODES, False)
        g.build_forward_expand(self.graph, self.logits)
        if not g.gallocr_alloc_graph(g.gallocr_new(g.backend_get_default_buffer_type(self.backend)), self.graph):
            sys.exit("ggml has no memory for the graph")

    def __call__(self, pixels):
        self.ggml.backend_tensor_set(self.pixels, pixels.ctypes.data, 0, pixels.nbytes)
        if self.ggml.backend_graph_compute(self.backend, self.graph) != 0:
            sys.exit("ggml failed")
        logits = np.empty((self.batch, CLASSES), np.float32)
        self.ggml.backend_tensor_get(self.logits, logits.ctypes.data, 0, logits.nbytes)
        return logits


def main(libraries, folder, size, kind, threads, batch, seconds, output):
    model = Model(libraries, read_safetensors(folder + "/model.safetensors"), size, kind, int(threads), int(batch))
    pixels = np.fromfile(f"{folder}/pixels_{batch}.bin", np.float32)
    model(pixels).tofile(output)
    times, end = [], time.perf_counter() + float(seconds)
    while time.perf_counter() < end or len(times) < 3:
        begin = time.perf_counter()
        model(pixels)
        times.append(1000 * (time.perf_counter() - begin))
    print(json.dumps({"median_ms": statistics.median(times)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
