"""Compares exported models with LibTorch's own answers in two engines that share no code with muster.

usage: oracle.py DIR [--bound 1e-5]
DIR is what write_cases made. Exit 1 when onnx's full check, onnxruntime or OpenVINO disagree.
"""

import argparse
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime
import openvino


def with_onnxruntime(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]
    return lambda inputs: session.run(None, dict(zip(names, inputs)))


def with_openvino(path):
    model = openvino.Core().compile_model(
        str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1})
    return lambda inputs: [model(inputs)[port] for port in model.outputs]


def load(folder, stem):
    return [np.load(folder / f"{stem}_{i}.npy") for i in range(len(list(folder.glob(f"{stem}_*.npy"))))]


def difference(got, wanted):
    """The smallest bound with which np.testing.assert_allclose(rtol=bound, atol=bound) passes."""
    if got.shape != wanted.shape or got.dtype != wanted.dtype:
        return float("inf")
    got, wanted = got.astype(np.float64), wanted.astype(np.float64)
    bounds = np.abs(got - wanted) / (1 + np.abs(wanted))
    return float(np.max(np.nan_to_num(bounds, nan=np.inf), initial=0))


def compare(folder, bound):
    path = folder / "model.onnx"
    onnx.checker.check_model(str(path), full_check=True)
    worst = {}
    for engine in (with_onnxruntime, with_openvino):
        run = engine(path)
        name = engine.__name__.removeprefix("with_")
        for rows in sorted(p for p in folder.iterdir() if p.is_dir()):
            answers = run(load(rows, "input"))
            wanted = load(rows, "output")
            assert len(answers) == len(wanted), f"{name}: {len(answers)} outputs, wanted {len(wanted)}"
            for got, want in zip(answers, wanted):
                worst[name] = max(worst.get(name, 0), difference(got, want))
    print(f"{folder.name:24}", *(f"{k} {v:.2e}" for k, v in worst.items()))
    return all(v < bound for v in worst.values())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--bound", type=float, default=1e-5)
    arguments = parser.parse_args()
    folders = sorted(p.parent for p in arguments.folder.glob("*/model.onnx"))
    if not folders:
        sys.exit(f"no exported model in {arguments.folder}")
    agreed = True
    for folder in folders:
        try:
            agreed &= compare(folder, arguments.bound)
        except Exception as error:  # the next model shall be tried all the same
            print(f"{folder.name}: {type(error).__name__}: {error}")
            agreed = False
    sys.exit(0 if agreed else 1)


if __name__ == "__main__":
    main()
