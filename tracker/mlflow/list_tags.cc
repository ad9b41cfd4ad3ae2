#include "tracker/mlflow/list_tags.h"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <vector>

#include "runtime/filter/python_text.h"
#include "runtime/wire/codec.h"
#include "tracker/mlflow/python_json.h"

namespace muster::tracker {

namespace {

namespace json = boost::json;

Result<json::array> ListOf(const std::optional<std::string>& text) {
  if (!text) return json::array();
  MUSTER_ASSIGN_OR_RETURN(json::value value, wire::ParseJson(*text));
  if (!value.is_array()) return Invalid("the tag's value is no JSON list: " + *text);
  return std::move(value.get_array());
}

/// Beside the flavors, which lose their configuration.
constexpr std::array<std::string_view, 3> kKept = {"run_id", "artifact_path", "utc_time_created"};

json::object WithoutConfig(const json::value& flavors) {
  json::object kept;
  if (!flavors.is_object()) return kept;
  for (const auto& flavor : flavors.get_object()) {
    json::value value = flavor.value();
    if (value.is_object()) value.get_object().erase("config");
    kept[flavor.key()] = std::move(value);
  }
  return kept;
}

}  // namespace

Result<std::string> AppendedToList(const std::optional<std::string>& now,
                                   const json::object& element) {
  MUSTER_ASSIGN_OR_RETURN(json::array list, ListOf(now));
  list.push_back(element);
  return PythonDumps(list);
}

Result<std::string> AddedToList(const std::optional<std::string>& now,
                                const json::object& element) {
  MUSTER_ASSIGN_OR_RETURN(const json::array list, ListOf(now));
  if (std::ranges::find(list, json::value(element)) != list.end()) return *now;
  return AppendedToList(now, element);
}

Result<json::object> ModelForTag(const std::string& model_json) {
  const auto value = wire::ParseJson(model_json);
  if (!value) {
    return Invalid("Malformed model info. \n " + model_json + " \n is not a valid JSON.");
  }
  const json::object none;
  const json::object& model = value->is_object() ? value->get_object() : none;
  std::vector<std::string> missing;
  for (const std::string_view name : {"artifact_path", "flavors", "utc_time_created", "run_id"}) {
    if (!model.contains(name)) missing.emplace_back(name);
  }
  if (!missing.empty()) {
    return Invalid("Model json is missing mandatory fields: {" + filter::PythonItems(missing) +
                   "}");
  }
  json::object kept;
  for (const std::string_view name : kKept) {
    if (!model.at(name).is_null()) kept[name] = model.at(name);
  }
  const json::value* uuid = model.if_contains("model_uuid");
  kept["model_uuid"] = uuid ? *uuid : json::value();
  kept["flavors"] = WithoutConfig(model.at("flavors"));
  return kept;
}

}  // namespace muster::tracker
