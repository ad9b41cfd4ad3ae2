#include "tuner/gp/chart.h"

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>

#include "runtime/base/math.h"

namespace muster::tuner::gp {
namespace {

using Matrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;
using ByRows = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// The deviation of a coordinate of z.
constexpr double kDeviation = 0.3;
/// Deviations are not taken as less than this, in units of the space, nor than that share of the largest.
constexpr double kLeastDeviation = 1e-9, kLeastShare = 1e-5;
/// How much of the covariance is that of a ball.
constexpr double kBall = 1e-3;

std::vector<double> Product(const std::vector<double>& matrix, std::span<const double> x,
                            bool transposed) {
  const std::size_t d = x.size();
  std::vector<double> result(d);
  for (std::size_t i = 0; i < d; ++i) {
    for (std::size_t j = 0; j < d; ++j) {
      if (transposed) {
        result[j] += matrix[i * d + j] * x[i];
      } else {
        result[i] += matrix[i * d + j] * x[j];
      }
    }
  }
  return result;
}

}  // namespace

Chart::Chart(const Space& space) {
  for (std::size_t p = 0; p < space.size(); ++p) {
    (space.scales()[p].choices > 0 ? states_ : numbers_).push_back(p);
  }
  centre_.assign(numbers_.size(), 0.5);
}

Chart Chart::Whole(const Space& space) { return Chart(space); }

Chart Chart::Warped(const Space& space, std::vector<InputWarp> warps) {
  Chart chart(space);
  chart.warps_ = std::move(warps);
  return chart;
}

Chart Chart::Around(const Space& space, const std::vector<const Unit*>& units) {
  Chart chart(space);
  const auto d = static_cast<Eigen::Index>(chart.numbers());
  const auto n = static_cast<Eigen::Index>(units.size());
  Matrix points(d, n);
  Vector weights(n);
  for (Eigen::Index k = 0; k < n; ++k) {
    weights(k) = math::Log(static_cast<double>(n) + 1) - math::Log(static_cast<double>(k) + 1);
    for (Eigen::Index i = 0; i < d; ++i) {
      points(i, k) =
          (*units[static_cast<std::size_t>(k)])[chart.numbers_[static_cast<std::size_t>(i)]];
    }
  }
  weights /= weights.sum();
  const Vector mean = points * weights;
  Matrix covariance = Matrix::Zero(d, d);
  for (Eigen::Index k = 0; k < n; ++k) {
    const Vector off = points.col(k) - mean;
    covariance += weights(k) * off * off.transpose();
  }
  covariance *= 1 - kBall;
  covariance.diagonal().array() += kBall * covariance.trace() / static_cast<double>(d);
  const Eigen::SelfAdjointEigenSolver<Matrix> axes(covariance);
  const double largest = std::sqrt(std::max(axes.eigenvalues()(d - 1), 0.0));
  const double least = std::max(kLeastDeviation, kLeastShare * largest);
  Vector deviations(d);
  for (Eigen::Index i = 0; i < d; ++i) {
    deviations(i) = std::max(std::sqrt(std::max(axes.eigenvalues()(i), 0.0)), least) / kDeviation;
  }
  const ByRows forward = deviations.cwiseInverse().asDiagonal() * axes.eigenvectors().transpose();
  const ByRows backward = axes.eigenvectors() * deviations.asDiagonal();
  chart.forward_.assign(forward.data(), forward.data() + d * d);
  chart.backward_.assign(backward.data(), backward.data() + d * d);
  for (Eigen::Index i = 0; i < d; ++i) chart.centre_[static_cast<std::size_t>(i)] = points(i, 0);
  return chart;
}

void Chart::ToRow(const Unit& unit, std::span<double> row) const {
  const std::size_t d = numbers();
  std::vector<double> off(d);
  for (std::size_t i = 0; i < d; ++i) {
    const double u = unit[numbers_[i]];
    off[i] = (warps_.empty() ? u : warps_[i].At(u)) - centre_[i];
  }
  if (!forward_.empty()) off = Product(forward_, off, false);
  std::ranges::copy(off, row.begin());
  for (std::size_t i = 0; i < states(); ++i) row[d + i] = unit[states_[i]];
}

void Chart::FromRow(std::span<const double> z, Unit& unit) const {
  const std::size_t d = numbers();
  std::vector<double> off(z.begin(), z.begin() + static_cast<std::ptrdiff_t>(d));
  if (!backward_.empty()) off = Product(backward_, off, false);
  for (std::size_t i = 0; i < d; ++i) {
    const double w = centre_[i] + off[i];
    unit[numbers_[i]] = warps_.empty() ? w : warps_[i].Inverse(w);
  }
}

std::vector<double> Chart::Pull(std::span<const double> over_z, const Unit& unit) const {
  if (forward_.empty()) {
    std::vector<double> over_u(over_z.begin(), over_z.end());
    for (std::size_t i = 0; i < warps_.size(); ++i)
      over_u[i] *= warps_[i].SlopesAt(unit[numbers_[i]]).over_u;
    return over_u;
  }
  return Product(forward_, over_z, true);
}

std::vector<double> Chart::Push(std::span<const double> over_u, const Unit& unit) const {
  if (backward_.empty()) {
    std::vector<double> over_z(over_u.begin(), over_u.end());
    for (std::size_t i = 0; i < warps_.size(); ++i)
      over_z[i] /= warps_[i].SlopesAt(unit[numbers_[i]]).over_u;
    return over_z;
  }
  return Product(backward_, over_u, true);
}

Rows Chart::ToRows(const std::vector<const Unit*>& units,
                   const std::vector<double>& weights) const {
  Rows rows(numbers(), states());
  std::vector<double> row(features());
  for (std::size_t i = 0; i < units.size(); ++i) {
    ToRow(*units[i], row);
    rows.Add(row, weights[i]);
  }
  return rows;
}

}  // namespace muster::tuner::gp
