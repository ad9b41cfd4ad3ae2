"""A guarded alias, seen by MLflow's own client, by muster's command line and by a CI job over HTTP.

usage: guarded_client_test.py MUSTER
"""

import base64
import csv
import hashlib
import io
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
import urllib.error
import urllib.request

# Before MLflow is imported: no retries that hide errors, no calls home, no git.
os.environ.update(MLFLOW_HTTP_REQUEST_MAX_RETRIES="0", MLFLOW_DISABLE_TELEMETRY="true", DO_NOT_TRACK="true",
                  GIT_PYTHON_REFRESH="quiet")

import cryptography.hazmat.primitives.serialization as serialization  # noqa: E402
import mlflow  # noqa: E402
from mlflow import MlflowClient  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from kill_test import POLICY, Server  # noqa: E402

PROGRAM = None


class GuardedClientTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="muster_guarded_")
        self.server = Server(PROGRAM, self.folder.name)
        self.server.start()
        self.url = f"http://127.0.0.1:{self.server.port}"
        mlflow.set_tracking_uri(self.url)
        self.client = MlflowClient()
        self.client.create_registered_model("digits")
        for _ in range(2):
            self.client.create_model_version("digits", "s3://bucket/model")
        policy = pathlib.Path(self.folder.name) / "policy.yaml"
        policy.write_text(POLICY)
        self.server.muster("model", "policy", "digits", "--set", str(policy))
        self.tokens = {person: self.server.muster("model", "token", "add", person)["token"]
                       for person in ("ada", "grace", "eve")}

    def tearDown(self):
        self.server.stop(15)
        self.folder.cleanup()

    def command(self, person, *words):
        return subprocess.run([PROGRAM, "--home", self.folder.name, "--json", "model", *words], capture_output=True,
                              text=True, env={**os.environ, "MUSTER_TOKEN": self.tokens.get(person, "wrong")})

    def post(self, person, path, body):
        request = urllib.request.Request(f"{self.url}/api/muster/v1/models/digits/{path}", json.dumps(body).encode(),
                                         {"Authorization": "Bearer " + self.tokens.get(person, "wrong")})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def actions(self):
        return [entry["action"] for entry in self.server.muster("model", "audit", "digits")["entries"]]

    def test_StockClient_IsRefusedInWords_UntilApproved(self):
        with self.assertRaises(MlflowException) as caught:
            self.client.set_registered_model_alias("digits", "champion", "1")
        self.assertEqual(caught.exception.get_http_status_code(), 403)
        self.assertEqual(caught.exception.error_code, "PERMISSION_DENIED")
        self.assertIn("0 approvals given, wanted 2 of [leads], never the author", str(caught.exception))
        self.assertEqual(self.actions()[-1], "alias.refused")

        first = self.command("ada", "approve", "digits/1", "--reason", "fair")
        self.assertEqual(first.returncode, 0, first.stderr)
        self.assertEqual(len(json.loads(first.stdout)["unmet"]), 1)
        status, answer = self.post("grace", "versions/1/approve", {"reason": "by CI"})
        self.assertEqual((status, answer["unmet"]), (200, []))
        self.client.set_registered_model_alias("digits", "champion", "1")
        self.assertEqual(self.client.get_model_version_by_alias("digits", "champion").version, "1")
        with self.assertRaises(MlflowException):
            self.client.delete_registered_model_alias("digits", "champion")
        with self.assertRaises(MlflowException):
            self.client.delete_registered_model("digits")
        self.client.set_registered_model_alias("digits", "challenger", "2")

        served = self.server.muster("model", "history", "digits", "--at", "2100-01-01T00:00:00Z")
        self.assertEqual(served["version"], 1)
        self.assertEqual({a["person"]: a["reason"] for a in served["approvals"]}, {"ada": "fair", "grace": "by CI"})

    def test_WaitingPromotion_GoesOn_AndRollsBack(self):
        for version in (1, 2):
            refused = self.command("ada", "promote", "digits", "--version", str(version), "--when-approved")
            self.assertEqual(refused.returncode, 4, refused.stderr)
            self.assertIn("goes on with the last", refused.stderr)
            for person in ("ada", "grace"):
                said = self.command(person, "approve", f"digits/{version}")
            self.assertEqual(json.loads(said.stdout)["promoted"], ["champion"])
        self.assertEqual(self.server.muster("model", "rollback", "digits@champion", "--to", "1")["version"], 1)
        self.assertEqual(self.command("ada", "rollback", "digits@champion", "--to", "1").returncode, 2)
        self.assertEqual(self.actions()[-1], "alias.rollback")

    def test_StrangersAndWrongTokens_AreRefusedAndWrittenDown(self):
        for person, code, words in (("eve", 403, "in none of the groups"), ("nobody", 401, "the token is nobody's")):
            status, answer = self.post(person, "versions/1/approve", {})
            self.assertEqual(status, code)
            self.assertIn(words, answer["error"]["message"])
            self.assertEqual(self.actions()[-1], "approval.refused")
        self.assertEqual(self.post("ada", "versions/1/reject", {})[0], 400)
        self.assertEqual(self.post("ada", "versions/1/reject", {"reason": "biased"})[0], 200)

    def test_Audit_IsSignedWithAKeyThatOthersCanCheck(self):
        printed = subprocess.run([PROGRAM, "--home", self.folder.name, "model", "audit", "--public-key"],
                                 capture_output=True, check=True).stdout
        key = serialization.load_pem_public_key(printed)
        exported = subprocess.run([PROGRAM, "--home", self.folder.name, "model", "audit", "--export", "json"],
                                  capture_output=True, check=True).stdout
        entries = json.loads(exported)
        self.assertGreater(len(entries), 5)
        previous = ""
        for entry in entries:
            fields = {name: entry[name] for name in
                      ("action", "actor", "detail", "model", "previous_hash", "reason", "sequence", "time_ms", "version")}
            text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            self.assertEqual(hashlib.sha256(text.encode()).hexdigest(), entry["hash"], entry)
            self.assertEqual(entry["previous_hash"], previous)
            key.verify(base64.b64decode(entry["signature"]), entry["hash"].encode())
            previous = entry["hash"]
        table = subprocess.run([PROGRAM, "--home", self.folder.name, "model", "audit", "--export", "csv"],
                             capture_output=True, check=True).stdout.decode()
        listed = list(csv.DictReader(io.StringIO(table, newline="")))
        self.assertEqual([row["hash"] for row in listed], [entry["hash"] for entry in entries])
        key_file = pathlib.Path(self.folder.name) / "audit.pub"
        key_file.write_bytes(printed)
        report = self.server.muster("model", "audit", "--verify", "--db",
                                    str(pathlib.Path(self.folder.name) / "registry.db"), "--key", str(key_file),
                                    "--every-signature")
        self.assertEqual((report["ok"], report["signatures"]), (True, len(entries)))


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main()
