#include "tracker/mlflow/model_page_token.h"

#include <array>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include "runtime/base/base64.h"
#include "runtime/wire/codec.h"
#include "tracker/mlflow/python_json.h"

namespace muster::tracker {

namespace {

namespace json = boost::json;

struct Part {
  std::string_view name, differ, requested;
};
constexpr std::array<Part, 3> kParts = {
    Part{"experiment_ids", "Experiment IDs in the page token do", "experiment IDs"},
    Part{"filter_string", "Filter string in the page token does", "filter string"},
    Part{"order_by", "Order by in the page token does", "order by"}};

json::value TextOrNull(const std::string& text) {
  return text.empty() ? json::value() : json::value(text);
}

json::value OrdersOf(const ModelSearch& search) {
  json::array orders;
  for (const ModelOrder& order : search.order_by) {
    orders.push_back(json::object{{"field_name", order.field_name},
                                  {"ascending", order.ascending},
                                  {"dataset_name", TextOrNull(order.dataset_name)},
                                  {"dataset_digest", TextOrNull(order.dataset_digest)}});
  }
  return orders.empty() ? json::value() : json::value(std::move(orders));
}

json::object PartsOf(const ModelSearch& search) {
  return {
      {"experiment_ids", json::array(search.experiment_ids.begin(), search.experiment_ids.end())},
      {"filter_string", TextOrNull(search.filter)},
      {"order_by", OrdersOf(search)}};
}

/// As a text shows it: the filter as it is, lists as Python prints them.
std::string Shown(const json::value& value) {
  return value.is_string() ? std::string(value.get_string()) : PythonRepr(value);
}

/// "" and [] are None in a token, but for the ids.
json::value Found(const json::object& token, std::string_view name) {
  const json::value* value = token.if_contains(name);
  if (!value) return nullptr;
  const bool empty = (value->is_string() && value->get_string().empty()) ||
                     (value->is_array() && value->get_array().empty());
  return empty && name != "experiment_ids" ? json::value() : *value;
}

}  // namespace

std::string ModelPageToken(const ModelSearch& search, std::int64_t offset) {
  json::object token = PartsOf(search);
  token["offset"] = offset;
  return EncodeBase64(json::serialize(token));
}

Result<std::int64_t> ModelPageOffset(std::string_view token, const ModelSearch& search) {
  if (token.empty()) return std::int64_t{0};
  const std::string invalid = "Invalid page token: " + std::string(token) + ". ";
  const auto bytes = DecodeBase64(token);
  if (!bytes) return Invalid(invalid + bytes.error().message);
  const auto read = wire::ParseJson(*bytes);
  if (!read) return Invalid(invalid + read.error().message);
  if (!read->is_object()) return Invalid(invalid + "It is no JSON object.");
  const json::object& parts = read->get_object();
  const json::object wanted = PartsOf(search);
  for (const auto& [name, differ, requested] : kParts) {
    const json::value found = Found(parts, name);
    if (found == wanted.at(name)) continue;
    return Invalid(std::string(differ) + " not match the requested " + std::string(requested) +
                   ". Expected: " + Shown(wanted.at(name)) + ". Found: " + Shown(found));
  }
  const json::value* offset = parts.if_contains("offset");
  if (!offset || !offset->is_int64() || offset->get_int64() < 0) return std::int64_t{0};
  return offset->get_int64();
}

}  // namespace muster::tracker
