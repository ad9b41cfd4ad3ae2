#include "tracker/series/bucket.h"

#include <gtest/gtest.h>

#include "tests/tracker/series/series_of.h"

namespace muster::tracker {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(Bucket, SpikesNanAndInfinities_AreKept) {
  Bucket bucket;
  for (const double value : {1.0, -9.0, kNan, kInfinity, -kInfinity, 2.0}) {
    bucket.Add(Point{bucket.points + 10, bucket.points, value, 0});
  }
  EXPECT_EQ(bucket.min, -9);
  EXPECT_EQ(bucket.max, 2);
  EXPECT_EQ(bucket.last, 2);
  EXPECT_EQ(bucket.points, 6u);
  EXPECT_EQ(bucket.nans, 1u);
  EXPECT_EQ(bucket.infinities, 2u);
  EXPECT_EQ(bucket.first_ts, 10);
  EXPECT_EQ(bucket.last_step, 5);
}

TEST(Bucket, OfBuckets_IsTheBucketOfAllTheirPoints) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    Random random(seed);
    auto points = SeriesOf(random, 1 + random.Below(1024));
    points.back().value = 1;  // a NaN is not equal to itself
    std::vector<Bucket> buckets;
    ASSERT_TRUE(DecodeBuckets(EncodeBuckets(points), buckets).ok());
    ASSERT_EQ(buckets.size(), (points.size() + kBucketPoints - 1) / kBucketPoints);
    Bucket of_points, of_buckets;
    for (const Point& point : points) of_points.Add(point);
    for (const Bucket& bucket : buckets) of_buckets.Add(bucket);
    EXPECT_EQ(of_buckets, of_points) << "seed " << seed;
  }
}

TEST(Bucket, BytesCutOffOrMadeUp_AreRefusedOrHarmless) {
  Random random(1);
  const std::string bytes = EncodeBuckets(SeriesOf(random, 128));
  for (std::size_t size = 1; size < bytes.size(); ++size) {
    std::vector<Bucket> buckets;
    EXPECT_FALSE(DecodeBuckets(std::string_view(bytes).substr(0, size), buckets).ok());
  }
  for (int i = 0; i < 2'000; ++i) {
    std::string noise;
    for (std::uint64_t n = random.Below(80); n > 0; --n) noise += static_cast<char>(random.Next());
    std::vector<Bucket> buckets;
    (void)DecodeBuckets(noise, buckets);
    EXPECT_LE(buckets.size(), noise.size() / 31);
  }
}

}  // namespace
}  // namespace muster::tracker
