"""A server without slots and two agents that join it with keys of their own: sweeps run on both, and an agent that
is killed, stopped, revoked or given another key does what it should. All on one machine, over loopback."""

import pathlib
import signal
import time
import unittest

import cluster

PULSE = pathlib.Path(__file__).parent / "pulse.py"
SWEEP = f"""
name: pulse
seed: 1
trial: {{command: [python3, "{PULSE}", "STEPS", "0.1", "{{lr}}"], ranks: 1}}
space: {{lr: {{float: [0.0, 0.5]}}}}
objective: {{metric: score, goal: maximize}}
budget: {{trials: TRIALS}}
sampler: random
retry: {{infra: 9, user: 0}}
"""


class JoinTest(unittest.TestCase):
    def setUp(self):
        self.cluster = cluster.Cluster(slots=0)
        self.addCleanup(self.cluster.close)
        self.cluster.start_server("--agents-host", "127.0.0.1")

    def invite(self, node, verb="invite"):
        file = self.cluster.work / f"{node}-{time.monotonic_ns()}.key"
        self.cluster.ask("node", verb, node, "--out", file)
        return file

    def join(self, node, key=None, slots=2):
        key = key or self.invite(node)
        return key, self.cluster.start_agent(node, key, "--slots", str(slots), "--label", f"rack={node}")

    def wait_state(self, node, state, seconds=30):
        cluster.wait_until(lambda: self.cluster.nodes().get(node, {}).get("state") == state, seconds,
                           f"node {node} to be {state}", every=0.1,
                           describe=lambda: f"{self.cluster.nodes()}\n{self.log(node)}")

    def log(self, node):
        return self.cluster.log_tail(f"agent-{node}")

    def wait_log(self, node, text, seconds=30, times=1):
        """All agents of a node write to one log."""
        cluster.wait_until(lambda: self.log(node).count(text) >= times, seconds,
                           f"'{text}' in the log of {node}", describe=lambda: self.log(node))

    def submit(self, trials, steps, sweep):
        text = SWEEP.replace("STEPS", str(steps)).replace("TRIALS", str(trials))
        return self.cluster.submit(self.cluster.write("pulse.yaml", text), "--id", sweep)

    def attempts(self, trial):
        return self.cluster.trial(trial)["attempts"]

    def test_TwoAgents_ShareASweep_AndOneKilledComesBackWithItsRanks(self):
        key, agent = self.join("a")
        self.join("b")
        for node in ("a", "b"):
            self.wait_state(node, "up")
        self.submit(4, 40, "shared")
        cluster.wait_until(lambda: len(self.cluster.ranks()) == 4, 30, "four ranks")
        self.assertEqual({t["node"] for t in self.cluster.trials("shared")}, {"a", "b"})
        agent.kill()
        agent.wait(timeout=20)
        self.assertEqual(len(self.cluster.ranks()), 4, "ranks do not end with their agent")
        _, agent = self.join("a", key)
        self.wait_log("a", "took the node in", times=2)
        # A second one on the same home is told so, and the first does not mind.
        second = self.cluster.start_agent("a", key)
        self.assertEqual(second.wait(timeout=20), 4)
        self.assertIn("another agent runs on", self.log("a"))
        agent.send_signal(signal.SIGTERM)
        self.assertEqual(agent.wait(timeout=20), 0)
        self.assertIn("its ranks go on", self.log("a"))
        self.join("a", key)
        detail = self.cluster.wait_sweep("shared")
        self.assertEqual((detail["sweep"]["state"], detail["sweep"]["complete"]), ("complete", 4))
        for trial in self.cluster.trials("shared"):
            self.assertEqual(trial["attempts"], 1, trial)

    def test_ServerKilled_AgentsJoinTheNextOne(self):
        _, agent = self.join("a")
        self.wait_state("a", "up")
        self.submit(2, 30, "through")
        cluster.wait_until(lambda: len(self.cluster.ranks()) == 2, 30, "two ranks")
        self.cluster.kill_server()
        self.cluster.start_server()
        detail = self.cluster.wait_sweep("through")
        self.assertEqual((detail["sweep"]["state"], detail["sweep"]["complete"]), ("complete", 2))
        self.assertEqual([t["attempts"] for t in self.cluster.trials("through")], [1, 1])
        self.assertIsNone(agent.poll())

    def test_Revoked_TheNodeIsCutOff_ItsRanksEndAndTheTrialGoesOnElsewhere(self):
        self.join("a", slots=1)
        self.wait_state("a", "up")
        self.submit(1, 150, "moved")
        rank = cluster.wait_until(self.cluster.ranks, 30, "the rank")[0]
        self.join("b", slots=1)
        self.wait_state("b", "up")
        self.cluster.ask("node", "revoke", "a")
        self.wait_log("a", "this node's key was revoked", 5)
        cluster.wait_until(lambda: self.attempts("moved/0")[-1]["node"] == "b", 40, "the trial on b",
                           every=0.1, describe=lambda: self.attempts("moved/0"))
        self.assertEqual(self.attempts("moved/0")[0]["cause"], "node")
        # The node itself ended what it ran, before the server counted on that.
        self.assertNotIn(rank.pid, [p.pid for p in cluster.all_processes() if p.start == rank.start])
        self.assertNotEqual(self.cluster.nodes()["a"]["state"], "up")
        # Invited again under its old name, with the key file it gets then, it is a node like any other.
        self.cluster.start_agent("a2", self.invite("a"), "--slots", "1")
        self.wait_state("a", "up")
        detail = self.cluster.wait_sweep("moved")
        self.assertEqual(detail["sweep"]["state"], "complete", detail)

    def test_Rotated_TheNewKeyTakesTheOldOnesPlace(self):
        old, agent = self.join("a")
        self.wait_state("a", "up")
        new = self.invite("a", "rotate")
        keys = self.cluster.ask("node", "keys")["keys"]
        self.assertEqual([(k["node"], k["role"]) for k in keys], [("a", "agent")] * 2)
        self.assertEqual(self.cluster.nodes()["a"]["state"], "up")
        agent.send_signal(signal.SIGTERM)
        agent.wait(timeout=20)
        _, agent = self.join("a", new)
        cluster.wait_until(lambda: [k["seen"] for k in self.cluster.ask("node", "keys")["keys"]] == [True],
                           20, "the old key to go", every=0.1)
        agent.send_signal(signal.SIGTERM)
        agent.wait(timeout=20)
        self.join("a", old)
        self.wait_log("a", "refused this node's key")

    def test_Mistakes_AreSentences(self):
        key = self.invite("a")
        for arguments, code, words in (
                (("node", "invite", "a", "--out", "x.key"), 4, "has a key already"),
                (("node", "invite", "../b", "--out", "x.key"), 2, "node name"),
                (("node", "invite", "b", "--out", key), 4, "is there already"),
                (("node", "revoke", "nobody"), 3, "was not invited"),
                (("node", "rotate", "nobody", "--out", "x.key"), 3, "was not invited"),
                (("agent", "join", "--key", "none.key"), 3, "none.key"),
                (("agent", "join", "ftp://x", "--key", key), 2, "wanted http://host:port"),
                (("agent", "join", "--key", key, "--slots", "0"), 2, "wanted auto, or a number from 1"),
                (("agent", "join", "--key", key, "--slots", "70000"), 2, "at slots: 70000"),
                (("agent", "join", "--key", key, "--label", "x"), 2, "wanted key=value")):
            with self.subTest(arguments):
                outcome = self.cluster.muster(*arguments)
                self.assertEqual(outcome.code, code, outcome)
                self.assertIn(words, outcome.err)
        self.assertFalse((self.cluster.work / "x.key").exists(), "a key that was refused leaves no file")
        key.chmod(0o644)
        self.assertIn("can be read by others", self.cluster.muster("agent", "join", "--key", key).err)


if __name__ == "__main__":
    unittest.main()
