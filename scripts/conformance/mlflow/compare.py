"""Are two answers the same, up to what two servers cannot agree on: ids, random names, times?"""

import json
import re

# What a server makes up: two such texts in the same place stand for each other from then on.
MADE_UP = [re.compile(pattern) for pattern in
           (r"[0-9a-f]{32}", r"m-[0-9a-f]{32}", r"\b[a-z]{2,20}-[a-z]{2,20}-\d{1,4}\b")]
TIMES = {"creation_time", "last_update_time", "creation_timestamp", "last_updated_timestamp",
         "creation_timestamp_ms", "last_updated_timestamp_ms"}
IDS = {"experiment_id", "run_id", "run_uuid", "model_id"}
# Their order is that of a table without ORDER BY in MLflow, and by key in muster.
SETS = {"tags", "params", "aliases", "metrics", "model_inputs", "model_outputs"}
# MLflow's store clamps infinities; muster keeps them.
CLAMPED = {1.7976931348623157e308: "Infinity", -1.7976931348623157e308: "-Infinity"}
# MLflow reads a logged model's NaN as 0.
NAN_OF_A_MODEL = re.compile(r"^models?(\[\d+\])?\.data\.metrics\[\d+\]\.value$")
# MLflow cuts a tag's value when it is set, and not when its run is created; muster always does.
LONGEST_TAG = 8000
# MLflow shows its database's own words.
SQL_ERROR = re.compile(r" Error: \((?:sqlite3\.|raised as a result).*", re.DOTALL)
PYTHON_SET = re.compile(r"\{('[^']*'(?:, '[^']*')*)\}?")


class Comparer:
    """Remembers which of MLflow's ids is which of muster's."""

    def __init__(self):
        self.ours = {}
        self.tokens = {}
        self.experiments = {"0": "0"}

    def translate(self, text):
        """A text with MLflow's ids as one with muster's."""
        text = re.sub(r"(?<=mlflow-artifacts:/)\d+|(?<= id=)\d+|(?<=with id )\d+|(?<=The experiment )\d+",
                      lambda match: self._experiment(match.group()), text)
        return re.sub(r"[0-9a-f]{32}|\b[a-z]{2,20}-[a-z]{2,20}-\d{1,4}\b",
                      lambda match: self.ours.get(match.group(), match.group()), text)

    def _experiment(self, theirs):
        return self.experiments.get(theirs, theirs)

    def translate_all(self, value, key=""):
        if key in ("experiment_id", "experiment_ids", "experimentId", "experimentIds"):
            several = isinstance(value, list)
            found = [self._experiment(x) if isinstance(x, str) else x for x in (value if several else [value])]
            return found if several else found[0]
        if isinstance(value, dict):
            return {key: self.translate_all(item, key) for key, item in value.items()}
        if isinstance(value, list):
            return [self.translate_all(item) for item in value]
        if isinstance(value, str):
            return self.tokens.get(value) or self.translate(value)
        return value

    def differences(self, theirs, ours, path=""):
        """Lines "path: theirs | ours"; none when the two mean the same."""
        if isinstance(theirs, dict) and isinstance(ours, dict):
            return self._of_objects(theirs, ours, path)
        if isinstance(theirs, list) and isinstance(ours, list):
            return self._of_lists(theirs, ours, path)
        if isinstance(theirs, str) and isinstance(ours, str):
            same = self._same_text(theirs, ours)
        elif theirs == 0 and ours == "NaN" and NAN_OF_A_MODEL.search(path):
            same = True
        elif isinstance(theirs, float) and theirs in CLAMPED:
            same = ours in (theirs, CLAMPED[theirs])
        else:
            same = theirs == ours and isinstance(theirs, bool) == isinstance(ours, bool)
        return [] if same else [f"{path}: {json.dumps(theirs)} | {json.dumps(ours)}"]

    def _of_objects(self, theirs, ours, path):
        found = []
        # Ids first: what follows may contain them.
        for key in sorted(theirs.keys() | ours.keys(), key=lambda key: (key not in IDS, key)):
            here = f"{path}.{key}" if path else key
            if key not in ours:
                found.append(f"{here}: {json.dumps(theirs[key])} | absent")
            elif key not in theirs:
                found.append(f"{here}: absent | {json.dumps(ours[key])}")
            elif key in TIMES:
                if not (isinstance(theirs[key], int) and isinstance(ours[key], int)):
                    found.append(f"{here}: not two times")
            elif key == "experiment_id" and theirs[key] not in self.experiments:
                self.experiments[theirs[key]] = ours[key]
            elif key == "experiment_id":
                found += self.differences(self._experiment(theirs[key]), ours[key], here)
            elif key == "next_page_token":
                self.tokens[theirs[key]] = ours[key]
            else:
                found += self.differences(theirs[key], ours[key], here)
        return found

    def _of_lists(self, theirs, ours, path):
        if len(theirs) != len(ours):
            return [f"{path}: {len(theirs)} items {json.dumps(theirs)[:300]} | "
                    f"{len(ours)} items {json.dumps(ours)[:300]}"]
        # A history ("metrics" at the top) has an order.
        if path.split(".")[-1] in SETS and "." in path:
            theirs = sorted(theirs, key=lambda item: self.translate(json.dumps(item, sort_keys=True)))
            ours = sorted(ours, key=lambda item: json.dumps(item, sort_keys=True))
        found = []
        for index, (one, other) in enumerate(zip(theirs, ours)):
            found += self.differences(one, other, f"{path}[{index}]")
        return found

    def _same_text(self, theirs, ours):
        if theirs == ours or self.translate(theirs) == ours:
            return True
        if len(ours) == LONGEST_TAG and theirs.startswith(ours):
            return True
        if any(p.fullmatch(theirs) and p.fullmatch(ours) for p in MADE_UP):
            if theirs.removeprefix("m-") not in self.ours and ours.removeprefix("m-") not in self.ours.values():
                self.ours[theirs.removeprefix("m-")] = ours.removeprefix("m-")
                return True
        theirs = SQL_ERROR.sub("", theirs)
        return self._sorted_sets(self.translate(theirs)) == self._sorted_sets(ours)

    @staticmethod
    def _sorted_sets(text):
        """A Python set prints in no order."""
        return PYTHON_SET.sub(lambda m: "{" + ", ".join(sorted(m.group(1).split(", "))) + "}", text)
