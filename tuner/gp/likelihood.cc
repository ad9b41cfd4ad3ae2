#include "tuner/gp/likelihood.h"

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>

#include "runtime/base/math.h"
#include "tuner/gp/triangle.h"

namespace muster::tuner::gp {
namespace {

using Matrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;

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

/// K of all rows and what it is made of: the upper triangles, whose columns go along memory.
struct Parts {
  Matrix k, matern, slope, trend;

  Parts(const Covariance& covariance, const Rows& rows) {
    const auto n = static_cast<Eigen::Index>(rows.size());
    for (Matrix* part : {&k, &matern, &slope, &trend}) part->resize(n, n);
    ForEachRow(covariance, rows, [&](std::size_t at, const Against& against) {
      const auto j = static_cast<Eigen::Index>(at), m = j + 1;
      for (std::size_t i = 0; i <= at; ++i) {
        k(static_cast<Eigen::Index>(i), j) = against.At(covariance, i);
      }
      k(j, j) += covariance.noise / rows.weights[at];
      matern.col(j).head(m) = Vector::Map(against.matern.data(), m);
      slope.col(j).head(m) = Vector::Map(against.slope.data(), m);
      trend.col(j).head(m) = Vector::Map(against.trend.data(), m);
    });
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

double NegativeLogPosterior(const Rows& rows, std::span<const double> targets,
                            const Hyperparameters& at, std::span<double> gradient,
                            std::vector<std::vector<double>>* over_rows) {
  FixBlocks();
  const Covariance covariance(at);
  const Parts parts(covariance, rows);
  const auto n = static_cast<Eigen::Index>(rows.size());
  const Eigen::LLT<Matrix, Eigen::Lower> llt(parts.k.transpose());
  std::ranges::fill(gradient, 0.0);
  if (llt.info() != Eigen::Success) return INFINITY;
  Matrix lower = llt.matrixL();
  double determinant = 0;  // half its logarithm
  for (Eigen::Index i = 0; i < n; ++i) determinant += math::Log(lower(i, i));
  InvertLower(lower.data(), rows.size());
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

}  // namespace muster::tuner::gp
