#!/usr/bin/env python3
"""Searches with early stopping on a table of learning curves under a virtual clock: muster beside Optuna.

    multi_fidelity.py MUSTER [--seeds 20] [--workers 4,64,1024] [--jobs 1] [--only NAME,...] [--out FILE.csv]

MUSTER is a command that answers ask/tell lines ("build/release/bin/muster tuner serve --stdio"). Optuna's part needs
a Python with optuna==5.0.0; without it muster runs alone (--only). The table is made on first use by curve_table.cc
beside this file (some minutes): 2,000 configurations x 81 epochs of a small classifier.

Both sides search the grid itself: five integer parameters and one choice of two, the indices of the table's values.
An epoch costs as much virtual time for everybody: 1 on average, by configuration between about 0.6 and 1.6, from a
hash of it. A worker runs one epoch after another of its trial, reports each, and asks for something else when the
trial ends, stops or pauses. A resumed or cloned trial goes on from its checkpoint. Asking, and moving a checkpoint,
is free for everybody. The budget is the epochs of 200 whole trials, shared by the workers.

A PBT clone has other parameters from its epoch on, which a table of whole runs cannot show: its curve is that of its
own parameters from the donor's epoch. That favours schedules that change parameters late, so pbt is shown apart.

The figure is the regret: the best loss that any report has shown so far, minus the table's best. It is written for
fractions of the budget, and compared pairwise by seed.
"""
import argparse
import csv
import heapq
import itertools
import json
import math
import os
import random
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.normpath(os.path.join(HERE, "..", "..", ".."))
TABLE = os.path.join(ROOT, "build", "bench", "curves.csv")
EPOCHS = 81
BUDGET = 200
# Names and how many values each has; the last one is a choice.
GRID = {"lr": 10, "batch": 5, "width": 5, "momentum": 4, "activation": 2}
FRACTIONS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
WHOLE = {"min": 1, "max": EPOCHS, "eta": 3, "step": "epoch"}

MUSTER = {
    "random": ("random", {}),
    "asha": ("random", {"asha": WHOLE}),
    "promote": ("random", {"asha": {**WHOLE, "mode": "promote"}}),
    "tpe asha": ("tpe", {"asha": WHOLE}),
    "tpe promote": ("tpe", {"asha": {**WHOLE, "mode": "promote"}}),
    "hyperband": ("random", {"hyperband": WHOLE}),
    "hyperband promote": ("random", {"hyperband": {**WHOLE, "mode": "promote"}}),
    "bohb": ("tpe", {"bohb": WHOLE}),
    "bohb promote": ("tpe", {"bohb": {**WHOLE, "mode": "promote"}}),
    "tpe median": ("tpe", {"median": {}}),
    "pbt": ("random", {"pbt": {"interval": 3, "population": 16, "max": EPOCHS}}),
}
OPTUNA = [f"{sampler} {pruner}" for sampler in ("random", "tpe")
          for pruner in ("halving", "hyperband", "median")]


def load_table():
    if not os.path.exists(TABLE):
        os.makedirs(os.path.dirname(TABLE), exist_ok=True)
        program = os.path.join(os.path.dirname(TABLE), "curve_table")
        sources = [os.path.join(HERE, "curve_table.cc")] + [
            os.path.join(ROOT, "runtime", "base", f"{name}.cc") for name in ("math", "random", "check")]
        subprocess.run(["g++", "-std=c++20", "-O3", "-ffp-contract=off", f"-I{ROOT}", *sources, "-lcrypto",
                        "-o", program], check=True)
        subprocess.run([program, TABLE + ".tmp"], check=True)
        os.replace(TABLE + ".tmp", TABLE)
    with open(TABLE, newline="") as file:
        rows = {tuple(map(int, row[:5])): [float(x) for x in row[5:]] for row in csv.reader(file)}
    assert len(rows) == math.prod(GRID.values()) and all(len(row) == EPOCHS for row in rows.values())
    return rows


def cost_of(config):
    """Virtual time of an epoch: log-normal, the same for everybody who runs this configuration."""
    return math.exp(random.Random(repr(config)).gauss(0, 0.25))


class Muster:
    """One study behind a process that answers lines."""

    def __init__(self, command, name, seed, workers):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        sampler, stop = MUSTER[name]
        space = {key: {"int": [0, count - 1]} for key, count in GRID.items() if key != "activation"}
        space["activation"] = {"choice": [0, 1]}
        self.call(op="create", space=space, seed=seed, sampler=sampler, stop=stop, parallel=workers)

    def call(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def ask(self):
        """(trial, configuration, epochs it has), or None when there is nothing to do now."""
        answer = self.call(op="ask")
        if "error" in answer:
            assert answer["error"]["kind"] in ("UNAVAILABLE", "RESOURCE"), answer
            return None
        config = tuple(answer["params"][key] for key in GRID)
        return answer["trial"], config, answer.get("from", {}).get("step", 0)

    def report(self, trial, epoch, loss):
        answer = self.call(op="report", trial=trial, step=epoch, value="nan" if math.isnan(loss) else loss)
        return answer["verdict"]

    def tell(self, trial, loss):
        """The trial ended: with a loss, or stopped early (None)."""
        if loss is None:
            answer = self.call(op="tell", trial=trial, state="pruned")
        elif math.isnan(loss):
            answer = self.call(op="tell", trial=trial, state="failed")
        else:
            answer = self.call(op="tell", trial=trial, value=loss)
        assert "error" not in answer, answer

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Optuna:
    def __init__(self, name, seed, workers):
        import optuna
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.optuna = optuna
        sampler, pruner = name.split()
        samplers = {"random": optuna.samplers.RandomSampler, "tpe": optuna.samplers.TPESampler}
        pruners = {
            "halving": lambda: optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3),
            "hyperband": lambda: optuna.pruners.HyperbandPruner(min_resource=1, max_resource=EPOCHS, reduction_factor=3),
            "median": optuna.pruners.MedianPruner,
        }
        self.study = optuna.create_study(study_name=f"s{seed}", sampler=samplers[sampler](seed=seed), pruner=pruners[pruner]())
        self.trials = {}

    def ask(self):
        trial = self.study.ask()
        self.trials[trial.number] = trial
        config = tuple(trial.suggest_int(key, 0, count - 1) if key != "activation"
                       else trial.suggest_categorical(key, [0, 1]) for key, count in GRID.items())
        return trial.number, config, 0

    def report(self, trial, epoch, loss):
        self.trials[trial].report(loss, epoch)
        return "stop" if self.trials[trial].should_prune() else "continue"

    def tell(self, trial, loss):
        states = self.optuna.trial.TrialState
        handle = self.trials.pop(trial)
        if loss is None:
            self.study.tell(handle, state=states.PRUNED)
        elif math.isnan(loss):
            self.study.tell(handle, state=states.FAIL)
        else:
            self.study.tell(handle, loss)

    def close(self):
        pass


def drive(side, table, workers):
    """The best loss so far at each of FRACTIONS of the virtual time, and how many trials were begun."""
    limit = BUDGET * EPOCHS / workers
    best, at = math.inf, []
    order = itertools.count()
    events = []  # (time, order, trial, configuration, epoch it will have then)
    idle = workers
    begun = set()
    now = 0.0

    def fill():
        nonlocal idle
        while idle > 0:
            asked = side.ask()
            if asked is None:
                return
            trial, config, epoch = asked
            begun.add(trial)
            idle -= 1
            heapq.heappush(events, (now + cost_of(config), next(order), trial, config, epoch + 1))

    fill()
    while events and events[0][0] <= limit:
        time = events[0][0]
        while len(at) < len(FRACTIONS) and FRACTIONS[len(at)] * limit < time:
            at.append(best)
        now, _, trial, config, epoch = heapq.heappop(events)
        loss = table[config][epoch - 1]
        if not math.isnan(loss):
            best = min(best, loss)
        verdict = side.report(trial, epoch, loss)
        if epoch < EPOCHS and verdict == "continue":
            heapq.heappush(events, (now + cost_of(config), next(order), trial, config, epoch + 1))
            continue
        if verdict != "pause":
            side.tell(trial, loss if epoch == EPOCHS and verdict == "continue" else None)
        idle += 1
        fill()
    at += [best] * (len(FRACTIONS) - len(at))
    return at, len(begun)


def run(job):
    command, tool, name, seed, workers = job
    os.environ["OMP_NUM_THREADS"] = "1"
    table = run.table if hasattr(run, "table") else load_table()
    run.table = table
    side = Muster(command, name, seed, workers) if tool == "muster" else Optuna(name, seed, workers)
    at, begun = drive(side, table, workers)
    side.close()
    least = min(loss for row in table.values() for loss in row if not math.isnan(loss))
    return [loss - least for loss in at], begun


def rank_rows(regrets):
    """Mean ranks over seeds: regrets[name] is (seeds,)."""
    names = list(regrets)
    matrix = np.array([regrets[name] for name in names])
    ranks = np.array([[(column < x).sum() + ((column == x).sum() + 1) / 2 for x in column] for column in matrix.T])
    return dict(zip(names, ranks.mean(axis=0)))


def interval(differences):
    """The mean, and its 95 % bootstrap interval over seeds."""
    rng = np.random.default_rng(0)
    draws = rng.choice(differences, (4000, len(differences))).mean(axis=1)
    return differences.mean(), *np.percentile(draws, (2.5, 97.5))


def show(workers, results):
    """results[label] is (seeds, FRACTIONS) of regrets, with the mean number of trials."""
    print(f"\n{workers} workers: mean regret at fractions of the virtual time (in 1e-4), mean rank over them, trials")
    print(f"{'':32}" + "".join(f"{fraction:>9}" for fraction in FRACTIONS) + f"{'rank':>8}{'trials':>9}")
    ranks = [rank_rows({label: regret[:, i] for label, (regret, _) in results.items()}) for i in range(len(FRACTIONS))]
    mean_rank = {label: np.mean([rank[label] for rank in ranks]) for label in results}
    for label in sorted(results, key=mean_rank.get):
        regret, begun = results[label]
        print(f"{label:32}" + "".join(f"{1e4 * x:9.1f}" for x in regret.mean(axis=0)) + f"{mean_rank[label]:8.2f}{begun:9.0f}")

    def compare(a, b):
        differences = (results[a][0] - results[b][0]).mean(axis=1) * 1e4
        mean, low, high = interval(differences)
        wins = (differences < 0).sum()
        print(f"{a} - {b}: regret over all times {mean:+.1f} [{low:+.1f}, {high:+.1f}], ahead in {wins} of {len(differences)}")

    rivals = [label for label in results if label.startswith("optuna")]
    if rivals:
        best = min(rivals, key=lambda label: results[label][0].mean())
        for label in results:
            if label.startswith("muster") and label not in ("muster random", "muster pbt"):
                compare(label, best)
    for kind in ("", "tpe ", "hyperband "):
        a, b = f"muster {kind}promote", "muster " + ("hyperband" if "hyper" in kind else f"{kind}asha")
        if a in results and b in results:
            compare(a, b)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("muster")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--workers", default="4,64,1024")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", help="muster:NAME or optuna:NAME, with commas between")
    parser.add_argument("--out")
    options = parser.parse_args()
    load_table()
    sides = [("muster", name) for name in MUSTER] + [("optuna", name) for name in OPTUNA]
    if options.only:
        sides = [tuple(entry.split(":", 1)) for entry in options.only.split(",")]
    rows = []
    for workers in map(int, options.workers.split(",")):
        jobs = [(options.muster.split(), tool, name, seed, workers) for tool, name in sides for seed in range(options.seeds)]
        if options.jobs > 1:
            with ProcessPoolExecutor(options.jobs) as pool:
                found = list(pool.map(run, jobs))
        else:
            found = list(map(run, jobs))
        results = {}
        for tool, name in sides:
            own = [result for job, result in zip(jobs, found) if job[1:3] == (tool, name)]
            results[f"{tool} {name}"] = np.array([regret for regret, _ in own]), np.mean([begun for _, begun in own])
        show(workers, results)
        sys.stdout.flush()
        for job, (regret, begun) in zip(jobs, found):
            rows.append([*job[1:], begun, *(f"{x:.5f}" for x in regret)])
    if options.out:
        with open(options.out, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["tool", "name", "seed", "workers", "trials", *(f"regret@{f}" for f in FRACTIONS)])
            writer.writerows(rows)


if __name__ == "__main__":
    main()
