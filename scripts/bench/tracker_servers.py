"""The two trackers that scripts/bench/tracker compares: each starts empty, is filled, and tells what it weighs."""

import http.client
import json
import os
import pathlib
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import uuid

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "tracker"))

from tracker_process import Tracker  # noqa: E402

NOW = 1_800_000_000_000  # ms
METRICS, PARAMS = 20, 20  # of a run, beside 4 tags


def runs(count):
    """What both get: (metrics, params, tags) of each run, the same at every call."""
    draw = random.Random(7)
    for i in range(count):
        yield ([(f"m{k}", draw.random()) for k in range(METRICS)],
               [(f"p{k}", str(draw.randint(0, 100))) for k in range(PARAMS)],
               [("mlflow.runName", f"run{i}"), ("mlflow.user", "u"), ("mlflow.source.name", "x"),
                ("mlflow.source.type", "LOCAL")])


class Client:
    """One connection that is kept, and made again when the server has let it go."""

    def __init__(self, url):
        self.connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=600)

    def send(self, method, path, body=None, kind="application/json", headers=None):
        headers = {**({"Content-Type": kind} if body is not None else {}), **(headers or {})}
        try:
            self.connection.request(method, path, body, headers)
            answer = self.connection.getresponse()
        except (BrokenPipeError, ConnectionResetError, http.client.RemoteDisconnected):
            self.connection.close()
            self.connection.request(method, path, body, headers)
            answer = self.connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{method} {path}: {answer.status} {content[:300]!r}")
        return content

    def call(self, method, path, body=None):
        return self.send(method, "/api/2.0/mlflow" + path, None if body is None else json.dumps(body))

    def new_run(self, experiment="0"):
        made = json.loads(self.call("POST", "/runs/create", {"experiment_id": experiment, "start_time": NOW}))
        return made["run"]["info"]["run_id"]


def tree(pid):
    pids = [pid]
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            pids += tree(int(child))
    return pids


def memory(pid):
    """Bytes of the process and its children, shared pages by their share."""
    total = 0
    for one in tree(pid):
        for line in pathlib.Path(f"/proc/{one}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total


class Muster:
    name = "muster"

    def __init__(self, program, folder):
        self.tracker = Tracker(program, folder)
        self.folder = pathlib.Path(folder)

    def start(self):
        self.tracker.start()
        self.url, self.pid = self.tracker.url, self.tracker.process.pid

    def stop(self):
        self.tracker.stop(signal.SIGTERM)

    def fill_runs(self, count):
        """As any client does, over HTTP."""
        client = Client(self.url)
        made = json.loads(client.call("POST", "/experiments/create", {"name": "filled"}))
        for i, (metrics, params, tags) in enumerate(runs(count)):
            run = json.loads(client.call("POST", "/runs/create", {
                "experiment_id": made["experiment_id"], "start_time": NOW + i}))["run"]["info"]["run_id"]
            client.call("POST", "/runs/log-batch", {
                "run_id": run,
                "metrics": [{"key": k, "value": v, "timestamp": NOW, "step": 100} for k, v in metrics],
                "params": [{"key": k, "value": v} for k, v in params],
                "tags": [{"key": k, "value": v} for k, v in tags]})
        return made["experiment_id"]

    def fill_points(self, run, key, count):
        client, draw = Client(self.url), random.Random(11)
        for begin in range(0, count, 1000):
            client.call("POST", "/runs/log-batch", {"run_id": run, "metrics": [
                {"key": key, "value": draw.random(), "timestamp": NOW + step, "step": step}
                for step in range(begin, min(begin + 1000, count))]})

    def bytes_of_data(self):
        """Read once it has stopped, so that nothing is left in the log."""
        return (self.folder / "tracker.db").stat().st_size


class Mlflow:
    name = "MLflow 3.18"

    def __init__(self, python, folder, workers=1):
        self.python, self.folder, self.workers = str(pathlib.Path(python).absolute()), pathlib.Path(folder), workers
        self.database = self.folder / "mlflow.db"

    def start(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        environment = dict(os.environ, MLFLOW_DISABLE_TELEMETRY="true",
                           PATH=os.path.dirname(self.python) + ":" + os.environ["PATH"])
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [self.python, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers",
                 str(self.workers), "--backend-store-uri", f"sqlite:///{self.database}", "--artifacts-destination",
                 str(self.folder / "artifacts")], stdout=log, stderr=log, cwd=self.folder, env=environment,
                start_new_session=True)
        self.url, self.pid = f"http://127.0.0.1:{port}", self.process.pid
        deadline = time.monotonic() + 120
        while True:
            try:
                Client(self.url).send("GET", "/health")
                return
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise SystemExit("MLflow did not start:\n" + (self.folder / "log").read_text()[-2000:])
                time.sleep(0.01)

    def stop(self):
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(timeout=60)

    def fill_runs(self, count):
        """Into its tables: over HTTP it would take an hour."""
        with sqlite3.connect(self.database) as db:
            db.execute("INSERT INTO experiments(experiment_id, name, artifact_location, lifecycle_stage, creation_time,"
                       " last_update_time, workspace) VALUES(100, 'filled', 'mlflow-artifacts:/100', 'active', ?, ?,"
                       " 'default')", (NOW, NOW))
            for i, (metrics, params, tags) in enumerate(runs(count)):
                run = uuid.UUID(int=i + (1 << 100)).hex
                db.execute(
                    "INSERT INTO runs(run_uuid, name, source_type, source_name, entry_point_name, user_id, status,"
                    " start_time, source_version, lifecycle_stage, artifact_uri, experiment_id) VALUES(?, ?,"
                    " 'UNKNOWN', '', '', 'u', 'RUNNING', ?, '', 'active', ?, 100)",
                    (run, f"run{i}", NOW + i, f"mlflow-artifacts:/100/{run}/artifacts"))
                db.executemany("INSERT INTO latest_metrics(key, value, timestamp, step, is_nan, run_uuid)"
                               " VALUES(?, ?, ?, 100, 0, ?)", [(k, v, NOW, run) for k, v in metrics])
                db.executemany("INSERT INTO params(key, value, run_uuid) VALUES(?, ?, ?)",
                               [(k, v, run) for k, v in params])
                db.executemany("INSERT INTO tags(key, value, run_uuid) VALUES(?, ?, ?)", [(k, v, run) for k, v in tags])
        return "100"

    def fill_points(self, run, key, count):
        draw = random.Random(11)
        with sqlite3.connect(self.database) as db:
            db.executemany("INSERT INTO metrics(key, value, timestamp, step, is_nan, run_uuid) VALUES(?, ?, ?, ?, 0, ?)",
                           ((key, draw.random(), NOW + step, step, run) for step in range(count)))
            db.execute("INSERT INTO latest_metrics(key, value, timestamp, step, is_nan, run_uuid)"
                       " VALUES(?, 0.5, ?, ?, 0, ?)", (key, NOW + count, count - 1, run))

    def bytes_of_data(self):
        return self.database.stat().st_size
