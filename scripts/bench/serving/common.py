"""What the benches of serving share: models, servers, wrk."""

import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
HERE = pathlib.Path(__file__).resolve().parent
DEPS = pathlib.Path(os.environ.get("MUSTER_DEPS", ROOT / ".deps"))
sys.path.insert(0, str(ROOT / "scripts" / "conformance" / "serving"))
import servers  # noqa: E402

JSON = {"Content-Type": "application/json"}


def flags_of(parser):
    """The flags that all benches have."""
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release")
    parser.add_argument("--mlflow", metavar="PYTHON", help="also MLflow's server, of an environment with mlflow, onnx, "
                        "onnxruntime and uvicorn (scripts/setup --test --bench: .deps/bench/bin/python)")
    parser.add_argument("--triton", metavar="BACKENDS", help="also NVIDIA's Triton, with what "
                        "scripts/conformance/registry/triton_backend compiled")
    return parser


def write_models(folder):
    """fraud (y = x W of two), digits (a CNN of 8 x 8 images) and mlp (512-2048-2048-10, 5.26 M parameters); random weights."""
    subprocess.run([DEPS / "python" / "bin" / "python", HERE / "models.py", folder], check=True)
    return folder


def infer_json(name, shape):
    count = 1
    for size in shape:
        count *= size
    data = [round((i % 17) / 16, 4) for i in range(count)]
    return json.dumps({"inputs": [{"name": name, "shape": shape, "datatype": "FP32", "data": data}]}).encode(), JSON


def infer_mlflow(name, shape):
    body, headers = infer_json(name, shape)
    tensor = json.loads(body)["inputs"][0]["data"]
    for size in reversed(shape[1:]):
        tensor = [tensor[i:i + size] for i in range(0, len(tensor), size)]
    return json.dumps({"inputs": {name: tensor}}).encode(), headers


def infer_binary(name, shape):
    count = 1
    for size in shape:
        count *= size
    head = json.dumps({"inputs": [{"name": name, "shape": shape, "datatype": "FP32",
                                   "parameters": {"binary_data_size": 4 * count}}],
                       "parameters": {"binary_data_output": True}}).encode()
    data = struct.pack(f"<{count}f", *((i % 17) / 16 for i in range(count)))
    return head + data, {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))}


def pinned(cpus, command):
    return ["taskset", "-c", cpus, *command] if cpus else command


def muster(build, model, log, *flags, cpus=None):
    program = build / "bin" / "muster"
    if not program.exists():
        sys.exit(f"{program} is missing: ninja -C {build} muster")
    port = servers.free_port()
    return servers.Server(pinned(cpus, [str(program), "serve", "--model", str(model), "--port", str(port), *flags]), port, log,
                          "/v2/health/ready")


def mlflow(python, version, log, cpus=None):
    port = servers.free_port()
    python = pathlib.Path(python).absolute()
    command = [str(python), "-m", "mlflow", "models", "serve", "-m", str(version), "--env-manager", "local",
               "-h", "127.0.0.1", "-p", str(port)]
    return servers.Server(pinned(cpus, command), port, log, "/ping",
                          {"PATH": f"{python.parent}:{os.environ['PATH']}", "MLFLOW_DISABLE_TELEMETRY": "true"})


def start_wrk(server, path, request, connections, seconds, folder, cpus=None, pause_ms=0):
    """wrk as a process; each connection waits `pause_ms` between an answer and the next request."""
    body, headers = request
    (folder / "body").write_bytes(body)
    if shutil.which("wrk") is None:
        sys.exit("wrk is missing: apt-get install wrk")
    status, _, answer = server.ask("POST", path, body, headers)
    assert status == 200, (status, answer)
    return subprocess.Popen(
        pinned(cpus, ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(HERE / "request.lua"),
                      f"http://{server.url}{path}"]), stdout=subprocess.PIPE, text=True,
        env={**os.environ, "BODY": str(folder / "body"), "HEADERS": "\n".join(f"{k}={v}" for k, v in headers.items()),
             "PAUSE_MS": str(pause_ms)})


def seen_by(process):
    """{"p50", "p99", "rate"} in microseconds and a second, of wrk at its end. Ends the bench when an answer is an error."""
    answer = process.communicate()[0]
    if process.returncode != 0 or "Non-2xx" in answer or "Socket errors" in answer:
        sys.exit(f"wrk, exit {process.returncode}:\n{answer}")
    unit = {"us": 1, "ms": 1e3, "s": 1e6}
    times = {share: float(number) * unit[of] for share, number, of in re.findall(r"(50|99)%\s+([\d.]+)(us|ms|s)", answer)}
    return {"p50": times["50"], "p99": times["99"], "rate": float(re.search(r"Requests/sec:\s+([\d.]+)", answer)[1])}


def wrk(*arguments, **options):
    return seen_by(start_wrk(*arguments, **options))


def resident_mib(process):
    """Of a process and those that it started."""
    total = 0.0
    pids = [process.pid]
    while pids:
        pid = pids.pop()
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        total += int(status.split("VmRSS:")[1].split()[0]) / 1024
        pids += [int(child) for task in pathlib.Path(f"/proc/{pid}/task").iterdir()
                 for child in (task / "children").read_text().split()]
    return total
