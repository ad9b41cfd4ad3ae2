"""The main job: data, a sweep of two-rank trials, the best promoted, served, and asked about unseen rows."""

import csv
import json
import pathlib
import shutil
import subprocess
import unittest

import cluster

SWEEP = """
name: digits
seed: 7
trial:
  program: digits
  ranks: 2
  resources: {cpu: 1}
data: {train: digits-train.h5, validation: digits-validation.h5, test: digits-test.h5}
space:
  optimizer: {choice: [adamw, sgd]}
  lr: {float: [3e-3, 2e-2], log: true}
  momentum: {float: [0.8, 0.9], when: {optimizer: sgd}}
  width: 16
  epochs: 3
objective: {metric: validation/accuracy, goal: maximize}
budget: {trials: 4}
sampler: random
stop: {asha: {step: epoch, min: 1, max: 3, eta: 3}}
model:
  name: digits
  gates:
    - {metric: test/accuracy, at_least: 0.5}
    - {better_than: champion, metric: test/accuracy}
    - parity
  promote: champion
"""

# Runs under MLflow's client, which fetches the model through the tracker as any of its users would.
MLFLOW_PREDICT = """
import json, sys
import mlflow, numpy, h5rows
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model(sys.argv[2])
answer = model.predict(h5rows.images(sys.argv[3]))
if isinstance(answer, dict):
    answer = next(iter(answer.values()))
print(json.dumps(numpy.asarray(answer).argmax(axis=1).tolist()))
"""


class MainJobTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = cluster.Cluster()
        cls.addClassCleanup(cls.cluster.close)
        cls.cluster.digits_data()
        cls.cluster.start_server()
        cls.file = cls.cluster.write("digits.yaml", SWEEP)
        cls.outcome = cls.cluster.muster("--json", "sweep", "submit", cls.file, "--wait", timeout=240)

    def setUp(self):
        self.assertEqual(self.outcome.code, 0, f"{self.outcome}\n{self.cluster.log_tail()}")
        self.detail = self.outcome.json()

    def predictions(self, model):
        """The classes that `muster predict` writes for the test rows, and its accuracy."""
        summary = self.cluster.ask("predict", "--model", model, "--in", "digits-test.h5", "--out", "out.csv")
        with open(self.cluster.work / "out.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual(summary["rows"], len(rows))
        hits = sum(row["class"] == row["label"] for row in rows)
        self.assertAlmostEqual(summary["accuracy"], hits / len(rows), places=9)
        return [int(row["class"]) for row in rows], summary["accuracy"]

    def test_Sweep_RanToTheEnd_AllTrialsAccounted(self):
        sweep, trials = self.detail["sweep"], self.cluster.trials("digits-1")
        self.assertEqual((sweep["state"], sweep["trials"], sweep["failed"]), ("complete", 4, 0))
        self.assertEqual([t["number"] for t in trials], [0, 1, 2, 3])
        self.assertEqual([t["attempts"] for t in trials], [1, 1, 1, 1])
        finished = [t for t in trials if t["state"] == "complete"]
        self.assertTrue(finished)
        self.assertTrue(all(t["step"] == 3 for t in finished), trials)
        self.assertEqual(sweep["best"], max(t["objective"] for t in finished))
        # Of four trials ASHA with eta 3 lets some go no further than its first rung.
        self.assertTrue(any(t["state"] == "pruned" for t in trials), trials)

    def test_Run_OfTheBest_HoldsParametersAndACurve(self):
        trial = self.cluster.trial(self.detail["sweep"]["best_trial"])["trial"]
        status, answer = self.cluster.http(f"/api/2.0/mlflow/runs/get?run_id={trial['run_id']}")
        self.assertEqual(status, 200)
        run = answer["run"]
        self.assertEqual(run["info"]["status"], "FINISHED")
        params = {p["key"]: p["value"] for p in run["data"]["params"]}
        self.assertEqual(float(params["lr"]), trial["params"]["lr"])
        status, answer = self.cluster.http("/api/2.0/mlflow/metrics/get-history?metric_key="
                                           f"validation/accuracy&run_id={trial['run_id']}")
        self.assertEqual([p["step"] for p in answer["metrics"]], [1, 2, 3])

    def test_Promotion_Done_IsWholeInRegistryAndAudit(self):
        self.assertEqual(self.detail["promotion"]["state"], "promoted")
        self.assertTrue(all(gate["passed"] for gate in self.detail["promotion"]["gates"]))
        model = self.cluster.ask("model", "show", "digits")
        self.assertEqual(model["aliases"], {"champion": 1})
        self.assertEqual(len(model["versions"]), 1)
        history = self.cluster.ask("model", "history", "digits")["history"]
        self.assertEqual([(h["alias"], h["version"]) for h in history], [("champion", 1)])
        actions = [e["action"] for e in self.cluster.ask("model", "audit", "digits")["entries"]]
        self.assertEqual(actions.count("alias.promote"), 1)
        self.assertEqual(actions.count("version.create"), 1)
        self.assertTrue(self.cluster.ask("model", "verify", "digits@champion")["audit"])

    def test_FlippedByteOfACopy_IsFoundAndNamed(self):
        published = self.cluster.home / "models" / "digits" / "1"
        self.assertEqual(self.cluster.ask("model", "verify", published)["findings"], [])
        copy = self.cluster.work / "copy"
        shutil.copytree(published, copy)
        card = bytearray((copy / "README.md").read_bytes())
        card[-1] ^= 1
        (copy / "README.md").write_bytes(card)
        outcome = self.cluster.muster("--json", "model", "verify", copy)
        self.assertEqual(outcome.code, 1, outcome)
        (finding,) = outcome.json()["findings"]
        self.assertIn("README.md is not what was signed", finding)

    def test_TagGit_WritesAnnotatedTagsOnce(self):
        repository = self.cluster.work / "repository"
        git = ["git", "-C", str(repository), "-c", "user.name=t", "-c", "user.email=t@localhost"]
        subprocess.run(["git", "init", "-q", repository], check=True)
        subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "code"], check=True)
        for key, value in (("name", "t"), ("email", "t@localhost")):
            subprocess.run([*git, "config", f"user.{key}", value], check=True)
        tag = ("model", "tag-git", "digits@champion", "--repo", repository)
        self.assertEqual(self.cluster.ask(*tag)["tags"], ["digits@v1.0.0", "digits#champion#1"])
        self.assertEqual(self.cluster.ask(*tag)["tags"], [])
        kind = subprocess.run([*git, "cat-file", "-t", "digits#champion#1"], capture_output=True, text=True, check=True)
        self.assertEqual(kind.stdout, "tag\n")

    def test_Export_ForTriton_IsARepository(self):
        out = self.cluster.work / "triton"
        answer = self.cluster.ask("model", "export", "digits@champion", "--for", "triton", "--out", out)
        self.assertIn(f"--model-repository {out}", answer["deploy"])
        self.assertTrue((out / "digits" / "config.pbtxt").exists() and (out / "digits" / "1" / "model.onnx").exists())
        again = self.cluster.muster("model", "export", "digits@champion", "--for", "triton", "--out", out)
        self.assertNotEqual(again.code, 0, again)

    def test_Predict_ByServerAndByItself_AgreesAndIsAccurate(self):
        here, accuracy = self.predictions("digits@champion")
        server = self.cluster.start_model_server("digits@champion")
        there, _ = self.predictions(f"{server.url}/v2/models/digits")
        self.assertEqual(here, there)
        self.assertGreater(accuracy, 0.5)
        gates = {g["gate"]: g["seen"] for g in self.detail["promotion"]["gates"]}
        self.assertAlmostEqual(accuracy, gates["test/accuracy >= 0.5"], places=6)

    def test_MlflowClient_LoadsTheChampion_PredictsTheSame(self):
        done = subprocess.run(
            [cluster.PYTHON, "-c", MLFLOW_PREDICT, self.cluster.url, "models:/digits@champion",
             str(self.cluster.work / "digits-test.h5")],
            cwd=self.cluster.work, timeout=120, capture_output=True, text=True,
            env=self.cluster.environment(PYTHONPATH=str(pathlib.Path(__file__).parent)))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout.splitlines()[-1]), self.predictions("digits@champion")[0])

    def test_SameSweepAgain_KeepsTheChampion_MakesNoVersion(self):
        outcome = self.cluster.muster("--json", "sweep", "submit", self.file, "--id", "again", "--wait",
                                      timeout=240)
        self.assertEqual(outcome.code, 0, outcome)
        promotion = outcome.json()["promotion"]
        self.assertEqual(promotion["state"], "kept", promotion)
        refused = [gate["gate"] for gate in promotion["gates"] if not gate["passed"]]
        self.assertEqual(refused, ["better than champion on test/accuracy"])
        model = self.cluster.ask("model", "show", "digits")
        self.assertEqual((model["aliases"], len(model["versions"])), ({"champion": 1}, 1))
        self.assertTrue(self.cluster.ask("model", "verify")["audit"])


if __name__ == "__main__":
    unittest.main()
