#!/usr/bin/env python3
"""Searches with early stopping on a table of learning curves under a virtual clock: muster beside Optuna.

    multi_fidelity.py MUSTER [--seeds 10] [--first 0] [--workers 4,64,1024] [--only TOOL:NAME,...] [--table FILE.csv]
                      [--jobs 1] [--optuna] [--out FILE.csv]

MUSTER is a command that answers ask/tell lines ("build/release/bin/muster tuner serve --stdio"). Optuna's results are
read from optuna_multi_fidelity.csv beside this file; --optuna runs it (a Python with optuna==5.0.0; its TPE takes up
to minutes a run). The table is made on first use by curve_table.cc beside this file (some minutes): 2,000
configurations x 81 epochs of a small classifier. --table takes another one, to try changes on before the reported one.

Both sides search the grid itself: four integer parameters and one choice of two, the indices of the table's values.
An epoch costs as much virtual time for everybody: 1 on average, by configuration between about 0.6 and 1.6, from a
hash of it. A worker runs one epoch after another of its trial, reports each, and asks for something else when the
trial ends, stops or pauses. A resumed or cloned trial goes on from its checkpoint. Asking, and moving a checkpoint,
is free for everybody. The budget is the epochs of 200 whole trials, shared by the workers: at 1,024 workers no trial
ends within it, and at the first fractions no epoch.

muster begins no configuration twice, and rests when it has begun all; Optuna repeats some, which costs it what they
cost. "new" beside a pruner draws again, at no cost, up to 20 times until it is a new one.

A PBT clone has other parameters from its epoch on, which a table of whole runs cannot show: its curve is that of its
own parameters from the donor's epoch. That favours schedules that change parameters late, so pbt is shown apart.

The figure is the regret: the best loss that any report has shown so far, minus the table's best. Beside it stands that
of the trials which ran all epochs, by their last loss ("whole").
"""
import argparse
import csv
import functools
import heapq
import itertools
import json
import math
import os
import random
import statistics
import subprocess
import sys
import warnings
from concurrent.futures import ProcessPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.normpath(os.path.join(HERE, "..", "..", ".."))
TABLE = os.path.join(ROOT, "build", "bench", "curves.csv")
RECORD = os.path.join(HERE, "optuna_multi_fidelity.csv")
EPOCHS = 81
BUDGET = 200
# Names and how many values each has; the last one is a choice.
GRID = {"lr": 10, "batch": 5, "width": 5, "momentum": 4, "activation": 2}
RUNGS = {1, 3, 9, 27, 4, 16, 64}
ATTEMPTS = 20  # of a side that draws again what it has had
FRACTIONS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
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
    "auto asha": ("auto", {"asha": WHOLE}),
    "auto promote": ("auto", {"asha": {**WHOLE, "mode": "promote"}}),
    "pbt": ("random", {"pbt": {"interval": 3, "population": 16, "max": EPOCHS}}),
}
# Over two seeds, with random points: behind these two are median, percentile and min_early_stopping_rate=1; a factor of
# 4 is behind at 4 workers; bootstrap_count=9 is level at 64 workers and a little ahead at 4 ("random bootstrap").
OPTUNA = [f"{sampler} {pruner}" for sampler in ("random", "tpe") for pruner in ("halving", "hyperband")]


@functools.cache
def load_table(path):
    if path == TABLE and not os.path.exists(TABLE):
        os.makedirs(os.path.dirname(TABLE), exist_ok=True)
        program = os.path.join(os.path.dirname(TABLE), "curve_table")
        sources = [os.path.join(HERE, "curve_table.cc")] + [
            os.path.join(ROOT, "runtime", "base", f"{name}.cc") for name in ("math", "random", "check")]
        subprocess.run(["g++", "-std=c++20", "-O3", "-ffp-contract=off", f"-I{ROOT}", *sources, "-lcrypto",
                        "-o", program], check=True)
        subprocess.run([program, TABLE + ".tmp"], check=True)
        os.replace(TABLE + ".tmp", TABLE)
    with open(path, newline="") as file:
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
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        self.optuna = optuna
        sampler, pruner, *new = name.split()
        self.begun = set() if new else None
        self.rungs = pruner not in ("median", "percentile")
        samplers = {
            "random": lambda: optuna.samplers.RandomSampler(seed=seed),
            # The defaults of 5.0: multivariate, constant_liar.
            "tpe": lambda: optuna.samplers.TPESampler(multivariate=True, constant_liar=True, seed=seed),
            "independent": lambda: optuna.samplers.TPESampler(multivariate=False, constant_liar=True, seed=seed),
        }
        halving = optuna.pruners.SuccessiveHalvingPruner
        pruners = {
            "halving": lambda: halving(min_resource=1, reduction_factor=3),
            "halving4": lambda: halving(min_resource=1),
            "bootstrap": lambda: halving(min_resource=1, reduction_factor=3, bootstrap_count=9),
            "late": lambda: halving(min_resource=1, reduction_factor=3, min_early_stopping_rate=1),
            "hyperband": lambda: optuna.pruners.HyperbandPruner(min_resource=1, max_resource=EPOCHS, reduction_factor=3),
            "median": optuna.pruners.MedianPruner,
            "percentile": lambda: optuna.pruners.PercentilePruner(25),
        }
        self.study = optuna.create_study(study_name=f"s{seed}", sampler=samplers[sampler](), pruner=pruners[pruner]())
        self.trials = {}

    def ask(self):
        for attempt in range(ATTEMPTS):
            trial = self.study.ask()
            config = tuple(trial.suggest_int(key, 0, count - 1) if key != "activation"
                           else trial.suggest_categorical(key, [0, 1]) for key, count in GRID.items())
            if self.begun is None or config not in self.begun or attempt + 1 == ATTEMPTS:
                break
            self.study.tell(trial, state=self.optuna.trial.TrialState.PRUNED)
        if self.begun is not None:
            self.begun.add(config)
        self.trials[trial.number] = trial
        return trial.number, config, 0

    def report(self, trial, epoch, loss):
        self.trials[trial].report(loss, epoch)
        if self.rungs and epoch not in RUNGS:  # asking would only cost time
            return "continue"
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
    """At each of FRACTIONS of the virtual time, the best loss of any report and that of the whole trials; and how many
    trials were begun."""
    limit = BUDGET * EPOCHS / workers
    best, whole = math.inf, math.inf
    at = []
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
            at.append((best, whole))
        now, _, trial, config, epoch = heapq.heappop(events)
        loss = table[config][epoch - 1]
        if not math.isnan(loss):
            best = min(best, loss)
            whole = min(whole, loss) if epoch == EPOCHS else whole
        verdict = side.report(trial, epoch, loss)
        if epoch < EPOCHS and verdict == "continue":
            heapq.heappush(events, (now + cost_of(config), next(order), trial, config, epoch + 1))
            continue
        if verdict != "pause":
            side.tell(trial, loss if epoch == EPOCHS and verdict == "continue" else None)
        idle += 1
        fill()
    at += [(best, whole)] * (len(FRACTIONS) - len(at))
    return at, len(begun)


def run(job):
    """A row of the record: the job's, then the regrets in units of 1e-4."""
    command, path, tool, name, workers, seed = job
    os.environ["OMP_NUM_THREADS"] = "1"
    table = load_table(path)
    side = Muster(command, name, seed, workers) if tool == "muster" else Optuna(name, seed, workers)
    at, begun = drive(side, table, workers)
    side.close()
    least = [min(loss for row in table.values() for loss in row if not math.isnan(loss)),
             min(row[-1] for row in table.values() if not math.isnan(row[-1]))]
    regrets = [round(1e4 * (pair[k] - least[k])) if pair[k] < math.inf else math.inf for k in (0, 1) for pair in at]
    return [tool, name, workers, seed, begun, *regrets]


HEADER = ["tool", "name", "workers", "seed", "trials", *(f"best@{f}" for f in FRACTIONS),
          *(f"whole@{f}" for f in FRACTIONS)]


def read_record(path):
    with open(path, newline="") as file:
        rows = list(csv.reader(line for line in file if not line.startswith("#")))
    assert rows[0] == HEADER, f"{path} has other columns"
    return [[tool, name, int(workers), int(seed), int(trials), *map(float, regrets)]
            for tool, name, workers, seed, trials, *regrets in rows[1:]]


def over_times(regrets, columns):
    return statistics.fmean(regrets[i] for i in columns)


def compare(a, b, results, columns):
    """The mean difference over the seeds that both have, with its 95 % bootstrap interval."""
    seeds = sorted(results[a].keys() & results[b].keys())
    if not seeds:
        return
    apart = [over_times(results[a][seed], columns) - over_times(results[b][seed], columns) for seed in seeds]
    draw = random.Random(0)
    means = sorted(statistics.fmean(draw.choices(apart, k=len(apart))) for _ in range(4000))
    wins, losses = sum(d < 0 for d in apart), sum(d > 0 for d in apart)
    print(f"{a} - {b}: {statistics.fmean(apart):+.1f} [{means[100]:+.1f}, {means[3899]:+.1f}], "
          f"{len(apart)} seeds: {wins} won, {losses} lost")


def show(workers, rows):
    results, trials = {}, {}
    for tool, name, _, seed, begun, *regrets in rows:
        results.setdefault(f"{tool} {name}", {})[seed] = regrets
        trials.setdefault(f"{tool} {name}", []).append(begun)
    judged = [label for label in results if label != "muster pbt"]
    columns = [i for i in range(len(FRACTIONS))
               if all(regrets[i] < math.inf for label in judged for regrets in results[label].values())]
    means = {label: [statistics.fmean(column) for column in zip(*results[label].values())] for label in results}
    overall = {label: over_times(means[label], columns) for label in results}
    print(f"\n{workers} workers: regret (1e-4) at fractions of the virtual time, its mean over those that all have, "
          "that of whole trials at the end")
    print(f"{'':32}" + "".join(f"{fraction:>8}" for fraction in FRACTIONS)
          + f"{'mean':>8}{'whole':>8}{'trials':>8}{'seeds':>7}")
    for label in sorted(results, key=overall.get):
        print(f"{label:32}" + "".join(f"{x:8.1f}" for x in means[label][:len(FRACTIONS)])
              + f"{overall[label]:8.1f}{means[label][-1]:8.0f}{statistics.fmean(trials[label]):8.0f}"
              f"{len(results[label]):7}")
    rivals = [label for label in judged if label.startswith("optuna")]
    if rivals:
        best = min(rivals, key=overall.get)
        for label in sorted(judged, key=overall.get):
            if label.startswith("muster"):
                compare(label, best, results, columns)
    for kind, stop in (("", "asha"), ("tpe ", "tpe asha"), ("hyperband ", "hyperband"), ("bohb ", "bohb")):
        a, b = f"muster {kind}promote", f"muster {stop}"
        if a in results and b in results:
            compare(a, b, results, columns)
    sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("muster")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=0, help="seed")
    parser.add_argument("--workers", default="4,64,1024")
    parser.add_argument("--table", default=TABLE)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", help="muster:NAME or optuna:NAME, with commas between")
    parser.add_argument("--optuna", action="store_true", help="run it, instead of reading what is recorded")
    parser.add_argument("--out", help="a CSV of all that was run")
    options = parser.parse_args()
    load_table(options.table)
    sides = [("muster", name) for name in MUSTER] + [("optuna", name) for name in OPTUNA if options.optuna]
    if options.only:
        sides = [tuple(entry.split(":", 1)) for entry in options.only.split(",")]
    recorded = [] if options.optuna or options.table != TABLE or not os.path.exists(RECORD) else read_record(RECORD)
    if options.out:
        with open(options.out, "w", newline="") as file:
            csv.writer(file).writerow(HEADER)
    for workers in map(int, options.workers.split(",")):
        jobs = [(options.muster.split(), options.table, tool, name, workers, seed)
                for seed in range(options.first, options.first + options.seeds) for tool, name in sides]
        rows = [row for row in recorded if row[2] == workers]
        with ProcessPoolExecutor(options.jobs) as pool:
            for row in pool.map(run, jobs):
                rows.append(row)
                if options.out:
                    with open(options.out, "a", newline="") as file:
                        csv.writer(file).writerow(row)
        show(workers, rows)


if __name__ == "__main__":
    main()
