#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "registry/statistics/interval.h"

/// Percentile bootstrap (Efron and Tibshirani, An Introduction to the Bootstrap, 13.3) with Philox: the same
/// (data, seed) give the same interval. Pure; any thread.

namespace muster::registry::statistics {

inline constexpr int kResamples = 2'000;
/// Draws of all resamples together; with more rows than this over kResamples there are fewer resamples, but
/// never less than kResamplesLeast.
inline constexpr std::int64_t kDrawsMost = 100'000'000;
inline constexpr int kResamplesLeast = 400;

/// Of any figure of rows: `statistic` gets `rows` indices drawn with replacement, in no order. A NaN figure of any
/// resample makes both ends NaN.
Interval Bootstrap(std::int64_t rows,
                   const std::function<double(std::span<const std::size_t> drawn)>& statistic,
                   double confidence, std::uint64_t seed);
/// Of the mean of `values`.
Interval BootstrapMean(std::span<const double> values, double confidence, std::uint64_t seed);

}  // namespace muster::registry::statistics
