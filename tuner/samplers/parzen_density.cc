#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "runtime/base/math.h"
#include "tuner/samplers/parzen.h"
#include "tuner/samplers/parzen_sum.h"

// What a fitted mixture is used for: densities, and draws.

namespace muster::tuner {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
/// A block whose largest term is this far below the largest so far adds nothing.
constexpr double kNegligible = 60;

}  // namespace

const std::vector<double>& ParzenEstimator::Row(std::size_t d, double value) {
  auto& dimension = dimensions_[d];
  auto [place, fresh] = dimension.rows.try_emplace(value);
  auto& row = place->second;
  if (!fresh) return row;
  if (dimension.choice) {
    const auto choices = static_cast<double>(space_.scales()[d].choices);
    const double smooth = kParzenPrior / static_cast<double>(counted_ + 1);
    const double sum = smooth * choices + 1;
    row.assign(space_.scales()[d].choices + 1, math::Log(smooth / sum));
    row[static_cast<std::size_t>(value)] = math::Log((smooth + 1) / sum);
    row.back() = -math::Log(choices);
    return row;
  }
  const auto [from, to] = space_.Cell(d, value);
  row.reserve(dimension.groups.size());
  for (const auto& [mu, sigma, on_scale] : dimension.groups) {
    row.push_back(math::LogNormalMass((from - mu) / sigma, (to - mu) / sigma) - on_scale);
  }
  return row;
}

KernelColumns ParzenEstimator::ColumnsOf(const Point& point) {
  KernelColumns columns{.bias = bias_.data()};
  columns.normals.reserve(dimensions_.size());
  columns.groups.reserve(dimensions_.size());
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

ParzenEstimator::Sum ParzenEstimator::Begin(const Point& point) {
  Sum s{.columns = ColumnsOf(point), .left = (points_.size() + kKernelBlock - 1) / kKernelBlock};
  s.prior = FillTerms(s.columns, 0, {&s.log, 1});
  s.log = s.prior + math::Log(weight_[0] / weight_sum_);
  return s;
}

void ParzenEstimator::Extend(std::span<Sum* const> sums, std::size_t blocks) {
  std::array<double, kKernelBlock> buffer{};
  for (std::size_t left = sums.empty() ? 0 : sums[0]->left; left > 0 && blocks > 0; --blocks) {
    const std::size_t from = --left * kKernelBlock;
    const auto terms = std::span(buffer).first(std::min(kKernelBlock, points_.size() - from));
    for (Sum* s : sums) {
      s->left = left;
      if (s->log > s->most) continue;
      const double top = FillTerms(s->columns, from, terms);
      if (left > 0 && (top < s->largest - kNegligible || top == -kInfinity)) continue;
      if (top > s->largest) {
        s->sum *= math::Exp(s->largest - top);
        s->largest = top;
      }
      if (top >= s->largest - kNegligible) {
        ExpBelow(terms, s->largest);
        s->sum += Dot(terms, &weight_[from]);
      }
      // The prior is of the last block.
      const double prior =
          left == 0 ? 0 : weight_[0] * math::Exp(std::min(s->prior - s->largest, 700.0));
      if (s->sum + prior > 0) s->log = s->largest + math::Log((s->sum + prior) / weight_sum_);
    }
  }
}

void ParzenEstimator::LogDensities(std::span<const Point> points, std::span<double> logs) {
  for (std::size_t i = 0; i < points.size(); ++i) logs[i] = LogDensity(points[i]);
}

double ParzenEstimator::LogDensity(const Point& point) {
  Sum sum = Begin(point);
  Sum* const sums[] = {&sum};
  Extend(sums, sum.left);
  return sum.log;
}

double ParzenEstimator::DrawFactor(std::size_t d, std::size_t kernel, Random& random) {
  auto& dimension = dimensions_[d];
  if (dimension.choice) {
    const std::size_t choices = space_.scales()[d].choices;
    const double smooth = kParzenPrior / static_cast<double>(counted_ + 1);
    const bool keep = dimension.group[kernel] < choices &&
                      random.Uniform() * (smooth * static_cast<double>(choices) + 1) < 1;
    const std::uint64_t other = random.Below(choices);
    return static_cast<double>(keep ? dimension.group[kernel] : other);
  }
  const double mu = dimension.mu[kernel], sigma = M_SQRT1_2 / dimension.inverse[kernel];
  if (dimension.tails.size() < dimension.mu.size()) dimension.tails.resize(dimension.mu.size());
  auto& [below, inside] = dimension.tails[kernel];
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
