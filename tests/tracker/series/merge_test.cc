#include "tracker/series/merge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "tests/tracker/series/series_of.h"

namespace muster::tracker {
namespace {

using testing::ElementsAre;

TEST(Points, Order_IsTimestampStepValueThenNan) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::vector<Point> sorted = {{1, 9, 0, 0},   {2, 1, -1, 0}, {2, 1, 0, 0},
                                     {2, 1, nan, 0}, {2, 1, 1, 0},  {2, 2, 0, 0}};
  std::vector<Point> points(sorted.rbegin(), sorted.rend());
  SortPoints(points);
  EXPECT_TRUE(Identical(points, sorted));
  EXPECT_TRUE(Same({1, 1, nan, 5}, {1, 1, nan, 7}));
  EXPECT_TRUE(Same({1, 1, 0.0, 0}, {1, 1, -0.0, 0}));
}

TEST(Points, MergedInAnyPieces_AreWhatOneSortGives) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Random random(seed);
    std::vector<Point> all, merged;
    for (std::uint64_t piece = 1 + random.Below(5); piece > 0; --piece) {
      std::vector<Point> points;
      for (std::uint64_t n = random.Below(30); n > 0; --n) {
        points.push_back({static_cast<std::int64_t>(random.Below(8)), 0,
                          static_cast<double>(random.Below(4)),
                          static_cast<std::int64_t>(random.Below(9))});
      }
      all.insert(all.end(), points.begin(), points.end());
      SortPoints(points);
      MergePoints(merged, points);
    }
    // Each point once, with the youngest attempt.
    std::map<std::tuple<std::int64_t, std::int64_t, double, bool>, std::int64_t> model;
    for (const Point& point : all) {
      auto [at, made] = model.emplace(point.key(), point.attempt);
      at->second = std::max(at->second, point.attempt);
    }
    ASSERT_EQ(merged.size(), model.size());
    auto expected = model.begin();
    for (const Point& point : merged) {
      EXPECT_EQ(point.key(), expected->first);
      EXPECT_EQ(point.attempt, expected->second);
      ++expected;
    }
    for (const Point& point : all) ASSERT_NE(FindPoint(merged, point), nullptr);
    EXPECT_EQ(FindPoint(merged, {99, 0, 0, 0}), nullptr);
  }
}

TEST(Points, PartsOf_AreFewAndOfOneSize) {
  EXPECT_THAT(PartsOf(1, 1024), ElementsAre(1));
  EXPECT_THAT(PartsOf(1024, 1024), ElementsAre(1024));
  EXPECT_THAT(PartsOf(1025, 1024), ElementsAre(512, 513));
  EXPECT_THAT(PartsOf(10, 4), ElementsAre(3, 3, 4));
  EXPECT_THAT(PartsOf(0, 4), ElementsAre());
}

}  // namespace
}  // namespace muster::tracker
