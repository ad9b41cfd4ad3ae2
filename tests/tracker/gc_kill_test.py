"""gc beside a client that logs, killed with -9 again and again: nothing live is lost, the rest goes at last.

usage: gc_kill_test.py MUSTER [ROUNDS]     (or MUSTER_KILL_ROUNDS=N)

Each round makes an experiment with runs, points and files, deletes it through MLflow's routes, starts gc in the
server and kills that, or `muster tracker gc` by itself and kills that. At the end gc runs through,
over the server and by itself, and the database holds what is live and no row more.
"""

import contextlib
import json
import os
import pathlib
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from crash_test import Connection, Tracker, history  # noqa: E402

RUNS, KEYS, POINTS = 30, 20, 700
ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts/"


class Live:
    """A run that stays, with what was acknowledged of it."""

    def __init__(self, connection, experiment, number):
        self.run = connection.call("POST", "/runs/create", {"experiment_id": experiment})["run"]["info"]["run_id"]
        self.path = f"{ARTIFACTS}{experiment}/{self.run}/artifacts/file"
        self.content = b"the same" if number % 2 else str(number).encode()
        connection.send("PUT", self.path, self.content)
        self.steps = 0
        self.log(connection, 50)

    def log(self, connection, count):
        points = [{"key": "m", "value": step, "timestamp": step, "step": step}
                  for step in range(self.steps, self.steps + count)]
        connection.call("POST", "/runs/log-batch", {"run_id": self.run, "metrics": points})
        self.steps += count

    def verify(self, connection):
        points = history(connection, self.run, "m")
        # The last batch may have been stored and not acknowledged.
        assert self.steps <= len(points) <= self.steps + 50, (self.steps, len(points))
        assert [point["step"] for point in points] == list(range(len(points)))
        self.steps = len(points)
        status, content = connection.send("GET", self.path)
        assert (status, content) == (200, self.content), self.path


def throw_away(connection, name):
    """An experiment that is deleted, with runs, points and files; its id."""
    experiment = connection.call("POST", "/experiments/create", {"name": name})["experiment_id"]
    for number in range(RUNS):
        run = connection.call("POST", "/runs/create", {"experiment_id": experiment})["run"]["info"]["run_id"]
        connection.call("POST", "/runs/log-batch", {
            "run_id": run, "params": [{"key": "p", "value": "1"}],
            "metrics": [{"key": f"k{i % KEYS}", "value": i, "timestamp": i, "step": i} for i in range(POINTS)]})
        content = b"the same" if number % 2 else os.urandom(20_000)
        connection.send("PUT", f"{ARTIFACTS}{experiment}/{run}/artifacts/file", content)
    connection.call("POST", "/experiments/delete", {"experiment_id": experiment})
    return experiment


class Gc:
    """`muster tracker gc`, over the server that runs or, with no server, by itself."""

    def __init__(self, tracker):
        self.command = [tracker.program, "--json", "tracker", "gc", "--older-than", "0s",
                        "--db", str(tracker.folder / "tracker.db")]

    def start(self):
        return subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def run(self, *more):
        answer = subprocess.run(self.command + list(more), capture_output=True, text=True)
        assert answer.returncode == 0, answer.stdout + answer.stderr
        return json.loads(answer.stdout)


def log_until_killed(tracker, live):
    try:
        connection = Connection(tracker.port)
        while True:
            live.log(connection, 50)
            time.sleep(0.001)
    except Exception:
        pass  # killed


def kill_server(tracker, live, chance):
    """A gc over the server, which dies at some time while a client logs."""
    writer = threading.Thread(target=log_until_killed, args=(tracker, live))
    writer.start()
    Connection(tracker.port).send("POST", "/api/muster/v1/tracker/gc", '{"older_than_ms": 0}')
    time.sleep(chance.random() * 0.1)
    tracker.stop(signal.SIGKILL)
    writer.join()


def kill_command(tracker, gc, chance):
    """A gc by itself, which dies at some time."""
    tracker.stop(signal.SIGTERM)
    command = gc.start()
    time.sleep(chance.random() * 0.3)
    os.kill(command.pid, signal.SIGKILL)
    command.wait(timeout=20)


def rows(folder):
    """How many rows each table has."""
    # Open any longer, it would keep SQLite from moving its log into the file when gc ends.
    with contextlib.closing(sqlite3.connect(folder / "tracker.db")) as db:
        tables = [name for (name,) in db.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")]
        return {table: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}


def half_done(folder):
    """Whether a gc stopped in the midst of its work."""
    left = rows(folder)
    return left["erased_roots"] > 0


def size(folder):
    """Of the database with its log."""
    return sum(file.stat().st_size for file in folder.glob("tracker.db*"))


def verify_end(tracker, gc, lives, names):
    """With a server and without one: the rest goes, names are free, files are those of what lives."""
    report = gc.run("--dry-run")
    assert report["dry_run"] and report["phase"] == "done", report
    report = gc.run()
    assert report["failed"] == report["kept"] == 0, report
    connection = Connection(tracker.port)
    for live in lives:
        live.verify(connection)
    for name in names:
        connection.call("POST", "/experiments/create", {"name": name})  # a taken name would be a 400
    tracker.stop(signal.SIGTERM)
    before = size(tracker.folder)
    assert gc.run("--vacuum")["runs"] == 0
    assert size(tracker.folder) < before, (size(tracker.folder), before)
    report = tracker.check()
    assert report["runs"] == len(lives) and report["points"] == sum(live.steps for live in lives), report
    left = rows(tracker.folder)
    assert left["series"] == len(lives) and left["params"] == left["erased_roots"] == 0, left
    contents = [file for file in (tracker.folder / "artifacts" / "objects").rglob("*") if file.is_file()]
    assert len(contents) == len({live.content for live in lives}), contents


def main():
    rounds = int(sys.argv[2] if len(sys.argv) > 2 else os.environ.get("MUSTER_KILL_ROUNDS", 6))
    seed = random.SystemRandom().randrange(1 << 32)
    print("seed", seed, flush=True)
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="muster_gc_kill_") as folder:
        tracker = Tracker(sys.argv[1], folder)
        gc = Gc(tracker)
        tracker.start()
        lives, names, half = [], [], 0
        for number in range(rounds):
            connection = Connection(tracker.port)
            lives.append(Live(connection, "0", number))
            names.append(f"thrown away {number}")
            throw_away(connection, names[-1])
            if number % 3 == 2:
                kill_command(tracker, gc, chance)
            else:
                kill_server(tracker, lives[-1], chance)
            tracker.check()
            half += half_done(tracker.folder)
            tracker.start()
            connection = Connection(tracker.port)
            for live in lives:
                live.verify(connection)
        verify_end(tracker, gc, lives, names)
    print(f"{rounds} kills of gc, {half} of them in the midst of it: nothing live lost, nothing deleted left")


if __name__ == "__main__":
    main()
