"""Gangs that spread over several nodes: two agents on one machine, ranks that meet over TCP."""

import json
import pathlib
import time
import unittest

import cluster

GANG = pathlib.Path(__file__).parent / "gang.py"
SWEEP = """
name: gang
trial: {command: [python3, "PROGRAM", "FILE"], ranks: RANKS, nodes: NODES}
space: {}
budget: {trials: 1}
retry: {user: 1}
"""


class GangTest(unittest.TestCase):
    def setUp(self):
        self.cluster = cluster.Cluster(slots=0)
        self.addCleanup(self.cluster.close)
        self.cluster.start_server("--agents-host", "127.0.0.1")
        for node in ("a", "b"):
            key = self.cluster.work / f"{node}.key"
            self.cluster.ask("node", "invite", node, "--out", key)
            self.cluster.start_agent(node, key, "--slots", "2", "--address", "127.0.0.1")
        cluster.wait_until(lambda: {n["state"] for n in self.cluster.nodes().values()} == {"up"} and
                           len(self.cluster.nodes()) == 2, 30, "two nodes", every=0.1)
        self.file = self.cluster.work / "met"

    def sweep_file(self, ranks, nodes):
        text = SWEEP.replace("PROGRAM", str(GANG)).replace("FILE", str(self.file))
        return self.cluster.write("gang.yaml", text.replace("RANKS", str(ranks)).replace("NODES", str(nodes)))

    def lines(self, attempt):
        if not self.file.exists():
            return []
        all_lines = [json.loads(line) for line in self.file.read_text().splitlines()]
        return sorted((line for line in all_lines if line["attempt"] == attempt), key=lambda line: line["RANK"])

    def wait_ranks(self, attempt, count):
        cluster.wait_until(lambda: len(self.lines(attempt)) == count, 30, f"{count} ranks of attempt {attempt}",
                           describe=lambda: f"{self.lines(attempt)}\n{self.cluster.trials('gang')}")

    def test_Gang_IsStartedOnBothNodes_AndDiesAndReturnsAsOne(self):
        self.cluster.submit(self.sweep_file(3, 2), "--id", "gang")
        self.wait_ranks(1, 3)
        ranks = self.lines(1)
        self.assertEqual([line["RANK"] for line in ranks], [0, 1, 2])
        self.assertEqual({line["WORLD_SIZE"] for line in ranks}, {3})
        self.assertEqual([line["NODE_RANK"] for line in ranks], [0, 0, 1])
        self.assertEqual([line["LOCAL_RANK"] for line in ranks], [0, 1, 0])
        self.assertEqual([line["LOCAL_WORLD_SIZE"] for line in ranks], [2, 2, 1])
        self.assertEqual(sorted(ranks[0]["met"]), [1, 2])
        self.assertEqual(self.cluster.trials("gang")[0]["node"], "a, b")

        # The one on the second node dies: those on the first are ended at once, and all start again.
        killed = time.monotonic()
        next(p for p in self.cluster.ranks() if p.rank == 2).kill()
        cluster.wait_until(lambda: not [p for p in self.cluster.ranks()
                                        if p.environment["MUSTER_ATTEMPT"] == "1"], 10, "the gang's end")
        print(f"the gang was gone {time.monotonic() - killed:.2f} s after one of its ranks")
        self.wait_ranks(2, 3)
        self.assertIn("rank 2", self.cluster.trial("gang/0")["attempts"][0]["message"])
        pathlib.Path(f"{self.file}.go").touch()
        self.assertEqual(self.cluster.wait_sweep("gang")["sweep"]["state"], "complete")
        self.assertEqual({node["used"] for node in self.cluster.nodes().values()}, {0})
        logs = self.cluster.muster("trial", "logs", "gang/0", "--rank", "2")
        self.assertEqual(logs.code, 0, logs)

    def test_GangThatMayNotSpread_IsRefused(self):
        refused = self.cluster.muster("sweep", "submit", self.sweep_file(3, 1))
        self.assertEqual(refused.code, 2, refused)
        self.assertIn("need 3 slots on one node; the largest, a, has 2", refused.err)
        self.assertIn("gang.yaml:3:", refused.err)


if __name__ == "__main__":
    unittest.main()
