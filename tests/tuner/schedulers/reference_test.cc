// Trees against scans: what the rules say, computed from the whole history at each report.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>

#include "tests/tuner/schedulers/schedule_rig.h"
#include "tuner/schedulers/halving.h"
#include "tuner/schedulers/quantile.h"

namespace muster::tuner {
namespace {

/// The first losses that trials brought to a level, read from the changes; those of trials that left are gone.
std::map<std::int64_t, double> RungByScan(const History& history, std::int64_t level) {
  std::map<std::int64_t, double> rung;
  for (const Change& change : history.changes()) {
    if (change.kind != ChangeKind::kReport || change.step < level) continue;
    rung.emplace(change.trial, history.losses(change)[0]);
  }
  std::erase_if(rung, [&](const auto& entry) {
    const Trial& trial = history.At(entry.first);
    return trial.broke() || trial.state == TrialState::kLost;
  });
  return rung;
}

std::int64_t RankByScan(const std::map<std::int64_t, double>& rung, std::int64_t trial) {
  return std::ranges::count_if(rung, [&](const auto& other) {
    return std::pair(other.second, other.first) < std::pair(rung.at(trial), trial);
  });
}

Play Rough(std::uint64_t seed) {
  return {.trials = 80,
          .workers = 5,
          .most_jump = 5,
          .failing = 0.02,
          .lost = 0.02,
          .nan = 0.05,
          .seed = seed};
}

/// Plays a search back up to each thing that was said of it.
template <class Check>
void Along(const SearchSpec& spec, const Played& played, const Check& check) {
  History again(spec.goals);
  std::size_t changes = 0;
  for (const Said& said : played.said) {
    while (again.position() < said.position) {
      Again(played.history.changes()[changes++], played.history, again);
    }
    check(said, again);
  }
}

TEST(AshaStop, DecidesAsAScanDoes) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const SearchSpec spec = StopSpec(R"({"asha":{"max":27,"eta":2}})");
    auto asha = SchedulerOf(spec);
    std::map<std::int64_t, std::int64_t> before;  // the step that a running attempt had come to
    std::int64_t stops = 0;
    std::size_t seen = 0;
    Along(spec, PlayOut(spec, *asha, Rough(seed)), [&](const Said& said, const History& history) {
      for (; seen + 1 < history.changes().size(); ++seen) {
        const Change& change = history.changes()[seen];
        if (change.kind == ChangeKind::kRewind) before[change.trial] = change.step;
        if (change.kind == ChangeKind::kReport) before[change.trial] = change.step;
      }
      if (!said.judged) return;
      const std::int64_t now = history.changes().back().step;
      bool goes_on = true;
      for (const std::int64_t level : {1, 2, 4, 8, 16}) {
        if (level > now || level <= before[said.asked]) continue;
        const auto rung = RungByScan(history, level);
        const auto share = std::max<std::int64_t>(1, static_cast<std::int64_t>(rung.size()) / 2);
        goes_on = goes_on && RankByScan(rung, said.asked) < share;
      }
      EXPECT_EQ(said.verdict, goes_on ? Verdict::kContinue : Verdict::kStop)
          << "trial " << said.asked << " at " << now;
      stops += goes_on ? 0 : 1;
    });
    EXPECT_GT(stops, 20);
  }
}

TEST(AshaPromote, WhatGoesOnIsAmongTheBestOfItsRung_AndTheHighestComesFirst) {
  const std::vector<std::int64_t> levels{1, 3, 9};
  std::int64_t resumed = 0;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const SearchSpec spec = StopSpec(R"({"asha":{"max":27,"mode":"promote"}})");
    auto asha = SchedulerOf(spec);
    Along(spec, PlayOut(spec, *asha, Rough(seed)), [&](const Said& said, const History& history) {
      if (said.judged || said.asked == kNoNewTrial) return;
      // By hand: the highest rung with a paused trial that is among its best third, and the best such one.
      std::optional<std::int64_t> wanted;
      for (auto level = levels.rbegin(); level != levels.rend() && !wanted; ++level) {
        const auto rung = RungByScan(history, *level);
        std::int64_t best = static_cast<std::int64_t>(rung.size()) / 3;
        for (const auto& [number, loss] : rung) {
          if (history.At(number).state != TrialState::kPaused) continue;
          const auto next = level == levels.rbegin() ? 28 : level[-1];
          if (RungByScan(history, next).contains(number)) continue;  // it waits higher up
          const std::int64_t rank = RankByScan(rung, number);
          if (rank >= best) continue;
          best = rank;
          wanted = number;
        }
      }
      EXPECT_EQ(said.choice.kind == Choice::Kind::kResume, wanted.has_value());
      if (wanted) {
        EXPECT_EQ(said.choice.trial, *wanted);
        ++resumed;
      }
    });
  }
  EXPECT_GT(resumed, 50);
}

TEST(Quantile, DecidesAsAScanDoes) {
  for (const double percent : {50.0, 30.0}) {
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
      SearchSpec spec = StopSpec("{}");
      spec.stop["percentile"] = {{"percentile", percent}, {"startup_trials", 3}};
      auto rule = SchedulerOf(spec);
      std::int64_t stops = 0;
      Along(spec, PlayOut(spec, *rule, Rough(seed)), [&](const Said& said, const History& history) {
        if (!said.judged) return;
        const Trial& trial = history.At(said.asked);
        const std::int64_t step = trial.reports.back().step;
        std::vector<double> others;
        for (const Trial& other : history.trials()) {
          if (other.state != TrialState::kComplete) continue;
          const auto at = std::ranges::find_if(
              other.reports, [&](const Report& report) { return report.step >= step; });
          if (at != other.reports.end()) others.push_back(at->loss);
        }
        double best = INFINITY;
        for (const auto& report : trial.reports) best = std::min(best, report.loss);
        bool stop = false;
        if (others.size() >= 3) {
          std::ranges::sort(others);
          const double place = percent / 100 * static_cast<double>(others.size() - 1);
          const double low = others[static_cast<std::size_t>(std::floor(place))];
          const double high = others[static_cast<std::size_t>(std::ceil(place))];
          const double part = place - std::floor(place);
          const double limit = low == high ? low : low * (1 - part) + high * part;
          stop = best > limit || std::isinf(best);
        }
        EXPECT_EQ(said.verdict, stop ? Verdict::kStop : Verdict::kContinue);
        stops += stop ? 1 : 0;
      });
      EXPECT_GT(stops, 5);
    }
  }
}

/// Entries looked at by a search of n trials that each report at every rung, divided by its reports.
template <class Rule>
double CostOfAReport(Rule& rule, std::int64_t trials, std::int64_t steps) {
  History history;
  Random random(4);
  std::int64_t reports = 0;
  for (std::int64_t number = 0; number < trials; ++number) {
    history.Start(number, {});
    Verdict verdict = Verdict::kContinue;
    for (std::int64_t step = 1; step <= steps && verdict == Verdict::kContinue; ++step) {
      history.AddReport(number, step, std::array{random.Uniform()});
      verdict = rule.Judge(number, history);
      ++reports;
    }
    if (verdict == Verdict::kPause) {
      history.Pause(number);
    } else {
      const bool stop = verdict == Verdict::kStop;
      history.Finish(number, stop ? Outcome{TrialState::kPruned, {}, {}}
                                  : Outcome{TrialState::kComplete, {0}, {}});
    }
    (void)rule.Choose(number + 1, history);
  }
  return static_cast<double>(rule.visits()) / static_cast<double>(reports);
}

// 2 ln n is 18 at 10,000 and 23 at 100,000: a report that cost a scan would cost ten times more of it.
TEST(Schedulers, AReportCostsALogarithm) {
  const auto asha = [](std::int64_t trials, bool promote) {
    SuccessiveHalving rule({.max = 27, .promote = promote, .trials = trials});
    return CostOfAReport(rule, trials, 10);
  };
  EXPECT_LT(asha(100'000, false), 1.5 * asha(10'000, false));
  const double promote = asha(100'000, true);
  EXPECT_LT(promote, 1.5 * asha(10'000, true));
  EXPECT_LT(promote, 1000);
  QuantileRule few({}), many({});
  EXPECT_LT(CostOfAReport(many, 20'000, 5), 1.5 * CostOfAReport(few, 2'000, 5));
}

}  // namespace
}  // namespace muster::tuner
