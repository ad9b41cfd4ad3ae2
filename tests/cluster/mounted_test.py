"""What writes checkpoints and artifacts, on a file system of another kind: sshfs, over a pipe to OpenSSH's sftp-server. It
keeps no locks between machines, syncs no folder, and cannot exchange two of them.

usage: mounted_test.py PROGRAM [FLAG ...] [-- PROGRAM [FLAG ...]] ...
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

SKIPPED = 77
SERVER = "/usr/lib/openssh/sftp-server"


def mounted(folder, what):
    """A process that serves `what` at `folder`, once it is there; None where this machine lets nobody mount."""
    to_server, to_client = os.pipe(), os.pipe()
    server = subprocess.Popen([SERVER], stdin=to_server[0], stdout=to_client[1])
    client = subprocess.Popen(["sshfs", f":{what}", folder, "-f", "-o", "passive"], stdin=to_client[0], stdout=to_server[1],
                              stderr=subprocess.PIPE, text=True)
    for end in (*to_server, *to_client):
        os.close(end)
    while not os.path.ismount(folder):
        if client.poll() is not None:
            print("sshfs:", client.stderr.read())
            server.wait()
            return None
        time.sleep(0.02)
    return server, client


def main(words):
    if not os.path.exists("/dev/fuse") or not shutil.which("sshfs") or not os.path.exists(SERVER):
        print("wanted /dev/fuse, sshfs and OpenSSH's sftp-server")
        return SKIPPED
    top = pathlib.Path(tempfile.mkdtemp(prefix="mst-mounted-"))
    there, here = top / "there", top / "here"
    there.mkdir()
    here.mkdir()
    try:
        processes = mounted(here, there)
        if processes is None:
            return SKIPPED
        failed = 0
        commands = [[]]
        for word in words:
            commands.append([]) if word == "--" else commands[-1].append(word)
        for command in commands:
            failed |= subprocess.run(command, env={**os.environ, "TMPDIR": str(here)}).returncode
        subprocess.run(["fusermount", "-u", here], check=True)
        for process in processes:
            process.wait(timeout=20)
        return 1 if failed else 0
    finally:
        if os.path.ismount(here):
            subprocess.run(["fusermount", "-uz", here])
        shutil.rmtree(top, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
