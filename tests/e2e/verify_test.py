"""What `muster model verify` vouches for: the files of this version, by a key that one knows or asks for."""

import filecmp
import shutil
import unittest

import cluster


class VerifyTest(unittest.TestCase):
    """Version 1 of a sweep, and version 2, a compressed form of it: of one run, signed with one key."""

    @classmethod
    def setUpClass(cls):
        cls.cluster = cluster.Cluster()
        cls.addClassCleanup(cls.cluster.close)
        cls.cluster.digits_data()
        cls.cluster.start_server()
        outcome = cls.cluster.muster("--json", "sweep", "submit", cls.cluster.write("digits.yaml", cluster.DIGITS_SWEEP), "--wait")
        assert outcome.json()["promotion"]["version"] == 1, outcome
        made = cls.cluster.ask("model", "compress", "digits/1", "--form", "fp16", "--agreement", "0.5", "--drop", "0.5")
        assert made["version"] == 2, made
        cls.published = cls.cluster.home / "models" / "digits"

    def findings(self, *what):
        outcome = self.cluster.muster("--json", "model", "verify", *what)
        self.assertIn(outcome.code, (0, 1), outcome)
        return outcome.json()["findings"]

    def test_CompressedForm_LeavesTheFilesOfItsVersion(self):
        for version in ("1", "2"):
            out = self.cluster.work / f"export-{version}"
            self.cluster.ask("model", "export", f"digits/{version}", "--out", out)
            same = filecmp.dircmp(out, self.published / version)
            self.assertEqual((same.left_only, same.right_only, same.diff_files), ([], [], []))
            self.assertEqual(self.findings(f"digits/{version}"), [])

    def test_FilesOfAnotherVersion_AreFound(self):
        self.assertEqual(self.findings("digits/1"), [])
        (fetched,) = (self.cluster.home / "serving" / "digits").glob("1-*")
        aside = shutil.move(fetched, self.cluster.work / "aside")
        shutil.copytree(self.published / "2", fetched)
        (finding,) = self.findings("digits/1")
        self.assertIn("MLmodel: is that of another version", finding)
        shutil.rmtree(fetched)
        shutil.move(aside, fetched)

    def test_WithoutAKey_TheServerIsAsked(self):
        copy = shutil.copytree(self.published / "1", self.cluster.work / "copy")
        elsewhere = ("--home", self.cluster.work / "elsewhere")
        outcome = self.cluster.muster(*elsewhere, "model", "verify", copy)
        self.assertEqual(outcome.code, 3, outcome)
        self.assertIn("--public-key", outcome.err)
        url = self.cluster.url
        outcome = self.cluster.muster(*elsewhere, "--server", url, "model", "verify", copy)
        self.assertEqual(outcome.code, 0, outcome)
        self.assertIn(f"key: as {url} names it", outcome.out)
        (copy / "more.bin").write_bytes(b"more")
        outcome = self.cluster.muster(*elsewhere, "--server", url, "model", "verify", copy)
        self.assertEqual((outcome.code, "more.bin was not signed" in outcome.out), (1, True), outcome)


if __name__ == "__main__":
    unittest.main()
