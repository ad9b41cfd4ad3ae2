"""muster on the problems of problems.py, over the lines of `muster tuner serve --stdio`."""

import json
import os
import pathlib
import re
import subprocess

import problems

BATCH = 100  # lines that are sent before answers are read: less than a pipe holds


class Refused(Exception):
    """What muster answered to a request that it should have granted."""


def command_of(program):
    """`muster` itself, or a program that speaks the same lines."""
    path = str(pathlib.Path(program).resolve())
    return [path, "tuner", "serve", "--stdio"] if os.path.basename(path) == "muster" else [path]


class Muster:
    name = "muster"
    program = None  # set once, before the first

    def __init__(self, space, sampler, seed, trials=0, workers=1):
        self.process = subprocess.Popen(command_of(self.program), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.asked = 0
        self.call(op="create", space=space, seed=seed, sampler=sampler, trials=trials, parallel=workers)

    def exchange(self, requests):
        """Their answers. The requests go out together."""
        self.process.stdin.write(b"".join(json.dumps(request).encode() + b"\n" for request in requests))
        self.process.stdin.flush()
        answers = []
        for request in requests:
            line = self.process.stdout.readline()
            if not line:
                raise SystemExit(f"muster ended; it was asked {json.dumps(request)}")
            answers.append(json.loads(line))
        return answers

    def call(self, **request):
        answer, = self.exchange([request])
        error = answer.get("error")
        if error and error["kind"] == "RESOURCE" and "exhausted" in error["message"]:
            raise problems.Exhausted(error["message"])
        if error:
            raise Refused(f"{request['op']}: {error['message']}")
        return answer

    def ask(self):
        self.asked += 1
        answer = self.call(op="ask")
        return answer["trial"], answer["params"]

    def tell(self, trial, value):
        self.call(op="tell", trial=trial, **({"state": "failed"} if value is None else {"value": value}))

    def prefill(self, points, objective):
        """Trials like any other, but for who chose their parameters."""
        points = list(points)
        for at in range(0, len(points), BATCH):
            batch = points[at:at + BATCH]
            self.exchange([{"op": "enqueue", "params": params} for params in batch])
            asked = self.exchange([{"op": "ask"} for _ in batch])
            told = self.exchange([{"op": "tell", "trial": answer["trial"], "value": objective(params)}
                                  for answer, params in zip(asked, batch)])
            for answer in asked + told:
                if "error" in answer:
                    raise Refused(f"while it was filled: {answer['error']['message']}")

    def used(self):
        """How many trials its CMA-ES learnt from, as `explain` says it; None when it says nothing."""
        said = re.search(r"(\d+) % of (\d+) finished trials were used", self.call(op="explain")["text"])
        return int(said.group(1)) * int(said.group(2)) / 100 if said else None

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=60)
        self.process.stdout.close()
