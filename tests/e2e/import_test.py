"""A table of trials becomes the beginning of a sweep; what a sweep exports, another one begins with; its best over time."""

import csv
import io
import unittest

import cluster

# Any program by HTTP alone: the loss is 1 at a rate of 0.1 and 0 at 0.001.
TRIAL = """
import json, math, os, time, urllib.request
rate = json.load(open(os.environ["MUSTER_PARAMS"]))["params"]["lr"]
body = {"run_id": os.environ["MLFLOW_RUN_ID"], "key": "loss", "value": math.log10(rate) / 2 + 1.5,
        "timestamp": time.time_ns() // 1000000, "step": 1}
urllib.request.urlopen(urllib.request.Request(
    os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/runs/log-metric", json.dumps(body).encode(),
    {"Content-Type": "application/json", "Authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"]}))
"""

SWEEP = """
name: NAME
seed: 3
trial:
  command: ["python3", trial.py]
space: {lr: {float: [1e-4, 0.1], log: true}}
objective: {metric: loss, goal: minimize}
budget: {trials: 4, parallel: 1}
sampler: tpe
warm_start: WARM
"""


class ImportTest(unittest.TestCase):
    def setUp(self):
        self.cluster = cluster.Cluster()
        self.addCleanup(self.cluster.close)
        self.cluster.start_server()
        self.cluster.write("trial.py", TRIAL)

    def file(self, name, warm):
        return self.cluster.write(f"{name}.yaml", SWEEP.replace("NAME", name).replace("WARM", warm))

    def export(self, sweep):
        outcome = self.cluster.muster("sweep", "export", sweep)
        self.assertEqual(outcome.code, 0, outcome)
        return outcome.out, list(csv.DictReader(io.StringIO(outcome.out)))

    def test_Tables_BeginASweep_AndRoundTrip(self):
        self.cluster.write("old.csv", ",number,value,params_lr,state\n"
                                      "0,0,0.25,0.0005,COMPLETE\n1,1,,0.1,FAIL\n2,2,0.9,0.05,PRUNED\n")
        outcome = self.cluster.muster("sweep", "submit", self.file("first", "[{csv: old.csv, weight: 0.5}]"),
                                      "--id", "first", "--wait")
        self.assertEqual(outcome.code, 0, outcome)
        self.assertIn("2 trials to start with; 1 left out", outcome.err)
        text, rows = self.export("first")
        self.assertEqual([(row["trial"], row["state"], row["weight"], row["loss"], row["lr"]) for row in rows[:2]],
                         [("-1", "complete", "0.5", "0.25", "5e-04"), ("-2", "failed", "0.5", "", "0.1")])
        self.assertEqual([(row["trial"], row["state"]) for row in rows[2:]],
                         [(str(i), "complete") for i in range(4)])
        # The exported table as the beginning of another sweep: the same rows, each by the same text.
        self.cluster.write("first.csv", text)
        self.cluster.submit(self.file("second", "[{csv: first.csv}]"), "--id", "second")
        self.cluster.wait_sweep("second")
        _, again = self.export("second")
        known = [{**row, "trial": ""} for row in rows]
        self.assertEqual([{**row, "trial": ""} for row in again[:6]], known)
        self.assertEqual([row["trial"] for row in again], ["-1", "-2", "-3", "-4", "-5", "-6", "0", "1", "2", "3"])
        verified = self.cluster.ask("sweep", "verify", "second")
        self.assertEqual((verified["verified"], verified["differences"]), (4, []))
        self.best("second")

    def best(self, sweep):
        answer = self.cluster.ask("sweep", "best", sweep)
        curve = answer["curve"]
        self.assertEqual(answer["ended"], 4)
        seconds = [point["seconds"] for point in curve] + [answer["seconds"]]
        self.assertEqual(seconds, sorted(seconds))
        trials = {trial["number"]: trial for trial in self.cluster.trials(sweep)}
        began = self.cluster.sweep(sweep)["sweep"]["created_ms"]
        for point in curve:
            self.assertAlmostEqual(point["seconds"], (trials[point["trial"]]["ended_ms"] - began) / 1000, 6)
        shown = self.cluster.muster("sweep", "best", sweep).out
        self.assertIn("best so far over trials", shown)
        self.assertIn("best so far over time", shown)
        self.assertRegex(shown, r"(?m)^1\t0:00:\d\d\t0\t")

    def test_MistakeInATable_IsRefusedByItsPlace_AndNothingIsSubmitted(self):
        self.cluster.write("bad.csv", "lr,loss\n0.01,0.5\n0.5,0.5\n")
        outcome = self.cluster.muster("sweep", "submit", self.file("bad", "[{csv: bad.csv}]"))
        self.assertEqual(outcome.code, 2, outcome)
        self.assertIn("bad.csv:3: column lr: wanted a number from 1e-04 to 0.1, got 0.5", outcome.err)
        self.assertIn("bad.yaml:10:15: warm_start[0].csv", outcome.err)
        self.assertEqual(self.cluster.ask("sweep", "ls")["sweeps"], [])


if __name__ == "__main__":
    unittest.main()
