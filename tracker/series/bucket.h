#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"
#include "tracker/series/point.h"

/// What a chart shows of neighbouring points without reading them. Each chunk keeps a row of buckets, so that
/// a curve of a million points is drawn from eight thousand. Pure; any thread.

namespace muster::tracker {

/// Points a bucket, in a chunk's row.
inline constexpr std::size_t kBucketPoints = 128;

struct Bucket {
  std::int64_t first_ts = 0, last_ts = 0, first_step = 0, last_step = 0;
  /// Of the finite values; +infinity and -infinity when there is none.
  double min = std::numeric_limits<double>::infinity();
  double max = -std::numeric_limits<double>::infinity();
  double last = 0;  ///< of the last point, NaN and infinities too
  std::uint32_t points = 0, nans = 0, infinities = 0;

  void Add(const Point& point);
  /// Takes `later` in, whose points come after this one's.
  void Add(const Bucket& later);
  friend bool operator==(const Bucket&, const Bucket&) = default;
};

/// A bucket every kBucketPoints points, the last with what is left, one after the other as bytes.
std::string EncodeBuckets(std::span<const Point> points);
/// Appends them to `buckets`. kCorrupt; no bytes make it read beyond them.
Status DecodeBuckets(std::string_view bytes, std::vector<Bucket>& buckets);

}  // namespace muster::tracker
