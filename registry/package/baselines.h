#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "registry/package/package.h"

/// What drift is measured against later, frozen with the version: how the held-out rows' inputs, labels and
/// predictions are distributed. Pure.
///
///   {"format": 1, "rows": N,
///    "inputs": [{"name", "type", "shape", "columns": [SUMMARY...]}],      a column an element of a row
///    "classes": {"labels": [count a class], "predictions": [count a class]},     of the tasks classes and binary
///    "confidence": SUMMARY,                                                their rows' probability of the likeliest class
///    "targets": [SUMMARY...], "predictions": [SUMMARY...]}                 of regression
///
///   SUMMARY = {"name", "count", "missing", "infinite",                     missing: NaN
///              "min", "max", "mean", "std",                                std divides by the count
///              "quantiles": {"levels", "values"},                          numpy.quantile, method linear
///              "histogram": {"edges", "counts"}}                           numpy.histogram with these edges: the
///                                                                          distinct 5 % quantiles
///   or, with at most 20 distinct values, "values": {"values", "counts"} in place of the histogram
///
/// Figures are over the finite numbers; where there are none they are left out. Rows of more than 512 elements are
/// summed up as one column over all of them, {"pooled": true}. Element types of 16 bits have no columns.

namespace muster::registry {

/// Of the held-out rows and logits of `spec`, which must have them.
std::string BaselineText(const PackageSpec& spec);

/// One column's SUMMARY.
boost::json::object SummaryOf(std::string_view name, std::vector<double> values);

}  // namespace muster::registry
