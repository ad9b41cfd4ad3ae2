#include <algorithm>

#include "tracker/transfer/import.h"

namespace muster::tracker {

namespace {

using registry::Actor;
using registry::ModelStore;
using registry::NewVersion;

const Actor kActor{"import", "brought over from an MLflow server"};

/// By which an import that comes again knows the version it made.
std::string RequestId(const std::string& model, std::int64_t version) {
  return "import/" + model + "/" + std::to_string(version);
}

Error Misfit(const std::string& name, std::int64_t wanted, std::int64_t got) {
  return Conflict("registered model '" + name + "' is left out from version " +
                  std::to_string(wanted) + " on: here the next is " + std::to_string(got));
}

/// Makes the version with its number; a number that nobody has there is made and deleted again.
Status MakeVersion(ModelStore& models, NewVersion version, std::int64_t number, bool exists) {
  version.request_id = RequestId(version.name, number);
  MUSTER_ASSIGN_OR_RETURN(const auto made, models.CreateVersion(version, kActor));
  if (made.version == number && exists) return Ok();
  MUSTER_RETURN_IF_ERROR(models.DeleteVersion(version.name, made.version, kActor));
  return made.version == number ? Ok() : Status(Misfit(version.name, number, made.version));
}

Status TakeAliases(ModelStore& models, const registry::RegisteredModel& model) {
  for (const auto& [alias, version] : model.aliases) {
    if (models.GetByAlias(model.name, alias).ok()) continue;
    MUSTER_RETURN_IF_ERROR(models.SetAlias(model.name, alias, version, kActor));
  }
  return Ok();
}

Status TakeVersions(ModelStore& models, const SourceModel& theirs,
                    const std::function<std::string(const std::string&)>& moved,
                    ImportReport& report) {
  const std::string& name = theirs.model.name;
  std::int64_t done = 0;
  for (const auto& version : theirs.versions) {
    if (models.FindVersionByRequest(RequestId(name, version.version)).ok()) {
      done = version.version;
      continue;
    }
    for (std::int64_t hole = done + 1; hole < version.version; ++hole) {
      MUSTER_RETURN_IF_ERROR(MakeVersion(models, {.name = name, .source = "none"}, hole, false));
    }
    const NewVersion wanted{.name = name,
                            .source = moved(version.source),
                            .run_id = version.run_id,
                            .run_link = version.run_link,
                            .description = version.description,
                            .model_id = version.model_id,
                            .tags = version.tags};
    MUSTER_RETURN_IF_ERROR(MakeVersion(models, wanted, version.version, true));
    if (version.stage != "None" && !version.stage.empty()) {
      MUSTER_RETURN_IF_ERROR(
          models.TransitionStage(name, version.version, version.stage, false, kActor));
    }
    done = version.version;
    ++report.versions;
  }
  return TakeAliases(models, theirs.model);
}

}  // namespace

Status ImportRegistry(ImportSource& source, ModelStore& models,
                      const std::function<std::string(const std::string& source)>& moved,
                      ImportReport& report) {
  MUSTER_ASSIGN_OR_RETURN(const auto theirs, source.RegisteredModels());
  for (const SourceModel& model : theirs) {
    const auto& about = model.model;
    const auto made = models.CreateModel(about.name, about.description, about.tags, kActor);
    if (!made && made.error().kind != ErrorKind::kAlreadyExists) {
      return made.error().With("registered model '" + about.name + "'");
    }
    const Status taken = TakeVersions(models, model, moved, report);
    if (taken.ok()) continue;
    if (taken.error().kind != ErrorKind::kConflict) {
      return taken.error().With("registered model '" + about.name + "'");
    }
    report.left_out.push_back(taken.error().message);
  }
  return Ok();
}

}  // namespace muster::tracker
