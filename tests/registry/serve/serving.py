"""What tests of the program `muster serve` share."""

import http.client
import json
import pathlib
import signal
import subprocess
import time

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

INFER = "/v2/models/fraud/infer"
GOOD = {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}]}
JSON = {"Content-Type": "application/json"}


def write_model(file, weights):
    """y = x W"""
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "W"], ["y"])], "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", len(weights)])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 1])],
        [numpy_helper.from_array(numpy.array(weights, numpy.float32).reshape(-1, 1), "W")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    file.parent.mkdir(parents=True)
    onnx.save(model, file)


class Server:
    """`muster serve` with these flags; its port goes to a file in `folder`."""

    def __init__(self, program, folder, *flags):
        self.port_file = folder / "port"
        self.process = subprocess.Popen([program, "serve", *flags, "--port", "0", "--port-file", str(self.port_file)],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while not self.port_file.exists():
            assert self.process.poll() is None and time.monotonic() < deadline, "muster serve does not start"
            time.sleep(0.005)
        self.port = int(self.port_file.read_text())
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def ask(self, path, headers, body, method="POST"):
        self.connection.request(method, path, body, headers)
        answer = self.connection.getresponse()
        return answer.status, answer.read()

    def resident_mib(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def check_good(self):
        status, body = self.ask(INFER, JSON, json.dumps(GOOD).encode())
        answer = json.loads(body)
        assert status == 200 and answer["model_version"] == "1" and answer["outputs"][0]["data"] == [5.0], answer

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=30) == 0, "a server that is told to stop ends with 0"
