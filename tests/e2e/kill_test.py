"""kill -9 at a random moment of a sweep, round after round, on one home: nothing is lost, nothing runs twice.

    MUSTER_KILL_ROUNDS=50 MUSTER_KILL_SEED=1 python3 kill_test.py      (or kill_test.py --rounds 50)

Each round submits a sweep, kills one victim, and compares what is there at the end with what was asked for.
"""

import json
import os
import pathlib
import random
import signal
import sys
import time
import unittest

import cluster

PULSE = pathlib.Path(__file__).parent / "pulse.py"
STEPS, TRIALS = 6, 2

SCRIPT = f"""
name: pulse
seed: 1
trial: {{command: [python3, "{PULSE}", "{STEPS}", "0.15", "{{lr}}"], ranks: 2}}
space: {{lr: {{float: [0.0, 0.5]}}}}
objective: {{metric: score, goal: maximize}}
budget: {{trials: {TRIALS}}}
sampler: random
retry: {{infra: 9, user: 9}}
"""
DIGITS = f"""
name: digits
seed: 1
trial: {{program: digits, ranks: 2}}
data: {{train: digits-train.h5, validation: digits-validation.h5, test: digits-test.h5}}
space: {{lr: {{float: [0.004, 0.01]}}, width: 16, epochs: {STEPS}}}
objective: {{metric: validation/accuracy, goal: maximize}}
budget: {{trials: {TRIALS}}}
sampler: random
retry: {{infra: 9, user: 9}}
model:
  name: digits
  gates: [{{better_than: champion, metric: test/accuracy}}, parity]
"""

# The first is for a home without a model; each kind comes once before any comes twice.
VICTIMS = ["server while it promotes", "server", "rank", "mpirun", "shim", "model server",
           "server, then a rank"]


class KillTest(unittest.TestCase):
    rounds = int(os.environ.get("MUSTER_KILL_ROUNDS", len(VICTIMS)))
    seed = int(os.environ.get("MUSTER_KILL_SEED", "20"))

    def test_Kill_AnyProcessAtAnyMoment_LosesNothingAndRunsNothingTwice(self):
        self.random = random.Random(self.seed)
        self.kills = 0
        with cluster.Cluster() as self.cluster:
            self.cluster.digits_data()
            self.files = {"script": self.cluster.write("pulse.yaml", SCRIPT),
                          "digits": self.cluster.write("digits.yaml", DIGITS)}
            self.cluster.start_server()
            self.model_server = None
            bag = []
            for number in range(self.rounds):
                bag = bag or ([VICTIMS[0]] + self.random.sample(VICTIMS[1:], len(VICTIMS) - 1)
                              if number == 0 else self.random.sample(VICTIMS, len(VICTIMS)))
                with self.subTest(round=number, victim=bag[0], seed=self.seed):
                    self.round(number, bag.pop(0))
            # A sweep may be over before its victim was found; a test without victims shows nothing.
            self.assertGreaterEqual(self.kills, self.rounds * 0.7)
            self.final_look()

    def round(self, number, victim):
        digits = victim in (VICTIMS[0], "mpirun") or (victim != "model server" and self.random.random() < 0.5)
        self.sweep = f"round-{number}"
        versions = self.versions()
        self.cluster.submit(self.files["digits" if digits else "script"], "--id", self.sweep)
        began = time.monotonic()
        follower = self.cluster.popen("--json", "sweep", "show", self.sweep, "--follow")
        hit = self.strike(victim)
        detail = self.cluster.wait_sweep(self.sweep, 180)
        out, err = follower.communicate(timeout=60)
        self.assertEqual((follower.returncode, err), (0, b""))
        self.assertEqual(json.loads(out)["sweep"], detail["sweep"])
        print(f"round {number}: {victim}, {'digits' if digits else 'script'} trials, "
              f"{hit or 'no victim found'}, {time.monotonic() - began:.1f} s", flush=True)
        self.check_trials(victim, hit, detail, "validation/accuracy" if digits else "score")
        if digits:
            self.check_promotion(detail, versions)
        if victim == "model server" and hit:
            self.assertGreater(self.cluster.ask(
                "predict", "--model", f"{self.model_server.url}/v2/models/digits", "--in",
                "digits-test.h5", "--out", "out.csv")["rows"], 0)
        cluster.wait_until(lambda: not self.cluster.processes(), 20, "the home's processes to end",
                           describe=self.cluster.processes)

    # --- victims ------------------------------------------------------------------------------------------
    def strike(self, victim):
        """Kills the victim at a random moment; what it was, or None when the sweep was over before."""
        if victim == VICTIMS[0]:
            cluster.wait_until(lambda: self.state() not in ("running",), 120, "the promotion")
        else:
            ended = self.random.randrange(TRIALS)
            cluster.wait_until(lambda: self.ended() >= ended, 120, f"{ended} trials to end")
        time.sleep(self.random.random() * (0.3 if victim == VICTIMS[0] else 1.0))
        if victim == "model server":
            if not self.versions():
                return None
            self.model_server = self.model_server or self.cluster.start_model_server("digits@champion")
            self.model_server.kill()
            self.model_server.wait(timeout=20)
            self.model_server = self.cluster.start_model_server("digits@champion")
        elif victim.startswith("server"):
            return self.strike_server(also_rank="rank" in victim)
        else:
            return self.strike_process(victim)
        self.kills += 1
        return victim

    def strike_server(self, also_rank):
        ranks = self.cluster.ranks()
        self.cluster.kill_server()
        if also_rank and ranks:
            self.random.choice(ranks).kill()
        time.sleep(self.random.random())
        self.cluster.start_server()
        self.kills += 1
        if not also_rank:
            # Nobody ends a rank because the server was away.
            for rank in ranks:
                trial = self.cluster.trial(rank.environment["MUSTER_TRIAL"])
                self.assertEqual([str(a["epoch"]) for a in trial["attempts"]],
                                 [rank.environment["MUSTER_ATTEMPT"]])
        return f"server, {len(ranks)} ranks ran"

    def strike_process(self, victim):
        wanted = {"rank": lambda p: p.rank is not None,
                  "shim": lambda p: p.command[1:2] == ["shim"],
                  "mpirun": lambda p: p.command and p.command[0].endswith("mpirun")}[victim]
        found = cluster.wait_until(
            lambda: [p for p in self.cluster.processes() if wanted(p)] or self.state() != "running",
            60, f"a {victim}", every=0.005)
        if found is True:
            return None
        process = self.random.choice(sorted(found, key=lambda p: p.pid))
        if not process.kill():
            return None
        self.kills += 1
        return f"{victim} of attempt {process.environment['MUSTER_ATTEMPT']}"

    # --- what must hold -----------------------------------------------------------------------------------
    def state(self):
        return self.cluster.sweep(self.sweep)["sweep"]["state"]

    def ended(self):
        sweep = self.cluster.sweep(self.sweep)["sweep"]
        return sweep["complete"] + sweep["failed"] + sweep["pruned"]

    def versions(self):
        outcome = self.cluster.muster("--json", "model", "show", "digits")
        return [] if outcome.code == 3 else outcome.json()["versions"]

    def check_trials(self, victim, hit, detail, metric):
        self.assertEqual(detail["sweep"]["state"], "complete", detail["sweep"])
        trials = self.cluster.trials(self.sweep)
        self.assertEqual([t["number"] for t in trials], list(range(TRIALS)))
        self.assertEqual([t["state"] for t in trials], ["complete"] * TRIALS, trials)
        again = 0
        for summary in trials:
            trial = self.cluster.trial(summary["id"])
            causes = [attempt["cause"] for attempt in trial["attempts"]]
            self.assertLessEqual(causes.count("success"), 1, trial)
            epochs = [attempt["epoch"] for attempt in trial["attempts"]]
            self.assertEqual(epochs, sorted(set(epochs)))
            again += len(epochs) - 1
            status, answer = self.cluster.http("/api/2.0/mlflow/metrics/get-history?max_results=1000&"
                                               f"run_id={summary['run_id']}&metric_key={metric}")
            self.assertEqual(status, 200, answer)
            steps = [point["step"] for point in answer["metrics"]]
            self.assertEqual(sorted(set(steps)), list(range(1, STEPS + 1)), trial)
            run = self.cluster.http(f"/api/2.0/mlflow/runs/get?run_id={summary['run_id']}")[1]["run"]
            self.assertEqual(run["info"]["status"], "FINISHED")
        if victim in ("server", VICTIMS[0], "model server"):
            self.assertEqual(again, 0, f"{hit} killed alone, yet attempts were started again: {trials}")
        else:
            self.assertLessEqual(again, 1, f"one {victim} killed, yet {again} attempts more: {trials}")

    def check_promotion(self, detail, before):
        promotion, now = detail["promotion"], self.versions()
        self.assertIn(promotion["state"], ("promoted", "kept"), promotion)
        self.assertEqual(len(now) - len(before), 1 if promotion["state"] == "promoted" else 0)
        mine = [v for v in now if v["tags"]["muster.sweep"] == self.sweep]
        self.assertEqual(len(mine), len(now) - len(before))
        if mine:
            self.assertEqual(mine[0]["aliases"], ["champion"])
        self.assertTrue(self.cluster.ask("model", "verify", "digits@champion")["audit"])

    def final_look(self):
        """A server stopped as it should be comes back with all there was."""
        before = self.cluster.ask("sweep", "ls"), self.cluster.ask("model", "audit", "digits")
        self.assertEqual(self.cluster.kill_server(signal.SIGTERM), 0)
        self.cluster.start_server()
        self.assertEqual((self.cluster.ask("sweep", "ls"), self.cluster.ask("model", "audit", "digits")), before)


if __name__ == "__main__":
    if "--rounds" in sys.argv:
        at = sys.argv.index("--rounds")
        KillTest.rounds = int(sys.argv[at + 1])
        del sys.argv[at:at + 2]
    unittest.main()
