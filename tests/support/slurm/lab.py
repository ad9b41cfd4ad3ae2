#!/usr/bin/env python3
"""A real Slurm on this machine for one test: munged, slurmctld and a slurmd a node, in a folder and on ports of its own.

    with Lab(nodes=2) as lab:
        lab.run("sbatch", "--wrap", "sleep 1")
        lab.kill("slurmctld"); lab.start("slurmctld")

or, for tests in other languages, `lab.py up FOLDER --while PID`, which prints what to run Slurm's commands with, then
`lab.py kill|start|fail|heal FOLDER NAME`, `lab.py save FOLDER` and `lab.py down FOLDER`. Whoever brought it up, it goes
down with that process.

Nodes have as many CPUs, and GPUs that nobody can compute on, as the settings say. Traffic stays on loopback, or within
network namespaces (`wires`, of tests/e2e/chaos). Nothing outside the folder is written; needs root.
"""

import argparse
import json
import os
import pathlib
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import configuration
import daemons

SETTINGS = {
    "nodes": 2, "cpus": 4, "memory": 4000, "gpus": 2,
    "cgroup": False,        # control groups of version 1 contain the jobs (else the tree of processes does)
    "accounting": "",       # slurmdbd on a MariaDB: what AccountingStorageEnforce says, "none" too
    "requeue_delay": 5,     # seconds, at least 5
    "node_timeout": 10,     # seconds of silence until a node is down (three times as long in the end)
    "array_max": 1001,
    "extra": "",            # lines of slurm.conf
}
PORTS = range(21000, 31000, 50)
CLAIMS = pathlib.Path(tempfile.gettempdir()) / "muster-slurm-ports"  # by port, links to the folders of labs


def why_not(accounting=False):
    """A sentence when no Slurm can run here, else None."""
    if os.geteuid() != 0:
        return "a Slurm of one's own needs root"
    wanted = ["munged", "slurmctld", "slurmd", "sbatch"] + (["slurmdbd", "mariadbd"] if accounting else [])
    missing = [name for name in wanted if shutil.which(name) is None]
    return f"{', '.join(missing)} not installed (scripts/setup --test)" if missing else None


class Lab:
    def __init__(self, folder=None, wires=None, around=None, **settings):
        """`wires` has a machine for each name of node_names(), and `controller`. `around` has, by node, words that stand
        before the command of its slurmd: `unshare` and what else makes it another machine."""
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="muster-slurm-")).absolute()
        self.wires = wires
        self.around = around or {}
        self.guard = None
        self.settings = {**SETTINGS, **settings}

    @staticmethod
    def open(folder):
        """The one that somebody else brought up there."""
        return Lab(folder, **json.loads((pathlib.Path(folder) / "lab.json").read_text()))

    @staticmethod
    def node_names(count):
        return [f"n{i}" for i in range(count)]

    @property
    def nodes(self):
        """With cgroups nodes of all labs share the kernel's folders."""
        prefix = f"p{self.settings['port']}" if self.settings["cgroup"] else ""
        return [prefix + name for name in self.node_names(self.settings["nodes"])]

    @property
    def environment(self):
        """What Slurm's commands need, and nothing that a Slurm around this test left."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SLURM")}
        return {**kept, "SLURM_CONF": str(self.folder / "slurm.conf")}

    def inside(self, name):
        return self.wires.inside("controller" if name == "slurmctld" else name) if self.wires else []

    def run(self, *command, seconds=30):
        """One of Slurm's commands; its output. RuntimeError with its words when it fails."""
        return daemons.run(*self.inside("slurmctld"), *command, environment=self.environment, seconds=seconds)

    # --- up and down
    def __enter__(self):
        return self.up()

    def __exit__(self, *_):
        self.down()

    def up(self, owner=None):
        """`owner` is the process that it goes down with: this one."""
        for name in ("state", "log", "dev", "spool"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)
        self.settings["port"] = free_ports(self.folder)
        (self.folder / "lab.json").write_text(json.dumps(self.settings))
        guard = [sys.executable, __file__, "guard", str(self.folder), "--while", str(owner or os.getpid())]
        self.guard = subprocess.Popen(guard, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            self._configure()
            for name in ["munged"] + (["slurmdbd"] if self.settings["accounting"] else []) + ["slurmctld", *self.nodes]:
                self.start(name)
            self.wait_nodes()
        except BaseException:
            self.down()
            raise
        return self

    def down(self):
        for name in [*self.nodes, "slurmctld", "slurmdbd", "mariadbd", "munged"]:
            daemons.end(self.folder / f"{name}.pid")
        daemons.kill_all_of(self.folder)
        if self.settings["cgroup"]:
            for name in self.nodes:
                subprocess.run(["sh", "-c", f"find /sys/fs/cgroup/*/slurm_{name} -depth -type d -exec rmdir {{}} +"],
                               capture_output=True, check=False)
        if "port" in self.settings:
            (CLAIMS / str(self.settings["port"])).unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.guard:
            self.guard.kill()
            self.guard.wait()

    def _configure(self):
        gpus, port = self.settings["gpus"], self.settings["port"]
        for number in range(gpus):
            os.mknod(self.folder / "dev" / f"gpu{number}", 0o20666, os.makedev(1, 3))
        address = self.wires.address if self.wires else lambda _: "127.0.0.1"
        texts = {
            "slurm.conf": configuration.slurm_conf(self.folder, self.settings, socket.gethostname().split(".")[0],
                                                   address("controller"), {name: address(name) for name in self.nodes}),
            "gres.conf": configuration.gres_conf(self.folder, gpus),
            "cgroup.conf": configuration.cgroup_conf(self.settings["cgroup"]),
        }
        if self.settings["accounting"]:
            texts["slurmdbd.conf"] = configuration.slurmdbd_conf(self.folder, port)
        for name, text in texts.items():
            (self.folder / name).write_text(text)
            (self.folder / name).chmod(0o600 if name == "slurmdbd.conf" else 0o644)
        (self.folder / "munge.key").write_bytes(os.urandom(128))
        (self.folder / "munge.key").chmod(0o600)
        for node in self.nodes:
            # The PMIx plugin keeps its folder in the temporary one, and all nodes would have the same.
            (self.folder / "etc" / node / "tmp").mkdir(parents=True)
            for name in ("slurm.conf", "gres.conf", "cgroup.conf"):
                (self.folder / "etc" / node / name).symlink_to(self.folder / name)
            (self.folder / "etc" / node / "mpi.conf").write_text(f"PMIxCliTmpDirBase={self.folder}/etc/{node}/tmp\n")

    # --- its daemons: "slurmctld", "slurmdbd", "munged" and the nodes' names
    def port(self, node):
        return self.settings["port"] + 2 + self.nodes.index(node)

    def pid(self, name):
        return daemons.pid_in(self.folder / f"{name}.pid")

    def kill(self, name):
        """As a crash does. A node's jobs run on."""
        daemons.end(self.folder / f"{name}.pid", daemons.signal.SIGKILL)

    def save(self, _=None):
        """Has slurmctld save what is now, which it does some time after each change. Killed before, it forgets jobs, or
        has them wait again while they run."""
        file, now = self.folder / "state" / "job_state", time.time()
        job = self.run("sbatch", "--parsable", "--hold", "--mem=1M", "--output=/dev/null", "--wrap=true").strip()
        daemons.wait_until(lambda: file.exists() and file.stat().st_mtime > now, 20, "a saved state")
        self.run("scancel", job)

    def start(self, name):
        """What it was, from what it had saved."""
        if self.pid(name):
            return
        folder = self.folder
        if name == "munged":
            daemons.run("munged", "--force", f"--key-file={folder}/munge.key", f"--socket={folder}/munge.socket",
                        f"--pid-file={folder}/munged.pid", f"--log-file={folder}/log/munged.log",
                        f"--seed-file={folder}/munge.seed")
        elif name == "slurmdbd":
            self._start_accounting()
        else:
            conf = folder / "slurm.conf" if name == "slurmctld" else folder / "etc" / name / "slurm.conf"
            program = ["slurmctld"] if name == "slurmctld" else ["slurmd", "-N", name]
            daemons.run(*self.inside(name), *self.around.get(name, []), *program, "-f", str(conf), environment=self.environment)
        daemons.wait_until(lambda: self.pid(name), 10, f"{name} to write its pid")
        if name == "slurmctld":
            daemons.wait_until(self._answers, 10, "slurmctld to answer")

    def _answers(self):
        try:
            return self.run("scontrol", "ping")
        except RuntimeError:
            return False

    def _start_accounting(self):
        folder, mark = self.folder, self.folder / "mysql.socket"
        if not (folder / "mysql").exists():
            daemons.run("mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={folder}/mysql",
                        "--skip-test-db", seconds=60)
        if not self.pid("mariadbd"):
            log = open(folder / "log" / "mariadbd.log", "ab")
            subprocess.Popen(["mariadbd", "--no-defaults", "--user=root", f"--datadir={folder}/mysql",
                              f"--socket={mark}", f"--pid-file={folder}/mariadbd.pid", "--skip-networking",
                              "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=64M",
                              "--innodb-lock-wait-timeout=900"],
                             stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
            daemons.wait_until(lambda: subprocess.run(
                ["mariadb", "--no-defaults", "-uroot", "-S", mark, "-e",
                 "create database if not exists slurm_acct_db"], capture_output=True).returncode == 0,
                20, "MariaDB")
        daemons.run("slurmdbd", environment={**self.environment, "MYSQL_UNIX_PORT": str(mark),
                                             "SLURM_CONF": str(folder / "slurm.conf")})
        daemons.wait_until(self._cluster_known, 20, "slurmdbd")

    def _cluster_known(self):
        name = f"muster{self.settings['port']}"
        try:
            if name not in self.run("sacctmgr", "-n", "show", "cluster", "format=cluster%30", seconds=5):
                self.run("sacctmgr", "-i", "add", "cluster", name)
            return True
        except (RuntimeError, subprocess.TimeoutExpired):
            return False

    # --- its nodes
    def wait_nodes(self, seconds=20):
        def ready():
            states = self.run("sinfo", "-h", "-N", "-p", "main", "-o", "%T").split()
            return len(states) == len(self.nodes) and set(states) <= {"idle", "mixed", "allocated", "completing"}
        daemons.wait_until(ready, seconds, "the nodes")

    def fail(self, node):
        """Its slurmd dies, and the controller learns it at once rather than after its time-out; processes of its jobs
        run on."""
        self.kill(node)
        self.run("scontrol", "update", f"nodename={node}", "state=down", "reason=failed")

    def heal(self, node):
        self.start(node)
        try:
            self.run("scontrol", "update", f"nodename={node}", "state=resume")
        except RuntimeError:
            pass  # it was back by itself
        self.wait_nodes()

    def drain(self, node):
        self.run("scontrol", "update", f"nodename={node}", "state=drain", "reason=drained")

    def cut(self, node):
        """Off the network, both ways; wires only."""
        self.wires.cut(node)

    def mend(self, node):
        self.wires.mend(node)


def free_ports(folder):
    """The first of a row that is nobody's. Two labs that start together see each other's claims."""
    CLAIMS.mkdir(exist_ok=True)
    for port in PORTS:
        claim = CLAIMS / str(port)
        if claim.is_symlink() and not claim.exists():
            claim.unlink(missing_ok=True)  # its lab is gone
        try:
            claim.symlink_to(folder)
        except FileExistsError:
            continue
        if all(can_bind(port + i) for i in range(PORTS.step)):
            return port
        claim.unlink()
    raise RuntimeError("no free ports for a Slurm")


def can_bind(port):
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def guard(folder, pid):
    """Takes the lab down when the process is gone. Ends when somebody else did."""
    try:
        watched = os.pidfd_open(pid)
        while (folder / "lab.json").exists() and not select.select([watched], [], [], 1)[0]:
            pass
    except ProcessLookupError:
        pass
    if (folder / "lab.json").exists():
        Lab.open(folder).down()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["up", "down", "kill", "start", "save", "fail", "heal", "guard", "why-not"])
    parser.add_argument("folder", type=pathlib.Path, nargs="?")
    parser.add_argument("name", nargs="?")
    parser.add_argument("--while", type=int, dest="owner")
    for name, value in SETTINGS.items():
        flag = f"--{name.replace('_', '-')}"
        parser.add_argument(flag, default=value, **({"action": "store_true"} if value is False else {"type": type(value)}))
    given = parser.parse_args()
    if given.what == "why-not":
        print(why_not(bool(given.accounting)) or "")
    elif given.what == "up":
        lab = Lab(given.folder, **{name: getattr(given, name) for name in SETTINGS}).up(given.owner)
        print(f"export SLURM_CONF={lab.folder}/slurm.conf")
    elif given.what == "guard":
        guard(given.folder, given.owner)
    elif given.what == "down":
        Lab.open(given.folder).down()
    else:
        getattr(Lab.open(given.folder), given.what)(given.name)


if __name__ == "__main__":
    main()
