"""The judge sees what it is there to see: histories made by hand, each with one thing wrong."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import judge


def line(attempt, at, event="step", rank=0, step=0, trial="s/0", home="n1"):
    return {"trial": trial, "attempt": attempt, "rank": rank, "home": home, "event": event, "step": step, "at": at}


def detail(epochs=(1,), state="complete", objective=3):
    return {"s/0": {"trial": {"state": state, "message": "", "objective": objective},
                    "attempts": [{"epoch": epoch} for epoch in epochs]}}


GOOD = [line(1, 0, "start"), line(1, 1, step=1), line(1, 2, step=2), line(1, 3, step=3)]


class JudgeTest(unittest.TestCase):
    def complaints(self, lines, trials, disturbed=False):
        return judge.complaints(lines, trials, 3, lambda *_: disturbed)

    def test_GoodHistory_HasNone(self):
        self.assertEqual(self.complaints(GOOD, detail()), [])

    def test_TrialThatIsNotComplete_IsNamed(self):
        self.assertIn("s/0 is failed", self.complaints(GOOD, detail(state="failed"))[0])

    def test_OtherResultThanReported_IsNamed(self):
        self.assertIn("its result is 2", self.complaints(GOOD, detail(objective=2))[0])

    def test_RanksOfAnUnknownAttempt_AreNamed(self):
        self.assertIn("attempts [7]", self.complaints([line(7, -1), *GOOD], detail())[0])

    def test_RankThatStartsTwice_IsNamed(self):
        self.assertIn("started 2 times", self.complaints([*GOOD, line(1, 4, "start")], detail())[0])

    def test_AttemptOnTwoNodes_IsNamed(self):
        self.assertIn("two nodes", self.complaints([*GOOD, line(1, 4, home="n2")], detail())[0])

    def test_OlderAttemptThatGoesOn_IsNamedUnlessItsAgentCouldNotEndIt(self):
        lines = [*GOOD, line(2, 2.5, "start", home="n2"), line(2, 5, step=3, home="n2")]
        self.assertIn("beside a newer", self.complaints(lines, detail((1, 2)))[0])
        self.assertEqual(self.complaints(lines, detail((1, 2)), disturbed=True), [])

    def test_NewestAttemptThatNeverRan_IsNamed(self):
        self.assertIn("never ran", self.complaints(GOOD, detail((1, 2)))[0])


if __name__ == "__main__":
    unittest.main()
