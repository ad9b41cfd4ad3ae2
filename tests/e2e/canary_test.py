"""Challengers under load: one that is good takes the champion's alias step by step, one that is slow loses its own."""

import json
import unittest

import cluster
from alias_test import Load


class CanaryTest(unittest.TestCase):
    def test_Challengers_UnderLoad(self):
        with cluster.Cluster() as muster:
            muster.digits_data()
            muster.start_server()
            file = muster.write("digits.yaml", cluster.DIGITS_SWEEP)
            for seed in (1, 2):
                outcome = muster.muster("--json", "sweep", "submit", file, "--set", f"seed={seed}", "--wait")
                self.assertEqual(outcome.json()["promotion"]["version"], seed, outcome)
            self.alias(muster, "champion", 1)
            self.good(muster)
            self.slow(muster)

    def good(self, muster):
        server = self.serve(muster, "--canary", "10,50,100")
        load = Load(f"{server.url}/v2/models/digits/infer")
        with load:
            cluster.wait_until(lambda: load.answered > 50, 30, "answers", describe=lambda: load.failures)
            self.assertEqual(load.versions, {"1"}, "there is no challenger yet")
            self.alias(muster, "challenger", 2)
            cluster.wait_until(lambda: self.champion(muster) == 2, 60, "version 2 to take over",
                               describe=lambda: self.rollout(server))
            cluster.wait_until(lambda: self.rollout(server)["running"] is None, 30, "the end of the rollout")
            before = load.answered
            cluster.wait_until(lambda: load.answered > before + 50, 30, "answers of the new champion")
        self.assertEqual(load.failures, [])
        self.assertEqual(load.newest, "2")
        past = self.rollout(server)["past"][-1]
        self.assertEqual([past["state"], [d["share"] for d in past["decisions"]]], ["done", [0.1, 0.5, 1.0]], past)
        entry = muster.ask("model", "history", "digits")["history"][0]
        self.assertIn("nothing speaks against it", json.dumps(entry))
        self.stop(server)

    def slow(self, muster):
        """Everything is slow by this bound; that the champion is, too, is not asked."""
        self.alias(muster, "challenger", 1)
        server = self.serve(muster, "--canary", "50,100", "--slow-ms", "0.0001", "--step-answers", "100000")
        load = Load(f"{server.url}/v2/models/digits/infer")
        with load:
            cluster.wait_until(lambda: self.rollout(server)["past"], 60, "the challenger to be rolled back",
                               describe=lambda: self.rollout(server))
            before = load.answered
            cluster.wait_until(lambda: load.answered > before + 50, 30, "answers afterwards")
        self.assertEqual(load.failures, [])
        self.assertEqual(load.newest, "2")
        self.assertEqual(self.champion(muster), 2)
        past = self.rollout(server)["past"][-1]
        self.assertEqual(past["state"], "rolled_back")
        self.assertIn("slower than", past["decisions"][-1]["reason"])
        entry = muster.ask("model", "history", "digits")["history"][0]
        self.assertEqual(entry["alias"], "challenger")
        self.assertIn("version 1 is rolled back: slower than", json.dumps(entry))
        self.stop(server)

    def alias(self, muster, name, version):
        muster.ask("model", "alias", "digits", "--alias", name, "--version", version)

    def champion(self, muster):
        return next(v["version"] for v in muster.ask("model", "show", "digits")["versions"] if "champion" in v["aliases"])

    def serve(self, muster, *flags):
        return muster.start_model_server("digits@champion", "--challenger", "digits@challenger", "--step-time", "1",
                                         *(() if "--step-answers" in flags else ("--step-answers", "30")), *flags)

    def rollout(self, server):
        return cluster.request(f"{server.url}/v2/models/digits/rollout")[1]

    def stop(self, server):
        server.terminate()
        self.assertEqual(server.wait(timeout=30), 0)


if __name__ == "__main__":
    unittest.main()
