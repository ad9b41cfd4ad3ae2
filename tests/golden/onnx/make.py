"""Writes the models that muster's reader and writer are compared with, by onnx's own library.

usage: make.py DIR      (made with onnx 1.23.2)
tiny.onnx   what Tiny() in tests/registry/onnx/onnx_test.cc describes; its bytes are muster's bytes
typed.onnx  tensors that keep their numbers in typed fields, and inputs that list initializers
"""

import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper


def tiny():
    weight = onnx.numpy_helper.from_array(np.array([[1, -2], [0.5, 4]], np.float32), "fc.weight")
    shape = onnx.numpy_helper.from_array(np.array([0, -1], np.int64), "shape")
    nodes = [
        helper.make_node("Reshape", ["x", "shape"], ["flat"], name="Reshape"),
        helper.make_node("Gemm", ["flat", "fc.weight"], ["product"], name="fc/Gemm", alpha=0.5, transB=1),
        helper.make_node("Clip", ["product", "", "limit"], ["y"], name="Clip"),
        helper.make_node("Pad", ["y", "pads"], ["z"], name="Pad", mode="constant"),
    ]
    limit = onnx.numpy_helper.from_array(np.array(6, np.float32), "limit")
    pads = onnx.numpy_helper.from_array(np.array([0, 1, 0, 1], np.int64), "pads")
    graph = helper.make_graph(
        nodes, "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 1, 2])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["batch", 4])],
        [weight, shape, limit, pads],
        value_info=[helper.make_tensor_value_info("flat", TensorProto.FLOAT, ["batch", 2])])
    model = helper.make_model(graph, producer_name="muster", producer_version="0.1.0", ir_version=8)
    # An operator set without a domain, where make_model would write an empty one.
    del model.opset_import[:]
    model.opset_import.add().version = 17
    helper.set_model_props(model, {"epoch": "3"})
    return model


def typed():
    tensors = [
        helper.make_tensor("floats", TensorProto.FLOAT, [2], [1.5, -2]),
        helper.make_tensor("doubles", TensorProto.DOUBLE, [1], [0.25]),
        helper.make_tensor("int64s", TensorProto.INT64, [3], [1, -1, 1 << 40]),
        helper.make_tensor("int8s", TensorProto.INT8, [2], [-128, 127]),
        helper.make_tensor("bools", TensorProto.BOOL, [2], [True, False]),
    ]
    nodes = [helper.make_node("Identity", [t.name], [t.name + "_out"]) for t in tensors]
    graph = helper.make_graph(
        nodes, "typed",
        [helper.make_tensor_value_info(t.name, t.data_type, list(t.dims)) for t in tensors],
        [helper.make_tensor_value_info(t.name + "_out", t.data_type, list(t.dims)) for t in tensors],
        tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("ai.onnx", 17)], ir_version=8)


def main():
    folder = pathlib.Path(sys.argv[1])
    for model in (tiny, typed):
        (folder / f"{model.__name__}.onnx").write_bytes(model().SerializeToString(deterministic=True))


if __name__ == "__main__":
    main()
