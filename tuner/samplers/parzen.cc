#include "tuner/samplers/parzen.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace muster::tuner {
namespace {

constexpr std::size_t kFullWeight = 25;
constexpr double kPriorWeight = 1.0;

double NormalCdf(double z) { return 0.5 * std::erfc(-z * M_SQRT1_2); }

/// Phi(b) - Phi(a), from the tail that keeps its digits.
double NormalMass(double a, double b) {
  return a > 0 ? NormalCdf(-a) - NormalCdf(-b) : NormalCdf(b) - NormalCdf(a);
}

double SafeLog(double x) { return std::log(std::max(x, std::numeric_limits<double>::min())); }

/// 1 for the newest 25, a ramp from 1/n up to 1 over the older ones.
std::vector<double> Weights(std::size_t n) {
  std::vector<double> weights(n, 1.0);
  if (n <= kFullWeight) return weights;
  const std::size_t ramp = n - kFullWeight;
  const double first = 1.0 / static_cast<double>(n);
  for (std::size_t i = 0; i < ramp; ++i) {
    const double along = ramp == 1 ? 0 : static_cast<double>(i) / static_cast<double>(ramp - 1);
    weights[i] = first + (1 - first) * along;
  }
  return weights;
}

}  // namespace

ParzenEstimator::ParzenEstimator(const Space& space, const std::vector<const Point*>& observations)
    : space_(space), weights_(Weights(observations.size())) {
  weights_.push_back(kPriorWeight);
  const double sum = std::accumulate(weights_.begin(), weights_.end(), 0.0);
  for (double& weight : weights_) weight /= sum;
  dimensions_.resize(space.parameters().size());
  for (std::size_t d = 0; d < dimensions_.size(); ++d) {
    auto& dimension = dimensions_[d];
    dimension.choices = space.scales()[d].choices;
    if (dimension.choices > 0) {
      for (const Point* observed : observations) {
        const double choice = (*observed)[d];
        dimension.categories.push_back(
            std::isnan(choice) ? std::nullopt : std::optional(static_cast<std::size_t>(choice)));
      }
    } else {
      FitNumeric(d, observations);
    }
  }
}

void ParzenEstimator::FitNumeric(std::size_t d, const std::vector<const Point*>& observations) {
  auto& dimension = dimensions_[d];
  dimension.numeric = true;
  dimension.low = space_.scales()[d].low;
  dimension.high = space_.scales()[d].high;
  const double range = dimension.high - dimension.low;
  dimension.kernels.resize(observations.size());
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < observations.size(); ++i) {
    const double x = (*observations[i])[d];
    if (std::isnan(x)) continue;
    dimension.kernels[i] = Kernel{x, range};
    order.push_back(i);
  }
  const auto mu = [&](std::size_t position) { return dimension.kernels[order[position]]->mu; };
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return dimension.kernels[a]->mu < dimension.kernels[b]->mu;
  });
  // The wider of the two gaps; the outermost kernels look inward only, or they would reach the bounds.
  const double narrowest = range / std::min(100.0, 2.0 + static_cast<double>(order.size()));
  for (std::size_t i = 0; i < order.size(); ++i) {
    double gap = range;
    if (order.size() > 1) {
      gap = 0;
      if (i > 0) gap = std::max(gap, mu(i) - mu(i - 1));
      if (i + 1 < order.size()) gap = std::max(gap, mu(i + 1) - mu(i));
    }
    dimension.kernels[order[i]]->sigma = std::clamp(gap, narrowest, range);
  }
}

ParzenEstimator::Kernel ParzenEstimator::KernelOf(const Dimension& dimension, std::size_t kernel) {
  // The prior comes after the observations; it also stands in for an inactive parameter.
  if (kernel < dimension.kernels.size() && dimension.kernels[kernel]) {
    return *dimension.kernels[kernel];
  }
  return {(dimension.low + dimension.high) / 2, dimension.high - dimension.low};
}

double ParzenEstimator::LogFactor(std::size_t d, std::size_t kernel, double value) const {
  const auto& dimension = dimensions_[d];
  const bool prior = kernel + 1 == weights_.size();
  if (!dimension.numeric) {
    const auto choices = static_cast<double>(dimension.choices);
    if (prior || !dimension.categories[kernel]) return -std::log(choices);
    // One observation, smoothed by the prior's weight spread over kernels and categories.
    const double smooth = kPriorWeight / static_cast<double>(weights_.size());
    const bool same = *dimension.categories[kernel] == static_cast<std::size_t>(value);
    return std::log((smooth + (same ? 1.0 : 0.0)) / (smooth * choices + 1.0));
  }
  const Kernel kernel_of = KernelOf(dimension, kernel);
  const double inside = NormalMass((dimension.low - kernel_of.mu) / kernel_of.sigma,
                                   (dimension.high - kernel_of.mu) / kernel_of.sigma);
  const auto [from, to] = space_.Cell(d, value);
  if (from < to) {
    return SafeLog(NormalMass((from - kernel_of.mu) / kernel_of.sigma,
                              (to - kernel_of.mu) / kernel_of.sigma)) -
           SafeLog(inside);
  }
  const double z = (from - kernel_of.mu) / kernel_of.sigma;
  return -0.5 * z * z - std::log(kernel_of.sigma * std::sqrt(2 * M_PI)) - SafeLog(inside);
}

double ParzenEstimator::DrawFactor(std::size_t d, std::size_t kernel, Random& random) const {
  const auto& dimension = dimensions_[d];
  const bool prior = kernel + 1 == weights_.size();
  if (!dimension.numeric) {
    const double smooth = kPriorWeight / static_cast<double>(weights_.size());
    const auto choices = static_cast<double>(dimension.choices);
    const bool keep =
        !prior && dimension.categories[kernel] && random.Uniform() < 1.0 / (smooth * choices + 1.0);
    const std::uint64_t other = random.Below(dimension.choices);
    return static_cast<double>(keep ? *dimension.categories[kernel] : other);
  }
  const Kernel kernel_of = KernelOf(dimension, kernel);
  const double below = NormalCdf((dimension.low - kernel_of.mu) / kernel_of.sigma);
  const double above = NormalCdf((dimension.high - kernel_of.mu) / kernel_of.sigma);
  const double p = below + (above - below) * random.Uniform();
  const double x = kernel_of.mu + kernel_of.sigma * InverseNormalCdf(p);
  return std::clamp(x, dimension.low, dimension.high);
}

Point ParzenEstimator::Draw(Random& random) const {
  double left = random.Uniform();
  std::size_t kernel = 0;
  while (kernel + 1 < weights_.size() && left >= weights_[kernel]) left -= weights_[kernel++];
  Point point(dimensions_.size(), kInactive);
  for (std::size_t d = 0; d < dimensions_.size(); ++d) {
    if (space_.IsActive(d, point)) point[d] = DrawFactor(d, kernel, random);
  }
  return space_.Snap(std::move(point));
}

double ParzenEstimator::LogDensity(const Point& point) const {
  std::vector<double> terms(weights_.size());
  double largest = -std::numeric_limits<double>::infinity();
  for (std::size_t kernel = 0; kernel < weights_.size(); ++kernel) {
    double term = std::log(weights_[kernel]);
    for (std::size_t d = 0; d < dimensions_.size(); ++d) {
      if (!std::isnan(point[d])) term += LogFactor(d, kernel, point[d]);
    }
    terms[kernel] = term;
    largest = std::max(largest, term);
  }
  double sum = 0;
  for (const double term : terms) sum += std::exp(term - largest);
  return largest + std::log(sum);
}

}  // namespace muster::tuner
