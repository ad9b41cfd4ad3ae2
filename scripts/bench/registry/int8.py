"""The halves of scripts/bench/registry/int8 that are Python's.

usage: int8.py train DIR     trains an MLP on scikit-learn's digits; writes f32.onnx and evaluation.safetensors
       int8.py measure DIR   measures the forms that compress_bench wrote there, on ONNX Runtime with one thread,
                             and prints them beside what compress_bench measured (openvino.json)
"""
import glob
import gzip
import json
import logging
import pathlib
import statistics
import sys
import time

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper
from onnxruntime.quantization import quantize_dynamic

WIDTHS = (64, 1280, 1920, 1280, 10)  # 5.01 M parameters
TRAINING_DIGITS = 1200
EPOCHS, BATCH, RATE, MOMENTUM = 4, 100, 0.05, 0.9
ROUNDS, SECONDS = 7, 0.15


def digits():
    """Images (N, 8, 8) in [0, 1] and labels, shuffled."""
    site = pathlib.Path(np.__file__).parent.parent
    with gzip.open(site / "sklearn/datasets/data/digits.csv.gz") as file:
        table = np.loadtxt(file, delimiter=",")
    table = np.random.default_rng(1).permutation(table)
    return (table[:, :64] / 16).astype(np.float32).reshape(-1, 8, 8), table[:, 64].astype(np.int64)


def shifted(images, labels, rng):
    """Each image, and moved by a pixel to each side: rows (5 N, 64), shuffled."""
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    views = [padded[:, 1 + dy:9 + dy, 1 + dx:9 + dx] for dy, dx in ((0, 0), (0, 1), (0, -1), (1, 0), (-1, 0))]
    order = rng.permutation(5 * len(images))
    return np.concatenate(views).reshape(-1, 64)[order], np.tile(labels, 5)[order]


def layers_of(weights, biases, x):
    """What goes into each layer, and the logits."""
    values = [x]
    for i, (weight, bias) in enumerate(zip(weights, biases)):
        y = values[-1] @ weight + bias
        values.append(y if i == len(weights) - 1 else np.maximum(y, 0))
    return values


def trained(x, labels, rng):
    """Gradient descent with momentum on the cross entropy."""
    weights = [rng.normal(0, np.sqrt(2 / a), (a, b)).astype(np.float32) for a, b in zip(WIDTHS, WIDTHS[1:])]
    biases = [np.zeros(b, np.float32) for b in WIDTHS[1:]]
    parameters = weights + biases
    momenta = [np.zeros_like(p) for p in parameters]
    for _ in range(EPOCHS):
        for batch in rng.permutation(len(x)).reshape(-1, BATCH):
            *values, logits = layers_of(weights, biases, x[batch])
            odds = np.exp(logits - logits.max(1, keepdims=True))
            slope = odds / odds.sum(1, keepdims=True)
            slope[np.arange(BATCH), labels[batch]] -= 1
            slope /= BATCH
            of_weights, of_biases = [], []
            for i in reversed(range(len(weights))):
                of_weights.insert(0, values[i].T @ slope)
                of_biases.insert(0, slope.sum(0))
                slope = (slope @ weights[i].T) * (values[i] > 0)
            for parameter, momentum, gradient in zip(parameters, momenta, of_weights + of_biases):
                momentum *= MOMENTUM
                momentum += gradient
                parameter -= np.float32(RATE) * momentum
    return weights, biases


def write_safetensors(path, tensors):
    header, offset = {}, 0
    for name, value in tensors.items():
        kind = {"float32": "F32", "int64": "I64"}[value.dtype.name]
        header[name] = {"dtype": kind, "shape": list(value.shape), "data_offsets": [offset, offset + value.nbytes]}
        offset += value.nbytes
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(v.tobytes() for v in tensors.values()))


def model_of(weights, biases):
    nodes, constants, value = [], [], "x"
    for i, (weight, bias) in enumerate(zip(weights, biases)):
        constants += [numpy_helper.from_array(weight, f"w{i}"), numpy_helper.from_array(bias, f"b{i}")]
        last = i == len(weights) - 1
        nodes.append(onnx.helper.make_node("Gemm", [value, f"w{i}", f"b{i}"], ["y" if last else f"a{i}"]))
        if not last:
            nodes.append(onnx.helper.make_node("Relu", [f"a{i}"], [f"h{i}"]))
            value = f"h{i}"
    ends = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", width])
            for name, width in (("x", WIDTHS[0]), ("y", WIDTHS[-1]))]
    graph = onnx.helper.make_graph(nodes, "mlp", ends[:1], ends[1:], constants)
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)


def train(folder):
    images, labels = digits()
    rng = np.random.default_rng(2)
    x, y = shifted(images[:TRAINING_DIGITS], labels[:TRAINING_DIGITS], rng)
    weights, biases = trained(x, y, rng)
    onnx.save(model_of(weights, biases), folder / "f32.onnx")
    x, y = shifted(images[TRAINING_DIGITS:], labels[TRAINING_DIGITS:], rng)
    write_safetensors(folder / "evaluation.safetensors",
                      {"inputs": x, "labels": y, "reference": layers_of(weights, biases, x)[-1]})
    np.savez(folder / "rows.npz", x=x, y=y)
    # The rival in the table: what ONNX Runtime's own tool makes of the model. It would like to see shapes inferred first.
    logging.disable(logging.WARNING)
    quantize_dynamic(folder / "f32.onnx", folder / "onnxruntime's.onnx", per_channel=True)


def session(path, as_it_says):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    if as_it_says:  # else activations in front of int8 weights are quantised too
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def median_ms(run, rows):
    times, end = [], time.perf_counter() + SECONDS
    while len(times) < 5 or time.perf_counter() < end:
        begin = time.perf_counter()
        run(None, {"x": rows})
        times.append(1e3 * (time.perf_counter() - begin))
    return statistics.median(times)


def with_onnxruntime(folder, calibration):
    """A row of figures a form; the rounds go over all forms, and the best round counts."""
    rows = np.load(folder / "rows.npz")
    x, y = rows["x"][calibration:], rows["y"][calibration:]
    sessions = {p.stem: session(p, p.stem == "weight-only") for p in sorted(folder.glob("*.onnx"))}
    chosen = {form: s.run(None, {"x": x})[0].argmax(1) for form, s in sessions.items()}
    table = {form: {"ms_1": np.inf, "ms_64": np.inf, "agreement": float(np.mean(c == chosen["f32"])),
                    "accuracy": float(np.mean(c == y))} for form, c in chosen.items()}
    for _ in range(ROUNDS):
        for form, s in sessions.items():
            for count in (1, 64):
                key = f"ms_{count}"
                table[form][key] = min(table[form][key], median_ms(s.run, x[:count]))
    return table


def measure(folder):
    openvino = json.loads((folder / "openvino.json").read_text())
    tables = {openvino["engine"]: openvino["forms"],
              f"ONNX Runtime {onnxruntime.__version__}": with_onnxruntime(folder, openvino["calibration"])}
    sizes = {p.stem: p.stat().st_size for p in folder.glob("*.onnx")}
    for engine, table in tables.items():
        print(f"{engine}, one thread, the best of {ROUNDS} rounds' medians")
        print("form             size MB smaller   ms b1  faster  ms b64  faster  agreement  accuracy")
        full = table["f32"]
        for form in [*openvino["forms"], *sorted(table.keys() - openvino["forms"].keys())]:
            row = table[form]
            print(f"  {form:14} {sizes[form] / 1e6:7.2f} {sizes['f32'] / sizes[form]:7.2f} {row['ms_1']:7.3f} "
                  f"{full['ms_1'] / row['ms_1']:7.2f} {row['ms_64']:7.3f} {full['ms_64'] / row['ms_64']:7.2f} "
                  f"{row['agreement']:10.4f} {row['accuracy']:9.4f}")
    print(f"auto on {openvino['engine']} takes {openvino['chosen']}")


if __name__ == "__main__":
    {"train": train, "measure": measure}[sys.argv[1]](pathlib.Path(sys.argv[2]))
