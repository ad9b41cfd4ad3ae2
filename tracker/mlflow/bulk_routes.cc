#include <algorithm>
#include <boost/json/array.hpp>

#include "tracker/mlflow/call.h"
#include "tracker/mlflow/run_text.h"
#include "tracker/run_rules.h"

/// What MLflow's pages ask for charts and lists, beyond its REST API.

namespace muster::tracker {

namespace {

namespace json = boost::json;

constexpr std::size_t kMaxRuns = 100, kMaxExperiments = 20;
constexpr std::int64_t kMaxSample = 2'500;

std::string Received(std::string_view request, std::string_view bound, std::size_t most,
                     std::string_view things, std::size_t count) {
  return std::string(request) + " request " + std::string(bound) + " " + std::to_string(most) +
         " " + std::string(things) + ". Received " + std::to_string(count) + " " +
         std::string(things) + ".";
}

Result<JsonText> HistoryBulk(Call& call) {
  std::vector<std::string> run_ids = call.fields.Texts("run_id");
  if (run_ids.empty())
    return Invalid("GetMetricHistoryBulk request must specify at least one run_id.");
  if (run_ids.size() > kMaxRuns) {
    return Invalid(Received("GetMetricHistoryBulk", "cannot specify more than", kMaxRuns, "run_ids",
                            run_ids.size()));
  }
  const auto key = call.fields.OptionalText("metric_key");
  if (!key) return Invalid("GetMetricHistoryBulk request must specify a metric_key.");
  std::int64_t left = std::min(call.fields.Int("max_results", kMaxHistoryPage), kMaxHistoryPage);
  MUSTER_RETURN_IF_ERROR(call.fields.status());
  std::ranges::sort(run_ids);
  std::vector<RunMetrics> found;
  for (const std::string& run_id : run_ids) {
    if (left <= 0) break;
    MUSTER_ASSIGN_OR_RETURN(auto page,
                            call.services.runs.MetricHistory(RunId(run_id), *key, left, ""));
    left -= std::ssize(page.items);
    found.push_back({RunId(run_id), std::move(page.items)});
  }
  return RunMetricsAnswer(found, true);
}

Result<std::optional<StepRange>> StepsOf(Fields& fields) {
  const auto start = fields.OptionalInt("start_step"), end = fields.OptionalInt("end_step");
  MUSTER_RETURN_IF_ERROR(fields.status());
  if (!start && !end) return std::optional<StepRange>();
  if (!start || !end) {
    return Invalid("If either start step or end step are specified, both must be specified.");
  }
  if (*start > *end) {
    return Invalid("end_step must be greater than start_step. Found start_step=" +
                   std::to_string(*start) + " and end_step=" + std::to_string(*end) + ".");
  }
  return std::optional(StepRange{*start, *end});
}

Result<JsonText> HistoryBulkInterval(Call& call) {
  const std::vector<std::string> run_ids = call.fields.Texts("run_ids");
  if (run_ids.empty()) (void)call.fields.Required("run_ids");  // says that it is missing
  const std::string key = call.fields.Required("metric_key");
  const std::int64_t most = call.fields.Int("max_results", kMaxSample);
  MUSTER_RETURN_IF_ERROR(call.fields.status());
  if (run_ids.size() > kMaxRuns) {
    return Invalid(Received("GetMetricHistoryBulkInterval", "must specify at most", kMaxRuns,
                            "run_ids", run_ids.size()));
  }
  if (most < 1 || most > kMaxSample)
    return Invalid("max_results must be between 1 and " + std::to_string(kMaxSample) + ".");
  MUSTER_ASSIGN_OR_RETURN(const auto steps, StepsOf(call.fields));
  std::vector<RunMetrics> found;
  for (const std::string& run_id : run_ids) {
    MUSTER_ASSIGN_OR_RETURN(auto sample,
                            call.services.runs.SampleHistory(RunId(run_id), key, steps, most));
    found.push_back({RunId(run_id), std::move(sample)});
  }
  return RunMetricsAnswer(found, false);
}

Result<json::object> SearchDatasets(Call& call) {
  const std::vector<std::string> ids = call.fields.Texts("experiment_ids");
  MUSTER_RETURN_IF_ERROR(call.fields.status());
  if (ids.empty())
    return Invalid("SearchDatasets request must specify at least one experiment_id.");
  if (ids.size() > kMaxExperiments) {
    return Invalid(Received("SearchDatasets", "cannot specify more than", kMaxExperiments,
                            "experiment_ids", ids.size()));
  }
  MUSTER_ASSIGN_OR_RETURN(const auto found, call.services.runs.SearchDatasets(ids));
  json::array summaries;
  for (const DatasetSummary& summary : found) {
    json::object object{{"experiment_id", summary.experiment_id},
                        {"name", summary.name},
                        {"digest", summary.digest}};
    if (summary.context) object["context"] = *summary.context;
    summaries.push_back(std::move(object));
  }
  json::object answer;
  if (!summaries.empty()) answer["dataset_summaries"] = std::move(summaries);
  return answer;
}

}  // namespace

const std::vector<Route>& BulkRoutes() {
  static const std::vector<Route> routes = {
      {"GET", "/metrics/get-history-bulk", nullptr, nullptr, HistoryBulk, true},
      {"GET", "/metrics/get-history-bulk-interval", nullptr, nullptr, HistoryBulkInterval},
      {"POST", "/experiments/search-datasets", nullptr, SearchDatasets},
  };
  return routes;
}

}  // namespace muster::tracker
