"""The forms that compress_bench wrote, on ONNX Runtime with one thread.

usage: int8.py DIR
"""
import pathlib
import statistics
import sys
import time

import numpy as np
import onnxruntime


def session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def median_ms(run, rows, seconds=1.0):
    run(None, {"x": rows})
    times, end = [], time.perf_counter() + seconds
    while len(times) < 5 or time.perf_counter() < end:
        begin = time.perf_counter()
        run(None, {"x": rows})
        times.append(1e3 * (time.perf_counter() - begin))
    return statistics.median(times)


def main(folder):
    rows = np.load(folder / "rows.npy")
    print(f"ONNX Runtime {onnxruntime.__version__}, one thread")
    print("form         size MB  ms b1   ms b32  speed-up b1 b32  agreement")
    full = None
    for form in ("f32", "dynamic", "weight-only", "static", "fp16"):
        path = folder / f"{form}.onnx"
        run = session(path).run
        seen = run(None, {"x": rows})[0].argmax(1), median_ms(run, rows[:1]), median_ms(run, rows[:32])
        full = full or seen
        print(f"  {form:10} {path.stat().st_size / 1e6:8.2f} {seen[1]:7.3f} {seen[2]:8.3f} {full[1] / seen[1]:8.2f}"
              f" {full[2] / seen[2]:6.2f} {np.mean(seen[0] == full[0]):10.4f}")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
