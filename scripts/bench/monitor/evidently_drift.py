"""Evidently's DataDriftPreset over the rows that drift_bench wrote.

usage: evidently_drift.py FOLDER COLUMNS
"""
import pathlib
import resource
import sys
import time

import evidently
import numpy as np
import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset


def frame(file, columns):
    values = np.fromfile(file, "<f4").reshape(columns, -1)
    return pd.DataFrame({f"x{i}": column for i, column in enumerate(values)})


def main():
    folder, columns = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    definition = DataDefinition(numerical_columns=[f"x{i}" for i in range(columns)])
    reference, current = (Dataset.from_pandas(frame(folder / f"{name}.f32", columns), data_definition=definition)
                          for name in ("reference", "current"))
    begin = time.perf_counter()
    snapshot = Report([DataDriftPreset()]).run(current, reference)
    metrics = snapshot.dict()["metrics"]
    took = time.perf_counter() - begin
    drifted = next(m["value"] for m in metrics if "DriftedColumnsCount" in str(m.get("metric_name", m.get("metric_id"))))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"Evidently {evidently.__version__}: {took:.1f} s, {drifted['count']:.0f} columns drifted, peak {peak:.0f} MB")


main()
