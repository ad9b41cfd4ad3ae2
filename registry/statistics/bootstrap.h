#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "registry/statistics/interval.h"

/// Percentile bootstrap (Efron and Tibshirani, An Introduction to the Bootstrap, 13.3) with Philox: the same
/// (data, seed) give the same interval. Pure; any thread.

namespace muster::registry::statistics {

inline constexpr int kResamples = 2'000;
/// Additions of all resamples together, some seconds of one core. Above it there are fewer resamples, but never
/// less than kResamplesLeast: the end of an interval would be mere chance.
inline constexpr std::int64_t kBootstrapWork = 1'000'000'000;
inline constexpr int kResamplesLeast = 400;

/// Of any figure of rows. Each stratum, which has one row at least, is drawn from with replacement as often as it has
/// rows, and `statistic` gets all that was drawn, one stratum after the other; it costs about `cost` additions a row. A
/// NaN figure of any resample makes both ends NaN.
Interval Bootstrap(const std::vector<std::vector<std::int64_t>>& strata,
                   const std::function<double(std::span<const std::int64_t> drawn)>& statistic,
                   double confidence, std::uint64_t seed, std::int64_t cost = 1);
/// Of the mean of `values`, at least one.
Interval BootstrapMean(std::span<const double> values, double confidence, std::uint64_t seed);

}  // namespace muster::registry::statistics
