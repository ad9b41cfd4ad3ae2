"""A served model asked wrongly thousands of times, and loaded and unloaded again and again: nothing leaks.

usage: bad_input_test.py MUSTER [REQUESTS CYCLES]     (the issue's figures are 10000 1000)

Each wrong request is answered with a status of its kind, in the protocol's form; right ones between them get their values
from the version that was there. After a warm-up the server's resident memory stays within SLACK_MIB.
"""

import contextlib
import json
import pathlib
import random
import socket
import struct
import sys
import tempfile

from serving import GOOD, INFER, JSON, Server, write_model

WARM_REQUESTS, WARM_CYCLES = 1000, 60
SLACK_MIB = 12
LARGE = 1 << 20  # weights of a model, and the width of its rows: 4 MiB each, several times


def tensor(**changes):
    return json.dumps({"inputs": [{**GOOD["inputs"][0], **changes}]}).encode()


def binary(length, size, data):
    head = json.dumps({"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32",
                                   "parameters": {"binary_data_size": size}}]}).encode()
    return {"Inference-Header-Content-Length": str(len(head) if length is None else length)}, head + data


def cases(rng):
    """(path, headers, body, statuses) of a wrong request, drawn anew each time."""
    floats = struct.pack("<ff", 1, 2)
    value = rng.choice(["a", None, 1e39, {}, "nan"])
    wrong = rng.choice([
        tensor(shape=[1, rng.choice([0, 1, 3, 1 << 40])]), tensor(shape=[2]), tensor(shape=[-1, 2]), tensor(shape="2"),
        tensor(datatype=rng.choice(["FP64", "FP99", "BYTES", 3])), tensor(name=rng.choice(["z", "", None])),
        tensor(data=[1, value]), tensor(data=rng.choice([[], [1], [1, 2, 3], "12", {"0": 1}])), b"{}", b"[]", b"3",
        json.dumps({"inputs": [GOOD["inputs"][0]] * 2}).encode(),
        json.dumps({**GOOD, "outputs": [{"name": "none"}]}).encode(),
        json.dumps({**GOOD, "parameters": {"timeout": "soon"}}).encode()])
    good = json.dumps(GOOD).encode()
    cut = good[:rng.randrange(len(good))]
    noise = rng.randbytes(rng.randrange(1, 3000))
    deep = b"[" * rng.randrange(40, 4000)
    table = {"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2], [3]]}}
    csv = {"Content-Type": "text/csv"}
    return rng.choice([
        (INFER, JSON, wrong, (400,)), (INFER, JSON, wrong, (400,)), (INFER, JSON, cut, (400,)), (INFER, JSON, deep, (400,)),
        (INFER, JSON, b'{"inputs":' + deep, (400,)), (INFER, {}, noise, (400,)),
        (INFER, *binary(None, 8, floats[:7]), (400,)), (INFER, *binary(None, 8, floats + b"x"), (400,)),
        (INFER, *binary(rng.choice([-1, 7, 10**6, "x"]), 8, floats), (400,)), (INFER, *binary(None, 2**62, floats), (400,)),
        (INFER, *binary(0, 8, noise), (400,)), (INFER, {"Content-Encoding": "gzip"}, noise, (400,)),
        (INFER, {"Content-Encoding": rng.choice(["br", "x"])}, good, (415,)),
        ("/v2/models/none/infer", JSON, good, (404,)), ("/v2/models/fraud/versions/9/infer", JSON, good, (404,)),
        ("/v2/repository/models/fraud/load", JSON, noise, (400,)), ("/v2/repository/models/.%2e/load", JSON, b"", (400,)),
        ("/v2/repository/models/broken/load", JSON, b"{}", (400,)), ("/v2/repository/index", JSON, cut or b"x", (400,)),
        ("/invocations", JSON, json.dumps(table).encode(), (400,)), ("/invocations", JSON, b'{"inputs": {"x": [[1], 2]}}', (400,)),
        ("/invocations", csv, rng.choice([b"a,b\n1", b'a,b\n"1,2', b"a,b\nx,y", b"", noise]), (400,)),
        ("/invocations", {"Content-Type": rng.choice(["text/xml", "text/csv; charset=latin1"])}, good, (415,)),
        ("/v1/models/fraud:predict", JSON, rng.choice([b'{"instances": 3}', cut, b"{}"]), (400,)),
        ("/v1/models/fraud:explain", JSON, good, (404,)), ("/score", JSON, b'{"input_data": {"z": 1}}', (400,)),
        ("/models", JSON, rng.choice([b"{}", noise, b'{"model_name": "m", "url": "/etc"}']), (400, 401)),
        ("/models/none/invoke", JSON, good, (404,)), ("/" + rng.choice(["", "v3", "%00", "a" * 3000]), JSON, good, (404, 405))])


def ask_wrongly(server, rng, count):
    for number in range(count):
        path, headers, body, statuses = cases(rng)
        status, answer = server.ask(path, headers, body)
        assert status in statuses, (path, headers, body[:300], status, answer[:300])
        words = json.loads(answer)
        assert "error" in words or "error_code" in words, answer
        if number % 100 == 0:
            server.check_good()


def garbage(server, rng, count):
    """What is no HTTP, or too much of it."""
    heads = [b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"POST / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n",
             b"POST " + INFER.encode() + b" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000000\r\n\r\n",
             b"POST " + INFER.encode() + b" HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
             b"POST " + INFER.encode() + b" HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
             b"GET /v2 HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 70_000 + b"\r\n\r\n"]
    for _ in range(count):
        with contextlib.suppress(ConnectionError), socket.create_connection(("127.0.0.1", server.port), 30) as connection:
            connection.sendall(rng.choice([*heads, rng.randbytes(200) + b"\r\n\r\n"]))
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            while piece := connection.recv(4096):
                answer += piece
            if answer:
                assert answer.split()[1][:1] == b"4" and json.loads(answer.partition(b"\r\n\r\n")[2])["error"][0], answer


def slow_senders(server, count):
    """Connections that stop in the middle of a request; the caller closes them."""
    for number in range(count):
        connection = socket.create_connection(("127.0.0.1", server.port), 30)
        whole = f"POST {INFER} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n" + "{" * 50
        connection.sendall(whole[:10 + 7 * number % len(whole)].encode())
        yield connection


def control(server, model, verb):
    status, answer = server.ask(f"/v2/repository/models/{model}/{verb}", JSON, b"")
    assert status == 200, answer


def cycle(server, count):
    for _ in range(count):
        for verb in ("load", "unload"):
            control(server, "other", verb)
        status, answer = server.ask("/v2/repository/models/broken/load", JSON, b"")
        assert status == 400, answer


def main():
    requests, cycles = map(int, sys.argv[2:] or (3000, 100))
    rng = random.Random(10)
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        models = pathlib.Path(name) / "models"
        write_model(models / "fraud" / "1" / "model.onnx", [1, 2])
        write_model(models / "other" / "1" / "model.onnx", [1] * 1000)
        write_model(models / "large" / "1" / "model.onnx", [1] * LARGE)
        (models / "broken" / "1").mkdir(parents=True)
        (models / "broken" / "1" / "model.onnx").write_bytes((models / "other/1/model.onnx").read_bytes()[:2000])
        server = Server(sys.argv[1], pathlib.Path(name), "--repository", str(models), "--load", "fraud")
        stack.callback(server.close)
        for connection in slow_senders(server, 20):
            stack.callback(connection.close)
        ask_wrongly(server, rng, WARM_REQUESTS)
        cycle(server, WARM_CYCLES)
        garbage(server, rng, 50)
        warm = server.resident_mib()
        ask_wrongly(server, rng, requests)
        garbage(server, rng, requests // 10)
        after_requests = server.resident_mib()
        cycle(server, cycles)
        after_cycles = server.resident_mib()
        control(server, "large", "load")
        loaded = server.resident_mib()
        control(server, "large", "unload")
        unloaded = server.resident_mib()
        server.check_good()
        print(f"warm {warm:.1f} MiB, after {requests} wrong requests {after_requests:.1f}, after {cycles} cycles {after_cycles:.1f}, "
              f"with a large model {loaded:.1f}, without {unloaded:.1f}")
        assert max(after_requests, after_cycles, unloaded) <= warm + SLACK_MIB < loaded


if __name__ == "__main__":
    main()
