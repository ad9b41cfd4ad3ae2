#include <algorithm>

#include "runtime/base/random.h"
#include "tracker/memory_run_store.h"
#include "tracker/memory_tags.h"

namespace muster::tracker {

void MemoryRunStore::CreateLoggedModel(LoggedModel model,
                                       std::function<void(Result<LoggedModel>)> done) {
  Do<Result<LoggedModel>>(
      [&]() -> Result<LoggedModel> {
        MUSTER_RETURN_IF_ERROR(CheckLoggedModelName(model.name));
        MUSTER_ASSIGN_OR_RETURN(Experiment * experiment, ActiveExperiment(model.experiment_id));
        model.model_id = "m-" + RandomHex(16);
        if (model.name.empty()) model.name = RandomName();
        model.artifact_uri = ArtifactUri(experiment->artifact_location, "models/" + model.model_id);
        model.status = "LOGGED_MODEL_PENDING";
        model.creation_ms = model.last_updated_ms = clock_.UnixNow();
        model.metrics.clear();
        model.tags = Sorted(model.tags);
        model.params = Sorted(model.params);
        return models_.emplace(model.model_id, model).first->second;
      },
      done);
}

Result<LoggedModel> MemoryRunStore::GetLoggedModel(std::string_view model_id) {
  auto model = GetAnyLoggedModel(model_id);
  if (model && model->deleted) return LoggedModelNotFound(model_id);
  return model;
}

Result<LoggedModel> MemoryRunStore::GetAnyLoggedModel(std::string_view model_id) {
  const std::lock_guard lock(mutex_);
  MUSTER_ASSIGN_OR_RETURN(const LoggedModel* model, FindModel(model_id));
  return *model;
}

void MemoryRunStore::FinishLoggedModel(std::string model_id, std::string status,
                                       std::function<void(Result<LoggedModel>)> done) {
  Do<Result<LoggedModel>>(
      [&]() -> Result<LoggedModel> {
        MUSTER_RETURN_IF_ERROR(CheckLoggedModelStatus(status));
        MUSTER_ASSIGN_OR_RETURN(LoggedModel * model, FindModel(model_id));
        model->status = status;
        model->last_updated_ms = clock_.UnixNow();
        return *model;
      },
      done);
}

void MemoryRunStore::SetLoggedModelTags(std::string model_id, std::vector<Tag> tags, Done done) {
  Do<Status>(
      [&]() -> Status {
        MUSTER_ASSIGN_OR_RETURN(LoggedModel * model, FindModel(model_id));
        for (const Tag& tag : tags) SetTag(model->tags, tag.key, tag.value);
        return Ok();
      },
      done);
}

void MemoryRunStore::DeleteLoggedModelTag(std::string model_id, std::string key, Done done) {
  Do<Status>(
      [&]() -> Status {
        MUSTER_ASSIGN_OR_RETURN(LoggedModel * model, FindModel(model_id));
        if (!EraseTag(model->tags, key)) return NoLoggedModelTag(model_id, key);
        return Ok();
      },
      done);
}

void MemoryRunStore::ChangeLoggedModelTag(std::string model_id, std::string key, TagChange change,
                                          Done done) {
  Do<Status>(
      [&]() -> Status {
        MUSTER_ASSIGN_OR_RETURN(LoggedModel * model, FindModel(model_id));
        MUSTER_ASSIGN_OR_RETURN(const std::string value, change(ValueOf(model->tags, key)));
        SetTag(model->tags, key, value);
        return Ok();
      },
      done);
}

void MemoryRunStore::LogLoggedModelParams(std::string model_id, std::vector<Param> params,
                                          Done done) {
  Do<Status>(
      [&]() -> Status {
        MUSTER_ASSIGN_OR_RETURN(LoggedModel * model, FindModel(model_id));
        for (const Param& param : params) SetTag(model->params, param.key, param.value);
        return Ok();
      },
      done);
}

void MemoryRunStore::DeleteLoggedModel(std::string model_id, Done done) {
  Do<Status>(
      [&]() -> Status {
        MUSTER_ASSIGN_OR_RETURN(LoggedModel * model, FindModel(model_id));
        model->deleted = true;
        MarkDeleted(ErasableKind::kLoggedModel, model_id, true);
        return Ok();
      },
      done);
}

}  // namespace muster::tracker
