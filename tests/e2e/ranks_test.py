"""The ranks of a run: what each logs stands apart, with its node, and what each prints is seen live."""

import json
import socket
import unittest

import cluster

DIGITS = """
name: gang
seed: 7
trial: {program: digits, ranks: 2, resources: {cpu: 1}}
data: {train: digits-train.h5, validation: digits-validation.h5}
space: {lr: 0.01, width: 16, epochs: 2}
objective: {metric: validation/accuracy, goal: maximize}
budget: {trials: 1}
"""

SCRIPT = """
name: script
trial: {command: [python3, "FOLDER/rank.py", "FOLDER"], ranks: 2}
space: {}
budget: {trials: 1}
"""

# Any program in any language: one header more. It waits until the test listens.
RANK = """
import json, os, pathlib, sys, time, urllib.request
rank, folder = os.environ["RANK"], pathlib.Path(sys.argv[1])
(folder / "token").write_text(os.environ["MLFLOW_TRACKING_TOKEN"])
while not (folder / "go").exists():
    time.sleep(0.01)
for step in range(3):
    body = {"run_id": os.environ["MLFLOW_RUN_ID"], "key": "wait_seconds", "value": 10 * int(rank) + step,
            "timestamp": time.time_ns() // 1000000, "step": step}
    urllib.request.urlopen(urllib.request.Request(
        os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/runs/log-metric", json.dumps(body).encode(),
        {"Content-Type": "application/json", "Authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"],
         "X-Muster-Rank": rank, "X-Muster-Node": "n" + rank, "X-Muster-Gpu": rank}))
    print(f"rank {rank} step {step}", flush=True)
print(f"rank {rank} complains", file=sys.stderr, flush=True)
while not (folder / "end").exists():
    time.sleep(0.01)
print(f"rank {rank} ends", flush=True)
"""


class Events:
    """The stream of /events of one run, from its opening on."""

    def __init__(self, url, run):
        host, port = url.removeprefix("http://").split(":")
        self.connection = socket.create_connection((host, int(port)), timeout=30)
        self.connection.sendall(f"GET /events?run_id={run} HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
        self.text = b""
        self.read_until(lambda events: any(name == "open" for name, _ in events))

    def all(self):
        """(name, data) of each whole event so far."""
        events = []
        for block in self.text.partition(b"\r\n\r\n")[2].split(b"\n\n")[:-1]:
            fields = dict(line.partition(": ")[::2] for line in block.decode().splitlines())
            if "event" in fields:
                events.append((fields["event"], json.loads(fields["data"])))
        return events

    def read_until(self, enough):
        while not enough(self.all()):
            more = self.connection.recv(65536)
            if not more:
                raise AssertionError(f"the stream ended: {self.text!r}")
            self.text += more
        return self.all()

    def close(self):
        self.connection.close()


def printed(events, rank, stream):
    """What a rank printed, put together by offsets."""
    text = ""
    for name, data in events:
        if name == "log" and (data["rank"], data["stream"]) == (rank, stream):
            text = text[:data["begin"]] + data["text"]
    return text


class RanksTest(unittest.TestCase):
    def setUp(self):
        self.cluster = cluster.Cluster()
        self.addCleanup(self.cluster.close)
        self.cluster.start_server()

    def get(self, path):
        status, answer = self.cluster.http("/api/muster/v1/runs/" + path)
        self.assertEqual(status, 200, answer)
        return answer

    def test_TrainersGang_EachRanksStepsStandApart(self):
        self.cluster.digits_data()
        self.cluster.submit(self.cluster.write("gang.yaml", DIGITS), "--id", "gang")
        self.assertEqual(self.cluster.wait_sweep("gang")["sweep"]["state"], "complete", self.cluster.trials("gang"))
        trial = self.cluster.trials("gang")[0]
        ranks = self.get(f"{trial['run_id']}/ranks")
        node = next(iter(self.cluster.nodes()))
        self.assertEqual([(rank["rank"], rank["node"]) for rank in ranks["ranks"]], [(0, node), (1, node)])
        self.assertEqual(ranks["keys"], ["backward_seconds", "compute_seconds", "forward_seconds", "load_seconds", "optimizer_seconds",
                                         "samples_per_second", "step_seconds", "wait_seconds"])
        self.assertEqual(ranks["ranks"][0]["last_step"], ranks["ranks"][1]["last_step"])
        self.assertGreater(ranks["ranks"][1]["last_step"], 2)  # steps, not epochs
        # What the run itself says is as it was.
        status, answer = self.cluster.http(f"/api/2.0/mlflow/runs/get?run_id={trial['run_id']}")
        self.assertEqual(status, 200, answer)
        own = {metric["key"] for metric in answer["run"]["data"]["metrics"]}
        self.assertEqual(own & set(ranks["keys"]), set())
        self.assertEqual(trial["step"], 2)

        outcome = self.cluster.muster("tracker", "ranks", "gang/0", "--metric", "step_seconds")
        self.assertEqual(outcome.code, 0, outcome)
        lines = [line.split("\t") for line in outcome.out.splitlines()]
        self.assertEqual(lines[0], ["RANK", "NODE", "GPU", "STEP", "BEHIND", "step_seconds", "STRAGGLER"])
        self.assertEqual([line[:3] for line in lines[1:]], [["0", node, "-"], ["1", node, "-"]])

    def test_ScriptsRanks_PointsAndOutputAreLive_AndFenced(self):
        folder = self.cluster.work
        (folder / "rank.py").write_text(RANK)
        self.cluster.submit(self.cluster.write("script.yaml", SCRIPT.replace("FOLDER", str(folder))), "--id", "script")
        run = cluster.wait_until(lambda: self.cluster.trials("script") and self.cluster.trials("script")[0]["run_id"],
                                 30, "the trial's run")
        cluster.wait_until((folder / "token").exists, 30, "the ranks")
        follow = self.cluster.popen("trial", "logs", "script/0", "--follow", "--rank", "1")
        events = Events(self.cluster.url, run)
        self.addCleanup(events.close)
        (folder / "go").touch()

        def all_there(seen):
            points = [metric for name, data in seen if name == "points" for metric in data["metrics"]]
            return (sum(metric.get("rank") == 1 for metric in points) == 3
                    and printed(seen, 1, "out").endswith("step 2\n") and printed(seen, 1, "err")
                    and printed(seen, 0, "out").endswith("step 2\n"))
        # All of it while the ranks run.
        seen = events.read_until(all_there)
        self.assertEqual(printed(seen, 1, "out"), "".join(f"rank 1 step {step}\n" for step in range(3)))
        self.assertEqual(printed(seen, 1, "err"), "rank 1 complains\n")
        self.assertEqual(self.cluster.trials("script")[0]["state"], "running")

        view = self.get(f"{run}/ranks/wait_seconds?columns=3")
        self.assertEqual([(rank["rank"], rank["node"], rank["gpu"], rank["last_step"]) for rank in view["ranks"]],
                         [(0, "n0", 0, 2), (1, "n1", 1, 2)])
        self.assertEqual([(column["min"], column["max"], column["worst"]) for column in view["columns"]],
                         [(step, 10 + step, 1) for step in range(3)])
        # Rank 0's stand for the run.
        status, own = self.cluster.http(f"/api/2.0/mlflow/metrics/get-history?run_id={run}&metric_key=wait_seconds")
        self.assertEqual((status, [point["value"] for point in own["metrics"]]), (200, [0, 1, 2]))

        (folder / "end").touch()
        out, _ = follow.communicate(timeout=60)
        self.assertEqual(out.decode(), "".join(f"rank 1 step {step}\n" for step in range(3)) + "rank 1 ends\n")
        self.cluster.wait_sweep("script")
        # Its token is of an attempt that is over.
        body = {"run_id": run, "key": "wait_seconds", "value": 99, "timestamp": 1, "step": 9}
        status, answer = cluster.request(
            self.cluster.url + "/api/2.0/mlflow/runs/log-metric", body,
            {"Authorization": "Bearer " + (folder / "token").read_text(), "X-Muster-Rank": "1"})
        self.assertEqual(status, 403, answer)
        history = self.get(f"{run}/ranks/wait_seconds?rank=1")["points"]
        self.assertEqual([point["value"] for point in history], [10, 11, 12])


if __name__ == "__main__":
    unittest.main()
