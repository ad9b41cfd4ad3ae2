"""A trial that leaves a history: who ran, when, as part of which attempt.

    trial.py HISTORY STEPS SECONDS_A_STEP

Every rank appends whole lines (O_APPEND) of JSON to HISTORY: its start, rank 0's steps, its end. Rank 0
reports `score` over MUSTER_CONTROL and goes on at its newest step when it is started again.
"""

import json
import os
import pathlib
import sys
import time

sys.path.append(str(pathlib.Path(__file__).parents[1]))
from control import Control

history = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
steps, pause = int(sys.argv[2]), float(sys.argv[3])
trial, attempt, rank = os.environ["MUSTER_TRIAL"], int(os.environ["MUSTER_ATTEMPT"]), int(os.environ["RANK"])
folder = pathlib.Path(os.environ["MUSTER_CHECKPOINT_DIR"])
folder.mkdir(parents=True, exist_ok=True)
saved = folder / "step"


def note(event, step=0):
    line = {"trial": trial, "attempt": attempt, "rank": rank, "home": os.environ["MUSTER_HOME_ID"],
            "event": event, "step": step, "at": time.monotonic()}
    os.write(history, (json.dumps(line) + "\n").encode())


note("start")
if rank != 0:
    while not (folder / f"done-{attempt}").exists():
        time.sleep(pause)
        note("alive")
    note("end")
    sys.exit(0)

def stop():
    note("stopped")
    sys.exit(75)


send = Control(stop).send
begin = int(saved.read_text()) if saved.exists() else 0
if begin:
    send(type="resumed", step=begin)
for step in range(begin + 1, steps + 1):
    time.sleep(pause)
    note("step", step)
    send(type="metric", step=step, metrics={"score": step})
    fresh = folder / f"step.{attempt}"
    fresh.write_text(str(step))
    fresh.rename(saved)
send(type="result", step=steps, metrics={"score": steps})
(folder / f"done-{attempt}").touch()
note("end", steps)
