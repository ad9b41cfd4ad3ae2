#include "runtime/config/monitor_file.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "runtime/base/file.h"
#include "runtime/config/sweep_file.h"
#include "runtime/config/yaml_tree.h"
#include "runtime/wire/error_path.h"

namespace muster::config {
namespace {

namespace json = boost::json;

constexpr std::size_t kMostBytes = 1 << 20;

/// `key`, a time with a unit, becomes KEY_ms; `path` is that of `map`.
Status NormaliseTime(json::value& map, const std::string& key, const std::string& path,
                     Places& places) {
  if (!map.is_object()) return Ok();
  json::object& keys = map.get_object();
  const auto found = keys.find(key);
  if (found == keys.end()) return Ok();
  const std::string here = path + "." + key;
  const json::value& said = found->value();
  const auto seconds =
      ParseDuration(said.is_string() ? std::string(said.get_string()) : json::serialize(said));
  if (!seconds.ok()) return seconds.error().With("at " + here);
  if (*seconds > INT64_MAX / 1'000) return Invalid("at " + here + ": too long");
  keys.erase(found);
  keys[key + "_ms"] = *seconds * 1'000;
  places[here + "_ms"] = places[here];
  return Ok();
}

Status NormaliseTimes(json::value& monitor, Places& places) {
  MUSTER_RETURN_IF_ERROR(NormaliseTime(monitor, "window", "monitor", places));
  if (!monitor.is_object()) return Ok();
  json::object& keys = monitor.get_object();
  if (auto* traffic = keys.if_contains("traffic")) {
    MUSTER_RETURN_IF_ERROR(NormaliseTime(*traffic, "late", "monitor.traffic", places));
  }
  auto* rules = keys.if_contains("rules");
  if (rules == nullptr || !rules->is_array()) return Ok();
  for (std::size_t i = 0; i < rules->get_array().size(); ++i) {
    MUSTER_RETURN_IF_ERROR(NormaliseTime(rules->get_array()[i], "cooldown",
                                         "monitor.rules[" + std::to_string(i) + "]", places));
  }
  return Ok();
}

}  // namespace

Result<registry::monitor::MonitorSettings> ParseMonitorFile(std::string_view text,
                                                            std::string_view name) {
  const std::string file(name);
  Places places;
  // A rule's names are text whatever they look like.
  YamlTree yaml(name, places, [](std::string_view path) {
    return path.ends_with(".name") || path.ends_with(".metric");
  });
  MUSTER_ASSIGN_OR_RETURN(const YAML::Node root, yaml.Load(text));
  if (!root.IsMap() || root.size() != 1 || !root["monitor"].IsDefined()) {
    return Invalid(file + ":1:1: wanted a map with the key monitor and nothing else");
  }
  MUSTER_ASSIGN_OR_RETURN(json::value tree, yaml.Convert(root, ""));
  json::value& monitor = tree.get_object()["monitor"];
  if (monitor.is_null()) monitor = json::object();
  if (const Status status = NormaliseTimes(monitor, places); !status.ok()) {
    return ExplainPlace(status.error(), file, places);
  }
  auto settings = registry::monitor::MonitorSettingsFromJson(monitor);
  if (!settings.ok()) {
    return ExplainPlace(wire::Under("monitor", settings.error()), file, places);
  }
  return settings;
}

Result<registry::monitor::MonitorSettings> ReadMonitorFile(const std::filesystem::path& file) {
  MUSTER_ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(file, kMostBytes));
  return ParseMonitorFile(text, file.string());
}

}  // namespace muster::config
