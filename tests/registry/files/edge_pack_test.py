"""`muster model pack --for edge`: the example builds and runs from the directory alone, and answers as muster does.

usage: edge_pack_test.py MUSTER
"""

import csv
import hashlib
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

MUSTER = sys.argv[1]
CLEAN = {"PATH": "/usr/bin:/bin"}


def tensor(name, kind, *shape):
    return helper.make_tensor_value_info(name, kind, list(shape))


def save_model(folder, group=None):
    """(x, id) -> (x W + id, id), of floats and integers; `group` is what kActivationGroupKey says."""
    weights = numpy.random.default_rng(3).normal(size=(4, 3)).astype(numpy.float32)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["product"]),
             helper.make_node("Cast", ["id"], ["float"], to=TensorProto.FLOAT),
             helper.make_node("Add", ["product", "float"], ["y"]), helper.make_node("Neg", ["id"], ["minus"])]
    graph = helper.make_graph(nodes, "g", [tensor("x", TensorProto.FLOAT, "N", 4), tensor("id", TensorProto.INT64, "N", 1)],
                              [tensor("y", TensorProto.FLOAT, "N", 3), tensor("minus", TensorProto.INT64, "N", 1)],
                              [numpy_helper.from_array(weights, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    if group:
        helper.set_model_props(model, {"muster.activation_group": group})
    onnx.checker.check_model(model)
    folder.mkdir(parents=True)
    onnx.save(model, folder / "model.onnx")


class EdgePackTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="mst-edge-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.model = cls.folder / "small" / "7"
        save_model(cls.model)
        cls.pack = cls.folder / "pack"
        cls.summary = json.loads(cls.run_muster("model", "pack", cls.model, "--for", "edge", "--out", cls.pack).stdout)

    @classmethod
    def run_muster(cls, *words, home="home"):
        return subprocess.run([MUSTER, "--json", "--home", str(cls.folder / home), *map(str, words)],
                              capture_output=True, text=True)

    def muster(self, *words, code=0, **more):
        done = self.run_muster(*words, **more)
        self.assertEqual(done.returncode, code, f"{words}: {done.stdout}{done.stderr}")
        return done

    def verify(self, folder, code=0):
        return json.loads(self.muster("model", "verify", folder, "--public-key",
                                      self.folder / "home/keys/model-signing.pub", code=code).stdout)["findings"]

    def test_Manifest_IsOfWhatLiesThere(self):
        manifest = json.loads((self.pack / "manifest.json").read_text())
        self.assertEqual((manifest["format"], manifest["model"], manifest["version"], manifest["form"]),
                         (1, "small", 7, "full"))
        self.assertEqual([(i["name"], i["type"], i["shape"]) for i in manifest["inputs"]],
                         [("x", "FP32", [-1, 4]), ("id", "INT64", [-1, 1])])
        self.assertRegex(manifest["engine"]["name"], r"^OpenVINO \d")
        there = {str(path.relative_to(self.pack)): path.read_bytes() for path in self.pack.rglob("*") if path.is_file()}
        self.assertEqual({f["path"]: (f["bytes"], f["sha256"]) for f in manifest["files"]},
                         {name: (len(data), hashlib.sha256(data).hexdigest()) for name, data in there.items()
                          if name not in ("manifest.json", "model.sig")})
        self.assertEqual(self.summary["runtime_bytes"],
                         sum(len(data) for name, data in there.items() if name.startswith("lib/")))
        self.assertLess(self.summary["bytes"], 100e6)

    def test_Signature_SeesAnyChange(self):
        self.assertEqual(self.verify(self.pack), [])
        changed = self.folder / "changed"
        shutil.copytree(self.pack, changed)
        text = (changed / "manifest.json").read_text()
        (changed / "manifest.json").write_text(text.replace('"version":7', '"version":8'))
        self.assertIn("manifest.json", self.verify(changed, code=1)[0])

    def test_Out_ThatIsThere_IsNotTouched(self):
        self.assertIn("not an empty folder",
                      self.muster("model", "pack", self.model, "--out", self.pack, code=4).stderr)
        self.assertEqual(self.verify(self.pack), [])

    def test_ActivationGroup_IsTheModels(self):
        save_model(self.folder / "grouped", group="128")
        self.muster("model", "pack", self.folder / "grouped", "--out", self.folder / "grouped-pack")
        manifest = json.loads((self.folder / "grouped-pack/manifest.json").read_text())
        self.assertEqual(manifest["engine"]["options"]["DYNAMIC_QUANTIZATION_GROUP_SIZE"], "128")
        self.assertIn('"DYNAMIC_QUANTIZATION_GROUP_SIZE", "128"', (self.folder / "grouped-pack/predict.cpp").read_text())
        self.assertIn('"DYNAMIC_QUANTIZATION_GROUP_SIZE", "0"', (self.pack / "predict.cpp").read_text())

    def build(self):
        """A device: a copy of the directory elsewhere, with the program beside lib/."""
        device, build = self.folder / "device", self.folder / "build"
        shutil.copytree(self.pack, device)
        for words in (["cmake", "-S", device, "-B", build], ["cmake", "--build", build]):
            done = subprocess.run(words, env=CLEAN, capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        shutil.copy(build / "predict", device)
        shutil.rmtree(build)
        return device

    def test_Example_BuiltFromTheDirectoryAlone_AnswersAsMuster(self):
        rows = numpy.random.default_rng(5).normal(size=(50, 4)).astype(numpy.float32)
        lines = [",".join([*map(repr, map(float, row)), str(i)]) for i, row in enumerate(rows)]
        source = self.folder / "rows.csv"
        source.write_text("\n".join(["x[0],x[1],x[2],x[3],id", *lines]) + "\n")
        self.muster("predict", "--model", self.model, "--in", source, "--out", self.folder / "out.csv")
        with open(self.folder / "out.csv", newline="") as file:
            wanted = [[float(v) for k, v in row.items() if k[0] in "ym"] for row in csv.DictReader(file)]
        device = self.build()
        program = subprocess.Popen([device / "predict", device / "model.onnx"], env=CLEAN, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True)
        program.stdin.write(lines[0] + "\n")
        program.stdin.flush()
        first = program.stdout.readline()
        with open(f"/proc/{program.pid}/maps") as maps:
            libraries = {line.split()[-1] for line in maps if ".so" in line}
        rest, _ = program.communicate("\n".join(lines[1:]) + "\n", timeout=60)
        self.assertEqual(program.returncode, 0)
        numpy.testing.assert_allclose([[float(v) for v in line.split(",")] for line in (first + rest).splitlines()],
                                      wanted, rtol=1e-5, atol=1e-5)
        # All that it has loaded is the directory's, or the system's own.
        own = {name for name in libraries if name.startswith(str(device))}
        self.assertEqual({pathlib.Path(name).name for name in own},
                         {path.name for path in (device / "lib").iterdir()})
        self.assertEqual([name for name in libraries - own if not name.startswith(("/lib/", "/usr/lib/"))], [])
        wrong = subprocess.run([device / "predict", device / "model.onnx"], env=CLEAN, input="1,2,x\n", text=True,
                               capture_output=True)
        self.assertEqual((wrong.returncode, wrong.stderr), (1, "too few numbers, or no number, in: 1 2 x\n"))

    def test_Version_OfTheRegistry_IsPackedWithItsForm(self):
        port_file = self.folder / "port"
        server = subprocess.Popen([MUSTER, "--home", str(self.folder / "registry"), "server", "--port", "0", "--slots", "0",
                                   "--port-file", str(port_file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 30
            while not port_file.exists() and time.monotonic() < deadline:
                time.sleep(0.01)
            base = f"http://127.0.0.1:{port_file.read_text().strip()}/api/2.0/"

            def call(method, path, body):
                body = body if isinstance(body, bytes) else json.dumps(body).encode()
                request = urllib.request.Request(base + path, data=body, method=method,
                                                 headers={"Content-Type": "application/json"})
                with urllib.request.urlopen(request) as answer:
                    return json.loads(answer.read() or b"{}")

            run = call("POST", "mlflow/runs/create", {"experiment_id": "0"})["run"]["info"]
            root = run["artifact_uri"].removeprefix("mlflow-artifacts:/")
            call("PUT", f"mlflow-artifacts/artifacts/{root}/model/model.onnx", (self.model / "model.onnx").read_bytes())
            call("POST", "mlflow/registered-models/create", {"name": "small"})
            call("POST", "mlflow/model-versions/create",
                 {"name": "small", "source": run["artifact_uri"] + "/model", "run_id": run["run_id"],
                  "tags": [{"key": "form", "value": "static"}]})
            words = ("model", "pack", "small/1", "--out", self.folder / "of-registry")
            self.assertIn("there is no signing key", self.muster(*words, code=3, home="registry").stderr)
            self.muster(*words, "--key", self.folder / "home/keys/model-signing.pem", home="registry")
        finally:
            server.terminate()
            server.wait(30)
        manifest = json.loads((self.folder / "of-registry/manifest.json").read_text())
        self.assertEqual((manifest["model"], manifest["version"], manifest["form"]), ("small", 1, "static"))
        self.assertEqual(self.verify(self.folder / "of-registry"), [])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
