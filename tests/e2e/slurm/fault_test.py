"""What goes wrong around a job under a real Slurm: slurmd killed at each stage, people who cancel, hold and drain, requests
that it refuses, and agents of another version."""

import pathlib
import time
import unittest

import rig
from rig import cluster, lab

HERE = pathlib.Path(__file__).parent
STRANGE = "n2"  # the node with another muster


def script(before="true", seconds=0.2):
    return f'[sh, -c, "{before}; sleep {seconds}; python3 {HERE}/report.py {{x}}"]'


class FaultTest(rig.PoolRig):
    @classmethod
    def setUpClass(cls):
        other = f'mount --bind "{HERE}/stranger.py" "{cluster.BIN}/muster" && exec "$@"'
        cls.set_up(lab.Lab(nodes=3, cpus=2, around={STRANGE: ["unshare", "--mount", "sh", "-c", other, "sh"]}))

    def pool(self, name, *flags, profile="", node=f"--exclude={STRANGE}", **more):
        super().pool(name, *flags, profile=f"sbatch: [{node}]\n{profile}", **more)

    def slurmd_dies(self, seconds=1.0):
        for node in ("n0", "n1"):
            self.lab.kill(node)
        time.sleep(seconds)
        for node in ("n0", "n1"):
            self.lab.start(node)

    def test_SlurmdKilledAtEachStage_EveryTrialHasOneResult(self):
        began, ending = self.muster.work / "began", self.muster.work / "ending"
        stages = {  # when the slurmds die, by what is seen then
            "pending": lambda: True,
            "starting": lambda: self.jobs("RUNNING"),
            "running": began.exists,
            "finishing": ending.exists,
            "leaving": lambda: self.muster.sweep("leaving")["sweep"]["state"] == "complete",
        }
        for name, reached in stages.items():
            with self.subTest(name):
                began.unlink(missing_ok=True)
                ending.unlink(missing_ok=True)
                self.pool(name)
                if name == "pending":
                    self.slurmd_dies(0)  # the nodes are back, and it has not heard of it
                self.submit(name, script(f"touch {began}; sleep 0.5; touch {ending}"), trials=2)
                self.wait(f"stage {name}", reached)
                self.slurmd_dies()
                trials = self.finish(name)
                self.assertEqual([t["state"] for t in trials], ["complete"] * 2, trials)
                if name in ("running", "finishing", "leaving"):
                    self.assertEqual([t["attempts"] for t in trials], [1, 1], "Slurm's steps outlive slurmd")
                self.remove(name)
                self.wait("the jobs to go", lambda: not self.jobs("PENDING", "RUNNING", "COMPLETING"))
                self.lab.wait_nodes()

    def test_CancelledHeldAndDrainedByHand_ItGoesOnWhenThatIsOver(self):
        filler = self.lab.run("sbatch", "--parsable", "-N3", "--exclusive", "-o", "/dev/null", "--wrap", "sleep 600").strip()
        self.addCleanup(self.lab.run, "scancel", filler)
        self.wait("a full cluster", lambda: self.jobs("RUNNING"))
        self.pool("byhand")
        self.submit("byhand", script(seconds=3))
        first = self.wait("a job that waits", lambda: self.allocation("byhand", "waiting", "PENDING"))
        self.lab.run("scontrol", "hold", first["job"])
        self.wait("that it is held", lambda: self.allocation("byhand", "waiting", "JobHeld"))
        self.assertIn("JobHeld", str(self.muster.ask("sweep", "explain", "byhand")))
        self.lab.run("scancel", first["job"])
        self.wait("that it is cancelled", lambda: self.allocation("byhand", "failed", "CANCELLED"))
        self.lab.run("scancel", filler)
        _, rank = self.running("byhand")
        node = rank.environment["SLURMD_NODENAME"]
        self.lab.drain(node)
        self.addCleanup(self.lab.run, "scontrol", "update", f"nodename={node}", "state=resume")
        trials = self.finish("byhand")
        self.assertEqual(trials[0]["attempts"], 1, "a node that is drained finishes its jobs")

    def test_AgentsOfAnotherVersion_AreNamed_AndSeldomAskedForAgain(self):
        self.pool("strange", node=f"--nodelist={STRANGE}")
        self.submit("strange", script())
        failed = self.wait("the first one to fail", lambda: self.allocation("strange", "failed"))
        self.assertIn("the peer speaks protocol 9.0, this muster speaks major 1 to 2", failed["words"])
        log = self.wait("its log", lambda: list((self.muster.home / "pools" / "logs").glob("*.log")) and self.describe())
        self.assertIn("muster refused version 1 2", log, "and it was told so")
        time.sleep(4)
        self.assertEqual(len(self.allocations("strange")), 1, "5 s until the next one, then 10")
        shown = self.muster.muster("pool", "show", "strange")
        self.assertIn("protocol 9.0", shown.out)
        self.assertIn("protocol 9.0", str(self.muster.ask("sweep", "explain", "strange")))

    def test_RefusedRequests_AreInSlurmsWords_WhereThePersonLooks(self):
        refused = {  # profile, GPUs of a rank, what Slurm says; some it lets wait for ever
            "partition": ("partition: nowhere\n", 0, "partition"),
            "gputype": ("gpu_type: h100\n", 1, "configuration is not available"),
            "account": ("partition: closed\naccount: chemistry\n", 0, "account"),
            "timelimit": ("partition: short\n", 0, "partitiontimelimit"),
        }
        for name, (profile, gpus, words) in refused.items():
            with self.subTest(name):
                flags = ["--form", "job", "--no-check", "--gpus", str(gpus), "--time", "20m"]
                self.pool(name, *flags, profile=profile)
                self.submit(name, script(), gpus=gpus)
                self.wait(f"'{words}' in the explanation",
                          lambda: words in str(self.muster.ask("sweep", "explain", name)).lower())
                shown = self.muster.muster("sweep", "show", name)
                self.assertIn(words, shown.out.lower(), "where a person looks first")
                self.assertLessEqual(len(self.allocations(name)), 2)
                if name == "partition":
                    self.pool(name, "--no-check", profile=profile)
                    self.wait("pilots not to be asked for again", lambda: self.pools()[name]["state"] == "paused")
                self.pool(name, "--form", "job", "--gpus", str(gpus))
                self.finish(name)
                self.remove(name)


if __name__ == "__main__":
    unittest.main()
