# Checkpoints as torch.save writes them, made from the safetensors of the golden folders beside this
# one: both containers, and the wrappings that training programs leave around the tensors.
#   /usr/bin/python3 make.py      needs torch (1.13)
import json, os, struct, sys
import torch

here = os.path.dirname(os.path.abspath(__file__))


def read(case):
    with open(os.path.join(here, "..", case, "model.safetensors"), "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        dtype = {"F32": torch.float32, "I64": torch.int64}[entry["dtype"]]
        flat = torch.frombuffer(bytearray(data[begin:end]), dtype=dtype) if end > begin else torch.empty(0, dtype=dtype)
        tensors[name] = flat.reshape(entry["shape"]).clone()
    return tensors


def save(name, value, zipped):
    torch.save(value, os.path.join(here, name), _use_new_zipfile_serialization=zipped)


timm = read("timm_vit_eps")
save("timm_vit_eps.pth", timm, True)
save("timm_vit_eps_legacy.pth", timm, False)
save("timm_vit_eps_model.pth", {"model": timm, "epoch": 299, "args": {"lr": 1e-3}}, True)
save("timm_vit_eps_module.pth", {"state_dict": {"module." + k: v for k, v in timm.items()}}, True)
save("hf_vit_eps.bin", read("hf_vit_eps"), True)
save("hf_vit_eps_legacy.bin", read("hf_vit_eps"), False)
ijepa = {"module." + k: v for k, v in timm.items() if not k.startswith(("head.", "cls_token"))}
ijepa["module.pos_embed"] = timm["pos_embed"][:, 1:].clone()
save("ijepa.pth", {"encoder": ijepa, "predictor": {"module.mask_token": torch.zeros(1, 1, 24)}, "epoch": 1}, True)
