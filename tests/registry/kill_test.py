"""The registry killed with -9 while clients promote, approve and roll back: before or after, never between.

usage: kill_test.py MUSTER [ROUNDS]     (or MUSTER_KILL_ROUNDS=N)

After each kill the database is read as it lies there: alias, history, audit, events and approvals tell the same story,
what was acknowledged is in it, and the audit is whole and signed. Then a server goes on from it.
"""

import contextlib
import http.client
import json
import os
import pathlib
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

MODELS, VERSIONS = 3, 4
PEOPLE = ("ada", "grace", "linus")
POLICY = """
approvals: 2 of [leads], never the author
groups: {leads: [ada, grace, linus]}
guards: [champion]
"""


class Server:
    """`muster server` on a home."""

    def __init__(self, program, home):
        self.program, self.home = program, pathlib.Path(home)

    def muster(self, *words, code=0):
        answer = subprocess.run([self.program, "--home", str(self.home), "--json", *words],
                                capture_output=True, text=True)
        assert answer.returncode == code, (words, answer.stdout + answer.stderr)
        return json.loads(answer.stdout) if answer.stdout.startswith("{") else answer.stdout

    def start(self):
        port_file = self.home / "port"
        port_file.unlink(missing_ok=True)
        self.process = subprocess.Popen(
            [self.program, "--home", str(self.home), "server", "--port", "0", "--slots", "0",
             "--port-file", str(port_file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while not port_file.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"muster server wrote no port: {self.process.poll()}")
            time.sleep(0.005)
        self.port = int(port_file.read_text())

    def stop(self, how):
        if self.process.poll() is not None:
            return
        os.kill(self.process.pid, how)
        self.process.wait(timeout=30)


class Client:
    def __init__(self, port, token=""):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.headers = {"Content-Type": "application/json"} | ({"Authorization": "Bearer " + token} if token else {})

    def call(self, method, path, body=None):
        self.connection.request(method, "/api/" + path, None if body is None else json.dumps(body), self.headers)
        answer = self.connection.getresponse()
        return answer.status, json.loads(answer.read())


def fill(server):
    client = Client(server.port)
    for number in range(MODELS):
        name = f"m{number}"
        assert client.call("POST", "2.0/mlflow/registered-models/create", {"name": name})[0] == 200
        for _ in range(VERSIONS):
            status, answer = client.call("POST", "2.0/mlflow/model-versions/create", {"name": name, "source": "s3://b/m"})
            assert status == 200, answer


def work(server, tokens, number, seed, acknowledged):
    """One client with a model of its own, until the server is gone."""
    chance = random.Random(seed)
    name = f"m{number}"
    base = f"muster/v1/models/{name}"
    try:
        clients = {person: Client(server.port, tokens[person]) for person in PEOPLE}
        anybody = Client(server.port)
        while True:
            kind, version = chance.random(), chance.randrange(1, VERSIONS + 1)
            if kind < 0.4:
                path, who, body = base + "/promote", anybody, {"version": version, "wait": chance.random() < 0.5}
            elif kind < 0.6:
                path, who, body = base + "/rollback", anybody, {}
            else:
                verb = "reject" if chance.random() < 0.1 else "approve"
                path, who = f"{base}/versions/{version}/{verb}", clients[chance.choice(PEOPLE)]
                body = {"reason": "round"}
            status, answer = who.call("POST", path, body)
            if status == 200 and "previous" in answer:
                acknowledged.append((name, answer["version"], answer["previous"]))
            elif status == 200:
                acknowledged.append((name, answer["digest"], None))
            else:
                assert status in (400, 403, 404, 409), (status, answer)
    except (OSError, http.client.HTTPException, json.JSONDecodeError):
        pass  # killed


def rows(database, text, *values):
    return database.execute(text, values).fetchall()


def verify(server, before, acknowledged):
    """What lies there after the kill; answers what is in it."""
    report = server.muster("model", "audit", "--verify", "--db", str(server.home / "registry.db"))
    assert report["ok"] and report["signed_since"] == 1, report
    with contextlib.closing(sqlite3.connect(server.home / "registry.db")) as db:
        names = dict(rows(db, "SELECT id, name FROM models"))
        history = rows(db, "SELECT model, alias, version, previous, move, audit FROM alias_history ORDER BY sequence")
        moves = rows(db, "SELECT sequence, model, detail FROM audit WHERE action IN ('alias.promote', 'alias.rollback')"
                         " ORDER BY sequence")
        assert [(names[model], audit) for model, _, _, _, _, audit in history] == [(m, s) for s, m, _ in moves]
        current = {}
        for (model, alias, version, previous, _, _), (_, _, detail) in zip(history, moves):
            assert current.get((model, alias), 0) == previous, "a move begins where the last one ended"
            current[(model, alias)] = version
            assert json.loads(detail) == {"alias": alias, "from": previous, "to": version}
        aliases = {(model, alias): version for model, alias, version in rows(db, "SELECT * FROM aliases")}
        assert aliases == current, (aliases, current)
        # No web hook: the worker acknowledges events as they come, so those that are left are the newest.
        told = rows(db, "SELECT count(*) FROM events WHERE kind = 'model_version_alias.created'")[0][0]
        assert told <= len(history)
        given = rows(db, "SELECT a.audit, u.action, u.actor, a.person, a.approved FROM approvals a JOIN audit u ON"
                         " u.sequence = a.audit")
        said = rows(db, "SELECT count(*) FROM audit WHERE action IN ('approval.give', 'approval.reject')")[0][0]
        assert len(given) == said == rows(db, "SELECT count(*) FROM approvals")[0][0]
        for _, action, actor, person, approved in given:
            assert actor == person and action == ("approval.give" if approved else "approval.reject")
        kept = {"moves": len(history), "approvals": len(given), "entries": report["entries"]}
        made = sum(previous is not None for _, _, previous in acknowledged)
        assert kept["moves"] - before["moves"] >= made, (kept, before, made)
        assert kept["approvals"] - before["approvals"] >= len(acknowledged) - made
        pairs = [(names[model], version, previous) for model, _, version, previous, _, _ in history[before["moves"]:]]
        for move in acknowledged:
            assert move[2] is None or move in pairs, f"{move} was acknowledged and is lost"
        return kept


def main():
    rounds = int(sys.argv[2] if len(sys.argv) > 2 else os.environ.get("MUSTER_KILL_ROUNDS", 4))
    seed = random.SystemRandom().randrange(1 << 32)
    print("seed", seed, flush=True)
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="muster_registry_kill_") as home:
        server = Server(sys.argv[1], home)
        try:
            server.start()
            fill(server)
            policy = pathlib.Path(home) / "policy.yaml"
            policy.write_text(POLICY)
            for number in range(MODELS):
                server.muster("model", "policy", f"m{number}", "--set", str(policy))
            tokens = {person: server.muster("model", "token", "add", person)["token"] for person in PEOPLE}
            kept = {"moves": 0, "approvals": 0, "entries": 0}
            for _ in range(rounds):
                acknowledged = []
                clients = [threading.Thread(target=work, args=(server, tokens, n, chance.random(), acknowledged))
                           for n in range(MODELS)]
                for client in clients:
                    client.start()
                wanted, deadline = chance.randrange(5, 25), time.monotonic() + 30
                while len(acknowledged) < wanted and time.monotonic() < deadline:
                    time.sleep(0.001)
                time.sleep(chance.random() * 0.02)
                server.stop(signal.SIGKILL)
                for client in clients:
                    client.join()
                kept = verify(server, kept, acknowledged)
                server.start()
            assert server.muster("model", "audit", "--verify")["ok"]
            server.stop(signal.SIGTERM)
            print(f"{rounds} kills: {kept['moves']} moves and {kept['approvals']} approvals, each whole; "
                  f"{kept['entries']} audit entries, signed and in one chain")
            assert kept["moves"] > 0 and kept["approvals"] > 0
        finally:
            server.stop(signal.SIGKILL)


if __name__ == "__main__":
    main()
