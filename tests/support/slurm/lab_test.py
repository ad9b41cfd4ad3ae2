"""The Slurm of tests/support/slurm itself, in each of its modes."""

import pathlib
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "e2e" / "chaos")]

import daemons
import lab
import wires


@unittest.skipIf(lab.why_not(), lab.why_not())
class LabTest(unittest.TestCase):
    def test_two_stand_side_by_side(self):
        with lab.Lab(nodes=1) as one:
            with lab.Lab(nodes=2) as two:
                self.assertEqual(len(two.run("srun", "-N2", "--mem=100M", "echo", "here").splitlines()), 2)
            self.assertEqual(one.run("srun", "--mem=100M", "echo", "still").strip(), "still")
            self.assertFalse(two.folder.exists())

    def test_what_was_killed_starts_again_with_its_jobs(self):
        with lab.Lab(nodes=1) as it:
            job = it.run("sbatch", "--parsable", "--mem=100M", "--output=/dev/null", "--wrap=sleep 600").strip()
            running = lambda: it.run("squeue", "-h", "-t", "running", "-o", "%i").split() == [job]
            daemons.wait_until(running, 20, "the job")
            it.save()
            for name in ("n0", "slurmctld"):
                it.kill(name)
                self.assertIsNone(it.pid(name))
                it.start(name)
            daemons.wait_until(running, 20, "the job to be known")

    def test_it_goes_with_its_owner(self):
        owner = subprocess.Popen(["sleep", "600"])
        it = lab.Lab(nodes=1).up(owner.pid)
        pids = [it.pid(name) for name in ("munged", "slurmctld", "n0")]
        owner.kill()
        owner.wait()
        daemons.wait_until(lambda: not it.folder.exists(), 20, "the lab to be gone")
        it.guard.wait()
        self.assertFalse(any(daemons.alive(pid) for pid in pids))

    def test_control_groups_bound_the_memory(self):
        if not pathlib.Path("/sys/fs/cgroup/memory").is_dir():
            self.skipTest("no control groups of version 1 here")
        with lab.Lab(nodes=1, cgroup=True) as it:
            with self.assertRaisesRegex(RuntimeError, "Out Of Memory"):
                it.run("srun", "--mem=50M", "python3", "-c", "bytearray(200 << 20)")
            left = lambda: list(pathlib.Path("/sys/fs/cgroup").glob(f"*/slurm_{it.nodes[0]}"))
            self.assertTrue(left())
        self.assertEqual(left(), [])

    def test_nodes_have_networks_that_can_be_cut(self):
        if why := wires.why_not():
            self.skipTest(why)
        with wires.Wires(["controller", *lab.Lab.node_names(2)]) as net, lab.Lab(nodes=2, wires=net) as it:
            addresses = ["srun", "-N2", "--mem=100M", "ip", "-4", "-o", "addr", "show", "eth0"]
            self.assertEqual(sorted(line.split()[3] for line in it.run(*addresses).splitlines()),
                             [f"{net.address(node)}/24" for node in it.nodes])
            call = f"import socket; socket.create_connection(('{net.address('n1')}', {it.port('n1')}), 2)"
            for act, answers in ((it.cut, False), (it.mend, True)):
                act("n1")
                done = subprocess.run([*it.inside("slurmctld"), sys.executable, "-c", call], capture_output=True)
                self.assertEqual(done.returncode == 0, answers, done.stderr)


if __name__ == "__main__":
    unittest.main()
