"""Opens a checkpoint of checkpoint_write_case with Python's own safetensors: checkpoint_oracle.py FOLDER."""
import hashlib
import json
import pathlib
import sys

import torch
from safetensors import safe_open

folder = pathlib.Path(sys.argv[1])
counted = torch.arange(24).reshape(2, 3, 4)
types = {"Float": torch.float32, "Double": torch.float64, "Half": torch.float16, "BFloat16": torch.bfloat16,
         "Long": torch.int64, "Int": torch.int32, "Short": torch.int16, "Char": torch.int8, "Byte": torch.uint8,
         "Bool": torch.bool}
wanted = {f"model.{name}": counted.to(dtype) for name, dtype in types.items()}
wanted["model.transposed"] = counted.float().transpose(0, 2)
wanted["model.channels_last"] = torch.arange(48.0).reshape(2, 2, 3, 4)
wanted['model.einfach "ü"\n'] = torch.full((2,), -0.5)
wanted["optimizer.empty"] = torch.empty(0, 3)
wanted["optimizer.steps.0"] = torch.tensor(12345.0)
wanted["ema.large"] = torch.arange(3_000_000, dtype=torch.float32)
wanted["scaler.scale"] = torch.tensor(65536.0, dtype=torch.float64)

manifest = json.loads((folder / "manifest.json").read_text())
entry, = manifest["checkpoints"]
assert manifest["latest"] == manifest["best"] == entry["file"] == "step-42.a-3.safetensors", manifest
path = folder / entry["file"]
assert hashlib.sha256(path.read_bytes()).hexdigest() == entry["sha256"]
assert path.stat().st_size == entry["bytes"]

with safe_open(path, framework="pt") as file:
    assert set(file.keys()) == set(wanted), set(file.keys()) ^ set(wanted)
    for name, tensor in wanted.items():
        got = file.get_tensor(name)
        assert got.dtype == tensor.dtype and got.shape == tensor.shape, (name, got.dtype, got.shape)
        assert torch.equal(got, tensor), name
    metadata = file.metadata()
assert metadata["program"] == "case" and json.loads(metadata["params"]) == {"lr": 0.1}, metadata
progress = json.loads(metadata["progress"])
assert progress["step"] == 42 and progress["metrics"] == {"validation/loss": 0.25}, progress
print(f"{len(wanted)} tensors are the same")
