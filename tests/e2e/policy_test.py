"""What a sweep file says about failures, and nodes that people take out of work, with real processes."""

import unittest

import cluster

FILE = """name: policy
trial:
  command: [bash, -c, '{script}']
  time: {time}
space: {{lr: {{float: [0.1, 1.0]}}}}
objective: {{metric: score}}
budget: {{trials: 1}}
retry: {{user: {user}}}
on_log:
  - {{match: "^CUDA out of memory$", do: fail}}
  - {{match: "ECC error", do: exclude_node}}
  - {{match: "already in use", do: retry}}
"""
# Saves and asks to be resumed when it is told to end.
SAVES = 'trap "exit 75" TERM; echo begin; while :; do sleep 0.05; done'


class PolicyTest(unittest.TestCase):
    def setUp(self):
        self.cluster = cluster.Cluster()
        self.addCleanup(self.cluster.close)
        self.cluster.start_server()

    def submit(self, script, time="10m", user=0):
        text = FILE.format(script=script, time=time, user=user)
        return self.cluster.submit(self.cluster.write("policy.yaml", text)) + "/0"

    def node(self):
        (node,) = self.cluster.ask("node", "ls")["nodes"]
        return node

    def explain(self, trial):
        return self.cluster.muster("trial", "explain", trial).out

    def test_FailRule_LastWordsWithoutANewline_EndTheTrial(self):
        trial = self.submit("printf CUDA\\ out\\ of\\ memory >&2; exit 1", user=5)
        ended = self.cluster.wait_trial(trial, lambda t: t["trial"]["state"] == "failed")
        self.assertEqual(ended["trial"]["message"], "CUDA out of memory (on_log[0])")
        self.assertEqual(len(ended["attempts"]), 1)

    def test_RetryRule_LeavesTheBudgetAlone(self):
        once = self.cluster.work / "once"
        trial = self.submit(f"echo address already in use; mkdir {once} && exit 1; sleep 60")
        self.cluster.wait_trial(
            trial, lambda t: len(t["attempts"]) == 2 and t["attempts"][1]["state"] == "running")
        self.assertIn("on_log left 1 of its attempts uncounted", self.explain(trial))

    def test_LineCutByAKilledServer_IsWholeForTheNext(self):
        trial = self.submit("printf ECC\\ er; sleep 2; echo ror; sleep 1; exit 1")
        self.cluster.wait_trial(trial, lambda _: self.cluster.muster("trial", "logs", trial).out == "ECC er")
        self.cluster.kill_server()
        self.cluster.start_server()
        self.cluster.wait_trial(trial, lambda t: len(t["attempts"]) == 2)
        self.assertIn("matched in 0.out of attempt 1: ECC error", self.explain(trial))
        self.assertNotIn("is excluded", self.explain(trial))  # the only node there is

    def test_TimeIsUp_WithNothingSavedTheTrialFails(self):
        trial = self.submit("sleep 60", time="1s")
        ended = self.cluster.wait_trial(trial, lambda t: t["trial"]["state"] == "failed")
        self.assertEqual(ended["attempts"][0]["cause"], "walltime")
        self.assertIn("1 s (trial.time) and left no new checkpoint", ended["trial"]["message"])

    def test_TimeIsUp_TrialThatAsksForMoreGoesOn(self):
        trial = self.submit(SAVES, time="1s")
        again = self.cluster.wait_trial(trial, lambda t: len(t["attempts"]) == 3)
        self.assertEqual([a["cause"] for a in again["attempts"][:2]], ["walltime"] * 2)

    def test_DrainedNode_IsEmptyAndStaysSoUntilUncordoned(self):
        trial = self.submit(SAVES)
        self.cluster.wait_trial(trial, lambda t: t["trial"]["state"] == "running")
        node = self.node()["id"]
        self.assertEqual(self.cluster.muster("node", "drain", node, "--reason", "new kernel").code, 0)
        stopped = self.cluster.wait_trial(trial, lambda t: t["trial"]["state"] == "waiting")
        self.assertEqual(stopped["attempts"][0]["cause"], "preempt")
        self.assertEqual(self.cluster.ranks(), [])
        self.cluster.kill_server()
        self.cluster.start_server()
        cluster.wait_until(lambda: self.node()["state"] == "drained", 20, "the drained node")
        self.assertIn("is taken out of work: new kernel", self.explain(trial))
        self.assertEqual(self.cluster.muster("node", "uncordon", node).code, 0)
        self.cluster.wait_trial(trial, lambda t: t["trial"]["state"] == "running")

    def test_Mistakes_HaveTheirExitCodes(self):
        self.assertEqual(self.cluster.muster("node", "cordon", "nowhere").code, 3)
        self.assertEqual(self.cluster.muster("node", "exclude", self.node()["id"]).code, 2)
        bad = FILE.format(script="true", time="1s", user=0).replace("ECC error", "EC(C")
        outcome = self.cluster.muster("sweep", "submit", self.cluster.write("bad.yaml", bad))
        self.assertEqual(outcome.code, 2, outcome)
        self.assertIn("bad.yaml:11:6: on_log[1].match: missing ): EC(C", outcome.err)


if __name__ == "__main__":
    unittest.main(verbosity=2)
