#!/usr/bin/env python3
"""Fills the real MLflow server by its own client, imports its database and compares the two servers' answers.

    import_check.py build/dev              the comparison, of mlflow.db and of an mlruns tree
    import_check.py --golden               writes tests/golden/transfer/*.sql anew

Equal must be everything but the times of the registry, the order of lists, and what EXPECTED says why. Needs `scripts/setup --conformance`.
"""

import argparse
import json
import os
import pathlib
import re
import sqlite3
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from servers import PYTHON, ROOT, Client, Mlflow, Tracker  # noqa: E402

GOLDEN = ROOT / "tests" / "golden" / "transfer"
TABLES = ("alembic_version experiments experiment_tags runs metrics latest_metrics params tags datasets inputs "
          "input_tags logged_models logged_model_tags logged_model_params logged_model_metrics registered_models "
          "registered_model_tags registered_model_aliases model_versions model_version_tags trace_info").split()
OLD_REVISION = "2d6e25af4d3e"  # MLflow 2.8


def seed(uri):
    """Runs under MLflow's Python. Something of everything that an import brings over."""
    import mlflow
    from mlflow import MlflowClient
    from mlflow.entities import (Dataset, DatasetInput, InputTag, LoggedModelInput, LoggedModelOutput, Metric, Param)
    client = MlflowClient(uri)
    mlflow.set_tracking_uri(uri)
    experiment = client.create_experiment("speech/öäü", tags={"team": "a b", "π": "3.14"})
    gone = client.create_experiment("gone")
    run = client.create_run(experiment, run_name="first", tags={"mlflow.user": "ann", "note": "two\nlines, \"q\""})
    run_id = run.info.run_id
    client.log_batch(run_id, metrics=[Metric("loss", 1 / (i + 1), 1700000000000 + i, i) for i in range(30)])
    client.log_batch(run_id, metrics=[
        Metric("loss", 0.5, 1700000000005, -3), Metric("nan", float("nan"), 5, 1),
        Metric("inf", float("inf"), 5, 1), Metric("ninf", float("-inf"), 5, 1)],
        params=[Param("lr", "0.1"), Param("empty", ""), Param("ü/ä", "x,y")])
    dataset = Dataset("train", "abc", "local", "/tmp/x", schema='{"a":1}', profile=None)
    client.log_inputs(run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])
    with tempfile.TemporaryDirectory() as folder:
        files = pathlib.Path(folder)
        (files / "sub").mkdir()
        (files / "a.txt").write_text("hello")
        (files / "sub" / "b ü.bin").write_bytes(bytes(range(256)) * 100)
        client.log_artifacts(run_id, folder, "data")
    model = client.create_logged_model(experiment, name="m1", source_run_id=run_id, tags={"a": "b"},
                                       params={"depth": "3"}, model_type="Agent")
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, 4)])
    client.log_metric(run_id, "acc", 0.9, timestamp=7, step=4, model_id=model.model_id,
                      dataset_name="train", dataset_digest="abc")
    client.log_metric(run_id, "acc", 0.95, timestamp=8, step=5, model_id=model.model_id)
    client.finalize_logged_model(model.model_id, "READY")
    client.set_terminated(run_id, "FINISHED", end_time=1700000099999)
    reader = client.create_run(experiment, run_name="reader")
    client.log_inputs(reader.info.run_id, models=[LoggedModelInput(model.model_id)])
    dead = client.create_run(experiment, run_name="deleted")
    client.log_metric(dead.info.run_id, "x", 1.0, timestamp=9)
    client.delete_run(dead.info.run_id)
    client.log_param(client.create_run(gone, run_name="of gone").info.run_id, "p", "1")
    client.delete_experiment(gone)
    client.set_terminated(client.create_run("0", run_name="of default").info.run_id, "FAILED")
    client.create_registered_model("digits", tags={"k": "v"}, description="D")
    for tags, description in (({"x": "y"}, "one"), ({}, None), ({}, None)):
        client.create_model_version("digits", f"models:/{model.model_id}", run_id, tags=tags,
                                    description=description, model_id=model.model_id)
    client.delete_model_version("digits", "2")
    client.set_registered_model_alias("digits", "champion", "1")
    client.transition_model_version_stage("digits", "3", "Staging")


def run_seed(uri):
    environment = dict(os.environ, MLFLOW_ALLOW_FILE_STORE="true", MLFLOW_DISABLE_TELEMETRY="true")
    subprocess.run([PYTHON, __file__, "--seed", uri], check=True, env=environment, stderr=subprocess.DEVNULL)


def answers_of(url):
    """All that the API says of what the seed made, lists sorted."""
    client = Client(url)

    def ask(method, path, body=None):
        status, answer = client.send(method, "/api/2.0/mlflow/" + path, body)
        assert status == 200, (path, status, answer)
        return answer

    found = {}
    experiments = ask("POST", "experiments/search", {"max_results": 100, "view_type": "ALL"})["experiments"]
    found["experiments"] = experiments
    ids = [experiment["experiment_id"] for experiment in experiments]
    runs = ask("POST", "runs/search", {"experiment_ids": ids, "run_view_type": "ALL", "max_results": 100})["runs"]
    found["runs"] = runs
    for run in runs:
        run_id = run["info"]["run_id"]
        found["run " + run_id] = ask("GET", "runs/get?run_id=" + run_id)
        for metric in run["data"].get("metrics", []):
            query = urllib.parse.urlencode({"run_id": run_id, "metric_key": metric["key"]})
            found[f"history {run_id} {metric['key']}"] = ask("GET", "metrics/get-history?" + query)
        found["files " + run_id] = files_of(client, ask, run_id, "")
    models = ask("POST", "logged-models/search", {"experiment_ids": ids}).get("models", [])
    found["logged models"] = models
    found["registered models"] = ask("GET", "registered-models/search")
    found["versions"] = ask("GET", "model-versions/search")
    return canonical(found)


def files_of(client, ask, run_id, path):
    query = urllib.parse.urlencode({"run_id": run_id, "path": path})
    listed = ask("GET", "artifacts/list?" + query)
    files = {}
    for file in listed.get("files", []):
        if file.get("is_dir"):
            files.update(files_of(client, ask, run_id, file["path"]))
            continue
        uri = listed["root_uri"].removeprefix("mlflow-artifacts:/")
        target = "/api/2.0/mlflow-artifacts/artifacts/" + urllib.parse.quote(uri + "/" + file["path"])
        files[file["path"]] = [file["file_size"], client.send("GET", target)]
    return files


def canonical(value, path=""):
    if isinstance(value, dict):
        registry = path.startswith((".registered models", ".versions"))
        return {key: canonical(inner, f"{path}.{key}") for key, inner in sorted(value.items())
                if not (registry and key.endswith("timestamp"))}
    if isinstance(value, list):
        return sorted((canonical(inner, path) for inner in value), key=lambda inner: json.dumps(inner, sort_keys=True))
    return value


def differences(theirs, ours, path=""):
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in sorted(theirs.keys() | ours.keys()):
            yield from differences(theirs.get(key), ours.get(key), f"{path}/{key}")
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        for index, (a, b) in enumerate(zip(theirs, ours)):
            yield from differences(a, b, f"{path}[{index}]")
    elif theirs != ours:
        yield f"{path}: MLflow {json.dumps(theirs)}, muster {json.dumps(ours)}"


EXPECTED = (
    # The default experiment is as old as its server.
    r"/experiments\[0\]/(creation|last_update)_time: ",
    # Who registers a version; MLflow knows nobody without a login.
    r".*/user_id: MLflow null, muster \"import\"",
    # MLflow says so where there are none, muster leaves it out; scripts/conformance/mlflow compares the APIs.
    r".*/outputs: MLflow {}, muster null",
    # MLflow's database cannot hold them; a tree can.
    r".*/value: MLflow -?1\.7976931348623157e\+308, muster \"-?Infinity\"",
)


def expected(difference):
    return any(re.match(pattern, difference) for pattern in EXPECTED)


def report(title, found):
    """Prints what differs; the number of differences that are not expected."""
    unexpected = [line for line in found if not expected(line)]
    print(f"{title}: {len(found) - len(unexpected)} expected differences, {len(unexpected)} others")
    print("".join(f"  {line}\n" for line in unexpected), end="")
    return len(unexpected)


def import_into(build, home, source, *flags):
    command = [build / "bin" / "muster", "--home", str(home), "--json", "tracker", "import", str(source), *flags]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def compare(build, folder):
    real = Mlflow(folder, 15987).start()
    try:
        run_seed(real.url)
        theirs = answers_of(real.url)
        # While the server runs: what is imported is one moment of its database.
        home = folder / "home"
        imported = import_into(build, home, folder / "mlflow.db", "--artifacts", str(folder / "artifacts"))
        again = import_into(build, home, folder / "mlflow.db", "--artifacts", str(folder / "artifacts"))
    finally:
        real.stop()
    print("imported:", imported)
    added = {key: again[key] for key in ("runs", "logged_models", "model_versions", "files")}
    assert not any(added.values()), f"the second import added {added}"
    ours = served(build, home)
    wrong = check_export(build, home)
    found = list(differences(theirs, ours))
    return wrong + report("mlflow.db", found)


def served(build, home):
    tracker = Tracker(build / "tests" / "tracker" / "tracker_server", home).start()
    try:
        return answers_of(tracker.url)
    finally:
        tracker.stop()


def compare_tree(build, folder):
    """An mlruns tree here, and MLflow's own migration of it there."""
    tree = folder / "tree" / "mlruns"
    tree.parent.mkdir()
    run_seed(f"file://{tree}")
    environment = dict(os.environ, MLFLOW_DISABLE_TELEMETRY="true")
    subprocess.run([PYTHON, "-m", "mlflow", "migrate-filestore", "--source", str(tree.parent), "--target",
                    f"sqlite:///{folder}/migrated.db"], check=True, env=environment, stdout=subprocess.DEVNULL)
    ways = {}
    for name, source in (("tree", tree), ("migrated", folder / "migrated.db")):
        home = folder / ("home of " + name)
        print("imported:", import_into(build, home, source))
        ways[name] = served(build, home)
    found = list(differences(ways["migrated"], ways["tree"]))
    return report("mlruns beside MLflow's own migration", found)


def check_export(build, home):
    """What pyarrow and Python's csv read of an export, by file and over HTTP, is the same and is what was imported."""
    import csv
    folder = home / "export"
    for form in ("csv", "arrow"):
        subprocess.run([build / "bin" / "muster", "--home", home, "tracker", "export", folder, "--format", form,
                        "--view", "ALL"], check=True, stdout=subprocess.DEVNULL)
    tracker = Tracker(build / "tests" / "tracker" / "tracker_server", home).start()
    wrong = 0
    try:
        for table in ("runs", "params", "tags", "latest", "metrics"):
            target = f"/api/muster/v1/export/{table}.csv?view=ALL"
            over_http = urllib.request.urlopen(tracker.url + target).read()
            written = (folder / f"{table}.csv").read_bytes()
            rows = list(csv.DictReader(written.decode().splitlines(keepends=True)))
            read = json.loads(subprocess.run(
                [PYTHON, "-c", "import sys, json, pyarrow as pa; t = pa.ipc.open_file(sys.argv[1]).read_all(); "
                 "t.validate(full=True); print(json.dumps(t.to_pylist()))", folder / f"{table}.arrow"],
                check=True, capture_output=True, text=True).stdout)
            same = len(rows) == len(read) and all(
                same_cell(a[key], b[key]) for a, b in zip(rows, read) for key in a)
            print(f"export {table}: {len(rows)} rows, CSV and Arrow {'equal' if same else 'DIFFER'}, over HTTP "
                  f"{'equal' if over_http == written else 'DIFFERS'}")
            wrong += not same or over_http != written or not rows
    finally:
        tracker.stop()
    return wrong


def same_cell(text, value):
    if value is None:
        return text == ""
    if isinstance(value, float):
        return repr(float(text)) == repr(value)
    return text == str(value)


def write_golden():
    GOLDEN.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        real = Mlflow(folder, 15987).start()
        try:
            run_seed(real.url)
        finally:
            real.stop()
        dump(pathlib.Path(folder) / "mlflow.db", GOLDEN / "mlflow_3.18.sql")
        old = pathlib.Path(folder) / "old.db"
        upgrade = ("import sys; from alembic import command; from mlflow.store.db.utils import _get_alembic_config; "
                   f"command.upgrade(_get_alembic_config('sqlite:///{old}'), '{OLD_REVISION}')")
        # The oldest schema stands alone; the first migration expects its tables.
        create = ("import sqlalchemy; from mlflow.store.db.base_sql_model import Base; "
                  "from mlflow.store.tracking.dbmodels.initial_models import Base as First; "
                  f"First.metadata.create_all(sqlalchemy.create_engine('sqlite:///{old}'))")
        subprocess.run([PYTHON, "-c", create], check=True)
        subprocess.run([PYTHON, "-c", upgrade], check=True, stderr=subprocess.DEVNULL)
        fill_old(old)
        dump(old, GOLDEN / "mlflow_2.8.sql")


def fill_old(file):
    rows = {
        "experiments": [(0, "Default", "/tmp/mlruns/0", "active", 5, 6), (3, "old", "s3://b/3", "active", 7, 8)],
        "runs": [("0123456789abcdef0123456789abcdef", "veteran", "LOCAL", "", "", "ann", "FINISHED", 10, 20, "", "active",
                  "s3://b/3/0123456789abcdef0123456789abcdef/artifacts", 3, None)],
        "metrics": [("m", 1.5, 11, "0123456789abcdef0123456789abcdef", 1, 0),
                    ("m", 0.0, 12, "0123456789abcdef0123456789abcdef", 2, 1)],
        "params": [("p", "1", "0123456789abcdef0123456789abcdef")],
        "tags": [("mlflow.runName", "veteran", "0123456789abcdef0123456789abcdef")],
    }
    database = sqlite3.connect(file)
    for table, values in rows.items():
        columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
        for row in values:
            database.execute(f"INSERT INTO {table} VALUES({','.join('?' * len(columns))})", row)
    database.commit()


def dump(file, out):
    """The tables that an import reads."""
    lines = []
    source = sqlite3.connect(file)
    for line in source.iterdump():
        name = line.split("(")[0].replace('"', " ").split()
        if name[:2] in (["CREATE", "TABLE"], ["INSERT", "INTO"]) and name[-1 if name[0] == "CREATE" else 2] in TABLES:
            lines.append(line)
    out.write_text("\n".join(lines) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", nargs="?", type=pathlib.Path)
    parser.add_argument("--seed", metavar="URI", help=argparse.SUPPRESS)
    parser.add_argument("--golden", action="store_true")
    arguments = parser.parse_args()
    if arguments.seed:
        return seed(arguments.seed)
    if arguments.golden:
        return write_golden()
    if arguments.build is None:
        parser.error("give the build folder")
    with tempfile.TemporaryDirectory() as folder:
        wrong = compare(arguments.build.resolve(), pathlib.Path(folder))
        wrong += compare_tree(arguments.build.resolve(), pathlib.Path(folder))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
