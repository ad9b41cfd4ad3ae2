"""What the end-to-end tests share: a whole muster on a home of its own, driven as a person drives it.

    with Cluster() as cluster:
        cluster.start_server()
        sweep = cluster.submit(cluster.write_sweep("quick.yaml", text))
        detail = cluster.wait_sweep(sweep)

Paths come from the environment, set by CMake: MUSTER_BIN (folder of muster and the trials that ship),
MUSTER_PYTHON (an interpreter with MLflow's client, numpy and openvino).
All traffic is on loopback, every wait has a deadline, and every process of the home is ended at the end.
"""

import glob
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

BIN = pathlib.Path(os.environ["MUSTER_BIN"])
PYTHON = os.environ["MUSTER_PYTHON"]
FINAL = ("complete", "failed", "cancelled", "pruned")
# One small trial of the shipped digits, judged by parity alone: a version of a real model in seconds.
DIGITS_SWEEP = """
name: digits
seed: 1
trial: {program: digits, ranks: 1}
data: {train: digits-train.h5, validation: digits-validation.h5, test: digits-test.h5}
space: {lr: {float: [0.004, 0.01]}, width: 16, epochs: 1}
objective: {metric: validation/accuracy}
budget: {trials: 1}
sampler: random
model: {name: digits, gates: [parity]}
"""


class Outcome:
    """How a command of the `muster` program ended."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def json(self):
        return json.loads(self.out)

    def __str__(self):
        return f"exit {self.code}\n{self.out}\n{self.err}"


class Process:
    """A process as it is now; two with the same pid at different times are not equal."""

    def __init__(self, pid):
        """ProcessLookupError when it is gone, or goes meanwhile."""
        self.pid = pid
        try:
            self._look()
        except FileNotFoundError as gone:
            raise ProcessLookupError(pid) from gone

    def _look(self):
        pid = self.pid
        stat = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
        if len(stat) < 20:
            raise ProcessLookupError(pid)
        self.state, self.parent, self.start = stat[0].decode(), int(stat[1]), int(stat[19])
        self.command = _read(f"/proc/{pid}/cmdline").decode(errors="replace").split("\0")[:-1]
        pairs = (entry.partition(b"=") for entry in _read(f"/proc/{pid}/environ").split(b"\0"))
        self.environment = {k.decode(errors="replace"): v.decode(errors="replace") for k, _, v in pairs}

    def kill(self, how=signal.SIGKILL):
        """Signals the process unless another one has taken its pid; answers whether it was there."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return False
        try:
            if Process(self.pid).start != self.start:
                return False
            signal.pidfd_send_signal(handle, how)
            return True
        except ProcessLookupError:
            return False
        finally:
            os.close(handle)

    @property
    def rank(self):
        """The rank's number, or None for what is no rank: shim, mpirun, `muster rank`."""
        if "RANK" not in self.environment or self.command[1:2] in (["rank"], ["shim"]):
            return None
        return int(self.environment["RANK"])

    def __repr__(self):
        return f"{self.pid} {' '.join(self.command)}"


class Cluster:
    def __init__(self, slots=2, home=None, inside=lambda machine: []):
        """`inside` gives the start of a command line that runs on a machine (wires.py): "server", or an agent's name."""
        # Short, for the sockets below it: a Unix socket's path is at most 107 bytes.
        self._folder = pathlib.Path(tempfile.mkdtemp(prefix="mst-", dir="/tmp"))
        self.home = pathlib.Path(home) if home else self._folder / "home"
        self.work = self._folder / "work"
        self.work.mkdir()
        self.slots = slots
        self.inside = inside
        self.server = None
        self.agent_homes = []
        self._children = []

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is not None:
                print(self.log_tail(), flush=True)
        finally:
            self.close()

    def close(self):
        for child in self._children:
            if child.poll() is None:
                child.kill()
            child.wait(timeout=20)
        deadline = time.monotonic() + 20
        while self.processes() and time.monotonic() < deadline:
            for process in self.processes():
                process.kill()
            time.sleep(0.02)
        for mark in self.marks():
            for scratch in glob.glob(f"/dev/shm/muster-{mark}-*"):
                shutil.rmtree(scratch, ignore_errors=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    # --- daemons ------------------------------------------------------------------------------------------
    def start_server(self, *flags, port=0):
        self.server = self._daemon("server", "server", "--port", str(port), "--slots", str(self.slots), *flags)
        return self

    def start_model_server(self, model, *flags):
        process = self._daemon("serve", "serve", "--model", model, "--port", "0", *flags)
        process.url = f"http://127.0.0.1:{process.port}"
        return process

    def start_agent(self, name, key, *flags, url=None):
        """`muster agent join` on a home of its own; returns at once. Its output: log_tail("agent-" + name)."""
        home = self._folder / f"agent-{name}"
        if home not in self.agent_homes:
            self.agent_homes.append(home)
        with open(self._folder / f"agent-{name}.log", "ab") as log:
            child = subprocess.Popen(
                [*self.inside(name), BIN / "muster", "--home", home, "agent", "join", *([url] if url else []),
                 "--key", key, *flags],
                env=self.environment(), cwd=self.work, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._children.append(child)
        return child

    def nodes(self):
        return {node["id"]: node for node in self.ask("node", "ls")["nodes"]}

    def _daemon(self, name, *arguments):
        port_file = self._folder / f"{name}.port"
        port_file.unlink(missing_ok=True)
        with open(self._folder / f"{name}.log", "ab") as log:
            process = subprocess.Popen(
                [*self.inside("server"), BIN / "muster", *arguments, "--port-file", port_file],
                env=self.environment(), cwd=self.work, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._children.append(process)
        wait_until(lambda: port_file.exists() or process.poll() is not None, 60, f"the {name}'s port")
        if process.poll() is not None:
            raise AssertionError(f"the {name} ended with {process.returncode}\n{self.log_tail(name)}")
        process.port = int(port_file.read_text())
        return process

    def kill_server(self, how=signal.SIGKILL):
        self.server.send_signal(how)
        return self.server.wait(timeout=60)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.port}"

    # --- the command line ---------------------------------------------------------------------------------
    def environment(self, **more):
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("MUSTER_", "MLFLOW_"))}
        path = f"{pathlib.Path(PYTHON).parent}:{kept['PATH']}"
        return {**kept, "PATH": path, "MUSTER_HOME": str(self.home), **more}

    def popen(self, *arguments, **options):
        child = subprocess.Popen([*self.inside("server"), BIN / "muster", *map(str, arguments)], env=self.environment(),
                                 cwd=self.work, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, **options)
        self._children.append(child)
        return child

    def muster(self, *arguments, timeout=120):
        """Runs one command to its end; `out` is text, with bytes that are no UTF-8 kept as surrogates."""
        child = self.popen(*arguments)
        out, err = child.communicate(timeout=timeout)
        return Outcome(child.returncode, *(text.decode("utf-8", "surrogateescape") for text in (out, err)))

    def ask(self, *arguments):
        """The JSON answer of a command that must succeed."""
        outcome = self.muster("--json", *arguments)
        if outcome.code != 0:
            raise AssertionError(f"muster {' '.join(map(str, arguments))}: {outcome}")
        return outcome.json()

    def write(self, name, text):
        (self.work / name).write_text(text)
        return self.work / name

    def submit(self, file, *flags):
        return self.ask("sweep", "submit", file, *flags)["id"]

    def sweep(self, sweep):
        return self.ask("sweep", "show", sweep)

    def trials(self, sweep):
        return self.ask("trial", "ls", sweep)["trials"]

    def trial(self, trial):
        return self.ask("trial", "show", trial)

    def wait_sweep(self, sweep, seconds=120):
        def final():
            detail = self.sweep(sweep)
            return detail if detail["sweep"]["state"] in FINAL else None
        return wait_until(final, seconds, f"the end of sweep {sweep}", every=0.3,
                          describe=lambda: f"{self.sweep(sweep)['sweep']}\n{self.trials(sweep)}")

    def wait_trial(self, trial, wanted, seconds=60):
        def reached():
            detail = self.trial(trial)
            return detail if wanted(detail) else None
        return wait_until(reached, seconds, f"trial {trial}", every=0.1, describe=lambda: self.trial(trial))

    def digits_data(self):
        """The handwritten digits as HDF5 files in the work folder."""
        library = pathlib.Path(PYTHON).parent.parent / "lib"
        csv = glob.glob(f"{library}/python3*/site-packages/sklearn/datasets/data/digits.csv.gz")[0]
        outcome = self.muster("data", "convert", csv, "--out", self.work, "--name", "digits",
                              "--shape", "1,8,8", "--seed", "7")
        if outcome.code != 0:
            raise AssertionError(f"data convert: {outcome}")

    # --- HTTP ---------------------------------------------------------------------------------------------
    def http(self, path, body=None, token=None):
        """(status, decoded answer) of a request to the server; POST when there is a body."""
        return request(self.url + path, body, {"Authorization": f"Bearer {token}"} if token else {})

    # --- processes ----------------------------------------------------------------------------------------
    def marks(self):
        """What processes of this cluster's homes carry in their environment."""
        return {mark_of(home) for home in (self.home, *self.agent_homes)} - {None}

    def processes(self):
        """Every live process that carries a home's mark or names the home (an export, say), but not our
        commands and servers."""
        marks, home = self.marks(), str(self.home) + "/"
        ours = {child.pid for child in self._children}
        return [p for p in all_processes() if p.pid not in ours and p.state != "Z" and
                (p.environment.get("MUSTER_HOME_ID") in marks or home in " ".join(p.command))]

    def ranks(self, trial=None):
        return [p for p in self.processes() if p.rank is not None
                and (trial is None or p.environment.get("MUSTER_TRIAL") == trial)]

    def log_tail(self, name="server", lines=25):
        log = self._folder / f"{name}.log"
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else ""


def mark_of(home):
    """What processes of a home carry as MUSTER_HOME_ID; None when nothing ran there yet."""
    files = [home / name for name in ("home_id", "node")]
    return next((file.read_text().strip() for file in files if file.exists()), None)


def all_processes():
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                yield Process(int(entry))
            except (ProcessLookupError, FileNotFoundError, PermissionError):
                continue


def _read(path):
    with open(path, "rb") as file:
        return file.read()


def request(url, body=None, headers=None):
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(url, data, {"Content-Type": "application/json", **(headers or {})})
    try:
        with urllib.request.urlopen(asked, timeout=20) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read() or b"null")


def wait_until(condition, seconds, what, every=0.02, describe=None):
    """The first true value of `condition`; fails after `seconds`, with what `describe` says."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s for {what}" + (f": {describe()}" if describe else ""))
        time.sleep(every)
