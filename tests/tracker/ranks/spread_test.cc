#include "tracker/ranks/spread.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "runtime/base/random.h"

namespace muster::tracker {
namespace {

using testing::IsEmpty;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

using Values = std::map<int, std::map<std::int64_t, double>>;  // rank, step

RankCurves CurvesOf(const Values& ranks, const ChartWindow& window) {
  RankCurves curves{.window = window};
  for (const auto& [rank, points] : ranks) {
    Chart chart(window);
    for (const auto& [step, value] : points) chart.Add(Point{1'000 + step, step, value, 0});
    curves.ranks.push_back({.place = {.rank = rank}, .columns = chart.Columns()});
  }
  return curves;
}

/// Some ranks, none of which has all steps; late ones end early, one may have nothing.
Values RandomValues(Random& random, std::int64_t steps) {
  Values ranks;
  for (std::uint64_t i = random.Below(9); i > 0; --i) {
    auto& points = ranks[static_cast<int>(random.Below(50))];
    const auto end = static_cast<std::int64_t>(random.Below(static_cast<std::uint64_t>(steps) + 1));
    for (std::int64_t step = 0; step < end; ++step) {
      if (random.Chance(0.2)) continue;
      // Small whole numbers, so that several are equal.
      points[step] = random.Chance(0.1)    ? kNan
                     : random.Chance(0.05) ? kInfinity
                                           : static_cast<double>(random.Below(6)) - 2;
    }
  }
  return ranks;
}

double NaiveMedian(std::vector<double> values) {
  if (values.empty()) return kNan;
  std::ranges::sort(values);
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

/// How much worse than nothing a value is, in the words of the header.
double NaiveBadness(double value, Worse worse, double median) {
  if (worse == Worse::kHigh) return value;
  return worse == Worse::kLow ? -value : std::abs(value - median);
}

void ExpectSame(double is, double wanted) {
  if (std::isnan(wanted)) {
    EXPECT_TRUE(std::isnan(is)) << is;
  } else {
    EXPECT_EQ(is, wanted);
  }
}

/// Steps [first, end) that share a column, step by step.
void ExpectColumn(const Spread& spread, const Values& ranks, std::int64_t first, std::int64_t end,
                  Worse worse) {
  std::vector<double> finite, lasts;
  std::map<int, std::vector<double>> of_rank;  // finite ones; for kFar the last value
  std::size_t with_points = 0, not_finite = 0;
  for (const auto& [rank, points] : ranks) {
    bool any = false, bad = false;
    double last = kNan;
    for (std::int64_t step = first; step < end; ++step) {
      const auto point = points.find(step);
      if (point == points.end()) continue;
      any = true;
      last = point->second;
      bad = bad || !std::isfinite(last);
      if (!std::isfinite(last)) continue;
      finite.push_back(last);
      if (worse != Worse::kFar) of_rank[rank].push_back(last);
    }
    with_points += any ? 1 : 0;
    not_finite += bad ? 1 : 0;
    if (!any || !std::isfinite(last)) continue;
    lasts.push_back(last);
    if (worse == Worse::kFar) of_rank[rank] = {last};
  }
  EXPECT_EQ(spread.ranks, with_points);
  EXPECT_EQ(spread.not_finite, not_finite);
  ExpectSame(spread.min, finite.empty() ? kNan : std::ranges::min(finite));
  ExpectSame(spread.max, finite.empty() ? kNan : std::ranges::max(finite));
  ExpectSame(spread.median, NaiveMedian(lasts));
  int worst = -1;
  double most = -kInfinity;
  for (const auto& [rank, values] : of_rank) {
    for (const double value : values) {
      const double badness = NaiveBadness(value, worse, spread.median);
      if (badness <= most) continue;
      most = badness;
      worst = rank;
    }
  }
  EXPECT_EQ(spread.worst, worst);
}

TEST(Spread, RandomRanks_AreAsCountedOneByOne) {
  Random random(7);
  for (int round = 0; round < 400; ++round) {
    const std::int64_t steps = 1 + static_cast<std::int64_t>(random.Below(40));
    const std::int64_t width = 1 + static_cast<std::int64_t>(random.Below(4));
    const Values ranks = RandomValues(random, steps);
    const auto columns = static_cast<std::size_t>((steps + width - 1) / width);
    const ChartWindow window{
        .begin = 0, .end = static_cast<std::int64_t>(columns) * width - 1, .pixels = columns};
    const auto worse = static_cast<Worse>(random.Below(3));
    const auto spreads = SpreadOf(CurvesOf(ranks, window), worse);
    auto spread = spreads.begin();
    for (std::int64_t first = 0; first < steps; first += width) {
      const bool any = std::ranges::any_of(ranks, [&](const auto& rank) {
        const auto from = rank.second.lower_bound(first);
        return from != rank.second.end() && from->first < first + width;
      });
      if (!any) continue;
      ASSERT_NE(spread, spreads.end());
      EXPECT_GE(spread->first_step, first);
      EXPECT_LT(spread->last_step, first + width);
      ExpectColumn(*spread++, ranks, first, first + width, worse);
    }
    EXPECT_EQ(spread, spreads.end());
  }
}

TEST(Spread, NoRank_HasNoColumn) { EXPECT_THAT(SpreadOf({}, Worse::kHigh), IsEmpty()); }

TEST(Spread, OnlyNotFinite_HasNoWorst) {
  const auto spreads = SpreadOf(
      CurvesOf({{3, {{0, kNan}}}, {4, {{0, kInfinity}}}}, {.begin = 0, .end = 0, .pixels = 1}),
      Worse::kHigh);
  ASSERT_EQ(spreads.size(), 1U);
  EXPECT_EQ(spreads[0].ranks, 2U);
  EXPECT_EQ(spreads[0].not_finite, 2U);
  EXPECT_EQ(spreads[0].worst, -1);
  EXPECT_TRUE(std::isnan(spreads[0].min) && std::isnan(spreads[0].max));
  EXPECT_TRUE(std::isnan(spreads[0].median));
}

TEST(WorseOf, Names_TellTimesFromRates) {
  for (const char* key :
       {"seconds", "step_time", "train/step_seconds", "data.wait", "Latency ms"}) {
    EXPECT_EQ(WorseOf(key), Worse::kHigh) << key;
  }
  for (const char* key : {"samples_per_second", "throughput", "tokens/per/s"}) {
    EXPECT_EQ(WorseOf(key), Worse::kLow) << key;
  }
  for (const char* key : {"loss", "timeline", "", "error_rate"}) {
    EXPECT_EQ(WorseOf(key), Worse::kFar) << key;
  }
}

TEST(RankColumns, ManyPoints_GetColumnsThatBucketsFit) {
  EXPECT_EQ(RankColumns(200, 300, 300 * 1'000), 200U);
  EXPECT_EQ(RankColumns(200, 300, 300 * 10'000), 39U);
  EXPECT_EQ(RankColumns(20, 300, 300 * 10'000), 20U);
  EXPECT_EQ(RankColumns(200, 300, 300 * 1'000'000), 200U);
  EXPECT_EQ(RankColumns(200, 10'000, 500'000), 1U);
}

}  // namespace
}  // namespace muster::tracker
