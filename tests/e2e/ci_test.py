"""Retraining from a CI job, by signals, signed web hooks and new data; and the files that jobs are copied from."""

import hashlib
import hmac
import json
import pathlib
import re
import subprocess
import time
import unittest
import urllib.error
import urllib.request
import xml.etree.ElementTree

import cluster

SOURCE = pathlib.Path(__file__).parents[2]
COMMAND_SWEEP = """
name: quick
trial: {command: ["true"]}
data: {train: watched.h5}
budget: {trials: 1}
sampler: random
retrain:
  data: [train]
  signals: [{kind: drift, at_least: 0.2}]
  webhook: {events: [push], ref: refs/heads/main}
"""
FAILING_SWEEP = """
name: failing
trial: {command: ["false"]}
budget: {trials: 1}
sampler: random
"""


class CiTest(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.cluster = cluster.Cluster()
        cls.addClassCleanup(cls.cluster.close)
        cls.cluster.start_server()
        cls.junit, cls.markdown = cls.cluster.work / "retrain.xml", cls.cluster.work / "retrain.md"

    def retrain(self, *arguments):
        for report in (self.junit, self.markdown):
            report.unlink(missing_ok=True)
        return self.cluster.muster("ci", "retrain", *arguments, "--wait", "--junit", self.junit,
                                   "--markdown", self.markdown, timeout=240)

    def cases(self):
        """The JUnit file: a case's name and what is wrong with it, "" for nothing."""
        suite = xml.etree.ElementTree.parse(self.junit).getroot().find("testsuite")
        cases = {case.get("name"): "".join(f"{child.tag}: {child.get('message')}" for child in case)
                 for case in suite.iter("testcase")}
        self.assertEqual(int(suite.get("tests")), len(cases))
        return cases

    def explain(self, sweep):
        return self.cluster.ask("trigger", "explain", sweep)

    def test_Model_IsPromotedGatedAndWaits(self):
        self.cluster.digits_data()
        file = self.cluster.write("digits.yaml", cluster.DIGITS_SWEEP)
        first = self.retrain(file, "--reason", "the first")
        self.assertEqual(first.code, 0, f"{first}\n{self.cluster.log_tail()}")
        self.assertRegex(first.out, r"^digits-\d{8}T\d{6}Z: promoted; version 1 is now @champion\n$")
        self.assertEqual(self.cases(), {"sweep": "", "parity": "", "better than champion on test/accuracy": ""})
        self.assertIn("| parity | passed |", self.markdown.read_text())

        # The trigger is there by now. This one begins with the champion, and no gate can be passed.
        gates = ["--set", "model.gates=[parity, {metric: test/accuracy, at_least: 1}]"]
        gated = self.retrain(file, *gates)
        self.assertEqual(gated.code, 1, gated)
        self.assertIn("gated; refused by test/accuracy >= 1", gated.out)
        self.assertRegex(self.cases()["test/accuracy >= 1"], "^failure: seen 0[.]")
        self.assertEqual(self.cases()["parity"], "")
        sweep = gated.out.split(":")[0]
        story = self.explain(sweep)
        self.assertEqual([step["what"] for step in story["steps"]][:5], ["signal", "guard", "plan", "plan", "submit"])
        self.assertIn("begins with its parameters and the trials of its sweep", [s["decided"] for s in story["steps"]])
        spec = self.cluster.sweep(sweep)["spec"]
        self.assertEqual([start["sweep"] for start in spec["warm_start"]], [first.out.split(":")[0]])
        trial = self.cluster.trials(sweep)[0]
        self.assertAlmostEqual(spec["enqueue"][0]["lr"], trial["params"]["lr"])
        self.assertEqual(trial["by"], "enqueued")

        # By margin alone, so that the champion's own parameters pass; a person is asked.
        loose = "model.gates=[{better_than: champion, metric: test/accuracy, margin: 0.5}]"
        waits = self.retrain(file, "--set", loose, "--set", "model.approvals=1")
        self.assertEqual(waits.code, 1, waits)
        self.assertRegex(self.cases()["approvals"], "^failure: .*approval")
        held = self.retrain("digits")
        self.assertEqual(held.code, 4, held)
        self.assertRegex(self.cases()["guards"], "^failure: in_flight: digits-.* is waiting")
        token = self.cluster.ask("model", "token", "add", "ada")["token"]
        status, _ = self.cluster.http("/api/muster/v1/models/digits/versions/2/approve", {"reason": "fine"}, token)
        self.assertEqual(status, 200)
        sweep = waits.out.split(":")[0]
        story = cluster.wait_until(lambda: (lambda s: s if s["outcome"] else None)(self.explain(sweep)), 20, "its end")
        self.assertEqual((story["outcome"], story["version"]), ("promoted", 2))
        text = self.cluster.muster("trigger", "explain", sweep).out
        self.assertRegex(text, r"approval: ada at \S+Z -> approved \(fine\)\n.*end: version 2 -> promoted")

    def test_Sweeps_ThatFailOrAreNotThere(self):
        failed = self.retrain(self.cluster.write("failing.yaml", FAILING_SWEEP))
        self.assertEqual(failed.code, 6, failed)
        self.assertRegex(self.cases()["sweep"], "^error: ")
        self.assertEqual(self.retrain("nobody").code, 3)
        self.assertEqual(self.retrain(self.cluster.write("broken.yaml", "name: [")).code, 2)

    def test_AKilledServer_GoesOnWithItsRetrainings(self):
        file = self.cluster.write("slow.yaml", FAILING_SWEEP.replace("failing", "slow").replace('"false"', '"sleep", "1"'))
        self.cluster.ask("trigger", "add", "slow", file)
        for pause in (0, 0.2, 0.9):
            sweep = self.cluster.ask("trigger", "fire", "slow", "--reason", f"killed after {pause} s")["sweep"]
            time.sleep(pause)
            self.cluster.kill_server()
            self.cluster.start_server()
            story = cluster.wait_until(lambda: (lambda s: s if s["outcome"] else None)(self.explain(sweep)), 60, "its end")
            self.assertEqual([(step["what"], step["decided"]) for step in story["steps"]],
                             [("signal", "asked for a retraining"), ("guard", "passed"), ("submit", "submitted"),
                              ("sweep", "complete"), ("end", "done")], pause)

    def webhook(self, url, secret, delivery, body, event="push"):
        signature = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        return post(url, body, {"X-GitHub-Event": event, "X-GitHub-Delivery": delivery,
                                           "X-Hub-Signature-256": signature})

    def test_SignalsWebhooksAndData_Fire(self):
        watched = self.cluster.work / "watched.h5"
        watched.write_bytes(b"first")  # nobody reads it as HDF5
        added = self.cluster.ask("trigger", "add", "quick", self.cluster.write("quick.yaml", COMMAND_SWEEP))
        self.assertEqual(added["data"], ["train"])
        base = "/api/muster/v1/triggers/quick/"

        def newest(kind):
            firings = self.cluster.ask("trigger", "log", "quick")["firings"]
            done = [f for f in firings if f["kind"] == kind and f["outcome"]]
            return done[0] if done else None

        status, answer = self.cluster.http(base + "signal", {"kind": "drift", "value": 0.1})
        self.assertEqual((status, answer["fired"]), (200, False))
        status, answer = self.cluster.http(base + "signal", {"kind": "drift", "value": 0.3, "detail": "feature age"})
        self.assertEqual((status, answer["fired"], answer["firing"]["state"]), (200, True, "submitted"))
        self.assertEqual(cluster.wait_until(lambda: newest("drift"), 20, "its end")["outcome"], "done")

        body = json.dumps({"ref": "refs/heads/main", "after": "1234567890abcdef"}).encode()
        url = self.cluster.url + base + "webhook"
        self.assertEqual(self.webhook(url, "guess", "d-1", body)[0], 401)
        self.assertEqual(self.webhook(url, added["webhook_secret"], "d-0", b"{}", "ping")[1]["fired"], False)
        self.assertEqual(self.webhook(url, added["webhook_secret"], "d-1", body)[1]["fired"], True)
        self.assertEqual(self.webhook(url, added["webhook_secret"], "d-2", body)[0], 409)
        self.assertEqual(cluster.wait_until(lambda: newest("webhook"), 20, "its end")["why"],
                         "push to refs/heads/main at 1234567890ab")

        def seen():
            listed = self.cluster.ask("trigger", "ls")["triggers"]
            return next(trigger["data_seen"].get("train") for trigger in listed if trigger["name"] == "quick")

        digests = [hashlib.sha256(bytes).hexdigest() for bytes in (b"first", b"second")]
        cluster.wait_until(lambda: seen() == digests[0], 20, "the data's first digest", every=0.5)
        watched.write_bytes(b"second")
        fired = cluster.wait_until(lambda: newest("data"), 20, "new data", every=0.5)
        self.assertEqual(fired["why"], f"train is {digests[1][:12]}, was {digests[0][:12]}")

    def test_Files_AreWhatTheirRunnersRead(self):
        github, gitlab = SOURCE / "scripts/ci/github-actions.yml", SOURCE / "scripts/ci/gitlab-ci.yml"
        known = set(re.findall(r"--[a-z]+", self.cluster.muster("ci", "retrain", "--help").out))
        for file in (github, gitlab):
            text = "\n".join(line for line in file.read_text().splitlines() if not line.startswith("#"))
            command = re.search(r"muster ci retrain .*(\n .*--.*)*", text).group()
            used = set(re.findall(r"(?<= )--[a-z]+", command))
            self.assertLessEqual({"--wait", "--junit", "--markdown"}, used, file)
            self.assertLessEqual(used, known, file)
        if not has_schemas():
            self.skipTest("check-jsonschema is not installed; scripts/setup --test does")
        for schema, file in (("vendor.github-workflows", github), ("vendor.gitlab-ci", gitlab)):
            checked = subprocess.run([cluster.PYTHON, "-m", "check_jsonschema", "--builtin-schema", schema,
                                      *(["--data-transform", "gitlab-ci"] if "gitlab" in schema else []), file],
                                     capture_output=True, text=True)
            self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)


def has_schemas():
    return subprocess.run([cluster.PYTHON, "-c", "import check_jsonschema"], capture_output=True).returncode == 0


def post(url, body, headers):
    asked = urllib.request.Request(url, body, {"Content-Type": "application/json", **headers})
    try:
        with urllib.request.urlopen(asked, timeout=20) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


if __name__ == "__main__":
    unittest.main()
