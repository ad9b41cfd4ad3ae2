"""MLflow's own client and web hooks: what it makes, is told and tests. usage: webhooks_test.py TRACKER_SERVER"""

import base64
import hashlib
import hmac
import http.server
import json
import os
import pathlib
import signal
import sys
import tempfile
import threading
import unittest

os.environ.update(MLFLOW_HTTP_REQUEST_MAX_RETRIES="0", MLFLOW_DISABLE_TELEMETRY="true",
                  DO_NOT_TRACK="true", GIT_PYTHON_REFRESH="quiet")

from mlflow import MlflowClient  # noqa: E402
from mlflow.entities.webhook import WebhookEvent, WebhookStatus  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402

from tracker_process import Tracker  # noqa: E402

PROGRAM = None
SECRET = "muster's secret"


class Receiver:
    """Keeps what is posted to it. `statuses` are answered first, one each; None hangs until the receiver is closed."""

    def __init__(self, *statuses):
        self.statuses, self.got = list(statuses), []
        self.came, self.closed = threading.Condition(), threading.Event()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with receiver.came:
                    receiver.got.append((dict(self.headers), body))
                    status = receiver.statuses.pop(0) if receiver.statuses else 200
                    receiver.came.notify_all()
                if status is None:
                    receiver.closed.wait()
                    return
                self.send_response(status)
                self.end_headers()
                self.wfile.write(b"heard")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"

    def wait_for(self, count):
        with self.came:
            if not self.came.wait_for(lambda: len(self.got) >= count, timeout=30):
                raise AssertionError(f"{len(self.got)} deliveries came; wanted {count}")
            return list(self.got)

    def bodies(self, count):
        return [json.loads(body) for _, body in self.wait_for(count)]

    def close(self):
        self.closed.set()
        self.server.shutdown()
        self.server.server_close()


def told(body):
    return f"{body['entity']}.{body['action']}", body["data"]


class WebhooksTest(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix="muster_webhooks_")
        self.addCleanup(temporary.cleanup)
        self.tracker = Tracker(PROGRAM, pathlib.Path(temporary.name)).start()
        self.addCleanup(self.tracker.stop)
        self.client = MlflowClient(self.tracker.url)

    def receiver(self, *statuses):
        receiver = Receiver(*statuses)
        self.addCleanup(receiver.close)
        return receiver

    def hook(self, receiver, *events, **more):
        return self.client.create_webhook(name="hook", url=receiver.url,
                                          events=[WebhookEvent.from_str(e) for e in events], **more)

    def test_every_call_of_the_client(self):
        receiver = self.receiver()
        made = self.hook(receiver, "prompt_tag.set", "model_version.created", secret=SECRET, description="d")
        self.assertIsNone(made.secret)
        self.assertEqual([str(e) for e in made.events], ["model_version.created", "prompt_tag.set"])
        self.assertEqual(made.status, WebhookStatus.ACTIVE)
        changed = self.client.update_webhook(made.webhook_id, name="other", status=WebhookStatus.DISABLED,
                                             events=[WebhookEvent.from_str("prompt.created")])
        self.assertEqual((changed.name, changed.description, changed.status),
                         ("other", "d", WebhookStatus.DISABLED))
        self.assertEqual(repr(self.client.get_webhook(made.webhook_id)), repr(changed))
        second = self.hook(receiver, "prompt.created")
        page = self.client.list_webhooks(max_results=1)
        self.assertEqual([w.webhook_id for w in page], [second.webhook_id])
        self.assertEqual([w.webhook_id for w in self.client.list_webhooks(page_token=page.token)],
                         [made.webhook_id])
        self.client.delete_webhook(made.webhook_id)
        with self.assertRaisesRegex(MlflowException, f"Webhook with ID {made.webhook_id} not found."):
            self.client.get_webhook(made.webhook_id)

    def test_a_model_s_life_is_told_in_order_and_signed(self):
        receiver = self.receiver()
        self.hook(receiver, "registered_model.created", "model_version.created", "model_version_tag.set",
                  "model_version_tag.deleted", "model_version_alias.created", "model_version_alias.deleted",
                  secret=SECRET)
        self.client.create_registered_model("m", tags={"a": "b"}, description="of m")
        self.client.create_model_version("m", "s3://bucket/m", tags={"c": "d"})
        self.client.set_model_version_tag("m", "1", "k", "v")
        self.client.delete_model_version_tag("m", "1", "k")
        self.client.set_registered_model_alias("m", "best", "1")
        self.client.delete_registered_model_alias("m", "best")
        self.assertEqual([told(body) for body in receiver.bodies(6)], [
            ("registered_model.created", {"name": "m", "tags": {"a": "b"}, "description": "of m"}),
            ("model_version.created", {"name": "m", "version": "1", "source": "s3://bucket/m", "run_id": None,
                                       "tags": {"c": "d"}, "description": None}),
            ("model_version_tag.set", {"name": "m", "version": "1", "key": "k", "value": "v"}),
            ("model_version_tag.deleted", {"name": "m", "version": "1", "key": "k"}),
            ("model_version_alias.created", {"name": "m", "alias": "best", "version": "1"}),
            ("model_version_alias.deleted", {"name": "m", "alias": "best"})])
        for headers, body in receiver.got:
            text = f"{headers['X-MLflow-Delivery-Id']}.{headers['X-MLflow-Timestamp']}.".encode() + body
            code = hmac.new(SECRET.encode(), text, hashlib.sha256).digest()
            self.assertEqual(headers["X-MLflow-Signature"], "v1," + base64.b64encode(code).decode())

    def test_a_prompt_s_life_is_told(self):
        receiver = self.receiver()
        self.hook(receiver, "prompt.created", "prompt_version.created", "prompt_tag.set", "prompt_version_tag.set",
                  "prompt_alias.created")
        self.client.register_prompt("p", template="Hi {{x}}", commit_message="first", tags={"k": "v"})
        self.client.set_prompt_alias("p", "live", 1)
        told_of = {}
        for body in receiver.bodies(4):
            told_of.setdefault(told(body)[0], told(body)[1])
        self.assertEqual(told_of["prompt_version.created"]["template"], "Hi {{x}}")
        self.assertEqual(told_of["prompt_alias.created"], {"name": "p", "alias": "live", "version": "1"})
        self.assertIn("prompt.created", told_of)

    def test_a_test_brings_the_receiver_s_answer(self):
        receiver = self.receiver(200, 400)
        hook = self.hook(receiver, "registered_model.created")
        result = self.client.test_webhook(hook.webhook_id)
        self.assertEqual((result.success, result.response_status, result.response_body), (True, 200, "heard"))
        result = self.client.test_webhook(hook.webhook_id, WebhookEvent.from_str("prompt.created"))
        self.assertEqual((result.success, result.response_status), (False, 400))
        self.assertEqual([told(b)[0] for b in receiver.bodies(2)], ["registered_model.created", "prompt.created"])

    def test_killed_while_a_receiver_hangs_it_is_told_again_and_nothing_is_lost(self):
        receiver = self.receiver(None)
        self.hook(receiver, "registered_model.created")
        for name in ("a", "b", "c"):
            self.client.create_registered_model(name)
        receiver.wait_for(1)
        self.tracker.stop(signal.SIGKILL)
        self.tracker.start()
        names = [body["data"]["name"] for body in receiver.bodies(4)]
        self.assertEqual(names, ["a", "a", "b", "c"])
        ids = [headers["X-MLflow-Delivery-Id"] for headers, _ in receiver.got]
        self.assertEqual(ids[0], ids[1])
        self.assertEqual(len(set(ids)), 3)


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main()
