"""A server and agents on machines of their own (network namespaces), killed, stopped and cut off at random;
judged from outside by the history that the ranks leave.

    MUSTER_CHAOS_SEED=1 MUSTER_CHAOS_SECONDS=40 python3 chaos_test.py

Without namespaces the test is skipped, and says why. With a `muster` that has no `agent join` there is the
server's own agent alone, and no links to cut.
"""

import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time
import shutil
import unittest

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import cluster
import judge
import wires

AGENTS, SLOTS, SWEEPS, TRIALS, STEPS = 3, 2, 2, 4, 30

SWEEP = """
name: {name}
seed: 1
trial: {{command: [python3, "{trial}", "{history}", "{steps}", "0.2"], ranks: 2}}
space: {{x: {{float: [0.0, 0.5]}}}}
objective: {{metric: score, goal: maximize}}
budget: {{trials: {trials}}}
sampler: random
retry: {{infra: 100, user: 100}}
"""


class Daemon:
    """A `muster` process on a machine, which can be killed, stopped and started again. Knows when it could
    not act."""

    def __init__(self, name, command, environment, log):
        self.name, self.command, self.environment, self.log = name, command, environment, log
        self.process = None
        self.stopped = False
        self.gaps = []  # [from, to]; `to` is None while it lasts
        self.starts = 0

    def start(self):
        if self.running():
            return
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command, env=self.environment, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        self.starts += 1
        self._act()

    def running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        self._pause()
        self.process.kill()
        self.process.wait(timeout=30)
        self.stopped = False

    def stop(self):
        self._pause()
        self.process.send_signal(signal.SIGSTOP)
        self.stopped = True

    def go_on(self):
        if self.stopped and self.running():
            self.process.send_signal(signal.SIGCONT)
        self.stopped = False
        self._act()

    def disturbed(self, start, end):
        now = time.monotonic()
        return any(gap[0] <= end and (gap[1] or now) >= start for gap in self.gaps)

    def _pause(self):
        if not self.gaps or self.gaps[-1][1] is not None:
            self.gaps.append([time.monotonic(), None])

    def _act(self):
        # It is itself again when it has looked at its machine.
        if self.gaps and self.gaps[-1][1] is None:
            self.gaps[-1][1] = time.monotonic() + 2


class ChaosTest(unittest.TestCase):
    seed = int(os.environ.get("MUSTER_CHAOS_SEED", "1"))
    seconds = float(os.environ.get("MUSTER_CHAOS_SECONDS", "40"))

    def setUp(self):
        if why := wires.why_not():
            self.skipTest(why)
        self.random = random.Random(self.seed)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mst-", dir="/tmp"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.history = self.folder / "history"
        self.agents = {}
        self.server = None
        self.deeds = []
        self.later = []  # (when, what, action): the end of a fault

    def tearDown(self):
        daemons = [d for d in [self.server, *self.agents.values()] if d is not None]
        for daemon in daemons:
            if daemon.running():
                daemon.process.kill()
                daemon.process.wait(timeout=30)
        for process in self.marked():
            process.kill()

    def test_KilledStoppedAndCutOff_EveryTrialHasItsOneResult(self):
        # A muster without the command shows the help of the whole.
        joins = b"--key" in subprocess.run([cluster.BIN / "muster", "agent", "join", "--help"],
                                           capture_output=True).stdout
        machines = ["server"] + ([f"n{i}" for i in range(AGENTS)] if joins else [])
        with wires.Wires(machines) as self.wires:
            self.start_server(0 if joins else 4)
            for name in machines[1:]:
                self.start_agent(name)
            sweeps = [self.submit(number) for number in range(SWEEPS)]
            self.disturb(time.monotonic() + self.seconds)
            self.heal()
            self.judge(sweeps)

    # --- the cluster --------------------------------------------------------------------------------------
    def environment(self, home):
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("MUSTER_", "MLFLOW_"))}
        return {**kept, "MUSTER_HOME": str(home)}

    def start_server(self, slots):
        home = self.folder / "server"
        command = [*self.wires.inside("server"), cluster.BIN / "muster", "server", "--port", "7070",
                   "--slots", str(slots), "--port-file", self.folder / "port"]
        if slots == 0:
            command += ["--agents-host", self.wires.address("server"), "--agents-port", "7071"]
        self.server = Daemon("server", command, self.environment(home), self.folder / "server.log")
        self.server.start()
        cluster.wait_until(lambda: (self.folder / "port").exists() or not self.server.running(), 60,
                           "the server's port", describe=self.logs)
        self.assertTrue(self.server.running(), self.logs())

    def start_agent(self, name):
        key = self.folder / f"{name}.key"
        self.ask("node", "invite", name, "--out", key)
        command = [*self.wires.inside(name), cluster.BIN / "muster", "agent", "join",
                   f"tcp://{self.wires.address('server')}:7071", "--key", key, "--slots", str(SLOTS)]
        agent = Daemon(name, command, self.environment(self.folder / name), self.folder / f"{name}.log")
        agent.start()
        self.agents[name] = agent

    def muster(self, *arguments):
        done = subprocess.run([*self.wires.inside("server"), cluster.BIN / "muster", "--json",
                               *map(str, arguments)], env=self.environment(self.folder / "server"),
                              capture_output=True, text=True, timeout=60)
        return cluster.Outcome(done.returncode, done.stdout, done.stderr)

    def ask(self, *arguments):
        """The answer of a command that must succeed, once there is a server."""
        outcome = None

        def answered():
            nonlocal outcome
            outcome = self.muster(*arguments)
            return outcome.code == 0
        cluster.wait_until(answered, 60, f"muster {' '.join(map(str, arguments))}", every=0.3,
                           describe=lambda: f"{outcome}\n{self.logs()}")
        return json.loads(outcome.out) if outcome.out.strip() else None

    def submit(self, number):
        name = f"chaos-{number}"
        file = self.folder / f"{name}.yaml"
        file.write_text(SWEEP.format(name=name, trial=HERE / "trial.py", history=self.history,
                                     steps=STEPS, trials=TRIALS))
        self.ask("sweep", "submit", file, "--id", name)
        return name

    def homes(self):
        """Mark of a home -> the daemon whose agent it is."""
        owners = {"server": self.server, **self.agents}
        marks = {}
        for name, daemon in owners.items():
            mark = cluster.mark_of(self.folder / name)
            if daemon is not None and mark is not None:
                marks[mark] = daemon
        return marks

    def marked(self):
        marks = self.homes()
        daemons = {d.process.pid for d in [self.server, *self.agents.values()] if d and d.process}
        return [p for p in cluster.all_processes() if p.state != "Z" and p.pid not in daemons
                and p.environment.get("MUSTER_HOME_ID") in marks]

    def logs(self):
        files = sorted(self.folder.glob("*.log"))
        tails = [f"--- {f.name}\n" + "\n".join(f.read_text(errors="replace").splitlines()[-15:]) for f in files]
        return "\n".join(tails + ["--- deeds", *self.deeds[-40:]])

    # --- faults -------------------------------------------------------------------------------------------
    def disturb(self, until):
        began = time.monotonic()
        while time.monotonic() < until:
            self.wait(self.random.uniform(0.3, 2.5))
            what = self.random.choice(self.faults())
            said = what()
            if said:
                self.deeds.append(f"{time.monotonic() - began:6.1f} {said}")
                print(self.deeds[-1], flush=True)

    def faults(self):
        daemons = [self.kill_daemon, self.stop_daemon]
        links = [self.cut, self.lose] if self.agents else []
        return daemons * 2 + [self.kill_process] * 3 + links * 2

    def wait(self, seconds):
        """Meanwhile ends the faults whose time has come."""
        until = time.monotonic() + seconds
        while (now := time.monotonic()) < until:
            self.end_faults(now)
            time.sleep(0.05)

    def end_faults(self, now):
        due, self.later = [f for f in self.later if f[0] <= now], [f for f in self.later if f[0] > now]
        for _, action in sorted(due, key=lambda fault: fault[0]):
            action()

    def after(self, seconds, action):
        self.later.append((time.monotonic() + seconds, action))

    def any_daemon(self):
        daemons = [self.server, *self.agents.values()]
        daemon = self.random.choice(daemons)
        return daemon if daemon.running() and not daemon.stopped else None

    def how_long(self):
        """Mostly within the lease of 10 s, now and then beyond all patience."""
        return self.random.uniform(0.2, 4) if self.random.random() < 0.75 else self.random.uniform(12, 20)

    def kill_daemon(self):
        if daemon := self.any_daemon():
            seconds = self.how_long()
            daemon.kill()
            self.after(seconds, daemon.start)
            return f"kill -9 {daemon.name} for {seconds:.1f} s"

    def stop_daemon(self):
        if daemon := self.any_daemon():
            seconds = self.how_long()
            daemon.stop()
            self.after(seconds, daemon.go_on)
            return f"stop {daemon.name} for {seconds:.1f} s"

    def kill_process(self):
        processes = sorted(self.marked(), key=lambda p: p.pid)
        if processes and (process := self.random.choice(processes)).kill():
            kind = "shim" if process.command[1:2] == ["shim"] else f"rank {process.rank}"
            return f"kill -9 {kind} of attempt {process.environment.get('MUSTER_ATTEMPT')}"

    def cut(self):
        name, seconds = self.random.choice(sorted(self.agents)), self.how_long()
        self.wires.cut(name)
        self.after(seconds, lambda: self.wires.mend(name))
        return f"cut {name} off for {seconds:.1f} s"

    def lose(self):
        name, percent = self.random.choice(sorted(self.agents)), self.random.randrange(5, 40)
        if not self.wires.can_lose:
            for burst in range(10):
                self.after(burst * 0.5, lambda: self.wires.cut(name))
                self.after(burst * 0.5 + 0.2, lambda: self.wires.mend(name))
            return f"cut {name} off ten times for a moment"
        self.wires.lose(name, percent)
        self.after(5, lambda: self.wires.mend(name))
        return f"lose {percent} % of {name}'s packets for 5 s"

    def heal(self):
        self.later.clear()
        for daemon in [self.server, *self.agents.values()]:
            daemon.go_on()
            daemon.start()
        for name in self.agents:
            self.wires.mend(name)
        print("all is well again", flush=True)

    # --- what must hold -----------------------------------------------------------------------------------
    def judge(self, sweeps):
        for sweep in sweeps:
            cluster.wait_until(lambda: self.ask("sweep", "show", sweep)["sweep"]["state"] in cluster.FINAL,
                               240, f"the end of {sweep}", every=0.5, describe=self.logs)
        trials = {}
        for sweep in sweeps:
            summaries = self.ask("trial", "ls", sweep)["trials"]
            self.assertEqual([t["number"] for t in summaries], list(range(TRIALS)))
            for summary in summaries:
                trials[summary["id"]] = self.ask("trial", "show", summary["id"])
        cluster.wait_until(lambda: not self.marked(), 60, "every marked process to end",
                           describe=lambda: f"{self.marked()}\n{self.logs()}")
        owners = self.homes()
        lines = judge.read(self.history)
        found = judge.complaints(lines, trials, STEPS,
                                 lambda home, start, end: owners[home].disturbed(start, end))
        attempts = sum(len(t["attempts"]) for t in trials.values())
        print(f"seed {self.seed}: {len(self.deeds)} faults, {len(trials)} trials, {attempts} attempts, "
              f"{len(lines)} lines of history", flush=True)
        self.assertEqual(found, [], self.logs())
        self.assertGreater(len(self.deeds), 5)


if __name__ == "__main__":
    unittest.main()
