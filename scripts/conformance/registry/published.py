"""A version that muster published, in the forms in which consumers take it."""

import json
import re
import shutil
import subprocess

SWEEP = """
name: digits
seed: 7
trial: {program: digits, ranks: 1, resources: {cpu: 1}}
data: {train: digits-train.h5, validation: digits-validation.h5, test: digits-test.h5}
space: {lr: {float: [3e-3, 2e-2], log: true}, width: 16, epochs: 2}
objective: {metric: validation/accuracy, goal: maximize}
budget: {trials: 1}
sampler: random
model:
  name: digits
  gates: [{metric: test/accuracy, at_least: 0.3}, {better_than: champion, metric: test/accuracy}, parity]
  promote: champion
"""


def last_words(text):
    """The error below a Python traceback, or the last lines."""
    lines = text.strip().splitlines()
    errors = [at for at, line in enumerate(lines) if re.match(r"[\w.]+: ", line)]
    return " ".join(" ".join(lines[errors[-1] if errors else -3:]).split())


def output(*command, **options):
    """What the command printed; AssertionError with its last words when it fails."""
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=300, **options)
    if done.returncode != 0:
        raise AssertionError(last_words(done.stdout))
    return done.stdout.strip()


class Published:
    """Version 1 of digits, in a running cluster. Each method makes a new copy below `folder`."""

    def __init__(self, cluster, muster, folder):
        self.cluster, self.muster, self.folder = cluster, muster, folder
        cluster.digits_data()
        cluster.start_server()
        outcome = cluster.muster("--json", "sweep", "submit", cluster.write("digits.yaml", SWEEP), "--wait", timeout=240)
        assert outcome.code == 0 and outcome.json()["promotion"]["version"] == 1, outcome
        self.public_key = cluster.home / "keys" / "model-signing.pub"
        self._made = 0

    def place(self):
        """A path that nothing is at."""
        self._made += 1
        return self.folder / str(self._made)

    def version(self):
        """The directory as it was published."""
        return shutil.copytree(self.cluster.home / "models" / "digits" / "1", self.place())

    def repository(self):
        """All models, as Triton takes them."""
        return shutil.copytree(self.cluster.home / "models", self.place())

    def export(self, form):
        """A folder with what `muster model export` wrote."""
        place = self.place()
        place.mkdir()
        self.cluster.ask("model", "export", "digits@champion", "--for", form, "--out", place)
        return place

    def git(self):
        """A repository with one commit and GTO's tags of the version."""
        repository = self.place()
        output("git", "init", "-q", repository)
        for key, value in (("user.name", "t"), ("user.email", "t@localhost")):
            output("git", "-C", repository, "config", key, value)
        output("git", "-C", repository, "commit", "-q", "--allow-empty", "-m", "first")
        tags = self.cluster.ask("model", "tag-git", "digits@champion", "--repo", repository)["tags"]
        again = self.cluster.ask("model", "tag-git", "digits@champion", "--repo", repository)["tags"]
        assert tags == ["digits@v1.0.0", "digits#champion#1"] and again == [], (tags, again)
        return repository

    def verify(self, directory):
        """Exit code and findings of `muster model verify`."""
        done = subprocess.run([self.muster, "--json", "--home", self.cluster.home, "model", "verify", directory],
                              stdout=subprocess.PIPE, text=True, check=False)
        return done.returncode, json.loads(done.stdout)["findings"]
