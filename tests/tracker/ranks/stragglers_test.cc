#include "tracker/ranks/stragglers.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

namespace muster::tracker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// `count` points of the value, every 10 steps and every 1,000 ms, the last at `last_step`.
RankCurve Rank(int rank, std::int64_t last_step, double value, std::size_t count = 8) {
  RankCurve curve{.place = {.rank = rank}};
  for (std::size_t i = 0; i < count; ++i) {
    const std::int64_t step = last_step - 10 * static_cast<std::int64_t>(count - 1 - i);
    curve.recent.push_back({100 * step, step, value, 0});
  }
  curve.last = curve.recent.back();
  return curve;
}

std::vector<int> Slow(const std::vector<RankCurve>& curves, Worse worse) {
  std::vector<int> slow;
  for (const RankVerdict& rank : JudgeRanks(curves, worse, 0).ranks) {
    if (rank.slow) slow.push_back(rank.rank);
  }
  return slow;
}

std::vector<int> Lagging(const std::vector<RankCurve>& curves, std::int64_t now_ms) {
  std::vector<int> lagging;
  for (const RankVerdict& rank : JudgeRanks(curves, Worse::kFar, now_ms).ranks) {
    if (rank.lags) lagging.push_back(rank.rank);
  }
  return lagging;
}

TEST(Stragglers, NoRanks_HaveNoVerdicts) {
  const Verdicts verdicts = JudgeRanks({}, Worse::kHigh, 0);
  EXPECT_THAT(verdicts.ranks, IsEmpty());
  EXPECT_TRUE(std::isnan(verdicts.limit));
}

TEST(Stragglers, AllAlike_NoneIsSlow) {
  EXPECT_THAT(Slow({Rank(0, 100, 1.0), Rank(1, 100, 1.05), Rank(2, 100, 0.99)}, Worse::kHigh),
              IsEmpty());
}

TEST(Stragglers, AValueFarBeyondTheOthers_IsSlow) {
  const std::vector<RankCurve> curves = {Rank(0, 100, 1.0), Rank(1, 100, 1.01), Rank(7, 100, 1.5),
                                         Rank(9, 100, 0.99)};
  EXPECT_THAT(Slow(curves, Worse::kHigh), ElementsAre(7));
  EXPECT_THAT(Slow(curves, Worse::kLow), IsEmpty());
  EXPECT_THAT(Slow(curves, Worse::kFar), IsEmpty());
}

TEST(Stragglers, WhereLowIsWorse_TheSmallestIsSlow) {
  EXPECT_THAT(Slow({Rank(0, 100, 80), Rank(1, 100, 100), Rank(2, 100, 101), Rank(3, 100, 102)},
                   Worse::kLow),
              ElementsAre(0));
}

TEST(Stragglers, WhereRanksDifferAnyway_ItTakesFiveMads) {
  // Median 3, MAD 1: the limit is 8.
  const auto with = [](double value) {
    return std::vector<RankCurve>{Rank(0, 9, 1), Rank(1, 9, 2), Rank(2, 9, 3), Rank(3, 9, 4),
                                  Rank(4, 9, value)};
  };
  EXPECT_EQ(JudgeRanks(with(8), Worse::kHigh, 0).limit, 8);
  EXPECT_THAT(Slow(with(8), Worse::kHigh), IsEmpty());
  EXPECT_THAT(Slow(with(8.01), Worse::kHigh), ElementsAre(4));
}

TEST(Stragglers, ATenthMore_IsNoStraggler) {
  EXPECT_THAT(Slow({Rank(0, 9, 1), Rank(1, 9, 1), Rank(2, 9, 1.1)}, Worse::kHigh), IsEmpty());
  EXPECT_THAT(Slow({Rank(0, 9, 1), Rank(1, 9, 1), Rank(2, 9, 1.11)}, Worse::kHigh), ElementsAre(2));
}

TEST(Stragglers, TwoRanks_CannotBeToldApart) {
  const std::vector<RankCurve> curves = {Rank(0, 9, 1), Rank(1, 9, 100)};
  EXPECT_THAT(Slow(curves, Worse::kHigh), IsEmpty());
  EXPECT_TRUE(std::isnan(JudgeRanks(curves, Worse::kHigh, 0).limit));
}

TEST(Stragglers, NotFiniteValues_DoNotCount) {
  RankCurve odd = Rank(1, 100, 1.0);
  odd.recent[2].value = kNan;
  odd.recent[3].value = std::numeric_limits<double>::infinity();
  const Verdicts verdicts =
      JudgeRanks({Rank(0, 100, 1.0), odd, Rank(2, 100, kNan), Rank(3, 100, 2.0)}, Worse::kHigh, 0);
  EXPECT_EQ(verdicts.ranks[1].recent, 1.0);
  EXPECT_TRUE(std::isnan(verdicts.ranks[2].recent));
  EXPECT_FALSE(verdicts.ranks[2].slow);
  EXPECT_TRUE(verdicts.ranks[3].slow);
}

TEST(Stragglers, OneIntervalBehind_LagsOnceTheOthersAreSilent) {
  const std::vector<RankCurve> curves = {Rank(0, 200, 1), Rank(1, 190, 1), Rank(2, 200, 1)};
  // The foremost point is of 20,000 ms, an interval takes 1,000.
  EXPECT_THAT(Lagging(curves, 22'900), IsEmpty());
  EXPECT_THAT(Lagging(curves, 23'001), ElementsAre(1));
}

TEST(Stragglers, TwoIntervalsBehind_LagsAtOnce) {
  const std::vector<RankCurve> curves = {Rank(0, 200, 1), Rank(1, 190, 1), Rank(2, 180, 1)};
  EXPECT_THAT(Lagging(curves, 20'000), ElementsAre(2));
  EXPECT_EQ(JudgeRanks(curves, Worse::kFar, 0).ranks[2].behind, 20);
}

TEST(Stragglers, ARankWithOnePoint_LagsByTheOthersInterval) {
  EXPECT_THAT(Lagging({Rank(0, 200, 1), Rank(1, 200, 1), Rank(2, 10, 1, 1)}, 0), ElementsAre(2));
  EXPECT_THAT(Lagging({Rank(0, 1, 1, 1), Rank(1, 1, 1, 1)}, 1'000'000), IsEmpty());
}

TEST(Stragglers, StepsAsFarApartAsNumbersGo_AreJudged) {
  using Limits = std::numeric_limits<std::int64_t>;
  RankCurve low = Rank(0, 0, 1, 1), high = Rank(1, 0, 1, 1);
  low.last.step = low.recent[0].step = Limits::min();
  high.last.step = high.recent[0].step = Limits::max();
  EXPECT_THAT(Lagging({low, high}, Limits::max()), ElementsAre(0));
}

}  // namespace
}  // namespace muster::tracker
