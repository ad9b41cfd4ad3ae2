"""`muster predict` against ONNX Runtime and numpy: tables, HDF5, wrong rows, kill -9 at random times.

usage: predict_test.py MUSTER     (MUSTER_KILL_ROUNDS=N for more than a few kills)
"""

import csv
import io
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

MUSTER = sys.argv[1]
ROUNDS = int(os.environ.get("MUSTER_KILL_ROUNDS", 6))
CLASSIFIER = {"metadata": {"component": {"modelCard": {"modelParameters": {"task": "tabular-classification"}}}}}


def save(folder, nodes, inputs, outputs, weights=()):
    graph = helper.make_graph(nodes, "g", inputs, outputs, [numpy_helper.from_array(v, k) for k, v in weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    folder.mkdir(parents=True)
    onnx.save(model, folder / "model.onnx")


def tensor(name, kind, *shape):
    return helper.make_tensor_value_info(name, kind, list(shape))


def read_csv(text):
    return list(csv.DictReader(io.StringIO(text)))


def figures(rows, name, width):
    return numpy.array([[float(row[f"{name}[{i}]"]) for i in range(width)] for row in rows], numpy.float32)


class PredictTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="mst-predict-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        random_ = numpy.random.default_rng(7)
        cls.weights = random_.normal(size=(4, 3)).astype(numpy.float32)
        save(cls.folder / "line", [helper.make_node("MatMul", ["x", "w"], ["logits"])],
             [tensor("x", TensorProto.FLOAT, "N", 4)], [tensor("logits", TensorProto.FLOAT, "N", 3)],
             [("w", cls.weights)])
        shutil.copytree(cls.folder / "line", cls.folder / "classes")
        (cls.folder / "classes" / "ml-bom.json").write_text(json.dumps(CLASSIFIER))
        # Two inputs of two types, two outputs of two shapes.
        save(cls.folder / "two",
             [helper.make_node("Cast", ["id"], ["f"], to=TensorProto.FLOAT),
              helper.make_node("Reshape", ["f", "shape"], ["column"]),
              helper.make_node("Add", ["x", "column"], ["sum"]),
              helper.make_node("Mul", ["id", "id"], ["square"])],
             [tensor("x", TensorProto.FLOAT, "N", 2), tensor("id", TensorProto.INT64, "N")],
             [tensor("sum", TensorProto.FLOAT, "N", 2), tensor("square", TensorProto.INT64, "N")],
             [("shape", numpy.array([-1, 1], numpy.int64))])
        save(cls.folder / "fixed", [helper.make_node("MatMul", ["x", "w"], ["y"])],
             [tensor("x", TensorProto.FLOAT, 8, 4)], [tensor("y", TensorProto.FLOAT, 8, 3)], [("w", cls.weights)])
        cls.rows = random_.normal(size=(1000, 4)).astype(numpy.float32)
        cls.labels = random_.integers(0, 3, 1000)

    def write(self, name, lines):
        path = self.folder / name
        path.write_text("\n".join(lines) + "\n")
        return path

    def command(self, *words):
        return [MUSTER, "--home", str(self.folder / "home"), *map(str, words)]

    def muster(self, *words, code=0):
        done = subprocess.run(self.command(*words), capture_output=True, text=True)
        self.assertEqual(done.returncode, code, f"{words}: {done.stdout}{done.stderr}")
        return done

    def predict(self, model, source, *flags, out="out.csv"):
        out = self.folder / out
        summary = json.loads(self.muster("--json", "predict", "--model", self.folder / model, "--in", source, "--out",
                                         out, *flags).stdout)
        self.assertEqual(list(self.folder.glob(out.name + ".part*")), [])
        return summary, out.read_text()

    def table(self, name="rows.csv", header="id,a,b,c,d,labels", rows=None):
        rows = self.rows if rows is None else rows
        lines = [",".join([f"r{i}", *map(repr, map(float, row)), str(self.labels[i % 1000])])
                 for i, row in enumerate(rows)]
        return self.write(name, ([header] if header else []) + lines)

    # --- what is written --------------------------------------------------------------------------------------
    def test_Table_OneInput_AnswersAsOnnxRuntime(self):
        summary, text = self.predict("classes", self.table(), "--keep-columns", "id")
        session = onnxruntime.InferenceSession(self.folder / "line" / "model.onnx")
        logits = session.run(None, {"x": self.rows})[0]
        exponents = numpy.exp(logits.astype(numpy.float64))
        best = logits.argmax(1)
        rows = read_csv(text)
        self.assertEqual(text.splitlines()[0], "row,id,class,label,probability,logits[0],logits[1],logits[2]")
        self.assertEqual([(r["row"], r["id"]) for r in rows], [(str(i), f"r{i}") for i in range(1000)])
        numpy.testing.assert_allclose(figures(rows, "logits", 3), logits, atol=1e-5)
        self.assertEqual([int(r["class"]) for r in rows], best.tolist())
        self.assertEqual([int(r["label"]) for r in rows], self.labels.tolist())
        numpy.testing.assert_allclose([float(r["probability"]) for r in rows],
                                      exponents.max(1) / exponents.sum(1), rtol=1e-5)
        self.assertEqual((summary["rows"], summary["skipped"], summary["model_version"]), (1000, 0, "1"))
        self.assertAlmostEqual(summary["accuracy"], (best == self.labels).mean(), places=9)

    def test_Table_WithoutHeader_LastColumnIsTheLabel(self):
        lines = [",".join([*map(repr, map(float, row)), str(label)]) for row, label in zip(self.rows, self.labels)]
        _, text = self.predict("line", self.write("plain.csv", lines))
        self.assertEqual(text.splitlines()[0], "row,class,label,logits[0],logits[1],logits[2]")
        numpy.testing.assert_allclose(figures(read_csv(text), "logits", 3), self.rows @ self.weights, atol=1e-5)

    def test_Columns_ByName_AnyOrderAndSeveralTypes(self):
        source = self.write("two.csv", ["x[1],note,id,x[0]", '2.5,"a, ""b""",40000,1', "-1,,3.0,nan"])
        summary, text = self.predict("two", source, "--keep-columns", "note", out="two.jsonl")
        rows = [json.loads(line) for line in text.splitlines()]
        self.assertEqual(rows[0]["note"], 'a, "b"')
        self.assertEqual((rows[0]["square"], rows[0]["sum"]), (1600000000, [40001, 40002.5]))
        self.assertEqual((rows[1]["square"], rows[1]["sum"]), (9, ["NaN", 2]))
        self.assertEqual(summary["rows"], 2)
        _, text = self.predict("two", source, "--outputs", "square")
        self.assertEqual(text.splitlines()[0], "row,class,square")

    def test_FixedBatch_LastRowsArePadded(self):
        _, text = self.predict("fixed", self.table("odd.csv", "id,x[0],x[1],x[2],x[3],labels", self.rows[:21]))
        rows = read_csv(text)
        self.assertEqual(len(rows), 21)
        numpy.testing.assert_allclose(figures(rows, "y", 3), self.rows[:21] @ self.weights, atol=1e-5)

    def test_ThreadsAndSync_ChangeNothing(self):
        source = self.table()
        texts = {self.predict("line", source, "--keep-columns", "id", "--batch-rows", 64, *flags)[1] for flags in
                 ((), ("--threads", "1"), ("--threads", "5"), ("--sync-seconds", "0"))}
        self.assertEqual(len(texts), 1)

    def test_Empty_IsAHeader(self):
        self.assertEqual(self.predict("line", self.write("none.csv", ["a,b,c,d"])),
                         ({"rows": 0, "skipped": 0, "out": str(self.folder / "out.csv"), "model_version": "1"}, "row\n"))

    def test_Hdf5_FieldsByName_AsTheTable(self):
        for name, array in (("x", self.rows), ("labels", self.labels)):
            numpy.save(self.folder / f"{name}.npy", array)
        self.muster("data", "convert", self.folder / "rows.h5", f"x={self.folder}/x.npy",
                    f"labels={self.folder}/labels.npy")
        _, of_file = self.predict("classes", self.folder / "rows.h5")
        _, of_table = self.predict("classes", self.table(), "--keep-columns", "id", out="table.csv")
        self.assertEqual(of_file, "".join(",".join(line.split(",")[:1] + line.split(",")[2:])
                                          for line in of_table.splitlines(True)))

    def test_Server_ByUrl_AnswersTheSame(self):
        source = self.write("url.csv", ["id,x[0],x[1]"] + [f"{i},{i * .5},{-i}" for i in range(300)])
        port_file = self.folder / "port"
        server = subprocess.Popen(self.command("serve", "--model", self.folder / "two", "--port", 0, "--port-file",
                                               port_file), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 30
            while not port_file.exists() and time.monotonic() < deadline:
                time.sleep(0.01)
            url = f"http://127.0.0.1:{port_file.read_text().strip()}/v2/models/two"
            while time.monotonic() < deadline:
                with urllib.request.urlopen(url + "/ready") as answer:
                    if answer.status == 200:
                        break
            self.muster("predict", "--model", url, "--in", source, "--out", self.folder / "url.out.csv")
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(30)
        self.assertEqual((self.folder / "url.out.csv").read_text(), self.predict("two", source)[1])

    # --- wrong rows -------------------------------------------------------------------------------------------
    def test_WrongRow_NamesFileLineAndColumn(self):
        source = self.write("bad.csv", ["a,b,c,d", "1,2,3,4", "1,2,3", "1,abc,3,4", '1,"2"x,3,4', "", "5,6,7,8"])
        failed = self.muster("predict", "--model", self.folder / "line", "--in", source, "--out",
                             self.folder / "no.csv", code=2)
        self.assertIn(f"{source}:3: has 3 columns; wanted 4; --skip-bad FILE", failed.stderr)
        self.assertFalse((self.folder / "no.csv").exists())
        summary, text = self.predict("line", source, "--skip-bad", self.folder / "skipped.csv", "--batch-rows", 2)
        self.assertEqual([row["row"] for row in read_csv(text)], ["0", "4"])
        skipped = read_csv((self.folder / "skipped.csv").read_text())
        self.assertEqual([(row["line"], row["record"]) for row in skipped],
                         [("3", "1,2,3"), ("4", "1,abc,3,4"), ("5", '1,"2"x,3,4')])
        self.assertEqual(skipped[1]["why"], "column 2 (b) is 'abc'; wanted a number for FP32")
        self.assertEqual((summary["rows"], summary["skipped"]), (2, 3))

    def test_WrongColumns_SayWhatIsWanted(self):
        for header, flags, wanted in (
                ("a,b,c", (), "input 'x' is [-1,4], which 3 columns do not fill; wanted 4"),
                ("x[0],x[1],x[3],d", (), "there is no column 'x[2]'"),
                ("a,b,c,d,id", ("--keep-columns", "name"), "there is no column 'name'"),
                ("a,b,c,a", (), "column 'a' is there twice")):
            source = self.write("wrong.csv", [header, ",".join("1" for _ in header.split(","))])
            failed = self.muster("predict", "--model", self.folder / "line", "--in", source, "--out",
                             self.folder / "no.csv", *flags,
                                 code=2)
            self.assertIn(wanted, failed.stderr)

    # --- cut off and gone on ----------------------------------------------------------------------------------
    def long_table(self):
        rows = numpy.tile(self.rows, (20, 1))
        source = self.table("long.csv", rows=rows)
        lines = source.read_text().splitlines()
        for line in range(50, len(lines), 997):
            lines[line] = "wrong"
        return self.write("long.csv", lines)

    def words(self, source, out, *flags):
        return ("predict", "--model", self.folder / "classes", "--in", source, "--out", out, "--keep-columns", "id",
                "--skip-bad", f"{out}.bad", "--batch-rows", 200, "--sync-seconds", 0, *flags)

    def cut_off(self, words, least):
        """Kills the command once it has made `least` rows safe, at a random moment; False when it was faster."""
        out = pathlib.Path(words[6])
        progress = out.with_name(out.name + ".part.json")
        process = subprocess.Popen(self.command(*words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while process.poll() is None:
                try:
                    if json.loads(progress.read_text())["rows"] >= least:
                        time.sleep(random.random() * 0.02)
                        break
                except (FileNotFoundError, json.JSONDecodeError):
                    pass
        finally:
            process.kill()
            process.wait()
        return process.returncode == -signal.SIGKILL

    def test_Killed_GoesOn_SameBytesAsUndisturbed(self):
        source = self.long_table()
        whole, cut = self.folder / "whole.csv", self.folder / "cut.csv"
        self.muster(*self.words(source, whole))
        kills = 0
        for round_ in range(ROUNDS):
            kills += self.cut_off(self.words(source, cut), round_ * 20000 // ROUNDS)
            self.assertFalse(cut.exists())
            if kills == 1:  # what was never safe does not count
                with open(f"{cut}.part", "ab") as file:
                    file.write(b"torn")
        self.assertGreater(kills, 0)
        summary = json.loads(self.muster("--json", *self.words(source, cut)).stdout)
        self.assertGreater(summary["resumed_at_row"], 0)
        self.assertEqual(cut.read_bytes(), whole.read_bytes())
        self.assertEqual(pathlib.Path(f"{cut}.bad").read_bytes(), pathlib.Path(f"{whole}.bad").read_bytes())
        self.assertEqual(list(self.folder.glob("cut.csv*.part*")), [])

    def test_Changed_InputOrModel_RefusesToGoOn(self):
        source, out = self.long_table(), self.folder / "changed.csv"
        self.assertTrue(self.cut_off(self.words(source, out), 1000))
        text = source.read_text()
        source.write_text(text.replace("r19999,", "r1999x,"))
        failed = self.muster(*self.words(source, out), code=4)
        self.assertIn("the input's SHA-256 was", failed.stderr)
        self.assertIn("begin anew with --no-resume", failed.stderr)
        source.write_text(text)
        model = self.folder / "classes" / "model.onnx"
        bytes_ = model.read_bytes()
        model.write_bytes(bytes_ + b"\x42\x00")  # a graph's doc_string would do as well: another file
        self.assertIn("the model's files' SHA-256 was", self.muster(*self.words(source, out), code=4).stderr)
        model.write_bytes(bytes_)
        self.assertIn("the options were", self.muster(*self.words(source, out, "--outputs", "logits"), code=4).stderr)
        summary = json.loads(self.muster("--json", *self.words(source, out, "--no-resume")).stdout)
        self.assertNotIn("resumed_at_row", summary)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
