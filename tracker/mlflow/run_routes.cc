#include <algorithm>
#include <boost/json/array.hpp>
#include <iterator>
#include <limits>

#include "tracker/mlflow/call.h"
#include "tracker/mlflow/entities.h"
#include "tracker/mlflow/list_tags.h"
#include "tracker/mlflow/own_search.h"
#include "tracker/mlflow/rank_headers.h"
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
  NewRun run;
  run.experiment_id = fields.Text("experiment_id", "0");
  run.start_time_ms = fields.Int("start_time", 0);
  run.run_name = fields.Text("run_name");
  run.user_id = fields.Text("user_id");
  run.tags = TagsOf(fields, "tags");
  MUSTER_RETURN_IF_ERROR(fields.status());
  call.services.runs.CreateRun(std::move(run), call.reply.When<Run>(NewRunAnswer));
  return Ok();
}

Result<JsonText> Get(Call& call) {
  const RunId run_id(call.fields.RunId(true));
  MUSTER_RETURN_IF_ERROR(call.fields.status());
  MUSTER_ASSIGN_OR_RETURN(const Run run, call.services.runs.GetRun(run_id));
  return RunAnswer(run);
}

Status Update(Call& call) {
  static constexpr std::pair<std::string_view, std::int64_t> kStatuses[] = {
      {"RUNNING", 1}, {"SCHEDULED", 2}, {"FINISHED", 3}, {"FAILED", 4}, {"KILLED", 5}};
  const RunId run_id(call.fields.RunId(true));
  RunUpdate update;
  update.end_time_ms = call.fields.OptionalInt("end_time");
  // An unknown status changes nothing, as in MLflow.
  if (const auto status = call.fields.Enumerator("status", kStatuses)) {
    update.status = static_cast<RunStatus>(*status);
  }
  if (std::string name = call.fields.Text("run_name"); !name.empty()) {
    update.run_name = std::move(name);
  }
  MUSTER_RETURN_IF_ERROR(Admit(call, run_id));
  call.services.runs.UpdateRun(run_id, std::move(update), call.reply.When<RunInfo>(RunInfoAnswer));
  return Ok();
}

template <bool deleted>
Status SetDeleted(Call& call) {
  const RunId run_id(call.fields.RunId(false));
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

Status CheckDatasetsOf(const std::vector<Metric>& metrics) {
  for (const Metric& metric : metrics) {
    if (metric.dataset_name.empty() != metric.dataset_digest.empty()) {
      return Invalid("Both dataset_name and dataset_digest must be provided if one is provided");
    }
  }
  return Ok();
}

Status Log(Call& call, const RunId& run_id, Batch batch) {
  MUSTER_RETURN_IF_ERROR(call.fields.status());
  MUSTER_RETURN_IF_ERROR(CheckDatasetsOf(batch.metrics));
  MUSTER_ASSIGN_OR_RETURN(const AttemptEpoch attempt, Admit(call, run_id));
  for (Metric& metric : batch.metrics) metric.attempt = attempt.value;
  call.services.runs.LogBatch(run_id, std::move(batch), call.reply.WhenDone());
  return Ok();
}

/// Metrics may be a rank's.
Status LogOfRank(Call& call, const RunId& run_id, Batch batch) {
  MUSTER_RETURN_IF_ERROR(call.fields.status());
  MUSTER_ASSIGN_OR_RETURN(const auto rank, RankOf(call.request));
  if (rank) GiveTo(*rank, batch);
  return Log(call, run_id, std::move(batch));
}

Status LogMetric(Call& call) {
  const RunId run_id(call.fields.RunId(true));
  return LogOfRank(call, run_id, {.metrics = {MetricOf(call.fields)}, .single = true});
}

Status LogParameter(Call& call) {
  const RunId run_id(call.fields.RunId(true));
  Param param{call.fields.Required("key"), call.fields.Text("value")};
  return Log(call, run_id, {.params = {std::move(param)}, .single = true});
}

Status SetTag(Call& call) {
  const RunId run_id(call.fields.RunId(true));
  Tag tag{call.fields.Required("key"), call.fields.Text("value")};
  return Log(call, run_id, {.tags = {std::move(tag)}, .single = true});
}

Status LogBatch(Call& call) {
  const RunId run_id(call.fields.RunId(false));
  Batch batch;
  for (Fields& metric : call.fields.List("metrics")) {
    batch.metrics.push_back(MetricOf(metric));
    call.fields.Take(metric);
  }
  batch.params = TagsOf(call.fields, "params", Keys::kRequired);
  batch.tags = TagsOf(call.fields, "tags", Keys::kRequired);
  MUSTER_RETURN_IF_ERROR(call.fields.status());
  MUSTER_RETURN_IF_ERROR(CheckDatasetsOf(batch.metrics));
  MUSTER_RETURN_IF_ERROR(CheckRunId(run_id));
  if (Status few = CheckBatchLimits(batch); !few.ok()) {
    // What is wrong with one of them comes first in MLflow.
    MUSTER_RETURN_IF_ERROR(PrepareEntities(batch));
    return few;
  }
  return LogOfRank(call, run_id, std::move(batch));
}

Status DeleteTag(Call& call) {
  const RunId run_id(call.fields.RunId(false));
  std::string key = call.fields.Required("key");
  MUSTER_RETURN_IF_ERROR(Admit(call, run_id));
  call.services.runs.DeleteTag(run_id, std::move(key), call.reply.WhenDone());
  return Ok();
}

Dataset DatasetOf(Fields fields) {
  return {.name = fields.Text("name"),
          .digest = fields.Text("digest"),
          .source_type = fields.Text("source_type"),
          .source = fields.Text("source"),
          .schema = fields.Text("schema"),
          .profile = fields.Text("profile")};
}

Status LogInputs(Call& call) {
  const RunId run_id(call.fields.RunId(false));
  std::vector<DatasetInput> datasets;
  for (Fields& input : call.fields.List("datasets")) {
    Fields dataset = input.Object("dataset");
    Dataset read = DatasetOf(dataset);
    input.Take(dataset);
    datasets.push_back({std::move(read), TagsOf(input, "tags")});
    call.fields.Take(input);
  }
  std::vector<std::string> models;
  for (Fields& model : call.fields.List("models")) {
    models.push_back(model.Text("model_id"));
    call.fields.Take(model);
  }
  MUSTER_RETURN_IF_ERROR(call.fields.status());
  MUSTER_RETURN_IF_ERROR(CheckRunId(run_id));
  MUSTER_RETURN_IF_ERROR(Admit(call, run_id));
  call.services.runs.LogInputs(run_id, std::move(datasets), std::move(models),
                               call.reply.WhenDone());
  return Ok();
}

Status LogOutputs(Call& call) {
  const RunId run_id(call.fields.RunId(false));
  std::vector<std::pair<std::string, std::int64_t>> models;
  call.fields.MustHave("models");
  for (Fields& model : call.fields.List("models")) {
    models.emplace_back(model.Text("model_id"), model.Int("step", 0));
    call.fields.Take(model);
  }
  MUSTER_RETURN_IF_ERROR(Admit(call, run_id));
  call.services.runs.LogOutputs(run_id, std::move(models), call.reply.WhenDone());
  return Ok();
}

/// What clients before MLflow 3 told of a model: its description joins a list in a tag of the run.
Status LogModel(Call& call) {
  const RunId run_id(call.fields.RunId(false));
  const std::string text = call.fields.Required("model_json");
  MUSTER_RETURN_IF_ERROR(call.fields.status());
  MUSTER_ASSIGN_OR_RETURN(json::object model, ModelForTag(text));
  MUSTER_RETURN_IF_ERROR(Admit(call, run_id));
  call.services.runs.ChangeTag(
      run_id, std::string(kLoggedModelsTag),
      [model = std::move(model)](const std::optional<std::string>& now) {
        return AppendedToList(now, model);
      },
      call.reply.WhenDone());
  return Ok();
}

Result<JsonText> Search(Call& call) {
  auto ids = call.fields.Texts("experiment_ids");
  SearchQuery query = SearchOf(call.fields, 1'000, kMaxSearchPage);
  query.experiment_ids = std::move(ids);
  query.view = ViewTypeOf(call.fields, "run_view_type");
  MUSTER_RETURN_IF_ERROR(call.fields.status());
  MUSTER_RETURN_IF_ERROR(ReadOwnSearch(call.fields, query));
  MUSTER_ASSIGN_OR_RETURN(const auto page, call.services.runs.SearchRuns(query));
  return RunsAnswer(page);
}

Result<JsonText> History(Call& call) {
  const RunId run_id(call.fields.RunId(true));
  const std::string key = call.fields.Required("metric_key");
  Page<Metric> page{{}, call.fields.Text("page_token")};
  const auto max_results = call.fields.OptionalInt("max_results");
  MUSTER_RETURN_IF_ERROR(call.fields.status());
  if (max_results && *max_results <= 0) {
    return Invalid("Invalid value " + std::to_string(*max_results) +
                   " for parameter 'max_results' supplied. It must be a positive integer.");
  }
  // MLflow bounds no page, and answers all without max_results; read in steps here.
  std::int64_t wanted = max_results.value_or(std::numeric_limits<std::int64_t>::max());
  do {
    MUSTER_ASSIGN_OR_RETURN(
        auto next, call.services.runs.MetricHistory(run_id, key, std::min(wanted, kMaxHistoryPage),
                                                    page.next_page_token));
    wanted -= std::ssize(next.items);
    if (page.items.empty()) {
      page.items = std::move(next.items);
    } else {
      std::ranges::move(next.items, std::back_inserter(page.items));
    }
    page.next_page_token = std::move(next.next_page_token);
  } while (wanted > 0 && !page.next_page_token.empty());
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
      {"POST", "/runs/log-model", LogModel},
      {"POST", "/runs/search", nullptr, nullptr, Search},
      {"GET", "/metrics/get-history", nullptr, nullptr, History},
  };
  return routes;
}

}  // namespace muster::tracker
