#include "runtime/config/gate_file.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "registry/gates.h"
#include "runtime/config/sweep_file.h"
#include "runtime/config/yaml_tree.h"
#include "runtime/wire/error_path.h"

namespace muster::config {

namespace json = boost::json;

Status NormaliseGates(json::value& gates, const std::string& path,
                      std::map<std::string, std::string>& places) {
  if (!gates.is_array()) return Ok();
  for (std::size_t i = 0; i < gates.get_array().size(); ++i) {
    json::value& gate = gates.get_array()[i];
    if (gate.is_string() && gate.get_string() == "parity") gate = json::object{{"parity", true}};
    if (!gate.is_object()) continue;
    json::object& keys = gate.get_object();
    const auto size = keys.find("size");
    if (size == keys.end()) continue;
    const std::string here = path + "[" + std::to_string(i) + "].size";
    const json::value& said = size->value();
    const auto bytes =
        ParseSize(said.is_string() ? std::string(said.get_string()) : json::serialize(said));
    if (!bytes.ok()) return bytes.error().With("at " + here);
    keys.erase(size);
    keys["size_bytes"] = *bytes;
    places[here + "_bytes"] = places[here];
  }
  return Ok();
}

Result<std::vector<wire::GateSpec>> ParseGateFile(std::string_view text, std::string_view name) {
  const std::string file(name);
  Places places;
  YamlTree yaml(name, places, [](std::string_view) { return false; });
  MUSTER_ASSIGN_OR_RETURN(const YAML::Node root, yaml.Load(text));
  if (!root.IsMap() || !root["gates"].IsDefined()) {
    return Invalid(file + ":1:1: wanted a map with the key gates");
  }
  MUSTER_ASSIGN_OR_RETURN(json::value tree, yaml.Convert(root, ""));
  for (const auto& entry : tree.get_object()) {
    if (entry.key() == "gates") continue;
    return ExplainPlace(
        Invalid("at " + std::string(entry.key()) + ": unknown key; wanted one of gates"), file,
        places);
  }
  json::value& list = tree.get_object()["gates"];
  if (const Status status = NormaliseGates(list, "gates", places); !status.ok()) {
    return ExplainPlace(status.error(), file, places);
  }
  auto gates = wire::GateSpecsFromJson(list);
  // "[1].metric" of the list is "gates[1].metric" of the file.
  if (!gates.ok()) return ExplainPlace(wire::Under("gates", gates.error()), file, places);
  if (const Status status = registry::CheckGates(*gates); !status.ok()) {
    return ExplainPlace(Invalid("at " + status.error().message), file, places);
  }
  return gates;
}

}  // namespace muster::config
