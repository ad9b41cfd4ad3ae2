#include "registry/change_detail.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "registry/gate_json.h"
#include "runtime/wire/codec.h"

namespace muster::registry {

boost::json::object TagsObject(const std::vector<Tag>& tags) {
  boost::json::object object;
  for (const Tag& tag : tags) object[tag.key] = tag.value;
  return object;
}

// Keys stand in byte order here, which is what makes the text canonical; tags come sorted.

std::string DetailOfModel(std::string_view description, const std::vector<Tag>& tags) {
  return wire::SerializeJson(
      boost::json::object{{"description", description}, {"tags", TagsObject(tags)}});
}

std::string DetailOfText(std::string_view key, std::string_view value) {
  return wire::SerializeJson(boost::json::object{{key, value}});
}

std::string DetailOfTag(std::string_view key, const std::optional<std::string>& value) {
  boost::json::object detail{{"key", key}};
  if (value) detail["value"] = *value;
  return wire::SerializeJson(detail);
}

std::string DetailOfVersion(const NewVersion& version) {
  boost::json::object detail;
  if (!version.author.empty()) detail["author"] = version.author;
  detail["description"] = version.description;
  detail["model_id"] = version.model_id;
  detail["request_id"] = version.request_id;
  detail["run_id"] = version.run_id;
  detail["run_link"] = version.run_link;
  detail["source"] = version.source;
  detail["tags"] = TagsObject(version.tags);
  return wire::SerializeJson(detail);
}

std::string DetailOfAlias(std::string_view alias, std::int64_t from, std::int64_t to) {
  return wire::SerializeJson(boost::json::object{{"alias", alias}, {"from", from}, {"to", to}});
}

std::string DetailOfRefusal(std::string_view alias, std::int64_t to, const Error& error) {
  return wire::SerializeJson(
      boost::json::object{{"alias", alias}, {"to", to}, {"why", error.message}});
}

std::string DetailOfGates(const std::vector<GateVerdict>& verdicts) {
  return wire::SerializeJson(boost::json::object{{"gates", GatesToJson(verdicts)}});
}

std::string DetailOfGateFile(const GateFile& file) {
  const auto gates = wire::ParseJson(file.gates_json);
  MUSTER_CHECK(gates.ok(), "CheckGateFile has read it");
  return wire::SerializeJson(boost::json::object{{"gates", *gates}, {"text", file.text}});
}

}  // namespace muster::registry
