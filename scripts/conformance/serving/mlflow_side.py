"""The same bodies to /invocations of muster and to MLflow's own scoring server: same answers?

usage: mlflow_side.py MUSTER REPOSITORY FOLDER     with the environment that has mlflow and onnxruntime

MLflow's part is the function that its server calls (mlflow.pyfunc.scoring_server.invocations), in this process. Prints a line
a body; ends with 1 when statuses or numbers differ where DIFFERENCES does not say so, or do not where it does.
"""

import json
import logging
import pathlib
import sys

import mlflow.pyfunc
import servers
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import scoring_server

DIFFERENCES = {
    "a table for a tensor": "rows of as many cells as the tensor is wide are that tensor; MLflow wants a signature of columns",
    "an unknown parameter": "ignored",
}

JSON, CSV = "application/json", "text/csv"


def bodies():
    """(name, model, content type, body)"""
    yield "inputs by name", "fraud", JSON, {"inputs": {"x": [[1, 2], [3, 4]]}}
    yield "inputs alone", "fraud", JSON, {"inputs": [[1, 2], [3, 4]]}
    yield "instances by name", "fraud", JSON, {"instances": [{"x": [1, 2]}, {"x": [3, 4]}]}
    yield "instances alone", "fraud", JSON, {"instances": [[1, 2], [3, 4]]}
    yield "several inputs", "pair", JSON, {"inputs": {"a": [[1, 2]], "b": [[3, 4]]}}
    yield "several inputs, instances", "pair", JSON, {"instances": [{"a": [1, 2], "b": [3, 4]}]}
    yield "split", "table", JSON, {"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2], [3, 4]]}}
    yield "split with an index", "table", JSON, {"dataframe_split": {"columns": ["a", "b"], "index": [7], "data": [[1, 2.5]]}}
    yield "records", "table", JSON, {"dataframe_records": [{"a": 1, "b": 2}, {"a": 3, "b": 4}]}
    yield "CSV", "table", CSV, b"a,b\n1,2\n3,4.5\n"
    yield "CSV, CR LF, quotes, an exponent", "table", CSV, b'"a","b"\r\n"1",2e1\r\n'
    yield "CSV with utf-8", "table", "text/csv; charset=utf-8", b"a,b\n1,2\n"
    yield "a table for a tensor", "fraud", CSV, b"a,b\n1,2\n"
    yield "params", "fraud", JSON, {"inputs": {"x": [[1, 2]]}, "params": {"temperature": 1}}
    yield "JSON with utf-8", "fraud", "application/json; charset=utf-8", {"inputs": {"x": [[1, 2]]}}
    yield "a network", "mlp", JSON, {"inputs": {"x": [[i / 16 for i in range(16)]] * 3}}
    yield "no JSON", "fraud", JSON, b"{"
    yield "a list", "fraud", JSON, b"[[1, 2]]"
    yield "no known key", "fraud", JSON, {"data": [[1, 2]]}
    yield "two keys", "fraud", JSON, {"inputs": [[1, 2]], "instances": [[1, 2]]}
    yield "ragged", "fraud", JSON, {"inputs": {"x": [[1, 2], [3]]}}
    yield "text", "fraud", JSON, {"inputs": {"x": [["a", 2]]}}
    yield "wrong width", "fraud", JSON, {"inputs": {"x": [[1, 2, 3]]}}
    yield "unknown input", "fraud", JSON, {"inputs": {"z": [[1, 2]]}}
    yield "missing input", "pair", JSON, {"inputs": {"a": [[1, 2]]}}
    yield "CSV of text", "table", CSV, b"a,b\nx,y\n"
    yield "CSV that is none", "table", CSV, b'a,b\n"1,2'
    yield "XML", "fraud", "text/xml", b"<x/>"
    yield "another charset", "fraud", "text/csv; charset=latin1", b"a,b\n1,2\n"
    yield "an unknown parameter", "fraud", "application/json; format=pandas-split", {"inputs": {"x": [[1, 2]]}}


def theirs(model, kind, body):
    try:
        answer = scoring_server.invocations(body, kind, model, model.metadata.get_input_schema())
        return [answer.status, json.loads(answer.response) if answer.status == 200 else None]
    except MlflowException as error:
        return [error.get_http_status_code(), None]


def ours(server, kind, body):
    status, _, answer = server.ask("POST", "/invocations", body, {"Content-Type": kind})
    return [status, json.loads(answer) if status == 200 else None]


def rounded(value):
    """Six digits: two engines."""
    if isinstance(value, dict):
        return {key: rounded(of) for key, of in value.items()}
    if isinstance(value, list):
        return [rounded(of) for of in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def main():
    program, repository, folder = sys.argv[1:]
    logging.disable(logging.WARNING)
    wrong, models, running = 0, {}, {}
    for name, model, kind, body in bodies():
        place = pathlib.Path(repository) / model
        version = max(place.iterdir())
        if model not in models:
            models[model] = mlflow.pyfunc.load_model(str(version))
            running[model] = servers.muster(program, pathlib.Path(folder) / f"mlflow-{model}.log", "--model", str(place))
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        sides = rounded(theirs(models[model], kind, raw)), rounded(ours(running[model], kind, raw))
        same, listed = sides[0] == sides[1], name in DIFFERENCES
        verdict = "same" if same else f"differs: {DIFFERENCES[name]}" if listed else f"WRONG: MLflow {sides[0]}, muster {sides[1]}"
        wrong += same == listed
        print(f"{name:40} {verdict}" + (", named as a difference" if same and listed else ""), flush=True)
    for server in running.values():
        server.__exit__()
    sys.exit(1 if wrong else 0)


main()
