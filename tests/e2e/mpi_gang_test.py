"""Gangs that mpirun spreads over agents on machines of their own (network namespaces), without ssh: the result is that
of one machine, whatever is killed ends the gang as it should and leaves nothing, and who comes back finds the gang alive.

Skipped where namespaces cannot be made.
"""

import os
import pathlib
import sys
import time
import unittest

HERE = pathlib.Path(__file__).parent
sys.path.append(str(HERE / "chaos"))

import cluster
import wires

HELLO = os.environ["MUSTER_MPI_HELLO"]
SLOTS = {"a": 2, "b": 2, "whole": 4}
DIGITS = """
name: digits
seed: 1
trial: {program: PROGRAM, ranks: 4, nodes: 2, labels: {KEY: "yes"}}
data: {train: digits-train.h5, validation: digits-validation.h5}
space: {lr: {float: [0.004, 0.01]}, width: 16, epochs: 1}
objective: {metric: validation/accuracy}
budget: {trials: 1}
sampler: random
"""
GANG = """
name: gang
trial: {program: PROGRAM, ranks: 3, nodes: 2, labels: {part: "yes"}}
space: {}
budget: {trials: 1}
retry: {user: 0, infra: 0, node: 0}
"""


class MpiGangTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if why := wires.why_not():
            raise unittest.SkipTest(why)
        cls.wires = wires.Wires(["server", *SLOTS])
        cls.enterClassContext(cls.wires)
        cls.cluster = cluster.Cluster(slots=0, inside=cls.wires.inside)
        cls.addClassCleanup(cls.cluster.close)
        cls.start_server()
        cls.keys = {}
        for node in SLOTS:
            cls.keys[node] = cls.cluster.work / f"{node}.key"
            cls.cluster.ask("node", "invite", node, "--out", cls.keys[node])
        cls.agents = {node: cls.start_agent(node) for node in SLOTS}
        cluster.wait_until(lambda: [n["state"] for n in cls.cluster.nodes().values()] == ["up"] * 3, 30, "three nodes",
                           every=0.1)
        # On one node the ranks would meet in shared memory, which adds them up in another order.
        for name, command in (("sleep", f"{HELLO} sleep"), ("digits-mpi", f"{cluster.BIN}/digits --backend mpi")):
            cls.cluster.write(name, f"#!/bin/sh\nexec {command}\n").chmod(0o755)

    @classmethod
    def start_server(cls):
        cls.cluster.start_server("--agents-host", cls.wires.address("server"), "--agents-port", "7071")

    @classmethod
    def start_agent(cls, node):
        label = "whole=yes" if node == "whole" else "part=yes"
        return cls.cluster.start_agent(node, cls.keys[node], "--slots", str(SLOTS[node]), "--label", label,
                                       url=f"tcp://{cls.wires.address('server')}:7071")

    def submit(self, sweep, text, program):
        self.cluster.submit(self.cluster.write(f"{sweep}.yaml", text.replace("PROGRAM", str(self.cluster.work / program))),
                            "--id", sweep)

    def start_gang(self, sweep):
        """Three ranks, 0 and 1 on one node and 2 on the other; [node of mpirun, the other]."""
        self.submit(sweep, GANG, "sleep")
        cluster.wait_until(lambda: self.output(sweep, 2), 30, "the ranks to meet", every=0.05,
                           describe=lambda: f"{self.cluster.trial(sweep + '/0')}\n{self.logs()}")
        return self.cluster.trials(sweep)[0]["node"].split(", ")

    def output(self, sweep, rank):
        """What the rank printed, as it stands in its node's spool."""
        epoch = self.cluster.trial(f"{sweep}/0")["attempts"]
        files = [home / "attempts" / str(epoch[-1]["epoch"]) / f"rank{rank}.out" for home in
                 self.cluster.agent_homes] if epoch else []
        return "".join(file.read_text() for file in files if file.exists())

    def logs(self):
        return "\n".join(self.cluster.log_tail(name) for name in ("server", *(f"agent-{node}" for node in SLOTS)))

    def on(self, node, wanted):
        """The node's process that fits."""
        mark = cluster.mark_of(self.cluster.agent_homes[list(SLOTS).index(node)])
        found = [p for p in self.cluster.processes() if p.environment.get("MUSTER_HOME_ID") == mark and wanted(p)]
        self.assertEqual(len(found), 1, found)
        return found[0]

    def wait_nothing_left(self):
        cluster.wait_until(lambda: not self.cluster.processes(), 20, "every process of the gang to end",
                           describe=self.cluster.processes)
        for mark in self.cluster.marks():
            self.assertEqual([p.name for p in pathlib.Path("/dev/shm").glob(f"muster-{mark}-[0-9]*")], [])

    def test_Digits_OnTwoNodes_GiveTheVeryNumbersOfOne(self):
        self.cluster.digits_data()
        seen = {}
        for key in ("part", "whole"):
            sweep = f"digits-{key}"
            self.submit(sweep, DIGITS.replace("KEY", key), "digits-mpi")
            detail = self.cluster.wait_sweep(sweep)
            trial = self.cluster.trial(f"{sweep}/0")
            self.assertEqual(detail["sweep"]["state"], "complete", f"{trial}\n{self.logs()}")
            seen[key] = {name: value for name, value in trial["metrics"].items() if name.split("/")[0] in
                         ("train", "validation")}
            self.assertEqual(len(trial["attempts"]), 1)
            self.assertEqual(trial["attempts"][0]["node"].count(", "), 1 if key == "part" else 0)
        self.assertEqual(seen["part"], seen["whole"])
        self.assertIn("train/loss", seen["part"])
        self.wait_nothing_left()

    def test_EachPieceKilled_EndsTheGangAsItsCauseSaysAndLeavesNothing(self):
        pieces = {  # which node's, which process, the cause, what the message names
            "mpirun": (0, lambda p: p.command[0] == "mpirun", "infra", "mpirun: killed by signal 9"),
            "orted": (1, lambda p: p.command[0] == "orted", "infra", "mpirun's daemon: killed by signal 9"),
            "remote-start": (0, lambda p: p.command[1:2] == ["remote-start"], "infra", "mpirun"),
            "first shim": (0, lambda p: p.command[1:2] == ["shim"], "infra", "the shim"),
            "other shim": (1, lambda p: p.command[1:2] == ["shim"], "infra", "the shim"),
            "first rank": (0, lambda p: p.rank == 0, "user", "rank 0 failed first: killed by signal 9"),
            "last rank": (1, lambda p: p.rank == 2, "user", "rank 2 failed first: killed by signal 9"),
        }
        for number, (name, (part, wanted, cause, words)) in enumerate(pieces.items()):
            with self.subTest(name):
                sweep = f"kill-{number}"
                nodes = self.start_gang(sweep)
                began = time.monotonic()
                self.on(nodes[part], wanted).kill()
                self.assertEqual(self.cluster.wait_sweep(sweep, 30)["sweep"]["state"], "failed")
                attempt = self.cluster.trial(f"{sweep}/0")["attempts"][0]
                self.assertEqual(attempt["cause"], cause, attempt)
                self.assertIn(words, attempt["message"])
                self.wait_nothing_left()
                for node in nodes:  # which looks broken by now
                    self.cluster.ask("node", "uncordon", node)
                print(f"{name} killed: all gone after {time.monotonic() - began:.2f} s; {attempt['message'][:100]}")

    def test_ServerAndBothAgentsKilled_TheGangLivesOnAndIsCancelled(self):
        nodes = self.start_gang("kept")
        before = {p.pid for p in self.cluster.ranks()}
        self.assertEqual(len(before), 3)
        for node in nodes:
            self.agents[node].kill()
            self.agents[node].wait(timeout=20)
        self.cluster.kill_server()
        self.start_server()
        for node in nodes:
            self.agents[node] = self.start_agent(node)
        cluster.wait_until(lambda: {n["state"] for n in self.cluster.nodes().values()} == {"up"}, 30, "the nodes",
                           every=0.1)
        self.assertEqual({p.pid for p in self.cluster.ranks()}, before)
        self.assertEqual([a["state"] for a in self.cluster.trial("kept/0")["attempts"]], ["running"])
        self.cluster.ask("sweep", "cancel", "kept")
        self.assertEqual(self.cluster.wait_sweep("kept", 30)["sweep"]["state"], "cancelled")
        self.wait_nothing_left()


if __name__ == "__main__":
    unittest.main()
