#include "tuner/samplers/cmaes_model.h"

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>

#include "runtime/base/check.h"
#include "runtime/base/math.h"

namespace muster::tuner {
namespace {

constexpr double kEpsilon = 1e-8;
constexpr double kMaxSigma = 1e32;

double Norm(const Vector& v) {
  double sum = 0;
  for (const double x : v) sum += x * x;
  return std::sqrt(sum);
}

double AsDouble(std::size_t count) { return static_cast<double>(count); }

/// E |N(0, I)|.
double Chi(double n) { return std::sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n)); }

}  // namespace

std::size_t DefaultLambda(std::size_t n) {
  return 4 + static_cast<std::size_t>(3 * math::Log(AsDouble(n)));
}

CmaConstants::CmaConstants(std::size_t dimensions, std::size_t lambda) : mu(lambda / 2) {
  MUSTER_CHECK(dimensions > 0 && lambda > 1, "a distribution and a selection");
  const double n = AsDouble(dimensions);
  double sum = 0, squares = 0, sum_minus = 0, squares_minus = 0, positive = 0, negative = 0;
  for (std::size_t i = 0; i < lambda; ++i) {
    const double w = math::Log((AsDouble(lambda) + 1) / 2) - math::Log(AsDouble(i + 1));
    weights.push_back(w);
    (i < mu ? sum : sum_minus) += w;
    (i < mu ? squares : squares_minus) += w * w;
    (w > 0 ? positive : negative) += std::abs(w);
  }
  mu_eff = sum * sum / squares;
  const double mu_eff_minus = squares_minus > 0 ? sum_minus * sum_minus / squares_minus : 0;
  c_1 = 2 / ((n + 1.3) * (n + 1.3) + mu_eff);
  c_mu = std::min(1 - c_1 - kEpsilon, 2 * (mu_eff - 2 + 1 / mu_eff) / ((n + 2) * (n + 2) + mu_eff));
  const double alpha = c_mu > 0 ? std::min({1 + c_1 / c_mu, 1 + 2 * mu_eff_minus / (mu_eff + 2),
                                            (1 - c_1 - c_mu) / (n * c_mu)})
                                : 0;
  for (double& w : weights) w *= w >= 0 ? 1 / positive : alpha / negative;
  c_sigma = (mu_eff + 2) / (n + mu_eff + 5);
  d_sigma = 1 + 2 * std::max(0.0, std::sqrt((mu_eff - 1) / (n + 1)) - 1) + c_sigma;
  c_c = (4 + mu_eff / n) / (n + 4 + 2 * mu_eff / n);
}

CmaModel::CmaModel(Vector mean, double sigma)
    : n_(mean.size()),
      mean_(std::move(mean)),
      sigma_(sigma),
      c_(n_ * n_, 0),
      b_(n_ * n_, 0),
      d_(n_, 1),
      p_sigma_(n_, 0),
      p_c_(n_, 0) {
  for (std::size_t i = 0; i < n_; ++i) c_[i * n_ + i] = b_[i * n_ + i] = 1;
}

Vector CmaModel::At(std::span<const double> z) const {
  Vector x(n_);
  for (std::size_t i = 0; i < n_; ++i) {
    double y = 0;
    for (std::size_t k = 0; k < n_; ++k) y += b_[i * n_ + k] * d_[k] * z[k];
    x[i] = mean_[i] + sigma_ * y;
  }
  return x;
}

Vector CmaModel::Whitened(std::span<const double> x) const {
  Vector rotated(n_, 0), white(n_, 0);
  for (std::size_t k = 0; k < n_; ++k) {
    for (std::size_t i = 0; i < n_; ++i) rotated[k] += b_[i * n_ + k] * (x[i] - mean_[i]);
    rotated[k] /= d_[k] * sigma_;
  }
  for (std::size_t i = 0; i < n_; ++i) {
    for (std::size_t k = 0; k < n_; ++k) white[i] += b_[i * n_ + k] * rotated[k];
  }
  return white;
}

Vector CmaModel::Colored(std::span<const double> z) const {
  Vector rotated(n_, 0);
  for (std::size_t k = 0; k < n_; ++k) {
    for (std::size_t i = 0; i < n_; ++i) rotated[k] += b_[i * n_ + k] * z[i];
  }
  return At(rotated);
}

double CmaModel::Deviation(std::size_t coordinate) const {
  return sigma_ * std::sqrt(std::max(0.0, c_[coordinate * n_ + coordinate]));
}

double CmaModel::condition() const { return d_.back() * d_.back() / (d_.front() * d_.front()); }

void CmaModel::Update(const std::vector<Ranked>& points) {
  const CmaConstants k(n_, points.size());
  const double n = AsDouble(n_);
  const double longest = std::sqrt(n) + 2 * n / (n + 2);
  ++generation_;

  // y = (x - m) / sigma, and its Mahalanobis length.
  std::vector<Vector> steps;
  Vector lengths;
  bool injected = false;
  for (const Ranked& point : points) {
    double length = Norm(Whitened(point.x));
    const double shrink = point.injected && length > longest ? longest / length : 1;
    Vector& y = steps.emplace_back(n_);
    for (std::size_t i = 0; i < n_; ++i) y[i] = shrink * (point.x[i] - mean_[i]) / sigma_;
    lengths.push_back(shrink * length);
    injected = injected || point.injected;
  }
  Vector y_w(n_, 0);
  for (std::size_t j = 0; j < k.mu; ++j) {
    for (std::size_t i = 0; i < n_; ++i) y_w[i] += k.weights[j] * steps[j][i];
  }
  Vector moved = mean_;
  for (std::size_t i = 0; i < n_; ++i) moved[i] += sigma_ * y_w[i];
  Vector white = Whitened(moved);
  if (const double length = std::sqrt(k.mu_eff) * Norm(white),
      most = std::sqrt(2 * n) + 2 * n / (n + 2);
      injected && length > most) {
    for (double& x : white) x *= most / length;
    for (double& x : y_w) x *= most / length;
  }

  const double keep = std::sqrt(k.c_sigma * (2 - k.c_sigma) * k.mu_eff);
  for (std::size_t i = 0; i < n_; ++i) {
    mean_[i] += sigma_ * y_w[i];
    p_sigma_[i] = (1 - k.c_sigma) * p_sigma_[i] + keep * white[i];
  }
  const double path = Norm(p_sigma_), chi = Chi(n);
  double growth = k.c_sigma / k.d_sigma * (path / chi - 1);
  if (injected) growth = std::min(growth, 1.0);
  sigma_ = std::min(sigma_ * math::Exp(growth), kMaxSigma);

  // h_sigma stalls p_c while p_sigma is long.
  const double fade = 1 - math::Pow(1 - k.c_sigma, 2 * (AsDouble(generation_) + 1));
  const double h = path / std::sqrt(fade) < (1.4 + 2 / (n + 1)) * chi ? 1 : 0;
  const double pull = h * std::sqrt(k.c_c * (2 - k.c_c) * k.mu_eff);
  for (std::size_t i = 0; i < n_; ++i) p_c_[i] = (1 - k.c_c) * p_c_[i] + pull * y_w[i];

  double weight_sum = 0;
  for (const double w : k.weights) weight_sum += w;
  const double old = 1 + k.c_1 * (1 - h) * k.c_c * (2 - k.c_c) - k.c_1 - k.c_mu * weight_sum;
  Matrix next(n_ * n_);
  for (std::size_t a = 0; a < n_ * n_; ++a) next[a] = old * c_[a];
  for (std::size_t j = 0; j < points.size(); ++j) {
    const double scale =
        k.weights[j] >= 0 ? 1 : n / (lengths[j] * lengths[j] + kEpsilon);  // eq. 46
    const double w = k.c_mu * k.weights[j] * scale;
    for (std::size_t a = 0; a < n_; ++a) {
      for (std::size_t b = 0; b < n_; ++b) next[a * n_ + b] += w * steps[j][a] * steps[j][b];
    }
  }
  for (std::size_t a = 0; a < n_; ++a) {
    for (std::size_t b = 0; b < n_; ++b) next[a * n_ + b] += k.c_1 * p_c_[a] * p_c_[b];
  }
  c_ = std::move(next);
  Decompose();
}

void CmaModel::Decompose() {
  using Square = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const auto n = static_cast<Eigen::Index>(n_);
  Eigen::Map<Square> c(c_.data(), n, n);
  c = (0.5 * (c + c.transpose())).eval();
  const Eigen::SelfAdjointEigenSolver<Square> solver(c);
  Eigen::Map<Square>(b_.data(), n, n) = solver.eigenvectors();
  bool repaired = false;
  for (std::size_t i = 0; i < n_; ++i) {
    const double eigenvalue = solver.eigenvalues()[static_cast<Eigen::Index>(i)];
    repaired = repaired || !(eigenvalue > 0);
    d_[i] = std::sqrt(eigenvalue > 0 ? eigenvalue : kEpsilon);
  }
  if (!repaired) return;
  for (std::size_t a = 0; a < n_; ++a) {
    for (std::size_t b = 0; b < n_; ++b) {
      double sum = 0;
      for (std::size_t k = 0; k < n_; ++k) sum += b_[a * n_ + k] * d_[k] * d_[k] * b_[b * n_ + k];
      c_[a * n_ + b] = sum;
    }
  }
}

}  // namespace muster::tuner
