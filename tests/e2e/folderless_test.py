"""Nodes that do not see the server's folders (namespaces of network and mounts): their trials' checkpoints go to the
server and come from there, a killed node's and a cut-off node's trial go on elsewhere from what it has, and what the
cut-off one sends late changes nothing.

Skipped where namespaces cannot be made.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).parent
sys.path.append(str(HERE / "chaos"))

import cluster
import wires

KILLED, CUT, THIRD = (f"{name}{os.getpid()}" for name in "abc")
STEPS = 100
SWEEP = f"""
name: moving
seed: 1
trial: {{command: [python3, "{HERE / 'saver.py'}", "{STEPS}", "0.05", "{{x}}"]}}
space: {{x: {{float: [1.0, 2.0]}}}}
objective: {{metric: score, goal: maximize}}
budget: {{trials: 2}}
sampler: random
retry: {{infra: 5, node: 5}}
"""
# What ssh's -R does: bytes from whoever calls at the first address to the second, HOST:PORT or a socket's path.
TUNNEL = """
import pathlib, socket, sys, threading
def address(text):
    host, _, port = text.rpartition(":")
    return (socket.AF_INET, (host, int(port))) if host else (socket.AF_UNIX, text)
def pour(source, sink):
    while data := source.recv(65536):
        sink.sendall(data)
    sink.shutdown(socket.SHUT_WR)
family, here = address(sys.argv[1])
listener = socket.socket(family)
listener.bind(here)
listener.listen()
while True:
    near, (family, there) = listener.accept()[0], address(sys.argv[2])
    far = socket.socket(family)
    far.connect(there)
    for pair in ((near, far), (far, near)):
        threading.Thread(target=pour, args=pair, daemon=True).start()
"""
UPLOAD = """
import os, urllib.request
url = "{MLFLOW_TRACKING_URI}/api/2.0/mlflow-artifacts/artifacts/{MLFLOW_EXPERIMENT_ID}/{MLFLOW_RUN_ID}/artifacts/deep/a.bin"
urllib.request.urlopen(urllib.request.Request(url.format(**os.environ), bytes(range(256)) * 10000, method="PUT",
    headers={"Authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"]}), timeout=20)
"""


class FolderlessTest(unittest.TestCase):
    def setUp(self):
        if why := wires.why_not():
            self.skipTest(why)
        self.wires = self.enterContext(wires.Wires(["server", KILLED, CUT, THIRD]))
        self.cluster = cluster.Cluster(slots=0, inside=self.inside)
        self.addCleanup(self.cluster.close)
        self.start_server()

    def start_server(self):
        self.cluster.start_server("--agents-host", "0.0.0.0", "--agents-port", "7071")

    def inside(self, machine):
        if machine == "server":
            return self.wires.inside(machine)
        # An empty folder where the server has its home.
        hide = f'mount -t tmpfs none "{self.cluster.home}" && exec "$@"'
        return [*self.wires.inside(machine), "unshare", "-m", "sh", "-c", hide, "sh"]

    def join(self, node, slots):
        key = self.cluster.work / f"{node}.key"
        self.cluster.ask("node", "invite", node, "--out", key)
        agent = self.cluster.start_agent(node, key, "--slots", str(slots),
                                         url=f"tcp://{self.wires.address('server')}:7071")
        cluster.wait_until(lambda: self.cluster.nodes().get(node, {}).get("state") == "up", 30, f"node {node}", every=0.1)
        return agent

    def tunnel(self, node):
        """To the server's HTTP, from the loopback of the node."""
        between = str(self.cluster.work / "tunnel")
        server = f"127.0.0.1:{self.cluster.server.port}"
        for machine, ends in (("server", (between, server)), (node, (server, between))):
            child = subprocess.Popen([*self.wires.inside(machine), sys.executable, "-c", TUNNEL, *ends])
            self.addCleanup(child.wait)
            self.addCleanup(child.kill)

    def saved(self, trial):
        """What the server has of the trial."""
        file = self.cluster.home / "checkpoints" / trial / "state.json"
        return json.loads(file.read_text()) if file.exists() else []

    def home_of(self, node):
        return next(home for home in self.cluster.agent_homes if home.name == f"agent-{node}")

    def where(self, node):
        """The trial that runs there."""
        return next(t["id"] for t in self.cluster.trials("moving") if t["node"] == node)

    def begins(self, trial):
        """What the newest attempt found."""
        epoch = self.cluster.trial(trial)["attempts"][-1]["epoch"]
        output = self.cluster.home / "logs" / trial / f"{epoch}.0.out"
        cluster.wait_until(lambda: output.exists() and output.read_text().endswith("\n"), 30, f"the output of {trial}")
        return json.loads(output.read_text().splitlines()[0].removeprefix("begins with "))

    def describe(self):
        return "\n".join(self.cluster.log_tail(name) for name in ("server", *(f"agent-{n}" for n in (KILLED, CUT, THIRD))))

    def test_Trials_GoOnElsewhere_FromWhatTheServerHas(self):
        agent = self.join(KILLED, 1)
        self.join(CUT, 1)
        self.cluster.submit(self.cluster.write("moving.yaml", SWEEP), "--id", "moving")
        for trial in ("moving/0", "moving/1"):
            cluster.wait_until(lambda: len(self.saved(trial)) >= 5, 30, f"five steps of {trial}", describe=self.describe)
        # The server is killed -9 as well: what comes then waits, and is sent to the next one.
        self.cluster.kill_server()
        before = {trial: len(self.saved(trial)) for trial in ("moving/0", "moving/1")}
        self.start_server()
        for trial in before:
            cluster.wait_until(lambda: len(self.saved(trial)) >= before[trial] + 3, 30, f"{trial} to go on",
                               describe=self.describe)
        killed, cut = self.where(KILLED), self.where(CUT)
        # Its folder, with the token of an attempt that will be over.
        epoch = self.cluster.trial(cut)["attempts"][0]["epoch"]
        late = self.cluster.work / "late"
        shutil.copytree(self.home_of(CUT) / "attempts" / str(epoch), late, ignore=shutil.ignore_patterns("control", "agent"))
        self.assertFalse((self.cluster.home / "checkpoints" / cut / "late").exists())
        (late / "checkpoints" / "late").write_text("of an attempt that is over")

        mark = cluster.mark_of(self.home_of(KILLED))
        agent.kill()
        self.wires.cut(CUT)
        for process in self.cluster.processes():
            if process.environment.get("MUSTER_HOME_ID") == mark:
                process.kill()
        after_kill = self.saved(killed)
        told = self.cluster.trial(killed).get("step", 0)
        self.assertLessEqual(told, len(after_kill) + 1, "a checkpoint is told once it is there")
        self.join(THIRD, 2)
        for trial in (killed, cut):
            detail = self.cluster.wait_trial(trial, lambda t: len(t["attempts"]) == 2 and t["attempts"][-1]["node"] == THIRD
                                             and t["attempts"][-1]["state"] == "running", 60)
            self.assertEqual(detail["attempts"][0]["cause"], "node")

        self.wires.mend(CUT)
        pushed = subprocess.run([*self.inside(CUT), cluster.BIN / "muster", "checkpoints", "push", late],
                                env=self.cluster.environment(MUSTER_HOME_ID="late"), capture_output=True, text=True, timeout=30)
        self.assertEqual(pushed.returncode, 1, pushed)
        self.assertIn("is over", pushed.stderr)
        self.assertFalse((self.cluster.home / "checkpoints" / cut / "late").exists())

        begins = {trial: self.begins(trial) for trial in (killed, cut)}
        self.assertIn(len(begins[killed]) - len(after_kill), (0, 1), "what the server has; a push may have been in it already")
        self.assertGreater(len(begins[cut]), 5)
        ended = self.cluster.wait_sweep("moving", 60)
        self.assertEqual((ended["sweep"]["state"], ended["sweep"]["complete"]), ("complete", 2), ended)
        for trial in (killed, cut):
            self.assertEqual(len(self.saved(trial)), STEPS)
            self.assertEqual(len(set(self.saved(trial))), 1)
            self.assertEqual([p.name for p in (self.cluster.home / "checkpoints").glob("**/*.next")], [])
        cluster.wait_until(lambda: not list(self.home_of(THIRD).glob("attempts/[0-9]*")), 30, "the nodes to forget")
        self.assertEqual(list(self.home_of(THIRD).glob("**/state.json")), [], "nothing stays on the node")

    def test_Artifacts_GoToTheTrackerByHttp_ThroughATunnel(self):
        self.join(THIRD, 1)
        self.tunnel(THIRD)
        script = self.cluster.write("upload.py", UPLOAD)
        sweep = self.cluster.submit(self.cluster.write("up.yaml", f"""
name: up
trial: {{command: [python3, "{script}"]}}
space: {{}}
objective: {{metric: none}}
budget: {{trials: 1}}
retry: {{user: 5}}
"""))
        detail = self.cluster.wait_trial(f"{sweep}/0", lambda t: t["trial"]["state"] in cluster.FINAL)
        self.assertEqual(detail["attempts"][-1]["cause"], "success", detail)
        stored = [file for file in (self.cluster.home / "artifacts").glob("**/*") if file.is_file()]
        self.assertIn(bytes(range(256)) * 10000, [file.read_bytes() for file in stored])


if __name__ == "__main__":
    unittest.main()
