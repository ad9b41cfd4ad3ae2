"""Optuna's figures as they stand in the repository, and how they are made.

gaps.csv: a row a search on BBOB; rest.csv: everything else. Both begin with versions, date and the hash of the files
that decide the figures. A recording goes on where it was broken off."""

import csv
import datetime
import hashlib
import pathlib

import problems

HERE = pathlib.Path(__file__).resolve().parent
GAPS, REST = HERE / "optuna_gaps.csv", HERE / "optuna_rest.csv"
FUNCTIONS = tuple(range(1, 25))
GP_FUNCTIONS = (1, 3, 6, 8, 10, 13, 15, 21)  # of 24: its Gaussian process takes a quarter of a second a trial


def scripts_hash():
    text = b"".join((HERE / name).read_bytes() for name in ("problems.py", "optuna_side.py"))
    return hashlib.sha256(text).hexdigest()[:16]


def seeds(function, instance):
    """(of the study, of the completion order). Instances count from 1, both seeds from 0."""
    return 1000 * function + instance - 1, instance - 1


def read(path):
    """(what its head says, rows)"""
    if not path.exists():
        return {}, []
    with open(path, newline="") as file:
        lines = file.read().splitlines()
    head = dict(line[2:].split(": ", 1) for line in lines if line.startswith("# "))
    return head, list(csv.DictReader(line for line in lines if not line.startswith("# ")))


class Gaps:
    """{(sampler, workers, function, instance): [gap at each checkpoint]}"""

    def __init__(self):
        self.head, rows = read(GAPS)
        self.rows = {(row["sampler"], int(row["workers"]), int(row["function"]), int(row["instance"])):
                     [float(row[f"gap_{at}"] or "nan") for at in problems.CHECKPOINTS] for row in rows}


def begin(path, columns):
    import optuna_side
    with open(path, "w", newline="") as file:
        print("# versions: " + optuna_side.versions(), file=file)
        print(f"# date: {datetime.date.today()}", file=file)
        print(f"# scripts: {scripts_hash()}", file=file)
        print("# seeds: study 1000 function + instance - 1, completion order instance - 1", file=file)
        print(",".join(columns), file=file)


def record_gaps(sampler, workers, functions, instances, trials=200):
    """Adds what is missing of these searches."""
    import optuna_side
    if not GAPS.exists():
        begin(GAPS, ["sampler", "workers", "function", "instance"] + [f"gap_{at}" for at in problems.CHECKPOINTS])
    there = Gaps().rows
    for function in functions:
        for instance in instances:
            if (sampler, workers, function, instance) in there:
                continue
            study_seed, order_seed = seeds(function, instance)
            objective, best = problems.bbob(function, instance, 5)
            side = optuna_side.Optuna(problems.box(5), sampler, study_seed)
            trace = problems.gaps(problems.search(side, objective, trials, workers, order_seed), best)
            cells = [f"{trace[at - 1]:.5g}" if at <= trials else "" for at in problems.CHECKPOINTS]
            with open(GAPS, "a") as file:
                print(",".join([sampler, str(workers), str(function), str(instance)] + cells), file=file)


def record_rest(figures):
    """`figures`: (name, cases, measure of a case)."""
    if not REST.exists():
        begin(REST, ["figure", "case", "value"])
    there = {(row["figure"], row["case"]) for row in read(REST)[1]}
    for name, cases, measure in figures:
        for case in cases:
            if (name, str(case)) not in there:
                value = measure(case)
                with open(REST, "a") as file:
                    print(f"{name},{case},{value:.5g}", file=file)
