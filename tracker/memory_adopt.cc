#include <algorithm>

#include "tracker/memory_run_store.h"
#include "tracker/memory_tags.h"

namespace muster::tracker {

void MemoryRunStore::AdoptExperiment(Experiment experiment,
                                     std::function<void(Result<std::string> id)> done) {
  Do<Result<std::string>>(
      [&]() -> Result<std::string> {
        for (const Tag& tag : experiment.tags) {
          MUSTER_RETURN_IF_ERROR(CheckExperimentTag(tag.key, tag.value));
        }
        auto here = std::ranges::find_if(
            experiments_, [&](const auto& entry) { return entry.second.name == experiment.name; });
        if (here == experiments_.end()) {
          MUSTER_RETURN_IF_ERROR(CheckExperimentName(experiment.name));
          MUSTER_ASSIGN_OR_RETURN(std::int64_t id, ParseExperimentId(experiment.experiment_id));
          if (experiments_.contains(id) || erased_experiments_.contains(id)) {
            id = last_experiment_ + 1;
          }
          last_experiment_ = std::max(last_experiment_, id);
          here = experiments_.emplace(id, experiment).first;
          here->second.experiment_id = std::to_string(id);
          here->second.tags.clear();
          MarkDeleted(ErasableKind::kExperiment, here->second.experiment_id, experiment.deleted);
          auto& location = here->second.artifact_location;
          if (location.empty()) location = artifact_root_ + "/" + here->second.experiment_id;
        }
        std::vector<Tag>& tags = here->second.tags;
        for (const Tag& tag : experiment.tags) {
          if (std::ranges::find(tags, tag.key, &Tag::key) == tags.end()) {
            SetTag(tags, tag.key, tag.value);
          }
        }
        return here->second.experiment_id;
      },
      done);
}

void MemoryRunStore::AdoptRun(RunInfo info, std::function<void(Result<bool>)> done) {
  Do<Result<bool>>(
      [&]() -> Result<bool> {
        if (runs_.contains(info.run_id.value)) return false;
        MUSTER_ASSIGN_OR_RETURN(const std::int64_t id, ParseExperimentId(info.experiment_id));
        const auto experiment = experiments_.find(id);
        if (experiment == experiments_.end()) return ExperimentNotFound(info.experiment_id);
        if (info.artifact_uri.empty()) {
          info.artifact_uri = ArtifactUri(experiment->second.artifact_location, info.run_id.value);
        }
        info.deleted = false;
        runs_[info.run_id.value].run.info = info;
        return true;
      },
      done);
}

void MemoryRunStore::AdoptLoggedModel(LoggedModel model, std::function<void(Result<bool>)> done) {
  Do<Result<bool>>(
      [&]() -> Result<bool> {
        if (models_.contains(model.model_id)) return false;
        MUSTER_RETURN_IF_ERROR(CheckLoggedModelStatus(model.status));
        MUSTER_ASSIGN_OR_RETURN(const std::int64_t id, ParseExperimentId(model.experiment_id));
        const auto experiment = experiments_.find(id);
        if (experiment == experiments_.end()) return ExperimentNotFound(model.experiment_id);
        if (model.artifact_uri.empty()) {
          model.artifact_uri =
              ArtifactUri(experiment->second.artifact_location, "models/" + model.model_id);
        }
        model.metrics.clear();
        model.tags = Sorted(model.tags);
        model.params = Sorted(model.params);
        models_.emplace(model.model_id, model);
        return true;
      },
      done);
}

}  // namespace muster::tracker
