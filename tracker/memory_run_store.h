#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "runtime/base/clock.h"
#include "tracker/run_rules.h"
#include "tracker/run_store.h"

namespace muster::tracker {

/// The run store in memory: the twin that tests hold the real one against, and that tests of others use.
/// `done` is called before the method returns, on the caller's thread, without a lock held.
class MemoryRunStore final : public RunStore {
 public:
  /// `artifact_root` is what an experiment's artifact_location begins with; `clock` outlives the store.
  explicit MemoryRunStore(const Clock& clock, std::string artifact_root = "mlflow-artifacts:");

  void CreateExperiment(std::string name, std::string artifact_location, std::vector<Tag> tags,
                        std::function<void(Result<std::string> id)> done) override;
  Result<Experiment> GetExperiment(std::string_view experiment_id) override;
  Result<Experiment> GetExperimentByName(std::string_view name) override;
  Result<Page<Experiment>> SearchExperiments(const SearchQuery& query) override;
  void RenameExperiment(std::string experiment_id, std::string name, Done done) override;
  void SetExperimentDeleted(std::string experiment_id, bool deleted, Done done) override;
  void SetExperimentTag(std::string experiment_id, std::string key,
                        std::optional<std::string> value, Done done) override;
  void CreateRun(NewRun run, std::function<void(Result<Run>)> done) override;
  Result<Run> GetRun(const RunId& run_id) override;
  void UpdateRun(RunId run_id, RunUpdate update,
                 std::function<void(Result<RunInfo>)> done) override;
  void SetRunDeleted(RunId run_id, bool deleted, Done done) override;
  void LogBatch(RunId run_id, Batch batch, Done done) override;
  void DeleteTag(RunId run_id, std::string key, Done done) override;
  void ChangeTag(RunId run_id, std::string key, TagChange change, Done done) override;
  void LogInputs(RunId run_id, std::vector<DatasetInput> datasets,
                 std::vector<std::string> model_ids, Done done) override;
  void LogOutputs(RunId run_id, std::vector<std::pair<std::string, std::int64_t>> models,
                  Done done) override;
  Result<Page<Run>> SearchRuns(const SearchQuery& query) override;
  Result<Page<Metric>> MetricHistory(const RunId& run_id, const SeriesKey& series,
                                     std::int64_t max_results,
                                     std::string_view page_token) override;
  Result<std::vector<Metric>> SampleHistory(const RunId& run_id, std::string_view key,
                                            std::optional<StepRange> steps,
                                            std::int64_t most) override;
  Result<std::vector<DatasetSummary>> SearchDatasets(
      const std::vector<std::string>& experiment_ids) override;
  Result<std::vector<Bucket>> ReadChart(const RunId& run_id, std::string_view key,
                                        const ChartWindow& window) override;
  Result<RunRanks> ReadRanks(const RunId& run_id) override;
  Result<RankCurves> ReadRankCurves(const RunId& run_id, std::string_view key,
                                    const ChartWindow& window) override;
  void ResumeAt(RunId run_id, std::int64_t attempt, std::int64_t step, Done done) override;
  void CreateLoggedModel(LoggedModel model, std::function<void(Result<LoggedModel>)> done) override;
  Result<LoggedModel> GetLoggedModel(std::string_view model_id) override;
  Result<LoggedModel> GetAnyLoggedModel(std::string_view model_id) override;
  void FinishLoggedModel(std::string model_id, std::string status,
                         std::function<void(Result<LoggedModel>)> done) override;
  void SetLoggedModelTags(std::string model_id, std::vector<Tag> tags, Done done) override;
  void DeleteLoggedModelTag(std::string model_id, std::string key, Done done) override;
  void ChangeLoggedModelTag(std::string model_id, std::string key, TagChange change,
                            Done done) override;
  void LogLoggedModelParams(std::string model_id, std::vector<Param> params, Done done) override;
  void DeleteLoggedModel(std::string model_id, Done done) override;
  Result<Page<LoggedModel>> SearchLoggedModels(const SearchQuery& query) override;
  void AdoptExperiment(Experiment experiment,
                       std::function<void(Result<std::string> id)> done) override;
  void AdoptRun(RunInfo info, std::function<void(Result<bool>)> done) override;
  void AdoptLoggedModel(LoggedModel model, std::function<void(Result<bool>)> done) override;
  Result<ErasablePage> FindErasable(ErasableKind kind, const ErasureScope& scope, std::int64_t most,
                                    std::string_view page_token, bool weigh) override;
  void Erase(std::vector<Erasable> things, UnixMillis deleted_before,
             std::function<void(Result<std::vector<Erasable>>)> done) override;
  void EraseRows(std::function<void(Result<ErasedRows>)> done) override;
  Result<std::vector<ErasedRoot>> ErasedRoots(std::string_view after, std::int64_t most) override;
  void ForgetErasedRoots(std::vector<std::string> artifact_uris, Done done) override;
  void SetMetricObserver(MetricObserver observer) override;
  void SetEventSink(RunEventSink sink) override;

 private:
  struct StoredRun {
    Run run;  // metrics are filled when read
    // By key and rank, each in history order.
    std::map<std::pair<std::string, int>, std::vector<Metric>> points;
    std::vector<Resume> resumes;
    std::map<int, RankPlace> places;

    /// Of a series, in history order.
    [[nodiscard]] std::vector<Metric> Visible(std::string_view key, int rank) const;
  };

  // Each expects mutex_ to be held.
  Result<Experiment*> ActiveExperiment(std::string_view experiment_id);
  Result<StoredRun*> ActiveRun(const RunId& run_id);
  Result<std::string> CreateExperimentLocked(std::string name, std::string artifact_location,
                                             const std::vector<Tag>& tags);
  Result<Run> CreateRunLocked(NewRun run);
  Result<RunInfo> UpdateRunLocked(const RunId& run_id, const RunUpdate& update);
  Status LogBatchLocked(const RunId& run_id, Batch& batch);
  Result<LoggedModel*> FindModel(std::string_view model_id);
  [[nodiscard]] Run Read(const StoredRun& stored) const;
  /// Writes down when it was deleted; what was so already keeps the time.
  void MarkDeleted(ErasableKind kind, const std::string& id, bool deleted);
  [[nodiscard]] std::optional<UnixMillis> DeletedAt(ErasableKind kind, const std::string& id) const;
  /// All things of a kind that `scope` has, by id.
  [[nodiscard]] std::vector<Erasable> AllErasable(ErasableKind kind,
                                                  const ErasureScope& scope) const;
  [[nodiscard]] bool HasArtifactsAt(const std::string& uri) const;
  bool EraseOne(const Erasable& thing, UnixMillis deleted_before);
  template <typename Body>
  void Tell(const RunId& run_id, Body body) {
    const std::lock_guard lock(observer_mutex_);
    if (sink_) sink_({run_id, std::move(body)});
  }
  /// Runs `change` under the lock, then calls `done` with what it answered.
  template <typename Answer, typename Change>
  void Do(Change change, const std::function<void(Answer)>& done) {
    std::unique_lock lock(mutex_);
    Answer answer = change();
    lock.unlock();
    done(std::move(answer));
  }

  const Clock& clock_;
  const std::string artifact_root_;
  std::mutex mutex_;  // guards what follows
  std::map<std::int64_t, Experiment> experiments_;
  std::int64_t last_experiment_ = 0;  // the largest id there ever was
  std::set<std::int64_t> erased_experiments_;
  std::map<std::pair<ErasableKind, std::string>, UnixMillis> deleted_ms_;
  std::set<std::string> erased_roots_;
  ErasedRows erased_rows_;  // what EraseRows is to tell
  std::map<std::string, StoredRun, std::less<>> runs_;
  std::map<std::string, LoggedModel, std::less<>> models_;
  std::map<std::tuple<std::string, std::string, std::string>, Dataset> datasets_;

  std::mutex observer_mutex_;  // guards observer_ and sink_, held while they are called
  MetricObserver observer_;
  RunEventSink sink_;
};

}  // namespace muster::tracker
