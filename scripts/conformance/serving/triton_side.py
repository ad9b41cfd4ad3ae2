"""One program of tritonclient[http] and plain HTTP, asked of muster and of the real Triton: same answers?

usage: triton_side.py MUSTER REPOSITORY BACKENDS FOLDER     with the environment that has tritonclient

Prints a line a question; ends with 1 when an answer differs that DIFFERENCES does not name, or one that it names does not.
"""

import json
import pathlib
import sys

import numpy as np
import servers
import tritonclient.http as client
from tritonclient.utils import InferenceServerException

DTYPES = {"fp32": np.float32, "fp64": np.float64, "int8": np.int8, "int16": np.int16,
          "int32": np.int32, "int64": np.int64, "uint8": np.uint8, "uint16": np.uint16, "uint32": np.uint32,
          "uint64": np.uint64, "bool": np.bool_}

# What differs by intent, and why. A question whose answer there is 500, for the client's mistake, and 4xx here needs no entry.
DIFFERENCES = {
    "server metadata": "another name and version; no sequences, shared memory, trace and logging",
    "load with a config": "a model is loaded as it lies in the repository",
    "no rows": "zero rows are computed; Triton wants at least one",
    "more rows than a batch": "max_batch_size bounds what is computed together, not what is asked",
    "infer, integers beyond 32 bits": "OpenVINO computes integers in 32 bits: refused, not computed wrongly",
    "unload while broken, index": "another engine's words",
    "unknown path": "the path is named", "wrong method": "the method is named",
}


class Asker:
    def __init__(self, server):
        self.server = server
        self.client = client.InferenceServerClient(server.url)

    def infer(self, model, arrays, binary=True, outputs=None, classes=0, answer_binary=None, **more):
        inputs = []
        for name, array in arrays.items():
            tensor = client.InferInput(name, list(array.shape), client_type(array))
            tensor.set_data_from_numpy(array, binary_data=binary)
            inputs.append(tensor)
        answer_binary = binary if answer_binary is None else answer_binary
        wanted = [client.InferRequestedOutput(name, answer_binary, classes) for name in outputs] if outputs else None
        result = self.client.infer(model, inputs, outputs=wanted, **more)
        response = result.get_response()
        answered = [[output["name"], output["datatype"], output["shape"], plain(result.as_numpy(output["name"]))]
                    for output in response["outputs"]]
        # Triton has them in the order of a hash.
        return {"id": response.get("id"), "model": response["model_name"], "version": response["model_version"],
                "outputs": sorted(answered)}

    def json(self, method, path, body=None, headers=None):
        status, _, answer = self.server.ask(method, path, body, headers)
        return [status, json.loads(answer) if answer else None]

    def raw(self, path, body):
        """The status, the head and the tensors' bytes of a request that is the bytes of one tensor."""
        status, headers, answer = self.server.ask("POST", path, body, {"Inference-Header-Content-Length": "0"})
        length = int(headers["Inference-Header-Content-Length"])
        return [status, json.loads(answer[:length]), answer[length:].hex()]

    def refused(self, method, path, body=None, headers=None):
        """The status, and whether the body is in the protocol's form."""
        status, answer = self.json(method, path, body, headers)
        return [status, isinstance(answer, dict) and isinstance(answer.get("error"), str)]


def client_type(array):
    from tritonclient.utils import np_to_triton_dtype
    return np_to_triton_dtype(array.dtype)


def plain(array):
    """Seven digits: two engines."""
    if array.dtype.kind == "f":
        return [float(f"{value:.6g}") for value in array.astype(float).ravel()]
    return [value.decode() if isinstance(value, bytes) else value for value in array.ravel().tolist()]


def tensor(**changes):
    return {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2], **changes}]}


def pick(value, *keys):
    return {key: value.get(key) for key in keys}


def counts(statistics):
    (model,) = statistics["model_stats"]
    return {**pick(model, "name", "version", "inference_count", "execution_count"), "fields": sorted(model),
            "inference_stats": {name: figure["count"] for name, figure in model["inference_stats"].items()},
            "batches": sorted((batch["batch_size"], batch["compute_infer"]["count"]) for batch in model["batch_stats"])}


def by_name(tensors):
    return sorted(tensors, key=lambda tensor: tensor["name"])


def metadata(asked, model):
    of = asked.client.get_model_metadata(model)
    return {**of, "inputs": by_name(of["inputs"]), "outputs": by_name(of["outputs"])}


def config(asked, model):
    of = asked.client.get_model_config(model)
    tensors = [by_name(pick(entry, "name", "data_type", "dims") for entry in of[side]) for side in ("input", "output")]
    return {**pick(of, "name", "platform", "backend", "version_policy", "max_batch_size"), "tensors": tensors}


def questions():
    """(name, question of an Asker), in order: some change what the next ones see."""
    x = np.array([[1, 2], [3, 4]], np.float32)
    types = {name: np.array([[0, 1, 2], [1, 0, 1]]).astype(dtype) for name, dtype in DTYPES.items()}
    types["fp32"] = np.array([[0.1, -1e-30, 3e38], [1 / 3, 16777217, 0]], np.float32)
    types["int32"] = np.array([[2**31 - 1, -2**31, 7], [0, 1, -1]], np.int32)
    large = {**types, "int64": np.array([[2**62, -2**63, 7], [0, 1, -1]], np.int64)}
    rows = np.random.default_rng(3).standard_normal((4, 16)).astype(np.float32)
    infer = "/v2/models/fraud/infer"
    for name, call in (("server live", "is_server_live"), ("server ready", "is_server_ready")):
        yield name, lambda asked, call=call: getattr(asked.client, call)()
    yield "server metadata", lambda asked: asked.client.get_server_metadata()
    for model in ("fraud", "types", "pair", "mlp"):
        yield f"metadata of {model}", lambda asked, model=model: metadata(asked, model)
        yield f"config of {model}", lambda asked, model=model: config(asked, model)
    for model, version in (("fraud", ""), ("fraud", "2"), ("fraud", "1"), ("none", ""), ("other", "")):
        yield f"ready: {model} {version}", lambda asked, at=(model, version): asked.client.is_model_ready(*at)
        yield f"metadata: {model} {version}", lambda asked, at=(model, version): asked.client.get_model_metadata(*at)
    yield "infer, binary", lambda asked: asked.infer("fraud", {"x": x}, request_id="7")
    yield "infer, JSON", lambda asked: asked.infer("fraud", {"x": x}, binary=False, outputs=["y"])
    yield "infer, its JSON text", lambda asked: asked.json("POST", infer, {"id": "7", **tensor(shape=[2, 2], data=[[1, 2], [3, 4]])})
    yield "infer, binary in, JSON out", lambda asked: asked.infer("fraud", {"x": x}, outputs=None)
    yield "infer of a version", lambda asked: asked.infer("fraud", {"x": x}, model_version="2")
    yield "infer of a version that is not", lambda asked: asked.infer("fraud", {"x": x}, model_version="1")
    yield "infer of no model", lambda asked: asked.infer("none", {"x": x})
    for algorithm in ("gzip", "deflate"):
        yield f"infer, {algorithm} both ways", lambda asked, a=algorithm: asked.infer(
            "mlp", {"x": rows}, request_compression_algorithm=a, response_compression_algorithm=a)
    yield "infer, every type, binary", lambda asked: asked.infer("types", types)
    yield "infer, every type, JSON", lambda asked: asked.infer("types", types, binary=False, outputs=[f"{name}_out" for name in types])
    half = {"x": np.array([[0.5, 65504, -6e-8]], np.float16)}
    yield "infer, fp16, binary", lambda asked: asked.infer("half", half)
    yield "infer, fp16 out in JSON", lambda asked: asked.infer("half", half, outputs=["y"], answer_binary=False)
    yield "infer, integers beyond 32 bits", lambda asked: asked.infer("types", large)
    yield "infer, several inputs", lambda asked: asked.infer("pair", {"b": x, "a": 2 * x}, outputs=["product"])
    yield "infer, a network", lambda asked: asked.infer("mlp", {"x": rows})
    for binary in (True, False):
        yield f"infer, classes, binary {binary}", lambda asked, b=binary: asked.infer("mlp", {"x": rows}, b, outputs=["p"], classes=3)
    yield "infer, a timeout", lambda asked: asked.infer("fraud", {"x": x}, timeout=10_000_000)
    yield "raw body", lambda asked: asked.raw(infer, x[:1].tobytes())
    yield "statistics of mlp", lambda asked: counts(asked.client.get_inference_statistics("mlp"))
    yield "statistics of all", lambda asked: sorted(
        model["name"] for model in asked.client.get_inference_statistics()["model_stats"])
    yield "statistics of none", lambda asked: asked.client.get_inference_statistics("none")
    wrong = {
        "wrong shape": tensor(shape=[1, 3], data=[1, 2, 3]), "wrong rank": tensor(shape=[2]), "too few data": tensor(data=[1]),
        "too many data": tensor(data=[1, 2, 3]), "wrong type": tensor(datatype="FP64"), "no type": tensor(datatype="FP99"),
        "text for a number": tensor(data=["a", 2]), "null for a number": tensor(data=[None, 2]), "negative shape": tensor(shape=[1, -2]),
        "unknown input": tensor(name="z"), "no inputs": {"inputs": []}, "no object": [], "nothing": {},
        "input twice": {"inputs": tensor()["inputs"] * 2}, "no data": {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32"}]},
        "no rows": tensor(shape=[0, 2], data=[]), "more rows than a batch": tensor(shape=[5, 2], data=[1] * 10),
        "unknown output": {**tensor(), "outputs": [{"name": "z"}]}, "cut JSON": b'{"inputs":', "empty": b""}
    for name, body in wrong.items():
        yield name, lambda asked, body=body: asked.refused("POST", infer, body)
    for length in ("x", "-1", "1000000"):
        yield f"length of the JSON {length}", lambda asked, n=length: asked.refused(
            "POST", infer, tensor(), {"Inference-Header-Content-Length": n})
    yield "unknown path", lambda asked: asked.json("GET", "/v2/nothing")
    yield "wrong method", lambda asked: asked.json("GET", infer)
    yield "index", lambda asked: asked.client.get_model_repository_index()
    yield "load", lambda asked: asked.client.load_model("other")
    yield "loaded, index", lambda asked: asked.client.get_model_repository_index()
    yield "loaded, infer", lambda asked: asked.infer("other", {"x": x})
    yield "load again", lambda asked: asked.client.load_model("other")
    yield "load what is not there", lambda asked: asked.client.load_model("none")
    yield "load a path", lambda asked: asked.client.load_model("../repository/other")
    yield "load with a config", lambda asked: asked.client.load_model("other", config='{"max_batch_size": 2}')
    yield "load a broken model", lambda asked: asked.client.load_model("broken")
    yield "unload", lambda asked: asked.client.unload_model("other")
    yield "unload what is not there", lambda asked: asked.client.unload_model("none")
    yield "unload while broken, index", lambda asked: settled(asked)
    yield "unloaded, ready", lambda asked: asked.client.is_model_ready("other")
    yield "ready models", lambda asked: asked.json("POST", "/v2/repository/index", {"ready": True})
    yield "index of a wrong filter", lambda asked: asked.refused("POST", "/v2/repository/index", {"ready": 1})


def settled(asked):
    """Triton unloads behind its answer."""
    for _ in range(100):
        index = asked.client.get_model_repository_index()
        if not any(model.get("state") == "UNLOADING" for model in index):
            break
    return index


def answer(asked, question):
    try:
        value = question(asked)
    except InferenceServerException as error:
        value = ["refused", int(error.status() or 0)]
    return json.loads(json.dumps(value))


def judge(name, theirs, ours):
    if theirs == ours:
        return "same" if name not in DIFFERENCES else "WRONG, named as a difference"
    if name in DIFFERENCES:
        return "differs: " + DIFFERENCES[name]
    mistaken = [value for value in (theirs, ours) if isinstance(value, list)]
    codes = [next((part for part in value if isinstance(part, int) and part > 99), 0) for value in mistaken]
    if len(codes) == 2 and codes[0] == 500 and 400 <= codes[1] < 500:
        return f"differs: the client's mistake is {codes[1]}, not 500"
    return f"WRONG: Triton {json.dumps(theirs)[:600]}, muster {json.dumps(ours)[:600]}"


def main():
    program, repository, backends, folder = sys.argv[1:]
    start = ["fraud", "types", "half", "pair", "mlp"]
    folder = pathlib.Path(folder)
    with servers.muster(program, folder / "muster.log", "--repository", repository, "--batch-rows", "4",
                        *(word for model in start for word in ("--load", model))) as ours, \
         servers.triton(repository, backends, folder / "triton.log", "--model-control-mode=explicit",
                        *(f"--load-model={model}" for model in start)) as theirs:
        askers = Asker(theirs), Asker(ours)
        wrong = 0
        for name, question in questions():
            verdict = judge(name, *(answer(asked, question) for asked in askers))
            wrong += verdict.startswith("WRONG")
            print(f"{name:40} {verdict}", flush=True)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
