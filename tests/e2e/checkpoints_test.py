"""Schedules that pause, resume and clone, with real processes: what they start from, and what is left on the disk."""

import json
import os
import pathlib
import unittest

import cluster

SAVER = pathlib.Path(__file__).with_name("saver.py")
FILE = """name: {name}
seed: 5
trial: {{command: [{python}, {saver}, '{steps}', '{pause}', '{{x}}']}}
space: {{x: {{float: [0.1, 1.0]}}}}
objective: {{metric: score, goal: maximize}}
budget: {{trials: {trials}, parallel: {parallel}}}
sampler: random
enqueue: {first}
stop: {stop}
"""


class CheckpointsTest(unittest.TestCase):
    slots = 2

    def setUp(self):
        self.cluster = cluster.Cluster(slots=self.slots)
        self.addCleanup(self.cluster.close)
        self.start_server()

    def start_server(self):
        """With checkpoints outside of its home, as where nodes share a folder."""
        self.cluster.start_server("--checkpoints", "shared")

    def submit(self, name, **values):
        values.setdefault("first", [])
        text = FILE.format(name=name, python=cluster.PYTHON, saver=SAVER, **values)
        return self.cluster.submit(self.cluster.write(name + ".yaml", text))

    def kill_server_at(self, sweep, ended):
        """... once so many trials have ended."""
        cluster.wait_until(lambda: sum(t["state"] in cluster.FINAL for t in self.cluster.trials(sweep)) >= ended,
                           30, "trials that have ended")
        self.cluster.kill_server()
        self.start_server()

    def folders(self, sweep):
        return sorted(path.name for path in (self.cluster.work / "shared" / sweep).iterdir())

    def begins(self, trial):
        """What each attempt began with."""
        lines = self.cluster.muster("trial", "logs", trial).out.splitlines()
        return [json.loads(line.removeprefix("begins with ")) for line in lines if line.startswith("begins")]

    def check_left(self, sweep):
        """Completed trials have their checkpoints, the others' are gone, copies too."""
        complete = sorted(str(t["number"]) for t in self.cluster.trials(sweep) if t["state"] == "complete")
        self.assertTrue(complete)
        cluster.wait_until(lambda: self.folders(sweep) == complete, 10, f"{complete} alone",
                           describe=lambda: self.folders(sweep))
        verified = self.cluster.ask("sweep", "verify", sweep)
        self.assertEqual(verified["differences"], [], verified)

    def test_Promote_TrialsPauseAndGoOnFromTheirRung(self):
        sweep = self.submit("promote", steps=9, pause=0.05, trials=9, parallel=2,
                            stop="{asha: {step: epoch, min: 1, max: 9, eta: 3, mode: promote}}",
                            # The first is the best, and has to wait until it is known to be.
                            first="[" + ", ".join(f"{{x: {0.9 - n / 10:.1f}}}" for n in range(8)) + "]")
        self.kill_server_at(sweep, 1)
        self.assertEqual(self.cluster.wait_sweep(sweep, 60)["sweep"]["state"], "complete")
        trials = self.cluster.trials(sweep)
        # An attempt that the dead server had not let go yet is given up; the others were paused.
        resumed = [t for t in trials if any(a["cause"] == "stopped" for a in
                                            self.cluster.trial(t["id"])["attempts"][:-1])]
        self.assertTrue(resumed)
        for trial in resumed:
            # The newest attempt's log: it began where the last one had saved.
            (began,) = self.begins(trial["id"])
            self.assertGreaterEqual(len(began), 1)
            self.assertEqual(set(began), {trial["params"]["x"]})
        self.check_left(sweep)

    def test_Pbt_ClonesBeginWithTheirDonorsCommittedStep(self):
        sweep = self.submit("pbt", steps=8, pause=0.1, trials=8, parallel=2,
                            stop="{pbt: {interval: 2, population: 4, max: 8, quantile: 0.5}}",
                            # The last to come to step 2 is the worst there.
                            first="[{x: 0.9}, {x: 0.8}, {x: 0.3}, {x: 0.2}]")
        self.kill_server_at(sweep, 1)
        self.assertEqual(self.cluster.wait_sweep(sweep, 60)["sweep"]["state"], "complete")
        trials = self.cluster.trials(sweep)
        clones = [t for t in trials if t["from"]]
        self.assertTrue(clones, trials)
        x = {t["id"]: t["params"]["x"] for t in trials}
        for clone in clones:
            self.assertEqual(clone["from_step"] % 2, 0)
            if clone["state"] == "complete":
                result = json.loads((self.cluster.work / "shared" / clone["id"] / "state.json").read_text())
                # Its own steps come after those of its donor, which it has to the step that made it one.
                self.assertEqual(result[clone["from_step"]:], [x[clone["id"]]] * (8 - clone["from_step"]))
                self.assertEqual(result[clone["from_step"] - 1], x[clone["from"]])
            shown = self.cluster.muster("trial", "show", clone["id"]).out
            self.assertIn(f"cloned from {clone['from']} at step {clone['from_step']}", shown)
        self.check_left(sweep)


class TravellingCheckpointsTest(CheckpointsTest):
    """The same on a node that sees no folder: what it starts from comes by HTTP, and so does what is left."""

    slots = 0

    def setUp(self):
        super().setUp()
        node = f"travels-{os.getpid()}"
        key = self.cluster.work / "node.key"
        self.cluster.ask("node", "invite", node, "--out", key)
        self.cluster.start_agent(node, key, "--slots", "2", "--checkpoints", "http")


if __name__ == "__main__":
    unittest.main(verbosity=2)
