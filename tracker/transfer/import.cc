#include "tracker/transfer/import.h"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <utility>

#include "tracker/wait_for.h"

namespace muster::tracker {

namespace {

namespace fs = std::filesystem;

/// Writes that are under way: a bounded number, so that one commit carries many and none piles up.
class UnderWay {
 public:
  ~UnderWay() { (void)Finish(); }

  /// A callback for one more write; waits while there are too many.
  Done Add() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return count_ < kMost; });
    ++count_;
    return [this](const Status& status) {
      const std::lock_guard guard(mutex_);
      if (!status.ok() && first_.ok()) first_ = status;
      --count_;
      changed_.notify_all();
    };
  }
  /// Waits for all; the first error since the last time.
  Status Finish() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return count_ == 0; });
    return std::exchange(first_, Ok());
  }

 private:
  static constexpr int kMost = 32;
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  int count_ = 0;
  Status first_;
};

bool IsProxied(std::string_view uri) { return uri.starts_with("mlflow-artifacts:"); }

/// Keeps of `wanted` what `here` has no key for.
void KeepNew(std::vector<Tag>& wanted, const std::vector<Tag>& here) {
  std::erase_if(wanted, [&](const Tag& tag) {
    return std::ranges::find(here, tag.key, &Tag::key) != here.end();
  });
}

class Importer {
 public:
  Importer(ImportSource& source, const ImportTarget& target, const ImportOptions& options)
      : source_(source), target_(target), options_(options) {}

  Result<ImportReport> Run() {
    MUSTER_ASSIGN_OR_RETURN(const auto experiments, source_.Experiments());
    for (const Experiment& experiment : experiments) {
      MUSTER_RETURN_IF_ERROR(WithName(Take(experiment), "experiment '" + experiment.name + "'"));
      ++report_.experiments;
    }
    MUSTER_RETURN_IF_ERROR(ImportRegistry(
        source_, target_.models, [this](const std::string& uri) { return Moved(uri); }, report_));
    MUSTER_ASSIGN_OR_RETURN(auto left, source_.LeftOut());
    report_.left_out.insert(report_.left_out.end(), left.begin(), left.end());
    return std::move(report_);
  }

 private:
  static Status WithName(const Status& status, const std::string& name) {
    return status.ok() ? Ok() : Status(status.error().With(name));
  }

  /// Whether the files that `uri` names are copied, so that they get an address of this store.
  [[nodiscard]] bool IsCopied(const std::string& uri) const {
    return options_.copy_artifacts && !IsProxied(uri) && source_.Folder(uri).has_value();
  }

  Status Take(const Experiment& theirs) {
    Experiment experiment = theirs;
    if (IsCopied(experiment.artifact_location)) experiment.artifact_location.clear();
    MUSTER_ASSIGN_OR_RETURN(experiment.experiment_id, WaitFor<Result<std::string>>([&](auto done) {
                              target_.runs.AdoptExperiment(experiment, std::move(done));
                            }));
    MUSTER_RETURN_IF_ERROR(source_.LoggedModels(theirs, [&](LoggedModel model) {
      return Take(std::move(model), experiment.experiment_id);
    }));
    return source_.Runs(theirs, [&](const tracker::Run& run) {
      const std::string name = "run " + run.info.run_id.value;
      return WithName(Take(run, experiment.experiment_id), name);
    });
  }

  Status Take(LoggedModel model, const std::string& experiment_id) {
    const std::string uri = model.artifact_uri;
    model.experiment_id = experiment_id;
    if (IsCopied(uri)) model.artifact_uri.clear();
    MUSTER_ASSIGN_OR_RETURN(const bool added, WaitFor<Result<bool>>([&](auto done) {
                              target_.runs.AdoptLoggedModel(model, std::move(done));
                            }));
    report_.logged_models += added ? 1 : 0;
    const auto here = target_.runs.GetLoggedModel(model.model_id);
    if (!here) return Ok();  // deleted here
    return CopyFiles(uri, here->artifact_uri);
  }

  Status Take(const tracker::Run& theirs, const std::string& experiment_id) {
    RunInfo info = theirs.info;
    info.experiment_id = experiment_id;
    if (IsCopied(info.artifact_uri)) info.artifact_uri.clear();
    MUSTER_ASSIGN_OR_RETURN(const bool added, WaitFor<Result<bool>>([&](auto done) {
                              target_.runs.AdoptRun(info, std::move(done));
                            }));
    MUSTER_ASSIGN_OR_RETURN(const tracker::Run here, target_.runs.GetRun(info.run_id));
    ++(added ? report_.runs : report_.runs_known);
    if (!here.info.deleted) {
      MUSTER_RETURN_IF_ERROR(FillRun(theirs, here));
      MUSTER_RETURN_IF_ERROR(CopyFiles(theirs.info.artifact_uri, here.info.artifact_uri));
      if (added && info.end_time_ms) MUSTER_RETURN_IF_ERROR(EndRun(info));
      // Last: a deleted run takes nothing more.
      if (theirs.info.deleted) {
        MUSTER_RETURN_IF_ERROR(WaitFor<Status>(
            [&](auto done) { target_.runs.SetRunDeleted(info.run_id, true, std::move(done)); }));
      }
    }
    Report();
    return Ok();
  }

  /// Says again that the run has ended, now that its points are here: they are packed then.
  Status EndRun(const RunInfo& info) {
    const auto ended = WaitFor<Result<RunInfo>>([&](auto done) {
      target_.runs.UpdateRun(info.run_id, {.status = info.status}, std::move(done));
    });
    return ended.ok() ? Ok() : Status(ended.error());
  }

  Status FillRun(const tracker::Run& theirs, const tracker::Run& here) {
    const RunId& id = here.info.run_id;
    Batch batch{.params = theirs.params, .tags = theirs.tags, .observed = false};
    KeepNew(batch.params, here.params);
    KeepNew(batch.tags, here.tags);
    if (!batch.params.empty() || !batch.tags.empty()) {
      target_.runs.LogBatch(id, std::move(batch), under_way_.Add());
    }
    if (!theirs.dataset_inputs.empty() || !theirs.model_inputs.empty()) {
      target_.runs.LogInputs(id, theirs.dataset_inputs, theirs.model_inputs, under_way_.Add());
    }
    if (!theirs.model_outputs.empty()) {
      target_.runs.LogOutputs(id, theirs.model_outputs, under_way_.Add());
    }
    const Status read = source_.Points(theirs, [&](std::vector<Metric> points) -> Status {
      report_.points += std::ssize(points);
      target_.runs.LogBatch(id, {.metrics = std::move(points), .observed = false},
                            under_way_.Add());
      return Ok();
    });
    const Status written = under_way_.Finish();
    return read.ok() ? written : read;
  }

  Status CopyFiles(const std::string& from, const std::string& to) {
    addresses_[from] = to;
    if (!options_.copy_artifacts) return Ok();
    const auto folder = source_.Folder(from);
    std::error_code failed;
    if (!folder || !fs::is_directory(*folder, failed)) return Ok();  // elsewhere, or nothing logged
    if (!ArtifactStorePath(to)) return Ok();                         // ours keeps it elsewhere
    fs::recursive_directory_iterator entry(*folder, failed);
    for (const fs::recursive_directory_iterator end; !failed && entry != end;
         entry.increment(failed)) {
      if (!entry->is_regular_file(failed)) continue;
      const fs::path path = entry->path().lexically_relative(*folder);
      MUSTER_RETURN_IF_ERROR(CopyFile(entry->path(), path.generic_string(), to));
    }
    if (failed) report_.left_out.push_back(folder->string() + ": " + failed.message());
    return Ok();
  }

  Status CopyFile(const fs::path& file, const std::string& path, const std::string& to) {
    auto name = ArtifactStorePath(to, path);
    if (!name) {
      report_.left_out.push_back(file.string() + ": " + name.error().message);
      return Ok();
    }
    if (target_.artifacts.Get(*name).ok()) return Ok();
    std::error_code failed;
    const auto size = fs::file_size(file, failed);
    const Status put = target_.artifacts.Put(*name, {.file = file});
    // What is wrong with this disk is worse than what is wrong with that file.
    if (!put.ok() && put.error().kind == ErrorKind::kResource) return put.error();
    if (!put.ok()) {
      report_.left_out.push_back(file.string() + ": " + put.error().message);
      return Ok();
    }
    ++report_.files;
    report_.bytes += failed ? 0 : static_cast<std::int64_t>(size);
    Report();
    return Ok();
  }

  /// A source of a model version, when the files that it names were copied.
  [[nodiscard]] std::string Moved(const std::string& uri) const {
    const auto after = addresses_.upper_bound(uri);
    if (after == addresses_.begin()) return uri;
    const auto& [from, to] = *std::prev(after);
    const bool below =
        uri.starts_with(from) && (uri.size() == from.size() || uri[from.size()] == '/');
    return below ? to + uri.substr(from.size()) : uri;
  }

  void Report() const {
    if (options_.progress) options_.progress(report_);
  }

  ImportSource& source_;
  const ImportTarget& target_;
  const ImportOptions& options_;
  ImportReport report_;
  std::map<std::string, std::string> addresses_;  // an artifact_uri there, and the one here
  UnderWay under_way_;
};

}  // namespace

Result<ImportReport> Import(ImportSource& source, const ImportTarget& target,
                            const ImportOptions& options) {
  return Importer(source, target, options).Run();
}

}  // namespace muster::tracker
