"""The alias moves under load: a model server follows it, and no request fails."""

import json
import threading
import unittest
import urllib.request

import cluster

CLIENTS, MOVES = 4, 6


class AliasTest(unittest.TestCase):
    def test_AliasMoves_UnderLoad_NotOneRequestFails(self):
        with cluster.Cluster() as muster:
            muster.digits_data()
            muster.start_server()
            file = muster.write("digits.yaml", cluster.DIGITS_SWEEP)
            for seed, version in ((1, 1), (2, 2)):
                outcome = muster.muster("--json", "sweep", "submit", file, "--set", f"seed={seed}", "--wait")
                self.assertEqual(outcome.json()["promotion"]["version"], version, outcome)
            server = muster.start_model_server("digits@champion")
            load = Load(f"{server.url}/v2/models/digits/infer")
            with load:
                for move in range(MOVES):
                    if move % 2 == 0:
                        moved = muster.ask("model", "rollback", "digits", "--reason", "test")
                    else:
                        moved = muster.ask("model", "alias", "digits", "--version", "2")
                    wanted = str(moved["version"])
                    self.assertEqual(wanted, str(1 + move % 2))
                    cluster.wait_until(lambda: load.newest == wanted, 30, f"version {wanted} to answer",
                                       describe=lambda: load.failures)
                muster.kill_server()  # the model server goes on with what it has
                before = load.answered
                cluster.wait_until(lambda: load.answered > before + 100, 30, "answers without a registry",
                                   describe=lambda: load.failures)
            self.assertEqual(load.failures, [])
            self.assertEqual(load.versions, {"1", "2"})
            print(f"{load.answered} requests, {MOVES} moves of the alias, no failure")


class Load:
    """Clients that ask without a pause from `with` to its end."""

    def __init__(self, url):
        row = {"name": "", "shape": [1, 1, 8, 8], "datatype": "FP32", "data": [1.0] * 64}
        with urllib.request.urlopen(url.removesuffix("/infer"), timeout=20) as answer:
            row["name"] = json.loads(answer.read())["inputs"][0]["name"]
        self._request = urllib.request.Request(url, json.dumps({"inputs": [row]}).encode(),
                                               {"Content-Type": "application/json"})
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(CLIENTS)]
        self._lock = threading.Lock()
        self.answered, self.failures, self.versions, self.newest = 0, [], set(), None

    def __enter__(self):
        for thread in self._threads:
            thread.start()

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self):
        while not self._stop.is_set():
            try:
                with urllib.request.urlopen(self._request, timeout=20) as response:
                    answer = json.loads(response.read())
                if answer["outputs"][0]["shape"] != [1, 10]:
                    raise ValueError(f"an answer of another shape: {answer}")
            except Exception as error:  # any of them is a failed request
                with self._lock:
                    self.failures.append(repr(error))
                continue
            with self._lock:
                self.answered += 1
                self.newest = answer["model_version"]
                self.versions.add(self.newest)


if __name__ == "__main__":
    unittest.main()
