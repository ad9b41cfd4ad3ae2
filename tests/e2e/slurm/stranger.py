#!/usr/bin/env python3
"""An agent of a muster to come, in the place of `muster`: it says a Hello in protocol 9 with its node's key, and ends with
what it is answered. Speaks to libzmq itself (zmq.h)."""

import ctypes
import json
import pathlib
import struct
import sys

DEALER, RCVTIMEO, SERVERKEY, PUBLICKEY, SECRETKEY = 5, 27, 50, 48, 49

key = json.loads(pathlib.Path(sys.argv[sys.argv.index("--key") + 1]).read_text())
zmq = ctypes.CDLL("libzmq.so.5")
zmq.zmq_ctx_new.restype = zmq.zmq_socket.restype = ctypes.c_void_p
socket = ctypes.c_void_p(zmq.zmq_socket(ctypes.c_void_p(zmq.zmq_ctx_new()), DEALER))
for option, text in ((SERVERKEY, key["server_public_key"]), (PUBLICKEY, key["keys"]["public_key"]),
                     (SECRETKEY, key["keys"]["secret_key"])):
    zmq.zmq_setsockopt(socket, option, text.encode(), ctypes.c_size_t(len(text)))
zmq.zmq_setsockopt(socket, RCVTIMEO, ctypes.byref(ctypes.c_int(10_000)), ctypes.c_size_t(4))
zmq.zmq_connect(socket, key["endpoint"].encode())
frame = b"\xf5MST" + struct.pack("<HHH", 9, 0, 64) + bytes(54)
zmq.zmq_send(socket, frame, ctypes.c_size_t(len(frame)), 0)
answer = ctypes.create_string_buffer(4096)
size = zmq.zmq_recv(socket, answer, ctypes.c_size_t(len(answer)), 0)
sys.exit(answer.raw[:max(size, 0)].decode() or "no answer")
