#include "tracker/series/chunk_codec.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <cstring>

#include "tests/tracker/series/series_of.h"

namespace muster::tracker {
namespace {

std::vector<Point> Decoded(std::string_view bytes) {
  std::vector<Point> points;
  const Status status = DecodeChunk(bytes, points);
  EXPECT_TRUE(status.ok()) << status.error().message;
  return points;
}

/// Bytes whose checksum is right, so that the decoder believes them so far.
std::string Summed(std::string bytes) {
  const auto sum = static_cast<std::uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
  bytes.append(reinterpret_cast<const char*>(&sum), sizeof(sum));
  return bytes;
}

TEST(ChunkCodec, RandomSeries_ComeBackBitByBit) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    Random random(seed);
    const auto points = SeriesOf(random, 1 + random.Below(kChunkPoints));
    EXPECT_TRUE(Identical(Decoded(EncodeChunk(points)), points)) << "seed " << seed;
  }
}

TEST(ChunkCodec, SomeRows_AreThoseOfAll) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    Random random(seed);
    const auto points = SeriesOf(random, 1 + random.Below(kChunkPoints));
    const std::string bytes = EncodeChunk(points);
    std::vector<std::size_t> rows;
    std::vector<Point> wanted, found;
    for (std::size_t row = random.Below(3); row < points.size(); row += 1 + random.Below(200)) {
      rows.push_back(row);
      wanted.push_back(points[row]);
    }
    ASSERT_TRUE(DecodeRows(bytes, rows, found).ok());
    EXPECT_TRUE(Identical(found, wanted)) << "seed " << seed;
    rows.push_back(points.size());
    EXPECT_EQ(DecodeRows(bytes, rows, found).error().kind, ErrorKind::kCorrupt);
  }
}

TEST(ChunkCodec, ExtremesOfEveryColumn_ComeBack) {
  using Limits = std::numeric_limits<std::int64_t>;
  const double largest = std::numeric_limits<double>::max();
  const std::vector<Point> points = {
      {Limits::min(), Limits::max(), -largest, Limits::max()},
      {Limits::min(), Limits::max(), std::numeric_limits<double>::denorm_min(), 0},
      {0, Limits::min(), largest, Limits::min()},
      {Limits::max(), 0, std::numeric_limits<double>::infinity(), 1},
  };
  EXPECT_TRUE(Identical(Decoded(EncodeChunk(points)), points));
}

TEST(ChunkCodec, DecodedPoints_AreAppended) {
  std::vector<Point> points = {{1, 1, 1, 0}};
  ASSERT_TRUE(DecodeChunk(EncodeChunk(std::vector<Point>{{2, 2, 2, 0}}), points).ok());
  EXPECT_EQ(points.size(), 2u);
  EXPECT_FALSE(DecodeChunk("nonsense", points).ok());
  EXPECT_EQ(points.size(), 2u);
}

TEST(ChunkCodec, ACurveAsTrainingLogsIt_TakesTenBytesAPointAtMost) {
  Random random(5);
  std::vector<Point> points;
  std::int64_t ts = 1'700'000'000'000;
  for (std::int64_t i = 0; i < 1024; ++i) {
    ts += 90 + static_cast<std::int64_t>(random.Below(20));
    points.push_back({ts, i, 2.0 / (1.0 + static_cast<double>(i)) + random.Normal() / 100, 3});
  }
  EXPECT_LE(EncodeChunk(points).size(), 10 * points.size());
  for (Point& point : points) point.value = static_cast<double>(static_cast<float>(point.value));
  EXPECT_LE(EncodeChunk(points).size(), 7 * points.size());
  for (Point& point : points) point.value = 0.001;
  EXPECT_LE(EncodeChunk(points).size(), 2 * points.size());
}

TEST(ChunkCodec, AnyBytesChangedOrLost_AreCorrupt) {
  Random random(9);
  const std::string bytes = EncodeChunk(SeriesOf(random, 200));
  std::vector<Point> points;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::string broken = bytes;
    broken[i] = static_cast<char>(broken[i] ^ (1 + random.Below(255)));
    EXPECT_EQ(DecodeChunk(broken, points).error().kind, ErrorKind::kCorrupt) << "byte " << i;
    EXPECT_FALSE(DecodeChunk(std::string_view(bytes).substr(0, i), points).ok()) << "length " << i;
  }
  EXPECT_TRUE(points.empty());
}

TEST(ChunkCodec, ForgedBytes_NeverGiveMoreThanAChunk) {
  std::size_t taken = 0;
  for (std::uint64_t seed = 0; seed < 20'000; ++seed) {
    Random random(seed);
    // What was good, changed in some places, with the right sum; or noise.
    std::string bytes;
    if (random.Chance(0.7)) {
      bytes = EncodeChunk(SeriesOf(random, 1 + random.Below(40)));
      bytes.resize(bytes.size() - 4);
      for (std::uint64_t n = random.Below(4); n > 0; --n) {
        bytes[random.Below(bytes.size())] = static_cast<char>(random.Next());
      }
      if (random.Chance(0.2)) bytes.resize(random.Below(bytes.size() + 1));
    } else {
      bytes = "\x01";
      for (std::uint64_t n = random.Below(60); n > 0; --n)
        bytes += static_cast<char>(random.Next());
    }
    std::vector<Point> points;
    const Status status = DecodeChunk(Summed(bytes), points);
    taken += status.ok() ? 1 : 0;
    ASSERT_EQ(points.empty(), !status.ok());
    ASSERT_LE(points.size(), kChunkPoints);
    ASSERT_TRUE(std::ranges::is_sorted(points, Before)) << "seed " << seed;
    const std::vector<std::size_t> rows = {0, 3, 17};
    std::vector<Point> some;
    const bool read = DecodeRows(Summed(bytes), rows, some).ok();
    ASSERT_TRUE(read == !some.empty() && (!read || some.size() == rows.size()));
    if (status.ok()) {
      ASSERT_EQ(read, points.size() > rows.back());
    }
  }
  EXPECT_GT(taken, 1'000u);  // the changes are not all refused by one rule
}

}  // namespace
}  // namespace muster::tracker
