#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/filter/filter.h"

/// muster's own search language for runs: what MLflow's (filter.h) can say means the same, and beyond it there is
///
///   filter   := and { OR and }        and := not { AND not }       not := NOT not | "(" filter ")" | clause
///   clause   := as in filter.h; in place of a metric also a function of it
///   function := last(metric) | max(metric) | min(metric) | step(metric)
///
/// in any case. last is the latest value, as the metric by itself; max and min are of all its values but NaN;
/// step is the step of its latest point. A clause about what a thing lacks does not hold, so NOT of it does. Pure and
/// without state; any thread.

namespace muster::filter {

/// The entities of functions: those of "metric", which last() is, with these behind it.
inline constexpr std::string_view kMetricMax = "metric_max", kMetricMin = "metric_min",
                                  kMetricStep = "metric_step";

/// Not, within another, within another ...: no more than this.
inline constexpr int kMaxDepth = 50;

/// As ParseQuery, whose errors for single clauses and orders hold. kInvalid "Invalid filter string: at byte 12:
/// wanted ..., got ..." for what is between them.
Result<Query> ParseOwnQuery(std::string_view filter, const std::vector<std::string>& order_by,
                            std::string_view page_token, const Grammar& grammar);

}  // namespace muster::filter
