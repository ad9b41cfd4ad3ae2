"""A pytest plugin: MLflow's own tests, unmodified, at muster's server instead of MLflow's.

Wherever the tests start MLflow's server or open its database, `muster tracker serve` (the program in $MUSTER) is started
instead, empty, for that test alone. What muster has not is skipped by out_of_scope.py, each with its reason. Ends with a
table: passed, failed and skipped by file. scripts/conformance/mlflow/tests runs it.
"""

import collections
import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import mlflow
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from out_of_scope import reason_of  # noqa: E402

START_SECONDS = 20
# Files whose tests speak to MLflow's store in their own process; all others start servers themselves.
STORE_FILES = """test_tracking.py test_log_image.py test_log_figure.py test_fluent.py test_model_registry_fluent.py
test_client.py test_artifacts.py test_system_metrics_monitor.py test_async_logging_integration.py""".split()


@contextlib.contextmanager
def tracker(artifact_root, port=0, variables=None):
    """A fresh server; its URL."""
    with tempfile.TemporaryDirectory(prefix="muster_", ignore_cleanup_errors=True) as folder:
        port_file = pathlib.Path(folder, "port")
        command = [os.environ["MUSTER"], "tracker", "serve", "--db", f"{folder}/tracker.db", "--port", str(port),
                   "--port-file", port_file, "--artifact-root", artifact_root or f"file://{folder}/artifacts"]
        # Names need not resolve where the tests run.
        environment = {**os.environ, "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true", **(variables or {})}
        process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + START_SECONDS
            while not port_file.exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"muster did not start: {command}")
                time.sleep(0.002)
            yield f"http://127.0.0.1:{port_file.read_text().strip()}"
        finally:
            process.terminate()
            process.wait()


class Server:
    """In place of tests.tracking.integration_test_utils.ServerThread."""

    artifact_root = ""

    def __init__(self, app, port):
        self.tracker = tracker(Server.artifact_root)

    def __enter__(self):
        url = self.tracker.__enter__()
        # The tests' own process uses the server's database; here, it asks the server.
        mlflow.set_tracking_uri(url)
        return url

    def __exit__(self, *error):
        return self.tracker.__exit__(*error)


def remember_artifact_root(backend_store_uri, registry_store_uri=None, default_artifact_root=None, **_):
    """In place of mlflow.server.handlers.initialize_backend_stores: the server that starts next keeps its own data."""
    Server.artifact_root = default_artifact_root or ""


def init_server(backend_uri, root_artifact_uri, extra_env=None, **_):
    """In place of tests.tracking.integration_test_utils._init_server."""
    # One test hands its own server's address in as a root.
    return tracker(root_artifact_uri if root_artifact_uri.startswith("file:") else "", variables=extra_env)


@contextlib.contextmanager
def launch_server(host, port, backend_store_uri, default_artifact_root, artifacts_destination):
    """In place of tests.tracking.test_mlflow_artifacts._launch_server."""
    with tracker(artifacts_destination, port):
        yield None


def run_mlflow_server(folder):
    """In place of tests.webhooks.test_e2e._run_mlflow_server."""
    return tracker((folder / "artifacts").as_uri(), variables={
        "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http"})


def use_servers_in_place_of_stores(conftest):
    use = conftest._use_tracking_uri

    @contextlib.contextmanager
    def use_tracking_uri(uri):
        with contextlib.ExitStack() as stack:
            if running["file"] in STORE_FILES:
                uri = stack.enter_context(tracker(""))
            with use(uri):
                yield

    conftest._use_tracking_uri = use_tracking_uri


running = {"file": ""}
outcomes = collections.defaultdict(collections.Counter)  # of a file
reasons = collections.Counter()


def pytest_configure(config):
    from mlflow.server import handlers
    from tests.tracking import integration_test_utils

    handlers.initialize_backend_stores = remember_artifact_root
    integration_test_utils.ServerThread = Server
    integration_test_utils._init_server = init_server


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    use_servers_in_place_of_stores(sys.modules["tests.conftest"])
    for item in items:
        if hasattr(item.module, "_launch_server"):
            item.module._launch_server = launch_server
        if hasattr(item.module, "_run_mlflow_server"):
            item.module._run_mlflow_server = run_mlflow_server
        if reason := reason_of(item.nodeid):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    running["file"] = item.path.name


def pytest_runtest_logreport(report):
    file = report.nodeid.split("::")[0]
    if report.when == "call" or report.outcome != "passed":
        outcome = "expected to fail" if hasattr(report, "wasxfail") else report.outcome
        outcomes[file][outcome] += 1
        if report.outcome == "skipped" and isinstance(report.longrepr, tuple):
            reasons[report.longrepr[2].removeprefix("Skipped: ")] += 1


def pytest_terminal_summary(terminalreporter):
    out = terminalreporter.write_line
    out("")
    total = collections.Counter()
    for file, found in sorted(outcomes.items()):
        out(f"{file}: " + ", ".join(f"{count} {outcome}" for outcome, count in sorted(found.items())))
        total += found
    out("all: " + ", ".join(f"{count} {outcome}" for outcome, count in sorted(total.items())))
    for reason, count in reasons.most_common():
        out(f"skipped {count}: {reason}")
