#include "tracker/mlflow/run_text.h"

#include <algorithm>

namespace muster::tracker {
namespace {

void WriteTags(JsonWriter& json, std::string_view name, const std::vector<Tag>& tags) {
  if (tags.empty()) return;
  json.Key(name).BeginArray();
  for (const Tag& tag : tags)
    json.BeginObject().Key("key").Text(tag.key).Key("value").Text(tag.value).EndObject();
  json.EndArray();
}

void WriteText(JsonWriter& json, std::string_view name, std::string_view text) {
  if (!text.empty()) json.Key(name).Text(text);
}

void WriteFields(JsonWriter& json, const Metric& metric) {
  json.Key("key").Text(metric.key).Key("value").Number(metric.value);
  json.Key("timestamp").Number(metric.timestamp_ms).Key("step").Number(metric.step);
}

void WriteMetrics(JsonWriter& json, const std::vector<Metric>& metrics) {
  if (metrics.empty()) return;
  json.Key("metrics").BeginArray();
  for (const Metric& metric : metrics) {
    WriteFields(json.BeginObject(), metric);
    json.EndObject();
  }
  json.EndArray();
}

void Write(JsonWriter& json, const RunInfo& info) {
  json.BeginObject();
  json.Key("run_uuid").Text(info.run_id.value);
  json.Key("experiment_id").Text(info.experiment_id);
  json.Key("run_name").Text(info.run_name);
  json.Key("user_id").Text(info.user_id);
  json.Key("status").Text(RunStatusName(info.status));
  json.Key("start_time").Number(info.start_time_ms);
  if (info.end_time_ms) json.Key("end_time").Number(*info.end_time_ms);
  json.Key("artifact_uri").Text(info.artifact_uri);
  json.Key("lifecycle_stage").Text(info.deleted ? "deleted" : "active");
  json.Key("run_id").Text(info.run_id.value);
  json.EndObject();
}

void Write(JsonWriter& json, const DatasetInput& input) {
  const Dataset& dataset = input.dataset;
  json.BeginObject();
  WriteTags(json, "tags", input.tags);
  json.Key("dataset").BeginObject();
  json.Key("name").Text(dataset.name).Key("digest").Text(dataset.digest);
  json.Key("source_type").Text(dataset.source_type).Key("source").Text(dataset.source);
  WriteText(json, "schema", dataset.schema);
  WriteText(json, "profile", dataset.profile);
  json.EndObject().EndObject();
}

void WriteInputs(JsonWriter& json, const Run& run) {
  json.Key("inputs").BeginObject();
  if (!run.dataset_inputs.empty()) {
    json.Key("dataset_inputs").BeginArray();
    for (const DatasetInput& input : run.dataset_inputs) Write(json, input);
    json.EndArray();
  }
  if (!run.model_inputs.empty()) {
    json.Key("model_inputs").BeginArray();
    for (const std::string& id : run.model_inputs)
      json.BeginObject().Key("model_id").Text(id).EndObject();
    json.EndArray();
  }
  json.EndObject();
}

void WriteOutputs(JsonWriter& json, const Run& run) {
  json.Key("outputs").BeginObject();
  if (!run.model_outputs.empty()) {
    json.Key("model_outputs").BeginArray();
    for (const auto& [id, step] : run.model_outputs)
      json.BeginObject().Key("model_id").Text(id).Key("step").Number(step).EndObject();
    json.EndArray();
  }
  json.EndObject();
}

void WriteParts(JsonWriter& json, const Run& run) {
  json.Key("info");
  Write(json, run.info);
  json.Key("data").BeginObject();
  WriteMetrics(json, run.metrics);
  WriteTags(json, "params", run.params);
  WriteTags(json, "tags", run.tags);
  json.EndObject();
  WriteInputs(json, run);
}

void Write(JsonWriter& json, const Run& run) {
  json.BeginObject();
  WriteParts(json, run);
  WriteOutputs(json, run);
  json.EndObject();
}

template <typename T>
JsonText One(std::string_view name, const T& thing) {
  JsonWriter json;
  json.BeginObject().Key(name);
  Write(json, thing);
  return json.EndObject().Take();
}

}  // namespace

JsonText RunAnswer(const Run& run) { return One("run", run); }
JsonText NewRunAnswer(const Run& run) {
  JsonWriter json;
  json.BeginObject().Key("run").BeginObject();
  WriteParts(json, run);
  return json.EndObject().EndObject().Take();
}
JsonText RunInfoAnswer(const RunInfo& info) { return One("run_info", info); }

JsonText RunsAnswer(const Page<Run>& page) {
  JsonWriter json;
  json.BeginObject();
  if (!page.items.empty()) {
    json.Key("runs").BeginArray();
    for (const Run& run : page.items) Write(json, run);
    json.EndArray();
  }
  WriteText(json, "next_page_token", page.next_page_token);
  if (page.total) json.Key("count").Number(*page.total);
  return json.EndObject().Take();
}

JsonText MetricsAnswer(const Page<Metric>& page) {
  JsonWriter json;
  json.BeginObject();
  WriteMetrics(json, page.items);
  WriteText(json, "next_page_token", page.next_page_token);
  return json.EndObject().Take();
}

JsonText RunMetricsAnswer(const std::vector<RunMetrics>& runs, bool list) {
  JsonWriter json;
  json.BeginObject();
  const bool empty =
      std::ranges::all_of(runs, [](const RunMetrics& run) { return run.metrics.empty(); });
  if (empty && !list) return json.EndObject().Take();
  json.Key("metrics").BeginArray();
  for (const RunMetrics& run : runs) {
    for (const Metric& metric : run.metrics) {
      WriteFields(json.BeginObject(), metric);
      json.Key("run_id").Text(run.run_id.value).EndObject();
    }
  }
  return json.EndArray().EndObject().Take();
}

}  // namespace muster::tracker
