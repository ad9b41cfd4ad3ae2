#include "tuner/samplers/quadratic.h"

#include <algorithm>
#include <cmath>

namespace muster::tuner {
namespace {

/// A full model of more dimensions costs too much and would need too many points.
constexpr std::size_t kMostFull = 12;

std::size_t Coefficients(std::size_t d) {
  return d <= kMostFull ? (d + 1) * (d + 2) / 2 : 2 * d + 1;
}

/// Of a symmetric matrix, row by row, into its lower triangle; false unless it is positive definite.
bool Cholesky(std::vector<double>& a, std::size_t n) {
  for (std::size_t j = 0; j < n; ++j) {
    for (std::size_t i = j; i < n; ++i) {
      double sum = a[i * n + j];
      for (std::size_t k = 0; k < j; ++k) sum -= a[i * n + k] * a[j * n + k];
      if (i == j && !(sum > 0)) return false;
      a[i * n + j] = i == j ? std::sqrt(sum) : sum / a[j * n + j];
    }
  }
  return true;
}

void Solve(const std::vector<double>& lower, std::size_t n, std::vector<double>& b) {
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < i; ++k) b[i] -= lower[i * n + k] * b[k];
    b[i] /= lower[i * n + i];
  }
  for (std::size_t i = n; i-- > 0;) {
    for (std::size_t k = i + 1; k < n; ++k) b[i] -= lower[k * n + i] * b[k];
    b[i] /= lower[i * n + i];
  }
}

/// 1, z, z^2 / 2, products: the first `count` of them.
void Features(const std::vector<double>& z, std::size_t count, std::vector<double>& features) {
  features.assign(1, 1.0);
  features.insert(features.end(), z.begin(), z.end());
  for (const double x : z) features.push_back(x * x / 2);
  for (std::size_t i = 0; i < z.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) features.push_back(z[i] * z[j]);
  }
  features.resize(count);
}

/// The weighted normal equations, with as little of a ridge as makes them definite.
std::optional<std::vector<double>> Regress(const std::vector<std::vector<double>>& z,
                                           std::span<const double> losses, std::size_t count) {
  const std::size_t m = z.size();
  const double scale = losses[m - 1] > losses[0] ? losses[m - 1] - losses[0] : 1;
  std::vector<double> gram(count * count, 0), right(count, 0), features;
  for (std::size_t k = 0; k < m; ++k) {
    Features(z[k], count, features);
    const double rank = static_cast<double>(m - k) / static_cast<double>(m);
    const double weight = k == 0 ? 10 : 0.05 + rank * rank;
    const double y = (losses[k] - losses[0]) / scale;
    for (std::size_t i = 0; i < count; ++i) {
      right[i] += weight * features[i] * y;
      for (std::size_t j = 0; j <= i; ++j)
        gram[i * count + j] += weight * features[i] * features[j];
    }
  }
  double ridge = 1e-10;
  for (int attempt = 0; attempt < 5; ++attempt, ridge *= 100) {
    auto lower = gram;
    for (std::size_t i = 0; i < count; ++i) lower[i * count + i] += ridge * static_cast<double>(m);
    if (!Cholesky(lower, count)) continue;
    Solve(lower, count, right);
    return right;
  }
  return std::nullopt;
}

}  // namespace

std::size_t Quadratic::PointsOf(std::size_t dimensions) { return 2 * Coefficients(dimensions); }

std::optional<Quadratic> Quadratic::Fit(std::span<const std::vector<double>> points,
                                        std::span<const double> losses) {
  if (points.empty()) return std::nullopt;
  const std::size_t d = points[0].size(), m = points.size();
  const std::size_t separable = 2 * d + 1, most = Coefficients(d);
  const std::size_t count = m >= most + 2 ? most : m >= separable + 2 ? separable : d + 1;
  if (m < d + 2 || !std::isfinite(losses[m - 1] - losses[0])) return std::nullopt;
  Quadratic model;
  model.centre_ = points[0];
  for (std::size_t i = 0; i < d; ++i) {
    double sum = 0;
    for (const auto& x : points) sum += (x[i] - points[0][i]) * (x[i] - points[0][i]);
    model.spread_.push_back(std::max(std::sqrt(sum / static_cast<double>(m)), 1e-12));
  }
  std::vector<std::vector<double>> z(points.begin(), points.end());
  for (auto& row : z) {
    for (std::size_t i = 0; i < d; ++i) row[i] = (row[i] - model.centre_[i]) / model.spread_[i];
  }
  const auto found = Regress(z, losses, count);
  if (!found) return std::nullopt;
  model.slope_.assign(found->begin() + 1, found->begin() + 1 + static_cast<std::ptrdiff_t>(d));
  model.curve_.assign(d * d, 0.0);
  for (std::size_t i = 0, product = separable; i < d; ++i) {
    if (count >= separable) model.curve_[i * d + i] = (*found)[1 + d + i];
    for (std::size_t j = 0; j < i && count > separable; ++j, ++product) {
      model.curve_[i * d + j] = model.curve_[j * d + i] = (*found)[product];
    }
  }
  return model;
}

double Quadratic::At(const std::vector<double>& z) const {
  const std::size_t d = z.size();
  double sum = 0;
  for (std::size_t i = 0; i < d; ++i) {
    double row = 0;
    for (std::size_t j = 0; j < d; ++j) row += curve_[i * d + j] * z[j];
    sum += z[i] * (slope_[i] + row / 2);
  }
  return sum;
}

/// The solution of (curve + damping I) z = -slope, where coordinates that leave the box are held at its bound
/// and the others solved for again.
std::optional<std::vector<double>> Quadratic::Step(double damping) const {
  const std::size_t d = centre_.size();
  std::vector<double> z(d, 0.0);
  std::vector<std::size_t> open(d);
  for (std::size_t i = 0; i < d; ++i) open[i] = i;
  while (!open.empty()) {
    const std::size_t n = open.size();
    std::vector<double> a(n * n), b(n);
    for (std::size_t i = 0; i < n; ++i) {
      const double* row = &curve_[open[i] * d];
      b[i] = -slope_[open[i]];
      for (std::size_t j = 0; j < d; ++j) {
        if (!std::ranges::binary_search(open, j)) b[i] -= row[j] * z[j];
      }
      for (std::size_t j = 0; j < n; ++j) a[i * n + j] = row[open[j]] + (i == j ? damping : 0);
    }
    if (!Cholesky(a, n)) return std::nullopt;
    Solve(a, n, b);
    std::vector<std::size_t> still;
    for (std::size_t i = 0; i < n; ++i) {
      const std::size_t k = open[i];
      const double low = -centre_[k] / spread_[k], high = (1 - centre_[k]) / spread_[k];
      z[k] = std::clamp(b[i], low, high);
      if (z[k] == b[i]) still.push_back(k);
    }
    if (still.size() == n) break;
    open = std::move(still);
  }
  return z;
}

std::vector<double> Quadratic::Minimum(double radius) const {
  const std::size_t d = centre_.size();
  std::vector<double> x = centre_;
  // Levenberg and Marquardt's ladder: the least damping whose step is short enough and goes down.
  double damping = 1e-12;
  for (int rung = 0; rung < 60; ++rung, damping *= 2) {
    const auto z = Step(damping);
    if (!z) continue;
    double square = 0;
    for (const double step : *z) square += step * step;
    if (square > radius * radius * static_cast<double>(d) || At(*z) >= 0) continue;
    for (std::size_t i = 0; i < d; ++i) {
      // Bounds are reached, not just approached.
      const double low = -centre_[i] / spread_[i], high = (1 - centre_[i]) / spread_[i];
      x[i] = (*z)[i] <= low ? 0 : (*z)[i] >= high ? 1 : centre_[i] + (*z)[i] * spread_[i];
      x[i] = std::clamp(x[i], 0.0, 1.0);
    }
    break;
  }
  return x;
}

}  // namespace muster::tuner
