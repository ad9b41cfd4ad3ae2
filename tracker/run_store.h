#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/ids.h"
#include "runtime/base/result.h"
#include "tracker/ranks/rank_curve.h"
#include "tracker/run_eraser.h"
#include "tracker/run_event.h"
#include "tracker/series/chart.h"

/// The run store's port: MLflow's experiments, runs, params, metrics, tags, inputs and logged models.
/// Semantics are MLflow 3.18's (README of this folder) unless said. Adapters: tracker/sqlite and, for
/// tests, memory_run_store. One contract suite runs on both (tests/contract/run_store_contract.h).
///
/// Threads: every method may be called from any thread. Writes are queued to one writer, which commits
/// many in one transaction; `done` is called after the commit is durable (or with the error, when nothing
/// was written), exactly once: on the writer's thread, or before the write returns (a batch that is refused
/// as it stands; all of the store in memory). Reads see every write that was acknowledged.

namespace muster::tracker {

using Done = std::function<void(Status)>;

struct Tag {
  std::string key, value;
  friend bool operator==(const Tag&, const Tag&) = default;
};
using Param = Tag;

/// No rank: a run's own, which is all that MLflow sees.
inline constexpr int kNoRank = -1;
/// Ranks are 0 to this one.
inline constexpr int kRankMost = 999'999;

/// A rank as its run knows it, by all its metrics; zeros when it has logged none.
struct RankSummary {
  RankPlace place;
  std::int64_t last_step = 0, last_time_ms = 0;  ///< the largest of its metrics' latest
  std::int64_t points = 0;  ///< as many as are stored; one that is logged again may count twice
  friend bool operator==(const RankSummary&, const RankSummary&) = default;
};
struct RunRanks {
  std::vector<RankSummary> ranks;  ///< by rank
  std::vector<std::string> keys;   ///< of their metrics, in order
};

/// A series of a run: one metric of its own, or of one of its ranks.
struct SeriesKey {
  SeriesKey(std::string_view metric, int of_rank = kNoRank)
      : key(metric), rank(of_rank) {}                    // NOLINT: a key alone
  SeriesKey(const std::string& metric) : key(metric) {}  // NOLINT: the same
  SeriesKey(const char* metric) : key(metric) {}         // NOLINT: the same
  std::string_view key;                                  ///< of the caller
  int rank = kNoRank;
};

/// NaN and infinities are kept as they are. The multiset of (timestamp, step, value) per series is the
/// identity: the same point again changes nothing, so a client may retry.
struct Metric {
  std::string key;
  double value = 0;
  std::int64_t timestamp_ms = 0;
  std::int64_t step = 0;
  /// The attempt that wrote it; 0 when no live attempt owns the run.
  std::int64_t attempt = 0;
  int rank = kNoRank;  ///< whose it is; kNoRank: the run's own
  /// What it measures, where the client says so: a logged model (which keeps the point, too, if it is the run's own)
  /// on a dataset.
  std::string model_id, dataset_name, dataset_digest;
};

enum class RunStatus { kRunning = 1, kScheduled = 2, kFinished = 3, kFailed = 4, kKilled = 5 };
/// "RUNNING", ...; nullopt for an unknown name.
std::string_view RunStatusName(RunStatus status);
std::optional<RunStatus> RunStatusFromName(std::string_view name);

struct Experiment {
  std::string experiment_id, name, artifact_location;
  bool deleted = false;
  std::int64_t creation_time_ms = 0, last_update_time_ms = 0;
  std::vector<Tag> tags;
};

struct Dataset {
  std::string name, digest, source_type, source, schema, profile;
};
struct DatasetInput {
  Dataset dataset;
  std::vector<Tag> tags;
};

/// A dataset of an experiment, as an input is tagged (mlflow.data.context).
struct DatasetSummary {
  std::string experiment_id, name, digest;
  std::optional<std::string> context;
  friend auto operator<=>(const DatasetSummary&, const DatasetSummary&) = default;
};

struct RunInfo {
  RunId run_id;
  std::string experiment_id, run_name, user_id, artifact_uri;
  RunStatus status = RunStatus::kRunning;
  std::int64_t start_time_ms = 0;
  std::optional<std::int64_t> end_time_ms;
  bool deleted = false;
};

struct Run {
  RunInfo info;
  std::vector<Metric> metrics;  ///< the latest of each key: largest (step, timestamp, value)
  std::vector<Param> params;
  std::vector<Tag> tags;
  std::vector<DatasetInput> dataset_inputs;
  std::vector<std::string> model_inputs;                            ///< logged model ids
  std::vector<std::pair<std::string, std::int64_t>> model_outputs;  ///< (logged model id, step)
};

struct NewRun {
  RunId run_id;  ///< empty: made by the store; else creating it again is the same run (idempotent)
  std::string experiment_id = "0", user_id, run_name;
  std::int64_t start_time_ms = 0;
  std::vector<Tag> tags;
};

struct RunUpdate {
  std::optional<RunStatus> status;
  std::optional<std::int64_t> end_time_ms;
  std::optional<std::string> run_name;
};

struct Batch {
  std::vector<Metric> metrics;
  std::vector<Param> params;
  std::vector<Tag> tags;  ///< of one key the last wins
  /// Errors are worded as those of log-metric, log-parameter and set-tag, not of log-batch.
  bool single = false;
  bool observed = true;           ///< the metric observer hears of it
  std::vector<RankPlace> places;  ///< of ranks; of one rank the last wins, over all batches
};

enum class ViewType { kActiveOnly = 1, kDeletedOnly = 2, kAll = 3 };

/// Empty digest: any of that name.
struct DatasetName {
  std::string name, digest;
};

/// Which keys of a run's lists an answer has; nothing: all.
struct RunParts {
  using Keys = std::optional<std::vector<std::string>>;
  Keys metrics, params, tags;
  bool links = true;  ///< inputs and outputs
};

struct SearchQuery {
  std::vector<std::string> experiment_ids;  ///< of runs and logged models; empty: none
  std::string filter;                       ///< MLflow's grammar; kInvalid names the clause
  /// Of runs: `filter` and `order_by` are muster's own language (runtime/filter/expression.h).
  bool own_language = false;
  std::vector<std::string> order_by;
  ViewType view = ViewType::kActiveOnly;
  std::int64_t max_results = 1000;
  std::string page_token;
  RunParts parts = {};  ///< of runs
  bool count = false;   ///< of runs: Page::total is wanted
  /// Of logged models: those with a metric on one of these, by which metrics are compared. Empty: all.
  std::vector<DatasetName> datasets;
  /// Of logged models, one for each order_by: the dataset on which its metric was measured; of it, what is empty may
  /// be anything. As long as order_by, or empty.
  std::vector<DatasetName> order_datasets = {};
};
/// Both inside.
struct StepRange {
  std::int64_t first = 0, last = 0;
};

template <typename T>
struct Page {
  std::vector<T> items;
  std::string next_page_token;             ///< empty: the last page
  std::optional<std::int64_t> total = {};  ///< on all pages, where it was asked for
};

/// A model as a run logs it (MLflow 3): `model_id` is "m-" and 32 hexadecimal digits, made by the store.
struct LoggedModel {
  std::string model_id, experiment_id, name, artifact_uri, model_type, source_run_id;
  std::string status =
      "LOGGED_MODEL_PENDING";  ///< or LOGGED_MODEL_READY, LOGGED_MODEL_UPLOAD_FAILED
  std::int64_t creation_ms = 0, last_updated_ms = 0;
  bool deleted = false;
  std::vector<Tag> tags;
  std::vector<Param> params;
  std::vector<std::pair<RunId, Metric>> metrics;  ///< each point logged to it, with its run
};

/// What a tag becomes, from what it is (nothing: it is not there). Called on the writer's thread.
using TagChange = std::function<Result<std::string>(const std::optional<std::string>& now)>;

/// Hears a run's own metrics of committed observed batches, on the writer's thread, before `done` of their batch is called.
using MetricObserver = std::function<void(const RunId&, const std::vector<Metric>&)>;

class RunStore : public RunEraser {
 public:
  virtual void CreateExperiment(std::string name, std::string artifact_location,
                                std::vector<Tag> tags,
                                std::function<void(Result<std::string> id)> done) = 0;
  virtual Result<Experiment> GetExperiment(std::string_view experiment_id) = 0;
  virtual Result<Experiment> GetExperimentByName(std::string_view name) = 0;
  virtual Result<Page<Experiment>> SearchExperiments(const SearchQuery& query) = 0;
  virtual void RenameExperiment(std::string experiment_id, std::string name, Done done) = 0;
  virtual void SetExperimentDeleted(std::string experiment_id, bool deleted, Done done) = 0;
  /// No value: deletes the tag, kNotFound when it is not there.
  virtual void SetExperimentTag(std::string experiment_id, std::string key,
                                std::optional<std::string> value, Done done) = 0;

  virtual void CreateRun(NewRun run, std::function<void(Result<Run>)> done) = 0;
  virtual Result<Run> GetRun(const RunId& run_id) = 0;
  virtual void UpdateRun(RunId run_id, RunUpdate update,
                         std::function<void(Result<RunInfo>)> done) = 0;
  virtual void SetRunDeleted(RunId run_id, bool deleted, Done done) = 0;
  /// All or nothing. The tag mlflow.runName is the run's name. A param with another value: kInvalid with MLflow's text.
  virtual void LogBatch(RunId run_id, Batch batch, Done done) = 0;
  virtual void DeleteTag(RunId run_id, std::string key, Done done) = 0;
  /// Reads and writes one tag in one step. An error of `change` is the answer.
  virtual void ChangeTag(RunId run_id, std::string key, TagChange change, Done done) = 0;
  virtual void LogInputs(RunId run_id, std::vector<DatasetInput> datasets,
                         std::vector<std::string> model_ids, Done done) = 0;
  virtual void LogOutputs(RunId run_id, std::vector<std::pair<std::string, std::int64_t>> models,
                          Done done) = 0;
  virtual Result<Page<Run>> SearchRuns(const SearchQuery& query) = 0;
  /// Ordered by (timestamp, step, value). An unknown run or key is an empty page. Points that an attempt
  /// wrote beyond the step from which a later attempt resumed are left out.
  virtual Result<Page<Metric>> MetricHistory(const RunId& run_id, const SeriesKey& series,
                                             std::int64_t max_results,
                                             std::string_view page_token) = 0;
  /// About `most` points that stand for all, by (step, timestamp, value): series/sample.h. kNotFound for an unknown
  /// run. `most` is 1 or more.
  virtual Result<std::vector<Metric>> SampleHistory(const RunId& run_id, std::string_view key,
                                                    std::optional<StepRange> steps,
                                                    std::int64_t most) = 0;
  /// The datasets that runs of these experiments had as inputs, each with its context, 1,000 at most.
  virtual Result<std::vector<DatasetSummary>> SearchDatasets(
      const std::vector<std::string>& experiment_ids) = 0;
  /// A curve's columns from left to right, at most `window.pixels`; each tells of its points what a chart shows:
  /// every spike is in a column's min or max, NaNs and infinities are counted. A point stands in the column in which
  /// its x lies or, where columns are wide, in the one beside it. Ends that are not given are the curve's own. An
  /// unknown run or key has no columns; hidden points are left out. kInvalid for a wrong number of pixels.
  virtual Result<std::vector<Bucket>> ReadChart(const RunId& run_id, std::string_view key,
                                                const ChartWindow& window) = 0;
  /// The ranks that have logged a metric or of which a place is known. kNotFound for an unknown run.
  virtual Result<RunRanks> ReadRanks(const RunId& run_id) = 0;
  /// One metric of all ranks, in columns by step that are the same for all; as ReadChart, but fewer columns than
  /// `window.pixels` where many points would have to be read (RankColumns). kNotFound for an unknown run, kInvalid for
  /// a wrong number of pixels or another axis.
  virtual Result<RankCurves> ReadRankCurves(const RunId& run_id, std::string_view key,
                                            const ChartWindow& window) = 0;
  /// `attempt` goes on after `step`: points of earlier attempts with a larger step are hidden, not deleted.
  virtual void ResumeAt(RunId run_id, std::int64_t attempt, std::int64_t step, Done done) = 0;

  virtual void CreateLoggedModel(LoggedModel model,
                                 std::function<void(Result<LoggedModel>)> done) = 0;
  virtual Result<LoggedModel> GetLoggedModel(std::string_view model_id) = 0;
  /// Deleted ones, too.
  virtual Result<LoggedModel> GetAnyLoggedModel(std::string_view model_id) = 0;
  virtual void FinishLoggedModel(std::string model_id, std::string status,
                                 std::function<void(Result<LoggedModel>)> done) = 0;
  virtual void SetLoggedModelTags(std::string model_id, std::vector<Tag> tags, Done done) = 0;
  virtual void DeleteLoggedModelTag(std::string model_id, std::string key, Done done) = 0;
  virtual void ChangeLoggedModelTag(std::string model_id, std::string key, TagChange change,
                                    Done done) = 0;
  virtual void LogLoggedModelParams(std::string model_id, std::vector<Param> params, Done done) = 0;
  /// Soft: it is not found by reads and searches from then on; writes still find it, as in MLflow.
  virtual void DeleteLoggedModel(std::string model_id, Done done) = 0;
  virtual Result<Page<LoggedModel>> SearchLoggedModels(const SearchQuery& query) = 0;

  // For imports: what another server made, with its ids and times. What is here already stays as it is.
  /// Answers the id here: of the experiment of that name, which takes over the tags it lacks; else a new one's,
  /// the wanted id unless it is taken. An empty location is as of CreateExperiment.
  virtual void AdoptExperiment(Experiment experiment,
                               std::function<void(Result<std::string> id)> done) = 0;
  /// Answers whether it was added, without contents, and active also in a deleted experiment. An empty
  /// artifact_uri is as of CreateRun.
  virtual void AdoptRun(RunInfo info, std::function<void(Result<bool>)> done) = 0;
  /// Answers whether it was added: with tags and params, without metrics. A deleted one of that id counts as
  /// being here. An empty artifact_uri is as of CreateLoggedModel.
  virtual void AdoptLoggedModel(LoggedModel model, std::function<void(Result<bool>)> done) = 0;

  /// At most one observer; an empty function takes it away. When this returns, the one before is not called
  /// any more; so not from an observer.
  virtual void SetMetricObserver(MetricObserver observer) = 0;
  /// The same for every committed change of a run: batches with metrics, observed or not, a run made, updated,
  /// deleted, restored or resumed (run_event.h). Called before the change's `done`.
  virtual void SetEventSink(RunEventSink sink) = 0;
};

}  // namespace muster::tracker
