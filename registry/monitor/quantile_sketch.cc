#include "registry/monitor/quantile_sketch.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "runtime/base/check.h"
#include "runtime/base/varint.h"

namespace muster::registry::monitor {
namespace {

constexpr std::size_t kLevelLeast = 8;
/// So that no sum of 2^level overflows.
constexpr std::size_t kLevelsMost = 48;
constexpr std::uint16_t kMost = 4096;

static_assert(std::endian::native == std::endian::little, "Bytes() copies doubles as they are");

void AppendDoubles(std::string& out, const std::vector<double>& values) {
  out.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(double));
}

bool TakeDoubles(std::string_view& in, std::uint64_t count, std::vector<double>& values) {
  if (count > in.size() / sizeof(double)) return false;
  values.resize(count);
  if (count > 0) std::memcpy(values.data(), in.data(), count * sizeof(double));
  in.remove_prefix(count * sizeof(double));
  return true;
}

/// Merges the sorted `from` into the sorted `into`, from behind.
void MergeSorted(std::vector<double>& into, const std::vector<double>& from) {
  std::size_t a = into.size(), b = from.size();
  into.resize(a + b);
  for (std::size_t at = into.size(); b > 0; --at) {
    into[at - 1] = a > 0 && into[a - 1] > from[b - 1] ? into[--a] : from[--b];
  }
}

}  // namespace

QuantileSketch::QuantileSketch(std::uint16_t k, std::uint64_t seed)
    : k_(k), random_(seed), levels_(1) {
  MUSTER_CHECK(k >= kLevelLeast && k <= kMost, "k is from 8 to 4096");
  SetCapacity();
}

void QuantileSketch::SetCapacity() {
  capacities_.resize(levels_.size());
  capacity_ = 0;
  double share = k_;
  for (std::size_t level = levels_.size(); level-- > 0; share *= 2.0 / 3) {
    capacities_[level] = std::max(static_cast<std::size_t>(std::ceil(share)), kLevelLeast);
    capacity_ += capacities_[level];
  }
}

void QuantileSketch::Add(double value) {
  min_ = count_ == 0 ? value : std::min(min_, value);
  max_ = count_ == 0 ? value : std::max(max_, value);
  ++count_;
  levels_[0].push_back(value);
  if (++size_ >= capacity_) Compact();
}

void QuantileSketch::Compact() {
  std::size_t level = 0;
  while (levels_[level].size() < capacities_[level]) ++level;
  if (level + 1 == levels_.size()) {
    levels_.emplace_back();
    SetCapacity();
  }
  std::vector<double>& full = levels_[level];
  if (level == 0) std::ranges::sort(full);
  // Pairs are halved; where one is left over it stays.
  std::vector<double> promoted;
  promoted.reserve(full.size() / 2);
  const std::size_t odd = full.size() % 2;
  for (std::size_t i = odd + (random_() & 1); i < full.size(); i += 2) promoted.push_back(full[i]);
  full.resize(odd);
  size_ -= promoted.size();
  MergeSorted(levels_[level + 1], promoted);
}

void QuantileSketch::Merge(const QuantileSketch& other) {
  MUSTER_CHECK(k_ == other.k_, "sketches of one k merge");
  if (other.count_ == 0) return;
  min_ = count_ == 0 ? other.min_ : std::min(min_, other.min_);
  max_ = count_ == 0 ? other.max_ : std::max(max_, other.max_);
  count_ += other.count_;
  size_ += other.size_;
  if (levels_.size() < other.levels_.size()) levels_.resize(other.levels_.size());
  SetCapacity();
  levels_[0].insert(levels_[0].end(), other.levels_[0].begin(), other.levels_[0].end());
  for (std::size_t level = 1; level < other.levels_.size(); ++level) {
    MergeSorted(levels_[level], other.levels_[level]);
  }
  while (size_ >= capacity_) Compact();
}

std::vector<QuantileSketch::Step> QuantileSketch::Steps() const {
  std::vector<Step> steps;
  steps.reserve(size_ + 1);
  for (std::size_t level = 0; level < levels_.size(); ++level) {
    for (const double value : levels_[level]) steps.push_back({value, std::int64_t{1} << level});
  }
  std::ranges::sort(steps, {}, &Step::value);
  std::int64_t through = 0;
  for (Step& step : steps) {
    through += step.through;
    step.through = through;
  }
  return steps;
}

double QuantileSketch::Rank(double value) const {
  if (count_ == 0) return std::numeric_limits<double>::quiet_NaN();
  std::int64_t below = 0;
  for (std::size_t level = 0; level < levels_.size(); ++level) {
    const auto in_level =
        std::ranges::count_if(levels_[level], [&](double x) { return x <= value; });
    below += in_level << level;
  }
  return static_cast<double>(below) / static_cast<double>(count_);
}

double QuantileSketch::Quantile(double q) const {
  if (count_ == 0 || !(q >= 0 && q <= 1)) return std::numeric_limits<double>::quiet_NaN();
  if (q == 0) return min_;
  if (q == 1) return max_;
  const auto wanted = static_cast<std::int64_t>(std::ceil(q * static_cast<double>(count_)));
  const auto steps = Steps();
  return std::ranges::lower_bound(steps, wanted, {}, &Step::through)->value;
}

double QuantileSketch::rank_error() const {
  return levels_.size() == 1 ? 0 : 2.296 / std::pow(k_, 0.9723);
}

std::string QuantileSketch::Bytes() const {
  std::string bytes;
  AppendVarint(bytes, k_);
  AppendVarint(bytes, static_cast<std::uint64_t>(count_));
  AppendVarint(bytes, random_.position());
  AppendVarint(bytes, levels_.size());
  AppendDoubles(bytes, {min_, max_});
  for (const auto& level : levels_) {
    AppendVarint(bytes, level.size());
    AppendDoubles(bytes, level);
  }
  return bytes;
}

Result<QuantileSketch> QuantileSketch::FromBytes(std::string_view bytes, std::uint64_t seed) {
  const auto corrupt = [](std::string what) {
    return Corrupt("quantile sketch: " + std::move(what));
  };
  std::uint64_t k = 0, count = 0, draws = 0, levels = 0, size = 0;
  std::vector<double> ends;
  if (!TakeVarint(bytes, k) || !TakeVarint(bytes, count) || !TakeVarint(bytes, draws) ||
      !TakeVarint(bytes, levels) || !TakeDoubles(bytes, 2, ends)) {
    return corrupt("it ends inside its head");
  }
  if (k < kLevelLeast || k > kMost)
    return corrupt("k is " + std::to_string(k) + ", wanted 8 to 4096");
  if (levels < 1 || levels > kLevelsMost) {
    return corrupt(std::to_string(levels) + " levels, wanted 1 to 48");
  }
  QuantileSketch sketch(static_cast<std::uint16_t>(k), seed);
  sketch.levels_.resize(levels);
  sketch.SetCapacity();
  sketch.random_.Seek(draws);
  std::uint64_t stands_for = 0;
  for (std::size_t level = 0; level < levels; ++level) {
    auto& values = sketch.levels_[level];
    if (!TakeVarint(bytes, size) || !TakeDoubles(bytes, size, values)) {
      return corrupt("it ends inside level " + std::to_string(level));
    }
    // Below the capacity there are no more than some 3 k numbers: no sum overflows.
    sketch.size_ += size;
    if (sketch.size_ >= sketch.capacity_) return corrupt("it holds more than its capacity");
    if (level > 0 && !std::ranges::is_sorted(values)) return corrupt("a level is not sorted");
    stands_for += size << level;
    for (const double value : values) {
      if (!(value >= ends[0] && value <= ends[1])) return corrupt("a number is outside its ends");
    }
  }
  if (!bytes.empty()) return corrupt(std::to_string(bytes.size()) + " bytes behind its end");
  if (stands_for != count) {
    return corrupt("its numbers stand for " + std::to_string(stands_for) + ", wanted " +
                   std::to_string(count));
  }
  if (!std::isfinite(ends[0]) || !std::isfinite(ends[1])) return corrupt("its ends are not finite");
  sketch.count_ = static_cast<std::int64_t>(count);
  sketch.min_ = ends[0];
  sketch.max_ = ends[1];
  return sketch;
}

}  // namespace muster::registry::monitor
