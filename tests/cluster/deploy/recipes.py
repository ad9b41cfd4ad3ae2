"""What the tests of cluster/deploy share: its files, and the programs that they name."""

import functools
import os
import pathlib
import re
import shlex
import subprocess

import yaml

SOURCE = pathlib.Path(__file__).parents[3]
DEPLOY = SOURCE / "cluster/deploy"
BIN = pathlib.Path(os.environ["MUSTER_BIN"])  # build/<preset>/bin
SETTINGS = {"muster-server": "server.env", "muster-agent": "agent.env", "muster-serve@": "serve.env"}


def units():
    return sorted((DEPLOY / "systemd").glob("*.service"))


def settings(file):
    """The variables of an environment file."""
    lines = [line for line in (DEPLOY / "systemd" / file).read_text().splitlines() if line and line[0] != "#"]
    return dict(re.fullmatch(r'(\w+)="(.*)"', line).groups() for line in lines)


def exec_start(unit, variables, state="/var/lib"):
    """The words of a unit's ExecStart, with its variables and %S as systemd replaces them."""
    line = re.search(r"^ExecStart=(.*)$", unit.read_text(), re.MULTILINE).group(1).replace("%S", state)
    words = []
    for word in shlex.split(line):
        if whole := re.fullmatch(r"\$(\w+)", word):
            words += variables[whole.group(1)].split()
        else:
            words.append(re.sub(r"\$\{(\w+)\}", lambda name: variables[name.group(1)], word))
    return words


def manifest():
    """The objects of the Kubernetes manifest."""
    return list(yaml.safe_load_all((DEPLOY / "kubernetes/muster.yaml").read_text()))


def find(value, key):
    """Every value under `key`, at any depth."""
    if isinstance(value, dict):
        for name, below in value.items():
            if name == key:
                yield below
            yield from find(below, key)
    elif isinstance(value, list):
        for below in value:
            yield from find(below, key)


def instructions():
    """(instruction, its text) of the Containerfile, continued lines joined."""
    text = (DEPLOY / "container/Containerfile").read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [tuple(line.split(None, 1)) for line in "\n".join(lines).replace("\\\n", " ").splitlines()]


def save_model(folder):
    """An ONNX model that answers with its rows."""
    import numpy
    import onnx
    weights = onnx.numpy_helper.from_array(numpy.eye(2, dtype=numpy.float32), "w")
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph([onnx.helper.make_node("MatMul", ["x", "w"], ["y"])], "same",
                                   [value("x", 1, ["n", 2])], [value("y", 1, ["n", 2])], [weights])
    folder.mkdir(parents=True)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8),
              folder / "model.onnx")


@functools.cache
def help_of(*commands):
    """The help of `muster COMMANDS`; None where there is no such command."""
    shown = subprocess.run([BIN / "muster", *commands, "--help"], capture_output=True, text=True)
    return shown.stdout if shown.returncode == 0 else None


def wrong_words(words):
    """What of a command line `muster WORDS` the program does not know."""
    commands = []
    for word in words:
        if word.startswith("-") or help_of(*commands, word) is None or help_of(*commands, word) == help_of(*commands):
            break
        commands.append(word)
    if not commands:
        return [f"there is no command in {' '.join(words)}"]
    known = help_of(*commands) + help_of()
    flags = [word.partition("=")[0] for word in words if word.startswith("-") and word != "--"]
    return [f"muster {' '.join(commands)} has no {flag}" for flag in flags
            if not re.search(rf"^\s+(-\w,)?{re.escape(flag)}\b", known, re.MULTILINE)]
