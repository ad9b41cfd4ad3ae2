#include "tuner/gp/regression.h"

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>

#include "runtime/base/check.h"
#include "runtime/base/math.h"
#include "tuner/gp/triangle.h"

namespace muster::tuner::gp {
namespace {

using Matrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;
using Strided = Eigen::Map<Matrix, Eigen::Aligned16, Eigen::OuterStride<>>;
using ConstStrided = Eigen::Map<const Matrix, Eigen::Aligned16, Eigen::OuterStride<>>;

/// The least variance that is believed: below it lies rounding.
constexpr double kLeastVariance = 1e-14;

/// K of all rows with its noise, the upper triangle.
Matrix UpperK(const Covariance& covariance, const Rows& rows) {
  const auto n = static_cast<Eigen::Index>(rows.size());
  Matrix k(n, n);
  ForEachRow(covariance, rows, [&](std::size_t at, const Against& against) {
    const auto j = static_cast<Eigen::Index>(at);
    for (std::size_t i = 0; i <= at; ++i) {
      k(static_cast<Eigen::Index>(i), j) = against.At(covariance, i);
    }
    k(j, j) += covariance.noise / rows.weights[at];
  });
  return k;
}

}  // namespace

Regression::Regression(const Hyperparameters& hyperparameters, std::size_t numbers,
                       std::size_t states)
    : hyperparameters_(hyperparameters), rows_(numbers, states) {
  FixBlocks();
}

void Regression::Reserve(std::size_t rows) {
  if (rows <= stride_) return;
  const std::size_t stride = (std::max(rows, stride_ + stride_ / 4) + 31) / 16 * 16;
  std::vector<double> grown(stride * stride);
  for (std::size_t j = 0; j < size(); ++j) {
    std::copy_n(inverse_.begin() + static_cast<std::ptrdiff_t>(j * stride_), size(),
                grown.begin() + static_cast<std::ptrdiff_t>(j * stride));
  }
  inverse_ = std::move(grown);
  stride_ = stride;
}

void Regression::Add(std::span<const double> row, double weight) {
  const std::size_t n = size();
  Reserve(n + 1);
  const Covariance covariance(hyperparameters_);
  Against against;
  against.Compute(covariance, rows_, n, row);
  Vector k(static_cast<Eigen::Index>(n));
  for (std::size_t j = 0; j < n; ++j) k(static_cast<Eigen::Index>(j)) = against.At(covariance, j);
  const auto m = static_cast<Eigen::Index>(n);
  Strided inverse(inverse_.data(), m + 1, m + 1,
                  Eigen::OuterStride<>(static_cast<Eigen::Index>(stride_)));
  const auto lower = inverse.topLeftCorner(m, m).triangularView<Eigen::Lower>();
  // The new row of L is l and its diagonal; what it leaves of the variance is at least the noise.
  const double noise = covariance.noise / weight;
  const Vector l = lower * k;
  const double left = covariance.Variance(row, rows_.numbers) + noise - l.squaredNorm();
  const double diagonal = std::sqrt(std::max(left, noise));
  const Vector back = lower.transpose() * l;
  inverse.row(m).head(m) = -back.transpose() / diagonal;
  inverse(m, m) = 1 / diagonal;
  rows_.Add(row, weight);
  alpha_.push_back(0);
}

void Regression::Assign(const Rows& rows) {
  Truncate(0);
  Reserve(rows.size() + 16);
  const Covariance covariance(hyperparameters_);
  Hyperparameters noisier = hyperparameters_;
  const auto n = static_cast<Eigen::Index>(rows.size());
  Matrix lower;
  for (int attempt = 0;; ++attempt) {  // a covariance that rounding made indefinite gets more noise
    MUSTER_CHECK(attempt < 40, "noise makes any covariance positive");
    const Eigen::LLT<Matrix, Eigen::Lower> llt(UpperK(Covariance(noisier), rows).transpose());
    if (llt.info() == Eigen::Success) {
      lower = llt.matrixL();
      break;
    }
    noisier.noise += 1;
  }
  hyperparameters_ = noisier;
  InvertLower(lower.data(), rows.size());
  Strided(inverse_.data(), n, n, Eigen::OuterStride<>(static_cast<Eigen::Index>(stride_))) = lower;
  rows_ = rows;
  alpha_.assign(rows.size(), 0);
}

void Regression::Truncate(std::size_t count) {
  if (count >= size()) return;
  for (auto& column : rows_.columns) column.resize(count);
  rows_.weights.resize(count);
  alpha_.resize(count);
}

void Regression::SetTargets(std::span<const double> targets) {
  const auto n = static_cast<Eigen::Index>(size());
  const ConstStrided inverse(inverse_.data(), n, n,
                             Eigen::OuterStride<>(static_cast<Eigen::Index>(stride_)));
  const Vector white = inverse.triangularView<Eigen::Lower>() * Vector::Map(targets.data(), n);
  Vector::Map(alpha_.data(), n) = inverse.transpose().triangularView<Eigen::Upper>() * white;
}

double Regression::Smoothed(std::size_t i, double target) const {
  return target - math::Exp(hyperparameters_.noise) / rows_.weights[i] * alpha_[i];
}

void Regression::Predict(std::span<const double> row, Belief& belief, bool gradient) const {
  const Covariance covariance(hyperparameters_);
  const std::size_t n = size();
  const auto m = static_cast<Eigen::Index>(n);
  thread_local Against against;  // scratch: an ascent asks hundreds of times
  against.Compute(covariance, rows_, n, row);
  Vector k(m);
  for (std::size_t j = 0; j < n; ++j) k(static_cast<Eigen::Index>(j)) = against.At(covariance, j);
  const ConstStrided inverse(inverse_.data(), m, m,
                             Eigen::OuterStride<>(static_cast<Eigen::Index>(stride_)));
  const Vector white = inverse.triangularView<Eigen::Lower>() * k;
  const auto alpha = Vector::Map(alpha_.data(), m);
  belief.mean = k.dot(alpha);
  belief.variance =
      std::max(covariance.Variance(row, rows_.numbers) - white.squaredNorm(), kLeastVariance);
  if (!gradient) return;
  const Vector back = inverse.transpose().triangularView<Eigen::Upper>() * white;
  // dk_j / dx_f = 2 m M' (x_f - x_jf) / l_f^2 + 4 x_jf (a + 2 b t)
  Vector slope(m), trend(m);
  for (std::size_t j = 0; j < n; ++j) {
    const auto at = static_cast<Eigen::Index>(j);
    slope(at) = 2 * covariance.matern * against.slope[j];
    trend(at) = 4 * (covariance.linear + 2 * covariance.quadratic * against.trend[j]);
  }
  double own = 0;
  for (std::size_t f = 0; f < rows_.numbers; ++f) own += row[f] * row[f];
  own = 8 * (covariance.linear + 8 * covariance.quadratic * own);
  belief.mean_gradient.resize(rows_.numbers);
  belief.variance_gradient.resize(rows_.numbers);
  Vector dk(m);
  for (std::size_t f = 0; f < rows_.numbers; ++f) {
    const double* column = rows_.columns[f].data();
    const double x = row[f], weight = covariance.inverse_squares[f];
    for (Eigen::Index j = 0; j < m; ++j) {
      dk(j) = slope(j) * weight * (x - column[j]) + trend(j) * column[j];
    }
    belief.mean_gradient[f] = dk.dot(alpha);
    belief.variance_gradient[f] = own * x - 2 * dk.dot(back);
  }
}

void Regression::PredictMany(std::span<const double> rows, std::size_t count,
                             std::span<double> means, std::span<double> variances) const {
  const Covariance covariance(hyperparameters_);
  const std::size_t n = size(), d = rows_.features();
  const auto m = static_cast<Eigen::Index>(n), c = static_cast<Eigen::Index>(count);
  Matrix k(m, c);
  Against against;
  for (std::size_t i = 0; i < count; ++i) {
    against.Compute(covariance, rows_, n, rows.subspan(i * d, d));
    for (std::size_t j = 0; j < n; ++j) {
      k(static_cast<Eigen::Index>(j), static_cast<Eigen::Index>(i)) = against.At(covariance, j);
    }
  }
  const ConstStrided inverse(inverse_.data(), m, m,
                             Eigen::OuterStride<>(static_cast<Eigen::Index>(stride_)));
  const Matrix white = inverse.triangularView<Eigen::Lower>() * k;
  const auto alpha = Vector::Map(alpha_.data(), m);
  for (std::size_t i = 0; i < count; ++i) {
    const auto at = static_cast<Eigen::Index>(i);
    means[i] = k.col(at).dot(alpha);
    variances[i] = std::max(
        covariance.Variance(rows.subspan(i * d, d), rows_.numbers) - white.col(at).squaredNorm(),
        kLeastVariance);
  }
}

}  // namespace muster::tuner::gp
