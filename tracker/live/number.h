#pragma once

#include <boost/json/value.hpp>
#include <cmath>

namespace muster::tracker {

/// JSON has no NaN and no infinities: they are strings, as in proto3's JSON.
inline boost::json::value NumberJson(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  return value;
}

}  // namespace muster::tracker
