#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "registry/package/package.h"

/// What drift is measured against later, frozen with the version: how the held-out rows' inputs, labels and
/// predictions are distributed, and how right they are. Pure; registry/monitor/baseline.h reads it.
///
///   {"format": 2, "rows": N, "task", "threshold"?,                              threshold: of binary
///    "inputs": [{"name", "type", "shape", "columns": [SUMMARY...]}],            a column an element of a row
///    "classes": {"labels", "predictions", "right": [count a class]},            of the tasks classes and binary
///    "confidence": SUMMARY,                                                     their rows' probability of the likeliest class
///    "calibration": {"edges", "rows", "confidence", "right"},                   of bins of the confidence with equally many
///                                                                               rows: how many, their mean, how many right
///    "segments": {COLUMN: [{"value", "rows", "right"}]}?,                       by the columns of the evaluation
///    "targets", "predictions", "absolute_error": [SUMMARY...]}                  of regression, a column a target
///
///   SUMMARY = {"name", "count", "missing", "infinite",                          missing: NaN
///              "min", "max", "mean", "std",                                     std divides by the count
///              "quantiles": {"levels", "values"},                               numpy.quantile, method linear
///              "histogram": {"edges", "counts"},                                numpy.histogram with these edges: the
///                                                                               distinct 5 % quantiles
///              "cdf": {"values", "ranks"}}                                      rows at most so large, at 128 steps that
///                                                                               are closer in the tails; linear between,
///                                                                               and a value twice: it jumps from rank to rank
///   or, with at most 20 distinct values, "values": {"values", "counts"} in place of histogram and cdf
///
/// Figures are over the finite numbers; where there are none they are left out. Rows of more than 512 elements are
/// summed up as one column over all of them, {"pooled": true}. Format 1 has no task, threshold, right, calibration,
/// segments, absolute_error and cdf.

namespace muster::registry {

/// Of the held-out rows and logits of `spec`, which must have them.
std::string BaselineText(const PackageSpec& spec);

/// One column's SUMMARY.
boost::json::object SummaryOf(std::string_view name, std::vector<double> values);

}  // namespace muster::registry
