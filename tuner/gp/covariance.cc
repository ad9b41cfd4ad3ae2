#include "tuner/gp/covariance.h"

#include <algorithm>
#include <cmath>

#include "runtime/base/exp_lane.h"
#include "runtime/base/math.h"

namespace muster::tuner::gp {

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

Covariance::Covariance(const Hyperparameters& at)
    : matern(math::Exp(at.matern)),
      linear(math::Exp(at.linear)),
      quadratic(math::Exp(at.quadratic)),
      noise(math::Exp(at.noise)) {
  for (const double length : at.lengths) inverse_squares.push_back(math::Exp(-2 * length));
}

double Covariance::Variance(std::span<const double> row, std::size_t numbers) const {
  double t = 0;
  for (std::size_t f = 0; f < numbers; ++f) t += row[f] * row[f];
  t *= 4;
  return 1 + matern + t * (linear + quadratic * t);
}

void Against::Compute(const Covariance& covariance, const Rows& rows, std::size_t count,
                      std::span<const double> row) {
  matern.assign(count, 0);
  slope.resize(count);
  trend.assign(count, 0);
  double* squares = matern.data();
  double* products = trend.data();
  for (std::size_t f = 0; f < rows.features(); ++f) {
    const double* column = rows.columns[f].data();
    const double x = row[f], weight = covariance.inverse_squares[f];
    if (f < rows.numbers) {
      for (std::size_t j = 0; j < count; ++j) {
        const double difference = x - column[j];
        squares[j] += weight * (difference * difference);
        products[j] += x * column[j];
      }
    } else {
      for (std::size_t j = 0; j < count; ++j) squares[j] += column[j] == x ? 0.0 : weight;
    }
  }
  double* slopes = slope.data();
  for (std::size_t j = 0; j < count; ++j) {
    const double u = std::sqrt(5 * squares[j]);
    const double decay = math::ExpLane(u < 700 ? -u : -700);
    squares[j] = (1 + u * (1 + u / 3)) * decay;
    slopes[j] = -5.0 / 6 * (1 + u) * decay;
    products[j] *= 4;
  }
}

void ForEachRow(const Covariance& covariance, const Rows& rows,
                const std::function<void(std::size_t j, const Against&)>& visit) {
  Against against;
  std::vector<double> row(rows.features());
  for (std::size_t j = 0; j < rows.size(); ++j) {
    for (std::size_t f = 0; f < row.size(); ++f) row[f] = rows.columns[f][j];
    against.Compute(covariance, rows, j + 1, row);
    visit(j, against);
  }
}

}  // namespace muster::tuner::gp
