"""A server that is asked: muster, or the real Triton of the wheel nvidia-pytriton with NVIDIA's own onnxruntime backend."""

import contextlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sysconfig
import time


POLL = 0.05  # seconds between two looks whether a server is ready
MOST = 60


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Running:
    """What answers HTTP on a port of this machine."""

    def __init__(self, port):
        self.port, self.url = port, f"127.0.0.1:{port}"

    def ask(self, method, path, body=None, headers=None):
        """(status, headers, body) of one request on a connection of its own; a body that is no bytes goes as JSON."""
        headers = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()


class Server(Running):
    """A program that does."""

    def __init__(self, command, port, log, ready, variables=None):
        super().__init__(port)
        self.log = pathlib.Path(log)
        with open(log, "wb") as file:
            self.process = subprocess.Popen(command, stdout=file, stderr=file, env={**os.environ, **(variables or {})})
        deadline = time.monotonic() + MOST
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.ask("GET", ready)[0] in (200, 400):
                    return
            if self.process.poll() is not None:
                break
            time.sleep(POLL)
        self.process.kill()
        self.process.wait()
        raise RuntimeError(f"{command[0]} does not start: {self.log.read_text()[-2000:]}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.code = self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def muster(program, log, *flags, variables=None):
    """With `variables` of a platform, in whose values {port} is the port, it gets no flag that says where it listens."""
    port = free_port()
    variables = {name: value.format(port=port) for name, value in (variables or {}).items()}
    given = [] if str(port) in variables.values() else ["--port", str(port)]
    return Server([program, "serve", "--host", "127.0.0.1", *given, *flags], port, log, "/v2/health/live", variables)


def triton(repository, backends, log, *flags, ready="/v2/health/live", variables=None):
    """Of .deps/triton; `backends` holds onnxruntime/libtriton_onnxruntime.so. {port} in flags and variables is the port."""
    environment = pathlib.Path(os.environ.get("MUSTER_DEPS") or pathlib.Path(__file__).parents[3] / ".deps") / "triton"
    (site,) = environment.glob("lib/python3*/site-packages")
    tree = site / "pytriton" / "tritonserver"
    folder = pathlib.Path(log).parent / "backends"
    if not folder.exists():
        shutil.copytree(pathlib.Path(backends) / "onnxruntime", folder / "onnxruntime")
    port = free_port()
    libraries = {"LD_LIBRARY_PATH": f"{sysconfig.get_config_var('LIBDIR')}:{site}/nvidia_pytriton.libs"}
    variables = {name: value.format(port=port) for name, value in (variables or {}).items()}
    return Server([str(tree / "bin" / "tritonserver"), f"--model-repository={repository}", f"--backend-directory={folder}",
                   "--allow-grpc=false", "--allow-metrics=false", "--exit-on-error=false", "--http-address=127.0.0.1",
                   f"--http-port={port}", *(flag.format(port=port) for flag in flags)],
                  port, log, ready, {**libraries, **variables})
