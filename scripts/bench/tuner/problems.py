"""What both sides are measured on, and the loop that measures them.

A side is an object with ask() -> (trial, params) and tell(trial, value), where None is a failed trial; ask() raises
Exhausted when its space has no untried point left. Spaces are written as muster writes them.
"""

import functools
import os
import random
import tempfile

CHECKPOINTS = (25, 50, 100, 200)
GAP_FLOOR = 1e-12


class Exhausted(Exception):
    pass


def search(side, objective, trials, workers=1, seed=0):
    """(params, value) of each trial in the order in which they ended. While `workers` of them are pending, a draw of
    `seed` says which ends next: the completion order is the same whoever asks."""
    order, pending, ended, asked = random.Random(seed), [], [], 0
    while len(ended) < trials:
        while len(pending) < workers and asked < trials:
            try:
                pending.append(side.ask())
            except Exhausted:
                trials = asked
                break
            asked += 1
        if not pending:
            break
        trial, params = pending.pop(order.randrange(len(pending)))
        value = objective(params)
        side.tell(trial, value)
        ended.append((params, value))
    return ended


# --- BBOB: 24 functions without noise, of Hansen, Finck, Ros and Auger (2009), from COCO's own package ----------------
def box(dimension):
    return {f"x{i}": {"float": [-5, 5]} for i in range(dimension)}


@functools.lru_cache(maxsize=None)
def best_of(function, instance, dimension):
    import cocoex
    import numpy

    def fresh():
        return cocoex.Suite("bbob", f"instances: {instance}",
                            f"dimensions: {dimension} function_indices: {function}")[0]
    here = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:  # it tells its optimum through a file in the current folder
        os.chdir(folder)
        try:
            problem = fresh()
            problem._best_parameter("print")
            return float(problem(numpy.loadtxt("._bbob_problem_best_parameter.txt")))
        finally:
            os.chdir(here)


def bbob(function, instance, dimension):
    """(objective, its smallest value)"""
    import cocoex
    suite = cocoex.Suite("bbob", f"instances: {instance}", f"dimensions: {dimension} function_indices: {function}")
    problem, names = suite[0], [f"x{i}" for i in range(dimension)]

    def objective(params, _suite=suite):
        return float(problem([params[name] for name in names]))
    return objective, best_of(function, instance, dimension)


def gaps(ended, best):
    """The distance of the best value so far from the optimum, after each trial."""
    least, out = float("inf"), []
    for _, value in ended:
        least = min(least, float("inf") if value is None else value)
        out.append(max(least - best, GAP_FLOOR))
    return out


# --- half of the space fails ------------------------------------------------------------------------------------------
HALF = {"x": {"float": [-5, 5]}, "y": {"float": [-5, 5]}}


def half_fails(params):
    """A bowl whose lowest point lies just beyond the border of the half that fails: the best trials are beside it."""
    if params["x"] > 0:
        return None
    return (params["x"] - 0.5) ** 2 + (params["y"] - 1) ** 2


# --- a small finite space ---------------------------------------------------------------------------------------------
CATEGORIES = {name: {"choice": ["v0", "v1", "v2", "v3", "v4"]} for name in "abc"}


def categories(params):
    table = random.Random(7)
    cost = {(name, f"v{i}"): table.random() for name in "abc" for i in range(5)}
    return sum(cost[name, value] for name, value in params.items())


# --- ten mixed dimensions ---------------------------------------------------------------------------------------------
MIXED = {**{f"x{i}": {"float": [-5, 5]} for i in range(6)},
         **{f"l{i}": {"float": [1e-6, 1], "log": True} for i in range(2)},
         "n": {"int": [1, 64]}, "c": {"choice": ["a", "b", "c", "d"]}}


def mixed(params):
    import math
    return (sum(params[f"x{i}"] ** 2 for i in range(6)) + sum((math.log10(params[f"l{i}"]) + 3) ** 2 for i in range(2))
            + abs(params["n"] - 20) / 20 + (params["c"] != "b"))


def mixed_points(count, seed=0):
    draw = random.Random(seed)
    for _ in range(count):
        yield {**{f"x{i}": draw.uniform(-5, 5) for i in range(6)},
               **{f"l{i}": 10 ** draw.uniform(-6, 0) for i in range(2)},
               "n": draw.randint(1, 64), "c": "abcd"[draw.randrange(4)]}
