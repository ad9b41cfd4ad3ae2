#include "registry/monitor/samples.h"

#include <algorithm>
#include <boost/sort/pdqsort/pdqsort.hpp>
#include <cmath>
#include <numbers>

#include "registry/statistics/interval.h"
#include "runtime/base/check.h"

namespace muster::registry::monitor {
namespace {

constexpr int kBins = 20;

template <typename T>
void SortFinite(std::vector<T>& values) {
  std::erase_if(values, [](T x) { return !std::isfinite(x); });
  MUSTER_CHECK(!values.empty(), "a sample has one finite value at least");
  boost::sort::pdqsort_branchless(values.begin(), values.end());
}

template <typename T>
double Quantile(const std::vector<T>& sorted, double q) {
  const double at = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  if (below + 1 >= sorted.size()) return sorted.back();
  const double low = sorted[below], high = sorted[below + 1];
  return low + (at - static_cast<double>(below)) * (high - low);
}

template <typename T>
std::vector<std::int64_t> CountBins(const std::vector<T>& sorted,
                                    const std::vector<double>& inner_edges) {
  std::vector<std::int64_t> counts;
  auto from = sorted.begin();
  for (const double edge : inner_edges) {
    const auto to = std::partition_point(from, sorted.end(), [&](T x) { return x < edge; });
    counts.push_back(to - from);
    from = to;
  }
  counts.push_back(sorted.end() - from);
  return counts;
}

/// The potential's moments over the values of one sample.
struct Moments {
  explicit Moments(std::size_t size) : share_of_one(1 / static_cast<double>(size)) {}

  double share_of_one;
  double sum = 0, squares = 0;

  void Add(double potential) {
    sum += potential;
    squares += potential * potential;
  }
  [[nodiscard]] double variance() const {
    const double mean = sum * share_of_one;
    return std::max(0.0, squares * share_of_one - mean * mean);
  }
};

}  // namespace

template <typename T>
SortedReference<T>::SortedReference(std::vector<T> values) : values_(std::move(values)) {
  SortFinite(values_);
  const auto count = static_cast<double>(values_.size());
  for (const T value : values_) mean_ += value;
  mean_ /= count;
  for (const T value : values_) std_ += (value - mean_) * (value - mean_);
  std_ = std::sqrt(std_ / count);
  for (std::size_t i = 1; i < values_.size(); ++i) {
    const double share = static_cast<double>(i) / count;
    spread_ += std::sqrt(share * (1 - share)) * (double{values_[i]} - double{values_[i - 1]});
  }
  const double last = values_.back();
  double before = values_.front();
  for (int i = 1; i < kBins; ++i) {
    const double edge = Quantile(values_, static_cast<double>(i) / kBins);
    if (edge > before && edge < last) inner_edges_.push_back(edge);
    before = std::max(before, edge);
  }
  bins_ = CountBins(values_, inner_edges_);
}

template <typename T>
CdfDistance SampleDistance(const std::vector<T>& reference, const std::vector<T>& current,
                           double spread) {
  CdfDistance distance;
  Moments of_reference(reference.size()), of_current(current.size());
  double potential = 0, reference_share = 0, current_share = 0;
  double at = std::min(reference.front(), current.front());
  // Between `at` and `value` the shares are those so far.
  const auto move = [&](double value) {
    const double difference = reference_share - current_share, length = value - at;
    at = value;
    distance.wasserstein += std::abs(difference) * length;
    potential += length * ((difference > 0 ? 1 : 0) - (difference < 0 ? 1 : 0));
  };
  const auto look = [&] {
    distance.kolmogorov_smirnov =
        std::max(distance.kolmogorov_smirnov, std::abs(reference_share - current_share));
  };
  std::size_t i = 0, j = 0;
  const auto pass_reference = [&] {
    of_reference.Add(potential);
    reference_share = static_cast<double>(++i) * of_reference.share_of_one;
  };
  // Most values are the reference's: runs of them between two current ones, over which the difference of the shares only
  // rises, so that its ends are enough to look at.
  while (j < current.size()) {
    const T value = current[j];
    for (; i < reference.size() && reference[i] < value; pass_reference()) move(reference[i]);
    look();
    move(value);
    while (i < reference.size() && reference[i] == value) pass_reference();
    for (; j < current.size() && current[j] == value; ++j) of_current.Add(potential);
    current_share = static_cast<double>(j) * of_current.share_of_one;
    look();
  }
  for (; i < reference.size(); pass_reference()) move(reference[i]);
  distance.wasserstein_error = std::sqrt(of_reference.variance() * of_reference.share_of_one +
                                         of_current.variance() * of_current.share_of_one);
  distance.wasserstein_chance =
      spread *
      std::sqrt(2 / std::numbers::pi * (of_reference.share_of_one + of_current.share_of_one));
  return distance;
}

template <typename T>
ColumnDrift DriftOfSamples(const SortedReference<T>& reference, std::vector<T>& current,
                           const DriftSpec& spec) {
  SortFinite(current);
  const NumberPair pair{SampleDistance(reference.values(), current, reference.spread()),
                        static_cast<std::int64_t>(reference.values().size()),
                        static_cast<std::int64_t>(current.size()), reference.std(), 0};
  const auto bins = CountBins(current, reference.inner_edges());
  return NumberDrift(pair, {reference.bins(), bins}, spec);
}

template class SortedReference<float>;
template class SortedReference<double>;
template ColumnDrift DriftOfSamples(const SortedReference<float>&, std::vector<float>&,
                                    const DriftSpec&);
template ColumnDrift DriftOfSamples(const SortedReference<double>&, std::vector<double>&,
                                    const DriftSpec&);
template CdfDistance SampleDistance(const std::vector<float>&, const std::vector<float>&, double);
template CdfDistance SampleDistance(const std::vector<double>&, const std::vector<double>&, double);

}  // namespace muster::registry::monitor
