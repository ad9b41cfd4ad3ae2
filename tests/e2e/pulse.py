"""A trial in plain Python that speaks to muster itself, over MUSTER_CONTROL (runtime/wire/trial_record.h).

    pulse.py STEPS SECONDS_A_STEP [LR]

Rank 0 reports `score` at each step, remembers the step when muster has it, and goes on there when it is
started again. The other ranks sleep until rank 0 has written that it is done.
"""

import os
import pathlib
import sys
import time

from control import Control

steps, pause = int(sys.argv[1]), float(sys.argv[2])
lr = float(sys.argv[3]) if len(sys.argv) > 3 else 0.0
folder = pathlib.Path(os.environ["MUSTER_CHECKPOINT_DIR"])
folder.mkdir(parents=True, exist_ok=True)
saved, done = folder / "step", folder / "done"

if os.environ["RANK"] != "0":
    while not done.exists():
        time.sleep(pause)
    sys.exit(0)

send = Control().send
begin = int(saved.read_text()) if saved.exists() else 0
if begin:
    send(type="resumed", step=begin)
for step in range(begin + 1, steps + 1):
    time.sleep(pause)
    send(type="metric", step=step, metrics={"score": step - lr})
    fresh = folder / "step.new"
    fresh.write_text(str(step))
    fresh.rename(saved)
send(type="result", step=steps, metrics={"score": steps - lr})
done.touch()
