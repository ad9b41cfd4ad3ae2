"""Processes that are named by their pid files, and what jobs left behind."""

import os
import pathlib
import signal
import subprocess
import time


def alive(pid):
    """A zombie counts as dead: whoever was its parent may take a while to reap it."""
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def pid_in(file):
    """Of the daemon that runs; None when it does not."""
    try:
        pid = int(file.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return pid if alive(pid) else None


def wait_until(condition, seconds, what):
    """The first answer of `condition` that is true."""
    end = time.monotonic() + seconds
    while not (answer := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(0.05)
    return answer


def end(file, number=signal.SIGTERM, seconds=5):
    """Ends the daemon of a pid file, by force when it does not go."""
    pid = pid_in(file)
    for sent in (number, signal.SIGKILL):
        if pid is None:
            return
        try:
            os.kill(pid, sent)
            wait_until(lambda: not alive(pid), seconds, f"process {pid} to end")
            break
        except ProcessLookupError:
            break
        except TimeoutError:
            continue
    file.unlink(missing_ok=True)


def kill_all_of(folder):
    """The steps of this Slurm that still run, and what escaped from its jobs."""
    mark = f"SLURM_CONF={folder}/".encode()
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_bytes()
            is_step = (process / "comm").read_text().startswith("slurmstepd")
            if mark in environment and (is_step or b"SLURM_JOB_ID=" in environment):
                os.kill(int(process.name), signal.SIGKILL)
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue


def run(*command, environment=None, seconds=30):
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=seconds)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: exit {done.returncode}: {done.stderr.strip()}")
    return done.stdout
