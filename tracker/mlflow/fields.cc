#include "tracker/mlflow/fields.h"

#include <boost/json/serialize.hpp>
#include <charconv>
#include <cmath>
#include <limits>

#include "runtime/wire/codec.h"

namespace muster::tracker {

namespace {

namespace json = boost::json;

constexpr std::string_view kDocs =
    " See the API docs for more information about request parameters.";

std::string_view View(const json::string& text) { return {text.data(), text.size()}; }

/// What Python calls the type; MLflow's hint names it.
std::string_view PythonType(const json::value& value) {
  switch (value.kind()) {
    case json::kind::bool_:
      return "bool";
    case json::kind::int64:
    case json::kind::uint64:
      return "int";
    case json::kind::double_:
      return "float";
    case json::kind::string:
      return "str";
    case json::kind::array:
      return "list";
    case json::kind::object:
      return "dict";
    case json::kind::null:
      break;
  }
  return "NoneType";
}

std::optional<double> ParseDouble(std::string_view text) {
  if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (text == "Infinity") return std::numeric_limits<double>::infinity();
  if (text == "-Infinity") return -std::numeric_limits<double>::infinity();
  double number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = error == std::errc() && stop == text.data() + text.size();
  return whole && std::isfinite(number) ? std::optional(number) : std::nullopt;
}

std::optional<double> AsDouble(const json::value& value) {
  if (value.is_double()) return value.get_double();
  if (value.is_int64()) return static_cast<double>(value.get_int64());
  if (value.is_uint64()) return static_cast<double>(value.get_uint64());
  if (value.is_bool()) return value.get_bool() ? 1.0 : 0.0;
  if (value.is_string()) return ParseDouble(View(value.get_string()));
  return std::nullopt;
}

/// Also "12" and 12.0, as proto3's JSON allows.
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

json::object ParseBody(std::string_view body) {
  auto value = wire::ParseJson(body);
  if (value && value->is_string()) {
    // Old clients encode the object twice.
    const json::string inner = value->get_string();
    value = wire::ParseJson(View(inner));
  }
  return value && value->is_object() ? std::move(value->get_object()) : json::object();
}

json::object FromQuery(const http::Query& query) {
  json::object object;
  for (const auto& [name, values] : query) {
    if (values.size() == 1) {
      object[name] = values.front();
    } else {
      object[name] = json::array(values.begin(), values.end());
    }
  }
  return object;
}

Status CheckContentType(const http::Request& request) {
  if (request.method != "POST" && request.method != "PUT") return Ok();
  const std::string_view type = request.Header("Content-Type");
  if (type.empty()) return Invalid("Bad Request. Content-Type header is missing.");
  if (type.substr(0, type.find(';')) == "application/json") return Ok();
  return Invalid("Bad Request. Content-Type must be one of ['application/json'].");
}

}  // namespace

Result<Fields> Fields::FromRequest(const http::Request& request) {
  const bool from_query = !request.query.empty() && request.body.empty();
  if (!from_query) MUSTER_RETURN_IF_ERROR(CheckContentType(request));
  json::object object = from_query ? FromQuery(request.query) : ParseBody(request.body);
  for (const auto& [name, value] : request.captures) object[name] = value;
  return Fields(std::move(object));
}

const json::value* Fields::Find(std::string_view name) const {
  const json::value* value = object_.if_contains(name);
  return value && !value->is_null() ? value : nullptr;
}

bool Fields::Has(std::string_view name) const { return Find(name) != nullptr; }

void Fields::Fail(Error error) {
  if (status_.ok()) status_ = std::move(error);
}

void Fields::Take(const Fields& inner) {
  if (!inner.status_.ok()) Fail(inner.status_.error());
}

void Fields::Missing(std::string_view name) {
  const std::string shown = path_.empty() ? std::string(name) : path_ + "." + std::string(name);
  Fail(Invalid("Missing value for required parameter '" + shown + "'." + std::string(kDocs)));
}

void Fields::Wrong(std::string_view name, const json::value& value) {
  const std::string shown = path_.empty() ? std::string(name) : path_ + "." + std::string(name);
  Fail(Invalid("Invalid value " + json::serialize(value) + " for parameter '" + shown +
               "' supplied:  Hint: Value was of type '" + std::string(PythonType(value)) + "'." +
               std::string(kDocs)));
}

std::optional<std::string> Fields::OptionalText(std::string_view name) {
  const json::value* value = Find(name);
  if (!value) return std::nullopt;
  if (value->is_string()) return std::string(View(value->get_string()));
  Wrong(name, *value);
  return std::nullopt;
}

std::string Fields::Text(std::string_view name, std::string_view absent) {
  return OptionalText(name).value_or(std::string(absent));
}

std::string Fields::Enumerator(std::string_view name, std::string_view absent) {
  const json::value* value = Find(name);
  if (value && value->is_int64()) return std::to_string(value->get_int64());
  return Text(name, absent);
}

std::string Fields::Required(std::string_view name) {
  std::string text = Text(name);
  if (text.empty()) Missing(name);
  return text;
}

std::string Fields::RunId() {
  if (!Has("run_id") && Has("run_uuid")) return Required("run_uuid");
  return Required("run_id");
}

std::optional<std::int64_t> Fields::OptionalInt(std::string_view name) {
  const json::value* value = Find(name);
  if (!value) return std::nullopt;
  const auto number = AsInt(*value);
  if (!number) Wrong(name, *value);
  return number;
}

std::int64_t Fields::Int(std::string_view name, std::int64_t absent) {
  return OptionalInt(name).value_or(absent);
}

std::int64_t Fields::RequiredInt(std::string_view name) {
  if (!Has(name)) Missing(name);
  return Int(name, 0);
}

double Fields::RequiredDouble(std::string_view name) {
  const json::value* value = Find(name);
  if (!value) {
    Missing(name);
    return 0;
  }
  const auto number = AsDouble(*value);
  if (!number) Wrong(name, *value);
  return number.value_or(0);
}

bool Fields::Bool(std::string_view name, bool absent) {
  const json::value* value = Find(name);
  if (!value) return absent;
  if (value->is_bool()) return value->get_bool();
  if (value->is_string()) {
    const std::string_view text = View(value->get_string());
    if (text == "true" || text == "True" || text == "TRUE") return true;
    if (text == "false" || text == "False" || text == "FALSE") return false;
    Fail(Invalid("Invalid boolean value: " + std::string(text) + ", must be 'true' or 'false'."));
    return absent;
  }
  Wrong(name, *value);
  return absent;
}

std::vector<std::string> Fields::Texts(std::string_view name) {
  const json::value* value = Find(name);
  if (!value) return {};
  // A repeated field that came once in a query.
  if (value->is_string()) return {std::string(View(value->get_string()))};
  std::vector<std::string> texts;
  if (value->is_array()) {
    for (const json::value& element : value->get_array()) {
      if (element.is_string()) texts.emplace_back(View(element.get_string()));
    }
    if (texts.size() == value->get_array().size()) return texts;
  }
  Wrong(name, *value);
  return {};
}

std::vector<Fields> Fields::List(std::string_view name) {
  const json::value* value = Find(name);
  if (!value) return {};
  std::vector<Fields> list;
  if (value->is_array()) {
    for (const json::value& element : value->get_array()) {
      if (!element.is_object()) break;
      list.emplace_back(element.get_object(),
                        std::string(name) + "[" + std::to_string(list.size()) + "]");
    }
    if (list.size() == value->get_array().size()) return list;
  }
  Wrong(name, *value);
  return {};
}

Fields Fields::Object(std::string_view name) {
  const json::value* value = Find(name);
  if (value && value->is_object()) return Fields(value->get_object(), std::string(name));
  if (value) Wrong(name, *value);
  return Fields(json::object(), std::string(name));
}

}  // namespace muster::tracker
