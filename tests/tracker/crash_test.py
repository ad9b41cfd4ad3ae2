"""kill -9 while clients log: whatever was acknowledged is there after the restart, and nothing twice.

usage: crash_test.py MUSTER [ROUNDS]     (or MUSTER_KILL_ROUNDS=N)

Writers log points of several keys in batches of all sizes, repeat them, end their runs (which seals points), set
params and tags and upload files; after each kill all of it is read back, and `muster tracker check` reads the database.
"""

import hashlib
import http.client
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time

WRITERS = 4
CALLS_BEFORE_KILL = 60  # acknowledged by all writers of a round together, at least
SIZES = [1, 1, 1, 7, 300, 1000]


class Tracker:
    """`muster tracker serve` on a folder; start() again opens what the last one left."""

    def __init__(self, program, folder):
        self.program, self.folder = program, pathlib.Path(folder)

    def start(self):
        port_file = self.folder / "port"
        port_file.unlink(missing_ok=True)
        self.process = subprocess.Popen(
            [self.program, "tracker", "serve", "--db", str(self.folder / "tracker.db"), "--port", "0",
             "--port-file", str(port_file)], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while not port_file.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"muster tracker serve wrote no port: {self.process.poll()}")
            time.sleep(0.005)
        self.port = int(port_file.read_text())

    def stop(self, how):
        os.kill(self.process.pid, how)
        return self.process.wait(timeout=20)

    def check(self):
        answer = subprocess.run(
            [self.program, "--json", "tracker", "check", "--db", str(self.folder / "tracker.db")],
            capture_output=True, text=True)
        assert answer.returncode == 0, answer.stdout + answer.stderr
        return json.loads(answer.stdout)


class Connection:
    """One keep-alive connection to the tracker."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)

    def send(self, method, path, body=None, headers=()):
        self.connection.request(method, path, body, dict(headers))
        answer = self.connection.getresponse()
        content = answer.read()
        if answer.status not in (200, 404):
            raise RuntimeError(f"{path}: {answer.status} {content[:200]!r}")
        return answer.status, content

    def call(self, method, path, body=None):
        text = None if body is None else json.dumps(body)
        headers = {"Content-Type": "application/json"} if text else {}
        return json.loads(self.send(method, "/api/2.0/mlflow" + path, text, headers)[1])


class Writer:
    """One client with a run of its own. `kept` is what was acknowledged, `flying` what was not yet."""

    def __init__(self, seed, run):
        self.chance, self.run, self.step = random.Random(seed), run, 0
        self.kept, self.flying = {}, {}
        self.last_batch = []

    def points(self):
        key = f"key{self.chance.randrange(3)}"
        batch = []
        for _ in range(self.chance.choice(SIZES)):
            self.step += 1
            # Some come late: their time lies among those of earlier ones.
            late = self.chance.random() < 0.02
            batch.append({"key": key, "value": self.step / 3, "step": self.step,
                          "timestamp": self.step // 2 if late else self.step})
        return batch

    def upload(self, connection):
        self.step += 1
        content = self.chance.randbytes(self.chance.choice([10, 5_000, 2_000_000]))
        name = f"files/{self.step}.bin"
        self.flying = {("file", name): hashlib.sha256(content).hexdigest()}
        connection.send("PUT", f"/api/2.0/mlflow-artifacts/artifacts/{self.run}/{name}", content)

    def log(self, connection):
        if self.last_batch and self.chance.random() < 0.2:
            batch = self.last_batch  # a retry, which must change nothing
        else:
            batch = self.last_batch = self.points()
        body = {"run_id": self.run, "metrics": batch}
        self.flying = {("point", p["key"], p["timestamp"], p["step"]): p["value"] for p in batch}
        number = str(self.step)
        if self.chance.random() < 0.3 and len(batch) < 1000:
            body["params"] = [{"key": "p" + number, "value": number}]
            self.flying[("params", "p" + number)] = number
        if self.chance.random() < 0.3 and len(batch) < 900:
            body["tags"] = [{"key": "t" + number, "value": number}]
            self.flying[("tags", "t" + number)] = number
        connection.call("POST", "/runs/log-batch", body)

    def one(self, connection):
        kind = self.chance.random()
        if kind < 0.08:
            self.upload(connection)
        elif kind < 0.12:
            self.flying = {}
            connection.call("POST", "/runs/update", {"run_id": self.run, "status": "FINISHED"})
        else:
            self.log(connection)
        self.kept |= self.flying
        self.flying = {}

    def go_on(self, port, count):
        """Until the server is gone."""
        try:
            connection = Connection(port)
            while True:
                self.one(connection)
                count.release()
        except (OSError, http.client.HTTPException):
            pass  # killed: what was under way may or may not be there

    def verify(self, connection, when):
        found = self.read(connection)
        lost = [item for item, value in self.kept.items() if found.get(item) != value]
        assert not lost, f"{when}: {self.run} lost {len(lost)}, such as {lost[:5]}"
        for item, value in found.items():
            assert value in (self.kept.get(item), self.flying.get(item)), f"{when}: {item} is new"
        # Of a retry all points are there, whatever came of it.
        batch = [item for item in self.flying if item[0] != "file" and item not in self.kept]
        there = [item for item in batch if item in found]
        assert there in ([], batch), f"{when}: half a batch is there"
        self.kept, self.flying = found, {}

    def read(self, connection):
        data = connection.call("GET", f"/runs/get?run_id={self.run}")["run"]["data"]
        found = {}
        for kind in ("params", "tags"):
            found |= {(kind, item["key"]): item["value"] for item in data.get(kind, [])
                      if not item["key"].startswith("mlflow.")}
        for metric in data.get("metrics", []):
            points = history(connection, self.run, metric["key"])
            keys = [("point", p["key"], p["timestamp"], p["step"]) for p in points]
            assert len(keys) == len(set(keys)), f"a point of {metric['key']} is there twice"
            assert [(k[2], k[3]) for k in keys] == sorted((k[2], k[3]) for k in keys)
            found |= {key: point["value"] for key, point in zip(keys, points)}
            assert metric["step"] == max(p["step"] for p in points)
        for kind, name in [item for item in self.kept | self.flying if item[0] == "file"]:
            status, content = connection.send(
                "GET", f"/api/2.0/mlflow-artifacts/artifacts/{self.run}/{name}")
            if status == 200:
                found[(kind, name)] = hashlib.sha256(content).hexdigest()
        return found


def history(connection, run, key):
    points, token = [], ""
    while True:
        page = connection.call("GET", f"/metrics/get-history?run_id={run}&metric_key={key}"
                                      f"&max_results=5000&page_token={token}")
        points += page.get("metrics", [])
        token = page.get("next_page_token", "")
        if not token:
            return points


def main():
    program = sys.argv[1]
    rounds = int(sys.argv[2] if len(sys.argv) > 2 else os.environ.get("MUSTER_KILL_ROUNDS", 5))
    seed = random.SystemRandom().randrange(1 << 32)
    print("seed", seed, flush=True)
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="muster_crash_") as folder:
        tracker = Tracker(program, folder)
        tracker.start()
        points = kept = 0
        writers = []
        for number in range(rounds):
            if number % 10 == 0:  # histories are read whole: they must not grow for ever
                kept += sum(len(writer.kept) for writer in writers)
                connection = Connection(tracker.port)
                writers = [Writer(chance.random(), connection.call(
                    "POST", "/runs/create", {})["run"]["info"]["run_id"]) for _ in range(WRITERS)]
            count = threading.Semaphore(0)
            threads = [threading.Thread(target=writer.go_on, args=(tracker.port, count))
                       for writer in writers]
            for thread in threads:
                thread.start()
            for _ in range(CALLS_BEFORE_KILL + chance.randrange(100)):
                if not count.acquire(timeout=20):
                    raise RuntimeError("nothing was acknowledged for 20 s")
            tracker.stop(signal.SIGKILL)
            for thread in threads:
                thread.join()
            tracker.start()
            connection = Connection(tracker.port)
            for writer in writers:
                writer.verify(connection, f"round {number}")
            points = tracker.check()["points"]
        kept += sum(len(writer.kept) for writer in writers)
        code = tracker.stop(signal.SIGTERM)
        assert code == 0, f"muster tracker serve ended with {code}"
    print(f"{rounds} kills, {kept} points, params, tags and files, {points} points in the database: "
          "none lost, none twice")


if __name__ == "__main__":
    main()
