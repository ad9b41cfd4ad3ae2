"""A trial that shares no folder with the server: its checkpoints come and go over HTTP (runtime/server/checkpoint_routes.h).

    roamer.py STEPS SECONDS_A_STEP

It works in a folder that is this attempt's alone, and says to which step the one before had come.
"""

import hashlib
import json
import os
import pathlib
import sys
import time
import urllib.error
import urllib.request

from control import Control

steps, pause = int(sys.argv[1]), float(sys.argv[2])
api = os.environ["MLFLOW_TRACKING_URI"] + "/api/muster/v1/"
trial = os.environ["MUSTER_TRIAL"]
folder = pathlib.Path(os.environ["MUSTER_PARAMS"]).parent / "state"  # goes with the attempt
send = Control().send


def ask(method, path, data=None):
    """The body; a server that is away is asked again, an attempt that is over ends."""
    request = urllib.request.Request(api + path, data, method=method, headers={
        "Authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"], "Content-Type": "application/octet-stream"})
    while True:
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            if error.code not in (500, 503):
                sys.exit(f"{method} {path}: {error.code} {error.read().decode()}")
        except OSError:
            pass
        time.sleep(0.1)


def fetch():
    for file in json.loads(ask("GET", f"checkpoints/{trial}"))["files"]:
        path = folder / file["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        data = ask("GET", f"checkpoint-files/{trial}/{file['path']}")
        assert hashlib.sha256(data).hexdigest() == file["sha256"]
        path.write_bytes(data)


def publish():
    """Until the server has the bytes of this list, also when it has lost what was on its way."""
    files = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            files.append({"path": str(path.relative_to(folder)), "bytes": len(data),
                          "sha256": hashlib.sha256(data).hexdigest()})
            ask("PUT", "checkpoint-objects/" + files[-1]["sha256"], data)
    ask("POST", "checkpoints", json.dumps({"files": files}).encode())


folder.mkdir()
fetch()
begin = int((folder / "step").read_text()) if (folder / "step").exists() else 0
print("begins with", begin, flush=True)
if begin:
    assert (folder / "deep/weights").read_bytes() == bytes([begin % 256]) * 2_000_000
    send(type="resumed", step=begin)
for step in range(begin + 1, steps + 1):
    time.sleep(pause)
    (folder / "deep").mkdir(exist_ok=True)
    (folder / "deep/weights").write_bytes(bytes([step % 256]) * 2_000_000)  # beyond what is kept in memory
    (folder / "step").write_text(str(step))
    publish()
    send(type="checkpoint", step=step)
    send(type="metric", step=step, metrics={"score": step})
send(type="result", step=steps, metrics={"score": steps})
