"""`muster serve` as a program: its access log, a stop in the middle of a request, what it says when it cannot start.

usage: program_test.py MUSTER
"""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile

from serving import GOOD, INFER, JSON, Server, write_model


def stop_in_a_request(server):
    """A request whose body SIGTERM found on the way is answered; the program ends with 0."""
    body = json.dumps(GOOD).encode()
    head = f"POST {INFER} HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: last\r\n" \
           f"Expect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", server.port), 30) as connection:
        connection.sendall(head)
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")  # the server has the head and waits
        server.process.send_signal(signal.SIGTERM)
        connection.sendall(body)
        answer = b""
        while piece := connection.recv(4096):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 200 ") and b"[5.0]" in answer, answer
    assert server.process.wait(timeout=30) == 0


def access_log(lines):
    records = [json.loads(line) for line in lines]
    first = records[0]
    assert (first["request_id"], first["route"], first["model"], first["version"], first["status"]) == (
        "mine", "/v2/models/{model}/infer", "fraud", "1", 200), first
    assert first["traceparent"] == "00-aa-bb-01" and first["total_us"] >= first["compute_us"], first
    assert [record["status"] for record in records] == [200, 404, 200], records
    assert records[-1]["request_id"] == "last", records
    assert len({record["request_id"] for record in records}) == 3, records


def refusals(program, folder):
    """(flags, variables, words)"""
    cases = [((), {}, "give either --model or --repository"),
             (("--repository", str(folder / "none")), {}, "there is no model repository"),
             (("--repository", str(folder / "models"), "--load", "none"), {}, "model 'none'"),
             ((), {"AIP_HTTP_PORT": "0"}, "AIP_HTTP_PORT is '0'"),
             ((), {"AIP_HTTP_PORT": "1", "AIP_HEALTH_ROUTE": "/h", "AIP_PREDICT_ROUTE": "/p", "AIP_STORAGE_URI": "gs://b/m"},
              "gs://b/m is not fetched"),
             (("--model", str(folder / "models/fraud"), "--access-log", str(folder / "none/log")), {}, "open the access log")]
    for flags, variables, words in cases:
        ended = subprocess.run([program, "serve", "--port", "0", *flags], env={**os.environ, **variables}, capture_output=True,
                               text=True, timeout=60)
        assert ended.returncode != 0 and words in ended.stderr, (flags, variables, ended)


def main():
    program = sys.argv[1]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write_model(folder / "models" / "fraud" / "1" / "model.onnx", [1, 2])
        log = folder / "access.log"
        server = Server(program, folder, "--model", str(folder / "models" / "fraud"), "--access-log", str(log))
        server.ask(INFER, {**JSON, "X-Request-Id": "mine", "traceparent": "00-aa-bb-01"}, json.dumps(GOOD).encode())
        server.ask("/v2/models/none/infer", JSON, b"{}")
        stop_in_a_request(server)
        access_log(log.read_text().splitlines())
        refusals(program, folder)


if __name__ == "__main__":
    main()
