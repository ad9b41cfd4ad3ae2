"""`muster doctor --cluster` on agents in network namespaces: a cluster that is well, and one where a clock is an hour
ahead, a folder is another one, and a port is closed. Each fault is named, with its cure, and nothing else is."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "chaos")]

import cluster
import wires

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"


class DoctorTest(unittest.TestCase):
    def setUp(self):
        if why := wires.why_not():
            self.skipTest(why)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mst-", dir="/tmp"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.children = []
        self.addCleanup(self.end)
        self.home = self.folder / "server"
        (self.home / "checkpoints").mkdir(parents=True)

    def end(self):
        marks = {cluster.mark_of(home.parent) for home in self.folder.glob("*/node")}
        for child in self.children:
            child.kill()
            child.wait(timeout=20)
        for process in cluster.all_processes():
            if process.environment.get("MUSTER_HOME_ID") in marks:
                process.kill()

    def environment(self, home):
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("MUSTER_", "MLFLOW_"))}
        return {**kept, "MUSTER_HOME": str(home)}

    def start(self, name, command, environment):
        with open(self.folder / f"{name}.log", "ab") as log:
            self.children.append(subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL,
                                                  stdout=log, stderr=log))

    def log(self, name):
        return (self.folder / f"{name}.log").read_text(errors="replace")[-2000:]

    def start_server(self, net):
        self.net = net
        self.start("server", [*net.inside("server"), cluster.BIN / "muster", "server", "--port", "7070", "--slots",
                              "0", "--agents-host", net.address("server"), "--agents-port", "7071",
                              "--port-file", self.folder / "port"], self.environment(self.home))
        cluster.wait_until((self.folder / "port").exists, 60, "the server", describe=lambda: self.log("server"))

    def start_agent(self, name, *flags, before=(), **more):
        """`before`: words that stand before the agent's command on its machine."""
        key = self.folder / f"{name}.key"
        invited = self.muster("node", "invite", name, "--out", key)
        self.assertEqual(invited.code, 0, invited)
        command = [*self.net.inside(name), *before, cluster.BIN / "muster", "agent", "join",
                   f"tcp://{self.net.address('server')}:7071", "--key", key, "--slots", "1", *flags]
        self.start(name, command, {**self.environment(self.folder / name), **more})

    def wait_up(self, *names):
        def up():
            nodes = self.muster("--json", "node", "ls").json()["nodes"]
            return {node["id"] for node in nodes if node["state"] == "up"} == set(names)
        cluster.wait_until(up, 30, f"{names} to be up", every=0.1,
                           describe=lambda: "\n".join(self.log(name) for name in names))

    def muster(self, *arguments):
        done = subprocess.run([*self.net.inside("server"), cluster.BIN / "muster", *map(str, arguments)],
                              env=self.environment(self.home), capture_output=True, text=True, timeout=180)
        return cluster.Outcome(done.returncode, done.stdout, done.stderr)

    def examine(self, *flags):
        begun = time.monotonic()
        outcome = self.muster("--json", "doctor", "--cluster", *flags)
        print(f"muster doctor --cluster took {time.monotonic() - begun:.1f} s")
        self.assertIn(outcome.code, (0, 1), outcome)
        sweeps = self.muster("--json", "sweep", "ls").json()["sweeps"]
        self.assertLessEqual({sweep["state"] for sweep in sweeps}, set(cluster.FINAL), sweeps)
        return outcome

    @staticmethod
    def wrong(outcome):
        return {(f["where"], f["check"]): f for f in outcome.json()["findings"] if f["verdict"] == "wrong"}

    def test_AClusterThatIsWell_IsFoundSo(self):
        with wires.Wires(["server", "a", "b", "c"]) as net:
            self.start_server(net)
            for name in ("a", "b"):
                self.start_agent(name)
            self.start_agent("c", before=self.without_folder())  # its checkpoints go over HTTP
            self.wait_up("a", "b", "c")
            outcome = self.examine()
            self.assertEqual(outcome.code, 0, outcome)
            answer = outcome.json()
            self.assertEqual([node["address"] for node in answer["nodes"]],
                             [net.address(name) for name in ("a", "b", "c")])
            self.assertEqual({node["interface"] for node in answer["nodes"]}, {"eth0"})
            self.assertEqual({(pair["from"], pair["to"]) for pair in answer["pairs"]},
                             {("a", "b"), ("a", "c"), ("b", "c")})
            for pair in answer["pairs"]:
                shared = pair["to"] != "c"
                self.assertEqual((pair["error"], pair["folder_shared"], pair["locks"]), ("", shared, shared), pair)
                self.assertEqual(pair["mpi_error"], "", pair)
                self.assertGreater(pair["mpi_seconds"], 0, "mpirun's hello goes from node to node")
            (folder,) = [f for f in answer["findings"] if (f["where"], f["check"]) == ("c", "folder")]
            self.assertIn("over HTTP", folder["seen"])
            self.assertLessEqual(set(os.listdir(self.home / "checkpoints")), {".store", ".incoming"}, "the probes leave nothing")
            # For people: a table, and no cure where there is nothing to cure.
            table = self.muster("--quiet", "doctor", "--cluster")
            self.assertEqual((table.code, table.err), (0, ""), table)
            self.assertIn("within", table.out)

    def without_folder(self):
        return ("unshare", "--mount", "sh", "-c", f'mount -t tmpfs none "{self.home / "checkpoints"}" && exec "$@"', "sh")

    def test_ClockFolderAndPort_AreNamedWithTheirCures(self):
        if not os.path.exists(FAKETIME):
            self.skipTest("a clock that is off needs libfaketime (scripts/setup --test)")
        with wires.Wires(["server", "a", "b", "c"]) as net:
            self.start_server(net)
            self.start_agent("a")
            self.start_agent("b", LD_PRELOAD=FAKETIME, FAKETIME="+3600s", FAKETIME_DONT_FAKE_MONOTONIC="1",
                             NO_FAKE_STAT="1")
            self.start_agent("c", "--checkpoints", "folder", before=self.without_folder())
            # What a says to c is never answered.
            wires.run("ip", "-n", net.prefix + "c", "route", "add", "blackhole", net.address("a"))
            self.wait_up("a", "b", "c")
            outcome = self.examine()
            self.assertEqual(outcome.code, 1, outcome)
            wrong = self.wrong(outcome)
            self.assertRegex(wrong["b", "clock"]["seen"], "^(1 h|59.* min) ahead of the server's")
            self.assertIn("time server", wrong["b", "clock"]["cure"])
            self.assertIn("is not the server's folder", wrong["c", "folder"]["seen"])
            self.assertIn("mount", wrong["c", "folder"]["cure"])
            self.assertIn("a does not reach c", wrong["a > c", "ports"]["seen"])
            self.assertIn("firewall", wrong["a > c", "ports"]["cure"])
            self.assertIn("neither sees", wrong["b > c", "folder"]["seen"])
            self.assertEqual({("b", "clock"), ("b", "folder"), ("a > b", "clock"), ("b > c", "clock"), ("c", "folder"),
                              ("a > c", "ports"), ("b > c", "folder")}, set(wrong), outcome)
            # A node without a slot for the probe, and one that is gone.
            self.muster("node", "cordon", "a", "--reason", "by hand")
            note = [f for f in self.muster("--json", "doctor", "--cluster").json()["findings"] if f["where"] == "a"]
            self.assertEqual([f["verdict"] for f in note], ["note"])
            self.assertIn("by hand", note[0]["seen"])


if __name__ == "__main__":
    unittest.main()
