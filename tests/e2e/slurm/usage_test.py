"""What trials on a real Slurm have cost: beside what the kernel told each of them, with slurmdbd and without."""

import os
import pathlib
import signal
import sys
import unittest

sys.path[:0] = [str(pathlib.Path(__file__).parents[1]), str(pathlib.Path(__file__).parents[2] / "support" / "slurm")]
import cluster
import lab

BURN = pathlib.Path(__file__).with_name("burn.py")
SWEEP = """
name: usage
seed: 3
trial: {{command: [sh, -c, "{command}"]}}
space: {{x: {{float: [0, 1]}}}}
objective: {{metric: loss, goal: minimize}}
budget: {{trials: {trials}}}
sampler: random
retry: {{infra: 20, node: 20}}
"""
SLACK = 0.05  # of what a trial did after it had looked; starting a shell and Python may take as much and a second more


class UsageTest(unittest.TestCase):
    def start(self, **settings):
        self.lab = lab.Lab(nodes=2, cpus=4, **settings).up()
        self.addCleanup(self.lab.down)
        os.environ["SLURM_CONF"] = self.lab.environment["SLURM_CONF"]
        self.addCleanup(os.environ.pop, "SLURM_CONF")
        self.muster = cluster.Cluster(slots=0)
        self.addCleanup(self.muster.close)
        self.muster.start_server()
        outcome = self.muster.muster("pool", "set", "hpc", "--slots", "2", "--idle", "1s", "--time", "10m", "--most", "1")
        self.assertEqual(outcome.code, 0, outcome)

    def submit(self, command, trials):
        return self.muster.submit(self.muster.write("sweep.yaml", SWEEP.format(command=command, trials=trials)))

    def pool(self):
        (pool,) = self.muster.ask("pool", "ls")["pools"]
        return pool

    def wait(self, what, look, seconds=60):
        describe = lambda: f"{self.muster.ask('pool', 'ls')}\n{self.muster.log_tail()}"
        return cluster.wait_until(look, seconds, what, describe=describe)

    def tags(self, trial):
        status, answer = self.muster.http(f"/api/2.0/mlflow/runs/get?run_id={trial['run_id']}")
        self.assertEqual(status, 200, answer)
        return {tag["key"]: tag["value"] for tag in answer["run"]["data"]["tags"]}

    def finish(self, sweep):
        """Its trials, once all that ran for them is known to have ended."""
        self.assertEqual(self.muster.wait_sweep(sweep)["sweep"]["state"], "complete")
        ended = lambda: {a["state"] for a in self.pool()["allocations"]} == {"ended"}
        self.wait("the end of the allocations", ended)
        return self.muster.trials(sweep)

    def assert_used(self, trial):
        """In the run's tags and in muster's own answer, beside what the trial itself saw."""
        self.wait("its tags", lambda: "muster.cpu_seconds" in self.tags(trial))
        own = float((self.muster.work / f"used.{trial['number']}").read_text())
        tags, used = self.tags(trial), self.muster.trial(trial["id"])["used"]
        self.assertGreaterEqual(own, 0.8)
        for cpu in (float(tags["muster.cpu_seconds"]), used["cpu_seconds"]):
            self.assertGreaterEqual(cpu, own - SLACK)
            self.assertLessEqual(cpu, own + 1 + SLACK)
        held = float(tags["muster.slot_seconds"])
        self.assertAlmostEqual(held, used["slot_seconds"], places=3)
        self.assertGreaterEqual(held, used["cpu_seconds"] / 2, "two processes, one after the other or both at once")
        self.assertGreater(int(tags["muster.memory_peak_bytes"]), 1 << 20)
        self.assertNotIn("muster.energy_joules", tags, "nobody measures it here")
        return tags

    @unittest.skipIf(lab.why_not(), lab.why_not())
    def test_WithoutAccounts_MusterCountsForItself(self):
        self.start()
        used = self.muster.work / "used.$(basename $MUSTER_TRIAL)"
        sweep = self.submit(f"python3 {BURN} 0.8 {{x}} {used}", 3)
        self.muster.kill_server(signal.SIGKILL)
        self.muster.start_server()
        trials = self.finish(sweep)
        pool = self.pool()
        jobs = {a["job"] for a in pool["allocations"]}
        for trial in trials:
            tags = self.assert_used(trial)
            self.assertIn(tags["muster.slurm.job_id"], jobs)
        detail = self.muster.sweep(sweep)
        self.assertAlmostEqual(detail["used"]["cpu_seconds"],
                               sum(self.muster.trial(t["id"])["used"]["cpu_seconds"] for t in trials), places=2)
        self.assertEqual(detail["used"]["lost_slot_seconds"], 0)
        self.assertAlmostEqual(pool["busy_slot_seconds"], detail["used"]["slot_seconds"], places=2)
        self.assertGreater(pool["slot_seconds"], pool["busy_slot_seconds"])
        self.assertNotIn("cpu_seconds", pool, "Slurm keeps no accounts")
        self.assertIn("% of that busy", self.muster.muster("pool", "show", "hpc").out)
        self.assertIn("used slots", self.muster.muster("sweep", "show", sweep).out)

    @unittest.skipIf(lab.why_not(accounting=True), lab.why_not(accounting=True))
    def test_WithAccounts_AndAnAttemptThatIsTakenAway(self):
        self.start(accounting="associations,limits,qos")
        used = self.muster.work / "used.$(basename $MUSTER_TRIAL)"
        flag = self.muster.work / "again"
        sweep = self.submit(f"test -e {flag} || sleep 600; python3 {BURN} 0.8 {{x}} {used}", 1)
        trial = lambda: self.muster.trials(sweep)[0]
        self.wait("a running trial", lambda: self.muster.trials(sweep) and trial()["state"] == "running")
        first = self.pool()["allocations"][0]["job"]
        self.lab.run("scancel", first)
        flag.touch()
        (done,) = self.finish(sweep)
        tags = self.assert_used(done)
        detail = self.muster.trial(done["id"])
        lost = float(tags["muster.lost_slot_seconds"])
        self.assertGreater(lost, 0)
        self.assertAlmostEqual(lost, detail["attempts"][0]["used"]["slot_seconds"], places=3)
        self.assertEqual(detail["attempts"][-1]["used"]["lost_slot_seconds"], 0)
        self.assertEqual(tags["muster.slurm.job_id"].split(",")[0], first)
        self.wait("Slurm's accounts", lambda: self.pool().get("cpu_seconds"))
        jobs = len(self.pool()["allocations"])
        seconds = 0
        for row in self.lab.run("sacct", "-n", "-P", "-X", "-D", "-o", "CPUTimeRAW").split():
            seconds += int(row)
        self.wait("all of them", lambda: abs(self.pool()["cpu_seconds"] - seconds) < 0.5)
        self.assertGreaterEqual(jobs, 2)
        failed = self.muster.home / "pools" / "logs" / f"{first}.failed.log"
        self.assertTrue(failed.exists(), sorted(failed.parent.iterdir()))


if __name__ == "__main__":
    unittest.main()
