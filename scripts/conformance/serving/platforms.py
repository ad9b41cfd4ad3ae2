"""The contracts of platforms that run containers, asked by plain HTTP; Vertex AI's and SageMaker's also of the real Triton.

usage: platforms.py MUSTER REPOSITORY [BACKENDS] FOLDER

Prints a line a clause; ends with 1 when one is not kept, or muster's answer is not Triton's.
"""

import json
import pathlib
import struct
import sys
import time

import servers

OPEN_INFERENCE = {"inputs": [{"name": "x", "shape": [2, 2], "datatype": "FP32", "data": [1, 2, 3, 4]}]}
wrong = 0


def clause(name, kept, seen=""):
    global wrong
    wrong += not kept
    print(f"{name:60} {'kept' if kept else f'NOT KEPT: {seen}'}", flush=True)


def answers(server, method, path, body=None, headers=None):
    status, headers, answer = server.ask(method, path, body, headers)
    kind = (headers.get("Content-Type") or "").split(";")[0]
    return status, json.loads(answer) if kind == "application/json" and answer else answer


def binary(server, path, mime):
    """The two rows as bytes, answered as bytes: (status, type without its length, the JSON, the bytes)."""
    head = json.dumps({"inputs": [{"name": "x", "shape": [2, 2], "datatype": "FP32", "parameters": {"binary_data_size": 16}}],
                       "parameters": {"binary_data_output": True}}).encode()
    status, headers, answer = server.ask("POST", path, head + struct.pack("<4f", 1, 2, 3, 4),
                                         {"Content-Type": f"{mime};json-header-size={len(head)}"})
    kind, _, length = (headers.get("Content-Type") or "").partition(";json-header-size=")
    length = int(length or headers["Inference-Header-Content-Length"] or 0)
    return status, kind, json.loads(answer[:length] or b"null"), answer[length:]


def vertex(program, repository, backends, folder):
    variables = {"AIP_MODE": "PREDICTION", "AIP_HTTP_PORT": "{port}", "AIP_HEALTH_ROUTE": "/v1/endpoints/7/deployedModels/9",
                 "AIP_PREDICT_ROUTE": "/v1/endpoints/7/deployedModels/9:predict", "AIP_STORAGE_URI": str(repository / "fraud")}
    health, predict = variables["AIP_HEALTH_ROUTE"], variables["AIP_PREDICT_ROUTE"]
    mime = "application/vnd.vertex-ai-triton.binary+json"
    with servers.muster(program, folder / "vertex.log", variables=variables) as ours:
        clause("Vertex AI: health on AIP_HEALTH_ROUTE", ours.ask("GET", health)[0] == 200)
        seen = answers(ours, "POST", predict, {"instances": [[1, 2], [3, 4]], "parameters": {"a": 1}})
        clause("Vertex AI: instances are answered as predictions", seen == (200, {"predictions": [[50.0], [110.0]]}), seen)
        seen = answers(ours, "POST", predict, {"instances": "x"})
        clause("Vertex AI: wrong instances are refused", seen[0] == 400 and "error" in seen[1], seen)
        ours_json, ours_binary = answers(ours, "POST", predict, OPEN_INFERENCE), binary(ours, predict, mime)
    clause("Vertex AI: told to stop it ends with 0", ours.code == 0, ours.code)
    if not backends:
        return
    with servers.triton(repository, backends, folder / "vertex-triton.log", "--model-control-mode=explicit", "--load-model=fraud",
                        "--vertex-ai-default-model=fraud", "--allow-http=false", ready=health, variables=variables) as theirs:
        seen = answers(theirs, "POST", predict, OPEN_INFERENCE)
        clause("Vertex AI: Open Inference JSON as Triton answers", seen == ours_json, (seen, ours_json))
        seen = binary(theirs, predict, mime)
        clause("Vertex AI: its binary type as Triton answers", seen == ours_binary and seen[0] == 200, (seen, ours_binary))


def sagemaker(program, repository, backends, folder):
    mime = "application/vnd.sagemaker-triton.binary+json"
    with servers.muster(program, folder / "sagemaker.log", "--model", str(repository / "fraud")) as ours:
        begun = time.monotonic()
        status = ours.ask("GET", "/ping")[0]
        clause("SageMaker: /ping is 200, in 2 s, connected in 250 ms", status == 200 and time.monotonic() - begun < 0.25)
        for kind, body, wanted in (("application/json", b'{"inputs": [[1, 2]]}', {"predictions": {"y": [[50.0]]}}),
                                   ("text/csv", b"a,b\n1,2\n", {"predictions": [{"y": 50.0}]}),
                                   ("text/csv; header=absent", b"1,2\n", {"predictions": [{"y": 50.0}]})):
            seen = answers(ours, "POST", "/invocations", body, {"Content-Type": kind})
            clause(f"SageMaker: /invocations of {kind}", seen == (200, wanted), seen)
        status, seen = answers(ours, "GET", "/execution-parameters")
        clause("SageMaker: /execution-parameters", status == 200 and
               set(seen) == {"MaxConcurrentTransforms", "BatchStrategy", "MaxPayloadInMB"}, seen)
        ours_json, ours_binary = answers(ours, "POST", "/invocations", OPEN_INFERENCE), binary(ours, "/invocations", mime)
    clause("SageMaker: told to stop it ends with 0", ours.code == 0, ours.code)
    if not backends:
        return
    with servers.triton(repository, backends, folder / "sagemaker-triton.log", "--model-control-mode=explicit",
                        "--load-model=fraud", "--allow-http=false", "--allow-sagemaker=true", "--sagemaker-port={port}",
                        ready="/ping", variables={"SAGEMAKER_TRITON_DEFAULT_MODEL_NAME": "fraud"}) as theirs:
        seen = answers(theirs, "POST", "/invocations", OPEN_INFERENCE)
        clause("SageMaker: Open Inference JSON as Triton answers", seen == ours_json, (seen, ours_json))
        seen = binary(theirs, "/invocations", mime)
        clause("SageMaker: its binary type as Triton answers", seen == ours_binary and seen[0] == 200, (seen, ours_binary))


def multi_model(program, repository, _, folder):
    with servers.muster(program, folder / "multi.log", "--repository", str(repository), "--load", "pair") as ours:
        def load(name, url):
            return ours.ask("POST", "/models", {"model_name": name, "url": str(url)})[0]

        clause("SageMaker, many: load is 200", load("f1", repository / "fraud") == 200)
        clause("SageMaker, many: loaded again is 409", load("f1", repository / "fraud") == 409)
        clause("SageMaker, many: a wrong url is refused", load("f2", "/etc") in (400, 401, 404))
        seen = answers(ours, "POST", "/models/f1/invoke", {"instances": [[1, 2]]})
        clause("SageMaker, many: invoke", seen == (200, {"predictions": {"y": [[50.0]]}}), seen)
        clause("SageMaker, many: invoke of what is not loaded is 404", ours.ask("POST", "/models/f9/invoke", {})[0] == 404)
        status, page = answers(ours, "GET", "/models?limit=1")
        status, rest = answers(ours, "GET", f"/models?limit=1&next_page_token={page['nextPageToken']}")
        names = [model["modelName"] for model in page["models"] + rest["models"]]
        clause("SageMaker, many: the list comes in pages", names == ["f1", "pair"] and "nextPageToken" not in rest, (page, rest))
        status, seen = answers(ours, "GET", "/models/f1")
        clause("SageMaker, many: one model", status == 200 and set(seen) == {"modelName", "modelUrl"}, seen)
        clause("SageMaker, many: unload is 200, then 404",
               [ours.ask("DELETE", "/models/f1")[0] for _ in range(2)] == [200, 404])
    small = ["--repository", str(repository), "--memory-mb", "1"]
    with servers.muster(program, folder / "small.log", *small) as ours:
        status = ours.ask("POST", "/models", {"model_name": "f1", "url": str(repository / "fraud")})[0]
        clause("SageMaker, many: without memory is 507", status == 507, status)


def kserve(program, repository, _, folder):
    with servers.muster(program, folder / "kserve.log", "--model", str(repository / "fraud"), "--name", "iris") as ours:
        clause("KServe v1: list", answers(ours, "GET", "/v1/models") == (200, {"models": ["iris"]}))
        clause("KServe v1: readiness", answers(ours, "GET", "/v1/models/iris") == (200, {"name": "iris", "ready": True}))
        clause("KServe v1: an unknown model is 404", answers(ours, "GET", "/v1/models/none")[0] == 404)
        seen = answers(ours, "POST", "/v1/models/iris:predict", b'{"instances": [[1, 2], [3, 4]]}',
                       {"Content-Type": "application/x-www-form-urlencoded"})
        clause("KServe v1: predict, as curl -d sends it", seen == (200, {"predictions": [[50.0], [110.0]]}), seen)
        seen = answers(ours, "POST", "/v2/models/iris/infer", OPEN_INFERENCE)
        clause("KServe v2: infer", seen[0] == 200 and seen[1]["outputs"][0]["data"] == [50.0, 110.0], seen)


def azure(program, repository, _, folder):
    with servers.muster(program, folder / "azure.log", variables={"AZUREML_MODEL_DIR": str(repository / "fraud")}) as ours:
        clause("Azure ML: liveness", ours.ask("GET", "/")[0] == 200)
        for body, wanted in (({"input_data": {"columns": ["a", "b"], "index": [0], "data": [[1, 2]]}}, [[50.0]]),
                             ({"input_data": [[1, 2]]}, [[50.0]]), ({"inputs": [[1, 2]]}, {"predictions": {"y": [[50.0]]}})):
            seen = answers(ours, "POST", "/score", body)
            clause(f"Azure ML: /score of {json.dumps(body)[:40]}", seen == (200, wanted), seen)


def main():
    program, repository, *backends, folder = sys.argv[1:]
    for platform in (vertex, sagemaker, multi_model, kserve, azure):
        platform(program, pathlib.Path(repository), backends[0] if backends else None, pathlib.Path(folder))
    sys.exit(1 if wrong else 0)


main()
