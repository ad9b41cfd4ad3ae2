"""Writes the models that are asked: models.py FOLDER

FOLDER/NAME/VERSION/model.onnx, each also an MLflow model (MLmodel beside it): fraud y = x (1, 2) and, as version 2,
y = x (10, 20); table, the same, which to MLflow is of two columns; other; types, which gives an input of each type back, and half, which does so with fp16; pair, with two inputs and two outputs; mlp, a small
network; broken, whose file is cut.
"""

import json
import pathlib
import sys

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

TYPES = {"fp32": TensorProto.FLOAT, "fp64": TensorProto.DOUBLE, "int8": TensorProto.INT8,
         "int16": TensorProto.INT16, "int32": TensorProto.INT32, "int64": TensorProto.INT64, "uint8": TensorProto.UINT8,
         "uint16": TensorProto.UINT16, "uint32": TensorProto.UINT32, "uint64": TensorProto.UINT64, "bool": TensorProto.BOOL}


def rows(name, width, dtype=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, dtype, ["rows", width])


def spec(value):
    dtype = numpy.dtype(helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)).name
    shape = [-1, value.type.tensor_type.shape.dim[1].dim_value]
    return {"name": value.name, "type": "tensor", "tensor-spec": {"dtype": dtype, "shape": shape}}


def columns(*names):
    return [{"name": name, "type": "double"} for name in names]


def write(folder, nodes, inputs, outputs, weights=(), signed_inputs=None):
    graph = helper.make_graph(nodes, "graph", inputs, outputs, [numpy_helper.from_array(value, name) for name, value in weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    folder.mkdir(parents=True)
    onnx.save(model, folder / "model.onnx")
    signature = {"inputs": json.dumps(signed_inputs or [spec(value) for value in inputs]),
                 "outputs": json.dumps([spec(value) for value in outputs])}
    (folder / "MLmodel").write_text(json.dumps({
        "flavors": {"onnx": {"data": "model.onnx", "onnx_version": onnx.__version__},
                    "python_function": {"data": "model.onnx", "loader_module": "mlflow.onnx"}},
        "signature": signature}))


def linear(folder, weights, signed_inputs=None):
    weight = numpy.array(weights, numpy.float32).reshape(-1, 1)
    write(folder, [helper.make_node("MatMul", ["x", "W"], ["y"])], [rows("x", len(weights))], [rows("y", 1)],
          [("W", weight)], signed_inputs)


def main(folder):
    linear(folder / "fraud" / "1", [1, 2])
    linear(folder / "fraud" / "2", [10, 20])
    linear(folder / "other" / "1", [1, 1])
    linear(folder / "table" / "1", [10, 20], columns("a", "b"))
    write(folder / "types" / "1", [helper.make_node("Identity", [name], [f"{name}_out"]) for name in TYPES],
          [rows(name, 3, dtype) for name, dtype in TYPES.items()], [rows(f"{name}_out", 3, dtype) for name, dtype in TYPES.items()])
    write(folder / "half" / "1", [helper.make_node("Identity", ["x"], ["y"])], [rows("x", 3, TensorProto.FLOAT16)],
          [rows("y", 3, TensorProto.FLOAT16)])
    write(folder / "pair" / "1", [helper.make_node("Add", ["a", "b"], ["sum"]), helper.make_node("Mul", ["a", "b"], ["product"])],
          [rows("a", 2), rows("b", 2)], [rows("sum", 2), rows("product", 2)])
    draw = numpy.random.default_rng(10)
    weights = [("W0", draw.standard_normal((16, 32)).astype(numpy.float32)), ("W1", draw.standard_normal((32, 5)).astype(numpy.float32))]
    write(folder / "mlp" / "1",
          [helper.make_node("MatMul", ["x", "W0"], ["h"]), helper.make_node("Relu", ["h"], ["r"]),
           helper.make_node("MatMul", ["r", "W1"], ["z"]), helper.make_node("Softmax", ["z"], ["p"])],
          [rows("x", 16)], [rows("p", 5)], weights)
    (folder / "broken" / "1").mkdir(parents=True)
    (folder / "broken" / "1" / "model.onnx").write_bytes((folder / "mlp/1/model.onnx").read_bytes()[:500])


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
