"""MLflow's own client with artifacts elsewhere: S3 (moto) behind the proxy, a plain folder beside it.
usage: artifact_roots_test.py TRACKER_SERVER"""

import logging
import os
import pathlib
import sys
import tempfile
import unittest
from unittest import mock

# Before MLflow and moto are imported.
os.environ.update(MLFLOW_HTTP_REQUEST_MAX_RETRIES="0", MLFLOW_DISABLE_TELEMETRY="true",
                  DO_NOT_TRACK="true", GIT_PYTHON_REFRESH="quiet", AWS_ACCESS_KEY_ID="ada",
                  AWS_SECRET_ACCESS_KEY="secret", AWS_DEFAULT_REGION="us-east-1")

import boto3  # noqa: E402
import mlflow  # noqa: E402
import requests  # noqa: E402
from moto.server import ThreadedMotoServer  # noqa: E402

from tracker_process import Tracker  # noqa: E402

PROGRAM = None


class Roots(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="muster_roots_")
        self.folder = pathlib.Path(self.temporary.name)
        (self.folder / "server").mkdir()
        self.addCleanup(self.temporary.cleanup)

    def track(self, artifact_root):
        tracker = Tracker(PROGRAM, self.folder / "server", artifact_root=artifact_root).start()
        self.addCleanup(lambda: self.assertEqual(tracker.stop(), 0))
        mlflow.set_tracking_uri(tracker.url)
        mlflow.set_experiment("e")
        return tracker.url

    def test_s3_behind_the_proxy(self):
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        self.addCleanup(server.stop)
        endpoint = "http://{}:{}".format(*server.get_host_and_port())
        bucket = boto3.client("s3", endpoint_url=endpoint)
        bucket.create_bucket(Bucket="bucket")
        content = os.urandom(6 << 20)  # two parts: S3 takes none below 5 MiB but the last
        (self.folder / "large.bin").write_bytes(content)
        sizes = {"MLFLOW_S3_ENDPOINT_URL": endpoint,
                 "MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE": "1000000",
                 "MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE": str(5 << 20),
                 "MLFLOW_MULTIPART_DOWNLOAD_CHUNK_SIZE": "4000000"}
        with mock.patch.dict(os.environ, sizes):
            self.track("s3://bucket/deep/root")
            with mlflow.start_run() as run:
                mlflow.log_text("hello", "texts/t ä.txt")
                mlflow.log_artifact(str(self.folder / "large.bin"))
            client = mlflow.MlflowClient()
            local = client.download_artifacts(run.info.run_id, "", str(self.folder))
        self.assertEqual((pathlib.Path(local) / "large.bin").read_bytes(), content)
        self.assertEqual((pathlib.Path(local) / "texts" / "t ä.txt").read_text(), "hello")
        below = "deep/root/1/" + run.info.run_id + "/artifacts/"
        stored = [o["Key"] for o in bucket.list_objects_v2(Bucket="bucket")["Contents"]]
        self.assertEqual(stored, [below + "large.bin", below + "texts/t ä.txt"])
        self.assertEqual([(f.path, f.is_dir) for f in client.list_artifacts(run.info.run_id)],
                         [("large.bin", False), ("texts", True)])

    def plain_folder(self, location=None):
        url = self.track((self.folder / "mlruns").as_uri())
        if location:
            mlflow.create_experiment("there", artifact_location=location)
        with mlflow.start_run(experiment_id="2" if location else None) as run:
            mlflow.log_text("hello", "texts/t.txt")  # the client writes it itself
        where = self.folder / "mlruns" / ("there" if location else "1") / run.info.run_id / "artifacts"
        self.assertEqual((where / "texts" / "t.txt").read_text(), "hello")
        query = {"run_id": run.info.run_id, "path": "texts"}
        listed = requests.get(url + "/api/2.0/mlflow/artifacts/list", params=query).json()
        self.assertEqual(listed["files"], [{"path": "texts/t.txt", "is_dir": False, "file_size": 5}])
        query["path"] = "texts/t.txt"
        self.assertEqual(requests.get(url + "/get-artifact", params=query).text, "hello")
        (where / "secret").symlink_to("/etc/passwd")
        query["path"] = "secret"
        refused = requests.get(url + "/get-artifact", params=query)
        self.assertEqual(refused.status_code, 400)
        self.assertEqual(refused.json()["message"],
                         "Invalid path: resolved path is outside the artifact directory")
        # A root that the server was not started for.
        experiment = mlflow.create_experiment("elsewhere", artifact_location="/etc")
        with mlflow.start_run(experiment_id=experiment) as other:
            query = {"run_id": other.info.run_id, "path": "x"}
        self.assertEqual(requests.get(url + "/get-artifact", params=query).status_code, 403)

    def test_file_uri(self):
        self.plain_folder()

    def test_plain_path(self):
        self.plain_folder(str(self.folder / "mlruns" / "there"))


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main()
