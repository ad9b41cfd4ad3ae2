"""MLflow's own client against our tracker. usage: mlflow_client_test.py TRACKER_SERVER"""

import math
import os
import pathlib
import sys
import tempfile
import unittest
from unittest import mock

# Before MLflow is imported: no retries that hide errors, no calls home, no git.
os.environ.update(MLFLOW_HTTP_REQUEST_MAX_RETRIES="0", MLFLOW_DISABLE_TELEMETRY="true",
                  DO_NOT_TRACK="true", GIT_PYTHON_REFRESH="quiet",
                  MLFLOW_ENABLE_ASYNC_LOGGING="false")

import mlflow  # noqa: E402
import mlflow.store.artifact.http_artifact_repo  # noqa: E402
import numpy  # noqa: E402
import onnx  # noqa: E402
import pandas  # noqa: E402
import requests  # noqa: E402
from mlflow import MlflowClient  # noqa: E402
from mlflow.entities import Metric, Param, RunTag, ViewType  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402

from tracker_process import Tracker  # noqa: E402

PROGRAM = None


class Doubler(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return [2 * value for value in model_input]


class ClientTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory(prefix="muster_client_")
        cls.folder = pathlib.Path(cls.temporary.name)
        (cls.folder / "server").mkdir()
        cls.tracker = Tracker(PROGRAM, cls.folder / "server").start()
        mlflow.set_tracking_uri(cls.tracker.url)
        cls.client = MlflowClient()

    @classmethod
    def tearDownClass(cls):
        code = cls.tracker.stop()
        cls.temporary.cleanup()
        assert code == 0, f"tracker_server ended with {code}"

    def setUp(self):
        self.experiment = mlflow.set_experiment(self.id()).experiment_id

    def refused(self, code, call, *args, **kwargs):
        with self.assertRaises(MlflowException) as caught:
            call(*args, **kwargs)
        self.assertEqual(caught.exception.error_code, code)
        return str(caught.exception)

    # --- experiments and runs -----------------------------------------------------------------------

    def test_fluent_run_round_trips(self):
        with mlflow.start_run(run_name="first", tags={"team": "vision"}) as run:
            mlflow.log_param("lr", 0.1)
            mlflow.log_params({"width": 64, "optimizer": "adamw"})
            mlflow.log_metric("loss", 2.5, step=1)
            mlflow.log_metrics({"loss": 1.25, "val/acc": 0.5}, step=2)
            mlflow.set_tag("note", "größer")
        found = self.client.get_run(run.info.run_id)
        self.assertEqual(found.info.status, "FINISHED")
        self.assertEqual(found.info.run_name, "first")
        self.assertEqual(found.data.params, {"lr": "0.1", "width": "64", "optimizer": "adamw"})
        self.assertEqual(found.data.metrics, {"loss": 1.25, "val/acc": 0.5})
        self.assertEqual(found.data.tags["note"], "größer")
        self.assertEqual(found.data.tags["team"], "vision")
        self.assertGreaterEqual(found.info.end_time, found.info.start_time)
        history = self.client.get_metric_history(run.info.run_id, "loss")
        self.assertEqual([(m.step, m.value) for m in history], [(1, 2.5), (2, 1.25)])

    def test_failed_and_nested_runs(self):
        with self.assertRaises(ZeroDivisionError):
            with mlflow.start_run() as parent:
                with mlflow.start_run(nested=True) as child:
                    pass
                raise ZeroDivisionError
        self.assertEqual(self.client.get_run(parent.info.run_id).info.status, "FAILED")
        tags = self.client.get_run(child.info.run_id).data.tags
        self.assertEqual(tags["mlflow.parentRunId"], parent.info.run_id)

    def test_experiment_life(self):
        name = self.id()
        self.refused("RESOURCE_ALREADY_EXISTS", self.client.create_experiment, name)
        self.client.set_experiment_tag(self.experiment, "k", "v")
        self.assertEqual(self.client.get_experiment(self.experiment).tags, {"k": "v"})
        self.client.rename_experiment(self.experiment, name + " renamed")
        self.assertIsNone(self.client.get_experiment_by_name(name))
        self.client.delete_experiment(self.experiment)
        self.assertEqual(self.client.get_experiment(self.experiment).lifecycle_stage, "deleted")
        self.refused("RESOURCE_DOES_NOT_EXIST", self.client.delete_experiment, self.experiment)
        self.client.restore_experiment(self.experiment)
        names = [e.name for e in self.client.search_experiments(filter_string="name LIKE '%renamed'")]
        self.assertEqual(names, [name + " renamed"])
        self.refused("RESOURCE_DOES_NOT_EXIST", self.client.get_experiment, "424242")
        self.assertEqual(self.client.get_experiment("0").name, "Default")

    def test_delete_and_restore_of_runs(self):
        run = self.client.create_run(self.experiment).info.run_id
        self.client.delete_run(run)
        text = self.refused("INVALID_PARAMETER_VALUE", self.client.log_metric, run, "m", 1)
        self.assertIn("must be in the 'active' state. Current state is deleted.", text)
        self.assertEqual(self.client.search_runs([self.experiment]), [])
        deleted = self.client.search_runs([self.experiment], run_view_type=ViewType.DELETED_ONLY)
        self.assertEqual([r.info.run_id for r in deleted], [run])
        self.client.restore_run(run)
        self.client.log_metric(run, "m", 1)

    # --- logging ------------------------------------------------------------------------------------

    def test_nan_and_infinity_come_back(self):
        run = self.client.create_run(self.experiment).info.run_id
        self.client.log_metric(run, "nan", float("nan"))
        self.client.log_metric(run, "inf", float("inf"))
        self.client.log_metric(run, "minus", float("-inf"))
        metrics = self.client.get_run(run).data.metrics
        self.assertTrue(math.isnan(metrics["nan"]))
        self.assertGreaterEqual(metrics["inf"], 1.79e308)
        self.assertLessEqual(metrics["minus"], -1.79e308)

    def test_batch_limits_and_duplicates(self):
        run = self.client.create_run(self.experiment).info.run_id
        points = [Metric("m", i / 7, 1000 + i, i) for i in range(1000)]
        self.client.log_batch(run, metrics=points, params=[], tags=[])
        self.client.log_batch(run, metrics=points, params=[], tags=[])
        history = self.client.get_metric_history(run, "m")
        self.assertEqual([m.value for m in history], [m.value for m in points])
        body = {"run_id": run, "metrics": [
            {"key": "m", "value": 1, "timestamp": i, "step": 0} for i in range(1001)]}
        answer = requests.post(self.tracker.url + "/api/2.0/mlflow/runs/log-batch", json=body)
        self.assertEqual(answer.status_code, 400)
        self.assertEqual(answer.json()["message"],
                         "A batch logging request can contain at most 1000 metrics. Got 1001 metrics. "
                         "Please split up metrics across multiple requests and try again.")

    def test_params_are_immutable(self):
        run = self.client.create_run(self.experiment).info.run_id
        self.client.log_param(run, "p", 1)
        self.client.log_param(run, "p", 1)
        text = self.refused("INVALID_PARAMETER_VALUE", self.client.log_param, run, "p", 2)
        self.assertIn(f"Param with key='p' was already logged with value='1' for run ID='{run}'. "
                      "Attempted logging new value '2'.", text)
        self.refused("INVALID_PARAMETER_VALUE", self.client.log_batch, run,
                     params=[Param("q", "1"), Param("p", "3")])
        self.assertEqual(self.client.get_run(run).data.params, {"p": "1"})

    def test_tags_set_and_deleted(self):
        run = self.client.create_run(self.experiment, tags={"a": "1"}).info.run_id
        self.client.set_tag(run, "b", "2")
        self.client.log_batch(run, tags=[RunTag("c", "3")])
        self.client.delete_tag(run, "a")
        tags = self.client.get_run(run).data.tags
        self.assertEqual({k: v for k, v in tags.items() if not k.startswith("mlflow.")},
                         {"b": "2", "c": "3"})
        self.refused("RESOURCE_DOES_NOT_EXIST", self.client.delete_tag, run, "a")
        self.client.set_tag(run, "mlflow.runName", "renamed")
        self.assertEqual(self.client.get_run(run).info.run_name, "renamed")

    def test_datasets(self):
        dataset = mlflow.data.from_pandas(pandas.DataFrame({"x": [1, 2]}), name="tiny")
        with mlflow.start_run() as run:
            mlflow.log_input(dataset, context="train")
            mlflow.log_metric("acc", 0.5, dataset=dataset)
        inputs = self.client.get_run(run.info.run_id).inputs.dataset_inputs
        self.assertEqual([i.dataset.name for i in inputs], ["tiny"])
        found = self.client.search_runs([self.experiment], "datasets.name = 'tiny'")
        self.assertEqual(len(found), 1)

    def test_stale_attempt_is_refused_by_its_token(self):
        run = self.client.create_run(self.experiment).info.run_id
        os.environ["MLFLOW_TRACKING_TOKEN"] = "stale"
        try:
            text = self.refused("PERMISSION_DENIED", self.client.log_metric, run, "m", 1)
            self.assertIn("attempt 2 owns it", text)
            self.refused("PERMISSION_DENIED", self.client.set_terminated, run)
        finally:
            del os.environ["MLFLOW_TRACKING_TOKEN"]
        self.assertEqual(self.client.get_run(run).data.metrics, {})

    def test_ranks_log_apart_by_a_header(self):
        from mlflow.tracking.request_header import registry
        from mlflow.tracking.request_header.abstract_request_header_provider import RequestHeaderProvider

        class RankHeader(RequestHeaderProvider):
            rank = "0"

            def in_context(self):
                return True

            def request_headers(self):
                return {"X-Muster-Rank": self.rank, "X-Muster-Node": "n1"}

        run = self.client.create_run(self.experiment).info.run_id
        with mock.patch.object(registry._request_header_provider_registry, "_registry",
                               list(registry._request_header_provider_registry)):
            registry._request_header_provider_registry.register(RankHeader)
            for rank in ("0", "1", "12"):
                RankHeader.rank = rank
                self.client.log_metric(run, "step_seconds", 1 + int(rank), step=5)
                self.client.log_batch(run, metrics=[Metric("loss", 0.5, 7, 5)])
            RankHeader.rank = "x"
            text = self.refused("INVALID_PARAMETER_VALUE", self.client.log_metric, run, "step_seconds", 1)
            self.assertIn("X-Muster-Rank is 'x'", text)
        self.assertEqual(self.client.get_run(run).data.metrics, {"step_seconds": 1, "loss": 0.5})
        ranks = requests.get(f"{self.tracker.url}/api/muster/v1/runs/{run}/ranks", timeout=20).json()
        self.assertEqual([(rank["rank"], rank["node"], rank["points"]) for rank in ranks["ranks"]],
                         [(0, "n1", 2), (1, "n1", 2), (12, "n1", 2)])

    # --- search -------------------------------------------------------------------------------------

    def test_search(self):
        runs = {}
        for i, name in enumerate(["a", "b", "c"]):
            run = self.client.create_run(self.experiment, run_name=name, start_time=100 + i)
            runs[name] = run.info.run_id
            self.client.log_metric(run.info.run_id, "acc", i / 2)
            self.client.log_param(run.info.run_id, "lr", str(i))
        self.client.set_tag(runs["c"], "x y", "1")

        def search(text="", **kwargs):
            found = self.client.search_runs([self.experiment], text, **kwargs)
            return [run.info.run_name for run in found]

        self.assertEqual(search(), ["c", "b", "a"])
        self.assertEqual(search("metrics.acc > 0.2 and params.lr != '2'"), ["b"])
        self.assertEqual(search("tags.`x y` = '1' and attributes.run_name ILIKE 'C'"), ["c"])
        self.assertEqual(search("tags.`x y` IS NULL", order_by=["metrics.acc DESC"]), ["b", "a"])
        self.assertEqual(search(order_by=["params.lr ASC"]), ["a", "b", "c"])
        self.assertEqual(search(f"run_id IN ('{runs['a']}','{runs['b']}')"), ["b", "a"])
        first = self.client.search_runs([self.experiment], max_results=2)
        second = self.client.search_runs([self.experiment], max_results=2, page_token=first.token)
        self.assertEqual([r.info.run_name for r in second], ["a"])
        self.assertIsNone(second.token)
        frame = mlflow.search_runs([self.experiment], order_by=["metrics.acc DESC"])
        self.assertEqual(list(frame["metrics.acc"]), [1.0, 0.5, 0.0])
        text = self.refused("INVALID_PARAMETER_VALUE", search, "foo.bar = 1")
        self.assertIn("Invalid entity type 'foo'. Valid values are ['metric', 'parameter', 'tag', "
                      "'attribute', 'dataset']", text)
        self.refused("INVALID_PARAMETER_VALUE", search, "metrics.acc > 1 OR metrics.acc < 0")
        self.refused("INVALID_PARAMETER_VALUE", search, page_token="nonsense")

    # --- artifacts ----------------------------------------------------------------------------------

    def test_artifacts(self):
        source = self.folder / "source"
        (source / "sub").mkdir(parents=True)
        (source / "one.txt").write_text("one")
        (source / "sub" / "zwei ä.bin").write_bytes(bytes(range(256)) * 8192)  # spooled: 2 MiB
        with mlflow.start_run() as run:
            mlflow.log_artifacts(str(source), "tree")
            mlflow.log_artifact(str(source / "one.txt"))
            mlflow.log_dict({"a": 1}, "d.json")
            mlflow.log_text("hello", "texts/t.txt")
        run_id = run.info.run_id
        listed = [(f.path, f.is_dir, f.file_size) for f in self.client.list_artifacts(run_id)]
        self.assertEqual(listed, [("d.json", False, 12), ("one.txt", False, 3),
                                  ("texts", True, None), ("tree", True, None)])
        self.assertEqual([f.path for f in self.client.list_artifacts(run_id, "tree")],
                         ["tree/one.txt", "tree/sub"])
        local = pathlib.Path(self.client.download_artifacts(run_id, "tree"))
        self.assertEqual((local / "sub" / "zwei ä.bin").read_bytes(), bytes(range(256)) * 8192)
        self.assertEqual(mlflow.artifacts.load_text(run.info.artifact_uri + "/texts/t.txt"), "hello")
        self.assertEqual(mlflow.artifacts.load_dict(run.info.artifact_uri + "/d.json"), {"a": 1})
        # MLflow's UI and curl list through another route, relative to the run's root.
        answer = requests.get(self.tracker.url + "/api/2.0/mlflow/artifacts/list",
                              params={"run_id": run_id, "path": "tree"}).json()
        self.assertEqual([f["path"] for f in answer["files"]], ["tree/one.txt", "tree/sub"])
        with self.assertRaises(Exception):
            self.client.download_artifacts(run_id, "none")

    def test_large_artifacts_go_in_parts(self):
        content = bytes(range(256)) * 12_000 + b"end"  # 3,072,003 bytes: parts beyond and below 1 MiB
        (self.folder / "large ä.bin").write_bytes(content)
        sizes = {"MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE": "1000000",
                 "MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE": "1500000",
                 "MLFLOW_MULTIPART_DOWNLOAD_CHUNK_SIZE": "700000"}
        repository = mlflow.store.artifact.http_artifact_repo
        with mock.patch.dict(os.environ, sizes), mock.patch.object(
                repository.HttpArtifactRepository, "_upload_part",
                wraps=repository.HttpArtifactRepository._upload_part) as upload, mock.patch.object(
                repository, "download_chunk", wraps=repository.download_chunk) as download:
            with mlflow.start_run() as run:
                mlflow.log_artifact(str(self.folder / "large ä.bin"), "deep/er")
            self.assertEqual(upload.call_count, 3)
            local = self.client.download_artifacts(run.info.run_id, "deep/er/large ä.bin",
                                                   str(self.folder))
            self.assertEqual(download.call_count, 5)
        self.assertEqual(pathlib.Path(local).read_bytes(), content)
        self.assertEqual([(f.path, f.file_size) for f in
                          self.client.list_artifacts(run.info.run_id, "deep/er")],
                         [("deep/er/large ä.bin", len(content))])

    def test_unsafe_artifact_paths(self):
        base = self.tracker.url + "/api/2.0/mlflow-artifacts/artifacts/"
        for path in ["%2e%2e/x", "a/%2e%2e/%2e%2e/b", "%252e%252e/x", "%2fetc/passwd", "C:/x", "a%23b"]:
            request = requests.Request("PUT", base, data=b"x").prepare()
            request.url = base + path
            answer = requests.Session().send(request)
            self.assertEqual(answer.status_code, 400, path)
            self.assertEqual(answer.json()["error_code"], "INVALID_PARAMETER_VALUE")

    # --- registry -----------------------------------------------------------------------------------

    def test_registered_models(self):
        name = "digits"
        self.client.create_registered_model(name, tags={"a": "b"}, description="d")
        self.refused("RESOURCE_ALREADY_EXISTS", self.client.create_registered_model, name)
        run = self.client.create_run(self.experiment).info.run_id
        for _ in range(2):
            made = self.client.create_model_version(name, f"runs:/{run}/model", run, tags={"x": "y"})
        self.assertEqual((made.version, made.current_stage, made.status), ("2", "None", "READY"))
        self.client.set_registered_model_alias(name, "champion", "2")
        self.assertEqual(self.client.get_model_version_by_alias(name, "champion").version, "2")
        self.assertEqual(self.client.get_registered_model(name).aliases, {"champion": "2"})
        self.assertEqual(self.client.get_model_version(name, "2").aliases, ["champion"])
        self.client.update_model_version(name, "2", "better")
        self.client.set_model_version_tag(name, "2", "k", "v")
        self.client.delete_model_version_tag(name, "2", "x")
        found = self.client.search_model_versions(f"name = '{name}' and tags.k = 'v'")
        self.assertEqual([(v.version, v.description) for v in found], [("2", "better")])
        self.assertEqual([m.name for m in self.client.search_registered_models("name LIKE 'dig%'")],
                         [name])
        self.assertEqual(self.client.get_model_version_download_uri(name, "1"), f"runs:/{run}/model")
        self.client.set_registered_model_tag(name, "t", "1")
        self.client.delete_registered_model_tag(name, "a")
        self.assertEqual(self.client.get_registered_model(name).tags, {"t": "1"})
        self.client.delete_registered_model_alias(name, "champion")
        self.refused("INVALID_PARAMETER_VALUE", self.client.get_model_version_by_alias, name, "champion")
        self.client.rename_registered_model(name, "digits2")
        self.client.delete_model_version("digits2", "1")
        self.refused("RESOURCE_DOES_NOT_EXIST", self.client.get_model_version, "digits2", "1")
        self.client.delete_registered_model("digits2")
        self.refused("RESOURCE_DOES_NOT_EXIST", self.client.get_registered_model, "digits2")
        self.refused("INVALID_PARAMETER_VALUE", self.client.create_registered_model, "a/b")

    def test_sources_that_no_run_holds_are_refused(self):
        self.client.create_registered_model("guarded")
        run = self.client.create_run(self.experiment).info.run_id
        for source in ["/etc", "file:///etc", "runs:/other/model", "mlflow-artifacts:/0/other/artifacts/m",
                       "mlflow-artifacts:/0/../../etc", "models:/m-" + "0" * 32]:
            self.refused("INVALID_PARAMETER_VALUE", self.client.create_model_version, "guarded", source, run)

    # --- models -------------------------------------------------------------------------------------

    def test_pyfunc_model_is_logged_registered_and_loaded_by_alias(self):
        with mlflow.start_run() as run:
            mlflow.log_metric("acc", 0.9)
            info = mlflow.pyfunc.log_model(name="doubler", python_model=Doubler(),
                                           registered_model_name="doubler",
                                           pip_requirements=["cloudpickle"])
        self.client.set_registered_model_alias("doubler", "champion", "1")
        model = mlflow.pyfunc.load_model("models:/doubler@champion")
        self.assertEqual(list(model.predict([1, 2])), [2, 4])
        self.assertEqual(list(mlflow.pyfunc.load_model(info.model_uri).predict([3])), [6])
        version = self.client.get_model_version("doubler", "1")
        self.assertEqual(version.run_id, run.info.run_id)
        logged = self.client.get_logged_model(info.model_id)
        self.assertEqual(str(logged.status), "READY")
        self.assertEqual([(m.key, m.value) for m in logged.metrics], [("acc", 0.9)])
        outputs = self.client.get_run(run.info.run_id).outputs.model_outputs
        self.assertEqual([o.model_id for o in outputs], [info.model_id])
        found = self.client.search_logged_models([self.experiment], "metrics.acc > 0.5",
                                                 order_by=[{"field_name": "metrics.acc",
                                                            "ascending": False}])
        self.assertEqual([m.model_id for m in found], [info.model_id])
        self.client.set_logged_model_tags(info.model_id, {"t": "1"})
        self.client.delete_logged_model_tag(info.model_id, "t")
        self.client.delete_logged_model(info.model_id)
        self.refused("RESOURCE_DOES_NOT_EXIST", self.client.get_logged_model, info.model_id)

    def test_onnx_model_is_loaded_by_alias(self):
        tensor = onnx.helper.make_tensor_value_info
        node = onnx.helper.make_node("Add", ["x", "x"], ["y"])
        graph = onnx.helper.make_graph([node], "double", [tensor("x", onnx.TensorProto.FLOAT, [None, 2])],
                                       [tensor("y", onnx.TensorProto.FLOAT, [None, 2])])
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)],
                                       ir_version=9)
        mlflow.onnx.log_model(model, name="double", registered_model_name="double_onnx",
                              pip_requirements=["onnxruntime"])
        self.client.set_registered_model_alias("double_onnx", "champion", "1")
        loaded = mlflow.pyfunc.load_model("models:/double_onnx@champion")
        answer = loaded.predict(numpy.array([[1, 2]], dtype=numpy.float32))
        self.assertEqual(answer["y"].tolist(), [[2, 4]])
        mlflow.end_run()

    def test_prompts_are_registered_models(self):
        mlflow.genai.register_prompt("greet", "Hello {{name}}")
        self.assertEqual(mlflow.genai.load_prompt("greet", version=1).format(name="Ada"), "Hello Ada")
        self.assertNotIn("greet", [m.name for m in self.client.search_registered_models()])

    # --- the rest -----------------------------------------------------------------------------------

    def test_unknown_endpoints_and_plain_ones(self):
        for path in ["/api/2.0/mlflow/none/such", "/ajax-api/3.0/mlflow/scorers/list"]:
            answer = requests.post(self.tracker.url + path, json={})
            self.assertEqual((answer.status_code, answer.json()["error_code"]),
                             (404, "ENDPOINT_NOT_FOUND"))
        self.assertEqual(requests.get(self.tracker.url + "/version").text, "3.18.0")
        self.assertEqual(requests.get(self.tracker.url + "/health").text, "OK")
        answer = requests.get(self.tracker.url + "/ajax-api/2.0/mlflow/experiments/get?experiment_id=0")
        self.assertEqual(answer.json()["experiment"]["name"], "Default")


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main()
