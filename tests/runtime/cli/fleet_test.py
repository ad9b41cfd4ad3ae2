"""Fleets, end to end: published by percent, pulled by devices that check everything themselves.

usage: fleet_test.py MUSTER

What a device has to do is done here a second time, with Python's hashlib and cryptography.
"""

import base64
import hashlib
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

MUSTER = sys.argv[1]
FLEET = "/api/muster/v1/fleet/small"


class FleetTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mst-fleet-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.home = self.folder / "home"
        (self.home / "keys").mkdir(parents=True)
        # The server makes one at its first promotion, of which there is none here.
        key = ec.generate_private_key(ec.SECP256R1())
        self.key = key.public_key()
        self.public = self.home / "keys/model-signing.pub"
        (self.home / "keys/model-signing.pem").write_bytes(key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        self.public.write_bytes(self.key.public_bytes(serialization.Encoding.PEM,
                                                      serialization.PublicFormat.SubjectPublicKeyInfo))
        port_file = self.folder / "port"
        self.server = subprocess.Popen([MUSTER, "--home", str(self.home), "server", "--port", "0", "--slots", "0",
                                        "--port-file", str(port_file)], stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
        self.addCleanup(self.server.wait, 30)
        self.addCleanup(self.server.terminate)
        deadline = time.monotonic() + 30
        while not port_file.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        self.base = f"http://127.0.0.1:{port_file.read_text().strip()}"
        self.call("POST", "/api/2.0/mlflow/registered-models/create", {"name": "small"})
        for number in (1, 2, 3):
            run = self.call("POST", "/api/2.0/mlflow/runs/create", {"experiment_id": "0"})["run"]["info"]
            root = run["artifact_uri"].removeprefix("mlflow-artifacts:/")
            for name, text in (("model.onnx", f"model {number}"), ("notes/a b.txt", f"notes {number}")):
                self.call("PUT", f"/api/2.0/mlflow-artifacts/artifacts/{root}/model/{name.replace(' ', '%20')}",
                          text.encode())
            self.call("POST", "/api/2.0/mlflow/model-versions/create",
                      {"name": "small", "source": run["artifact_uri"] + "/model", "run_id": run["run_id"]})

    def call(self, method, path, body):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data=body, method=method,
                                         headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read() or b"{}")

    def muster(self, *words, code=0):
        done = subprocess.run([MUSTER, "--json", "--home", str(self.home), *map(str, words)], capture_output=True,
                              text=True)
        self.assertEqual(done.returncode, code, f"{words}: {done.stdout}{done.stderr}")
        return json.loads(done.stdout) if code == 0 else json.loads(done.stderr)["error"]["message"]

    def publish(self, version, percent, code=0):
        return self.muster("fleet", "publish", f"small/{version}", "--percent", percent, "--reason", "a test", code=code)

    def pull(self, device, code=0):
        return self.muster("fleet", "pull", self.base + FLEET, "--device", device, "--dir", self.folder / device,
                           "--public-key", self.public, code=code)

    def current(self, device):
        return (self.folder / device / "current/model.onnx").read_text()

    def get(self, etag=None):
        request = urllib.request.Request(self.base + FLEET, headers={"If-None-Match": etag} if etag else {})
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, answer.headers["ETag"], answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers["ETag"], error.read()

    def manifest(self):
        """As any device reads it: the signature by `cryptography`, DSSE's bytes by hand."""
        envelope = json.loads(self.get()[2])
        payload = base64.b64decode(envelope["payload"], validate=True)
        signed = f"DSSEv1 {len(envelope['payloadType'])} {envelope['payloadType']} {len(payload)} ".encode() + payload
        self.key.verify(base64.b64decode(envelope["signatures"][0]["sig"]), signed, ec.ECDSA(hashes.SHA256()))
        return json.loads(payload)

    def expected(self, device):
        manifest = self.manifest()
        point = int(hashlib.sha256(f"{manifest['salt']}\n{device}".encode()).hexdigest()[:13], 16) / 2**52
        return next(v["version"] for v in manifest["versions"] if 100 * point < v["percent"])

    def test_Rollout_ByPercent_DevicesTakeTheirs(self):
        self.assertIn("nothing of small is published", self.pull("d0", code=3))
        self.publish(1, 100)
        devices = [f"d{i}" for i in range(8)]
        for device in devices:
            self.assertEqual(self.pull(device)["did"], "swapped")
            self.assertEqual(self.current(device), "model 1")
        self.assertEqual((self.folder / "d0/current/notes/a b.txt").read_text(), "notes 1")
        self.assertEqual(self.pull("d0")["did"], "unchanged")
        status, etag, _ = self.get()
        self.assertEqual((status, self.get(etag)[0], self.get('"other"')[0]), (200, 304, 200))
        for percent in (30, 60):
            self.publish(2, percent)
            for device in devices:
                self.pull(device)
                self.assertEqual(self.current(device), f"model {self.expected(device)}")
        took = {device for device in devices if self.current(device) == "model 2"}
        self.assertTrue(0 < len(took) < len(devices), took)  # of these ids, whatever the day
        self.assertEqual(self.publish(2, 100)["versions"], [{"version": 2, "percent": 100}])
        self.assertTrue(all(self.pull(d)["version"] == 2 for d in devices))
        # The version before is still there, an older one is not.
        self.publish(3, 100)
        self.pull("d0")
        self.assertEqual(sorted(p.name for p in (self.folder / "d0/versions").iterdir()), ["2", "3"])
        entries = self.muster("model", "audit", "small")["entries"]
        told = [e for e in entries if e["action"] == "tag.set" and "muster.fleet" in json.dumps(e)]
        self.assertEqual((len(told), {e["reason"] for e in told}), (5, {"a test"}))

    def test_Device_TrustsNothingButTheKey(self):
        self.publish(1, 100)
        self.pull("d0")
        old = self.get()[2].decode()
        self.publish(2, 100)
        self.pull("d0")
        tag = lambda value: self.call("POST", "/api/2.0/mlflow/registered-models/set-tag",
                                      {"name": "small", "key": "muster.fleet", "value": value})
        tag(old)  # whoever may write tags sends yesterday's manifest
        self.assertIn("manifest 1 is older than 2", self.pull("d0", code=1))
        envelope = json.loads(old)
        payload = json.loads(base64.b64decode(envelope["payload"]))
        payload["sequence"] = 9
        envelope["payload"] = base64.b64encode(json.dumps(payload).encode()).decode()
        tag(json.dumps(envelope))
        self.pull("d0", code=1)
        self.assertEqual(self.current("d0"), "model 2")
        for body, status in (({"envelope": json.dumps(envelope)}, 400), ({"envelope": "{}"}, 400), ({}, 400)):
            with self.assertRaises(urllib.error.HTTPError) as refused:
                self.call("POST", FLEET, body)
            self.assertEqual(refused.exception.code, status)
            refused.exception.close()

    def test_File_ThatIsNotAsPublished_IsNotTaken(self):
        self.publish(1, 100)
        self.pull("d0")
        self.publish(2, 100)
        url = next(f["url"] for f in self.manifest()["versions"][0]["files"] if f["path"] == "model.onnx")
        self.call("PUT", url, b"model X")
        self.assertIn("model.onnx is not what the manifest says", self.pull("d0", code=1))
        self.assertEqual(self.current("d0"), "model 1")
        self.call("PUT", url, b"model 2")
        self.assertEqual(self.pull("d0")["version"], 2)
        self.assertIn("nothing would be left", self.publish(2, 0, code=2))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
