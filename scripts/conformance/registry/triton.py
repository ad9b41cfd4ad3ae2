"""Serves an exported model repository with NVIDIA's Triton, and asks it.

usage: triton.py REPOSITORY ENVIRONMENT FOLDER

ENVIRONMENT has nvidia-pytriton. Its Triton has no backend but Python's, so two things are shown: of the repository as
it is, that Triton reads config.pbtxt and misses its onnxruntime backend alone; with a model.py beside model.onnx and
the backend's name changed, that it serves the same directory and answers as ONNX Runtime does.
"""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import numpy as np
import onnxruntime

# The stub's embedded interpreter does not see the environment's packages.
MODEL_PY = '''
import json, os, sys
sys.path.insert(0, SITE)
import onnxruntime
import triton_python_backend_utils as pb


class TritonPythonModel:
    def initialize(self, args):
        file = os.path.join(args["model_repository"], args["model_version"], "model.onnx")
        self.session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
        config = json.loads(args["model_config"])
        self.inputs = [entry["name"] for entry in config["input"]]
        self.outputs = [entry["name"] for entry in config["output"]]

    def execute(self, requests):
        answers = []
        for request in requests:
            fed = {name: pb.get_input_tensor_by_name(request, name).as_numpy() for name in self.inputs}
            outputs = zip(self.outputs, self.session.run(self.outputs, fed))
            answers.append(pb.InferenceResponse([pb.Tensor(name, value) for name, value in outputs]))
        return answers
'''


class Triton:
    def __init__(self, repository, environment, folder, *flags):
        site = next((environment / "lib").glob("python3*/site-packages"))
        tree = site / "pytriton" / "tritonserver"
        version = site.parent.name.removeprefix("python")
        backends = folder / "backends"
        if not backends.exists():
            shutil.copytree(tree / "backends", backends)
            shutil.copy(tree / "python_backend_stubs" / version / "triton_python_backend_stub", backends / "python")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.log = folder / "triton.log"
        import sysconfig

        libraries = [sysconfig.get_config_var("LIBDIR"), str(site / "nvidia_pytriton.libs")]
        variables = {**os.environ, "LD_LIBRARY_PATH": ":".join(libraries)}
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [tree / "bin" / "tritonserver", f"--model-repository={repository}", f"--backend-directory={backends}",
                 "--http-address=127.0.0.1", f"--http-port={self.port}", "--allow-grpc=false", "--allow-metrics=false",
                 "--exit-on-error=false", "--model-control-mode=explicit", *flags],
                stdout=log, stderr=log, env=variables)

    def ask(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                text = answer.read()
                return answer.status, json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null")

    def __enter__(self):
        for _ in range(300):
            try:
                if self.ask("/v2/health/live")[0] == 200:
                    return self
            except OSError:
                pass
            assert self.process.poll() is None, self.log.read_text()[-500:]
            time.sleep(0.1)
        raise AssertionError("Triton does not answer: " + self.log.read_text()[-500:])

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def main():
    repository, environment, folder = map(pathlib.Path, sys.argv[1:])
    folder.mkdir()
    (name,) = (entry.name for entry in repository.iterdir())
    with Triton(repository, environment, folder) as triton:
        status, answer = triton.ask(f"/v2/repository/models/{name}/load", {})
        assert status != 200 and "onnxruntime" in str(answer) and "backend" in str(answer), answer
    as_it_is = answer["error"]

    model = repository / name
    config = model / "config.pbtxt"
    config.write_text(config.read_text().replace('backend: "onnxruntime"', 'backend: "python"'))
    (version,) = (entry for entry in model.iterdir() if entry.is_dir())
    site = next((environment / "lib").glob("python3*/site-packages"))
    (version / "model.py").write_text(MODEL_PY.replace("SITE", repr(str(site))))
    session = onnxruntime.InferenceSession(str(version / "model.onnx"), providers=["CPUExecutionProvider"])
    (tensor,) = session.get_inputs()
    with Triton(repository, environment, folder) as triton:
        status, answer = triton.ask(f"/v2/repository/models/{name}/load", {})
        assert status == 200, (answer, triton.log.read_text()[-800:])
        metadata = triton.ask(f"/v2/models/{name}")[1]
        worst = 0.0
        for batch in (1, 3, 64):
            values = np.random.default_rng(batch).random((batch, *tensor.shape[1:]), dtype=np.float32)
            status, answer = triton.ask(f"/v2/models/{name}/versions/{version.name}/infer", {"inputs": [
                {"name": tensor.name, "shape": list(values.shape), "datatype": "FP32", "data": values.ravel().tolist()}]})
            assert status == 200, answer
            wanted = session.run(None, {tensor.name: values})[0]
            got = np.array(answer["outputs"][0]["data"], np.float32).reshape(answer["outputs"][0]["shape"])
            worst = max(worst, float(np.abs(got - wanted).max()))
        assert worst <= 1e-5, worst
    shapes = {entry["name"]: entry["shape"] for entry in (*metadata["inputs"], *metadata["outputs"])}
    print(f"as it is: {as_it_is}")
    print(f"reads the layout and {shapes}; by model.py within {worst:.1e}; its wheel has no onnxruntime backend")


main()
