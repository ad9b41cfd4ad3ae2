#include "tracker/mlflow/proto_json.h"

#include <cctype>
#include <charconv>
#include <cmath>
#include <limits>

namespace muster::tracker {

namespace json = boost::json;

namespace {

std::string_view View(const json::string& text) { return {text.data(), text.size()}; }

std::optional<double> ParseDouble(std::string_view text) {
  if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (text == "Infinity") return std::numeric_limits<double>::infinity();
  if (text == "-Infinity") return -std::numeric_limits<double>::infinity();
  double number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = error == std::errc() && stop == text.data() + text.size();
  return whole && std::isfinite(number) ? std::optional(number) : std::nullopt;
}

Status CheckWithin(const json::value& value) {
  if (value.is_object()) return CheckSpelledOnce(value.get_object());
  if (!value.is_array()) return Ok();
  for (const json::value& item : value.get_array()) MUSTER_RETURN_IF_ERROR(CheckWithin(item));
  return Ok();
}

}  // namespace

std::optional<double> AsDouble(const json::value& value) {
  if (value.is_double()) return value.get_double();
  if (value.is_int64()) return static_cast<double>(value.get_int64());
  if (value.is_uint64()) return static_cast<double>(value.get_uint64());
  if (value.is_bool()) return value.get_bool() ? 1.0 : 0.0;
  if (value.is_string()) return ParseDouble(View(value.get_string()));
  return std::nullopt;
}

std::optional<std::int64_t> AsInt(const json::value& value) {
  if (value.is_int64()) return value.get_int64();
  if (value.is_string()) {
    const std::string_view text = View(value.get_string());
    std::int64_t number = 0;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc() && stop == text.data() + text.size()) return number;
  }
  if (value.is_bool()) return std::nullopt;
  const auto number = AsDouble(value);
  if (!number || std::abs(*number) >= 0x1p63 || *number != std::floor(*number)) return std::nullopt;
  return static_cast<std::int64_t>(*number);
}

std::string CamelCase(std::string_view name) {
  std::string camel;
  bool upper = false;
  for (const char c : name) {
    if (c != '_') camel += upper ? static_cast<char>(std::toupper(c)) : c;
    upper = c == '_';
  }
  return camel;
}

Status CheckSpelledOnce(const json::object& object) {
  for (const auto& member : object) {
    const std::string_view name = member.key();
    if (name.find('_') != name.npos && object.contains(CamelCase(name))) {
      return Invalid("Request specifies both '" + std::string(name) + "' and '" + CamelCase(name) +
                     "'; provide only one of them.");
    }
    MUSTER_RETURN_IF_ERROR(CheckWithin(member.value()));
  }
  return Ok();
}

}  // namespace muster::tracker
