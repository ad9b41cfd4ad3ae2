#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/filter/filter.h"
#include "tracker/run_store.h"

/// What every run store obeys, whatever it stores in: MLflow 3.18's checks with their exact texts (its own
/// tests match them), which point is the latest, which points a resumed attempt hides, and what may be
/// searched by. Pure; any thread.

namespace muster::tracker {

inline constexpr std::string_view kRunNameTag = "mlflow.runName";
inline constexpr std::string_view kDatasetContextTag = "mlflow.data.context";
/// As many as MLflow takes of anything in one request; it does not bound these.
inline constexpr std::size_t kMaxRunTags = 1'000;
inline constexpr std::int64_t kMaxHistoryPage = 25'000;
inline constexpr std::int64_t kMaxDatasetSummaries = 1'000;
inline constexpr std::int64_t kMaxSearchPage = 50'000;

Error ExperimentNotFound(std::string_view experiment_id);
Error ExperimentNotActive(std::string_view experiment_id);
Error RunNotFound(const RunId& run_id);
Error RunNotActive(const RunId& run_id);
Error LoggedModelNotFound(std::string_view model_id);
Error ExperimentExists(std::string_view name);
Error ExperimentNameNotFound(std::string_view name);
Error NoExperimentTag(std::string_view experiment_id, std::string_view key);
Error NoRunTag(const RunId& run_id, std::string_view key);
Error NoLoggedModelTag(std::string_view model_id, std::string_view key);

/// "<location>/<folder>/artifacts", where a run or (folder "models/<id>") a logged model keeps its files.
std::string ArtifactUri(std::string_view location, std::string_view folder);

/// Experiment ids are decimal numbers. kInvalid.
Result<std::int64_t> ParseExperimentId(std::string_view experiment_id);
Status CheckExperimentIds(const SearchQuery& query);
Status CheckExperimentName(std::string_view name);
Status CheckExperimentTag(std::string_view key, std::string_view value);
/// Slashes, dots, colons, spaces and Unicode letters are fine; "a/../b" and "" are not. `path` is the
/// name of the parameter in the message.
Status CheckKey(std::string_view key, std::string_view path);
Status CheckLoggedModelName(std::string_view name);
/// LOGGED_MODEL_PENDING, _READY or _UPLOAD_FAILED.
Status CheckLoggedModelStatus(std::string_view status);
Status CheckDatasets(const std::vector<DatasetInput>& datasets);

/// kInvalid unless it is a letter or digit and up to 255 letters, digits, "_" and "-".
Status CheckRunId(const RunId& run_id);
/// Checks every entity of a batch, cuts values that are too long (params 6000 characters, tags 8000), keeps the
/// last tag of each key and drops an empty name of the run.
Status PrepareEntities(Batch& batch);
/// Hands the run's own of these metrics to `observer`, unless there are none.
void TellOwn(const MetricObserver& observer, const RunId& run_id,
             const std::vector<Metric>& metrics);
/// Takes over what `newer` knows.
void Update(RankPlace& place, const RankPlace& newer);
/// PrepareEntities, and ranks are in their bounds; the same param key twice is kInvalid, as in MLflow, also with the same value.
Status PrepareBatch(Batch& batch);
/// At most 1000 metrics, 100 params, 100 tags, 1000 together: the bound of the REST route.
Status CheckBatchLimits(const Batch& batch);

struct ParamChange {
  std::string key, old_value, new_value;
};
/// The refusal to change params. `changes` is not empty.
Error ParamsChanged(const RunId& run_id, bool single, const std::vector<ParamChange>& changes);

/// Prepares the tags as PrepareBatch does, kInvalid for more than kMaxRunTags. The name and the tag
/// mlflow.runName are one thing: sets each from the other, or both to a random name; kInvalid when both are
/// given and differ. Makes a run id when there is none.
Status CompleteRun(NewRun& run);
/// "clever-otter-417".
std::string RandomName();

/// True when `a` comes after `b` by (step, timestamp, value); NaN counts as 0, as MLflow stores it.
bool IsLater(const Metric& a, const Metric& b);
/// The order of a history: (timestamp, step, value), NaN last among equals.
bool InHistoryOrder(const Metric& a, const Metric& b);

/// From attempt `attempt` on, the run goes on after `step`.
struct Resume {
  std::int64_t attempt = 0, step = 0;
};
/// True when the point lies beyond the step from which a later attempt resumed. Points without an attempt
/// are never hidden.
bool IsHidden(std::int64_t attempt, std::int64_t step, std::span<const Resume> resumes);

const filter::Grammar& RunGrammar();
const filter::Grammar& ExperimentGrammar();
const filter::Grammar& LoggedModelGrammar();

/// kInvalid unless there are 1 to kMaxPixels pixels.
Status CheckChartWindow(const ChartWindow& window);
/// The same, and that it is by step.
Status CheckRankWindow(const ChartWindow& window);

/// kInvalid unless 1 <= max_results <= limit.
Status CheckMaxResults(std::int64_t max_results, std::int64_t limit);

}  // namespace muster::tracker
