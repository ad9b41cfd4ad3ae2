"""How a trial in plain Python speaks to muster: MUSTER_CONTROL (runtime/wire/trial_record.h)."""

import json
import os
import socket
import sys
import time


class Control:
    """`stopped` is called when muster wants the trial to end: by default it does, to be started again (75)."""

    def __init__(self, stopped=lambda: sys.exit(75)):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(os.environ["MUSTER_CONTROL"])
        self._answers = self._socket.makefile("r")
        self._stopped = stopped

    def send(self, **record):
        """Returns when the record is in the spool."""
        record["timestamp_ms"] = time.time_ns() // 1_000_000
        self._socket.sendall((json.dumps(record) + "\n").encode())
        while True:
            answer = json.loads(self._answers.readline())
            if answer.get("command") == "stop":
                self._stopped()
            if "ack" in answer:
                return
