"""Studies over HTTP while the server is killed: what was acknowledged is there, no trial is given to two.

    MUSTER_KILL_SEED=1 python3 studies_test.py
"""

import http.client
import os
import random
import threading
import time
import unittest

import cluster

CLIENTS, KILLS = 4, 5
SPACE = {"x": {"float": [0, 1]}, "width": {"int": [1, 64]}, "shape": {"choice": ["wide", "deep"]}}


def loss(params):
    return (params["x"] - 0.3) ** 2 + params["width"] / 64


class Client(threading.Thread):
    """Asks, reports and tells until `over`; keeps what was acknowledged."""

    def __init__(self, post, over):
        super().__init__()
        self.post, self.over = post, over
        self.given, self.told, self.lost, self.failure = [], {}, 0, None

    def run(self):
        try:
            while not self.over.is_set():
                self.one_trial()
        except BaseException as failure:  # pylint: disable=broad-except
            self.failure = failure

    def attempt(self, body):
        """The answer, or None when the server went away before it came: it may have been acted on or not."""
        try:
            status, answer = self.post(body)
        except (OSError, http.client.HTTPException):
            self.lost += 1
            time.sleep(0.01)
            return None
        if status != 200:
            raise AssertionError(f"{body}: {status} {answer}")
        return answer

    def one_trial(self):
        asked = self.attempt({"op": "ask"})
        if asked is None:
            return
        trial, params = asked["trial"], asked["params"]
        self.given.append((trial, params))
        value = loss(params)
        end = [{"op": "report", "trial": trial, "step": step, "value": value + 1 / step} for step in (1, 2)]
        end.append({"op": "tell", "trial": trial, "value": value})
        answers, unsure = self.attempt(end), False
        while answers is None:
            answers, unsure = self.attempt(end), True
        kinds = {answer.get("error", {}).get("kind") for answer in answers}
        # One transaction: all of it had happened, or nothing.
        if kinds != {None} and not (unsure and kinds == {"CONFLICT"}):
            raise AssertionError(f"{end}: {answers}")
        self.told[trial] = value


class StudiesTest(unittest.TestCase):
    def test_KilledServers_LoseNothingThatWasAcknowledged(self):
        draw = random.Random(int(os.environ.get("MUSTER_KILL_SEED", "20")))
        with cluster.Cluster(slots=0) as servers:
            servers.start_server()
            port, path = servers.server.port, "/api/muster/v1/studies/killed"
            url = servers.url + path

            def post(body):
                return cluster.request(url, body)

            def told():
                return sum(len(client.told) for client in clients)

            def restart():
                servers.kill_server()
                servers.start_server(port=port)

            create = {"op": "create", "space": SPACE, "seed": 5, "sampler": "tpe",
                      "stop": {"asha": {"max": 9}}}
            self.assertEqual(post(create)[0], 200)
            over = threading.Event()
            clients = [Client(post, over) for _ in range(CLIENTS)]
            for client in clients:
                client.start()
            try:
                for _ in range(KILLS):
                    goal = told() + draw.randrange(10, 60)
                    cluster.wait_until(lambda goal=goal: told() >= goal or any(c.failure for c in clients), 30,
                                       "the clients", every=0.001)
                    time.sleep(draw.uniform(0, 0.01))
                    restart()
            finally:
                over.set()
                for client in clients:
                    client.join(timeout=60)
            for client in clients:
                if client.failure:
                    raise client.failure
            self.assertGreater(sum(client.lost for client in clients), 0, "no client noticed")

            status, answer = post({"op": "trials"})
            self.assertEqual(status, 200)
            trials = answer["trials"]
            self.assertEqual([trial["trial"] for trial in trials], list(range(len(trials))))
            given = [number for client in clients for number, _ in client.given]
            self.assertEqual(len(given), len(set(given)), "a trial was given to two clients")
            for client in clients:
                for number, params in client.given:
                    self.assertEqual(trials[number]["params"], params)
                for number, value in client.told.items():
                    self.assertEqual((trials[number]["state"], trials[number]["values"]), ("complete", [value]))
            for trial in trials:
                # Told before the answer was lost, or given out in an answer that was.
                self.assertIn(trial["state"], ("complete", "running"))
                if trial["state"] == "complete":
                    self.assertEqual(trial["values"], [loss(trial["params"])])
            restart()
            self.assertEqual(post({"op": "trials"}), (200, answer))
            self.assertEqual(post({"op": "ask"})[1]["trial"], len(trials))


if __name__ == "__main__":
    unittest.main()
