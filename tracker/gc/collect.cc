#include "tracker/gc/collect.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <set>

#include "tracker/gc/progress.h"
#include "tracker/gc/registered_sources.h"
#include "tracker/gc/retire.h"
#include "tracker/gc/root_files.h"
#include "tracker/wait_for.h"

namespace muster::tracker {

namespace {

constexpr std::int64_t kPage = 1'000;
constexpr std::size_t kMarkedAtOnce = 100;
constexpr std::int64_t kRootsAtOnce = 100;
/// Clients may take as long over a file in parts.
constexpr std::chrono::hours kUploadsLast{24};

std::string NameOf(const Erasable& thing) {
  switch (thing.kind) {
    case ErasableKind::kRun:
      return "run " + thing.id + " (" + thing.name + ")";
    case ErasableKind::kLoggedModel:
      return "logged model " + thing.id + " (" + thing.name + ")";
    case ErasableKind::kExperiment:
      break;
  }
  return "experiment " + thing.id + " (" + thing.name + ")";
}

class Collector {
 public:
  Collector(const GcParts& parts, const GcPolicy& policy, const GcHooks& hooks)
      : parts_(parts), policy_(policy), progress_(hooks) {
    progress_.report.dry_run = policy.dry_run;
  }

  Result<GcReport> Run() {
    MUSTER_RETURN_IF_ERROR(CheckGcPolicy(policy_));
    MUSTER_RETURN_IF_ERROR(FindExperiments());
    MUSTER_RETURN_IF_ERROR(CheckNamed());
    if (policy_.has_rules()) {
      Begin("rules");
      MUSTER_ASSIGN_OR_RETURN(const auto experiments, ExperimentsOfRules());
      MUSTER_RETURN_IF_ERROR(RetireRuns(parts_, policy_, experiments, progress_));
    }
    scope_.deleted_before = parts_.clock.UnixNow() - policy_.age_ms();
    scope_.run_ids = policy_.runs;
    scope_.model_ids = policy_.logged_models;
    Begin("marking");
    MUSTER_RETURN_IF_ERROR(EraseAll(ErasableKind::kRun));
    MUSTER_RETURN_IF_ERROR(EraseAll(ErasableKind::kLoggedModel));
    Begin("rows");
    MUSTER_RETURN_IF_ERROR(RemoveRows());
    MUSTER_RETURN_IF_ERROR(EraseAll(ErasableKind::kExperiment));
    Begin("artifacts");
    MUSTER_RETURN_IF_ERROR(RemoveArtifacts());
    Begin("contents");
    MUSTER_RETURN_IF_ERROR(CollectContents());
    Begin("done");
    return std::move(progress_.report);
  }

 private:
  void Begin(std::string phase) { progress_.report.phase = std::move(phase); }
  GcReport& report() { return progress_.report; }

  /// An experiment is named by its id or its name.
  Status FindExperiments() {
    for (const std::string& text : policy_.experiments) {
      auto experiment = parts_.runs.GetExperiment(text);
      if (!experiment.ok()) experiment = parts_.runs.GetExperimentByName(text);
      if (!experiment.ok()) return NotFound("no experiment has the id or the name '" + text + "'");
      scope_.experiment_ids.push_back(experiment->experiment_id);
    }
    return Ok();
  }

  /// What is named must be deleted: nobody loses a live run by a slip.
  Status CheckNamed() {
    for (const std::string& id : policy_.runs) {
      MUSTER_ASSIGN_OR_RETURN(const auto run, parts_.runs.GetRun(RunId(id)));
      if (!run.info.deleted) return NotDeleted("run " + id);
    }
    for (const std::string& id : policy_.logged_models) {
      MUSTER_ASSIGN_OR_RETURN(const auto model, parts_.runs.GetAnyLoggedModel(id));
      if (!model.deleted) return NotDeleted("logged model " + id);
    }
    return Ok();
  }
  static Error NotDeleted(const std::string& what) {
    return Invalid(what + " is not deleted; delete it first, gc takes only what is");
  }

  Result<std::vector<std::string>> ExperimentsOfRules() {
    if (!scope_.experiment_ids.empty()) return scope_.experiment_ids;
    std::vector<std::string> ids;
    SearchQuery query;
    do {
      MUSTER_ASSIGN_OR_RETURN(auto page, parts_.runs.SearchExperiments(query));
      for (const Experiment& experiment : page.items) ids.push_back(experiment.experiment_id);
      query.page_token = std::move(page.next_page_token);
    } while (!query.page_token.empty());
    return ids;
  }

  /// Who names something is told why it stays.
  Status TellTooYoung(ErasableKind kind) {
    if (scope_.run_ids.empty() && scope_.model_ids.empty()) return Ok();
    ErasureScope all = scope_;
    all.deleted_before = parts_.clock.UnixNow();
    const auto most = std::ssize(scope_.run_ids) + std::ssize(scope_.model_ids);
    MUSTER_ASSIGN_OR_RETURN(const auto page, parts_.runs.FindErasable(kind, all, most, "", false));
    for (const Erasable& thing : page.items) {
      if (thing.deleted_ms <= scope_.deleted_before) continue;
      progress_.Kept(NameOf(thing) + ": not deleted long enough ago");
    }
    return Ok();
  }

  Status EraseAll(ErasableKind kind) {
    MUSTER_RETURN_IF_ERROR(TellTooYoung(kind));
    std::string token;
    do {
      MUSTER_ASSIGN_OR_RETURN(
          auto page, parts_.runs.FindErasable(kind, scope_, kPage, token, policy_.dry_run));
      MUSTER_ASSIGN_OR_RETURN(const auto sources, RegisteredSources::Load(parts_.models));
      std::erase_if(page.items, [&](const Erasable& thing) { return IsKept(thing, sources); });
      for (std::size_t at = 0; at < page.items.size(); at += kMarkedAtOnce) {
        const auto begin = page.items.begin() + static_cast<std::ptrdiff_t>(at);
        const auto end = begin + std::min<std::ptrdiff_t>(kMarkedAtOnce, page.items.end() - begin);
        MUSTER_RETURN_IF_ERROR(EraseSome({begin, end}));
        MUSTER_RETURN_IF_ERROR(progress_.Step());
      }
      token = std::move(page.next_page_token);
    } while (!token.empty());
    return Ok();
  }

  bool IsKept(const Erasable& thing, const RegisteredSources& sources) {
    std::string why;
    if (thing.kind == ErasableKind::kExperiment) {
      if (thing.left > 0) {
        why = std::to_string(thing.left) + " runs in it are not deleted, or not long enough ago";
      } else if (holding_.contains(thing.id)) {
        why = "something in it is kept";
      }
    } else {
      auto version =
          thing.kind == ErasableKind::kRun ? sources.OfRun(thing.id) : sources.OfModel(thing.id);
      if (!version) version = sources.At(thing.artifact_uri);
      if (version) why = *version + " comes from it";
    }
    if (why.empty()) return false;
    holding_.insert(thing.experiment_id);
    progress_.Kept(NameOf(thing) + ": " + why);
    return true;
  }

  Status EraseSome(std::vector<Erasable> things) {
    if (!policy_.dry_run) {
      MUSTER_ASSIGN_OR_RETURN(things, WaitFor<Result<std::vector<Erasable>>>([&](auto done) {
                                parts_.runs.Erase(std::move(things), scope_.deleted_before,
                                                  std::move(done));
                              }));
    }
    for (const Erasable& thing : things) {
      const bool is_run = thing.kind == ErasableKind::kRun;
      ++(is_run                                     ? report().runs
         : thing.kind == ErasableKind::kLoggedModel ? report().logged_models
                                                    : report().experiments);
      progress_.Example(NameOf(thing));
      if (!policy_.dry_run) continue;
      report().points += thing.points;
      if (!thing.artifact_uri.empty()) WeighArtifacts(thing.artifact_uri);
    }
    return Ok();
  }

  void WeighArtifacts(const std::string& artifact_uri) {
    const auto files = RootFiles::Open(parts_, artifact_uri);
    const Status weighed =
        files.ok() ? files->Weigh(report().files, report().bytes) : Status(files.error());
    if (!weighed.ok()) progress_.Failed(artifact_uri + ": " + weighed.error().message);
  }

  Status RemoveRows() {
    if (policy_.dry_run) return Ok();
    for (bool more = true; more;) {
      MUSTER_ASSIGN_OR_RETURN(const ErasedRows step, WaitFor<Result<ErasedRows>>([&](auto done) {
                                parts_.runs.EraseRows(std::move(done));
                              }));
      report().points += step.points;
      more = step.more;
      MUSTER_RETURN_IF_ERROR(progress_.Step());
    }
    return Ok();
  }

  Status RemoveArtifacts() {
    if (policy_.dry_run) return Ok();
    std::string after;
    for (;;) {
      MUSTER_ASSIGN_OR_RETURN(const auto roots, parts_.runs.ErasedRoots(after, kRootsAtOnce));
      if (roots.empty()) return Ok();
      after = roots.back().artifact_uri;
      MUSTER_ASSIGN_OR_RETURN(const auto sources, RegisteredSources::Load(parts_.models));
      std::vector<std::string> done_with;
      for (const ErasedRoot& root : roots) {
        if (RemoveRoot(root, sources)) done_with.push_back(root.artifact_uri);
      }
      MUSTER_RETURN_IF_ERROR(WaitFor<Status>([&](auto done) {
        parts_.runs.ForgetErasedRoots(std::move(done_with), std::move(done));
      }));
      MUSTER_RETURN_IF_ERROR(progress_.Step());
    }
  }

  /// Whether there is nothing left to do about it.
  bool RemoveRoot(const ErasedRoot& root, const RegisteredSources& sources) {
    const auto version = sources.At(root.artifact_uri);
    if (root.in_use || version) {
      progress_.Kept("files at " + root.artifact_uri + ": " +
                     (version ? *version + " comes from them"
                              : "a run or logged model that is not erased has its files there"));
      return false;
    }
    const auto files = RootFiles::Open(parts_, root.artifact_uri);
    if (!files.ok()) {
      progress_.Failed(root.artifact_uri + ": " + files.error().message);
      return files.error().kind == ErrorKind::kUnsupported ||
             files.error().kind == ErrorKind::kFenced;
    }
    std::int64_t count = 0, bytes = 0;
    Status removed = files->Weigh(count, bytes);
    if (removed.ok() && count > 0) removed = files->Remove();
    if (!removed.ok()) {
      progress_.Failed(root.artifact_uri + ": " + removed.error().message);
      return false;
    }
    report().files += count;
    report().bytes += bytes;
    return true;
  }

  Status CollectContents() {
    if (policy_.dry_run) return Ok();
    const auto now = std::filesystem::file_time_type::clock::now();
    MUSTER_ASSIGN_OR_RETURN(
        const Collected collected,
        parts_.artifacts.Collect({.contents = now, .uploads = now - kUploadsLast}));
    report().contents = collected.objects;
    report().freed_bytes = collected.bytes;
    report().uploads = collected.uploads;
    return Ok();
  }

  const GcParts& parts_;
  const GcPolicy& policy_;
  GcProgress progress_;
  ErasureScope scope_;
  std::set<std::string> holding_;  // experiments in which something is kept
};

}  // namespace

Result<GcReport> CollectGarbage(const GcParts& parts, const GcPolicy& policy,
                                const GcHooks& hooks) {
  return Collector(parts, policy, hooks).Run();
}

}  // namespace muster::tracker
