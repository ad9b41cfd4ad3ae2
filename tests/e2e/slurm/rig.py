"""What tests of faults under Slurm share: a lab and a server that last for the whole class, and a pool for each test."""

import os
import pathlib
import sys
import unittest

sys.path[:0] = [str(pathlib.Path(__file__).parents[1] / "chaos"), str(pathlib.Path(__file__).parents[1]),
                str(pathlib.Path(__file__).parents[2] / "support" / "slurm")]
import cluster
import lab

SWEEP = """
name: {name}
seed: 3
trial: {{command: {command}, ranks: 1, labels: {{pool: {name}}}, resources: {{gpu: {gpus}}}}}
space: {{x: {{float: [0, 1]}}}}
objective: {{metric: {metric}}}
budget: {{trials: {trials}}}
sampler: random
retry: {{user: 0, infra: 5, node: 5}}
"""


@unittest.skipIf(lab.why_not(), lab.why_not())
class PoolRig(unittest.TestCase):
    @classmethod
    def set_up(cls, slurm, inside=lambda machine: [], *flags):
        """Brings up a lab.Lab and a server, which run as long as the class."""
        cls.lab = slurm
        cls.enterClassContext(slurm)
        os.environ["SLURM_CONF"] = slurm.environment["SLURM_CONF"]
        cls.addClassCleanup(os.environ.pop, "SLURM_CONF")
        cls.muster = cluster.Cluster(slots=0, inside=inside)
        cls.addClassCleanup(cls.muster.close)
        cls.muster.start_server(*flags)

    def pool(self, name, *flags, profile="", slots=2):
        """Its nodes run nothing but the sweep of its name. It goes with the test."""
        file = self.muster.write(f"{name}-site.yaml", profile or "{}\n")
        outcome = self.muster.muster("pool", "set", name, "--slots", str(slots), "--label", f"pool={name}", "--idle", "1s",
                                     *([] if "--time" in flags else ["--time", "10m"]), "--profile", file, *flags)
        self.assertEqual(outcome.code, 0, outcome)
        self.addCleanup(self.remove, name)

    def remove(self, name):
        self.muster.muster("sweep", "cancel", name)
        self.muster.muster("pool", "rm", name)
        self.wait(f"pool {name} to go", lambda: name not in self.pools())

    def pools(self):
        return {pool["name"]: pool for pool in self.muster.ask("pool", "ls")["pools"]}

    def allocations(self, name):
        return self.pools()[name]["allocations"]

    def allocation(self, name, state, words=""):
        """The first one in a state with such words, or None."""
        return next((a for a in self.allocations(name) if a["state"] == state and words in a["words"]), None)

    def submit(self, name, command, trials=1, metric="loss", gpus=0):
        text = SWEEP.format(name=name, command=command, trials=trials, metric=metric, gpus=gpus)
        return self.muster.submit(self.muster.write(f"{name}.yaml", text), "--id", name)

    def finish(self, name, seconds=60):
        """The trials of a sweep that ends well."""
        try:
            detail = self.muster.wait_sweep(name, seconds)
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.describe()}") from late
        self.assertEqual(detail["sweep"]["state"], "complete", f"{detail}\n{self.describe()}")
        return self.muster.trials(name)

    def attempts(self, name):
        return self.muster.trial(f"{name}/0")["attempts"]

    def running(self, name):
        """The allocation and the rank of the sweep's one trial, once it runs."""
        self.wait(f"{name} to run", lambda: self.ranks(name))
        return self.allocation(name, "joined"), self.ranks(name)[0]

    def ranks(self, name):
        """Of pools' nodes too, whose homes are their own."""
        return [p for p in cluster.all_processes()
                if p.state != "Z" and p.rank is not None and p.environment.get("MUSTER_TRIAL", "").startswith(name + "/")]

    def wait(self, what, look, seconds=40):
        return cluster.wait_until(look, seconds, what, every=0.05, describe=self.describe)

    def jobs(self, *states):
        """{id: state} of what Slurm knows."""
        rows = self.lab.run("squeue", "-h", "-t", ",".join(states) or "all", "-o", "%i %T").split("\n")
        return dict(row.split() for row in rows if row)

    def describe(self):
        logs = sorted((self.muster.home / "pools" / "logs").glob("*.log"))
        texts = [f"{log.name}: {log.read_text(errors='replace')[-1500:]}" for log in logs]
        return "\n".join([str(self.pools()), self.lab.run("squeue", "-t", "all"), self.muster.log_tail(), *texts])
