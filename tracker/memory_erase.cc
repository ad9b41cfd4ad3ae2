#include <algorithm>

#include "tracker/memory_run_store.h"

namespace muster::tracker {

namespace {

bool Has(const std::vector<std::string>& list, const std::string& item) {
  return std::ranges::find(list, item) != list.end();
}
bool Fits(const std::vector<std::string>& list, const std::string& item) {
  return list.empty() || Has(list, item);
}

bool IsBelow(std::string_view path, std::string_view folder) {
  return path.size() > folder.size() && path.starts_with(folder) && path[folder.size()] == '/';
}

}  // namespace

void MemoryRunStore::MarkDeleted(ErasableKind kind, const std::string& id, bool deleted) {
  if (deleted) {
    deleted_ms_.try_emplace({kind, id}, clock_.UnixNow());
  } else {
    deleted_ms_.erase({kind, id});
  }
}

std::optional<UnixMillis> MemoryRunStore::DeletedAt(ErasableKind kind,
                                                    const std::string& id) const {
  const auto found = deleted_ms_.find({kind, id});
  return found == deleted_ms_.end() ? std::nullopt : std::optional(found->second);
}

std::vector<Erasable> MemoryRunStore::AllErasable(ErasableKind kind,
                                                  const ErasureScope& scope) const {
  std::vector<Erasable> all;
  const auto old = [&](std::optional<UnixMillis> at) { return at && *at <= scope.deleted_before; };
  const bool named = !scope.run_ids.empty() || !scope.model_ids.empty();
  if (kind == ErasableKind::kRun) {
    for (const auto& [id, stored] : runs_) {
      const RunInfo& info = stored.run.info;
      const auto at = DeletedAt(kind, id);
      if (!old(at) || (named && !Has(scope.run_ids, id))) continue;
      all.push_back({kind, id, info.run_name, info.experiment_id, info.artifact_uri, *at});
      for (const auto& [key, points] : stored.points) all.back().points += std::ssize(points);
    }
  } else if (kind == ErasableKind::kLoggedModel) {
    for (const auto& [id, model] : models_) {
      const auto own = DeletedAt(kind, id);
      const auto whole = DeletedAt(ErasableKind::kExperiment, model.experiment_id);
      if (!old(own) && (named || !old(whole))) continue;
      if (named && !Has(scope.model_ids, id)) continue;
      all.push_back({kind, id, model.name, model.experiment_id, model.artifact_uri,
                     own.value_or(whole.value_or(0))});
    }
  } else if (!named) {
    for (const auto& [id, experiment] : experiments_) {
      const std::string& text = experiment.experiment_id;
      const auto at = DeletedAt(kind, text);
      if (id == 0 || !old(at)) continue;
      all.push_back({kind, text, experiment.name, text, "", *at});
      for (const auto& [run_id, stored] : runs_) {
        const bool stays = !old(DeletedAt(ErasableKind::kRun, run_id));
        if (stored.run.info.experiment_id == text && stays) ++all.back().left;
      }
    }
  }
  std::erase_if(
      all, [&](const Erasable& thing) { return !Fits(scope.experiment_ids, thing.experiment_id); });
  std::ranges::sort(all, {}, &Erasable::id);
  return all;
}

Result<ErasablePage> MemoryRunStore::FindErasable(ErasableKind kind, const ErasureScope& scope,
                                                  std::int64_t most, std::string_view page_token,
                                                  bool weigh) {
  const std::lock_guard lock(mutex_);
  ErasablePage page;
  for (Erasable& thing : AllErasable(kind, scope)) {
    if (!page_token.empty() && thing.id <= page_token) continue;
    if (std::ssize(page.items) == most) {
      page.next_page_token = page.items.back().id;
      break;
    }
    if (!weigh) thing.points = 0;
    page.items.push_back(std::move(thing));
  }
  return page;
}

bool MemoryRunStore::EraseOne(const Erasable& thing, UnixMillis deleted_before) {
  const auto still = AllErasable(thing.kind, {.deleted_before = deleted_before});
  const auto found = std::ranges::find(still, thing.id, &Erasable::id);
  if (found == still.end()) return false;
  if (thing.kind == ErasableKind::kRun) {
    const auto run = runs_.find(thing.id);
    erased_rows_.points += found->points;
    const std::vector<DatasetInput> inputs = run->second.run.dataset_inputs;
    runs_.erase(run);
    for (const DatasetInput& input : inputs) {
      const bool used = std::ranges::any_of(runs_, [&](const auto& entry) {
        const Run& other = entry.second.run;
        return other.info.experiment_id == found->experiment_id &&
               std::ranges::any_of(other.dataset_inputs, [&](const DatasetInput& same) {
                 return same.dataset.name == input.dataset.name &&
                        same.dataset.digest == input.dataset.digest;
               });
      });
      if (!used) datasets_.erase({found->experiment_id, input.dataset.name, input.dataset.digest});
    }
  } else if (thing.kind == ErasableKind::kLoggedModel) {
    models_.erase(models_.find(thing.id));
  } else {
    const auto is_in = [&](const std::string& experiment) { return experiment == thing.id; };
    for (const auto& [id, stored] : runs_) {
      if (is_in(stored.run.info.experiment_id)) return false;
    }
    for (const auto& [id, model] : models_) {
      if (is_in(model.experiment_id)) return false;
    }
    const std::int64_t number = *ParseExperimentId(thing.id);
    experiments_.erase(number);
    erased_experiments_.insert(number);
  }
  ++erased_rows_.rows;
  deleted_ms_.erase({thing.kind, thing.id});
  if (!found->artifact_uri.empty()) erased_roots_.insert(found->artifact_uri);
  return true;
}

void MemoryRunStore::Erase(std::vector<Erasable> things, UnixMillis deleted_before,
                           std::function<void(Result<std::vector<Erasable>>)> done) {
  Do<Result<std::vector<Erasable>>>(
      [&]() -> Result<std::vector<Erasable>> {
        std::erase_if(things,
                      [&](const Erasable& thing) { return !EraseOne(thing, deleted_before); });
        return std::move(things);
      },
      done);
}

void MemoryRunStore::EraseRows(std::function<void(Result<ErasedRows>)> done) {
  Do<Result<ErasedRows>>([&] { return std::exchange(erased_rows_, {}); }, done);
}

bool MemoryRunStore::HasArtifactsAt(const std::string& uri) const {
  const auto meets = [&](const std::string& other) {
    return other == uri || IsBelow(other, uri) || IsBelow(uri, other);
  };
  return std::ranges::any_of(
             runs_, [&](const auto& entry) { return meets(entry.second.run.info.artifact_uri); }) ||
         std::ranges::any_of(models_,
                             [&](const auto& entry) { return meets(entry.second.artifact_uri); });
}

Result<std::vector<ErasedRoot>> MemoryRunStore::ErasedRoots(std::string_view after,
                                                            std::int64_t most) {
  const std::lock_guard lock(mutex_);
  std::vector<ErasedRoot> roots;
  for (const std::string& uri : erased_roots_) {
    if (uri > after && std::ssize(roots) < most) roots.push_back({uri, HasArtifactsAt(uri)});
  }
  return roots;
}

void MemoryRunStore::ForgetErasedRoots(std::vector<std::string> artifact_uris, Done done) {
  Do<Status>(
      [&]() -> Status {
        for (const std::string& uri : artifact_uris) erased_roots_.erase(uri);
        return Ok();
      },
      done);
}

}  // namespace muster::tracker
