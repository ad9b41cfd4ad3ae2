#include "registry/statistics/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "runtime/base/check.h"
#include "runtime/base/random.h"

namespace muster::registry::statistics {
namespace {

Interval Percentiles(std::vector<double> figures, double confidence) {
  if (std::ranges::any_of(figures, [](double x) { return std::isnan(x); })) {
    return NoInterval(confidence);
  }
  std::ranges::sort(figures);
  const double tail = (1 - confidence) / 2;
  return {SortedQuantile(figures, tail), SortedQuantile(figures, 1 - tail), confidence};
}

}  // namespace

Interval Bootstrap(const std::vector<std::vector<std::int64_t>>& strata,
                   const std::function<double(std::span<const std::int64_t> drawn)>& statistic,
                   double confidence, std::uint64_t seed, std::int64_t cost) {
  std::size_t rows = 0;
  for (const auto& stratum : strata) rows += stratum.size();
  MUSTER_CHECK(rows >= 1 && cost >= 1, "rows are drawn from some");
  const auto resamples = std::clamp<std::int64_t>(
      kBootstrapWork / cost / static_cast<std::int64_t>(rows), kResamplesLeast, kResamples);
  std::vector<std::int64_t> drawn(rows);
  std::vector<double> figures(static_cast<std::size_t>(resamples));
  for (std::size_t resample = 0; resample < figures.size(); ++resample) {
    Random random(seed, resample);
    auto next = drawn.begin();
    for (const auto& stratum : strata) {
      for (std::size_t i = 0; i < stratum.size(); ++i)
        *next++ = stratum[random.Below(stratum.size())];
    }
    figures[resample] = statistic(drawn);
  }
  return Percentiles(std::move(figures), confidence);
}

Interval BootstrapMean(std::span<const double> values, double confidence, std::uint64_t seed) {
  std::vector<std::int64_t> rows(values.size());
  std::iota(rows.begin(), rows.end(), 0);
  const auto mean = [&](std::span<const std::int64_t> drawn) {
    double sum = 0;
    for (const std::int64_t row : drawn) sum += values[static_cast<std::size_t>(row)];
    return sum / static_cast<double>(drawn.size());
  };
  return Bootstrap({rows}, mean, confidence, seed);
}

}  // namespace muster::registry::statistics
