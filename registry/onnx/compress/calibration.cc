#include "registry/onnx/compress/calibration.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace muster::onnx::compress {
namespace {

constexpr std::size_t kHalf = RangeObserver::kBins / 2;

/// Stands for the count of an empty bin; with 0 most cuts would be infinitely bad.
constexpr double kEmpty = 1e-4;

/// KL(P || Q) of the cut after `kept` bins.
double Divergence(const std::vector<double>& counts, std::size_t kept, double total) {
  std::vector<double> p(counts.begin(), counts.begin() + static_cast<std::ptrdiff_t>(kept));
  p.back() += total - std::accumulate(p.begin(), p.end(), 0.0);
  double cross = 0, p_sum = 0, q_sum = 0;
  for (std::size_t level = 0; level < RangeObserver::kLevels; ++level) {
    const std::size_t begin = level * kept / RangeObserver::kLevels;
    const std::size_t end = (level + 1) * kept / RangeObserver::kLevels;
    double sum = 0, filled = 0;
    for (std::size_t i = begin; i < end; ++i) {
      sum += counts[i];
      filled += p[i] > 0 ? 1 : 0;
    }
    for (std::size_t i = begin; i < end; ++i) {
      const double of_p = std::max(p[i], kEmpty);
      const double of_q = std::max(p[i] > 0 ? sum / filled : 0, kEmpty);
      cross += of_p * std::log(of_p / of_q);
      p_sum += of_p;
      q_sum += of_q;
    }
  }
  return cross / p_sum - std::log(p_sum / q_sum);
}

}  // namespace

void RangeObserver::AddExtremes(std::span<const float> values) {
  for (const float value : values) {
    finite_ = finite_ && std::isfinite(value);
    extremes_.low = std::min(extremes_.low, value);
    extremes_.high = std::max(extremes_.high, value);
  }
  seen_ = seen_ || !values.empty();
}

void RangeObserver::AddCounts(std::span<const float> values) {
  const float most = std::max(-extremes_.low, extremes_.high);
  if (!finite_ || most == 0) return;
  counts_.resize(kBins, 0);
  for (const float value : values) {
    const double place = (double{value} / most + 1) * kHalf;
    ++counts_[static_cast<std::size_t>(std::clamp(place, 0.0, double{kBins - 1}))];
  }
}

float RangeObserver::Edge(std::size_t bin) const {
  const double most = std::max(-extremes_.low, extremes_.high);
  return static_cast<float>((static_cast<double>(bin) / kHalf - 1) * most);
}

Result<Range> RangeObserver::Find(RangeMethod method) const {
  if (!seen_) return Invalid("no value was seen");
  if (!finite_) return Invalid("it was NaN or infinite on calibration rows");
  if (method == RangeMethod::kMinMax || counts_.empty()) return extremes_;
  return method == RangeMethod::kPercentile ? Percentile() : Entropy();
}

Range RangeObserver::Percentile() const {
  const auto total = std::accumulate(counts_.begin(), counts_.end(), std::int64_t{0});
  const double cut = static_cast<double>(total) * (1 - kPercentileKept) / 2;
  std::size_t low = 0, high = kBins;
  for (double beyond = 0; (beyond += static_cast<double>(counts_[low])) <= cut;) ++low;
  for (double beyond = 0; (beyond += static_cast<double>(counts_[high - 1])) <= cut;) --high;
  // An edge may lie beyond the outermost value by less than a bin.
  return {std::clamp(Edge(low), extremes_.low, 0.0F), std::clamp(Edge(high), 0.0F, extremes_.high)};
}

Range RangeObserver::Entropy() const {
  std::vector<double> counts(kHalf);
  for (std::size_t i = 0; i < kHalf; ++i) {
    counts[i] = static_cast<double>(counts_[kHalf + i] + counts_[kHalf - 1 - i]);
  }
  const double total = std::accumulate(counts.begin(), counts.end(), 0.0);
  std::size_t best = kHalf;
  double least = std::numeric_limits<double>::infinity();
  for (std::size_t kept = kLevels; kept <= kHalf; ++kept) {
    const double divergence = Divergence(counts, kept, total);
    if (divergence < least) {
      least = divergence;
      best = kept;
    }
  }
  const float cut = Edge(kHalf + best);
  return {std::max(extremes_.low, -cut), std::min(extremes_.high, cut)};
}

}  // namespace muster::onnx::compress
