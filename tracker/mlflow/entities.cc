#include "tracker/mlflow/entities.h"

#include "runtime/wire/codec.h"

namespace muster::tracker {

namespace {

namespace json = boost::json;

template <typename T>
json::array TagArray(const std::vector<T>& tags) {
  json::array array;
  array.reserve(tags.size());
  for (const T& tag : tags) array.push_back({{"key", tag.key}, {"value", tag.value}});
  return array;
}

std::string_view Stage(bool deleted) { return deleted ? "deleted" : "active"; }

}  // namespace

json::array ToMlflow(const std::vector<ArtifactInfo>& files, const std::string& path) {
  json::array array;
  for (const ArtifactInfo& info : files) {
    json::object file{{"path", path.empty() ? info.path : path + "/" + info.path},
                      {"is_dir", info.is_dir}};
    if (!info.is_dir) file["file_size"] = info.size;
    array.push_back(std::move(file));
  }
  return array;
}

void PutList(json::object& object, std::string_view key, json::array array) {
  if (!array.empty()) object[key] = std::move(array);
}

void PutText(json::object& object, std::string_view key, std::string_view text) {
  if (!text.empty()) object[key] = text;
}

json::object ToMlflow(const Experiment& experiment) {
  json::object object{{"experiment_id", experiment.experiment_id},
                      {"name", experiment.name},
                      {"artifact_location", experiment.artifact_location},
                      {"lifecycle_stage", Stage(experiment.deleted)},
                      {"last_update_time", experiment.last_update_time_ms},
                      {"creation_time", experiment.creation_time_ms}};
  PutList(object, "tags", TagArray(experiment.tags));
  object["workspace"] = "default";
  return object;
}

json::object ToMlflow(const Metric& metric) {
  return {{"key", metric.key},
          {"value", wire::ToJson(metric.value)},
          {"timestamp", metric.timestamp_ms},
          {"step", metric.step}};
}

json::object ToMlflow(const LoggedModel& model) {
  json::object info{{"model_id", model.model_id},
                    {"experiment_id", model.experiment_id},
                    {"name", model.name},
                    {"creation_timestamp_ms", model.creation_ms},
                    {"last_updated_timestamp_ms", model.last_updated_ms},
                    {"artifact_uri", model.artifact_uri},
                    {"status", model.status},
                    {"model_type", model.model_type},
                    {"source_run_id", model.source_run_id}};
  PutList(info, "tags", TagArray(model.tags));
  json::array metrics;
  for (const auto& [run_id, metric] : model.metrics) {
    json::object object = ToMlflow(metric);
    PutText(object, "dataset_name", metric.dataset_name);
    PutText(object, "dataset_digest", metric.dataset_digest);
    object["model_id"] = model.model_id;
    object["run_id"] = run_id.value;
    metrics.push_back(std::move(object));
  }
  json::object data;
  PutList(data, "params", TagArray(model.params));
  PutList(data, "metrics", std::move(metrics));
  return {{"info", std::move(info)}, {"data", std::move(data)}};
}

json::object ToMlflow(const registry::RegisteredModel& model) {
  json::object object{{"name", model.name},
                      {"creation_timestamp", model.creation_ms},
                      {"last_updated_timestamp", model.last_updated_ms}};
  PutText(object, "description", model.description);
  json::array versions, aliases;
  for (const auto& version : model.latest_versions) versions.push_back(ToMlflow(version, false));
  PutList(object, "latest_versions", std::move(versions));
  PutList(object, "tags", TagArray(model.tags));
  for (const registry::AliasEntry& entry : model.aliases) {
    aliases.push_back({{"alias", entry.alias}, {"version", std::to_string(entry.version)}});
  }
  PutList(object, "aliases", std::move(aliases));
  return object;
}

json::object ToMlflow(const registry::ModelVersion& version, bool with_aliases) {
  json::object object{{"name", version.name},
                      {"version", std::to_string(version.version)},
                      {"creation_timestamp", version.creation_ms},
                      {"last_updated_timestamp", version.last_updated_ms}};
  object["current_stage"] = version.stage;
  object["description"] = version.description;
  object["source"] = version.source;
  object["run_id"] = version.run_id;
  object["status"] = version.status;
  PutText(object, "status_message", version.status_message);
  PutList(object, "tags", TagArray(version.tags));
  object["run_link"] = version.run_link;
  if (with_aliases) {
    PutList(object, "aliases", json::array(version.aliases.begin(), version.aliases.end()));
  }
  return object;
}

}  // namespace muster::tracker
