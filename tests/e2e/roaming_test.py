"""A trial whose nodes share no folder (roamer.py): it goes from one to the other with its checkpoints over HTTP, while
server, agent and rank are killed."""

import os
import pathlib
import unittest

import cluster

ROAMER = pathlib.Path(__file__).with_name("roamer.py")
SWEEP = f"""
name: roaming
seed: 1
trial: {{command: [python3, "{ROAMER}", "40", "0.1"]}}
objective: {{metric: score, goal: maximize}}
budget: {{trials: 1}}
sampler: random
retry: {{infra: 9, user: 3}}
"""


# Processes carry their node's name: that of another test's node, on the same machine, would be ended as ours.
A, B = f"roam-a-{os.getpid()}", f"roam-b-{os.getpid()}"


class RoamingTest(unittest.TestCase):
    def setUp(self):
        self.cluster = cluster.Cluster(slots=0)
        self.addCleanup(self.cluster.close)
        self.cluster.start_server("--agents-host", "127.0.0.1")

    def join(self, node):
        file = self.cluster.work / f"{node}.key"
        self.cluster.ask("node", "invite", node, "--out", file)
        self.cluster.start_agent(node, file, "--slots", "1")
        cluster.wait_until(lambda: self.cluster.nodes().get(node, {}).get("state") == "up", 30, f"node {node}", every=0.1)

    def committed(self):
        """The step that the server has of the trial."""
        file = self.cluster.home / "checkpoints/roaming/0/step"
        return int(file.read_text()) if file.exists() else 0

    def begins(self):
        """The step with which the newest attempt began."""
        lines = self.cluster.muster("trial", "logs", "roaming/0").out.splitlines()
        return [int(line.split()[2]) for line in lines if line.startswith("begins with")][-1]

    def test_ATrial_MovesWithItsCheckpoints(self):
        self.join(A)
        self.cluster.submit(self.cluster.write("roaming.yaml", SWEEP), "--id", "roaming")
        cluster.wait_until(lambda: self.committed() >= 5, 60, "step 5", describe=lambda: self.cluster.muster("trial", "logs", "roaming/0"))
        self.cluster.kill_server()
        before = self.committed()
        self.cluster.start_server("--agents-host", "127.0.0.1")
        cluster.wait_until(lambda: self.committed() >= before + 3, 60, "the save to go on with the next server")
        self.join(B)
        self.cluster.ask("node", "cordon", A)
        (rank,) = self.cluster.ranks("roaming/0")
        rank.kill()  # kill -9 in the middle of whatever it does
        before = self.committed()
        detail = self.cluster.wait_trial("roaming/0", lambda t: len(t["attempts"]) == 2 and t["attempts"][-1]["node"] == B, 60)
        self.assertEqual(detail["attempts"][0]["node"], A)
        ended = self.cluster.wait_sweep("roaming")
        self.assertEqual((ended["sweep"]["state"], ended["sweep"]["complete"]), ("complete", 1), ended)
        self.assertGreaterEqual(self.begins(), before)
        self.assertEqual(self.committed(), 40)


if __name__ == "__main__":
    unittest.main()
