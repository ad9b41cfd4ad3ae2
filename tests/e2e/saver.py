"""A trial in plain Python that publishes its checkpoints over MUSTER_CONTROL (runtime/wire/trial_record.h).

    saver.py STEPS SECONDS_A_STEP X

What it computes is the list of the X of each step, so that a checkpoint says whose it is. It writes over its one
file, as many scripts do.
"""

import json
import os
import pathlib
import signal
import sys
import time

from control import Control

steps, pause, x = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
saved = pathlib.Path(os.environ["MUSTER_CHECKPOINT_DIR"]) / "state.json"
stopped = False
signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the command "stop" says the same; it saves first


def stop():
    global stopped
    stopped = True


send = Control(stop).send
state = json.loads(saved.read_text()) if saved.exists() else []
print("begins with", json.dumps(state), flush=True)
if state:
    send(type="resumed", step=len(state))
while len(state) < steps:
    time.sleep(pause)
    state.append(x)
    send(type="metric", step=len(state), metrics={"score": sum(state)})
    saved.write_text(json.dumps(state))
    send(type="checkpoint", step=len(state), path=str(saved), metrics={"score": sum(state)})
    if stopped and len(state) < steps:
        sys.exit(75)
send(type="result", step=steps, metrics={"score": sum(state)}, path=str(saved))
