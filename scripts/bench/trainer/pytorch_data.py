#!/usr/bin/env python3
"""Writes the rows that both sides train on: scripts/bench/trainer/pytorch_data.py MODEL FILE.h5 (wants h5py)

digits: scikit-learn's table; the others: random rows of the model's shape, since what is measured is the step."""

import gzip
import pathlib
import sys

import h5py
import numpy

import pytorch_models as models

ROOT = pathlib.Path(__file__).resolve().parents[3]


def columns(model):
    if model != "digits":
        return models.synthetic(model, 1024)
    packages = next((ROOT / ".deps/python/lib").glob("python3*/site-packages"))
    with gzip.open(packages / "sklearn/datasets/data/digits.csv.gz") as file:
        table = numpy.loadtxt(file, delimiter=",")
    return {"images": table[:, :64].astype("f4").reshape(-1, 1, 8, 8), "labels": table[:, 64].astype("u1")}


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in models.SIZES:
        sys.exit(f"usage: pytorch_data.py {'|'.join(models.SIZES)} FILE.h5")
    with h5py.File(sys.argv[2], "w") as out:
        for name, column in columns(sys.argv[1]).items():
            out.create_dataset(name, data=column)
