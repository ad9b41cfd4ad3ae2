"""Random requests of MLflow's REST API: valid ones mostly, wrong ones often, from a seed alone."""

import json
import random
import urllib.parse

from mlflow.protos import model_registry_pb2 as registry
from mlflow.protos import service_pb2 as service
from mlflow.utils.rest_utils import extract_all_api_info_for_service

NAMES = """CreateExperiment GetExperiment GetExperimentByName SearchExperiments UpdateExperiment
DeleteExperiment RestoreExperiment SetExperimentTag DeleteExperimentTag CreateRun GetRun UpdateRun DeleteRun
RestoreRun LogMetric LogParam SetTag DeleteTag LogBatch LogInputs LogOutputs LogModel SearchRuns
GetMetricHistory ListArtifacts CreateLoggedModel FinalizeLoggedModel GetLoggedModel DeleteLoggedModel
SearchLoggedModels SetLoggedModelTags DeleteLoggedModelTag LogLoggedModelParamsRequest
CreateRegisteredModel GetRegisteredModel UpdateRegisteredModel RenameRegisteredModel DeleteRegisteredModel
SearchRegisteredModels GetLatestVersions CreateModelVersion GetModelVersion UpdateModelVersion
TransitionModelVersionStage DeleteModelVersion SearchModelVersions GetModelVersionDownloadUri
SetRegisteredModelTag DeleteRegisteredModelTag SetModelVersionTag DeleteModelVersionTag
SetRegisteredModelAlias DeleteRegisteredModelAlias GetModelVersionByAlias""".split()
# What makes things, what writes into them and what looks at them most, more often than the rest.
WEIGHTS = {"CreateRun": 5, "LogBatch": 8, "LogMetric": 5, "SearchRuns": 14, "GetRun": 4, "CreateLoggedModel": 3,
           "SearchLoggedModels": 8, "SearchExperiments": 5, "CreateModelVersion": 6, "CreateRegisteredModel": 3,
           "SearchRegisteredModels": 4, "SearchModelVersions": 6, "GetMetricHistory": 4, "LogInputs": 3,
           "DeleteExperiment": 0.3, "DeleteRun": 0.5, "DeleteRegisteredModel": 0.4, "DeleteLoggedModel": 0.5,
           # The same twice is an error of MLflow's database, which ends a sequence.
           "LogOutputs": 0.3, "LogLoggedModelParamsRequest": 0.3}
KEYS = ["a", "b", "acc", "x y", "m.n", "p/q", "c:d", "Größe", "mlflow.runName", "mlflow.note.content"]
BAD_KEYS = ["", ".", "..", "/a", "a/../b", "a//b", "bad,name", "a\tb", "😀", "it's", 'say "x"', "a" * 251, "a\n"]
VALUES = ["1", "x", "", "it's", "ü", "a_b%", "A", "1.5", "None", "0.1"]
JUNK = [None, "", "x", "5", 5, 0, -1, 1.5, True, False, [], {}, ["x"], [1], [[]], [None], {"key": "x"}, 2**63, 1e300,
        "NaN", "é😀", "a\u0001\"'\\"]


def endpoints():
    found = {}
    for of in (service.MlflowService, registry.ModelRegistryService):
        for message, apis in extract_all_api_info_for_service(of, "/api/2.0").items():
            if message.__name__ in NAMES:
                found[message.__name__] = (message, [(api[0], api[1]) for api in apis])
    return found


class World:
    """What a sequence made so far, in MLflow's ids."""

    def __init__(self, seed, fresh):
        self.random = random.Random(seed)
        self.prefix = f"s{seed}-{fresh}-"
        self.clock = 1_700_000_000_000
        self.experiments, self.runs, self.models, self.tokens = [], [], [], []
        self.registered = [self.prefix + name for name in "rs"]

    def learn(self, name, answer):
        if not isinstance(answer, dict):
            return
        if "experiment_id" in answer:
            self.experiments.append(answer["experiment_id"])
        if name == "CreateRun" and "run" in answer:
            self.runs.append(answer["run"]["info"]["run_id"])
        if name == "CreateLoggedModel" and "model" in answer:
            self.models.append(answer["model"]["info"]["model_id"])
        if answer.get("next_page_token"):
            self.tokens.append((name, answer["next_page_token"]))


class Requests:
    def __init__(self, world):
        self.world, self.random = world, world.random
        self.endpoints = endpoints()
        self.names = sorted(self.endpoints)
        self.weights = [WEIGHTS.get(name, 1) for name in self.names]

    def chance(self, share):
        return self.random.random() < share

    def pick(self, *items):
        return self.random.choice(items)

    def next(self):
        """(name, method, path with its query, body or None); MLflow's ids in all of them."""
        if len(self.world.experiments) < 2:
            name = "CreateExperiment"
        elif len(self.world.runs) < 3:
            name = "CreateRun"
        else:
            name = self.random.choices(self.names, self.weights)[0]
        message, apis = self.endpoints[name]
        path, method = self.random.choice(apis)
        fields = self.message(message.DESCRIPTOR, name)
        if self.chance(0.15):
            self.spoil(fields, message.DESCRIPTOR)
        for field in list(fields):
            # A part of the path; the client repeats it in the body, other clients do not.
            if f"{{{field}}}" in path or f"<{field}>" in path:
                value = fields[field] if self.chance(0.7) else fields.pop(field)
                text = urllib.parse.quote(str(value), safe="") or "x"
                path = path.replace(f"{{{field}}}", text).replace(f"<{field}>", text)
        if "<" in path or "{" in path:
            path = path.replace("<model_id>", "m-none").replace("<tag_key>", "none")
        if method == "GET":
            return name, method, path, None, fields
        return name, method, path, fields, None

    # --- fields --------------------------------------------------------------------------------------
    def message(self, descriptor, name):
        """A filled message; optional fields are left out at times."""
        out = {}
        for field in descriptor.fields:
            if field.name in ("run_uuid", "deployment_job_id", "prompt_id") or self.skips(name, field.name):
                continue
            out[field.name] = self.field(field, name)
        if "run_id" in out and self.chance(0.05) and not name.startswith(("Log", "Delete")):
            out["run_uuid"] = out.pop("run_id")
        return out

    def skips(self, name, field):
        wanted = {"run_id", "key", "value", "timestamp", "name", "experiment_id", "experiment_ids", "metric_key",
                  "version", "alias", "stage", "model_id", "tag_key", "status", "new_name", "source", "metrics",
                  "models", "datasets", "dataset", "archive_existing_versions", "start_time", "experiment_name",
                  "field_name", "digest"}
        if name == "SearchExperiments" and field == "max_results":
            return self.chance(0.05)
        if name in ("CreateModelVersion", "LogMetric", "Metric") and field in ("model_id", "run_id"):
            return self.chance(0.5 if name != "LogMetric" or field == "model_id" else 0.02)
        # Runs that start at the same time are in the order of their random ids.
        if name == "CreateRun" and field in ("experiment_id", "start_time"):
            return False
        if name == "CreateLoggedModel" and field == "name":
            return self.chance(0.3)
        # Searches of what other sequences made, too, need their filter.
        if field == "filter" and name in ("SearchRegisteredModels", "SearchModelVersions", "SearchExperiments"):
            return False
        return self.chance(0.02 if field in wanted else 0.5)

    def field(self, field, name):
        if field.is_repeated:
            return self.repeated(field, name)
        maker = getattr(self, f"of_{field.name}", None)
        if maker:
            return maker(name)
        if field.type == field.TYPE_MESSAGE:
            return self.message(field.message_type, name)
        if field.type == field.TYPE_BOOL:
            return self.pick(True, False)
        if field.type in (field.TYPE_INT64, field.TYPE_INT32):
            return self.random.randint(0, 9)
        return self.pick(*VALUES)

    def repeated(self, field, name):
        if field.name == "experiment_ids":
            return self.random.sample(self.world.experiments, self.random.randint(1, len(self.world.experiments)))
        if field.name == "stages":
            return self.random.sample(["None", "staging", "Production", "Archived", "x"], self.random.randint(0, 2))
        if field.name == "order_by":
            made = [self.order(name) for _ in range(self.random.randint(0, 2))]
            return [x for i, x in enumerate(made) if x not in made[:i]]
        if field.type == field.TYPE_MESSAGE:
            many = self.random.randint(0, 5)
            made = [self.message(field.message_type, field.message_type.name) for _ in range(many)]
            if name != "LogBatch":
                # MLflow answers its database's error for the same key twice.
                made = list({item.get("key", item.get("model_id", index)): item
                             for index, item in enumerate(made)}.values())
            return made
        return [self.pick(*VALUES) for _ in range(self.random.randint(0, 3))]

    def of_run_id(self, _):
        if self.chance(0.96):
            return self.pick(*self.world.runs) if self.world.runs else "none"
        return self.pick("nope", "x y", "0" * 32, "é", "-a")

    of_source_run_id = of_run_id

    def of_experiment_id(self, _):
        return self.pick(*self.world.experiments) if self.chance(0.96) else self.pick("999999", "abc", "-1", "1.5", " 1")

    def of_model_id(self, name):
        if self.world.models and self.chance(0.95):
            return self.pick(*self.world.models)
        return self.pick("m-none", "m-" + "0" * 32, "x")

    def of_name(self, name):
        if name == "CreateExperiment":
            return self.world.prefix + self.pick("e", "f", "g", "h", "i") + self.pick("", "", " x", "'", "ü", "/y")
        if name == "CreateLoggedModel":
            return self.pick("cnn", "mlp", "a b", "bad/name", "it's", "", "x.y", "ü")
        if name == "Dataset":
            return self.pick("ds", "ds2", "d" * 501) if self.chance(0.3) else "ds"
        if self.chance(0.04):
            return self.pick("no such", "a/b", "a:b", "..", " ", "it's")
        return self.pick(*self.world.registered)

    def of_new_name(self, name):
        return self.world.prefix + self.pick("t", "u", "v", "e", "r", "a/b")

    def of_experiment_name(self, _):
        return self.world.prefix + self.pick("e", "f", "t")

    def of_key(self, _):
        return self.pick(*KEYS) if self.chance(0.96) else self.pick(*BAD_KEYS)

    of_metric_key = of_key
    of_tag_key = of_key

    def of_value(self, name):
        if name in ("LogMetric", "Metric"):
            return self.pick(0, 1, 1.5, -2.25, 1e-9, 0.1, "NaN", "Infinity", "-Infinity", "3.5", 12345678901, 1e300)
        if self.chance(0.02):
            return "v" * self.pick(5999, 6001, 8001, 20001, 100001)
        return self.pick(*VALUES)

    def of_timestamp(self, _):
        return self.pick(0, 1, 5, 1_700_000_000_000, "7", 3.0) if self.chance(0.97) else self.pick(-1, "x", 1.5)

    def of_step(self, _):
        return self.pick(0, 1, 2, 3, 10, -5, "4", 2.0)

    def of_start_time(self, _):
        self.world.clock += 1000
        return self.world.clock

    def of_end_time(self, _):
        return self.world.clock + 500

    def of_status(self, name):
        if name == "FinalizeLoggedModel":
            return self.pick("LOGGED_MODEL_READY", "LOGGED_MODEL_UPLOAD_FAILED", "LOGGED_MODEL_PENDING", "X", 2)
        return self.pick("FINISHED", "FAILED", "RUNNING", "SCHEDULED", "KILLED", 3, "nope")

    def of_stage(self, _):
        return self.pick("Staging", "production", "NONE", "Archived", "x")

    def of_version(self, _):
        return self.pick("1", "2", "3", "1", "2") if self.chance(0.95) else self.pick("99", "x", "0", "-1", 1)

    def of_alias(self, _):
        return self.pick("champion", "b-1", "ü") if self.chance(0.9) else self.pick("latest", "v1", "a b", "", "x" * 256)

    def of_source(self, name):
        if name == "Dataset":
            return "{}"
        run, model = self.of_run_id(name), self.of_model_id(name)
        experiment = self.of_experiment_id(name)
        return self.pick("s3://bucket/x", f"runs:/{run}/model", f"models:/{model}", f"models:/{self.world.registered[0]}/1",
                         f"mlflow-artifacts:/{experiment}/{run}/artifacts/model", "/etc/passwd", "file:///tmp/x", "relative",
                         f"mlflow-artifacts:/{experiment}/models/{model}/artifacts", "s3://b/../c", "http://h/x", "",
                         f"models:/{self.world.registered[0]}@champion", "dummy-source", "models:/a/b/c", "gs://b/%2e%2e/x")

    def of_artifact_location(self, _):
        return self.pick("", "s3://bucket/x", "s3://bucket/x?a=b", "s3://b/x#y", "runs:/x/y", "mlflow-artifacts:/zz")

    def of_model_json(self, _):
        whole = {"artifact_path": "m", "flavors": {}, "utc_time_created": "2026-01-01 00:00:00.000000", "run_id": "x"}
        broken = {key: whole[key] for key in self.random.sample(sorted(whole), 3)}
        return self.pick(json.dumps(whole), json.dumps(broken), "{", "[]")

    def of_path(self, _):
        return self.pick("a", "a/b", "../x", "/x", "a/../b", "", "%2e%2e/x", "a//b", ".", "a#b", "C:\\x")

    def of_max_results(self, name):
        return self.pick(1, 2, 3, 5, 100) if self.chance(0.95) else self.pick(0, -1, 50001, 200001, "2", 10**6)

    def of_page_token(self, name):
        tokens = [token for of, token in self.world.tokens if of == name]
        if tokens and self.chance(0.8):
            return self.random.choice(tokens)
        return self.pick("", "", "", "x", "eyJvZmZzZXQiOiAxfQ==") if self.chance(0.3) else ""

    def of_run_view_type(self, _):
        return self.pick("ACTIVE_ONLY", "DELETED_ONLY", "ALL", 3, "X") if self.chance(0.2) else "ALL"

    of_view_type = of_run_view_type

    def of_dataset_name(self, _):
        return self.pick("ds", "ds2")

    def of_dataset_digest(self, _):
        return self.pick("d1", "d2")

    of_digest = of_dataset_digest

    def of_field_name(self, _):
        return self.pick("metrics.acc", "metrics.a", "creation_timestamp", "creation_time", "name", "attributes.name",
                         "params.a", "model_id", "last_updated_timestamp", "status", "foo.bar")

    # --- the search language -------------------------------------------------------------------------
    KINDS = {
        "SearchRuns": ["metrics", "params", "tags", "attributes", "", "datasets", "metric", "param", "run", "parameter"],
        "SearchExperiments": ["tags", "tag", "attributes", "", "metrics"],
        "SearchLoggedModels": ["metrics", "params", "tags", "attributes", "", "tag", "metric"],
        "SearchRegisteredModels": ["tags", "", "tag", "attribute"],
        "SearchModelVersions": ["tags", "", "tag", "attributes"],
    }
    ATTRIBUTES = {
        "SearchRuns": ["run_id", "run_name", "status", "user_id", "start_time", "end_time", "artifact_uri", "`Run name`",
                       "created", "experiment_id", "nope"],
        "SearchExperiments": ["name", "creation_time", "last_update_time", "experiment_id", "nope"],
        "SearchLoggedModels": ["name", "model_id", "model_type", "status", "source_run_id", "creation_timestamp",
                               "creation_time", "last_updated_timestamp", "nope"],
        "SearchRegisteredModels": ["name", "nope", "description"],
        "SearchModelVersions": ["name", "run_id", "version_number", "source_path", "nope", "version"],
    }

    def of_filter(self, name):
        everywhere = name in ("SearchRegisteredModels", "SearchModelVersions", "SearchExperiments")
        if name not in self.KINDS or (not everywhere and self.chance(0.15)):
            return ""
        clauses = [self.clause(name) for _ in range(self.random.choice((1, 1, 1, 2, 2, 3)))]
        if everywhere:
            # Other sequences' things are none of this one's business.
            clauses.insert(0, f"name LIKE '{self.world.prefix}%'")
        text = self.pick(" AND ", " and ", " AND ", "  and\n").join(clauses)
        if self.chance(0.06):
            at = self.random.randrange(len(text) + 1)
            text = text[:at] + self.pick("'", "(", ")", " OR ", " AND ", ".", ",", "=", "--x ", ";", "`", " ") + text[at:]
        return text

    def clause(self, name):
        kind = self.random.choice(self.KINDS[name])
        attribute = kind in ("", "attributes", "run", "attr", "attribute")
        if attribute:
            key = self.random.choice(self.ATTRIBUTES[name])
        elif kind == "datasets":
            key = self.pick("name", "digest", "context", "nope")
        else:
            key = self.pick("a", "b", "acc", "`x y`", "m.n", '"p/q"', "`mlflow.runName`", "p/q", "zz")
        number = kind in ("metrics", "metric") or key in (
            "start_time", "end_time", "created", "creation_time", "last_update_time", "creation_timestamp",
            "last_updated_timestamp", "version_number")
        if self.chance(0.04):
            number = not number
        ops = ["=", "!=", ">", ">=", "<", "<="] if number else ["=", "!=", "LIKE", "ILIKE", "="]
        op = self.random.choice(ops)
        if self.chance(0.06):
            op = self.pick("=", "LIKE", "<>", "==", ">", "in", "~", "Ilike", "!")
        identifier = f"{kind}.{key}" if kind else key
        if not attribute and self.chance(0.1):
            return f"{identifier} {self.pick('IS NULL', 'IS NOT NULL', 'is null', 'IS')}"
        if self.chance(0.08):
            items = ", ".join(self.random.sample(["'x'", "'1'", "'FINISHED'", f"'{self.of_run_id(name)}'", "1", "'ds'"], 2))
            return f"{identifier} {self.pick('IN', 'NOT IN', 'in')} ({items}{self.pick('', '', ',')})"
        return f"{identifier}{self.pick(' ', ' ', '')}{op}{' ' if op.isalpha() else self.pick(' ', '')}{self.literal(number, name)}"

    def literal(self, number, name):
        if number:
            return self.pick("0", "1", "1.5", "-2.25", ".5", "1e3", "0.1", "1.", "+1", "-1", "1700000001000")
        text = self.pick("1", "x", "a%", "%", "_", "A", "ü", "it", "cnn", "READY", "FINISHED", "ds", "d1", "None",
                         "%a%", self.of_run_id(name), self.world.prefix + "e", "Größe", "a_b%")
        return self.pick(f"'{text}'", f"'{text}'", f"'{text}'", f'"{text}"', text) if self.chance(0.3) else f"'{text}'"

    def order(self, name):
        if name == "SearchLoggedModels":
            return {"field_name": self.of_field_name(name), "ascending": self.pick(True, False)}
        kind = self.random.choice(self.KINDS[name])
        key = self.random.choice(self.ATTRIBUTES[name] if kind in ("", "attributes", "run", "attribute")
                                 else ["a", "b", "acc", "`x y`", "zz"])
        if name == "SearchModelVersions":
            key = self.pick("name", "version_number", "creation_timestamp", "last_updated_timestamp", key)
        if name == "SearchRegisteredModels":
            key = self.pick("name", "timestamp", "last_updated_timestamp", key)
        identifier = f"{kind}.{key}" if kind else key
        return identifier + self.pick("", " ASC", " DESC", " asc", " desc", " down", "  DESC ")

    # --- wrong requests ------------------------------------------------------------------------------
    def spoil(self, fields, descriptor):
        if not fields:
            return
        name = self.random.choice(sorted(fields))
        how = self.random.randrange(5)
        if how == 0:
            del fields[name]
        elif how == 1:
            fields[name] = self.random.choice(JUNK)
        elif how == 2:
            fields["nobody_knows"] = self.random.choice(JUNK)
        else:
            field = descriptor.fields_by_name.get(name)
            if field is None:
                return
            if how == 3:
                fields[field.json_name] = fields.pop(name)
            else:
                fields[field.json_name] = fields[name]
