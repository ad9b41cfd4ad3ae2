#include "tuner/gp/covariance.h"

#include <bit>
#include <cmath>
#include <cstdint>

#include "runtime/base/math.h"

namespace muster::tuner::gp {
namespace {

/// exp(-x) for 0 <= x <= 700, without branches so that compilers run it on vectors: each lane is the same
/// IEEE operations in the same order, so the vector's width does not show. Errors below 4 units in the last
/// place.
inline double ExpMinus(double x) {
  constexpr double kShift =
      0x1.8p52;  // adding it rounds to an integer, which is then in the low bits
  const double shifted = -x * 0x1.71547652b82fep+0 + kShift;
  const double n = shifted - kShift;
  const double r = (-x - n * 0x1.62e42feep-1) - n * 0x1.a39ef35793c76p-33;
  double sum = 1.0 / 6227020800;
  sum = sum * r + 1.0 / 479001600;
  sum = sum * r + 1.0 / 39916800;
  sum = sum * r + 1.0 / 3628800;
  sum = sum * r + 1.0 / 362880;
  sum = sum * r + 1.0 / 40320;
  sum = sum * r + 1.0 / 5040;
  sum = sum * r + 1.0 / 720;
  sum = sum * r + 1.0 / 120;
  sum = sum * r + 1.0 / 24;
  sum = sum * r + 1.0 / 6;
  sum = sum * r + 0.5;
  const double mantissa = 1 + (r + r * r * sum);
  // The sum of exponents cannot leave the normal range: n >= -1010.
  const std::uint64_t power = (std::bit_cast<std::uint64_t>(shifted) + 1023) << 52;
  return mantissa * std::bit_cast<double>(power);
}

}  // namespace

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
    const double decay = ExpMinus(u < 700 ? u : 700);
    squares[j] = (1 + u * (1 + u / 3)) * decay;
    slopes[j] = -5.0 / 6 * (1 + u) * decay;
    products[j] *= 4;
  }
}

}  // namespace muster::tuner::gp
