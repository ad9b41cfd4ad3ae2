#include "registry/statistics/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "runtime/base/check.h"
#include "runtime/base/random.h"

namespace muster::registry::statistics {
namespace {

int ResamplesFor(std::int64_t rows) {
  return static_cast<int>(std::clamp<std::int64_t>(kDrawsMost / rows, kResamplesLeast, kResamples));
}

Interval Percentiles(std::vector<double> figures, double confidence) {
  if (std::ranges::any_of(figures, [](double x) { return std::isnan(x); })) {
    return NoInterval(confidence);
  }
  std::ranges::sort(figures);
  const double tail = (1 - confidence) / 2;
  return {SortedQuantile(figures, tail), SortedQuantile(figures, 1 - tail), confidence};
}

}  // namespace

Interval Bootstrap(std::int64_t rows,
                   const std::function<double(std::span<const std::size_t> drawn)>& statistic,
                   double confidence, std::uint64_t seed) {
  MUSTER_CHECK(rows >= 1, "rows are drawn from some");
  std::vector<std::size_t> drawn(static_cast<std::size_t>(rows));
  std::vector<double> figures(static_cast<std::size_t>(ResamplesFor(rows)));
  for (std::size_t resample = 0; resample < figures.size(); ++resample) {
    Random random(seed, resample);
    for (std::size_t& row : drawn) row = random.Below(drawn.size());
    figures[resample] = statistic(drawn);
  }
  return Percentiles(std::move(figures), confidence);
}

Interval BootstrapMean(std::span<const double> values, double confidence, std::uint64_t seed) {
  const auto mean = [&](std::span<const std::size_t> drawn) {
    double sum = 0;
    for (const std::size_t row : drawn) sum += values[row];
    return sum / static_cast<double>(drawn.size());
  };
  return Bootstrap(static_cast<std::int64_t>(values.size()), mean, confidence, seed);
}

}  // namespace muster::registry::statistics
