"""What goes wrong for people: each mistake is answered by a sentence about it and the right exit code."""

import os
import pathlib
import signal
import subprocess
import time
import unittest

import cluster

GOOD = """name: bad
trial:
  command: [python3, -c, "pass"]
  ranks: 1
space:
  lr: {float: [0.1, 1.0]}
objective: {metric: score}
budget: {trials: 1}
sampler: random
"""

# (what is replaced, by what, line:column of the answer, words of the answer)
MISTAKES = {
    "a wrong key": ("trials: 1", "trails: 1", "8:10", ["unknown key 'trails'", "did you mean 'trials'"]),
    "a wrong type": ("ranks: 1", "ranks: many", "4:3", ["trial.ranks", "wanted an integer", "many"]),
    "below its bound": ("ranks: 1", "ranks: 0", "4:3", ["trial.ranks", "at least 1, got 0"]),
    "an upturned range": ("[0.1, 1.0]", "[1.0, 0.1]", "6:8", ["space.lr.float", "low must be below high"]),
    "an unknown sampler": ("random", "bogus", "9:1", ["unknown sampler 'bogus'", "tpe"]),
    "an unknown goal": ("score}", "score, goal: up}", "7:28", ["objective.goal", "maximize or minimize, got 'up'"]),
    "no dataset": ("budget:", "data: {train: nowhere.h5}\nbudget:", "8:8", ["data.train", "nowhere.h5"]),
    "too many ranks": ("ranks: 1", "ranks: 50", "4:3", ["50 ranks", "the largest", "has 2"]),
    "an unknown program": ('command: [python3, -c, "pass"]', "program: digitz", "3:3", ["program 'digitz'"]),
    "an unknown placeholder": ('"pass"', '"{nope}"', "3:26", ["{nope} names no parameter"]),
    "an empty file": (GOOD, "", "1:1", ["wanted a map of keys"]),
    "no YAML": ("trials: 1}", "trials: 1", None, ["bad.yaml:9:8", "flow"]),
}


class ErrorsTest(unittest.TestCase):
    def setUp(self):
        self.cluster = cluster.Cluster()
        self.addCleanup(self.cluster.close)
        self.cluster.start_server()

    def sweep(self, text, *flags, name="sweep.yaml"):
        return self.cluster.muster("sweep", "submit", self.cluster.write(name, text), *flags)

    def assertSays(self, outcome, code, *words):
        self.assertEqual(outcome.code, code, outcome)
        for word in words:
            self.assertIn(word, outcome.err)

    def test_BadSweepFile_IsRefused_WithItsPlace(self):
        for what, (old, new, place, words) in MISTAKES.items():
            with self.subTest(what):
                outcome = self.sweep(GOOD.replace(old, new, 1), name="bad.yaml")
                self.assertSays(outcome, 2, *([f"bad.yaml:{place}: "] if place else []), *words)
                self.assertNotIn("http://", outcome.err)
        self.assertEqual(self.cluster.ask("sweep", "ls")["sweeps"], [])

    def test_MetricThatNeverComes_FailsTheTrial_NamingIt(self):
        outcome = self.sweep(GOOD, "--wait")
        self.assertEqual(outcome.code, 1, outcome)
        self.assertIn("ended without the metric 'score'", outcome.out)

    def test_ProgramOfACommandNowhere_FailsTheTrialOnce(self):
        outcome = self.cluster.muster("run", "--", "no-such-program", timeout=30)
        self.assertSays(outcome, 1, "program 'no-such-program' is neither in")

    def test_Run_ExitCodesAndOutput_AreTheCommands(self):
        outcome = self.cluster.muster("run", "--", "sh", "-c", "echo to out; echo to err >&2; exit 3")
        self.assertSays(outcome, 3, "to err")
        self.assertEqual(outcome.out, "to out\n")
        self.assertEqual(self.cluster.muster("run", "--", "true").code, 0)

    def test_Run_SecondAttempt_OutputOfBothIsShown(self):
        once = self.cluster.work / "once"
        outcome = self.cluster.muster("run", "--name", "again", "--", "sh", "-c",
                                      f"mkdir {once} || {{ echo second; exit; }}; echo a long first; exit 75")
        self.assertEqual((outcome.code, outcome.out), (0, "a long first\nsecond\n"), outcome)
        trial = self.cluster.ask("sweep", "ls")["sweeps"][0]["id"] + "/0"
        self.assertEqual(self.cluster.muster("trial", "logs", trial).out, "second\n", "the newest alone")

    def test_Run_ServerKilledAndBack_GoesOnToItsEnd(self):
        running = self.cluster.popen("run", "--", "sh", "-c", "echo begin; sleep 2; echo end")
        cluster.wait_until(self.cluster.ranks, 30, "the command")
        self.cluster.kill_server()
        self.cluster.start_server()
        out, err = running.communicate(timeout=60)
        self.assertEqual((running.returncode, out, err), (0, b"begin\nend\n", b""))

    def test_Run_Interrupted_SaysThatTheCommandGoesOn(self):
        running = self.cluster.popen("run", "--name", "slow", "--", "sleep", "60")
        cluster.wait_until(self.cluster.ranks, 30, "the command")
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=20)
        self.assertEqual(running.returncode, 130)
        self.assertIn("is still running", err.decode())
        self.assertTrue(self.cluster.ranks())

    def test_BinaryOutput_ComesBackByteByByte(self):
        wanted = bytes(range(256)) * 5000 + b"no newline at the end"
        script = self.cluster.write(
            "binary.py", "import os\ndata = bytes(range(256)) * 5000 + b'no newline at the end'\n"
            "while data: data = data[os.write(1, data):]\n")
        outcome = self.cluster.muster("run", "--name", "binary", "--", "python3", script)
        self.assertEqual(outcome.code, 0, outcome.err)
        self.assertEqual(outcome.out.encode("utf-8", "surrogateescape"), wanted)
        trial = self.cluster.ask("sweep", "ls")["sweeps"][0]["id"] + "/0"
        logs = self.cluster.muster("trial", "logs", trial)
        self.assertEqual(logs.out.encode("utf-8", "surrogateescape"), wanted)

    def test_TakenPortAndTakenHome_AreConflicts(self):
        other = self.cluster.work / "other"
        port = str(self.cluster.server.port)
        self.assertSays(self.cluster.muster("--home", other, "server", "--port", port, timeout=30), 4,
                        f"port {port}", "taken")
        self.assertSays(self.cluster.muster("server", "--port", "0", timeout=30), 4,
                        "another server", str(self.cluster.server.pid), str(self.cluster.home))
        self.cluster.ask("sweep", "ls")

    def test_WhatIsNotThere_Exits3(self):
        for command in (["model", "show", "nope"], ["sweep", "show", "nope"], ["trial", "show", "nope/0"],
                        ["serve", "--model", "nope@champion", "--port", "0"],
                        ["trial", "logs", "nope/0"], ["sweep", "cancel", "nope"]):
            with self.subTest(command):
                outcome = self.cluster.muster(*command, timeout=30)
                self.assertSays(outcome, 3, "nope")
                self.assertNotIn("http://", outcome.err)

    def test_DataConvert_BadShare_IsRefused_AndJsonNamesTheFiles(self):
        table = self.cluster.write("t.csv", "".join(f"{i},{i + 1},{i % 2}\n" for i in range(20)))
        convert = ["data", "convert", table, "--name", "t", "--out", self.cluster.work]
        self.assertSays(self.cluster.muster(*convert, "--split", "train=0.7x"), 2, "'train=0.7x'")
        outcome = self.cluster.muster("--json", *convert, "--split", "train=0.5,test=0.5")
        self.assertEqual(outcome.code, 0, outcome)
        self.assertEqual([file["rows"] for file in outcome.json()["files"]], [10, 10])
        for flags, dataset in (((), b"features"), (("--shape", "2"), b"images"), (("--inputs", "own"), b"own")):
            outcome = self.cluster.muster("--json", *convert, *flags)
            written = pathlib.Path(outcome.json()["files"][0]["path"]).read_bytes()
            self.assertIn(dataset, written)

    def test_NoServer_Exits5_AndSaysHowToStartOne(self):
        self.assertSays(self.cluster.muster("--home", self.cluster.work / "none", "sweep", "ls"), 5,
                        "no server runs on", "muster server")
        self.cluster.kill_server()
        self.assertSays(self.cluster.muster("sweep", "ls"), 5, self.cluster.url)

    def test_Interrupted_WhileWaiting_LeavesTheSweepRunning(self):
        slow = self.cluster.write("slow.yaml", GOOD.replace('"pass"', '"import time; time.sleep(60)"'))
        waiting = self.cluster.popen("sweep", "submit", slow, "--id", "slow", "--wait")
        cluster.wait_until(lambda: self.cluster.ranks("slow/0"), 30, "the rank")
        waiting.send_signal(signal.SIGINT)
        _, err = waiting.communicate(timeout=20)
        self.assertEqual(waiting.returncode, 130)
        self.assertIn("still running", err.decode())
        self.assertIn("muster sweep cancel slow", err.decode())
        self.assertEqual(self.cluster.sweep("slow")["sweep"]["state"], "running")
        self.assertTrue(self.cluster.ranks("slow/0"))
        self.cluster.ask("sweep", "cancel", "slow")
        self.assertEqual(self.cluster.wait_sweep("slow")["sweep"]["state"], "cancelled")
        cluster.wait_until(lambda: not self.cluster.processes(), 20, "its rank to end")


@unittest.skipUnless(os.geteuid() == 0, "mounting a small file system needs root")
class DiskFullTest(unittest.TestCase):
    def test_HomeFull_ServerStopsWithASentence_KeepsWhatItAcknowledged(self):
        with cluster.Cluster(slots=0) as full:
            full.home.mkdir()
            mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "muster-test", full.home],
                                     capture_output=True)
            if mounted.returncode != 0:
                self.skipTest(f"no tmpfs can be mounted: {mounted.stderr.decode().strip()}")
            self.addCleanup(subprocess.run, ["umount", "-l", full.home], stderr=subprocess.DEVNULL)
            full.start_server()
            file = full.write("sweep.yaml", GOOD)
            acknowledged = []
            deadline = time.monotonic() + 60
            (full.home / "ballast").write_bytes(b"x" * self.room(full.home, 256 << 10))
            while full.server.poll() is None and time.monotonic() < deadline:
                outcome = full.muster("--json", "sweep", "submit", file)
                if outcome.code == 0:
                    acknowledged.append(outcome.json()["id"])
            self.assertEqual(full.server.wait(timeout=20), 1, full.log_tail())
            self.assertIn("cannot go on", full.log_tail())
            self.assertTrue(acknowledged)
            (full.home / "ballast").unlink()
            full.start_server()
            kept = {sweep["id"] for sweep in full.ask("sweep", "ls")["sweeps"]}
            self.assertEqual(set(acknowledged) - kept, set())
            full.kill_server()
            subprocess.run(["umount", full.home], check=True)

    @staticmethod
    def room(folder, left):
        """Bytes that fill the file system up to `left` bytes."""
        stat = os.statvfs(folder)
        return max(0, stat.f_bavail * stat.f_frsize - left)


if __name__ == "__main__":
    unittest.main()
