"""kill -9 while clients log: whatever was acknowledged is there after the restart, and nothing twice.

usage: crash_test.py TRACKER_SERVER [ROUNDS]
"""

import http.client
import json
import random
import signal
import sys
import tempfile
import threading

from tracker_process import Tracker

WRITERS = 4
POINTS_BEFORE_KILL = 300  # acknowledged by all writers of a round together, at least


class Connection:
    """One keep-alive connection that posts to the tracker."""

    def __init__(self, url):
        self.connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)

    def call(self, method, path, body=None):
        text = None if body is None else json.dumps(body)
        headers = {"Content-Type": "application/json"} if text else {}
        self.connection.request(method, "/api/2.0/mlflow" + path, text, headers)
        answer = self.connection.getresponse()
        content = json.loads(answer.read())
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {content}")
        return content


def write_points(url, run, writer, acknowledged, count):
    """Posts points until the server is gone; step numbers go on from what is acknowledged."""
    connection = Connection(url)
    step = len(acknowledged)
    try:
        while True:
            batch = [{"key": f"m{writer}", "value": step / 3, "timestamp": step, "step": step}]
            if step % 5 == 0:
                # The same point as the one before: a retry that must change nothing.
                connection.call("POST", "/runs/log-batch", {"run_id": run, "metrics": batch * 2})
            else:
                connection.call("POST", "/runs/log-metric", {"run_id": run, **batch[0]})
            acknowledged.append(step)
            step += 1
            count.release()
    except (OSError, http.client.HTTPException):
        pass  # killed: the last point may or may not be there


def history(connection, run, key):
    points, token = [], ""
    while True:
        page = connection.call(
            "GET", f"/metrics/get-history?run_id={run}&metric_key={key}&max_results=500"
                   f"&page_token={token}")
        points += page.get("metrics", [])
        token = page.get("next_page_token", "")
        if not token:
            return points


def main():
    program, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 5
    seed = random.SystemRandom().randrange(1 << 32)
    print("seed", seed)
    chance = random.Random(seed)
    acknowledged = [[] for _ in range(WRITERS)]
    with tempfile.TemporaryDirectory(prefix="muster_crash_") as folder:
        tracker = Tracker(program, folder).start()
        run = Connection(tracker.url).call("POST", "/runs/create", {})["run"]["info"]["run_id"]
        for number in range(rounds):
            count = threading.Semaphore(0)
            writers = [threading.Thread(target=write_points,
                                        args=(tracker.url, run, w, acknowledged[w], count))
                       for w in range(WRITERS)]
            for writer in writers:
                writer.start()
            for _ in range(POINTS_BEFORE_KILL + chance.randrange(200)):
                if not count.acquire(timeout=20):
                    raise RuntimeError("no point was acknowledged for 20 s")
            tracker.stop(signal.SIGKILL)
            for writer in writers:
                writer.join()
            tracker.start()
            connection = Connection(tracker.url)
            for w in range(WRITERS):
                steps = [p["step"] for p in history(connection, run, f"m{w}")]
                lost = set(acknowledged[w]) - set(steps)
                assert not lost, f"round {number}: writer {w} lost steps {sorted(lost)[:5]}"
                assert len(steps) == len(set(steps)), f"round {number}: a point is there twice"
                # At most the one point in flight is there without its acknowledgement.
                assert len(steps) - len(acknowledged[w]) <= 1, (len(steps), len(acknowledged[w]))
                acknowledged[w][:] = sorted(steps)
            latest = connection.call("GET", f"/runs/get?run_id={run}")["run"]["data"]["metrics"]
            assert [m["step"] for m in latest] == [points[-1] for points in acknowledged], latest
        code = tracker.stop()
        assert code == 0, f"tracker_server ended with {code}"
    print(rounds, "kills,", sum(map(len, acknowledged)), "points, none lost, none twice")


if __name__ == "__main__":
    main()
