"""Serves a model repository with NVIDIA's Triton, as it is, and asks it.

usage: triton.py serve|vertex REPOSITORY FOLDER [BACKENDS]

To run with an environment that has nvidia-pytriton. FOLDER is new, for what Triton needs and logs. The Triton of that
wheel has no backend but Python's: "serve" shows that it misses onnxruntime's alone, then that it serves the repository,
of which no byte is changed, with a backend of that name over ONNX Runtime (BACKEND), answers as ONNX Runtime does, and
takes a version that appears by one rename while it polls. "vertex" asks over the routes of Vertex AI. BACKENDS is a
folder that holds onnxruntime/libtriton_onnxruntime.so, NVIDIA's own, to use in place of BACKEND.
"""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.error
import urllib.request

import numpy as np
import onnxruntime

SITE = pathlib.Path(sysconfig.get_path("purelib"))
TREE = SITE / "pytriton" / "tritonserver"

# The stub's embedded interpreter does not see the environment's packages.
BACKEND = f'''
import json, os, sys
sys.path.insert(0, {str(SITE)!r})
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
            fed = {{name: pb.get_input_tensor_by_name(request, name).as_numpy() for name in self.inputs}}
            outputs = zip(self.outputs, self.session.run(self.outputs, fed))
            answers.append(pb.InferenceResponse([pb.Tensor(name, value) for name, value in outputs]))
        return answers
'''


def make_backends(folder, theirs):
    """Folders of backends: Python's alone, and with onnxruntime's beside it."""
    alone, both = folder / "python-alone", folder / "backends"
    shutil.copytree(TREE / "backends", alone)
    version = sysconfig.get_python_version()
    shutil.copy(TREE / "python_backend_stubs" / version / "triton_python_backend_stub", alone / "python")
    shutil.copytree(alone, both)
    if theirs:
        shutil.copytree(pathlib.Path(theirs) / "onnxruntime", both / "onnxruntime")
    else:
        (both / "onnxruntime").mkdir()
        (both / "onnxruntime" / "model.py").write_text(BACKEND)
    return alone, both


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Triton:
    """A server of `repository`. With `vertex`, its only routes are Vertex AI's."""

    def __init__(self, repository, backends, log, *flags, vertex=False):
        self.port, self.log = free_port(), log
        self.live = "/health" if vertex else "/v2/health/live"
        routes = [f"--http-address=127.0.0.1", f"--http-port={self.port}"]
        variables = {**os.environ, "LD_LIBRARY_PATH": f"{sysconfig.get_config_var('LIBDIR')}:{SITE}/nvidia_pytriton.libs"}
        if vertex:
            routes = ["--allow-http=false"]
            variables |= {"AIP_MODE": "PREDICTION", "AIP_HTTP_PORT": str(self.port), "AIP_HEALTH_ROUTE": "/health",
                          "AIP_PREDICT_ROUTE": "/predict"}
        with open(log, "wb") as file:
            self.process = subprocess.Popen(
                [TREE / "bin" / "tritonserver", f"--model-repository={repository}", f"--backend-directory={backends}",
                 "--allow-grpc=false", "--allow-metrics=false", "--exit-on-error=false",
                 "--disable-auto-complete-config", *routes, *flags], stdout=file, stderr=file, env=variables)

    def ask(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                text = answer.read()
                return answer.status, json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null")

    def wait(self, path, wanted):
        for _ in range(300):
            try:
                if self.ask(path)[0] in wanted:
                    return
            except OSError:
                pass
            assert self.process.poll() is None, self.words()
            time.sleep(0.1)
        raise AssertionError(f"{path} is not ready: {self.words()}")

    def words(self):
        """What its log says is wrong."""
        lines = self.log.read_text().splitlines()
        wrong = [line for line in lines if line.startswith("E") or "error:" in line or "UNAVAILABLE" in line]
        return " ".join(wrong[-1:] or lines[-1:])[:600]

    def __enter__(self):
        # Of Vertex AI, health is readiness: 400 while a model does not load.
        self.wait(self.live, (200, 400))
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def largest_difference(file, ask):
    """Between what `ask` answers to a request of the Open Inference Protocol and ONNX Runtime, on random rows."""
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    (tensor,) = session.get_inputs()
    worst = 0.0
    for batch in (1, 3, 64):
        values = np.random.default_rng(batch).random((batch, *tensor.shape[1:]), dtype=np.float32)
        status, answer = ask({"inputs": [{"name": tensor.name, "shape": list(values.shape), "datatype": "FP32",
                                          "data": values.ravel().tolist()}]})
        assert status == 200, answer
        (got,) = answer["outputs"]
        wanted = session.run(None, {tensor.name: values})[0]
        worst = max(worst, float(np.abs(np.array(got["data"], np.float32).reshape(got["shape"]) - wanted).max()))
    assert worst <= 1e-5, worst
    return f"batches of 1, 3 and 64 within {worst:.1e} of ONNX Runtime"


def serve(repository, name, version, alone, both, folder):
    model = f"/v2/models/{name}"
    with Triton(repository, alone, folder / "alone.log", "--model-control-mode=explicit") as triton:
        status, answer = triton.ask(f"/v2/repository/models/{name}/load", {})
        assert status != 200, answer
        assert "unable to find backend library for backend 'onnxruntime'" in str(answer), answer
    with Triton(repository, both, folder / "triton.log", "--model-control-mode=poll", "--repository-poll-secs=1") as triton:
        status, metadata = triton.ask(model)
        assert status == 200, triton.words()
        seen = largest_difference(repository / name / version / "model.onnx",
                                  lambda body: triton.ask(f"{model}/versions/{version}/infer", body))
        # As muster publishes the next one.
        shutil.copytree(repository / name / version, folder / "next")
        (folder / "next").rename(repository / name / "2")
        triton.wait(f"{model}/versions/2/ready", (200,))
        assert triton.ask(f"{model}/versions/{version}/ready")[0] == 200
    shapes = {entry["name"]: entry["shape"] for entry in (*metadata["inputs"], *metadata["outputs"])}
    return f"{metadata['platform']} {shapes}, {seen}; polls and takes version 2"


def vertex(repository, name, version, _, both, folder):
    with Triton(repository, both, folder / "triton.log", f"--vertex-ai-default-model={name}", vertex=True) as triton:
        assert triton.ask("/health")[0] == 200, triton.words()
        return "AIP_PREDICT_ROUTE: " + largest_difference(repository / name / version / "model.onnx",
                                                          lambda body: triton.ask("/predict", body))


def main():
    how, repository, folder = {"serve": serve, "vertex": vertex}[sys.argv[1]], *map(pathlib.Path, sys.argv[2:4])
    folder.mkdir()
    alone, both = make_backends(folder, *sys.argv[4:] or [None])
    (name,) = (entry.name for entry in repository.iterdir())
    (version,) = (entry.name for entry in (repository / name).iterdir() if entry.is_dir())
    print(how(repository, name, version, alone, both, folder))


main()
