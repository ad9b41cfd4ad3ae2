"""The script cluster/deploy/join against a real server, in a private root: installs, starts, changes, refuses, goes."""

import os
import pathlib
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import unittest

from recipes import BIN, DEPLOY, SOURCE

os.environ.setdefault("MUSTER_PYTHON", sys.executable)
sys.path.append(str(SOURCE / "tests/e2e"))
import cluster  # noqa: E402

# Processes carry their node's name: that of another test's node, on the same machine, would be ended as ours.
ONE = f"one-{os.getpid()}"
SLEEPER = """
name: sleeper
trial: {command: [sleep, "600"]}
budget: {trials: 1}
sampler: random
"""


class JoinTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = cluster.Cluster(slots=0)
        cls.addClassCleanup(cls.cluster.close)
        cls.cluster.start_server("--agents-host", "127.0.0.1")
        # What a node needs of the bin folder.
        cls.bin = cls.cluster.work / "bin"
        cls.bin.mkdir()
        for program in ("muster", "muster-shim"):
            (cls.bin / program).symlink_to(BIN / program)

    def setUp(self):
        self.prefix = pathlib.Path(tempfile.mkdtemp(prefix="mst-join-", dir="/tmp"))
        self.home = self.prefix / "var/lib/muster-agent"
        self.cluster.agent_homes.append(self.home)  # its ranks go at the end, too
        self.addCleanup(shutil.rmtree, self.prefix)
        self.addCleanup(self.kill_agent)

    def kill_agent(self):
        if process := self.agent():
            process.kill(signal.SIGKILL)
            cluster.wait_until(lambda: self.agent() is None, 20, "the agent's end")

    def agent(self):
        """The process of the agent that runs in the private root."""
        program = str(self.prefix / "opt/muster/bin/muster")
        return next((p for p in cluster.all_processes() if p.command[:2] == [program, "agent"] and p.state != "Z"), None)

    def invite(self, node):
        file = self.cluster.work / f"{node}.key"
        self.cluster.ask("node", "invite", node, "--out", file)
        return file

    def join(self, *arguments, code=0):
        done = subprocess.run(["sh", DEPLOY / "join", "--prefix", self.prefix, *arguments],
                              env=self.cluster.environment(), capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def files(self):
        return sorted(str(f.relative_to(self.prefix)) for f in self.prefix.rglob("*") if f.is_file())

    def node(self, name):
        return self.cluster.nodes().get(name, {})

    def wait_down(self, name):
        cluster.wait_until(lambda: self.node(name).get("state") != "up", 20, f"{name} to be gone", every=0.1)

    def test_AMachine_BecomesANode_ChangesAndGoes(self):
        key = self.invite(ONE)
        joining = ("--key", key, "--bin", self.bin, "--flags", "--slots 2 --label rack=a")
        told = self.join(*joining, "--dry-run")
        self.assertIn("would start the agent", told)
        self.assertEqual(list(self.prefix.iterdir()), [])

        self.assertIn(f"join: node {ONE} is up", self.join(*joining))
        node = self.node(ONE)
        self.assertEqual((node["state"], node["slots"]), ("up", 2))
        copied = self.prefix / "etc/muster/agent.key"
        self.assertEqual((copied.read_text(), stat.S_IMODE(copied.stat().st_mode)), (key.read_text(), 0o600))
        first = self.agent()
        self.assertIn("nothing to do", self.join(*joining))
        self.assertEqual(self.agent().pid, first.pid)

        # Other flags: another agent, the same ranks.
        self.cluster.submit(self.cluster.write("sleeper.yaml", SLEEPER), "--id", "sleeper")
        (rank,) = cluster.wait_until(self.cluster.ranks, 30, "the rank")
        changed = self.join("--key", key, "--bin", self.bin, "--flags", "--slots 1")
        self.assertNotIn("copy", changed)
        self.assertEqual(self.node(ONE)["slots"], 1)
        self.assertNotEqual(self.agent().pid, first.pid)
        self.assertEqual([r.pid for r in self.cluster.ranks()], [rank.pid])

        self.join("--uninstall")
        self.assertIsNone(self.agent())
        self.wait_down(ONE)
        self.assertFalse({"etc/muster/agent.key", "etc/muster/agent.env"} & set(self.files()))
        self.join("--uninstall", "--purge")
        self.assertEqual(self.files(), [])
        cluster.wait_until(lambda: not self.cluster.ranks(), 30, "the rank's end with its folder")
        self.assertIn("nothing is installed here", self.join("--uninstall"))
        self.cluster.ask("sweep", "cancel", "sleeper")

    def test_AKilledAgent_IsStartedAgain(self):
        key = self.invite("two")
        self.join("--key", key, "--bin", self.bin, "--flags", "--slots 1")
        ready = self.home / "ready"
        self.assertEqual(ready.read_text(), "two\n")
        self.kill_agent()
        self.assertTrue(ready.exists(), "nobody was there to take it away")
        self.wait_down("two")
        self.assertIn("node two is up", self.join("--key", key, "--bin", self.bin))
        self.assertEqual((self.node("two")["state"], self.node("two")["slots"]), ("up", 1), "settings stay")
        # Asked to end it takes the file away.
        self.agent().kill(signal.SIGTERM)
        cluster.wait_until(lambda: self.agent() is None, 20, "the agent's end")
        self.assertFalse(ready.exists())

    def test_TheReadyFile_FollowsTheServer(self):
        self.join("--key", self.invite("three"), "--bin", self.bin)
        ready = self.home / "ready"
        self.cluster.kill_server()
        cluster.wait_until(lambda: not ready.exists(), 20, "the file to go with the server")
        self.cluster.start_server()
        cluster.wait_until(ready.exists, 20, "the file to come with the server")

    def test_Mistakes_AreSentences(self):
        key = self.invite("four")
        bad = self.cluster.write("bad.key", "{}")
        here = ("--bin", self.bin)
        for arguments, words in (
                ((), "wanted --key FILE"),
                (("--key",), "--key wants a value"),
                (("--key", "none.key"), "none.key cannot be read"),
                (("--key", bad, *here), "no key file of muster node invite"),
                (("--key", key, "--bin", "/nowhere"), "/nowhere/muster is not there"),
                (("--key", key, *here, "--flags", "--label x=$HOME"), "wanted plain words"),
                (("--key", key, *here, "--wait", "soon"), "wanted a number of seconds"),
                (("--prefix", "here", "--key", key), "wanted an absolute path"),
                (("--frobnicate",), "unknown argument")):
            with self.subTest(arguments):
                self.assertIn(words, self.join(*arguments, code=2))
        self.assertEqual(self.files(), [])
        # A flag that the agent does not take: its own words.
        self.assertIn("--frobnicate", self.join("--key", key, *here, "--flags", "--frobnicate", code=1))
        self.join("--key", key, *here, "--flags", "")
        other = self.invite("five")
        self.assertIn("this machine is or was node four", self.join("--key", other, *here, code=2))
        self.join("--uninstall")
        self.assertIn("this machine is or was node four", self.join("--key", other, *here, code=2))
        self.join("--uninstall", "--purge")
        self.join("--key", other, *here)

    def test_AServerThatIsAway_IsCalledOn(self):
        key = self.invite("six")
        text = self.join("--key", key, "--bin", self.bin, "--flags", "tcp://127.0.0.1:9", "--wait", "1", code=1)
        self.assertIn("did not take node six in within 1 s", text)
        self.assertIsNotNone(self.agent())
        self.assertIn("node six is up", self.join("--key", key, "--bin", self.bin, "--flags", ""))


if __name__ == "__main__":
    unittest.main()
