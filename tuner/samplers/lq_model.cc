#include "tuner/samplers/lq_model.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

namespace muster::tuner {
namespace {

constexpr double kHeaviest = 20;
constexpr double kDataPerCoefficient = 1.1;
constexpr double kRidge = 1e-14;
constexpr int kHalvings = 60;

/// How many coefficients that much data can carry; 0: none.
std::size_t SizeFor(std::size_t n, std::size_t data) {
  const auto enough = [&](std::size_t size) {
    return static_cast<double>(data) >= kDataPerCoefficient * static_cast<double>(size);
  };
  if (enough(LqModel::MostCoefficients(n))) return LqModel::MostCoefficients(n);
  if (enough(2 * n + 1)) return 2 * n + 1;
  return data >= n + 2 ? n + 1 : 0;
}

double Term(std::span<const double> z, std::size_t n, std::size_t k) {
  if (k == 0) return 1;
  if (k <= n) return z[k - 1];
  return z[k - n - 1] * z[k - n - 1];
}

}  // namespace

void LqModel::Fit(std::span<const Datum* const> data) {
  coefficients_.clear();
  if (data.empty()) return;
  n_ = data[0]->z.size();
  const std::size_t size = SizeFor(n_, data.size());
  if (size == 0) return;
  const auto rows = static_cast<Eigen::Index>(data.size());
  Eigen::MatrixXd design(rows, static_cast<Eigen::Index>(size));
  Eigen::VectorXd target(rows);
  const double best = data.front()->loss, range = data.back()->loss - best;
  for (Eigen::Index r = 0; r < rows; ++r) {
    const Datum& datum = *data[static_cast<std::size_t>(r)];
    const double share = rows > 1 ? static_cast<double>(r) / static_cast<double>(rows - 1) : 0;
    const double weight = std::sqrt(kHeaviest + share * (1 - kHeaviest));
    std::size_t k = 0;
    for (; k < std::min(size, 2 * n_ + 1); ++k) {
      design(r, static_cast<Eigen::Index>(k)) = weight * Term(datum.z, n_, k);
    }
    if (size > k) {
      for (std::size_t i = 0; i < n_; ++i) {
        for (std::size_t j = i + 1; j < n_; ++j) {
          design(r, static_cast<Eigen::Index>(k++)) = weight * datum.z[i] * datum.z[j];
        }
      }
    }
    target(r) = range > 0 ? weight * (datum.loss - best) / range : 0;
  }
  // Normal equations, a fifth of the time of an orthogonal decomposition: the coordinates are whitened, so
  // that their condition is small. The ridge decides where the data cannot.
  Eigen::MatrixXd normal = design.transpose() * design;
  normal.diagonal().array() += kRidge * normal.trace();
  const Eigen::VectorXd solved = normal.llt().solve(design.transpose() * target);
  if (solved.allFinite()) coefficients_.assign(solved.begin(), solved.end());
}

double LqModel::At(std::span<const double> z) const {
  double value = 0;
  std::size_t k = 0;
  for (; k < std::min(coefficients_.size(), 2 * n_ + 1); ++k)
    value += coefficients_[k] * Term(z, n_, k);
  if (k == coefficients_.size()) return value;
  for (std::size_t i = 0; i < n_; ++i) {
    for (std::size_t j = i + 1; j < n_; ++j) value += coefficients_[k++] * z[i] * z[j];
  }
  return value;
}

std::vector<double> LqModel::Minimum(double radius) const {
  // Trust region in the eigenbasis of the Hessian: -(H + shift I)^-1 g with the smallest shift that keeps it
  // positive definite and the step inside.
  const auto n = static_cast<Eigen::Index>(n_);
  Eigen::VectorXd gradient(n);
  Eigen::MatrixXd hessian = Eigen::MatrixXd::Zero(n, n);
  for (Eigen::Index i = 0; i < n; ++i) gradient(i) = coefficients_[static_cast<std::size_t>(i) + 1];
  if (curved()) {
    for (Eigen::Index i = 0; i < n; ++i) {
      hessian(i, i) = 2 * coefficients_[static_cast<std::size_t>(i) + n_ + 1];
    }
  }
  std::size_t k = 2 * n_ + 1;
  for (Eigen::Index i = 0; i < n && k < coefficients_.size(); ++i) {
    for (Eigen::Index j = i + 1; j < n; ++j) hessian(i, j) = hessian(j, i) = coefficients_[k++];
  }
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(hessian);
  const Eigen::VectorXd& values = solver.eigenvalues();
  const Eigen::VectorXd slope = solver.eigenvectors().transpose() * gradient;
  const auto step = [&](double shift) -> Eigen::VectorXd {
    return -(slope.array() / (values.array() + shift)).matrix();
  };
  const double length = slope.norm();
  if (!(length > 0)) return std::vector<double>(n_, 0);
  double low = std::max(0.0, -values(0)), high = low + length / radius;
  const bool inside = values(0) > 0 && step(0).norm() <= radius;
  if (inside) {
    high = 0;
  } else {
    for (int i = 0; i < kHalvings; ++i) {
      const double middle = 0.5 * (low + high);
      (step(middle).norm() > radius ? low : high) = middle;
    }
  }
  const Eigen::VectorXd z = solver.eigenvectors() * step(high);
  return {z.begin(), z.end()};
}

}  // namespace muster::tuner
