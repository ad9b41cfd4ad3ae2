#include "tuner/json.h"

#include <algorithm>
#include <array>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <cmath>

namespace muster::tuner {

std::string Text(const boost::json::value& json) { return boost::json::serialize(json); }

Result<double> Number(const boost::json::value& json, const std::string& where) {
  if (json.is_double() && std::isfinite(json.get_double())) return json.get_double();
  if (json.is_int64()) return static_cast<double>(json.get_int64());
  return Invalid("at " + where + ": wanted a number, got " + Text(json));
}

Result<std::int64_t> Integer(const boost::json::value& json, const std::string& where) {
  if (!json.is_int64()) return Invalid("at " + where + ": wanted an integer, got " + Text(json));
  const std::int64_t number = json.get_int64();
  if (number >= -kIntegerMax && number <= kIntegerMax) return number;
  return Invalid("at " + where + ": wanted an integer from -2^53 to 2^53, got " + Text(json));
}

Result<ParamValue> Scalar(const boost::json::value& json, const std::string& where) {
  if (json.is_bool()) return ParamValue(json.get_bool());
  if (json.is_int64()) return ParamValue(json.get_int64());
  if (json.is_double()) return ParamValue(json.get_double());
  if (json.is_string()) return ParamValue(std::string(json.get_string()));
  return Invalid("at " + where + ": wanted a string, number, true or false, got " + Text(json));
}

Result<bool> Flag(const boost::json::object& json, std::string_view key, const std::string& where) {
  const auto* found = json.if_contains(key);
  if (found == nullptr) return false;
  if (found->is_bool()) return found->get_bool();
  return Invalid("at " + where + "." + std::string(key) + ": wanted true or false, got " +
                 Text(*found));
}

Result<std::int64_t> IntegerOr(const boost::json::object& json, std::string_view key,
                               std::int64_t low, std::int64_t otherwise, const std::string& where) {
  const auto* found = json.if_contains(key);
  if (found == nullptr) return otherwise;
  const std::string here = where + "." + std::string(key);
  MUSTER_ASSIGN_OR_RETURN(const auto number, Integer(*found, here));
  if (number >= low) return number;
  return Invalid("at " + here + ": wanted " + std::to_string(low) + " or more, got " +
                 std::to_string(number));
}

Status OnlyKeys(const boost::json::object& json, std::initializer_list<std::string_view> keys,
                const std::string& where) {
  for (const auto& entry : json) {
    if (std::find(keys.begin(), keys.end(), std::string_view(entry.key())) != keys.end()) continue;
    std::string wanted;
    for (const auto key : keys) wanted.append(wanted.empty() ? "" : ", ").append(key);
    return Invalid("at " + where + "." + std::string(entry.key()) +
                   ": unknown key; wanted one of " + wanted);
  }
  return Ok();
}

boost::json::object ParamsToJson(const Params& params) {
  boost::json::object json;
  for (const auto& [name, value] : params) {
    std::visit([&](const auto& plain) { json[name] = plain; }, value);
  }
  return json;
}

Result<Params> ParamsFromJson(const boost::json::object& json) {
  Params params;
  for (const auto& entry : json) {
    const std::string name(entry.key());
    MUSTER_ASSIGN_OR_RETURN(params[name], Scalar(entry.value(), name));
  }
  return params;
}

std::string ParamText(const ParamValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* number = std::get_if<std::int64_t>(&value)) return std::to_string(*number);
  std::array<char, 32> buffer{};
  const auto end =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), std::get<double>(value));
  return {buffer.data(), end.ptr};
}

}  // namespace muster::tuner
