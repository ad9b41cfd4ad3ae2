#pragma once

#include <boost/json/value.hpp>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/base/result.h"
#include "runtime/wire/http.h"

/// Numbers in these routes' queries and answers.

namespace muster::tracker {

/// JSON has no NaN and no infinities: they are strings, as in proto3's JSON.
inline boost::json::value NumberJson(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  return value;
}

/// A whole number from `least` to `most` of the query; `absent` when it is not there. kInvalid.
inline Result<std::int64_t> NumberParameter(const http::Request& request, std::string_view name,
                                            std::int64_t absent, std::int64_t least,
                                            std::int64_t most) {
  const auto text = request.Parameter(name);
  if (!text) return absent;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error == std::errc() && end == text->data() + text->size() && number >= least &&
      number <= most) {
    return number;
  }
  return Invalid("the parameter " + std::string(name) + " is '" + *text +
                 "'; wanted a whole number from " + std::to_string(least) + " to " +
                 std::to_string(most));
}

}  // namespace muster::tracker
