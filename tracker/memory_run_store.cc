#include "tracker/memory_run_store.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "tracker/memory_tags.h"

namespace muster::tracker {

namespace {

/// Keeps history order; the same point again only takes over the younger attempt.
void AddPoint(std::vector<Metric>& points, const Metric& point) {
  const auto at = std::ranges::lower_bound(points, point, InHistoryOrder);
  if (at != points.end() && !InHistoryOrder(point, *at)) {
    at->attempt = std::max(at->attempt, point.attempt);
  } else {
    points.insert(at, point);
  }
}

/// A logged model keeps each point, by (key, dataset, run) and then in history order.
void AddModelPoint(LoggedModel& model, const RunId& run_id, const Metric& point) {
  const auto before = [](const auto& a, const auto& b) {
    const auto owner = [](const auto& entry) {
      const auto& [run, metric] = entry;
      return std::tie(metric.key, metric.dataset_name, metric.dataset_digest, run);
    };
    if (owner(a) != owner(b)) return owner(a) < owner(b);
    return InHistoryOrder(a.second, b.second);
  };
  std::pair entry(run_id, point);
  const auto at = std::ranges::lower_bound(model.metrics, entry, before);
  if (at != model.metrics.end() && !before(entry, *at)) return;
  model.metrics.insert(at, std::move(entry));
}

}  // namespace

MemoryRunStore::MemoryRunStore(const Clock& clock, std::string artifact_root)
    : clock_(clock), artifact_root_(std::move(artifact_root)) {
  const std::int64_t now = clock_.UnixNow();
  experiments_[0] = {.experiment_id = "0",
                     .name = "Default",
                     .artifact_location = artifact_root_ + "/0",
                     .creation_time_ms = now,
                     .last_update_time_ms = now};
}

Result<Experiment*> MemoryRunStore::ActiveExperiment(std::string_view experiment_id) {
  MUSTER_ASSIGN_OR_RETURN(const std::int64_t id, ParseExperimentId(experiment_id));
  const auto found = experiments_.find(id);
  if (found == experiments_.end()) return ExperimentNotFound(std::to_string(id));
  if (found->second.deleted) return ExperimentNotActive(std::to_string(id));
  return &found->second;
}

Result<MemoryRunStore::StoredRun*> MemoryRunStore::ActiveRun(const RunId& run_id) {
  const auto found = runs_.find(run_id.value);
  if (found == runs_.end()) return RunNotFound(run_id);
  if (found->second.run.info.deleted) return RunNotActive(run_id);
  return &found->second;
}

Result<LoggedModel*> MemoryRunStore::FindModel(std::string_view model_id) {
  const auto found = models_.find(model_id);
  if (found == models_.end()) return LoggedModelNotFound(model_id);
  return &found->second;
}

Run MemoryRunStore::Read(const StoredRun& stored) const {
  Run run = stored.run;
  for (const auto& [series, points] : stored.points) {
    if (series.second != kNoRank) continue;
    const Metric* latest = nullptr;
    for (const Metric& point : points) {
      if (IsHidden(point.attempt, point.step, stored.resumes)) continue;
      if (!latest || IsLater(point, *latest)) latest = &point;
    }
    if (latest) run.metrics.push_back(*latest);
  }
  return run;
}

Result<std::string> MemoryRunStore::CreateExperimentLocked(std::string name,
                                                           std::string artifact_location,
                                                           const std::vector<Tag>& tags) {
  MUSTER_RETURN_IF_ERROR(CheckExperimentName(name));
  for (const Tag& tag : tags) MUSTER_RETURN_IF_ERROR(CheckExperimentTag(tag.key, tag.value));
  for (const auto& [id, experiment] : experiments_) {
    if (experiment.name == name) {
      return ExperimentExists(name);
    }
  }
  const std::int64_t number = ++last_experiment_;
  const std::string id = std::to_string(number);
  const std::int64_t now = clock_.UnixNow();
  if (artifact_location.empty()) artifact_location = artifact_root_ + "/" + id;
  Experiment experiment{id, std::move(name), std::move(artifact_location), false, now, now, {}};
  for (const Tag& tag : tags) SetTag(experiment.tags, tag.key, tag.value);
  experiments_[number] = std::move(experiment);
  return id;
}

void MemoryRunStore::CreateExperiment(std::string name, std::string artifact_location,
                                      std::vector<Tag> tags,
                                      std::function<void(Result<std::string> id)> done) {
  Do<Result<std::string>>([&] { return CreateExperimentLocked(name, artifact_location, tags); },
                          done);
}

Result<Experiment> MemoryRunStore::GetExperiment(std::string_view experiment_id) {
  const std::lock_guard lock(mutex_);
  MUSTER_ASSIGN_OR_RETURN(const std::int64_t id, ParseExperimentId(experiment_id));
  const auto found = experiments_.find(id);
  if (found == experiments_.end()) return ExperimentNotFound(std::to_string(id));
  return found->second;
}

Result<Experiment> MemoryRunStore::GetExperimentByName(std::string_view name) {
  const std::lock_guard lock(mutex_);
  for (const auto& [id, experiment] : experiments_) {
    if (experiment.name == name) return experiment;
  }
  return ExperimentNameNotFound(name);
}

void MemoryRunStore::RenameExperiment(std::string experiment_id, std::string name, Done done) {
  Do<Status>(
      [&]() -> Status {
        MUSTER_RETURN_IF_ERROR(CheckExperimentName(name));
        auto experiment = ActiveExperiment(experiment_id);
        if (!experiment && experiment.error().kind == ErrorKind::kInvalid &&
            ParseExperimentId(experiment_id)) {
          return Conflict("Cannot rename a non-active experiment.");
        }
        if (!experiment) return experiment.error();
        for (const auto& [id, other] : experiments_) {
          if (other.name == name && other.experiment_id != experiment_id) {
            return ExperimentExists(name);
          }
        }
        (*experiment)->name = name;
        (*experiment)->last_update_time_ms = clock_.UnixNow();
        return Ok();
      },
      done);
}

void MemoryRunStore::SetExperimentDeleted(std::string experiment_id, bool deleted, Done done) {
  Do<Status>(
      [&]() -> Status {
        MUSTER_ASSIGN_OR_RETURN(const std::int64_t id, ParseExperimentId(experiment_id));
        const auto found = experiments_.find(id);
        if (found == experiments_.end() || found->second.deleted == deleted) {
          return ExperimentNotFound(std::to_string(id));
        }
        found->second.deleted = deleted;
        found->second.last_update_time_ms = clock_.UnixNow();
        MarkDeleted(ErasableKind::kExperiment, found->second.experiment_id, deleted);
        for (auto& [run_id, stored] : runs_) {
          if (stored.run.info.experiment_id == found->second.experiment_id) {
            stored.run.info.deleted = deleted;
            MarkDeleted(ErasableKind::kRun, run_id, deleted);
          }
        }
        return Ok();
      },
      done);
}

void MemoryRunStore::SetExperimentTag(std::string experiment_id, std::string key,
                                      std::optional<std::string> value, Done done) {
  Do<Status>(
      [&]() -> Status {
        if (value) MUSTER_RETURN_IF_ERROR(CheckExperimentTag(key, *value));
        MUSTER_ASSIGN_OR_RETURN(Experiment * experiment, ActiveExperiment(experiment_id));
        if (value) {
          SetTag(experiment->tags, key, *value);
        } else if (!EraseTag(experiment->tags, key)) {
          return NoExperimentTag(experiment_id, key);
        }
        return Ok();
      },
      done);
}

Result<Run> MemoryRunStore::CreateRunLocked(NewRun run) {
  if (const auto same = runs_.find(run.run_id.value); same != runs_.end()) {
    return Read(same->second);
  }
  MUSTER_ASSIGN_OR_RETURN(Experiment * experiment, ActiveExperiment(run.experiment_id));
  MUSTER_RETURN_IF_ERROR(CompleteRun(run));
  StoredRun stored;
  stored.run.info = {.run_id = run.run_id,
                     .experiment_id = experiment->experiment_id,
                     .run_name = run.run_name,
                     .user_id = run.user_id,
                     .artifact_uri = ArtifactUri(experiment->artifact_location, run.run_id.value),
                     .start_time_ms = run.start_time_ms};
  for (const Tag& tag : run.tags) SetTag(stored.run.tags, tag.key, tag.value);
  return Read(runs_.emplace(run.run_id.value, std::move(stored)).first->second);
}

void MemoryRunStore::CreateRun(NewRun run, std::function<void(Result<Run>)> done) {
  Do<Result<Run>>([&] { return CreateRunLocked(std::move(run)); },
                  [&](Result<Run> made) {
                    if (made)
                      Tell(made->info.run_id, RunChanged{std::make_shared<RunInfo>(made->info)});
                    done(std::move(made));
                  });
}

Result<Run> MemoryRunStore::GetRun(const RunId& run_id) {
  const std::lock_guard lock(mutex_);
  const auto found = runs_.find(run_id.value);
  if (found == runs_.end()) return RunNotFound(run_id);
  return Read(found->second);
}

Result<RunInfo> MemoryRunStore::UpdateRunLocked(const RunId& run_id, const RunUpdate& update) {
  MUSTER_ASSIGN_OR_RETURN(StoredRun * stored, ActiveRun(run_id));
  RunInfo& info = stored->run.info;
  if (update.status) info.status = *update.status;
  if (update.end_time_ms) info.end_time_ms = update.end_time_ms;
  if (update.run_name && !update.run_name->empty()) {
    info.run_name = *update.run_name;
    SetTag(stored->run.tags, kRunNameTag, info.run_name);
  }
  return info;
}

void MemoryRunStore::UpdateRun(RunId run_id, RunUpdate update,
                               std::function<void(Result<RunInfo>)> done) {
  Do<Result<RunInfo>>([&] { return UpdateRunLocked(run_id, update); },
                      [&](Result<RunInfo> info) {
                        if (info) Tell(run_id, RunChanged{std::make_shared<RunInfo>(*info)});
                        done(std::move(info));
                      });
}

void MemoryRunStore::SetRunDeleted(RunId run_id, bool deleted, Done done) {
  Do<Status>(
      [&]() -> Status {
        const auto found = runs_.find(run_id.value);
        if (found == runs_.end()) return RunNotFound(run_id);
        found->second.run.info.deleted = deleted;
        MarkDeleted(ErasableKind::kRun, run_id.value, deleted);
        return Ok();
      },
      [&](const Status& status) {
        if (status.ok()) Tell(run_id, RunDeleted{deleted});
        done(status);
      });
}

Status MemoryRunStore::LogBatchLocked(const RunId& run_id, Batch& batch) {
  MUSTER_RETURN_IF_ERROR(PrepareBatch(batch));
  MUSTER_ASSIGN_OR_RETURN(StoredRun * stored, ActiveRun(run_id));
  Run& run = stored->run;
  std::vector<ParamChange> changes;
  for (const Param& param : batch.params) {
    const auto old = std::ranges::find(run.params, param.key, &Param::key);
    if (old != run.params.end() && old->value != param.value) {
      changes.push_back({param.key, old->value, param.value});
    }
  }
  if (!changes.empty()) return ParamsChanged(run_id, batch.single, changes);
  for (const Param& param : batch.params) SetTag(run.params, param.key, param.value);
  for (const Tag& tag : batch.tags) {
    SetTag(run.tags, tag.key, tag.value);
    if (tag.key == kRunNameTag) run.info.run_name = tag.value;
  }
  for (const Metric& metric : batch.metrics) {
    Metric point = metric;
    point.model_id = point.dataset_name = point.dataset_digest = "";
    AddPoint(stored->points[{metric.key, metric.rank}], point);
    const auto model = models_.find(metric.model_id);
    if (model != models_.end() && metric.rank == kNoRank) {
      AddModelPoint(model->second, run_id, metric);
    }
  }
  for (const RankPlace& place : batch.places) {
    RankPlace& known = stored->places.try_emplace(place.rank, place).first->second;
    Update(known, place);
  }
  return Ok();
}

void MemoryRunStore::LogBatch(RunId run_id, Batch batch, Done done) {
  Do<Status>([&] { return LogBatchLocked(run_id, batch); }, Done([&](const Status& status) {
               if (status.ok() && batch.observed && !batch.metrics.empty()) {
                 const std::lock_guard lock(observer_mutex_);
                 TellOwn(observer_, run_id, batch.metrics);
               }
               if (status.ok() && !batch.metrics.empty()) {
                 Tell(run_id, NewPoints{std::make_shared<std::vector<Metric>>(batch.metrics)});
               }
               done(status);
             }));
}

void MemoryRunStore::DeleteTag(RunId run_id, std::string key, Done done) {
  Do<Status>(
      [&]() -> Status {
        MUSTER_ASSIGN_OR_RETURN(StoredRun * stored, ActiveRun(run_id));
        if (!EraseTag(stored->run.tags, key)) return NoRunTag(run_id, key);
        return Ok();
      },
      done);
}

void MemoryRunStore::ChangeTag(RunId run_id, std::string key, TagChange change, Done done) {
  Do<Status>(
      [&]() -> Status {
        MUSTER_ASSIGN_OR_RETURN(StoredRun * stored, ActiveRun(run_id));
        MUSTER_ASSIGN_OR_RETURN(std::string value, change(ValueOf(stored->run.tags, key)));
        Batch batch{.metrics = {}, .params = {}, .tags = {{key, std::move(value)}}};
        MUSTER_RETURN_IF_ERROR(PrepareEntities(batch));
        return LogBatchLocked(run_id, batch);
      },
      done);
}

void MemoryRunStore::LogInputs(RunId run_id, std::vector<DatasetInput> datasets,
                               std::vector<std::string> model_ids, Done done) {
  Do<Status>(
      [&]() -> Status {
        MUSTER_RETURN_IF_ERROR(CheckDatasets(datasets));
        MUSTER_ASSIGN_OR_RETURN(StoredRun * stored, ActiveRun(run_id));
        Run& run = stored->run;
        for (DatasetInput& input : datasets) {
          const std::tuple key(run.info.experiment_id, input.dataset.name, input.dataset.digest);
          input.dataset = datasets_.emplace(key, input.dataset).first->second;
          const bool known = std::ranges::any_of(run.dataset_inputs, [&](const auto& other) {
            return other.dataset.name == input.dataset.name &&
                   other.dataset.digest == input.dataset.digest;
          });
          if (!known) run.dataset_inputs.push_back(input);
        }
        for (const std::string& id : model_ids) {
          if (std::ranges::find(run.model_inputs, id) == run.model_inputs.end()) {
            run.model_inputs.push_back(id);
          }
        }
        return Ok();
      },
      done);
}

void MemoryRunStore::LogOutputs(RunId run_id,
                                std::vector<std::pair<std::string, std::int64_t>> models,
                                Done done) {
  Do<Status>(
      [&]() -> Status {
        MUSTER_ASSIGN_OR_RETURN(StoredRun * stored, ActiveRun(run_id));
        for (const auto& [id, step] : models) {
          auto& outputs = stored->run.model_outputs;
          const auto known =
              std::ranges::find(outputs, id, &std::pair<std::string, std::int64_t>::first);
          if (known == outputs.end()) outputs.emplace_back(id, step);
        }
        return Ok();
      },
      done);
}

void MemoryRunStore::ResumeAt(RunId run_id, std::int64_t attempt, std::int64_t step, Done done) {
  Do<Status>(
      [&]() -> Status {
        const auto found = runs_.find(run_id.value);
        if (found == runs_.end()) return RunNotFound(run_id);
        auto& resumes = found->second.resumes;
        std::erase_if(resumes, [&](const Resume& resume) { return resume.attempt == attempt; });
        resumes.push_back({attempt, step});
        return Ok();
      },
      [&](const Status& status) {
        if (status.ok()) Tell(run_id, RunResumed{attempt, step});
        done(status);
      });
}

void MemoryRunStore::SetEventSink(RunEventSink sink) {
  const std::lock_guard lock(observer_mutex_);
  sink_ = std::move(sink);
}

void MemoryRunStore::SetMetricObserver(MetricObserver observer) {
  const std::lock_guard lock(observer_mutex_);
  observer_ = std::move(observer);
}

}  // namespace muster::tracker
