"""One rank of a gang that meets its peers as torchrun's do: at MASTER_ADDR:MASTER_PORT, where rank 0 listens.
Each then writes who it is to FILE and waits until the file FILE.go is there.

    gang.py FILE
"""

import json
import os
import pathlib
import socket
import sys
import time

NAMES = ("RANK", "LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")
file = pathlib.Path(sys.argv[1])
me = {name: int(os.environ[name]) for name in NAMES} | {"attempt": int(os.environ["MUSTER_ATTEMPT"])}
place = (os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))
me["met"] = []

if me["RANK"] == 0:
    with socket.create_server(place) as listener:
        listener.settimeout(20)
        for _ in range(me["WORLD_SIZE"] - 1):
            peer, _ = listener.accept()
            with peer:
                me["met"].append(int(peer.makefile().readline()))
else:
    for _ in range(200):
        try:
            with socket.create_connection(place, timeout=20) as leader:
                leader.sendall(f"{me['RANK']}\n".encode())
            break
        except ConnectionRefusedError:
            time.sleep(0.1)
    else:
        sys.exit("rank 0 never listened")

with open(file, "a") as out:  # one write a line: ranks of all nodes append to it
    out.write(json.dumps(me) + "\n")
while not pathlib.Path(f"{file}.go").exists():
    time.sleep(0.02)
