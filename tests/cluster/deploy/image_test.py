"""The images of cluster/deploy/container as far as they can be made without a registry: a root of the packages that the
recipes list, taken from this machine, and of what `collect` copies; in it run the entry points, the probe and the lines
of the systemd units, as a user without rights."""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

from recipes import BIN, DEPLOY, SETTINGS, SOURCE, exec_start, instructions, save_model, settings

os.environ.setdefault("MUSTER_PYTHON", sys.executable)
sys.path.append(str(SOURCE / "tests/e2e"))
from cluster import wait_until  # noqa: E402

USER = 10001


def listed(name):
    return (DEPLOY / "container" / name).read_text().split()


def closure(names):
    """Those packages with all that they depend on, as installed here, and what every Debian has."""
    packages, provided = {}, {}
    query = "${Package}\t${Essential}\t${Provides}\t${Pre-Depends},${Depends}\t${db:Status-Status}\n"
    for line in subprocess.run(["dpkg-query", "-W", "-f", query], capture_output=True, text=True, check=True).stdout.splitlines():
        name, essential, provides, depends, status = line.split("\t")
        if status != "installed":
            continue
        packages[name] = (essential == "yes", [[re.split(r"[ :(]", one.strip())[0] for one in group.split("|")]
                                               for group in depends.split(",") if group.strip()])
        for virtual in provides.split(","):
            provided.setdefault(re.split(r"[ :(]", virtual.strip())[0], name)
    wanted, todo = set(), [*names, *(name for name, (essential, _) in packages.items() if essential)]
    while todo:
        name = todo.pop()
        name = name if name in packages else provided.get(name)
        if name is None or name in wanted:
            continue
        wanted.add(name)
        for group in packages[name][1]:
            there = [one for one in group if one in packages or one in provided]
            todo += there[:1]
    missing = [name for name in names if name not in wanted]
    if missing:
        raise AssertionError(f"not installed here: {missing}; scripts/setup --test brings them")
    return wanted


def copy_packages(names, root):
    """Programs, libraries and settings of the packages; a usr-merged root."""
    paths = subprocess.run(["dpkg", "-L", *sorted(names)], capture_output=True, text=True, check=True).stdout.split("\n")
    for top in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / top).mkdir(parents=True, exist_ok=True)
        (root / top).symlink_to(f"usr/{top}")
    kept = re.compile(r"^/(usr/)?(bin|sbin|lib|lib64)/|^/usr/share/openmpi/|^/etc/(openmpi|pmix)")
    files = {path for path in paths if kept.match(path) and os.path.isfile(path) or os.path.islink(path)
             and kept.match(path) and not os.path.isdir(path)}
    # By alternatives, which packages make when they are installed.
    files |= {path for path in ("/usr/bin/mpirun", "/etc/alternatives/mpirun") if os.path.lexists(path)}
    list_file = root.parent / "files"
    list_file.write_text("\n".join(path[1:] for path in sorted(files)))
    subprocess.run(f"tar -C / -cf - --no-recursion -T {list_file} | tar -C {root} -xf - --keep-directory-symlink",
                   shell=True, check=True)
    for folder in ("proc", "dev", "tmp", "etc", "var/lib/muster", "run", "etc/muster", "var/lib/muster-agent"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "etc/passwd").write_text(f"root:x:0:0::/:/bin/sh\nmuster:x:{USER}:{USER}::/var/lib/muster:/bin/sh\n")
    (root / "etc/hosts").write_text(f"127.0.0.1 localhost {socket.gethostname()}\n")
    (root / "etc/group").write_text(f"root:x:0:\nmuster:x:{USER}:\n")
    os.chmod(root / "tmp", 0o1777)


class Machine:
    """A root of its own with processes, loopback and mounts of its own."""

    def __init__(self, root):
        self.root = root
        setup = (f"ip link set lo up; mount -t proc proc {root}/proc; mount --rbind /dev {root}/dev; "
                 f"mount -t tmpfs tmpfs {root}/dev/shm; chmod 1777 {root}/dev/shm; echo up; exec sleep infinity")
        self.init = subprocess.Popen(["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-ec", setup],
                                     stdout=subprocess.PIPE, text=True)
        assert self.init.stdout.readline() == "up\n"
        (child,) = pathlib.Path(f"/proc/{self.init.pid}/task/{self.init.pid}/children").read_text().split()
        self.enter = ["nsenter", "--target", child, "--mount", "--net", "--pid", "--",
                      "chroot", f"--userspec={USER}:{USER}", str(root), "env", "-i",
                      "PATH=/opt/muster/bin:/usr/local/bin:/usr/bin:/bin"]

    def start(self, name, *words, **variables):
        with open(self.root.parent / f"{name}.log", "wb") as log:
            return subprocess.Popen(self.words(words, variables), stdout=log, stderr=log)

    @staticmethod
    def stop(process):
        """SIGTERM to what nsenter started; its exit code."""
        (child,) = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(child), signal.SIGTERM)
        return process.wait(timeout=30)

    def words(self, words, variables):
        return [*self.enter, *(f"{name}={value}" for name, value in variables.items()), *words]

    def run(self, *words, **variables):
        return subprocess.run(self.words(words, variables), capture_output=True, text=True, timeout=60)

    def healthy(self, *words):
        return self.run("healthy", *words).returncode == 0

    def close(self):
        self.init.send_signal(signal.SIGKILL)
        self.init.wait()
        self.init.stdout.close()


class ImageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0 or subprocess.run(["unshare", "--mount", "--net", "--pid", "--fork", "true"]).returncode != 0:
            raise unittest.SkipTest("needs root and namespaces")
        folder = pathlib.Path(tempfile.mkdtemp(prefix="mst-image-", dir="/tmp"))
        cls.addClassCleanup(shutil.rmtree, folder)
        cls.root = folder / "root"
        cls.root.mkdir()
        cls.packages = closure([*listed("packages"), *listed("packages-trials")])
        copy_packages(cls.packages, cls.root)
        collected = subprocess.run([DEPLOY / "container/collect", BIN, cls.root, "muster", "muster-shim", "muster-openvino.so",
                                    "muster-hdf5.so"], capture_output=True, text=True)
        assert collected.returncode == 0, collected.stderr
        shutil.copy(DEPLOY / "container/healthy", cls.root / "usr/bin")
        for home in ("var/lib/muster", "var/lib/muster-agent"):
            os.chown(cls.root / home, USER, USER)
        cls.machine = Machine(cls.root)
        cls.addClassCleanup(cls.machine.close)
        cls.folder = folder

    def logs(self):
        return "\n".join(f"{log.name}: {log.read_text(errors='replace')[-1000:]}" for log in self.folder.glob("*.log"))

    def ask(self, *words, **variables):
        done = self.machine.run("muster", "--json", *words, **{"MUSTER_HOME": "/var/lib/muster", **variables})
        self.assertEqual(done.returncode, 0, f"{words}: {done.stdout}{done.stderr}\n{self.logs()}")
        return json.loads(done.stdout)

    def entry(self, stage):
        """ENTRYPOINT and CMD of a stage, as the runtime joins them."""
        found, words = None, {}
        for what, text in instructions():
            if what == "FROM":
                found = text.rpartition(" AS ")[2]
            elif what in ("ENTRYPOINT", "CMD") and found in ("serve", stage):
                words[what] = json.loads(text)
        return words["ENTRYPOINT"] + words["CMD"]

    def probe(self, stage):
        (text,) = [text for name, text in self.stage(stage) if name == "HEALTHCHECK"]
        return json.loads(text.partition("CMD ")[2])[1:]

    def stage(self, stage):
        found = None
        for what, text in instructions():
            found = text.rpartition(" AS ")[2] if what == "FROM" else found
            if found == stage:
                yield what, text

    def test_TheServersEntryPoint_ServesAnAgentOfTheUnit(self):
        server = self.machine.start("server", *self.entry("muster"), MUSTER_HOME="/var/lib/muster", TINI_SUBREAPER="1")
        wait_until(lambda: self.machine.healthy(*self.probe("muster")), 30, "the server", every=0.2, describe=self.logs)
        self.assertFalse(self.machine.healthy("7070", "/nothing"))
        self.assertFalse(self.machine.healthy("7079", "/health"))
        # A node by the unit's own line.
        self.ask("node", "invite", f"n1-{os.getpid()}", "--out", "/tmp/agent.key")
        shutil.move(self.root / "tmp/agent.key", self.root / "etc/muster/agent.key")
        unit = DEPLOY / "systemd/muster-agent.service"
        agent = self.machine.start("agent", *exec_start(unit, settings(SETTINGS[unit.stem])), MUSTER_HOME="/var/lib/muster-agent")
        wait_until((self.root / "var/lib/muster-agent/ready").exists, 30, "the node", every=0.2, describe=self.logs)
        run = self.machine.run("muster", "run", "--", "id", "-u", MUSTER_HOME="/var/lib/muster")
        self.assertEqual((run.returncode, run.stdout.splitlines()[-1:]), (0, [str(USER)]), run.stderr + self.logs())
        for process in (agent, server):
            self.assertEqual(self.machine.stop(process), 0, self.logs())

    def test_AModelServer_FindsItsEngine(self):
        save_model(self.root / "mnt/models")  # KServe's
        server = self.machine.start("serve", *self.entry("serve"), MUSTER_HOME="/var/lib/muster", TINI_SUBREAPER="1")
        wait_until(lambda: self.machine.healthy("8080", self.probe("serve")[1]), 30, "the model server", every=0.2,
                   describe=self.logs)
        self.assertTrue(self.machine.healthy("8080", "/v2/models/models/ready"), self.logs())
        self.assertEqual(self.machine.stop(server), 0, self.logs())
        shutil.rmtree(self.root / "mnt")

    def test_Programs_FindAllTheirLibraries(self):
        """By name: what the programs load is of a listed package, or a wheel's and so copied."""
        owners = {}
        for package in self.packages:
            for path in subprocess.run(["dpkg", "-L", package], capture_output=True, text=True).stdout.split("\n"):
                if ".so" in path:
                    owners[os.path.realpath(path)] = package
        self.assertTrue(owners)
        for program in sorted(BIN.iterdir()):
            if program.name == "muster-cuda.so":  # its libraries are the driver's machine's
                continue
            shown = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
            for library in re.findall(r"=> (/\S+)", shown):
                real = os.path.realpath(library)
                self.assertTrue(real in owners or "/site-packages/" in library,
                                f"{program.name} loads {library}, which no package of container/packages* brings")
        # Loaded by name at run time.
        self.assertIn("libcurl4", self.packages)

    def test_Modules_AreFound(self):
        findings = {f["check"]: f for f in json.loads(self.machine.run(
            "muster", "--json", "doctor", MUSTER_HOME="/var/lib/muster").stdout)["findings"]}
        for check in ("home", "mpirun", "inference", "datasets"):
            self.assertTrue(findings[check]["good"], findings[check])


if __name__ == "__main__":
    unittest.main()
