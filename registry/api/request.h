#pragma once

#include <charconv>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/base/check.h"
#include "runtime/wire/codec.h"
#include "runtime/wire/http.h"

/// What the routes read of a request; for .cc files.

namespace muster::registry {

/// An empty body is an empty object; an unknown key is refused.
template <typename Body>
Result<Body> BodyOf(const http::Request& request) {
  return wire::Decode<Body>(request.body.empty() ? "{}" : std::string_view(request.body),
                            wire::Unknown::kRefuse);
}

inline const std::string& Capture(const http::Request& request, std::string_view name) {
  const auto found = request.captures.find(name);
  MUSTER_CHECK(found != request.captures.end(), "the route's pattern has this capture");
  return found->second;
}

inline std::optional<std::int64_t> Number(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// A query's number within [low, high].
inline Result<std::int64_t> NumberOf(const http::Request& request, std::string_view key,
                                     std::int64_t missing, std::int64_t low, std::int64_t high) {
  const auto text = request.Parameter(key);
  if (!text) return missing;
  const auto number = Number(*text);
  if (number && *number >= low && *number <= high) return *number;
  return Invalid("query parameter '" + std::string(key) + "' is '" + *text +
                 "'; wanted a number from " + std::to_string(low) + " to " + std::to_string(high));
}

}  // namespace muster::registry
