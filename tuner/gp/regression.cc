#include "tuner/gp/regression.h"

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>

#include "runtime/base/check.h"
#include "runtime/base/math.h"
#include "tuner/gp/covariance.h"

namespace muster::tuner::gp {
namespace {

using Matrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;
using Strided = Eigen::Map<Matrix, Eigen::Aligned16, Eigen::OuterStride<>>;
using ConstStrided = Eigen::Map<const Matrix, Eigen::Aligned16, Eigen::OuterStride<>>;

/// The least variance that is believed: below it lies rounding.
constexpr double kLeastVariance = 1e-14;

/// Eigen cuts products into blocks by the size of the host's caches, and so adds in another order on another
/// host. Told sizes make it the same everywhere.
void FixBlocks() {
  static const bool fixed = [] {
    Eigen::setCpuCacheSizes(32 << 10, 256 << 10, 2 << 20);
    return true;
  }();
  (void)fixed;
}

/// The inverse of a lower triangle in place, by halves: [A 0; B C] has [1/A 0; -1/C B 1/A, 1/C].
void InvertLower(Eigen::Ref<Matrix, 0, Eigen::OuterStride<>> lower) {
  const Eigen::Index n = lower.rows();
  if (n <= 32) {
    for (Eigen::Index j = 0; j < n; ++j) {
      lower(j, j) = 1 / lower(j, j);
      for (Eigen::Index i = j + 1; i < n; ++i) {
        double sum = 0;
        for (Eigen::Index k = j; k < i; ++k) sum += lower(i, k) * lower(k, j);
        lower(i, j) = -sum / lower(i, i);
      }
    }
    return;
  }
  const Eigen::Index half = (n / 2 + 15) / 16 * 16, rest = n - half;
  InvertLower(lower.topLeftCorner(half, half));
  InvertLower(lower.bottomRightCorner(rest, rest));
  const Matrix a = lower.topLeftCorner(half, half).triangularView<Eigen::Lower>();
  const Matrix c = lower.bottomRightCorner(rest, rest).triangularView<Eigen::Lower>();
  const Matrix b = lower.bottomLeftCorner(rest, half);
  lower.bottomLeftCorner(rest, half).noalias() = -(c * (b * a));
}

/// The logarithm of a density of exp(x) that is LogNormal(mu, sigma) up to a constant, as a density of x: the
/// mode is taken on the logarithmic scale, which is the one searched.
double NormalPrior(double x, double mu, double sigma, double& derivative) {
  const double z = (x - mu) / sigma;
  derivative -= z / sigma;
  return -0.5 * z * z;
}

double LogPrior(const Hyperparameters& at, std::span<double> derivative) {
  const std::size_t d = at.lengths.size();
  const double mu = M_SQRT2 + 0.5 * math::Log(static_cast<double>(std::max<std::size_t>(d, 1)));
  double sum = 0;
  for (std::size_t f = 0; f < d; ++f)
    sum += NormalPrior(at.lengths[f], mu, std::sqrt(3), derivative[f]);
  sum += NormalPrior(at.matern, 0, 1, derivative[d]);
  sum += NormalPrior(at.linear, -2, 2, derivative[d + 1]);
  sum += NormalPrior(at.quadratic, -2, 2, derivative[d + 2]);
  sum += NormalPrior(at.noise, -4, at.noise < -4 ? 4 : 1, derivative[d + 3]);
  return sum;
}

/// K of all rows, its lower triangle; for the gradient also what K is made of.
struct Parts {
  Matrix k, matern, slope, trend;

  Parts(const Covariance& covariance, const Rows& rows, bool all) {
    const auto n = static_cast<Eigen::Index>(rows.size());
    k.resize(n, n);
    if (all) {
      matern.resize(n, n);
      slope.resize(n, n);
      trend.resize(n, n);
    }
    Against against;
    std::vector<double> row(rows.features());
    // The upper triangle by columns, which is the lower one by rows and goes along memory.
    for (Eigen::Index j = 0; j < n; ++j) {
      const auto at = static_cast<std::size_t>(j);
      for (std::size_t f = 0; f < row.size(); ++f) row[f] = rows.columns[f][at];
      against.Compute(covariance, rows, at + 1, row);
      for (Eigen::Index i = 0; i <= j; ++i) {
        k(i, j) = against.At(covariance, static_cast<std::size_t>(i));
      }
      k(j, j) += covariance.noise / rows.weights[at];
      if (!all) continue;
      matern.col(j).head(j + 1) = Vector::Map(against.matern.data(), j + 1);
      slope.col(j).head(j + 1) = Vector::Map(against.slope.data(), j + 1);
      trend.col(j).head(j + 1) = Vector::Map(against.trend.data(), j + 1);
    }
  }
};

/// Adds what the pairs of row j with those up to it give to the gradient over the numbers of both.
void AddRowGradient(const Covariance& covariance, const Rows& rows, Eigen::Index j,
                    const double* slopes, const double* trends,
                    std::vector<std::vector<double>>& over_rows) {
  for (std::size_t f = 0; f < rows.numbers; ++f) {
    const double* column = rows.columns[f].data();
    double* sum = over_rows[f].data();
    const double x = column[j], scale = 2 * covariance.matern * covariance.inverse_squares[f];
    double own = 0;
    for (Eigen::Index i = 0; i <= j; ++i) {
      const double apart = scale * slopes[i] * (x - column[i]);
      own += apart + trends[i] * column[i];
      sum[i] += trends[i] * x - apart;
    }
    sum[j] += own;
  }
}

/// Adds sum over pairs of W dK / d(hyperparameter) / 2, W = alpha alpha' - K^-1, to the gradient.
void AddLikelihoodGradient(const Covariance& covariance, const Rows& rows, const Parts& parts,
                           const Matrix& inverse, const Vector& alpha, std::span<double> gradient,
                           std::vector<std::vector<double>>* over_rows) {
  const Eigen::Index n = alpha.size();
  const std::size_t d = rows.features();
  Matrix sums = Matrix::Zero(n, static_cast<Eigen::Index>(d + 3));
  Vector w(n), slopes(n), trends(n);
  if (over_rows != nullptr) over_rows->assign(rows.numbers, std::vector<double>(rows.size()));
  double noise = 0;
  for (Eigen::Index j = 0; j < n; ++j) {
    const Eigen::Index m = j + 1;
    // Off the diagonal each pair stands for two.
    w.head(m) = alpha(j) * alpha.head(m) - inverse.col(j).head(m);
    w(j) *= 0.5;
    noise += w(j) * covariance.noise / rows.weights[static_cast<std::size_t>(j)];
    slopes.head(m) = w.head(m).cwiseProduct(parts.slope.col(j).head(m));
    for (std::size_t f = 0; f < d; ++f) {
      const double* column = rows.columns[f].data();
      const double x = column[j];
      double* sum = sums.col(static_cast<Eigen::Index>(f)).data();
      const double* slope = slopes.data();
      if (f < rows.numbers) {
        for (Eigen::Index i = 0; i < m; ++i) {
          sum[i] += slope[i] * ((x - column[i]) * (x - column[i]));
        }
      } else {
        for (Eigen::Index i = 0; i < m; ++i) sum[i] += column[i] == x ? 0.0 : slope[i];
      }
    }
    const auto trend = parts.trend.col(j).head(m);
    if (over_rows != nullptr) {
      trends.head(m) =
          4 * w.head(m).array() * (covariance.linear + 2 * covariance.quadratic * trend.array());
      AddRowGradient(covariance, rows, j, slopes.data(), trends.data(), *over_rows);
    }
    const auto at = static_cast<Eigen::Index>(d);
    sums.col(at).head(m) += w.head(m).cwiseProduct(parts.matern.col(j).head(m));
    sums.col(at + 1).head(m) += w.head(m).cwiseProduct(trend);
    sums.col(at + 2).head(m) += w.head(m).cwiseProduct(trend.cwiseProduct(trend));
  }
  for (std::size_t f = 0; f < d; ++f) {
    gradient[f] += -2 * covariance.matern * covariance.inverse_squares[f] *
                   sums.col(static_cast<Eigen::Index>(f)).sum();
  }
  gradient[d] += covariance.matern * sums.col(static_cast<Eigen::Index>(d)).sum();
  gradient[d + 1] += covariance.linear * sums.col(static_cast<Eigen::Index>(d + 1)).sum();
  gradient[d + 2] += covariance.quadratic * sums.col(static_cast<Eigen::Index>(d + 2)).sum();
  gradient[d + 3] += noise;
}

}  // namespace

void Rows::Add(std::span<const double> row, double weight) {
  for (std::size_t f = 0; f < columns.size(); ++f) columns[f].push_back(row[f]);
  weights.push_back(weight);
}

Hyperparameters Hyperparameters::Start(std::size_t features) {
  const double scale = 0.5 * math::Log(static_cast<double>(std::max<std::size_t>(features, 1)));
  return {std::vector<double>(features, scale - 0.7), 0, -2, -2, -8};
}

std::vector<double> Hyperparameters::Flat() const {
  std::vector<double> flat = lengths;
  flat.insert(flat.end(), {matern, linear, quadratic, noise});
  return flat;
}

Hyperparameters Hyperparameters::FromFlat(std::span<const double> flat) {
  const std::size_t d = flat.size() - 4;
  return {{flat.begin(), flat.begin() + static_cast<std::ptrdiff_t>(d)},
          flat[d],
          flat[d + 1],
          flat[d + 2],
          flat[d + 3]};
}

double NegativeLogPosterior(const Rows& rows, std::span<const double> targets,
                            const Hyperparameters& at, std::span<double> gradient,
                            std::vector<std::vector<double>>* over_rows) {
  FixBlocks();
  const Covariance covariance(at);
  Parts parts(covariance, rows, true);
  const auto n = static_cast<Eigen::Index>(rows.size());
  const Eigen::LLT<Matrix, Eigen::Lower> llt(parts.k.transpose());
  std::ranges::fill(gradient, 0.0);
  if (llt.info() != Eigen::Success) return INFINITY;
  Matrix lower = llt.matrixL();
  double determinant = 0;  // half its logarithm
  for (Eigen::Index i = 0; i < n; ++i) determinant += math::Log(lower(i, i));
  InvertLower(lower);
  const Vector y = Vector::Map(targets.data(), n);
  const Vector white = lower.triangularView<Eigen::Lower>() * y;
  const Vector alpha = lower.transpose().triangularView<Eigen::Upper>() * white;
  Matrix inverse = Matrix::Zero(n, n);
  inverse.selfadjointView<Eigen::Upper>().rankUpdate(lower.transpose());
  AddLikelihoodGradient(covariance, rows, parts, inverse, alpha, gradient, over_rows);
  const double value = -0.5 * white.squaredNorm() - determinant + LogPrior(at, gradient);
  for (double& component : gradient) component = -component;
  if (over_rows != nullptr) {
    for (auto& column : *over_rows) {
      for (double& component : column) component = -component;
    }
  }
  return -value;
}

Bounds FitBounds(std::size_t features) {
  const std::size_t d = features;
  Bounds bounds{std::vector<double>(d + 4, -12), std::vector<double>(d + 4, 8)};
  for (std::size_t f = 0; f < d; ++f) bounds.low[f] = -5;
  bounds.low[d + 3] = math::Log(kNoiseFloor);
  bounds.high[d + 3] = 0;
  return bounds;
}

Hyperparameters Fit(const Rows& rows, std::span<const double> targets, const Hyperparameters& start,
                    int evaluations) {
  const std::vector<double> flat = start.Flat();
  const Bounds bounds = FitBounds(rows.features());
  const auto f = [&](std::span<const double> x, std::span<double> gradient) {
    return NegativeLogPosterior(rows, targets, Hyperparameters::FromFlat(x), gradient);
  };
  const Minimum mode =
      Minimize(f, flat, bounds, {.evaluations = evaluations, .gradient = 1e-2, .progress = 1e-5});
  return Hyperparameters::FromFlat(mode.x);
}

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
    Parts parts(Covariance(noisier), rows, false);
    const Eigen::LLT<Matrix, Eigen::Lower> llt(parts.k.transpose());
    if (llt.info() == Eigen::Success) {
      lower = llt.matrixL();
      break;
    }
    noisier.noise += 1;
  }
  hyperparameters_ = noisier;
  InvertLower(lower);
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
