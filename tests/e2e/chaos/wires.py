"""Machines as network namespaces, each with a link of its own to one switch.

    with Wires(["server", "n1"]) as wires:
        subprocess.run(wires.inside("n1") + ["ping", wires.address("server")])
        wires.cut("n1"); wires.mend("n1"); wires.lose("n1", 30)

Processes and files are shared; only the network is apart. Needs root and iproute2.
"""

import os
import shutil
import subprocess


def why_not():
    """A sentence when this machine cannot make namespaces, else None."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "network namespaces need iproute2's `ip`"
    name = f"mst{os.getpid()}-try"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if made.returncode != 0:
        return f"this machine cannot make network namespaces: {made.stderr.strip()}"
    subprocess.run(["ip", "netns", "del", name], check=False)
    return None


class Wires:
    def __init__(self, machines):
        self.prefix = f"mst{os.getpid()}-"
        self.machines = list(machines)
        self.can_lose = False

    def __enter__(self):
        try:
            self._build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _build(self):
        switch = self.prefix + "switch"
        run("ip", "netns", "add", switch)
        run("ip", "-n", switch, "link", "add", "name", "bridge0", "type", "bridge")
        run("ip", "-n", switch, "link", "set", "dev", "bridge0", "up")
        for machine in self.machines:
            namespace = self.prefix + machine
            run("ip", "netns", "add", namespace)
            run("ip", "-n", switch, "link", "add", "name", machine, "type", "veth", "peer", "name", "eth0",
                "netns", namespace)
            run("ip", "-n", switch, "link", "set", "dev", machine, "master", "bridge0")
            run("ip", "-n", switch, "link", "set", "dev", machine, "up")
            run("ip", "-n", namespace, "addr", "add", f"{self.address(machine)}/24", "dev", "eth0")
            run("ip", "-n", namespace, "link", "set", "lo", "up")
            run("ip", "-n", namespace, "link", "set", "eth0", "up")
        if shutil.which("tc"):
            tried = self._netem(self.machines[0], "loss", "1%")
            self.can_lose = tried.returncode == 0
            self.mend(self.machines[0])

    def __exit__(self, *_):
        for name in [*self.machines, "switch"]:
            subprocess.run(["ip", "netns", "del", self.prefix + name], capture_output=True, check=False)

    def address(self, machine):
        return f"10.77.0.{self.machines.index(machine) + 1}"

    def inside(self, machine):
        """The start of a command line that runs on the machine."""
        return ["ip", "netns", "exec", self.prefix + machine]

    def cut(self, machine):
        run("ip", "-n", self.prefix + "switch", "link", "set", "dev", machine, "down")

    def lose(self, machine, percent):
        """Both ways: on the switch's side what goes there, on the machine's what comes from it."""
        self._netem(machine, "loss", f"{percent}%")

    def mend(self, machine):
        run("ip", "-n", self.prefix + "switch", "link", "set", "dev", machine, "up")
        for namespace, device in ((self.prefix + "switch", machine), (self.prefix + machine, "eth0")):
            subprocess.run(["tc", "-n", namespace, "qdisc", "del", "dev", device, "root"],
                           capture_output=True, check=False)

    def _netem(self, machine, *what):
        for namespace, device in ((self.prefix + "switch", machine), (self.prefix + machine, "eth0")):
            done = subprocess.run(["tc", "-n", namespace, "qdisc", "replace", "dev", device, "root",
                                   "netem", *what], capture_output=True, check=False)
        return done


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: {done.stderr.strip()}")
