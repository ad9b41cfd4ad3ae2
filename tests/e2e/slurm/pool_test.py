"""Nodes that a real Slurm lends: sweeps over pilots and over jobs, cut short, lost, run twice, with a controller that dies."""

import os
import pathlib
import random
import signal
import sys
import time
import unittest

sys.path[:0] = [str(pathlib.Path(__file__).parents[1]), str(pathlib.Path(__file__).parents[2] / "support" / "slurm")]
import cluster
import lab

REPORT = pathlib.Path(__file__).with_name("report.py")
SWEEP = """
name: {name}
seed: 3
trial: {{command: [sh, -c, "{command}"], ranks: {ranks}, nodes: {nodes}}}
space: {{x: {{float: [0, 1]}}}}
objective: {{metric: loss, goal: minimize}}
budget: {{trials: {trials}}}
sampler: random
retry: {{infra: 20, node: 20}}
"""


def sweep(name, trials, seconds="0.2", ranks=1, nodes=1):
    """Trials that sleep and report through the control socket."""
    command = f"sleep {seconds}; python3 {REPORT} {{x}}"
    return SWEEP.format(name=name, trials=trials, command=command, ranks=ranks, nodes=nodes)


@unittest.skipIf(lab.why_not(), lab.why_not())
class PoolTest(unittest.TestCase):
    def setUp(self):
        self.lab = lab.Lab(nodes=2, cpus=4).up()
        self.addCleanup(self.lab.down)
        os.environ["SLURM_CONF"] = self.lab.environment["SLURM_CONF"]
        self.addCleanup(os.environ.pop, "SLURM_CONF")
        self.muster = cluster.Cluster(slots=0)
        self.addCleanup(self.muster.close)
        self.muster.start_server()

    def pool(self, *flags):
        outcome = self.muster.muster("pool", "set", "hpc", "--slots", "2", "--idle", "2s", "--time", "10m", *flags)
        self.assertEqual(outcome.code, 0, outcome)

    def allocations(self):
        (pool,) = self.muster.ask("pool", "ls")["pools"]
        return pool["allocations"]

    def describe(self):
        return f"{self.muster.ask('pool', 'ls')}\n{self.lab.run('squeue')}\n{self.muster.log_tail()}\n{self.logs()}"

    def logs(self):
        logs = sorted((self.muster.home / "pools" / "logs").glob("*.log"))
        return "\n".join(f"{log.name}: {log.read_text()[-1500:]}" for log in logs)

    def submit(self, text):
        return self.muster.submit(self.muster.write("sweep.yaml", text))

    def finish(self, sweep_id, seconds=90):
        try:
            detail = self.muster.wait_sweep(sweep_id, seconds)
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.describe()}") from late
        self.assertEqual(detail["sweep"]["state"], "complete", f"{detail}\n{self.describe()}")
        return self.muster.trials(sweep_id)

    def wait(self, what, look, seconds=40):
        return cluster.wait_until(look, seconds, what, describe=self.describe)

    def queue(self):
        return self.lab.run("squeue", "-h", "-t", "PENDING,RUNNING,COMPLETING", "-o", "%i %T").split("\n")[:-1]

    def test_Pilots_RunWhatWaits_AndGoWhenNothingDoes(self):
        self.pool("--most", "2", "--backlog", "2")
        trials = self.finish(self.submit(sweep("pilots", 8)))
        self.assertEqual(len(trials), 8)
        used = {t["id"]: self.muster.trial(t["id"]) for t in trials}
        self.wait("the end of the allocations", lambda: not self.queue())
        self.wait("muster to see it", lambda: {a["state"] for a in self.allocations()} == {"ended"})
        self.assertLessEqual(len(self.allocations()), 2, used)
        self.wait("its nodes to be forgotten", lambda: self.muster.nodes() == {})
        states = self.lab.run("squeue", "-h", "-t", "all", "-o", "%T").split()
        self.assertEqual(set(states), {"COMPLETED"}, "agents end by themselves")
        self.wait("their keys to go", lambda: not list((self.muster.home / "pools").rglob("*.key")))

    def test_Jobs_AreOneForEachTrial(self):
        self.pool("--form", "job", "--most", "3", "--backlog", "3", "--nodes", "2")
        trials = self.finish(self.submit(sweep("jobs", 5, ranks=2)))
        self.assertEqual({t["attempts"] for t in trials}, {1}, trials)
        self.wait("the end of the jobs", lambda: {a["state"] for a in self.allocations()} == {"ended"})
        self.assertGreaterEqual(len(self.allocations()), 5, self.describe())
        self.assertEqual(self.queue(), [])

    def test_JobOverTwoNodes_IsOneGang(self):
        self.pool("--form", "job", "--nodes", "2")
        trials = self.finish(self.submit(sweep("wide", 1, ranks=4, nodes=2)))
        self.assertEqual(trials[0]["attempts"], 1, self.describe())

    @unittest.skipUnless((cluster.BIN / "digits").exists(), "no LibTorch, no trial that ships")
    def test_MpiProgramOverTwoNodes_IsOneGangOfMpirun(self):
        self.muster.digits_data()
        self.pool("--form", "job", "--nodes", "2")
        file = self.muster.write("digits.yaml", cluster.DIGITS_SWEEP)
        sweep_id = self.muster.submit(file, "--set", "trial.ranks=4", "--set", "trial.nodes=2")
        trials = self.finish(sweep_id)
        self.assertEqual((trials[0]["attempts"], len(trials[0]["node"].split(", "))), (1, 2), trials)

    def test_CancelledByHand_GoesOnElsewhere(self):
        self.pool("--most", "1")
        sweep_id = self.submit(sweep("cancelled", 1, seconds="6"))
        self.wait("a running trial", lambda: [t for t in self.muster.trials(sweep_id) if t["state"] == "running"])
        first = self.allocations()[0]
        self.lab.run("scancel", first["job"])
        trials = self.finish(sweep_id)
        self.assertGreaterEqual(trials[0]["attempts"], 2)
        self.assertNotEqual(self.allocations()[0]["id"], first["id"])

    def test_WrongPartition_IsRefusedInSlurmsWords(self):
        profile = self.muster.write("site.yaml", "partition: nowhere\n")
        outcome = self.muster.muster("pool", "set", "hpc", "--slots", "1", "--profile", profile)
        self.assertEqual(outcome.code, 2, outcome)
        self.assertIn("nowhere", outcome.err + outcome.out)
        self.assertEqual(self.muster.muster("pool", "set", "hpc", "--slots", "1", "--profile", profile, "--no-check").code, 0)
        sweep_id = self.submit(sweep("refused", 1))
        self.wait("Slurm's words", lambda: "partition" in str(self.muster.ask("sweep", "explain", sweep_id)))

    def test_ControllerAndServerKilled_EveryTrialHasOneResult(self):
        self.pool("--most", "2", "--backlog", "2")
        sweep_id = self.submit(sweep("killed", 30, seconds="0.3"))
        draw = random.Random(11)
        for _ in range(4):
            time.sleep(draw.uniform(0.2, 1.5))
            self.lab.kill("slurmctld")
            if draw.random() < 0.5:
                self.muster.kill_server(signal.SIGKILL)
                time.sleep(draw.uniform(0, 1))
                self.muster.start_server()
            time.sleep(draw.uniform(0, 1))
            self.lab.start("slurmctld")
        trials = self.finish(sweep_id)
        self.assertEqual([t["state"] for t in trials], ["complete"] * 30)
        self.assertEqual(len({t["objective"] for t in trials}), 30)

    def test_ControllerKilledUnderJobs_EveryTrialHasOneResult_AndNoJobIsLeft(self):
        self.pool("--form", "job", "--most", "4", "--backlog", "4")
        sweep_id = self.submit(sweep("jobs-killed", 12))
        draw = random.Random(5)
        for _ in range(8):
            time.sleep(draw.uniform(0, 0.8))
            self.lab.kill("slurmctld")
            time.sleep(draw.uniform(0, 0.3))
            self.lab.start("slurmctld")
        trials = self.finish(sweep_id)
        self.assertEqual([t["state"] for t in trials], ["complete"] * 12)
        self.assertEqual(len({t["objective"] for t in trials}), 12)
        self.wait("the end of all jobs", lambda: not self.queue())


if __name__ == "__main__":
    unittest.main()
