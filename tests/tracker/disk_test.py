"""A tracker on a disk that fills up, and on one that is read-only: clear answers, nothing acknowledged is lost, and it
goes on when there is room. The disk is a small tmpfs in a mount namespace of its own; where none may be made the test
is skipped (77).

    disk_test.py tracker_server
"""

import http.client
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

from tracker_process import Tracker

SKIPPED = 77
DISK_KIB = 6 * 1024
BALLAST_KIB = 2 * 1024
POINTS_A_BATCH = 500


class Client:
    def __init__(self, url):
        self.connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)

    def send(self, method, path, body=None, headers=None):
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        self.connection.request(method, path, data, {"Content-Type": "application/json", **(headers or {})})
        answer = self.connection.getresponse()
        text = answer.read()
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, text

    def post(self, call, body):
        return self.send("POST", "/api/2.0/mlflow/" + call, body)


def log_batch(client, run, first):
    """Points that pack badly, with steps from `first`."""
    metrics = [{"key": "m", "value": hash((first, i)) / 3, "timestamp": (first + i) * 7919 % 1000003, "step": first + i}
               for i in range(POINTS_A_BATCH)]
    return client.post("runs/log-batch", {"run_id": run, "metrics": metrics})


def log_until_full(client, run, first):
    """Logs until it is refused: the next step, and the refusal."""
    for _ in range(2000):
        status, answer = log_batch(client, run, first)
        if status != 200:
            return first, (status, answer)
        first += POINTS_A_BATCH
    raise AssertionError("the disk never filled up")


def steps_of(client, run):
    steps, token = [], ""
    while True:
        status, page = client.send("GET", f"/api/2.0/mlflow/metrics/get-history?run_id={run}&metric_key=m"
                                          f"&max_results=25000&page_token={token}")
        assert status == 200, page
        steps += [metric["step"] for metric in page.get("metrics", [])]
        token = page.get("next_page_token", "")
        if not token:
            return steps


def check_refusal(refusal):
    status, answer = refusal
    assert 500 <= status < 600, refusal
    assert answer["error_code"] in ("TEMPORARILY_UNAVAILABLE", "INTERNAL_ERROR"), answer
    assert "full" in answer["message"] or "I/O" in answer["message"], answer


def full_disk(program, disk):
    (disk / "ballast").write_bytes(b"x" * BALLAST_KIB * 1024)
    tracker = Tracker(program, disk).start()
    client = Client(tracker.url)
    run = client.post("runs/create", {"experiment_id": "0"})[1]["run"]["info"]["run_id"]
    path = f"/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts/"
    assert client.send("PUT", path + "small", b"kept")[0] == 200

    acknowledged, refusal = log_until_full(client, run, 0)
    print(f"full after {acknowledged} points: {refusal[0]} {refusal[1]['message']}")
    check_refusal(refusal)
    status, answer = Client(tracker.url).send("PUT", path + "large", os.urandom(3 << 20))
    assert 500 <= status < 600, (status, answer)
    # What can be read without room still is.
    assert len(steps_of(client, run)) >= acknowledged
    assert client.send("GET", path + "small") == (200, b"kept")

    # The same server goes on once there is room.
    (disk / "ballast").unlink()
    for _ in range(20):
        status, answer = log_batch(client, run, acknowledged)
        if status == 200:
            break
    assert status == 200, answer
    acknowledged += POINTS_A_BATCH

    tracker.stop(signal.SIGKILL)
    tracker.start()
    client = Client(tracker.url)
    steps = steps_of(client, run)
    assert sorted(steps) == list(range(len(steps))), "a point is there twice, or one is missing"
    assert len(steps) >= acknowledged, f"{acknowledged} were acknowledged, {len(steps)} are there"
    assert client.send("GET", path + "small") == (200, b"kept")
    assert client.send("GET", path + "large")[0] == 404
    tracker.stop()


def read_only_disk(program, disk):
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with tempfile.TemporaryDirectory() as elsewhere:
        ended = subprocess.run([program, str(disk), os.path.join(elsewhere, "port")], capture_output=True, text=True,
                               timeout=60)
    print("read-only:", ended.stderr.strip())
    assert ended.returncode == 1, ended
    assert str(disk) in ended.stderr and ("read-only" in ended.stderr.lower() or "readonly" in ended.stderr.lower()), \
        ended.stderr
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    tracker = Tracker(program, disk).start()
    client = Client(tracker.url)
    assert client.post("runs/create", {"experiment_id": "0"})[0] == 200
    tracker.stop()


def in_namespace(program):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_KIB}k", "tmpfs", folder], check=True)
        try:
            full_disk(program, pathlib.Path(folder))
            read_only_disk(program, pathlib.Path(folder))
        finally:
            subprocess.run(["umount", "-l", folder], check=True)


def main():
    if sys.argv[1] == "--inside":
        return in_namespace(sys.argv[2])
    flags = ["--mount"] if os.geteuid() == 0 else ["--mount", "--map-root-user"]
    probe = ["unshare", *flags, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    if subprocess.run(probe, capture_output=True).returncode != 0:
        print("skipped: no mount namespace may be made here")
        return SKIPPED
    return subprocess.run(["unshare", *flags, sys.executable, __file__, "--inside", sys.argv[1]]).returncode


if __name__ == "__main__":
    sys.exit(main())
