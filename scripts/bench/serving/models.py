"""models.py FOLDER: what is served; see write_models in common.py. Each is an MLflow model, too."""

import importlib.util
import pathlib
import sys

import numpy as np
from onnx import helper

ROOT = pathlib.Path(__file__).resolve().parents[3]
_SPEC = importlib.util.spec_from_file_location("conformance_models", ROOT / "scripts/conformance/serving/models.py")
models = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(models)


def image(name):
    return helper.make_tensor_value_info(name, models.TYPES["fp32"], ["rows", 1, 8, 8])


def digits(folder, draw):
    """images -> logits: conv 16, pool, conv 32, pool, linear."""
    weights = {"c1": (16, 1, 3, 3), "c2": (32, 16, 3, 3), "w": (128, 10)}
    nodes = [helper.make_node("Conv", ["images", "c1"], ["a"], pads=[1] * 4), helper.make_node("Relu", ["a"], ["b"]),
             helper.make_node("MaxPool", ["b"], ["c"], kernel_shape=[2, 2], strides=[2, 2]),
             helper.make_node("Conv", ["c", "c2"], ["d"], pads=[1] * 4), helper.make_node("Relu", ["d"], ["e"]),
             helper.make_node("MaxPool", ["e"], ["f"], kernel_shape=[2, 2], strides=[2, 2]),
             helper.make_node("Flatten", ["f"], ["g"]), helper.make_node("MatMul", ["g", "w"], ["logits"])]
    signed = [{"name": "images", "type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 1, 8, 8]}}]
    models.write(folder, nodes, [image("images")], [models.rows("logits", 10)],
                 [(name, draw.standard_normal(shape).astype(np.float32)) for name, shape in weights.items()], signed)


def mlp(folder, draw, sizes=(512, 2048, 2048, 10)):
    nodes, weights, last = [], [], "x"
    for i, (rows, columns) in enumerate(zip(sizes, sizes[1:])):
        weights.append((f"W{i}", (draw.standard_normal((rows, columns)) / rows**0.5).astype(np.float32)))
        is_last = i == len(sizes) - 2
        nodes.append(helper.make_node("MatMul", [last, f"W{i}"], ["y" if is_last else f"z{i}"]))
        if not is_last:
            nodes.append(helper.make_node("Relu", [f"z{i}"], [f"h{i}"]))
            last = f"h{i}"
    models.write(folder, nodes, [models.rows("x", sizes[0])], [models.rows("y", sizes[-1])], weights)
    # Triton's own choice of the bound is 4.
    (folder.parent / "config.pbtxt").write_text(
        'backend: "onnxruntime"\nmax_batch_size: 64\ndynamic_batching { max_queue_delay_microseconds: 1000 }\n')


def main(folder):
    draw = np.random.default_rng(10)
    models.linear(folder / "fraud" / "1", [1, 2])
    digits(folder / "digits" / "1", draw)
    mlp(folder / "mlp" / "1", draw)


main(pathlib.Path(sys.argv[1]))
