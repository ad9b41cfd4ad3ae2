#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tracker/series/bucket.h"

namespace muster::tracker {

/// Curves as a browser's typed arrays (Float64Array, BigInt64Array, Uint32Array) take them without parsing, and
/// numpy.frombuffer, too. Little-endian, every array on a multiple of 8 bytes:
///
///   "MCH1"  u32 curves
///   then of each curve: u32 columns n, u32 0, and one array after the other
///     i64[n] first step   i64[n] last step   i64[n] first time   i64[n] last time (ms since 1970)
///     f64[n] min   f64[n] max    of finite values; +inf and -inf in a column that has none
///     f64[n] last                NaN and infinities as they are
///     u32[n] points   u32[n] NaNs   u32[n] infinities   (and 4 bytes of 0 when n is odd)
///
/// Pure; any thread.
inline constexpr std::string_view kChartType = "application/vnd.muster.chart";
std::string EncodeCurves(std::span<const std::vector<Bucket>> curves);

}  // namespace muster::tracker
