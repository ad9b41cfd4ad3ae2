#include "tuner/insight/ped_anova.h"

#include <algorithm>
#include <cmath>

#include "runtime/base/math.h"

namespace muster::tuner {
namespace {

constexpr int kMostSteps = 50;
constexpr double kPriorWeight = 1;
constexpr double kFloor = 1e-12;    ///< added to each density
constexpr std::size_t kFewest = 2;  ///< trials in which a parameter is active

/// Into how many steps the parameter's range is cut; its choices, of a choice.
int GridSize(const Space& space, std::size_t parameter) {
  const Scale& scale = space.scales()[parameter];
  if (scale.choices > 0) return static_cast<int>(scale.choices);
  const auto& domain = std::get<NumericDomain>(space.parameters()[parameter].domain);
  if (domain.integer && domain.log) {
    int bits = 0;
    while (std::ldexp(1.0, bits) < domain.high - domain.low + 1) ++bits;
    return std::min(bits + 1, kMostSteps);
  }
  return scale.cells > 0 ? static_cast<int>(std::min<double>(scale.cells, kMostSteps)) : kMostSteps;
}

/// How many of the values fall to each step; a value half between two counts for the lower.
std::vector<double> Count(const Space& space, std::size_t parameter, int size,
                          const std::vector<double>& values) {
  std::vector<double> counts(static_cast<std::size_t>(size));
  double low = 0, step = 1;
  if (space.scales()[parameter].choices == 0) {
    const auto& domain = std::get<NumericDomain>(space.parameters()[parameter].domain);
    low = domain.log ? math::Log(domain.low) : domain.low;
    step = ((domain.log ? math::Log(domain.high) : domain.high) - low) / (size - 1);
  }
  for (const double value : values) {
    const double index = std::ceil((value - low) / step - 0.5);
    counts[static_cast<std::size_t>(std::clamp(index, 0.0, size - 1.0))] += 1;
  }
  return counts;
}

/// Scott's rule on the counts, with the smaller of deviation and interquartile range.
double Bandwidth(const std::vector<double>& places, const std::vector<double>& weights) {
  double total = 0, mean = 0, square = 0;
  for (std::size_t i = 0; i < places.size(); ++i) {
    total += weights[i];
    mean += weights[i] * places[i];
  }
  mean /= total;
  for (std::size_t i = 0; i < places.size(); ++i) {
    square += weights[i] * (places[i] - mean) * (places[i] - mean);
  }
  const double deviation = std::sqrt(square / std::max(1.0, total - 1));
  const double first = std::floor(total / 4), third = std::floor(total * 3 / 4);
  std::size_t lower = 0, upper = 0;
  double below = 0;
  for (std::size_t i = 0; i < places.size(); ++i) {
    below += weights[i];
    if (below < first) lower = i + 1;
    if (below <= third) upper = i + 1;
  }
  const double quartiles = places[std::min(upper, places.size() - 1)] - places[lower];
  const double sigma = 1.059 * std::min(quartiles / 1.34, deviation) * math::Pow(total, -0.2);
  return std::max(sigma, 0.5 / 1.64);  // nine tenths of a kernel within a step
}

/// Phi(b) - Phi(a) without cancellation in the upper tail.
double Mass(double a, double b) {
  return a > 0 ? math::NormalCdf(-a) - math::NormalCdf(-b)
               : math::NormalCdf(b) - math::NormalCdf(a);
}

/// The density of the values on the grid: a kernel a step that was met, weighted by its count, and a wide one.
std::vector<double> Density(const std::vector<double>& counts, bool choice) {
  const std::size_t size = counts.size();
  std::vector<double> places, weights, density(size, kFloor);
  double total = kPriorWeight;
  for (std::size_t i = 0; i < size; ++i) {
    if (counts[i] == 0) continue;
    places.push_back(static_cast<double>(i));
    weights.push_back(counts[i]);
    total += counts[i];
  }
  const auto width = static_cast<double>(size);
  if (choice) {
    const double kernels = static_cast<double>(places.size()) + 1;
    const double spread = kPriorWeight / kernels, whole = 1 + width * spread;
    for (std::size_t i = 0; i < size; ++i) density[i] += kPriorWeight / total / width;
    for (std::size_t k = 0; k < places.size(); ++k) {
      for (std::size_t i = 0; i < size; ++i) {
        const double own = static_cast<double>(i) == places[k] ? 1 : 0;
        density[i] += weights[k] / total * (own + spread) / whole;
      }
    }
    return density;
  }
  std::vector<double> sigmas(places.size(), Bandwidth(places, weights));
  places.push_back((width - 1) / 2);
  weights.push_back(kPriorWeight);
  sigmas.push_back(width);
  for (std::size_t k = 0; k < places.size(); ++k) {
    const auto mass = [&](double low, double high) {
      return Mass((low - places[k]) / sigmas[k], (high - places[k]) / sigmas[k]);
    };
    const double all = mass(-0.5, width - 0.5);
    for (std::size_t i = 0; i < size; ++i) {
      const auto at = static_cast<double>(i);
      density[i] += weights[k] / total * mass(at - 0.5, at + 0.5) / all;
    }
  }
  return density;
}

double Divergence(const std::vector<double>& top, const std::vector<double>& region) {
  double sum = 0;
  for (std::size_t i = 0; i < top.size(); ++i) {
    const double ratio = top[i] / region[i] - 1;
    sum += region[i] * ratio * ratio;
  }
  return sum;
}

/// The largest loss of the best `share`.
double Cutoff(std::vector<double> losses, double share) {
  const auto count = std::ceil(share * static_cast<double>(losses.size()));
  const auto at = static_cast<std::ptrdiff_t>(std::max(count, 1.0)) - 1;
  std::ranges::nth_element(losses, losses.begin() + at);
  return losses[static_cast<std::size_t>(at)];
}

}  // namespace

std::vector<double> PedAnova(const Space& space, const Evidence& seen,
                             const PedAnovaShares& shares) {
  std::vector<double> importance(space.size());
  if (seen.losses.size() < kFewest) return importance;
  const double best = Cutoff(seen.losses, shares.target),
               least = Cutoff(seen.losses, shares.region);
  double targets = 0, regions = 0;
  for (const double loss : seen.losses) {
    targets += loss <= best ? 1 : 0;
    regions += loss <= least ? 1 : 0;
  }
  for (std::size_t p = 0; p < space.size(); ++p) {
    std::vector<double> top, region;
    for (std::size_t i = 0; i < seen.losses.size(); ++i) {
      const double value = seen.points[i][p];
      if (std::isnan(value) || seen.losses[i] > least) continue;
      region.push_back(value);
      if (seen.losses[i] <= best) top.push_back(value);
    }
    const int size = GridSize(space, p);
    if (region.size() < kFewest || top.empty() || size < 2) continue;
    const bool choice = space.scales()[p].choices > 0;
    const double alpha = static_cast<double>(top.size()) / targets;
    const double beta = static_cast<double>(region.size()) / regions;
    const double share = targets / regions;
    importance[p] = alpha * alpha / beta * share * share *
                    Divergence(Density(Count(space, p, size, top), choice),
                               Density(Count(space, p, size, region), choice));
  }
  return importance;
}

}  // namespace muster::tuner
