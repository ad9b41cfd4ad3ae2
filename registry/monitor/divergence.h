#pragma once

#include <cstdint>
#include <span>

#include "registry/statistics/interval.h"

/// How far two histograms over the same bins or categories are apart: `reference` of n rows, `current` of m, each with one
/// row at least. Pure; any thread.

namespace muster::registry::monitor {

/// The size of a difference. Samples of one distribution differ too: `value` is that of the samples as they are, which
/// grows as they get smaller; `corrected` is without what chance alone adds, so it does not depend on their size, and
/// `interval` is around it. NaN: not defined for this column.
struct Effect {
  double value = 0;
  double corrected = 0;
  statistics::Interval interval;
};
Effect NoEffect(double confidence);

/// Population stability index, sum of (q - p) ln(q / p) [0, infinity), with half a row added to each bin so that an empty
/// one is finite. Chance adds (1/n + 1/m) chi-square of bins - 1 degrees of freedom (Yurdakul, Statistical Properties of
/// the Population Stability Index, 2018); the interval has its mean and variance and those of the delta method, which are
/// together the moments of the noncentral chi-square.
Effect PopulationStability(std::span<const std::int64_t> reference,
                           std::span<const std::int64_t> current, double confidence);

/// Jensen-Shannon distance, the root of the divergence in bits (Lin 1991; Endres and Schindelin 2003), [0, 1]. Near 0 the
/// divergence is the stability index / 8, and so is what chance adds.
Effect JensenShannon(std::span<const std::int64_t> reference, std::span<const std::int64_t> current,
                     double confidence);

/// The largest difference of shares, [0, 1]; the interval is of normal shares, with Bonferroni over the categories.
Effect LInfinity(std::span<const std::int64_t> reference, std::span<const std::int64_t> current,
                 double confidence);

struct ChiSquare {
  double statistic = 0;
  int degrees = 0;
  double p = 1;
};
/// Pearson's test that both are of one distribution. Categories with fewer than 5 expected rows (Cochran 1954) in either
/// are put together. p is 1 where no two are left.
ChiSquare Homogeneity(std::span<const std::int64_t> reference,
                      std::span<const std::int64_t> current);

}  // namespace muster::registry::monitor
