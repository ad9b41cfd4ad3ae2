"""Reads a published package as users do: MLflow's pyfunc and ONNX Runtime, with batches of several sizes.

Usage: load_package.py FOLDER, as promotion_test leaves it: FOLDER/models/digits/1, FOLDER/evaluation.safetensors.
"""

import json
import pathlib
import struct
import sys

import mlflow
import mlflow.models
import numpy as np
import onnx
import onnxruntime

DTYPES = {"F32": np.float32, "I64": np.int64}


def read_safetensors(path):
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    body = data[8 + size :]
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        tensors[name] = np.frombuffer(body[begin:end], DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return tensors


def close(got, wanted, what):
    worst = float(np.abs(got - wanted).max())
    assert got.shape == wanted.shape, f"{what}: shape {got.shape}, wanted {wanted.shape}"
    assert worst <= 1e-4, f"{what}: differs by {worst}"


def main():
    folder = pathlib.Path(sys.argv[1])
    package = folder / "models" / "digits" / "1"
    rows = read_safetensors(folder / "evaluation.safetensors")
    images, reference = rows["inputs"], rows["reference"]

    onnx.checker.check_model(str(package / "model.onnx"), full_check=True)
    session = onnxruntime.InferenceSession(str(package / "model.onnx"))
    (graph_input,) = session.get_inputs()
    close(session.run(None, {graph_input.name: images})[0], reference, "onnxruntime")

    signature = mlflow.models.get_model_info(str(package)).signature
    (tensor,) = signature.inputs.inputs
    assert tensor.name == graph_input.name, f"signature names {tensor.name}, the graph {graph_input.name}"
    assert tensor.shape == (-1, 1, 8, 8), tensor.shape
    model = mlflow.pyfunc.load_model(str(package))
    for batch in (1, 7, len(images)):
        predicted = model.predict(images[:batch])
        (logits,) = predicted.values()
        close(np.asarray(logits), reference[:batch], f"mlflow, batch of {batch}")
    try:
        model.predict(np.zeros((2, 1, 8, 9), np.float32))
    except mlflow.exceptions.MlflowException:
        pass
    else:
        raise AssertionError("the signature let a wrong shape through")
    print(f"package of {len(list(package.iterdir()))} files: onnxruntime and mlflow agree on {len(images)} rows")


if __name__ == "__main__":
    main()
