#include "runtime/config/slurm_profile.h"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "runtime/base/file.h"
#include "runtime/config/sweep_file.h"
#include "runtime/config/yaml_tree.h"

namespace muster::config {
namespace {

namespace json = boost::json;

constexpr std::size_t kMostBytes = 1 << 20;

/// `limits.time`, with its unit, becomes `limits.time_seconds`.
Status NormaliseTime(json::value& tree, Places& places) {
  auto* limits = tree.get_object().if_contains("limits");
  if (limits == nullptr || !limits->is_object()) return Ok();
  json::object& keys = limits->get_object();
  const auto found = keys.find("time");
  if (found == keys.end()) return Ok();
  const json::value& said = found->value();
  const auto seconds =
      ParseDuration(said.is_string() ? std::string(said.get_string()) : json::serialize(said));
  if (!seconds.ok()) return seconds.error().With("at limits.time");
  keys.erase(found);
  keys["time_seconds"] = *seconds;
  places["limits.time_seconds"] = places["limits.time"];
  return Ok();
}

}  // namespace

Result<cluster::SlurmProfile> ParseSlurmProfile(std::string_view text, std::string_view name) {
  const std::string file(name);
  Places places;
  YamlTree yaml(name, places, [](std::string_view path) { return !path.starts_with("limits."); });
  MUSTER_ASSIGN_OR_RETURN(const YAML::Node root, yaml.Load(text));
  if (!root.IsMap()) return Invalid(file + ":1:1: wanted a map with keys like partition");
  MUSTER_ASSIGN_OR_RETURN(json::value tree, yaml.Convert(root, ""));
  if (const Status status = NormaliseTime(tree, places); !status.ok())
    return ExplainPlace(status.error(), file, places);
  auto profile = cluster::SlurmProfileFromJson(tree);
  if (!profile.ok()) return ExplainPlace(profile.error(), file, places);
  return profile;
}

Result<cluster::SlurmProfile> ReadSlurmProfile(const std::filesystem::path& file) {
  MUSTER_ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(file, kMostBytes));
  return ParseSlurmProfile(text, file.string());
}

}  // namespace muster::config
