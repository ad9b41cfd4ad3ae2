"""muster monitor on rows of a table: as before, moved, in two parts, and what is wrong.

usage: cli_test.py MUSTER BASELINE
"""
import csv
import json
import pathlib
import random
import subprocess
import sys
import tempfile

MUSTER, BASELINE = sys.argv[1:]


def muster(*arguments, wanted=0):
    done = subprocess.run([MUSTER, "--json", "monitor", *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == wanted, (arguments, done.returncode, done.stdout, done.stderr)
    return done


def write(file, columns, rows, seed, move=False):
    """Rows whose columns are drawn from the baseline's; moved, half of each column's values are its largest."""
    draw = random.Random(seed)
    with file.open("w", newline="") as out:
        table = csv.writer(out)
        table.writerow([column["name"] for column in columns] + ["prediction", "label"])
        for _ in range(rows):
            values = [draw.choices(c["values"]["values"], c["values"]["counts"])[0] for c in columns]
            if move and draw.random() < 0.5:
                values = [c["max"] for c in columns]
            table.writerow(values + [draw.randrange(10), draw.randrange(10)])


def main():
    columns = json.loads(pathlib.Path(BASELINE).read_text())["inputs"][0]["columns"]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for part in (1, 2):
            write(folder / f"{part}.csv", columns, 300, part)
            report = json.loads(muster("report", "--model", BASELINE, "--in", folder / f"{part}.csv",
                                       "--out", folder / f"{part}.json").stdout)
            assert report["inputs"]["drifted"] == 0 and report["metrics"]["rows"] == 300, report["inputs"]
            assert report["performance"]["labelled"] == 300 and report["performance"]["accuracy"] < 0.2
        muster("merge", "--model", BASELINE, folder / "1.json", folder / "2.json", "--out", folder / "sum.json")
        both = [json.loads(muster("report", "--model", BASELINE, *windows).stdout)["metrics"] for windows in
                (["--window", folder / "sum.json"], ["--window", folder / "2.json", folder / "1.json"])]
        assert both[0] == both[1] and both[0]["rows"] == 600, both

        write(folder / "moved.csv", columns, 300, 3, move=True)
        moved = json.loads(muster("report", "--model", BASELINE, "--in", folder / "moved.csv", "--check", wanted=1).stdout)
        assert moved["inputs"]["drifted"] > 30, moved["inputs"]["drifted"]
        (folder / "lax.yaml").write_text("monitor:\n  drift: {category_bound: 1}\n")
        muster("report", "--model", BASELINE, "--in", folder / "moved.csv", "--settings", folder / "lax.yaml")

        (folder / "other.csv").write_text("a,b\n1,2\n")
        refused = muster("report", "--model", BASELINE, "--in", folder / "other.csv", wanted=2)
        assert "no column 'input[0]'" in refused.stderr, refused.stderr
        muster("report", "--model", BASELINE, wanted=2)


main()
