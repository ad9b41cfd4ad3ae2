"""A machine that systemd has booted, for tests that run units: systemd itself as process 1 of namespaces of its own, with
control groups, network, /etc, /run, /opt and /var/lib of its own, and only the units that a test puts there."""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

SYSTEMD = pathlib.Path("/lib/systemd/systemd")
TARGETS = ("sysinit", "basic", "network-online", "network", "remote-fs", "shutdown", "sockets", "multi-user")
JOURNAL = ("systemd-journald.service", "systemd-journald.socket", "systemd-journald-dev-log.socket")
SETUP = """
set -e
ip link set lo up
mount -t tmpfs tmpfs /sys/fs/cgroup
mkdir /sys/fs/cgroup/systemd /sys/fs/cgroup/unified
mount -t cgroup2 none /sys/fs/cgroup/unified
mount -t cgroup -o none,name=systemd none /sys/fs/cgroup/systemd
mount -t tmpfs tmpfs "$1/layers"
mkdir "$1/layers/upper" "$1/layers/work"
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$1/layers/upper,workdir=$1/layers/work" /etc
for folder in /etc/systemd/system /run /opt /var/lib /var/tmp /dev/shm; do mount -t tmpfs tmpfs $folder; done
chmod 1777 /var/tmp /dev/shm
cp "$1"/units/* /etc/systemd/system
mount --bind "$1/srv" /srv
mount -t tmpfs tmpfs /tmp
chmod 1777 /tmp
exec env -i container=test PATH="$PATH" SYSTEMD_UNIT_PATH=/etc/systemd/system \
  %s --system --unit=multi-user.target --log-target=null --show-status=no
"""


class Booted:
    """`srv` is /srv there; all else of the machine's files is seen as it is, and what is written is gone at the end."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mst-boot-", dir="/tmp"))
        self.srv = self.folder / "srv"
        self.process = None
        self.groups = [pathlib.Path("/sys/fs/cgroup", kind, self.folder.name) for kind in ("systemd", "unified")]
        for name in ("srv", "units", "layers"):
            (self.folder / name).mkdir()
        self.folder.chmod(0o755)
        for target in TARGETS:
            wants = "Wants=systemd-journald.service\n" if target == "multi-user" else ""
            (self.folder / f"units/{target}.target").write_text(f"[Unit]\nDescription={target}\n{wants}")
        for unit in JOURNAL:
            shutil.copy(SYSTEMD.parent / "system" / unit, self.folder / "units")

    def boot(self):
        """False where this machine does not let us."""
        if os.geteuid() != 0 or not SYSTEMD.exists():
            return False
        enter = ""
        for group in self.groups:
            try:
                group.mkdir()
            except OSError:
                return False
            enter += f"echo $$ > {group}/cgroup.procs && "
        self.process = subprocess.Popen(
            ["sh", "-c", enter + 'exec unshare --cgroup --mount --net --pid --uts --ipc --fork --kill-child --mount-proc '
             'sh -c "$1" setup "$2"', "boot", SETUP % SYSTEMD, self.folder], stdout=subprocess.DEVNULL)
        return self.run("timeout", "20", "sh", "-c", "until systemctl --quiet is-active multi-user.target; do sleep 0.1; done",
                        tries=50).returncode == 0

    def init(self):
        """Its process 1, by the number that it has here."""
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return children[0] if children else None

    def run(self, *words, tries=1):
        for _ in range(tries):
            done = subprocess.run(["nsenter", "--target", self.init() or "0", "--all", "--", *map(str, words)],
                                  capture_output=True, text=True, timeout=120)
            if done.returncode == 0 or self.process.poll() is not None:
                break
            subprocess.run(["sleep", "0.1"])
        return done

    def close(self):
        if self.process:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        for group in self.groups:
            for folder, _, _ in os.walk(group, topdown=False):
                for _ in range(100):
                    try:
                        os.rmdir(folder)
                        break
                    except OSError:
                        subprocess.run(["sleep", "0.05"])
        shutil.rmtree(self.folder, ignore_errors=True)
