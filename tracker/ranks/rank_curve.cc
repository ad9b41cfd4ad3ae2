#include "tracker/ranks/rank_curve.h"

#include <algorithm>

namespace muster::tracker {

namespace {

/// Read and sorted into columns in some ten milliseconds.
constexpr std::size_t kPointsToRead = 400'000;

}  // namespace

std::size_t RankColumns(std::size_t wanted, std::size_t ranks, std::size_t points) {
  if (points <= kPointsToRead) return wanted;
  return std::clamp<std::size_t>(points / ranks / (2 * kBucketPoints), 1, wanted);
}

}  // namespace muster::tracker
