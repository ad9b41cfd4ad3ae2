"""The closed loop: traffic drifts, an alert is raised and told, a trigger retrains, and the new version is the challenger."""

import json
import unittest

import cluster

MONITOR = """
monitor:
  window: 1s
  rules:
  - {name: inputs drift, metric: drift.largest, above: 1}
  notify:
  - command: [sh, -c, "cat >> heard.jsonl"]
  - trigger: digits
"""
RETRAIN = """
retrain:
  signals: [{kind: drift, at_least: 1}]
  canary: true
  compare: false
"""


class DriftTest(unittest.TestCase):
    def test_Drift_BecomesAChampion(self):
        with cluster.Cluster() as muster:
            muster.digits_data()
            muster.start_server()
            file = muster.write("digits.yaml", cluster.DIGITS_SWEEP + RETRAIN)
            outcome = muster.muster("--json", "sweep", "submit", file, "--wait")
            self.assertEqual(outcome.json()["promotion"]["version"], 1, outcome)
            server = muster.start_model_server(
                "digits@champion", "--monitor", muster.write("monitor.yaml", MONITOR), "--challenger",
                "digits@challenger", "--canary", "50,100", "--step-time", "1", "--step-answers", "20")
            self.ask = self.asker(server)
            heard = muster.work / "heard.jsonl"
            cluster.wait_until(lambda: self.ask() and heard.exists() and heard.read_text().endswith("\n"), 60, "the alert",
                               every=0.01)
            heard = json.loads(heard.read_text().splitlines()[0])
            self.assertEqual([heard["model"], heard["version"], heard["alert"]["metric"]],
                             ["digits", "1", "drift.largest"])
            self.assertIn("inputs drift fired", heard["text"])
            cluster.wait_until(lambda: self.ask() == "2" and self.champion(muster) == 2, 120,
                               "the retrained version to be the champion", every=0.02,
                               describe=lambda: muster.log_tail() + muster.log_tail("serve"))
            # The first of them: the new version sees the same images, so another one is asked for, and held back.
            sweep = muster.ask("trigger", "log", "digits")["firings"][-1]["sweep"]
            story = cluster.wait_until(lambda: self.promoted(muster, sweep), 30, "the end of the story")
            for words in ("drift", "submitted", "challenger", "champion"):
                self.assertIn(words, story, story)
            server.terminate()
            self.assertEqual(server.wait(timeout=30), 0)

    def asker(self, server):
        """Asks once with an image like none before; answers the version that answered."""
        url = f"{server.url}/v2/models/digits"
        name = cluster.request(url)[1]["inputs"][0]["name"]
        body = {"inputs": [{"name": name, "shape": [1, 1, 8, 8], "datatype": "FP32", "data": [9.0] * 64}]}

        def ask():
            status, answer = cluster.request(f"{url}/infer", body)
            self.assertEqual(status, 200, answer)
            return answer["model_version"]
        return ask

    def promoted(self, muster, sweep):
        story = muster.muster("trigger", "explain", sweep).out
        return story if "promoted" in story else None

    def champion(self, muster):
        return next(v["version"] for v in muster.ask("model", "show", "digits")["versions"] if "champion" in v["aliases"])


if __name__ == "__main__":
    unittest.main()
