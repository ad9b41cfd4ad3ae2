#include "tracker/sqlite/run_store.h"

#include <mutex>
#include <utility>

#include "runtime/sqlite/checkpointer.h"
#include "runtime/sqlite/group_commit.h"
#include "tracker/run_rules.h"
#include "tracker/sqlite/adopt.h"
#include "tracker/sqlite/erase.h"
#include "tracker/sqlite/experiments.h"
#include "tracker/sqlite/ranks.h"
#include "tracker/sqlite/readers.h"
#include "tracker/sqlite/rows.h"
#include "tracker/sqlite/runs.h"
#include "tracker/sqlite/schema.h"
#include "tracker/sqlite/search.h"
#include "tracker/sqlite/write_batch.h"
#include "tracker/sqlite/write_metrics.h"

namespace muster::tracker {

namespace {

using sqlite::Database;

/// About what a batch holds in memory, for the bound of what waits.
std::size_t BytesOf(const Batch& batch) {
  std::size_t bytes =
      512 + batch.metrics.size() * sizeof(Metric) + batch.places.size() * sizeof(RankPlace);
  for (const auto* tags : {&batch.params, &batch.tags}) {
    for (const Tag& tag : *tags) bytes += sizeof(Tag) + tag.key.size() + tag.value.size();
  }
  return bytes;
}

/// Joins the writer and the readers; what each call does to the tables is in the files beside this one.
class SqliteRunStore final : public RunStore {
 public:
  SqliteRunStore(Database writer, std::unique_ptr<sqlite::Checkpointer> checkpointer,
                 std::filesystem::path file, const Clock& clock, SqliteRunStoreOptions options)
      : clock_(clock),
        options_(std::move(options)),
        readers_(std::move(file), options_.vfs),
        checkpointer_(std::move(checkpointer)),
        writer_(std::move(writer),
                {.undone = [this] { series_.Clear(); },
                 .committed = [this](Database& db) { checkpointer_->Committed(db); }}) {}

  void CreateExperiment(std::string name, std::string artifact_location, std::vector<Tag> tags,
                        std::function<void(Result<std::string> id)> done) override {
    Answer<std::string>(
        [this, name = std::move(name), location = std::move(artifact_location),
         tags = std::move(tags)](Database& db) {
          return CreateExperimentRow(db, name, location, options_.artifact_root, tags,
                                     clock_.UnixNow());
        },
        std::move(done));
  }

  Result<Experiment> GetExperiment(std::string_view experiment_id) override {
    return readers_.With([&](Database& db) { return ReadExperiment(db, experiment_id); });
  }

  Result<Experiment> GetExperimentByName(std::string_view name) override {
    return readers_.With([&](Database& db) { return ReadExperimentByName(db, name); });
  }

  Result<Page<Experiment>> SearchExperiments(const SearchQuery& query) override {
    return readers_.With([&](Database& db) { return SearchExperimentRows(db, query); });
  }

  void RenameExperiment(std::string experiment_id, std::string name, Done done) override {
    writer_.Write([this, id = std::move(experiment_id), name = std::move(name)](
                      Database& db) { return RenameExperimentRow(db, id, name, clock_.UnixNow()); },
                  std::move(done));
  }

  void SetExperimentDeleted(std::string experiment_id, bool deleted, Done done) override {
    writer_.Write(
        [this, id = std::move(experiment_id), deleted](Database& db) {
          return SetExperimentRowDeleted(db, id, deleted, clock_.UnixNow());
        },
        std::move(done));
  }

  void SetExperimentTag(std::string experiment_id, std::string key,
                        std::optional<std::string> value, Done done) override {
    writer_.Write([id = std::move(experiment_id), key = std::move(key), value = std::move(value)](
                      Database& db) { return SetExperimentRowTag(db, id, key, value); },
                  std::move(done));
  }

  void CreateRun(NewRun run, std::function<void(Result<Run>)> done) override {
    Answer<Run>([run = std::move(run)](Database& db) { return CreateRunRow(db, run); },
                [this, done = std::move(done)](Result<Run> made) {
                  if (made) {
                    Tell(made->info.run_id, RunChanged{std::make_shared<RunInfo>(made->info)});
                  }
                  done(std::move(made));
                });
  }

  Result<Run> GetRun(const RunId& run_id) override {
    return readers_.With([&](Database& db) -> Result<Run> {
      MUSTER_ASSIGN_OR_RETURN(const RunRow run, FindRun(db, run_id));
      return ReadRun(db, run.row);
    });
  }

  void UpdateRun(RunId run_id, RunUpdate update,
                 std::function<void(Result<RunInfo>)> done) override {
    Answer<RunInfo>([this, run_id = std::move(run_id), update = std::move(update)](
                        Database& db) { return UpdateRunRow(db, series_, run_id, update); },
                    [this, done = std::move(done)](Result<RunInfo> info) {
                      if (info) Tell(info->run_id, RunChanged{std::make_shared<RunInfo>(*info)});
                      done(std::move(info));
                    });
  }

  void SetRunDeleted(RunId run_id, bool deleted, Done done) override {
    writer_.Write(
        [this, run_id, deleted](Database& db) {
          return SetRunRowDeleted(db, run_id, deleted, clock_.UnixNow());
        },
        Telling(run_id, RunDeleted{deleted}, std::move(done)));
  }

  void LogBatch(RunId run_id, Batch batch, Done done) override {
    if (const Status prepared = PrepareBatch(batch); !prepared.ok()) return done(prepared);
    struct Logged {
      RunId run_id;
      Batch batch;
    };
    const std::size_t bytes = BytesOf(batch);
    const auto logged = std::make_shared<const Logged>(std::move(run_id), std::move(batch));
    writer_.Write(
        [this, logged](Database& db) {
          return WriteBatch(db, series_, logged->run_id, logged->batch);
        },
        [this, logged, done = std::move(done)](const Status& status) {
          if (status.ok() && logged->batch.observed && !logged->batch.metrics.empty()) {
            const std::lock_guard lock(mutex_);
            TellOwn(observer_, logged->run_id, logged->batch.metrics);
          }
          if (status.ok() && !logged->batch.metrics.empty()) {
            Tell(logged->run_id, NewPoints{{logged, &logged->batch.metrics}});
          }
          done(status);
        },
        bytes);
  }

  void DeleteTag(RunId run_id, std::string key, Done done) override {
    writer_.Write([run_id = std::move(run_id),
                   key = std::move(key)](Database& db) { return DeleteRunRowTag(db, run_id, key); },
                  std::move(done));
  }

  void ChangeTag(RunId run_id, std::string key, TagChange change, Done done) override {
    writer_.Write([run_id = std::move(run_id), key = std::move(key), change = std::move(change)](
                      Database& db) { return ChangeRunRowTag(db, run_id, key, change); },
                  std::move(done));
  }

  void LogInputs(RunId run_id, std::vector<DatasetInput> datasets,
                 std::vector<std::string> model_ids, Done done) override {
    writer_.Write([run_id = std::move(run_id), datasets = std::move(datasets),
                   model_ids = std::move(model_ids)](
                      Database& db) { return LogInputRows(db, run_id, datasets, model_ids); },
                  std::move(done));
  }

  void LogOutputs(RunId run_id, std::vector<std::pair<std::string, std::int64_t>> models,
                  Done done) override {
    writer_.Write([run_id = std::move(run_id), models = std::move(models)](
                      Database& db) { return LogOutputRows(db, run_id, models); },
                  std::move(done));
  }

  Result<Page<Run>> SearchRuns(const SearchQuery& query) override {
    return readers_.With([&](Database& db) { return SearchRunRows(db, query); });
  }

  Result<Page<Metric>> MetricHistory(const RunId& run_id, const SeriesKey& series,
                                     std::int64_t max_results,
                                     std::string_view page_token) override {
    return readers_.With(
        [&](Database& db) { return ReadHistory(db, run_id, series, max_results, page_token); });
  }

  Result<std::vector<Metric>> SampleHistory(const RunId& run_id, std::string_view key,
                                            std::optional<StepRange> steps,
                                            std::int64_t most) override {
    return readers_.With([&](Database& db) {
      return ReadSample(db, run_id, key, steps, static_cast<std::size_t>(most));
    });
  }
  Result<std::vector<DatasetSummary>> SearchDatasets(
      const std::vector<std::string>& experiment_ids) override {
    return readers_.With([&](Database& db) { return ReadDatasets(db, experiment_ids); });
  }

  Result<std::vector<Bucket>> ReadChart(const RunId& run_id, std::string_view key,
                                        const ChartWindow& window) override {
    return readers_.With([&](Database& db) { return tracker::ReadChart(db, run_id, key, window); });
  }

  Result<RunRanks> ReadRanks(const RunId& run_id) override {
    return readers_.With([&](Database& db) { return ReadRunRanks(db, run_id); });
  }

  Result<RankCurves> ReadRankCurves(const RunId& run_id, std::string_view key,
                                    const ChartWindow& window) override {
    return readers_.With(
        [&](Database& db) { return tracker::ReadRankCurves(db, run_id, key, window); });
  }

  void ResumeAt(RunId run_id, std::int64_t attempt, std::int64_t step, Done done) override {
    writer_.Write([this, run_id, attempt,
                   step](Database& db) { return WriteResume(db, series_, run_id, attempt, step); },
                  Telling(run_id, RunResumed{attempt, step}, std::move(done)));
  }

  void CreateLoggedModel(LoggedModel model,
                         std::function<void(Result<LoggedModel>)> done) override {
    Answer<LoggedModel>(
        [this, model = std::move(model)](Database& db) {
          return CreateLoggedModelRow(db, model, clock_.UnixNow());
        },
        std::move(done));
  }

  Result<LoggedModel> GetLoggedModel(std::string_view model_id) override {
    auto model = GetAnyLoggedModel(model_id);
    if (model && model->deleted) return LoggedModelNotFound(model_id);
    return model;
  }

  Result<LoggedModel> GetAnyLoggedModel(std::string_view model_id) override {
    return readers_.With([&](Database& db) -> Result<LoggedModel> {
      MUSTER_ASSIGN_OR_RETURN(const std::int64_t row, FindLoggedModel(db, model_id));
      return ReadLoggedModel(db, row);
    });
  }

  void FinishLoggedModel(std::string model_id, std::string status,
                         std::function<void(Result<LoggedModel>)> done) override {
    Answer<LoggedModel>(
        [this, model_id = std::move(model_id), status = std::move(status)](Database& db) {
          return FinishLoggedModelRow(db, model_id, status, clock_.UnixNow());
        },
        std::move(done));
  }

  void SetLoggedModelTags(std::string model_id, std::vector<Tag> tags, Done done) override {
    SetLoggedModel(std::move(model_id), "logged_model_tags", std::move(tags), std::move(done));
  }

  void DeleteLoggedModelTag(std::string model_id, std::string key, Done done) override {
    writer_.Write([model_id = std::move(model_id), key = std::move(key)](
                      Database& db) { return DeleteLoggedModelRowTag(db, model_id, key); },
                  std::move(done));
  }

  void ChangeLoggedModelTag(std::string model_id, std::string key, TagChange change,
                            Done done) override {
    writer_.Write(
        [model_id = std::move(model_id), key = std::move(key), change = std::move(change)](
            Database& db) { return ChangeLoggedModelRowTag(db, model_id, key, change); },
        std::move(done));
  }

  void LogLoggedModelParams(std::string model_id, std::vector<Param> params, Done done) override {
    SetLoggedModel(std::move(model_id), "logged_model_params", std::move(params), std::move(done));
  }

  void DeleteLoggedModel(std::string model_id, Done done) override {
    writer_.Write(
        [this, model_id = std::move(model_id)](Database& db) {
          return DeleteLoggedModelRow(db, model_id, clock_.UnixNow());
        },
        std::move(done));
  }

  Result<Page<LoggedModel>> SearchLoggedModels(const SearchQuery& query) override {
    return readers_.With([&](Database& db) { return SearchLoggedModelRows(db, query); });
  }

  void AdoptExperiment(Experiment experiment,
                       std::function<void(Result<std::string> id)> done) override {
    Answer<std::string>(
        [this, experiment = std::move(experiment)](Database& db) {
          return AdoptExperimentRow(db, experiment, options_.artifact_root, clock_.UnixNow());
        },
        std::move(done));
  }

  void AdoptRun(RunInfo info, std::function<void(Result<bool>)> done) override {
    Answer<bool>([info = std::move(info)](Database& db) { return AdoptRunRow(db, info); },
                 std::move(done));
  }

  void AdoptLoggedModel(LoggedModel model, std::function<void(Result<bool>)> done) override {
    Answer<bool>(
        [model = std::move(model)](Database& db) { return AdoptLoggedModelRow(db, model); },
        std::move(done));
  }

  Result<ErasablePage> FindErasable(ErasableKind kind, const ErasureScope& scope, std::int64_t most,
                                    std::string_view page_token, bool weigh) override {
    return readers_.With(
        [&](Database& db) { return FindErasableRows(db, kind, scope, most, page_token, weigh); });
  }

  void Erase(std::vector<Erasable> things, UnixMillis deleted_before,
             std::function<void(Result<std::vector<Erasable>>)> done) override {
    Answer<std::vector<Erasable>>(
        [things = std::move(things), deleted_before](Database& db) {
          return MarkErased(db, things, deleted_before);
        },
        std::move(done));
  }

  void EraseRows(std::function<void(Result<ErasedRows>)> done) override {
    Answer<ErasedRows>([this](Database& db) { return EraseSomeRows(db, series_); },
                       std::move(done));
  }

  Result<std::vector<ErasedRoot>> ErasedRoots(std::string_view after, std::int64_t most) override {
    return readers_.With([&](Database& db) { return ReadErasedRoots(db, after, most); });
  }

  void ForgetErasedRoots(std::vector<std::string> artifact_uris, Done done) override {
    writer_.Write([uris = std::move(artifact_uris)](Database& db) { return ForgetRoots(db, uris); },
                  std::move(done));
  }

  void SetMetricObserver(MetricObserver observer) override {
    const std::lock_guard lock(mutex_);
    observer_ = std::move(observer);
  }

  void SetEventSink(RunEventSink sink) override {
    const std::lock_guard lock(mutex_);
    sink_ = std::move(sink);
  }

 private:
  template <typename Body>
  void Tell(const RunId& run_id, Body body) {
    const std::lock_guard lock(mutex_);
    if (sink_) sink_({run_id, std::move(body)});
  }
  /// `done`, and the event before it if the change was made.
  template <typename Body>
  Done Telling(RunId run_id, Body body, Done done) {
    return [this, run_id = std::move(run_id), body, done = std::move(done)](const Status& status) {
      if (status.ok()) Tell(run_id, body);
      done(status);
    };
  }

  /// Writes, and hands what the work answered to `done` once it is durable.
  template <typename T>
  void Answer(std::function<Result<T>(Database&)> work, std::function<void(Result<T>)> done) {
    const auto answer = std::make_shared<std::optional<T>>();
    writer_.Write(
        [answer, work = std::move(work)](Database& db) -> Status {
          MUSTER_ASSIGN_OR_RETURN(*answer, work(db));
          return Ok();
        },
        [answer, done = std::move(done)](const Status& status) {
          if (!status.ok()) return done(status.error());
          done(std::move(**answer));
        });
  }

  void SetLoggedModel(std::string model_id, std::string_view table, std::vector<Tag> tags,
                      Done done) {
    writer_.Write([model_id = std::move(model_id), table, tags = std::move(tags)](
                      Database& db) { return SetLoggedModelRows(db, model_id, table, tags); },
                  std::move(done));
  }

  const Clock& clock_;
  const SqliteRunStoreOptions options_;
  Readers readers_;
  OpenSeriesCache series_;  // the writer thread's
  std::mutex mutex_;        // guards observer_ and sink_, held while they are called
  MetricObserver observer_;
  RunEventSink sink_;
  const std::unique_ptr<sqlite::Checkpointer> checkpointer_;
  sqlite::GroupCommit writer_;  // last, so that its thread ends before what it uses
};

}  // namespace

Result<std::unique_ptr<RunStore>> OpenSqliteRunStore(const std::filesystem::path& file,
                                                     const Clock& clock,
                                                     SqliteRunStoreOptions options) {
  MUSTER_ASSIGN_OR_RETURN(Database db, Database::Open(file, {.vfs = options.vfs}));
  MUSTER_RETURN_IF_ERROR(db.Migrate(TrackerMigrations()));
  MUSTER_RETURN_IF_ERROR(EnsureDefaultExperiment(db, options.artifact_root, clock.UnixNow()));
  MUSTER_ASSIGN_OR_RETURN(auto checkpointer,
                          sqlite::Checkpointer::Start(file, db, {.vfs = options.vfs}));
  return std::unique_ptr<RunStore>(std::make_unique<SqliteRunStore>(
      std::move(db), std::move(checkpointer), file, clock, std::move(options)));
}

}  // namespace muster::tracker
