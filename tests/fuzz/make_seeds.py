"""Writes the seed corpora of the fuzz targets from tests/golden: python3 tests/fuzz/make_seeds.py

Each seed is small and valid, so that a fuzzer starts behind the first checks of every format.
Needs numpy and PIL."""
import io
import json
import pathlib
import shutil
import struct

import numpy as np
from PIL import Image

HERE = pathlib.Path(__file__).resolve().parent
GOLDEN = HERE.parent / "golden"


def folder(name):
    path = HERE / "corpus" / name
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def safetensors(tensors):
    header, data = {}, b""
    for name, array in tensors.items():
        kinds = {"float32": "F32", "float16": "F16", "int64": "I64", "uint8": "U8", "bool": "BOOL", "float64": "F64"}
        raw = array.tobytes()
        header[name] = {"dtype": kinds[str(array.dtype)], "shape": list(array.shape),
                        "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensor_files():
    out = folder("tensor_file")
    some = {"a.weight": np.arange(6, dtype="f4").reshape(2, 3), "b": np.ones(3, "f2"), "c": np.array(7),
            "d": np.array([True, False]), "e": np.zeros((0, 4), "f8")}
    (out / "small.safetensors").write_bytes(safetensors(some))
    for name, save in (("stored.npz", np.savez), ("deflated.npz", np.savez_compressed)):
        with open(out / name, "wb") as file:
            save(file, **some, words=np.arange(200) % 7)
    np.save(out / "fortran.npy", np.asfortranarray(some["a.weight"]))
    with open(out / "bf16.npy", "wb") as file:
        np.save(file, np.zeros((2, 2), "V2"))
    for path in sorted((GOLDEN / "torch_files").glob("*.p*")):
        if path.suffix in (".pth", ".pt") and path.stat().st_size < 4000:
            shutil.copy(path, out / path.name)


def indices():
    out = folder("sharded_index")
    seeds = {"whole": {"metadata": {"total_size": 12}, "weight_map": {"a": "1", "b": "1", "c": "2"}},
             "partial": {"weight_map": {"a": "1"}}, "absent": {"weight_map": {"a": "3", "d": "1"}},
             "outside": {"weight_map": {"a": "../1"}}, "empty": {"weight_map": {}}}
    for name, value in seeds.items():
        (out / f"{name}.json").write_text(json.dumps(value))


def pictures():
    out = folder("picture")
    rng = np.random.default_rng(1)
    rgba = Image.fromarray(rng.integers(0, 255, (9, 11, 4), dtype="u1"), "RGBA")
    rgb = rgba.convert("RGB")
    grey16 = Image.fromarray(rng.integers(0, 65535, (6, 5), dtype="u2"))
    for name, image in {"rgb": rgb, "rgba": rgba, "grey": rgb.convert("L"), "la": rgba.convert("LA"),
                        "palette": rgb.quantize(8), "bilevel": rgb.convert("1"), "grey16": grey16}.items():
        image.save(out / f"{name}.png")
    rgb.quantize(4).save(out / "transparent.png", transparency=1)
    for name, options in {"420": {"subsampling": 2}, "422": {"subsampling": 1}, "444": {"subsampling": 0},
                          "progressive": {"progressive": True}, "optimised": {"optimize": True}}.items():
        rgb.save(out / f"{name}.jpg", quality=70, **options)
    rgb.convert("L").save(out / "grey.jpg", quality=60)
    rgb.convert("CMYK").save(out / "cmyk.jpg", quality=60)
    exif = Image.Exif()
    exif[0x0112] = 6
    rgb.save(out / "turned.jpg", quality=60, exif=exif)
    for kind, mode in (("ppm", "RGB"), ("pgm", "L"), ("pbm", "1")):
        rgb.convert(mode).save(out / f"raw.{kind}")
    (out / "plain.ppm").write_bytes(b"P3\n# a comment\n2 2\n255\n0 1 2 3 4 5 6 7 8 9 10 255\n")
    (out / "plain.pgm").write_bytes(b"P2 3 1 65535 0 500 65535\n")
    (out / "plain.pbm").write_bytes(b"P1\n3 2\n1 0 1\n010\n")
    (out / "wide.pgm").write_bytes(b"P5 2 2 1000\n" + bytes(range(8)))


def checkpoints():
    """Both kinds: configs beside the golden tensors, and descriptions of whole checkpoints."""
    configs, whole = folder("config"), folder("checkpoint")
    values = np.array([0.5, -0.25, 0.125, 1.0, -0.75, 0.0625, 0.3, -0.9], "f4").tobytes()
    names = sorted(path.parent.name for path in GOLDEN.glob("*/model.*") if path.suffix in (".safetensors", ".npz"))
    for number, name in enumerate(names):
        def text(file):
            path = GOLDEN / name / file
            return json.dumps(json.loads(path.read_text()), separators=(",", ":")) if path.exists() else ""
        config = text("config.json") or text("open_clip_config.json")
        preprocessor = text("preprocessor_config.json")
        if config and number % 2 == 0 or name.startswith("hf_"):
            (configs / name).write_bytes(bytes([number]) + config.encode() + b"\0" + preprocessor.encode())
        path = GOLDEN / name / "model.safetensors"
        if not path.exists() or path.stat().st_size > 450_000 or name.startswith(("vitp_head", "vitp_v0", "fb_dinov2_")):
            continue
        with open(path, "rb") as file:
            header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        header.pop("__metadata__", None)
        lines = "\n".join(f"{tensor} {entry['dtype']} {','.join(map(str, entry['shape']))}"
                          for tensor, entry in header.items())
        (whole / name).write_bytes(b"\0".join([config.encode(), preprocessor.encode(), lines.encode(), values]))
    recipes = {"timm": {"input_size": [3, 8, 8], "crop_pct": 0.9, "interpolation": "bicubic", "crop_mode": "border",
                        "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
               "torchvision": {"crop_size": [8], "resize_size": [9], "interpolation": "bilinear"},
               "openai": {"n_px": 8}, "open_clip": {"size": 8, "mean": [0, 0, 0], "resize_mode": "longest"}}
    for name, recipe in recipes.items():
        number = names.index("hf_vit")
        config = (GOLDEN / "hf_vit/config.json").read_text()
        (configs / f"recipe_{name}").write_bytes(bytes([number]) + config.encode() + b"\0" + json.dumps(recipe).encode())


tensor_files()
indices()
pictures()
checkpoints()
