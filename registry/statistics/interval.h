#pragma once

#include <cstdint>
#include <span>

/// Confidence intervals with two sides. `confidence` lies in (0, 1): 0.95 leaves 2.5 % on each side. Pure; any
/// thread. A NaN among the data makes both ends NaN.

namespace muster::registry::statistics {

struct Interval {
  double low = 0, high = 0;
  double confidence = 0;

  friend bool operator==(const Interval&, const Interval&) = default;
};

/// Both ends NaN: nothing is known.
Interval NoInterval(double confidence);

/// The standard normal's z with `confidence` between -z and z: 1.96 for 0.95.
double NormalQuantile(double confidence);

/// Of a rate, `successes` of `trials` >= 1: Wilson's score interval (1927), which does not collapse at 0 and 1.
Interval WilsonInterval(std::int64_t successes, std::int64_t trials, double confidence);

/// Of the q-quantile of whatever made `sorted` (ascending): the order statistics between which it lies by the
/// binomial distribution, whatever the distribution is (Conover, Practical Nonparametric Statistics, 3.2). Where
/// there are too few for an end, that end is -infinity or infinity.
Interval QuantileInterval(std::span<const double> sorted, double q, double confidence);

/// The q-quantile of ascending values, interpolated as numpy's default does. NaN when there are none.
double SortedQuantile(std::span<const double> sorted, double q);

}  // namespace muster::registry::statistics
