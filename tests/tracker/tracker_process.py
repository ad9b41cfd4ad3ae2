"""Starts and stops a tracker_server for a test."""

import os
import pathlib
import signal
import subprocess
import time


class Tracker:
    """A running tracker_server on `folder`; start() again opens what the last one left."""

    def __init__(self, program, folder, threads=2, artifact_root=""):
        self.program, self.folder, self.threads = program, pathlib.Path(folder), threads
        self.artifact_root = artifact_root
        self.process = None

    def start(self):
        port_file = self.folder / "port"
        port_file.unlink(missing_ok=True)
        self.process = subprocess.Popen(
            [self.program, str(self.folder), str(port_file), str(self.threads),
             self.artifact_root])
        deadline = time.monotonic() + 20
        while not port_file.exists():
            if self.process.poll() is not None:
                raise RuntimeError(f"tracker_server ended with {self.process.returncode}")
            if time.monotonic() > deadline:
                raise RuntimeError("tracker_server wrote no port within 20 s")
            time.sleep(0.005)
        self.url = "http://127.0.0.1:" + port_file.read_text()
        return self

    def stop(self, how=signal.SIGTERM):
        if self.process is None:
            return 0
        os.kill(self.process.pid, how)
        code = self.process.wait(timeout=20)
        self.process = None
        return code
