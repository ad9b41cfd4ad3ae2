#pragma once

#include <cstdint>
#include <vector>

#include "registry/monitor/quantile_sketch.h"

/// Distribution functions as lines through points, and how far two of them are apart. Pure; any thread.

namespace muster::registry::monitor {

/// Shares of the rows below `value`, and at most as large: apart where many rows have the very value.
struct CdfPoint {
  double value = 0;
  double below = 0, through = 0;
};

/// Linear between its points, 0 before the first and 1 from the last on. Points have ascending values and shares.
struct Cdf {
  std::vector<CdfPoint> points;  ///< one at least
  std::int64_t count = 0;        ///< rows that it is of
  double rank_error = 0;         ///< how far a share may be from that of the rows
};

/// Of a sketch with one number at least.
Cdf CdfOf(const QuantileSketch& sketch);

struct CdfDistance {
  double kolmogorov_smirnov = 0;  ///< the largest difference of the shares, [0, 1]
  double wasserstein = 0;         ///< W1: the area between them, in the values' unit
  /// What W1 varies by when both sides are drawn again, where they truly differ: W1 is a difference of the means of
  /// Kantorovich's potential, whose slope is the sign of the difference, and so has the variance of two means (del Barrio,
  /// Gine and Matran, Annals of Probability 27, 1999; del Barrio and Loubes, ibid. 47, 2019).
  double wasserstein_error = 0;
  /// The W1 that two samples of the reference of these sizes have from each other: at each value the shares differ by
  /// sqrt(2 / pi F (1 - F) (1/n + 1/m)) in the mean.
  double wasserstein_chance = 0;
};
CdfDistance Distance(const Cdf& reference, const Cdf& current);

/// P(K > z) of Kolmogorov's distribution, the limit of sqrt(n m / (n + m)) times the two-sample statistic under one
/// continuous distribution (Smirnov 1948); with ties the true p is smaller.
double KolmogorovUpperTail(double z);

}  // namespace muster::registry::monitor
