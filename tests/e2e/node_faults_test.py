"""Agents on machines that are not well: clocks an hour off, a disk that is full for a while. One server, agents over
loopback."""

import os
import pathlib
import time
import unittest

import cluster

PULSE = pathlib.Path(__file__).parent / "pulse.py"
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"
SWEEP = f"""
name: NAME
trial:
  command: [python3, "{PULSE}", "STEPS", "0.1"]
  ranks: 1
  labels: {{muster.node: NODE}}
  env: {{LD_PRELOAD: ""}}   # Python does not sleep under libfaketime
space: {{}}
objective: {{metric: score}}
budget: {{trials: 1}}
retry: {{user: 0, infra: 0, node: 0}}
"""


class NodeFaultsTest(unittest.TestCase):
    def setUp(self):
        self.around = {}
        self.cluster = cluster.Cluster(slots=0, inside=lambda machine: self.around.get(machine, []))
        self.addCleanup(self.cluster.close)
        self.cluster.start_server()

    def join(self, node, *around, agent=None):
        """`around` stands before the agent's command."""
        key = self.cluster.work / f"{node}.key"
        if not key.exists():
            self.cluster.ask("node", "invite", node, "--out", key)
        self.around[agent or node] = list(around)
        child = self.cluster.start_agent(agent or node, key, "--slots", "2")
        self.wait(f"{node} to be up", lambda: self.cluster.nodes().get(node, {}).get("state") == "up")
        return child

    def wait(self, what, look, seconds=30):
        return cluster.wait_until(look, seconds, what, every=0.05, describe=lambda: "\n".join(
            f"{name}: {self.cluster.log_tail(name)}" for name in ("server", *(f"agent-{node}" for node in self.around))))

    def submit(self, name, node, steps):
        text = SWEEP.replace("NAME", name).replace("NODE", node).replace("STEPS", str(steps))
        return self.cluster.submit(self.cluster.write(f"{name}.yaml", text), "--id", name)

    def ranks(self, name):
        return [p for p in cluster.all_processes() if p.state != "Z" and p.rank is not None
                and p.environment.get("MUSTER_TRIAL") == f"{name}/0"]

    def step(self, name):
        return self.cluster.trial(f"{name}/0")["trial"]["step"]

    @unittest.skipUnless(os.path.exists(FAKETIME), "a clock that is off needs libfaketime (scripts/setup --test)")
    def test_ClocksOffByAnHour_HarmNothing(self):
        def off(seconds):
            return ["env", f"LD_PRELOAD={FAKETIME}", f"FAKETIME={seconds}", "FAKETIME_DONT_FAKE_MONOTONIC=1", "NO_FAKE_STAT=1"]

        began = time.time() * 1000
        agents = {"ahead": self.join("ahead", *off("+3600s")), "behind": self.join("behind", *off("-3600s"))}
        for node in agents:
            self.submit(f"on-{node}", node, 60)
        self.wait("both to run", lambda: all(self.step(f"on-{node}") > 5 for node in agents))
        # The next start of an agent counts as newer whatever its clock says, and a new server finds them both.
        agents["ahead"].kill()
        agents["ahead"].wait(timeout=20)
        self.join("ahead", *off("-3600s"))
        self.cluster.kill_server()
        self.cluster.start_server()
        for node in agents:
            detail = self.cluster.wait_sweep(f"on-{node}")
            self.assertEqual(detail["sweep"]["state"], "complete", detail)
            (trial,) = self.cluster.trials(f"on-{node}")
            self.assertEqual((trial["attempts"], trial["objective"]), (1, 60))
            self.assertTrue(began <= trial["started_ms"] <= trial["ended_ms"] <= time.time() * 1000,
                            "times of attempts are the server's")

    def test_DiskFull_TheRanksWaitAndGoOn_WhatIsNewSaysSo(self):
        if os.geteuid() != 0:
            self.skipTest("a small disk of its own needs root")
        home = self.cluster.work.parent / "agent-full"
        home.mkdir()
        agent = self.join("full", "unshare", "--mount", "sh", "-c",
                          f'mount -t tmpfs -o size=1m none "{home}" && exec "$@"', "sh")
        inside = pathlib.Path(f"/proc/{agent.pid}/root{home}")
        self.submit("held", "full", 170)
        self.wait("some steps", lambda: self.step("held") > 5)
        (rank,) = self.ranks("held")
        self.addCleanup(rank.kill)
        filler = os.open(inside / "filler", os.O_WRONLY | os.O_CREAT)
        self.fill(filler)
        self.submit("new", "full", 5)
        self.assertEqual(self.cluster.wait_sweep("new")["sweep"]["state"], "failed")
        (attempt,) = self.cluster.trial("new/0")["attempts"]
        self.assertEqual(attempt["cause"], "infra")
        self.assertIn("No space left on device", attempt["message"])
        held = self.step("held")
        end = time.monotonic() + 14  # longer than any lease
        while time.monotonic() < end:
            self.fill(filler)
            time.sleep(0.2)
        self.assertEqual([p.pid for p in self.ranks("held")], [rank.pid], self.cluster.log_tail("agent-full"))
        self.assertEqual(self.cluster.nodes()["full"]["state"], "up")
        self.assertLess(self.step("held"), held + 60, "what it says has to wait for room")
        os.close(filler)
        (inside / "filler").unlink()
        self.assertEqual(self.cluster.wait_sweep("held")["sweep"]["state"], "complete")
        (trial,) = self.cluster.trials("held")
        self.assertEqual((trial["attempts"], trial["objective"]), (1, 170))
        self.submit("after", "full", 5)
        self.assertEqual(self.cluster.wait_sweep("after")["sweep"]["state"], "complete")

    @staticmethod
    def fill(file):
        try:
            while os.write(file, bytes(4096)):
                pass
        except OSError:
            pass


if __name__ == "__main__":
    unittest.main()
