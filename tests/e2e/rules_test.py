"""A rule of the server ends a trial whose loss is not a number, and tells a web hook, signed."""

import base64
import hashlib
import hmac
import http.server
import json
import os
import threading
import unittest

import cluster

# Metrics by HTTP alone: two that are numbers, one that is not, and then nothing for ever.
SCRIPT = """
import json, os, time, urllib.request

def log(value, step):
    body = {"run_id": os.environ["MLFLOW_RUN_ID"], "key": "loss", "value": value,
            "timestamp": time.time_ns() // 1000000, "step": step}
    urllib.request.urlopen(urllib.request.Request(
        os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/runs/log-metric", json.dumps(body).encode(),
        {"Content-Type": "application/json",
         "Authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"]}))

log(2.0, 1)
log(1.0, 2)
log("NaN", 3)
time.sleep(600)
"""

SWEEP = """
name: broken
trial:
  command: ["{python}", "{script}"]
space: {{width: {{choice: [1]}}}}
objective: {{metric: loss, goal: minimize}}
budget: {{trials: 1, parallel: 1}}
sampler: random
"""

SECRET = "a secret"


class Receiver(http.server.ThreadingHTTPServer):
    def __init__(self):
        self.got, self.came = [], threading.Condition()
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server_port}/"

    def wait_for_one(self):
        with self.came:
            if not self.came.wait_for(lambda: self.got, timeout=60):
                raise AssertionError("nothing was told")
            return self.got[0]


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.came:
            self.server.got.append((dict(self.headers), body))
            self.server.came.notify_all()
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


class RulesTest(unittest.TestCase):
    def setUp(self):
        self.receiver = Receiver()
        self.addCleanup(self.receiver.server_close)
        self.addCleanup(self.receiver.shutdown)
        self.cluster = cluster.Cluster()
        self.addCleanup(self.cluster.close)
        self.cluster.start_server("--webhook-schemes", "http", "--webhook-private-addresses")

    def test_ALossThatIsNotANumber_EndsTheTrial_AndIsTold(self):
        status, answer = self.cluster.http("/api/2.0/mlflow/webhooks", {
            "name": "alarm", "url": self.receiver.url, "secret": SECRET,
            "events": [{"entity": "REGISTERED_MODEL", "action": "CREATED"}]})
        self.assertEqual(status, 200, answer)
        hook = answer["webhook"]["webhook_id"]
        self.cluster.muster("tracker", "rule", "add", "finite", "--kind", "nan", "--metric", "loss",
                            "--webhook", hook, "--stop")
        script = self.cluster.write("script.py", SCRIPT)
        sweep = self.cluster.submit(self.cluster.write(
            "broken.yaml", SWEEP.format(python=cluster.PYTHON, script=script)))
        self.cluster.wait_sweep(sweep)
        trial = self.cluster.trials(sweep)[0]
        self.assertEqual(trial["state"], "cancelled", trial)

        headers, body = self.receiver.wait_for_one()
        told = json.loads(body)
        self.assertEqual((told["entity"], told["action"]), ("rule", "fired"))
        finding = told["data"]
        self.assertEqual((finding["rule"], finding["run"], finding["metric"], finding["value"], finding["step"]),
                         ("finite", trial["run_id"], "loss", "NaN", 3))
        text = f"{headers['X-MLflow-Delivery-Id']}.{headers['X-MLflow-Timestamp']}.".encode() + body
        code = base64.b64encode(hmac.new(SECRET.encode(), text, hashlib.sha256).digest()).decode()
        self.assertEqual(headers["X-MLflow-Signature"], "v1," + code)

        def log():
            return self.cluster.muster("tracker", "rule", "log", "finite").out
        cluster.wait_until(lambda: f"stop; web hook {hook}" in log(), 30, "the firing to be settled",
                           every=0.2, describe=log)
        self.assertIn(f"rule finite: metric loss of run {trial['run_id']} is nan at step 3", log())
        self.cluster.muster("tracker", "rule", "rm", "finite")
        self.assertEqual(self.cluster.muster("--json", "tracker", "rule", "ls").json(), {"rules": []})


if __name__ == "__main__":
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    unittest.main()
