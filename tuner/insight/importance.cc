// Permutation importance and partial dependence: what is asked of the forest.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "tuner/insight/forest.h"

namespace muster::tuner {
namespace {

constexpr std::size_t kFewest = 8, kMost = 4000, kMostAveraged = 500;
constexpr int kSplits = 24, kTreesPerSplit = 16;
constexpr double kTwoSided95 = 1.96;
constexpr std::size_t kGridOfOne = 24, kGridOfTwo = 12;
constexpr double kTail = 0.05;  ///< of the trees, on each side

void Shuffle(std::vector<std::size_t>& rows, Random& random) {
  for (std::size_t i = rows.size(); i > 1; --i) std::swap(rows[i - 1], rows[random.Below(i)]);
}

std::vector<std::size_t> Shuffled(std::size_t count, Random& random) {
  std::vector<std::size_t> rows(count);
  std::iota(rows.begin(), rows.end(), 0);
  Shuffle(rows, random);
  return rows;
}

Evidence Part(const Evidence& seen, std::span<const std::size_t> rows) {
  Evidence part;
  for (const std::size_t row : rows) {
    part.points.push_back(seen.points[row]);
    part.losses.push_back(seen.losses[row]);
  }
  return part;
}

double SquaredError(const Forest& forest, const Evidence& seen) {
  double sum = 0;
  for (std::size_t i = 0; i < seen.losses.size(); ++i) {
    const double miss = forest.Predict(seen.points[i]) - seen.losses[i];
    sum += miss * miss;
  }
  return sum / static_cast<double>(seen.losses.size());
}

double Variance(const std::vector<double>& values) {
  const double mean =
      std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
  double sum = 0;
  for (const double value : values) sum += (value - mean) * (value - mean);
  return sum / static_cast<double>(values.size());
}

/// The parameter's values exchanged among the trials that have it.
Evidence Exchanged(Evidence seen, std::size_t parameter, Random& random) {
  std::vector<std::size_t> active;
  for (std::size_t i = 0; i < seen.points.size(); ++i) {
    if (!std::isnan(seen.points[i][parameter])) active.push_back(i);
  }
  const auto order = Shuffled(active.size(), random);
  std::vector<double> values;
  values.reserve(order.size());
  for (const std::size_t i : order) values.push_back(seen.points[active[i]][parameter]);
  for (std::size_t i = 0; i < active.size(); ++i) seen.points[active[i]][parameter] = values[i];
  return seen;
}

Estimate Summary(const std::vector<double>& values) {
  const auto count = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
  const double reach = kTwoSided95 * std::sqrt(Variance(values) * count / (count - 1));
  return {mean, mean - reach, mean + reach};
}

/// At most `most` values across the parameter's range; all of a choice.
std::vector<double> Grid(const Space& space, std::size_t parameter, std::size_t most) {
  const Scale& scale = space.scales()[parameter];
  std::vector<double> grid;
  std::size_t count = scale.choices > 0 ? scale.choices : most;
  if (scale.cells > 0)
    count = static_cast<std::size_t>(std::min<double>(scale.cells, static_cast<double>(most)));
  for (std::size_t i = 0; i < count; ++i) {
    // The ends of a continuum are its first and last value, a step stands in the middle of its cell.
    const double u = scale.choices == 0 && scale.cells == 0
                         ? static_cast<double>(i) / static_cast<double>(count - 1)
                         : (static_cast<double>(i) + 0.5) / static_cast<double>(count);
    const double value = space.FromUnit(parameter, u);
    if (grid.empty() || value > grid.back()) grid.push_back(value);
  }
  return grid;
}

Estimate OfTrees(std::vector<double> means) {
  const double mean =
      std::accumulate(means.begin(), means.end(), 0.0) / static_cast<double>(means.size());
  std::ranges::sort(means);
  const auto at = [&](double share) {
    return means[static_cast<std::size_t>(share * static_cast<double>(means.size() - 1))];
  };
  return {mean, at(kTail), at(1 - kTail)};
}

}  // namespace

std::vector<Estimate> PermutationImportance(const Space& space, const Evidence& seen,
                                            std::uint64_t seed) {
  std::vector<Estimate> importance(space.size());
  Random draw(seed, 1);
  auto rows = Shuffled(seen.losses.size(), draw);
  rows.resize(std::min(rows.size(), kMost));
  const double variance = rows.empty() ? 0 : Variance(Part(seen, rows).losses);
  if (rows.size() < kFewest || !(variance > 0) || !std::isfinite(variance)) return importance;
  std::vector<std::vector<double>> lost(space.size());
  for (int split = 0; split < kSplits; ++split) {
    Random random(seed, 2 + static_cast<std::uint64_t>(split));
    Shuffle(rows, random);
    const std::size_t half = rows.size() / 2;
    const Evidence learnt = Part(seen, std::span(rows).first(half));
    const Evidence tested = Part(seen, std::span(rows).subspan(half));
    const Forest forest(space, learnt, {.trees = kTreesPerSplit, .seed = random.Next()});
    const double error = SquaredError(forest, tested);
    for (std::size_t p = 0; p < space.size(); ++p) {
      lost[p].push_back((SquaredError(forest, Exchanged(tested, p, random)) - error) / variance);
    }
  }
  for (std::size_t p = 0; p < space.size(); ++p) importance[p] = Summary(lost[p]);
  return importance;
}

Dependence PartialDependence(const Space& space, const Evidence& seen,
                             const std::vector<std::size_t>& parameters, std::uint64_t seed) {
  std::vector<std::size_t> active;
  for (std::size_t i = 0; i < seen.points.size(); ++i) {
    const auto has = [&](std::size_t p) { return !std::isnan(seen.points[i][p]); };
    if (std::ranges::all_of(parameters, has)) active.push_back(i);
  }
  Dependence dependence;
  if (active.empty()) return dependence;
  Random random(seed, 1);
  Shuffle(active, random);
  active.resize(std::min(active.size(), kMostAveraged));
  dependence.at = {{}};
  for (const std::size_t p : parameters) {
    std::vector<Point> grown;
    for (const Point& before : dependence.at) {
      for (const double x : Grid(space, p, parameters.size() > 1 ? kGridOfTwo : kGridOfOne)) {
        grown.push_back(before);
        grown.back().push_back(x);
      }
    }
    dependence.at = std::move(grown);
  }
  const Forest forest(space, seen, {.seed = seed});
  for (const Point& at : dependence.at) {
    std::vector<double> means(forest.trees().size());
    for (const std::size_t row : active) {
      Point point = seen.points[row];
      for (std::size_t i = 0; i < parameters.size(); ++i) point[parameters[i]] = at[i];
      for (std::size_t t = 0; t < means.size(); ++t) {
        means[t] += forest.trees()[t].Predict(point) / static_cast<double>(active.size());
      }
    }
    dependence.losses.push_back(OfTrees(std::move(means)));
  }
  return dependence;
}

}  // namespace muster::tuner
