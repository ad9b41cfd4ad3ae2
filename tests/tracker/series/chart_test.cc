#include "tracker/series/chart.h"

#include <gtest/gtest.h>

#include <map>

#include "tests/tracker/series/series_of.h"

namespace muster::tracker {
namespace {

/// A steady curve with spikes, NaNs and infinities.
std::vector<Point> Curve(Random& random, std::int64_t count) {
  std::vector<Point> points;
  for (std::int64_t i = 0; i < count; ++i) {
    double value = random.Normal();
    if (random.Chance(0.001)) value *= 1'000;
    if (random.Chance(0.001)) value = std::numeric_limits<double>::quiet_NaN();
    if (random.Chance(0.001)) value = std::numeric_limits<double>::infinity();
    points.push_back({1'000 + 10 * i, i - 50, value, 0});
  }
  return points;
}

Bucket Of(std::span<const Point> points) {
  Bucket bucket;
  for (const Point& point : points) bucket.Add(point);
  bucket.last = 0;  // may be NaN, which is not equal to itself
  return bucket;
}

TEST(Chart, PointByPoint_EachColumnIsTheBucketOfItsPoints) {
  Random random(3);
  const auto points = Curve(random, 1'000);
  // 100 columns of 10 steps each.
  Chart chart({.axis = Axis::kStep, .begin = -50, .end = 949, .pixels = 100});
  for (const Point& point : points) chart.Add(point);
  auto columns = chart.Columns();
  ASSERT_EQ(columns.size(), 100U);
  for (std::size_t i = 0; i < columns.size(); ++i) {
    columns[i].last = 0;
    EXPECT_EQ(columns[i], Of(std::span(points).subspan(10 * i, 10))) << "column " << i;
  }
}

TEST(Chart, OutsideTheWindow_IsLeftOut) {
  Random random(4);
  const auto points = Curve(random, 1'000);
  Chart chart({.axis = Axis::kTime, .begin = 2'000, .end = 2'990, .pixels = 7});
  for (const Point& point : points) chart.Add(point);
  Bucket all;
  for (const Bucket& column : chart.Columns()) all.Add(column);
  all.last = 0;
  EXPECT_EQ(all, Of(std::span(points).subspan(100, 100)));
}

TEST(Chart, StepsThatGoBack_LeaveTheLargestLast) {
  Chart chart({.axis = Axis::kStep, .begin = 0, .end = 9, .pixels = 1});
  for (const std::int64_t step : {5, 7, 2}) {
    chart.Add(Point{100 + step, step, static_cast<double>(step), 0});
  }
  const Bucket column = chart.Columns().at(0);
  EXPECT_EQ(column.first_step, 2);
  EXPECT_EQ(column.last_step, 7);
  EXPECT_EQ(column.last, 7);
  EXPECT_EQ(column.points, 3U);
}

TEST(Chart, OfBuckets_KeepsEveryPointSpikeAndNan) {
  Random random(5);
  const auto points = Curve(random, 100'000);
  std::vector<Bucket> buckets;
  ASSERT_TRUE(DecodeBuckets(EncodeBuckets(points), buckets).ok());
  for (const std::size_t pixels : {1, 10, 200}) {
    Chart chart({.axis = Axis::kTime,
                 .begin = points.front().ts_ms,
                 .end = points.back().ts_ms,
                 .pixels = pixels});
    for (const Bucket& bucket : buckets) {
      ASSERT_TRUE(chart.Fits(bucket)) << pixels;
      chart.Add(bucket);
    }
    const auto columns = chart.Columns();
    EXPECT_EQ(columns.size(), pixels);
    Bucket all;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      EXPECT_TRUE(i == 0 || columns[i].first_ts > columns[i - 1].last_ts);
      all.Add(columns[i]);
    }
    all.last = 0;
    EXPECT_EQ(all, Of(points));
  }
}

TEST(Chart, ABucketAsWideAsAColumn_DoesNotFit) {
  Bucket bucket;
  bucket.Add(Point{0, 100, 1, 0});
  bucket.Add(Point{1, 227, 1, 0});
  EXPECT_TRUE(Chart({.begin = 0, .end = 999, .pixels = 3}).Fits(bucket));
  EXPECT_FALSE(Chart({.begin = 0, .end = 999, .pixels = 8}).Fits(bucket));
  EXPECT_FALSE(Chart({.begin = 101, .end = 999, .pixels = 1}).Fits(bucket));
  EXPECT_TRUE(Chart({.pixels = 4'000}).Fits(bucket));  // of all there is
}

}  // namespace
}  // namespace muster::tracker
