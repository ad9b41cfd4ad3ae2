"""Copies of a trial that must not count, under a real Slurm whose nodes are machines in network namespaces: a node that is
cut off and comes back, one that Slurm gives up with its slurmd, one whose key is revoked, and a job of which two copies run
on one machine."""

import json
import pathlib
import subprocess
import time
import unittest

import rig
from rig import cluster, lab

import wires

PULSE = pathlib.Path(__file__).parents[1] / "pulse.py"
NODES = lab.Lab.node_names(6)
ALL = ("cut", "revoked", "twice", "failed")


class FenceTest(rig.PoolRig):
    @classmethod
    def setUpClass(cls):
        if why := wires.why_not():
            raise unittest.SkipTest(why)
        cls.wires = wires.Wires(["controller", *NODES])
        cls.enterClassContext(cls.wires)
        cls.set_up(lab.Lab(nodes=len(NODES), cpus=2, wires=cls.wires), lambda machine: cls.wires.inside("controller"),
                   "--agents-host", cls.wires.address("controller"))

    def start(self, name, *flags, node=None):
        """A trial of 150 steps, alone on a node."""
        self.pool(name, *flags, profile=f"sbatch: [--nodelist={node}]\n" if node else "")
        self.submit(name, f'[python3, "{PULSE}", "150", "0.1"]', metric="score")
        return self.running(name)

    def points(self, name):
        """Steps of which the tracker has a score, in its order."""
        run = self.muster.trial(f"{name}/0")["trial"]["run_id"]
        query = f"{self.muster.url}/api/2.0/mlflow/metrics/get-history?metric_key=score&run_id={run}"
        done = subprocess.run([*self.wires.inside("controller"), "curl", "-s", query], capture_output=True, check=True)
        return [int(point["step"]) for point in json.loads(done.stdout).get("metrics", [])]

    def gone(self, rank):
        return not any(p.pid == rank.pid and p.start == rank.start for p in cluster.all_processes() if p.state != "Z")

    def test_OnlyTheNewestCopyCounts(self):
        """All at once, since each waits for a lease."""
        cut, cut_rank = self.start("cut", "--most", "2")
        revoked, revoked_rank = self.start("revoked", node="n1")
        twice, twice_rank = self.start("twice", node="n2")
        failed, failed_rank = self.start("failed", "--most", "2")
        self.wait("some steps", lambda: all(len(self.points(name)) > 10 for name in ALL))

        machine = cut_rank.environment["SLURMD_NODENAME"]
        self.lab.cut(machine)
        cut_at = time.monotonic()
        self.lab.fail(failed_rank.environment["SLURMD_NODENAME"])
        self.muster.ask("node", "revoke", f"{revoked['id']}.0")
        other = self.copy(twice)
        self.addCleanup(other.kill)

        with self.subTest("a second copy on one machine"):
            mine = self.wait("its rank", lambda: [r for r in self.ranks("twice") if r.pid != twice_rank.pid])[0]
            self.wait("the first copy to go", lambda: self.gone(twice_rank), 15)
            self.assertFalse(self.gone(mine), "each ends its own")
            self.wait("the first job to end", lambda: self.jobs()[twice["job"]] == "FAILED", 15)
        with self.subTest("a node that is cut off"):
            self.wait("the old copy to go", lambda: self.gone(cut_rank), 15)
            self.wait("a new one", lambda: len(self.attempts("cut")) == 2 and self.ranks("cut"), 20)
            took = time.monotonic() - cut_at
            print(f"cut off: runs elsewhere after {took:.1f} s")
            self.assertEqual(self.attempts("cut")[0]["cause"], "node")
            self.lab.mend(machine)
        with self.subTest("a revoked key"):
            self.wait("the rank to go", lambda: self.gone(revoked_rank), 15)
            self.wait("its job to end", lambda: self.jobs()[revoked["job"]] == "FAILED", 15)
            self.assertIn("was revoked", self.log(revoked))
        with self.subTest("a node that Slurm gave up, whose agent lives"):
            self.wait("the rank to go", lambda: self.gone(failed_rank), 15)
            self.assertIn("NODE_FAIL", str(self.wait("its end", lambda: self.allocation("failed", "ended"))))
        for name in ALL:
            with self.subTest(name):
                trial = self.finish(name)[0]
                # The end of the first copy's job may take the second one's key.
                self.assertIn(trial["attempts"], (2, 3) if name == "twice" else (2,), self.attempts(name))
                self.assertEqual((trial["state"], trial["objective"]), ("complete", 150))
                points = self.points(name)
                self.assertEqual(points, sorted(set(points)), "no step twice, none late")
        self.wait("all agents to go", lambda: not self.jobs("PENDING", "RUNNING", "COMPLETING"), 60)
        self.assertLess(len(self.points("cut")), 150, "what the cut copy wrote meanwhile is refused")

    def copy(self, allocation):
        """What a controller does that has lost its state: the job's command once more, where it runs."""
        (key,) = (self.muster.home / "pools" / allocation["id"]).glob("0.0.key")
        with open(self.muster.home / "pools" / "logs" / "copy.log", "ab") as log:
            return subprocess.Popen([*self.wires.inside("n2"), cluster.BIN / "muster", "agent", "join", "--allocation", "--key",
                                     key, "--slots", "2", "--label", "pool=twice"], env=self.muster.environment(),
                                    stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def log(self, allocation):
        """What its job wrote; the file of one that failed says so in its name."""
        (file,) = (self.muster.home / "pools" / "logs").glob(f"{allocation['job']}.*log")
        return file.read_text()


if __name__ == "__main__":
    unittest.main()
