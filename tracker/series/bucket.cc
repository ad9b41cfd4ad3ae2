#include "tracker/series/bucket.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "runtime/base/varint.h"

namespace muster::tracker {

void Bucket::Add(const Point& point) {
  if (points++ == 0) {
    first_ts = point.ts_ms;
    first_step = point.step;
  }
  last_ts = point.ts_ms;
  last_step = point.step;
  last = point.value;
  if (std::isnan(point.value)) {
    ++nans;
  } else if (std::isinf(point.value)) {
    ++infinities;
  } else {
    min = std::min(min, point.value);
    max = std::max(max, point.value);
  }
}

void Bucket::Add(const Bucket& later) {
  if (later.points == 0) return;
  if (points == 0) {
    *this = later;
    return;
  }
  last_ts = later.last_ts;
  last_step = later.last_step;
  last = later.last;
  min = std::min(min, later.min);
  max = std::max(max, later.max);
  points += later.points;
  nans += later.nans;
  infinities += later.infinities;
}

std::string EncodeBuckets(std::span<const Point> points) {
  std::string out;
  for (std::size_t begin = 0; begin < points.size(); begin += kBucketPoints) {
    Bucket bucket;
    for (const Point& point :
         points.subspan(begin, std::min(kBucketPoints, points.size() - begin))) {
      bucket.Add(point);
    }
    for (const std::int64_t number :
         {bucket.first_ts, bucket.last_ts, bucket.first_step, bucket.last_step}) {
      AppendVarint(out, Fold(number));
    }
    for (const std::uint32_t count : {bucket.points, bucket.nans, bucket.infinities}) {
      AppendVarint(out, count);
    }
    const std::array<double, 3> values = {bucket.min, bucket.max, bucket.last};
    out.append(reinterpret_cast<const char*>(values.data()), sizeof(values));
  }
  return out;
}

Status DecodeBuckets(std::string_view bytes, std::vector<Bucket>& buckets) {
  while (!bytes.empty()) {
    Bucket bucket;
    for (std::int64_t* number :
         {&bucket.first_ts, &bucket.last_ts, &bucket.first_step, &bucket.last_step}) {
      std::uint64_t folded = 0;
      if (!TakeVarint(bytes, folded)) return Corrupt("a chunk's buckets end early");
      *number = Unfold(folded);
    }
    for (std::uint32_t* count : {&bucket.points, &bucket.nans, &bucket.infinities}) {
      std::uint64_t number = 0;
      if (!TakeVarint(bytes, number)) return Corrupt("a chunk's buckets end early");
      *count = static_cast<std::uint32_t>(number);
    }
    std::array<double, 3> values{};
    if (bytes.size() < sizeof(values)) return Corrupt("a chunk's buckets end early");
    std::memcpy(values.data(), bytes.data(), sizeof(values));
    bytes.remove_prefix(sizeof(values));
    bucket.min = values[0];
    bucket.max = values[1];
    bucket.last = values[2];
    buckets.push_back(bucket);
  }
  return Ok();
}

}  // namespace muster::tracker
