"""report.py VALUE: rank 0 tells its trial's result on MUSTER_CONTROL, with VALUE as `loss`."""

import os
import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).parents[1]))
from control import Control

if os.environ.get("RANK", "0") == "0":
    Control().send(type="result", step=1, metrics={"loss": float(sys.argv[1])})
