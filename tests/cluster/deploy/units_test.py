"""The units and the join script under a systemd that has booted (booted.py): server, node and model server are installed
as the README says, run as the users that the units name, and are restarted, killed, changed and removed."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

import booted
from recipes import BIN, DEPLOY, SOURCE, save_model

os.environ.setdefault("MUSTER_PYTHON", sys.executable)
sys.path.append(str(SOURCE / "tests/e2e"))
from cluster import wait_until  # noqa: E402

# Processes carry their node's name, and agents outside of the machine see them.
N1 = f"n1-{os.getpid()}"
SLEEPER = """
name: sleeper
trial: {command: [sleep, "600"]}
budget: {trials: 1}
sampler: random
"""


def readme_commands(heading):
    """The indented commands below a heading of the README."""
    part = (DEPLOY / "README.md").read_text().split(f"\n## {heading}\n")[1]
    return re.match(r"(?:    .*\n)+", part).group(0)


class UnitsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.machine = booted.Booted()
        cls.addClassCleanup(cls.machine.close)
        shutil.copytree(DEPLOY, cls.machine.srv / "cluster/deploy")
        cls.bin = cls.machine.srv / "build/release/bin"
        cls.bin.mkdir(parents=True)
        for program in ("muster", "muster-shim", "muster-openvino.so"):
            shutil.copy(BIN / program, cls.bin)
        if not cls.machine.boot():
            raise unittest.SkipTest("needs root, systemd, and control groups that it may use")
        cls.sh("cd /srv\n" + readme_commands("The server"))
        wait_until(lambda: cls.healthy(7070, "/health"), 30, "the server", every=0.1, describe=lambda: cls.journal("muster-server"))

    @classmethod
    def sh(cls, script, code=0):
        done = cls.machine.run("sh", "-ec", script)
        assert done.returncode == code, f"{script}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    @classmethod
    def healthy(cls, port, path):
        return cls.machine.run("/srv/cluster/deploy/container/healthy", port, path).returncode == 0

    @classmethod
    def journal(cls, unit):
        return cls.machine.run("journalctl", "-u", unit, "-n", "20", "-o", "cat", "--no-pager").stdout

    def ask(self, *words):
        return json.loads(self.sh("/opt/muster/bin/muster --server http://127.0.0.1:7070 --json " + " ".join(words)))

    def show(self, unit, name):
        return self.sh(f"systemctl show -P {name} {unit}").strip()

    def node(self, name):
        return {node["id"]: node for node in self.ask("node", "ls")["nodes"]}.get(name, {})

    def join(self, *arguments, code=0):
        return self.sh("sh /srv/cluster/deploy/join " + " ".join(arguments), code)

    def sleepers(self):
        """(pid, user) of the trial's ranks."""
        lines = self.sh("ps -eo pid,user,args").splitlines()
        return [tuple(line.split()[:2]) for line in lines if line.split()[2:] == ["/usr/bin/sleep", "600"]]

    def test_ANode_IsInstalledRestartedKilledChangedAndRemoved(self):
        self.ask("node", "invite", N1, "--out", "/srv/n1.key")
        joining = "--key /srv/n1.key --bin /srv/build/release/bin --flags '--slots 1'"
        self.assertIn(f"node {N1} is up", self.join(joining))
        self.assertEqual((self.node(N1)["state"], self.node(N1)["slots"]), ("up", 1))
        self.assertEqual(self.sh("stat -c '%a %U' /etc/muster/agent.key /var/lib/muster-agent"), "600 muster\n700 muster\n")
        self.assertIn("nothing to do", self.join(joining))
        (self.machine.srv / "sleeper.yaml").write_text(SLEEPER)
        self.ask("sweep", "submit", "/srv/sleeper.yaml", "--id", "sleeper")
        rank = wait_until(self.sleepers, 30, "the rank", every=0.1, describe=lambda: self.ask("trial", "explain", "sleeper/0"))
        self.assertEqual(rank[0][1], "muster")

        agent = self.show("muster-agent", "MainPID")
        self.sh("systemctl restart muster-agent")
        self.assertNotEqual(self.show("muster-agent", "MainPID"), agent)
        agent = self.show("muster-agent", "MainPID")
        self.sh(f"kill -9 {agent}")
        wait_until(lambda: self.show("muster-agent", "MainPID") not in (agent, "0"), 20, "another agent", every=0.1)
        wait_until((lambda: self.machine.run("test", "-e", "/var/lib/muster-agent/ready").returncode == 0), 20, "the node", every=0.1)
        self.assertIn(f"node {N1} is up", self.join(joining.replace("--slots 1", "--slots 2")))
        self.assertEqual(self.node(N1)["slots"], 2)
        with open(self.bin / "muster", "ab") as program:  # another version
            program.write(b"\0")
        self.assertIn("copy the programs of", self.join(joining.replace("--slots 1", "--slots 2")))
        self.sh("cmp /srv/build/release/bin/muster /proc/$(systemctl show -P MainPID muster-agent)/exe")
        self.assertEqual(self.sleepers(), rank, "the same rank through all of it")
        (trial,) = self.ask("trial", "ls", "sleeper")["trials"]
        self.assertEqual((trial["state"], trial["attempts"]), ("running", 1))

        self.join("--uninstall")
        self.assertEqual(self.show("muster-agent", "LoadState"), "not-found")
        self.join("--uninstall --purge")
        self.sh("test ! -e /var/lib/muster-agent; test ! -e /etc/muster/agent.key; test -e /opt/muster/bin/muster")
        wait_until(lambda: not self.sleepers(), 20, "the rank's end with its folder", every=0.1)
        self.ask("sweep", "cancel", "sleeper")

    def test_ANodeThatIsRefused_IsTold(self):
        self.ask("node", "invite", "n2", "--out", "/srv/n2.key")
        self.ask("node", "revoke", "n2")
        done = self.machine.run("sh", "/srv/cluster/deploy/join", "--key", "/srv/n2.key", "--bin", "/srv/build/release/bin", "--wait", "3")
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("refused this node's key", done.stderr)
        self.assertIn("did not take node n2 in within 3 s", done.stderr)
        self.join("--uninstall --purge")

    def test_TheServer_IsKilledAndGoesOn(self):
        pid = self.show("muster-server", "MainPID")
        self.assertEqual(self.sh(f"ps -o user= -p {pid}").strip(), "muster")
        self.sh(f"kill -9 {pid}")
        wait_until(lambda: self.show("muster-server", "MainPID") not in (pid, "0") and self.healthy(7070, "/health"), 20,
                   "the server", every=0.1, describe=lambda: self.journal("muster-server"))
        # Wrong flags: it stays down and says why.
        self.sh("sed -i 's/--agents-host/--agents-ghost/' /etc/muster/server.env; systemctl restart muster-server || true; sleep 2")
        self.assertEqual(self.show("muster-server", "ExecMainStatus"), "2")
        self.assertIn("--agents-ghost", self.journal("muster-server"))
        self.sh("sed -i 's/--agents-ghost/--agents-host/' /etc/muster/server.env; systemctl restart muster-server")
        wait_until(lambda: self.healthy(7070, "/health"), 20, "the server", every=0.1)

    def test_AModelServer_Serves(self):
        save_model(self.machine.srv / "same")
        # Where the build keeps OpenVINO may be nobody's but the builder's.
        subprocess.run([DEPLOY / "container/collect", BIN, self.machine.srv / "image", "muster-openvino.so"], check=True)
        (engine,) = (self.machine.srv / "image").rglob("libopenvino.so*")
        engine = "/srv" / engine.parent.relative_to(self.machine.srv)
        self.sh("cp /srv/cluster/deploy/systemd/muster-serve@.service /etc/systemd/system/;"
                "sed 's|^MUSTER_MODEL=.*|MUSTER_MODEL=\"/srv/same\"|' /srv/cluster/deploy/systemd/serve.env > /etc/muster/serve-same.env;"
                f"echo LD_LIBRARY_PATH={engine} >> /etc/muster/serve-same.env;"
                "systemctl daemon-reload; systemctl start muster-serve@same")
        wait_until(lambda: self.healthy(7071, "/v2/models/same/ready"), 30, "the model server", every=0.1,
                   describe=lambda: self.journal("muster-serve@same"))
        self.assertNotEqual(self.sh(f"ps -o user= -p {self.show('muster-serve@same', 'MainPID')}").strip(), "root")
        self.sh("systemctl stop muster-serve@same")
        self.assertEqual(self.show("muster-serve@same", "Result"), "success")


if __name__ == "__main__":
    unittest.main()
