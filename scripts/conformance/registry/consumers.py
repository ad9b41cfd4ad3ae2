"""Loads a published version with one consumer and computes with it.

usage: consumers.py CONSUMER DIRECTORY
"""

import pathlib
import sys

import numpy as np


def session(directory):
    import onnxruntime

    return onnxruntime.InferenceSession(str(directory / "model.onnx"), providers=["CPUExecutionProvider"])


def rows(directory, batch):
    """Random rows as the model takes them, and what ONNX Runtime answers."""
    runtime = session(directory)
    (tensor,) = runtime.get_inputs()
    values = np.random.default_rng(batch).random((batch, *tensor.shape[1:]), dtype=np.float32)
    return tensor.name, values, runtime.run(None, {tensor.name: values})[0]


def compared(directory, predict):
    worst = 0.0
    for batch in (1, 3, 64):
        name, values, wanted = rows(directory, batch)
        got = np.asarray(predict(name, values))
        assert got.shape == wanted.shape, (got.shape, wanted.shape)
        worst = max(worst, float(np.abs(got - wanted).max()))
    assert worst <= 1e-4, worst
    return f"batches of 1, 3 and 64, within {worst:.1e} of ONNX Runtime"


def checker(directory):
    import onnx

    onnx.checker.check_model(str(directory / "model.onnx"), full_check=True)
    return f"onnx {onnx.__version__}"


def onnxruntime_(directory):
    import onnxruntime

    shapes = [rows(directory, batch)[2].shape for batch in (1, 3, 64)]
    return f"onnxruntime {onnxruntime.__version__}: outputs {shapes}"


def openvino_(directory):
    import openvino

    model = openvino.Core().compile_model(str(directory / "model.onnx"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return compared(directory, lambda _, values: model(values)[0])


def pyfunc(directory):
    import mlflow

    model = mlflow.pyfunc.load_model(str(directory))
    (name,) = model.metadata.get_output_schema().input_names()
    return compared(directory, lambda _, values: model.predict(values)[name])


def mlflow_onnx(directory):
    import mlflow.onnx
    import onnx

    model = mlflow.onnx.load_model(str(directory))
    assert isinstance(model, onnx.ModelProto)
    return f"{len(model.graph.node)} nodes"


CONSUMERS = {"onnx.checker": checker, "onnxruntime": onnxruntime_, "openvino": openvino_, "mlflow.pyfunc": pyfunc,
             "mlflow.onnx": mlflow_onnx}

if __name__ == "__main__":
    print(CONSUMERS[sys.argv[1]](pathlib.Path(sys.argv[2])))
