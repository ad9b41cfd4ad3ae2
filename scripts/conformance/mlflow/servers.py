"""Starts MLflow's own server and muster's, each on a folder of its own, and speaks to them."""

import http.client
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "tracker"))

from tracker_process import Tracker  # noqa: E402,F401  (muster's server)

PYTHON = pathlib.Path(os.environ.get("MUSTER_DEPS", ROOT / ".deps")) / "mlflow" / "bin" / "python"


class Mlflow:
    """The real server, one worker (with more, each keep-alive POST waits 40 ms for Nagle)."""

    def __init__(self, folder, port):
        self.folder, self.port = pathlib.Path(folder), port
        self.url = f"http://127.0.0.1:{port}"

    def start(self):
        command = [PYTHON, "-m", "mlflow", "server", "--workers", "1", "--host", "127.0.0.1",
                   "--port", str(self.port), "--backend-store-uri", f"sqlite:///{self.folder}/mlflow.db",
                   "--artifacts-destination", str(self.folder / "artifacts")]
        environment = dict(os.environ, MLFLOW_DISABLE_TELEMETRY="true",
                           MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false")
        with open(self.folder / "mlflow.log", "w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment,
                                            start_new_session=True)
        deadline = time.monotonic() + 120
        while True:
            try:
                if Client(self.url).send("GET", "/health")[0] == 200:
                    return self
            except OSError:
                pass
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("MLflow's server did not start; see " + log.name)
            time.sleep(0.2)

    def stop(self):
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Client:
    """One keep-alive connection. Answers (status, JSON or text)."""

    def __init__(self, url):
        self.url = url
        self.connection = None

    def send(self, method, target, body=None, headers=None):
        """`body`: bytes as they are, None for none, anything else as JSON."""
        headers = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        for attempt in (1, 2):
            if self.connection is None:
                host = urllib.parse.urlsplit(self.url).netloc
                self.connection = http.client.HTTPConnection(host, timeout=120)
            try:
                self.connection.request(method, target, body, headers)
                answer = self.connection.getresponse()
                text = answer.read().decode("utf-8", "replace")
                break
            except (http.client.HTTPException, ConnectionError):
                # A keep-alive connection that the server closed meanwhile.
                self.connection = None
                if attempt == 2:
                    raise
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, text
