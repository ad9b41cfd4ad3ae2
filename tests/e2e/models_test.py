"""The sweep files that ship, in their smallest sizes: each kind of model is exported, judged and promoted."""

import array
import csv
import glob
import hashlib
import json
import pathlib
import random
import subprocess
import unittest

import cluster

SOURCE = pathlib.Path(__file__).parents[2]
SPLIT = "train=0.7,validation=0.15,test=0.15"
SMALL = ["--set", "budget.trials=1", "--set", "trial.ranks=1", "--set", "stop={}"]


def flags(**space):
    """One value for each of these parameters."""
    return [word for name, value in space.items() for word in ("--set", f"space.{name}={value}")]


class ModelsTest(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.cluster = cluster.Cluster()
        cls.addClassCleanup(cls.cluster.close)
        cls.cluster.start_server()
        # A repository with something uncommitted, for the lineage.
        cls.git("init", "-q")
        cls.cluster.write("notes.txt", "first\n")
        cls.git("add", "notes.txt")
        cls.git("-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-qm", "first")
        cls.commit = cls.git("rev-parse", "HEAD").strip()
        cls.cluster.write("notes.txt", "second\n")

    @classmethod
    def git(cls, *arguments):
        return subprocess.run(["git", "-C", cls.cluster.work, *arguments], check=True, capture_output=True,
                              text=True).stdout

    def convert(self, name, **columns):
        """HDF5 files of columns, each (numbers, type, shape of a row)."""
        words = []
        for column, (numbers, kind, shape) in columns.items():
            file = self.cluster.work / f"{name}-{column}.bin"
            file.write_bytes(array.array({"u8": "B", "i32": "i", "i64": "q", "f32": "f"}[kind], numbers).tobytes())
            words.append(f"{column}={file}:{kind}" + (f":{shape}" if shape else ""))
        self.cluster.ask("data", "convert", f"{name}.h5", *words, "--split", SPLIT)

    def promoted(self, trial, *more):
        """The gates of version 1 by name, after the shipped sweep of a trial made it champion."""
        file = self.cluster.write(f"{trial}.yaml", (SOURCE / f"trainer/trials/{trial}/{trial}.yaml").read_text())
        outcome = self.cluster.muster("--json", "sweep", "submit", file, "--wait", *SMALL, *more, timeout=240)
        self.assertEqual(outcome.code, 0, f"{outcome}\n{self.cluster.log_tail()}")
        promotion = outcome.json()["promotion"]
        self.assertEqual((promotion["state"], promotion["version"]), ("promoted", 1), promotion)
        return {gate["gate"]: gate for gate in self.cluster.ask("model", "show", f"{trial}@champion")["gates"]}

    def test_Gpt_TokensInBytes_IsJudgedByPerplexity(self):
        text = (SOURCE / "README.md").read_bytes()
        self.convert("gpt", tokens=(text[: len(text) // 33 * 33], "u8", "33"))
        gates = self.promoted("gpt", *flags(layers=1, heads=2, width=32, context=32, lr=0.02, epochs=3),
                              "--set", "model.gates=[{metric: test/perplexity, at_most: 100}, {parity: true, tolerance: 1e-4}]")
        self.assertLess(gates["test/perplexity <= 100"]["seen"], 60)

    def test_Tabular_RarePositives_IsJudgedByAveragePrecision(self):
        library = pathlib.Path(cluster.PYTHON).parent.parent / "lib"
        table = glob.glob(f"{library}/python3*/site-packages/sklearn/datasets/data/breast_cancer.csv")[0]
        with open(table, newline="") as file:
            rows = list(csv.reader(file))[1:]
        self.convert("table",
                     features=([float(x) for row in rows for x in row[:-1]], "f32", "30"),
                     labels=([int(row[-1]) for row in rows], "i64", ""))
        gates = self.promoted("tabular", *flags(layers=1, width=32, lr=0.01, batch_size=32, epochs=6),
                              "--set", "model.segments=[labels]")
        self.assertGreater(gates["better than champion on test/average_precision"]["seen"], 0.9)
        self.check_lineage()
        self.check_compressed()

    def check_lineage(self):
        """Of tabular@champion, up and down, by the command line and in its package."""
        answer = self.cluster.ask("model", "lineage", "tabular@champion")
        lineage = answer["lineage"]
        self.assertEqual((lineage["sweep"], lineage["trial"]), ("tabular-1", "tabular-1/0"))
        self.assertGreater(lineage["attempt"], 0)
        train = hashlib.sha256((self.cluster.work / "table-train.h5").read_bytes()).hexdigest()
        self.assertEqual(lineage["data_digests"]["train"], train)
        self.assertEqual(lineage["data_changed"], [])
        diff = self.git("diff", "--binary", "HEAD")
        self.assertEqual(lineage["code"], {"commit": self.commit, "dirty": True,
                                           "diff_sha256": hashlib.sha256(diff.encode()).hexdigest()})
        self.assertEqual((lineage["environment"]["program"], lineage["environment"]["device"]), ("tabular", "cpu"))
        self.assertIn("libtorch", lineage["environment"])
        self.assertIn("test/f1", lineage["metrics"])
        for words in (("--data", train[:12]), ("--commit", self.commit[:10]), ("--sweep", "tabular-1")):
            found = self.cluster.ask("model", "lineage", *words)["versions"]
            self.assertIn(("tabular", 1), [(v["name"], v["version"]) for v in found], words)
        self.assertEqual(self.cluster.ask("model", "lineage", "--sweep", "other")["versions"], [])
        self.assertEqual(self.cluster.muster("model", "lineage", "--data", "xyz").code, 2)
        out = self.cluster.work / "package"
        self.cluster.ask("model", "export", "tabular@champion", "--out", out)
        self.assertEqual((out / "code.diff").read_text(), diff)
        card = json.loads((out / "card.json").read_text())["lineage"]
        # The audit's canonical form may round a figure's last digit.
        for name, figure in card.pop("metrics").items():
            self.assertAlmostEqual(figure, lineage["metrics"][name], places=12)
        self.assertEqual(card, {key: value for key, value in lineage.items() if key != "metrics"})
        shown = self.cluster.muster("model", "lineage", "tabular@champion").out
        self.assertIn(f"data_digests.train\t{train}", shown)

    def check_compressed(self):
        """tabular@champion in int8 is a version of its own, and serves once somebody promotes it."""
        bound = ["--agreement", "0.9", "--drop", "0.1", "--calibration", "20"]
        answer = self.cluster.ask("model", "compress", "tabular@champion", "--form", "dynamic", *bound)
        self.assertEqual((answer["from"], answer["version"], answer["form"]), (1, 2, "dynamic"), answer)
        self.assertEqual([row["form"] for row in answer["forms"]], ["f32", "dynamic"])
        self.assertIn("compressed agrees in 0.9", answer["gates"][-1]["gate"])
        shown = self.cluster.ask("model", "show", "tabular/2")
        self.assertEqual((shown["tags"]["compressed_from"], shown["tags"]["form"]), ("1", "dynamic"))
        self.assertEqual(self.cluster.ask("model", "show", "tabular")["aliases"], {"champion": 1})
        refused = self.cluster.muster("model", "compress", "tabular@champion", "--form", "prune=0.95", "--agreement",
                                      "1", "--drop", "0")
        self.assertEqual(refused.code, 1, refused)
        self.assertIn("no version was made", refused.out)
        self.assertIn("prune=0.95", refused.out)
        wrong = self.cluster.muster("model", "compress", "tabular@champion", "--form", "int4")
        self.assertEqual(wrong.code, 2, wrong)

    def test_ResNet_PixelsInBytes_IsJudgedByAccuracy(self):
        draw = random.Random(3)
        labels = [i % 3 for i in range(90)]
        pixels = [min(255, 80 * label + draw.randrange(60)) for label in labels for _ in range(3 * 64)]
        self.convert("images", images=(pixels, "u8", "3,8,8"), labels=(labels, "i64", ""))
        gates = self.promoted("resnet", *flags(classes=3, width=4, crop=1, batch_size=16, epochs=2))
        self.assertGreaterEqual(gates["better than champion on test/accuracy"]["seen"], 0.2)

    def test_TwoTower_ThreeInputsTwoOutputs_IsJudgedByRecall(self):
        draw = random.Random(4)
        tastes = [draw.randrange(4) for _ in range(300)]
        item = [1 + taste * 10 + draw.randrange(10) for taste in tastes]
        history = [1 + taste * 10 + draw.randrange(10) for taste in tastes for _ in range(5)]
        self.convert("views", history=(history, "i32", "5"), item=(item, "i32", ""),
                     genres=([1 + taste for taste in tastes], "i32", "1"))
        gates = self.promoted("two_tower", *flags(items=40, genres=4, width=16, lr=0.02, batch_size=32, epochs=3))
        # By chance 10 of some 35 candidates: 0.29.
        self.assertGreater(gates["better than champion on test/recall_at_10"]["seen"], 0.4)


if __name__ == "__main__":
    unittest.main()
