#include <algorithm>
#include <boost/json/array.hpp>
#include <iterator>

#include "tracker/mlflow/call.h"
#include "tracker/mlflow/entities.h"
#include "tracker/mlflow/run_text.h"
#include "tracker/run_rules.h"

namespace muster::tracker {

namespace {

namespace json = boost::json;

/// The run of a write, once its fields are read and its writer is let in.
Result<AttemptEpoch> Admit(Call& call, const RunId& run_id) {
  MUSTER_RETURN_IF_ERROR(call.fields.status());
  return Fence(call.services, call.request, run_id);
}

Status Create(Call& call) {
  Fields& fields = call.fields;
  NewRun run{.experiment_id = fields.Text("experiment_id", "0"),
             .user_id = fields.Text("user_id"),
             .run_name = fields.Text("run_name"),
             .start_time_ms = fields.Int("start_time", 0),
             .tags = TagsOf(fields, "tags")};
  MUSTER_RETURN_IF_ERROR(fields.status());
  call.services.runs.CreateRun(std::move(run), call.reply.When<Run>(RunAnswer));
  return Ok();
}

Result<JsonText> Get(Call& call) {
  const RunId run_id(call.fields.RunId());
  MUSTER_RETURN_IF_ERROR(call.fields.status());
  MUSTER_ASSIGN_OR_RETURN(const Run run, call.services.runs.GetRun(run_id));
  return RunAnswer(run);
}

Status Update(Call& call) {
  const RunId run_id(call.fields.RunId());
  RunUpdate update{.end_time_ms = call.fields.OptionalInt("end_time"),
                   .run_name = call.fields.OptionalText("run_name")};
  // An unknown status changes nothing, as in MLflow.
  update.status = RunStatusFromName(call.fields.Text("status"));
  MUSTER_RETURN_IF_ERROR(Admit(call, run_id));
  call.services.runs.UpdateRun(run_id, std::move(update), call.reply.When<RunInfo>(RunInfoAnswer));
  return Ok();
}

template <bool deleted>
Status SetDeleted(Call& call) {
  const RunId run_id(call.fields.RunId());
  MUSTER_RETURN_IF_ERROR(Admit(call, run_id));
  call.services.runs.SetRunDeleted(run_id, deleted, call.reply.WhenDone());
  return Ok();
}

Metric MetricOf(Fields& fields) {
  return {.key = fields.Required("key"),
          .value = fields.RequiredDouble("value"),
          .timestamp_ms = fields.RequiredInt("timestamp"),
          .step = fields.Int("step", 0),
          .model_id = fields.Text("model_id"),
          .dataset_name = fields.Text("dataset_name"),
          .dataset_digest = fields.Text("dataset_digest")};
}

Status Log(Call& call, Batch batch) {
  const RunId run_id(call.fields.RunId());
  MUSTER_ASSIGN_OR_RETURN(const AttemptEpoch attempt, Admit(call, run_id));
  for (Metric& metric : batch.metrics) metric.attempt = attempt.value;
  call.services.runs.LogBatch(run_id, std::move(batch), call.reply.WhenDone());
  return Ok();
}

Status LogMetric(Call& call) {
  return Log(call, {.metrics = {MetricOf(call.fields)}, .single = true});
}

Status LogParameter(Call& call) {
  Param param{call.fields.Required("key"), call.fields.Text("value")};
  return Log(call, {.params = {std::move(param)}, .single = true});
}

Status SetTag(Call& call) {
  Tag tag{call.fields.Required("key"), call.fields.Text("value")};
  return Log(call, {.tags = {std::move(tag)}, .single = true});
}

Status LogBatch(Call& call) {
  Batch batch;
  for (Fields& metric : call.fields.List("metrics")) {
    batch.metrics.push_back(MetricOf(metric));
    call.fields.Take(metric);
  }
  batch.params = TagsOf(call.fields, "params");
  batch.tags = TagsOf(call.fields, "tags");
  MUSTER_RETURN_IF_ERROR(CheckBatchLimits(batch));
  return Log(call, std::move(batch));
}

Status DeleteTag(Call& call) {
  const RunId run_id(call.fields.RunId());
  std::string key = call.fields.Required("key");
  MUSTER_RETURN_IF_ERROR(Admit(call, run_id));
  call.services.runs.DeleteTag(run_id, std::move(key), call.reply.WhenDone());
  return Ok();
}

Status LogInputs(Call& call) {
  const RunId run_id(call.fields.RunId());
  std::vector<DatasetInput> datasets;
  std::vector<std::string> models;
  for (Fields& input : call.fields.List("datasets")) {
    Fields dataset = input.Object("dataset");
    datasets.push_back({{.name = dataset.Required("name"),
                         .digest = dataset.Required("digest"),
                         .source_type = dataset.Text("source_type"),
                         .source = dataset.Text("source"),
                         .schema = dataset.Text("schema"),
                         .profile = dataset.Text("profile")},
                        TagsOf(input, "tags")});
    input.Take(dataset);
    call.fields.Take(input);
  }
  for (Fields& model : call.fields.List("models")) {
    models.push_back(model.Required("model_id"));
    call.fields.Take(model);
  }
  MUSTER_RETURN_IF_ERROR(Admit(call, run_id));
  call.services.runs.LogInputs(run_id, std::move(datasets), std::move(models),
                               call.reply.WhenDone());
  return Ok();
}

Status LogOutputs(Call& call) {
  const RunId run_id(call.fields.RunId());
  std::vector<std::pair<std::string, std::int64_t>> models;
  for (Fields& model : call.fields.List("models")) {
    models.emplace_back(model.Required("model_id"), model.Int("step", 0));
    call.fields.Take(model);
  }
  MUSTER_RETURN_IF_ERROR(Admit(call, run_id));
  call.services.runs.LogOutputs(run_id, std::move(models), call.reply.WhenDone());
  return Ok();
}

Result<JsonText> Search(Call& call) {
  SearchQuery query = SearchOf(call.fields, 1'000);
  MUSTER_ASSIGN_OR_RETURN(query.view, ViewTypeOf(call.fields, "run_view_type"));
  MUSTER_RETURN_IF_ERROR(call.fields.status());
  MUSTER_ASSIGN_OR_RETURN(const auto page, call.services.runs.SearchRuns(query));
  return RunsAnswer(page);
}

Result<JsonText> History(Call& call) {
  const RunId run_id(call.fields.RunId());
  const std::string key = call.fields.Required("metric_key");
  const auto max_results = call.fields.OptionalInt("max_results");
  Page<Metric> page{{}, call.fields.Text("page_token")};
  MUSTER_RETURN_IF_ERROR(call.fields.status());
  // Without max_results MLflow answers all.
  do {
    MUSTER_ASSIGN_OR_RETURN(
        auto next, call.services.runs.MetricHistory(
                       run_id, key, max_results.value_or(kMaxHistoryPage), page.next_page_token));
    if (page.items.empty()) {
      page.items = std::move(next.items);
    } else {
      std::ranges::move(next.items, std::back_inserter(page.items));
    }
    page.next_page_token = std::move(next.next_page_token);
  } while (!max_results && !page.next_page_token.empty());
  return MetricsAnswer(page);
}

}  // namespace

const std::vector<Route>& RunRoutes() {
  static const std::vector<Route> routes = {
      {"POST", "/runs/create", Create},
      {"GET", "/runs/get", nullptr, nullptr, Get},
      {"POST", "/runs/update", Update},
      {"POST", "/runs/delete", SetDeleted<true>},
      {"POST", "/runs/restore", SetDeleted<false>},
      {"POST", "/runs/log-metric", LogMetric},
      {"POST", "/runs/log-parameter", LogParameter},
      {"POST", "/runs/set-tag", SetTag},
      {"POST", "/runs/delete-tag", DeleteTag},
      {"POST", "/runs/log-batch", LogBatch},
      {"POST", "/runs/log-inputs", LogInputs},
      {"POST", "/runs/outputs", LogOutputs},
      {"POST", "/runs/search", nullptr, nullptr, Search},
      {"GET", "/metrics/get-history", nullptr, nullptr, History},
  };
  return routes;
}

}  // namespace muster::tracker
