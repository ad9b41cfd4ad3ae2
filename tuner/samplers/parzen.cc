#include "tuner/samplers/parzen.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

#include "runtime/base/check.h"
#include "runtime/base/math.h"

namespace muster::tuner {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kHalfLog2Pi = 0.91893853320467274178;
constexpr std::size_t kFullWeight = 25;

/// Of the `age`-th oldest of n.
double AgeWeight(std::size_t age, std::size_t n) {
  if (age + kFullWeight >= n) return 1;
  const auto ramp = static_cast<double>(n - kFullWeight);
  const double first = 1 / static_cast<double>(n);
  return ramp == 1 ? first : first + static_cast<double>(age) * ((1 - first) / (ramp - 1));
}

}  // namespace

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
  Add(Point(space.size(), kInactive), kParzenPrior);
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
  if (!dimension.discrete || groups == dimension.groups) return;
  for (Group& group : groups) {
    group.on_scale = math::LogNormalMass((dimension.low - group.mu) / group.sigma,
                                         (dimension.high - group.mu) / group.sigma);
  }
  dimension.groups = std::move(groups);
  dimension.rows.clear();
}

void ParzenEstimator::SetKernel(Dimension& dimension, std::size_t kernel, double sigma) {
  const double inverse = M_SQRT1_2 / sigma;
  if (dimension.inverse[kernel] == inverse) return;
  dimension.inverse[kernel] = inverse;
  if (kernel < dimension.tails.size()) dimension.tails[kernel] = {};
  if (dimension.discrete) return;
  const double mu = dimension.mu[kernel];
  dimension.constant[kernel] =
      -kHalfLog2Pi - math::Log(sigma) -
      math::LogNormalMass((dimension.low - mu) / sigma, (dimension.high - mu) / sigma);
  changed_.push_back(static_cast<std::uint32_t>(kernel));
}

void ParzenEstimator::Weigh() {
  weight_[0] = weight_sum_ = kParzenPrior;
  for (std::size_t kernel = 1, age = 0; kernel < weight_.size(); ++kernel) {
    weight_[kernel] = 0;
    if (!counts_[kernel]) continue;
    weight_[kernel] = own_weight_[kernel] * (by_age_ ? AgeWeight(age++, counted_) : 1);
    weight_sum_ += weight_[kernel];
  }
}

}  // namespace muster::tuner
