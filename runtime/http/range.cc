#include "runtime/http/range.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "runtime/http/encode.h"

namespace muster::http::internal {

namespace {

std::string_view Trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::optional<std::uint64_t> Number(std::string_view digits) {
  std::uint64_t number = 0;
  const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (failed != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return number;
}

/// "first-last", "first-" or "-length" of 14.1.2; nothing when it is malformed.
std::optional<Part> OneRange(std::string_view range, std::uint64_t size) {
  const std::size_t dash = range.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const std::string_view before = range.substr(0, dash), after = range.substr(dash + 1);
  const Part none{.status = 416};
  if (before.empty()) {
    const auto suffix = Number(after);
    if (!suffix) return std::nullopt;
    const std::uint64_t length = std::min(*suffix, size);
    return length == 0 ? none : Part{206, size - length, length};
  }
  const auto first = Number(before);
  const auto last = after.empty() ? size : Number(after);
  if (!first || !last || (!after.empty() && *last < *first)) return std::nullopt;
  if (*first >= size) return none;
  return Part{206, *first, std::min(*last, size - 1) - *first + 1};
}

/// The weak comparison of 13.1.2: "W/" makes no difference.
bool Lists(std::string_view etags, std::string_view etag) {
  if (Trim(etags) == "*") return true;
  while (!etags.empty()) {
    const std::size_t comma = std::min(etags.find(','), etags.size());
    std::string_view one = Trim(etags.substr(0, comma));
    if (one.starts_with("W/")) one.remove_prefix(2);
    if (!one.empty() && one == etag) return true;
    etags.remove_prefix(std::min(comma + 1, etags.size()));
  }
  return false;
}

}  // namespace

Part SelectPart(const Conditions& asked, std::string_view etag, std::uint64_t size) {
  const Part whole{200, 0, size};
  if (!asked.if_none_match.empty() && !etag.empty() && Lists(asked.if_none_match, etag)) {
    return {.status = 304};
  }
  // Without the tag that the client knows, a part of the new content would spoil its copy. A date is none
  // of ours: contents have no Last-Modified here.
  if (!asked.if_range.empty() && Trim(asked.if_range) != etag) return whole;
  const std::string_view range = Trim(asked.range);
  const std::size_t equals = range.find('=');
  if (equals == std::string_view::npos || !SameName(Trim(range.substr(0, equals)), "bytes")) {
    return whole;
  }
  return OneRange(Trim(range.substr(equals + 1)), size).value_or(whole);
}

std::string ContentRange(const Part& part, std::uint64_t size) {
  const std::string of = "/" + std::to_string(size);
  if (part.status == 416) return "bytes *" + of;
  return "bytes " + std::to_string(part.offset) + "-" +
         std::to_string(part.offset + part.length - 1) + of;
}

}  // namespace muster::http::internal
