#include "runtime/wire/codec.h"

#include <boost/json/serialize.hpp>

#include "runtime/wire/error_path.h"

namespace muster::wire {

std::string SerializeJson(const Json& value) { return boost::json::serialize(value); }

std::optional<std::pair<std::string, std::string>> SplitPath(std::string_view message) {
  const auto colon = message.find(": ");
  if (!message.starts_with("at ") || colon == std::string_view::npos) return std::nullopt;
  return std::pair(std::string(message.substr(3, colon - 3)),
                   std::string(message.substr(colon + 2)));
}

namespace internal {

std::string EnumeratorText(std::string_view enumerator) {
  if (enumerator.starts_with('k')) enumerator.remove_prefix(1);
  std::string text;
  for (const char letter : enumerator) {
    const bool upper = letter >= 'A' && letter <= 'Z';
    if (upper && !text.empty()) text += '_';
    text += upper ? static_cast<char>(letter - 'A' + 'a') : letter;
  }
  return text;
}

std::string Excerpt(const Json& value) {
  static constexpr std::size_t kMost = 60;
  std::string text = SerializeJson(value);
  if (text.size() > kMost) text = text.substr(0, kMost - 3) + "...";
  return text;
}

Error WrongType(std::string_view wanted, const Json& got) {
  return Invalid("wanted " + std::string(wanted) + ", got " + Excerpt(got));
}

Result<double> DecodeDouble(const Json& value) {
  if (value.is_double()) return value.get_double();
  if (value.is_int64()) return static_cast<double>(value.get_int64());
  if (value.is_uint64()) return static_cast<double>(value.get_uint64());
  if (value.is_string()) {
    const std::string_view text = value.get_string();
    if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
    if (text == "Infinity") return std::numeric_limits<double>::infinity();
    if (text == "-Infinity") return -std::numeric_limits<double>::infinity();
  }
  return WrongType("a number", value);
}

Result<std::int64_t> DecodeInteger(const Json& value, std::int64_t low, std::int64_t high) {
  std::int64_t number = 0;
  if (value.is_int64()) {
    number = value.get_int64();
  } else if (value.is_double() && value.get_double() == std::floor(value.get_double()) &&
             std::abs(value.get_double()) < 0x1p53) {
    number = static_cast<std::int64_t>(value.get_double());
  } else {
    return WrongType("an integer", value);
  }
  if (number < low || number > high) {
    return Invalid("wanted an integer from " + std::to_string(low) + " to " + std::to_string(high) +
                   ", got " + std::to_string(number));
  }
  return number;
}

Json EncodeDouble(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  return value;
}

Error AtPath(Error error, std::string_view outer) {
  // A path grows to the left as the error travels up. A part of it may be a key that the peer made up.
  static constexpr std::size_t kMost = 100;
  std::string path(outer.substr(0, kMost));
  if (outer.size() > kMost) path += "...";
  std::string sentence = error.message;
  if (auto located = SplitPath(error.message)) {
    path += (located->first.starts_with('[') ? "" : ".") + located->first;
    sentence = std::move(located->second);
  }
  error.message = "at " + path + ": " + sentence;
  return error;
}

}  // namespace internal

Error Under(std::string_view parent, const Error& error) { return internal::AtPath(error, parent); }

}  // namespace muster::wire
