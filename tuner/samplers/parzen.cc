#include "tuner/samplers/parzen.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <limits>

#include "runtime/base/check.h"
#include "runtime/base/math.h"
#include "tuner/samplers/parzen_sum.h"

namespace muster::tuner {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kHalfLog2Pi = 0.91893853320467274178;
constexpr std::size_t kFullWeight = 25;
constexpr double kPriorWeight = 1;
/// A block whose largest term is this far below the largest so far adds nothing.
constexpr double kNegligible = 60;

/// Of the `age`-th oldest of n.
double AgeWeight(std::size_t age, std::size_t n) {
  if (age + kFullWeight >= n) return 1;
  const auto ramp = static_cast<double>(n - kFullWeight);
  const double first = 1 / static_cast<double>(n);
  return ramp == 1 ? first : first + static_cast<double>(age) * ((1 - first) / (ramp - 1));
}

}  // namespace

double LogGaussMass(double a, double b) {
  if (a > 0) return LogGaussMass(-b, -a);
  const double h = b - a, middle = a + h / 2;
  if (h * (1 + std::abs(middle)) < 1e-3) {  // a difference would lose digits: midpoint, next order
    return -0.5 * middle * middle - kHalfLog2Pi + math::Log(h) +
           math::Log1p((middle * middle - 1) * h * h / 24);
  }
  if (b > 0) return math::Log1p(-math::NormalCdf(a) - math::NormalCdf(-b));
  const double upper = math::LogNormalCdf(b);
  return upper + math::Log(-math::Expm1(math::LogNormalCdf(a) - upper));
}

ParzenEstimator::ParzenEstimator(const Space& space, bool by_age)
    : space_(space), by_age_(by_age), dimensions_(space.size()) {
  for (std::size_t d = 0; d < dimensions_.size(); ++d) {
    const Scale& scale = space.scales()[d];
    auto& dimension = dimensions_[d];
    dimension.choice = scale.choices > 0;
    dimension.discrete = dimension.choice || scale.cells > 0;
    dimension.conditional = !space.parameters()[d].when.empty();
    dimension.low = scale.low;
    dimension.high = scale.high;
  }
  Add(Point(space.size(), kInactive), kPriorWeight);
  added_.clear();
  counted_ = 0;
  for (auto& dimension : dimensions_) {
    if (!dimension.choice) SetKernel(dimension, 0, dimension.high - dimension.low);
  }
  Fit();
}

void ParzenEstimator::Add(const Point& point, double weight) {
  const auto kernel = static_cast<std::uint32_t>(points_.size());
  points_.push_back(point);
  own_weight_.push_back(weight);
  weight_.push_back(weight);
  bias_.push_back(0);
  counts_.push_back(true);
  added_.push_back(kernel);
  ++counted_;
  for (std::size_t d = 0; d < dimensions_.size(); ++d) {
    auto& dimension = dimensions_[d];
    const bool inactive = std::isnan(point[d]);
    if (dimension.discrete) {
      // Inactive ones share the prior's group, which is the last of choices and the first of integers.
      const auto none = dimension.choice ? static_cast<double>(space_.scales()[d].choices) : 0.0;
      dimension.group.push_back(
          static_cast<std::uint32_t>(inactive || !dimension.choice ? none : point[d]));
    }
    if (dimension.choice) continue;
    dimension.mu.push_back(inactive ? (dimension.low + dimension.high) / 2 : point[d]);
    dimension.inverse.push_back(0);
    dimension.constant.push_back(0);
    if (inactive && kernel > 0) SetKernel(dimension, kernel, dimension.high - dimension.low);
  }
  changed_.push_back(kernel);
}

void ParzenEstimator::Count(std::size_t index, bool counts) {
  const std::size_t kernel = index + 1;
  if (counts_[kernel] == counts) return;
  counts_[kernel] = counts;
  changed_.push_back(static_cast<std::uint32_t>(kernel));
  if (counts) {
    ++counted_;
    added_.push_back(static_cast<std::uint32_t>(kernel));
    return;
  }
  --counted_;
  removed_ = true;
  for (auto& dimension : dimensions_) {
    if (dimension.discrete && !dimension.choice) dimension.group[kernel] = 0;  // one that stays
  }
}

void ParzenEstimator::Fit() {
  // Counted, uncounted and counted again: once.
  std::ranges::sort(added_);
  added_.erase(std::ranges::unique(added_).begin(), added_.end());
  std::erase_if(added_, [&](std::uint32_t kernel) { return !counts_[kernel]; });
  for (auto& dimension : dimensions_) {
    if (dimension.choice) {
      dimension.rows.clear();
    } else {
      FitNumber(dimension);
    }
  }
  added_.clear();
  removed_ = false;
  for (const std::uint32_t kernel : changed_) {
    double bias = 0;
    for (const auto& dimension : dimensions_) {
      if (!dimension.discrete && !dimension.conditional) bias += dimension.constant[kernel];
    }
    bias_[kernel] = counts_[kernel] ? bias : -kInfinity;
  }
  changed_.clear();
  Weigh();
}

void ParzenEstimator::FitNumber(Dimension& dimension) {
  auto& order = dimension.order;
  const auto& mu = dimension.mu;
  const auto less = [&](std::uint32_t a, std::uint32_t b) {
    return mu[a] < mu[b] || (mu[a] == mu[b] && a < b);
  };
  const std::size_t d = static_cast<std::size_t>(&dimension - dimensions_.data());
  if (removed_) {
    // What was taken away and put back stands in `added_`, too.
    std::erase_if(order, [&](std::uint32_t kernel) {
      return !counts_[kernel] || std::ranges::binary_search(added_, kernel);
    });
  }
  std::vector<std::uint32_t> fresh, merged;
  for (const std::uint32_t kernel : added_) {
    if (!std::isnan(points_[kernel][d])) fresh.push_back(kernel);
  }
  std::ranges::sort(fresh, less);
  merged.reserve(order.size() + fresh.size());
  std::ranges::merge(order, fresh, std::back_inserter(merged), less);
  order = std::move(merged);

  const double range = dimension.high - dimension.low;
  const std::size_t n = order.size();
  const double narrowest = range / std::min(100.0, 2.0 + static_cast<double>(n));
  std::vector<Group> groups{{(dimension.low + dimension.high) / 2, range}};
  double left = 0;  // the gap to the neighbour below
  for (std::size_t i = 0; i < n; ++i) {
    const double x = mu[order[i]];
    const double right = i + 1 < n ? mu[order[i + 1]] - x : 0;
    const double gap =
        n > 1 ? std::max(left, right) : std::max(x - dimension.low, dimension.high - x);
    left = right;
    const double sigma = std::clamp(gap, narrowest, range);
    if (dimension.discrete) {
      if (const Group group{x, sigma}; group != groups.back()) groups.push_back(group);
      dimension.group[order[i]] = static_cast<std::uint32_t>(groups.size() - 1);
    }
    SetKernel(dimension, order[i], sigma);
  }
  if (dimension.discrete && groups != dimension.groups) {
    dimension.groups = std::move(groups);
    dimension.rows.clear();
  }
}

void ParzenEstimator::SetKernel(Dimension& dimension, std::size_t kernel, double sigma) {
  const double inverse = M_SQRT1_2 / sigma;
  if (dimension.inverse[kernel] == inverse) return;
  dimension.inverse[kernel] = inverse;
  dimension.tails.erase(kernel);
  if (dimension.discrete) return;
  const double mu = dimension.mu[kernel];
  dimension.constant[kernel] =
      -kHalfLog2Pi - math::Log(sigma) -
      LogGaussMass((dimension.low - mu) / sigma, (dimension.high - mu) / sigma);
  changed_.push_back(static_cast<std::uint32_t>(kernel));
}

void ParzenEstimator::Weigh() {
  weight_[0] = weight_sum_ = kPriorWeight;
  for (std::size_t kernel = 1, age = 0; kernel < weight_.size(); ++kernel) {
    weight_[kernel] = 0;
    if (!counts_[kernel]) continue;
    weight_[kernel] = own_weight_[kernel] * (by_age_ ? AgeWeight(age++, counted_) : 1);
    weight_sum_ += weight_[kernel];
  }
}

const std::vector<double>& ParzenEstimator::Row(std::size_t d, double value) {
  auto& dimension = dimensions_[d];
  auto [place, fresh] = dimension.rows.try_emplace(value);
  auto& row = place->second;
  if (!fresh) return row;
  if (dimension.choice) {
    const auto choices = static_cast<double>(space_.scales()[d].choices);
    const double smooth = kPriorWeight / static_cast<double>(counted_ + 1);
    const double sum = smooth * choices + 1;
    row.assign(space_.scales()[d].choices + 1, math::Log(smooth / sum));
    row[static_cast<std::size_t>(value)] = math::Log((smooth + 1) / sum);
    row.back() = -math::Log(choices);
    return row;
  }
  const auto [from, to] = space_.Cell(d, value);
  for (const auto& [mu, sigma] : dimension.groups) {
    row.push_back(LogGaussMass((from - mu) / sigma, (to - mu) / sigma) -
                  LogGaussMass((dimension.low - mu) / sigma, (dimension.high - mu) / sigma));
  }
  return row;
}

KernelColumns ParzenEstimator::ColumnsOf(const Point& point) {
  KernelColumns columns{.bias = bias_.data()};
  for (std::size_t d = 0; d < dimensions_.size(); ++d) {
    const auto& dimension = dimensions_[d];
    if (std::isnan(point[d])) continue;
    if (dimension.discrete) {
      columns.groups.push_back({dimension.group.data(), Row(d, point[d]).data()});
      continue;
    }
    columns.normals.push_back({point[d], dimension.mu.data(), dimension.inverse.data()});
    if (dimension.conditional) columns.constants.push_back(dimension.constant.data());
  }
  return columns;
}

void ParzenEstimator::LogDensities(std::span<const Point> points, std::span<double> logs) {
  std::vector<double> largest(points.size(), -kInfinity), sums(points.size(), 0.0);
  std::vector<KernelColumns> columns;
  for (const Point& point : points) columns.push_back(ColumnsOf(point));
  std::array<double, kKernelBlock> buffer{};
  for (std::size_t from = 0; from < points_.size(); from += kKernelBlock) {
    const auto terms = std::span(buffer).first(std::min(kKernelBlock, points_.size() - from));
    for (std::size_t p = 0; p < points.size(); ++p) {
      const double top = FillTerms(columns[p], from, terms);
      if (top < largest[p] - kNegligible || top == -kInfinity) continue;
      if (top > largest[p]) {
        sums[p] *= math::Exp(largest[p] - top);
        largest[p] = top;
      }
      ExpBelow(terms, largest[p]);
      sums[p] += Dot(terms, &weight_[from]);
    }
  }
  for (std::size_t p = 0; p < points.size(); ++p) {
    logs[p] = largest[p] + math::Log(sums[p] / weight_sum_);
  }
}

double ParzenEstimator::LogDensity(const Point& point) {
  double log = 0;
  LogDensities({&point, 1}, {&log, 1});
  return log;
}

double ParzenEstimator::DrawFactor(std::size_t d, std::size_t kernel, Random& random) {
  auto& dimension = dimensions_[d];
  if (dimension.choice) {
    const std::size_t choices = space_.scales()[d].choices;
    const double smooth = kPriorWeight / static_cast<double>(counted_ + 1);
    const bool keep = dimension.group[kernel] < choices &&
                      random.Uniform() * (smooth * static_cast<double>(choices) + 1) < 1;
    const std::uint64_t other = random.Below(choices);
    return static_cast<double>(keep ? dimension.group[kernel] : other);
  }
  const double mu = dimension.mu[kernel], sigma = M_SQRT1_2 / dimension.inverse[kernel];
  auto& [below, inside] = dimension.tails.try_emplace(kernel).first->second;
  if (inside == 0) {
    below = math::NormalCdf((dimension.low - mu) / sigma);
    inside = math::NormalCdf((dimension.high - mu) / sigma) - below;
  }
  const double x = mu + sigma * InverseNormalCdf(below + inside * random.Uniform());
  return std::clamp(x, dimension.low, dimension.high);
}

Point ParzenEstimator::Draw(Random& random) {
  double left = random.Uniform() * weight_sum_;
  std::size_t kernel = 0;
  while (kernel + 1 < weight_.size() && left >= weight_[kernel]) left -= weight_[kernel++];
  if (weight_[kernel] == 0) kernel = 0;
  Point point(dimensions_.size(), kInactive);
  for (std::size_t d = 0; d < dimensions_.size(); ++d) {
    if (space_.IsActive(d, point)) point[d] = DrawFactor(d, kernel, random);
  }
  return space_.Snap(std::move(point));
}

}  // namespace muster::tuner
