"""An unmodified Python script as a trial: it logs with MLflow's client, and muster prunes, retries and fences it."""

import json
import pathlib
import unittest

import cluster

HERE = pathlib.Path(__file__).parent

SWEEP = f"""
name: script
seed: 5
trial:
  command: ["{cluster.PYTHON}", "{HERE}/train.py", --lr, "{{lr}}", --epochs, "{{epochs}}", --pause, "{{pause}}"]
space: {{lr: {{choice: [LRS]}}, epochs: EPOCHS, pause: PAUSE}}
objective: {{metric: loss, goal: minimize}}
budget: {{trials: TRIALS, parallel: 1}}
sampler: random
stop: STOP
retry: {{infra: 5, user: 2}}
"""

# The parameters by their file, a metric by HTTP alone: what any language can do.
PARAMS = """
import json, os, urllib.request, time
params = json.load(open(os.environ["MUSTER_PARAMS"]))
print(json.dumps(params, sort_keys=True))
body = {"run_id": os.environ["MLFLOW_RUN_ID"], "key": "seen", "value": params["params"]["width"],
        "timestamp": time.time_ns() // 1000000, "step": 1}
urllib.request.urlopen(urllib.request.Request(
    os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/runs/log-metric", json.dumps(body).encode(),
    {"Content-Type": "application/json", "Authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"]}))
"""


class ScriptTest(unittest.TestCase):
    def setUp(self):
        self.cluster = cluster.Cluster()
        self.addCleanup(self.cluster.close)
        self.cluster.start_server()

    def submit(self, name, lrs, trials, epochs, pause, stop="{}"):
        text = SWEEP
        for word, value in (("LRS", lrs), ("TRIALS", trials), ("EPOCHS", epochs), ("PAUSE", pause),
                            ("STOP", stop)):
            text = text.replace(word, str(value))
        return self.cluster.submit(self.cluster.write(f"{name}.yaml", text), "--id", name)

    def history(self, run, metric="loss"):
        status, answer = self.cluster.http(
            f"/api/2.0/mlflow/metrics/get-history?run_id={run}&metric_key={metric}")
        self.assertEqual(status, 200, answer)
        return [(point["step"], point["value"]) for point in answer.get("metrics", [])]

    def run_data(self, run):
        status, answer = self.cluster.http(f"/api/2.0/mlflow/runs/get?run_id={run}")
        self.assertEqual(status, 200, answer)
        return answer["run"]

    def test_MlflowScript_RunsAsTrial_ItsMetricIsTheObjective(self):
        sweep = self.submit("plain", "0.05", trials=1, epochs=4, pause=0)
        detail = self.cluster.wait_sweep(sweep)
        self.assertEqual(detail["sweep"]["state"], "complete", self.cluster.trials(sweep))
        trial = self.cluster.trials(sweep)[0]
        points = self.history(trial["run_id"])
        self.assertEqual([step for step, _ in points], [1, 2, 3, 4])
        self.assertEqual(trial["objective"], points[-1][1])
        self.assertLess(points[-1][1], points[0][1])
        run = self.run_data(trial["run_id"])
        params = {p["key"]: p["value"] for p in run["data"]["params"]}
        self.assertEqual((params["lr"], params["points"]), ("0.05", "200"))
        self.assertEqual(run["info"]["status"], "FINISHED")

    def test_HopelessTrial_LogsByMlflow_IsPrunedAndItsProcessEnds(self):
        # This seed draws a rate that learns before the one that learns nothing.
        sweep = self.submit("pruned", "0.05, 0.04, 1e-9", trials=3, epochs=60, pause=0.05,
                            stop="{median: {startup_trials: 1, warmup_steps: 2}}")
        detail = self.cluster.wait_sweep(sweep, 200)
        trials = {t["params"]["lr"]: t for t in self.cluster.trials(sweep)}
        self.assertEqual(detail["sweep"]["state"], "complete", trials)
        self.assertEqual(trials[1e-9]["state"], "pruned", trials)
        self.assertLess(trials[1e-9]["step"], 60)
        self.assertEqual(trials[0.05]["state"], "complete")
        self.assertEqual(len(self.history(trials[0.05]["run_id"])), 60)
        cluster.wait_until(lambda: not self.cluster.processes(), 10, "the pruned script to end",
                           describe=self.cluster.processes)
        self.assertEqual(self.run_data(trials[1e-9]["run_id"])["info"]["status"], "KILLED")

    def test_StaleAttempt_WritesWithItsToken_IsRefused(self):
        sweep = self.submit("fenced", "0.05", trials=1, epochs=100, pause=0.1)
        first = cluster.wait_until(lambda: self.cluster.ranks("fenced/0"), 30, "attempt 1")[0]
        run, token = (first.environment[name] for name in ("MLFLOW_RUN_ID", "MLFLOW_TRACKING_TOKEN"))
        cluster.wait_until(lambda: self.history(run), 60, "its first metric")
        self.assertEqual(self.log(run, token, 1000)[0], 200)
        first.kill()
        self.cluster.wait_trial("fenced/0", lambda d: len(d["attempts"]) == 2 and
                                d["trial"]["state"] == "running")
        second = cluster.wait_until(lambda: self.cluster.ranks("fenced/0"), 30, "attempt 2")[0]
        status, answer = self.log(run, token, 2000)
        self.assertEqual((status, answer["error_code"]), (403, "PERMISSION_DENIED"))
        self.assertNotIn(2000, [step for step, _ in self.history(run, "late")])
        self.assertEqual(second.environment["MLFLOW_RUN_ID"], run)
        self.assertEqual(self.log(run, second.environment["MLFLOW_TRACKING_TOKEN"], 3000)[0], 200)
        self.assertEqual(self.log(run, "made up", 4000)[0], 401)
        self.cluster.ask("sweep", "cancel", sweep)
        self.cluster.wait_sweep(sweep)
        status, _ = self.log(run, second.environment["MLFLOW_TRACKING_TOKEN"], 5000)
        self.assertEqual(status, 403)
        self.assertEqual([step for step, _ in self.history(run, "late") if step > 1000], [3000])

    def test_TokenOfAnotherTrial_MayNotWriteToARunningTrialsRun(self):
        for name in ("one", "two"):
            self.submit(name, "0.05", trials=1, epochs=200, pause=0.1)
        one, two = (cluster.wait_until(lambda: self.cluster.ranks(f"{name}/0"), 60, name)[0]
                    for name in ("one", "two"))
        run, token = one.environment["MLFLOW_RUN_ID"], two.environment["MLFLOW_TRACKING_TOKEN"]
        status, answer = self.log(run, token, 1000)
        self.assertEqual((status, answer["error_code"]), (403, "PERMISSION_DENIED"))
        self.assertEqual(self.history(run, "late"), [])
        status, made = self.cluster.http("/api/2.0/mlflow/runs/create", {"experiment_id": "0"})
        self.assertEqual(status, 200, made)
        own = made["run"]["info"]["run_id"]  # no trial's: a script may make runs
        self.assertEqual(self.log(own, token, 1)[0], 200)

    def log(self, run, token, step):
        return self.cluster.http("/api/2.0/mlflow/runs/log-metric",
                                 {"run_id": run, "key": "late", "value": 1, "timestamp": 1, "step": step},
                                 token)

    def test_Params_ByFileAndByHttp_ReachTheTrial(self):
        script = self.cluster.write("params.py", PARAMS)
        sweep = self.cluster.submit(self.cluster.write("params.yaml", f"""
name: params
trial: {{command: [python3, {script.name}]}}
space: {{width: {{int: [5, 9]}}, note: "a 'quoted' text"}}
objective: {{metric: seen}}
budget: {{trials: 2}}
sampler: random
"""))
        detail = self.cluster.wait_sweep(sweep)
        self.assertEqual(detail["sweep"]["state"], "complete", self.cluster.trials(sweep))
        for trial in self.cluster.trials(sweep):
            printed = json.loads(self.cluster.muster("trial", "logs", trial["id"]).out)
            self.assertEqual(printed["params"]["width"], trial["params"]["width"])
            self.assertEqual(trial["objective"], trial["params"]["width"])


if __name__ == "__main__":
    unittest.main()
