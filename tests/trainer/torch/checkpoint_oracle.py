"""Opens a checkpoint of checkpoint_write_case with Python's own safetensors: checkpoint_oracle.py FOLDER."""
import hashlib
import json
import pathlib
import sys

import ml_dtypes
import numpy
from safetensors import deserialize, safe_open

folder = pathlib.Path(sys.argv[1])
counted = numpy.arange(24).reshape(2, 3, 4)
types = {"Float": ("F32", numpy.float32), "Double": ("F64", numpy.float64), "Half": ("F16", numpy.float16),
         "BFloat16": ("BF16", ml_dtypes.bfloat16), "Long": ("I64", numpy.int64), "Int": ("I32", numpy.int32),
         "Short": ("I16", numpy.int16), "Char": ("I8", numpy.int8), "Byte": ("U8", numpy.uint8),
         "Bool": ("BOOL", numpy.bool_)}
stored_as = dict(types.values())
wanted = {f"model.{name}": counted.astype(dtype) for name, (_, dtype) in types.items()}
wanted["model.transposed"] = counted.astype(numpy.float32).transpose(2, 1, 0)
wanted["model.channels_last"] = numpy.arange(48, dtype=numpy.float32).reshape(2, 2, 3, 4)
wanted['model.einfach "ü"\n'] = numpy.full((2,), -0.5, numpy.float32)
wanted["optimizer.empty"] = numpy.empty((0, 3), numpy.float32)
wanted["optimizer.steps.0"] = numpy.array(12345.0, numpy.float32)
wanted["ema.large"] = numpy.arange(3_000_000, dtype=numpy.float32)
wanted["scaler.scale"] = numpy.array(65536.0)

manifest = json.loads((folder / "manifest.json").read_text())
entry, = manifest["checkpoints"]
assert manifest["latest"] == manifest["best"] == entry["file"] == "step-42.a-3.safetensors", manifest
path = folder / entry["file"]
assert hashlib.sha256(path.read_bytes()).hexdigest() == entry["sha256"]
assert path.stat().st_size == entry["bytes"]

got = {name: numpy.frombuffer(view["data"], stored_as[view["dtype"]]).reshape(view["shape"])
       for name, view in deserialize(path.read_bytes())}
assert set(got) == set(wanted), set(got) ^ set(wanted)
for name, tensor in wanted.items():
    assert got[name].dtype == tensor.dtype and got[name].shape == tensor.shape, (name, got[name].dtype, got[name].shape)
    assert numpy.array_equal(got[name], tensor), name
with safe_open(path, framework="np") as file:
    metadata = file.metadata()
assert metadata["program"] == "case" and json.loads(metadata["params"]) == {"lr": 0.1}, metadata
progress = json.loads(metadata["progress"])
assert progress["step"] == 42 and progress["metrics"] == {"validation/loss": 0.25}, progress
print(f"{len(wanted)} tensors are the same")
