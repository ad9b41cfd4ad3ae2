#include <algorithm>
#include <charconv>
#include <future>

#include "registry/model_rules.h"
#include "tracker/mlflow/call.h"
#include "tracker/mlflow/entities.h"
#include "tracker/mlflow/list_tags.h"
#include "tracker/mlflow/model_source.h"

namespace muster::tracker {

namespace {

namespace json = boost::json;
using registry::Actor;
using registry::ModelVersion;
using registry::RegisteredModel;

Actor ActorOf(const Call& call) {
  const auto& actor = call.services.options.actor;
  return {actor ? actor(call.request) : "mlflow", ""};
}

std::vector<registry::Tag> RegistryTags(Fields& fields) {
  std::vector<registry::Tag> tags;
  for (Tag& tag : TagsOf(fields, "tags")) {
    tags.push_back({std::move(tag.key), std::move(tag.value)});
  }
  return tags;
}

json::object ModelAnswer(const RegisteredModel& model) {
  return {{"registered_model", ToMlflow(model)}};
}
json::object VersionAnswer(const ModelVersion& version) {
  return {{"model_version", ToMlflow(version, true)}};
}

/// The number of a version of `name`, which comes as `text`. To the store, 0 would mean "none".
Result<std::int64_t> NumberOf(std::string_view name, const std::string& text) {
  MUSTER_RETURN_IF_ERROR(registry::CheckModelName(name));
  std::int64_t version = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), version);
  if (error != std::errc() || stop != text.data() + text.size()) {
    return Invalid("Parameter 'version' must be an integer, got '" + text + "'.");
  }
  if (version < 1) return registry::VersionNotFound(name, version);
  return version;
}

std::int64_t VersionOf(Fields& fields, std::string_view name) {
  const std::string text = fields.Required("version");
  const auto version = NumberOf(name, text);
  if (!version) fields.Fail(version.error());
  return version ? *version : 0;
}

Result<json::object> CreateModel(Call& call) {
  const std::string name = call.fields.Required("name");
  const std::string description = call.fields.Text("description");
  const auto tags = RegistryTags(call.fields);
  MUSTER_RETURN_IF_ERROR(call.fields.status());
  MUSTER_ASSIGN_OR_RETURN(const RegisteredModel model,
                          call.services.models.CreateModel(name, description, tags, ActorOf(call)));
  return ModelAnswer(model);
}

Result<json::object> GetModel(Call& call) {
  const std::string name = call.fields.Required("name");
  MUSTER_RETURN_IF_ERROR(call.fields.status());
  MUSTER_ASSIGN_OR_RETURN(const RegisteredModel model, call.services.models.GetModel(name));
  return ModelAnswer(model);
}

Result<json::object> UpdateModel(Call& call) {
  const std::string name = call.fields.Required("name");
  const std::string description = call.fields.Text("description");
  MUSTER_RETURN_IF_ERROR(call.fields.status());
  MUSTER_ASSIGN_OR_RETURN(const RegisteredModel model,
                          call.services.models.UpdateModel(name, description, ActorOf(call)));
  return ModelAnswer(model);
}

Result<json::object> RenameModel(Call& call) {
  const std::string name = call.fields.Required("name");
  const std::string new_name = call.fields.Required("new_name");
  MUSTER_RETURN_IF_ERROR(call.fields.status());
  MUSTER_ASSIGN_OR_RETURN(const RegisteredModel model,
                          call.services.models.RenameModel(name, new_name, ActorOf(call)));
  return ModelAnswer(model);
}

Result<json::object> DeleteModel(Call& call) {
  const std::string name = call.fields.Required("name");
  MUSTER_RETURN_IF_ERROR(call.fields.status());
  MUSTER_RETURN_IF_ERROR(call.services.models.DeleteModel(name, ActorOf(call)));
  return json::object();
}

registry::ModelQuery QueryOf(Fields& fields, std::int64_t default_max_results, std::int64_t most) {
  SearchQuery query = SearchOf(fields, default_max_results, most);
  return {std::move(query.filter), std::move(query.order_by), query.max_results,
          std::move(query.page_token)};
}

Result<json::object> SearchModels(Call& call) {
  const auto query = QueryOf(call.fields, 100, 1'000);
  MUSTER_RETURN_IF_ERROR(call.fields.status());
  MUSTER_ASSIGN_OR_RETURN(const auto page, call.services.models.SearchModels(query));
  json::array models;
  for (const RegisteredModel& model : page.items) models.push_back(ToMlflow(model));
  json::object object;
  PutList(object, "registered_models", std::move(models));
  PutText(object, "next_page_token", page.next_page_token);
  return object;
}

Result<json::object> LatestVersions(Call& call) {
  const std::string name = call.fields.Required("name");
  std::vector<std::string> stages = call.fields.Texts("stages");
  MUSTER_RETURN_IF_ERROR(call.fields.status());
  MUSTER_ASSIGN_OR_RETURN(const RegisteredModel model, call.services.models.GetModel(name));
  for (std::string& stage : stages) {
    MUSTER_ASSIGN_OR_RETURN(stage, registry::CanonicalStage(stage));
  }
  json::array versions;
  for (const ModelVersion& latest : model.latest_versions) {
    if (!stages.empty() && std::ranges::find(stages, latest.stage) == stages.end()) continue;
    MUSTER_ASSIGN_OR_RETURN(const ModelVersion version,
                            call.services.models.GetVersion(name, latest.version));
    versions.push_back(ToMlflow(version, true));
  }
  json::object object;
  PutList(object, "model_versions", std::move(versions));
  return object;
}

/// The logged model says which versions were made of it.
Status TellLoggedModel(const Services& services, const ModelVersion& version) {
  if (version.model_id.empty()) return Ok();
  std::promise<Status> told;
  services.runs.ChangeLoggedModelTag(
      version.model_id, std::string(kModelVersionsTag),
      [&](const std::optional<std::string>& now) {
        return AddedToList(now, {{"name", version.name}, {"version", version.version}});
      },
      [&](Status status) { told.set_value(std::move(status)); });
  return told.get_future().get();
}

Result<json::object> CreateVersion(Call& call) {
  Fields& fields = call.fields;
  registry::NewVersion version;
  version.name = fields.Required("name");
  version.source = fields.Required("source");
  version.run_id = fields.Text("run_id");
  version.tags = RegistryTags(fields);
  version.run_link = fields.Text("run_link");
  version.description = fields.Text("description");
  version.model_id = fields.Text("model_id");
  MUSTER_RETURN_IF_ERROR(fields.status());
  const NamedOrigins named{.run = fields.Has("run_id"), .model = fields.Has("model_id")};
  MUSTER_RETURN_IF_ERROR(ResolveSource(call.services, named, version));
  MUSTER_ASSIGN_OR_RETURN(const ModelVersion made,
                          call.services.models.CreateVersion(version, ActorOf(call)));
  MUSTER_RETURN_IF_ERROR(TellLoggedModel(call.services, made));
  return VersionAnswer(made);
}

Result<json::object> GetVersion(Call& call) {
  const std::string name = call.fields.Required("name");
  const std::int64_t version = VersionOf(call.fields, name);
  MUSTER_RETURN_IF_ERROR(call.fields.status());
  MUSTER_ASSIGN_OR_RETURN(const ModelVersion found, call.services.models.GetVersion(name, version));
  return VersionAnswer(found);
}

Result<json::object> UpdateVersion(Call& call) {
  const std::string name = call.fields.Required("name");
  const std::int64_t version = VersionOf(call.fields, name);
  const std::string description = call.fields.Text("description");
  MUSTER_RETURN_IF_ERROR(call.fields.status());
  MUSTER_ASSIGN_OR_RETURN(
      const ModelVersion updated,
      call.services.models.UpdateVersion(name, version, description, ActorOf(call)));
  return VersionAnswer(updated);
}

Result<json::object> TransitionStage(Call& call) {
  const std::string name = call.fields.Required("name");
  const std::string text = call.fields.Required("version");
  const std::string stage = call.fields.Required("stage");
  const bool archive = call.fields.Bool("archive_existing_versions", false);
  MUSTER_RETURN_IF_ERROR(call.fields.status());
  MUSTER_RETURN_IF_ERROR(registry::StageToEnter(stage, archive));
  MUSTER_ASSIGN_OR_RETURN(const std::int64_t version, NumberOf(name, text));
  MUSTER_ASSIGN_OR_RETURN(
      const ModelVersion moved,
      call.services.models.TransitionStage(name, version, stage, archive, ActorOf(call)));
  return VersionAnswer(moved);
}

Result<json::object> DeleteVersion(Call& call) {
  const std::string name = call.fields.Required("name");
  const std::int64_t version = VersionOf(call.fields, name);
  MUSTER_RETURN_IF_ERROR(call.fields.status());
  MUSTER_RETURN_IF_ERROR(call.services.models.DeleteVersion(name, version, ActorOf(call)));
  return json::object();
}

Result<json::object> SearchVersions(Call& call) {
  const auto query = QueryOf(call.fields, 200'000, 200'000);
  MUSTER_RETURN_IF_ERROR(call.fields.status());
  MUSTER_ASSIGN_OR_RETURN(const auto page, call.services.models.SearchVersions(query));
  json::array versions;
  for (const ModelVersion& version : page.items) versions.push_back(ToMlflow(version, false));
  json::object object;
  PutList(object, "model_versions", std::move(versions));
  PutText(object, "next_page_token", page.next_page_token);
  return object;
}

Result<json::object> DownloadUri(Call& call) {
  const std::string name = call.fields.Text("name");
  MUSTER_RETURN_IF_ERROR(call.fields.status());
  MUSTER_ASSIGN_OR_RETURN(const std::int64_t version, NumberOf(name, call.fields.Text("version")));
  MUSTER_ASSIGN_OR_RETURN(const std::string uri, DownloadUriOf(call.services, name, version));
  return json::object{{"artifact_uri", uri}};
}

template <bool of_version, bool erase>
Result<json::object> SetTag(Call& call) {
  const std::string name = call.fields.Required("name");
  const std::string text = of_version ? call.fields.Required("version") : "";
  const std::string key = call.fields.Required("key");
  std::optional<std::string> value;
  if (!erase) value = call.fields.Text("value");
  MUSTER_RETURN_IF_ERROR(call.fields.status());
  std::int64_t version = 0;
  if (of_version) {
    MUSTER_ASSIGN_OR_RETURN(version, NumberOf(name, text));
  }
  MUSTER_RETURN_IF_ERROR(
      call.services.models.SetTag(name, version, key, std::move(value), ActorOf(call)));
  return json::object();
}

Result<json::object> SetAlias(Call& call) {
  const std::string name = call.fields.Required("name");
  const std::string alias = call.fields.Required("alias");
  const std::string text = call.fields.Required("version");
  MUSTER_RETURN_IF_ERROR(call.fields.status());
  MUSTER_RETURN_IF_ERROR(registry::CheckModelName(name));
  MUSTER_RETURN_IF_ERROR(registry::CheckNewAlias(alias));
  MUSTER_ASSIGN_OR_RETURN(const std::int64_t version, NumberOf(name, text));
  MUSTER_RETURN_IF_ERROR(call.services.models.SetAlias(name, alias, version, ActorOf(call)));
  return json::object();
}

Result<json::object> DeleteAlias(Call& call) {
  const std::string name = call.fields.Required("name");
  const std::string alias = call.fields.Required("alias");
  MUSTER_RETURN_IF_ERROR(call.fields.status());
  MUSTER_RETURN_IF_ERROR(call.services.models.SetAlias(name, alias, 0, ActorOf(call)));
  return json::object();
}

Result<json::object> GetByAlias(Call& call) {
  const std::string name = call.fields.Required("name");
  const std::string alias = call.fields.Required("alias");
  MUSTER_RETURN_IF_ERROR(call.fields.status());
  const auto version = call.services.models.GetByAlias(name, alias);
  if (version) return VersionAnswer(*version);
  // A missing alias is a wrong parameter in MLflow; a missing model is not found, nor is the latest of no version.
  if (version.error().kind == ErrorKind::kNotFound && !registry::IsLatest(alias) &&
      call.services.models.GetModel(name)) {
    return Invalid(version.error().message);
  }
  return version.error();
}

}  // namespace

const std::vector<Route>& RegistryRoutes() {
  static const std::vector<Route> routes = {
      {"POST", "/registered-models/create", nullptr, CreateModel},
      {"GET", "/registered-models/get", nullptr, GetModel},
      {"PATCH", "/registered-models/update", nullptr, UpdateModel},
      {"POST", "/registered-models/rename", nullptr, RenameModel},
      {"DELETE", "/registered-models/delete", nullptr, DeleteModel},
      {"GET", "/registered-models/search", nullptr, SearchModels},
      {"POST", "/registered-models/get-latest-versions", nullptr, LatestVersions},
      {"GET", "/registered-models/get-latest-versions", nullptr, LatestVersions},
      {"POST", "/registered-models/set-tag", nullptr, SetTag<false, false>},
      {"DELETE", "/registered-models/delete-tag", nullptr, SetTag<false, true>},
      {"POST", "/registered-models/alias", nullptr, SetAlias},
      {"DELETE", "/registered-models/alias", nullptr, DeleteAlias},
      {"GET", "/registered-models/alias", nullptr, GetByAlias},
      {"POST", "/model-versions/create", nullptr, CreateVersion},
      {"GET", "/model-versions/get", nullptr, GetVersion},
      {"PATCH", "/model-versions/update", nullptr, UpdateVersion},
      {"POST", "/model-versions/transition-stage", nullptr, TransitionStage},
      {"DELETE", "/model-versions/delete", nullptr, DeleteVersion},
      {"GET", "/model-versions/search", nullptr, SearchVersions},
      {"GET", "/model-versions/get-download-uri", nullptr, DownloadUri},
      {"POST", "/model-versions/set-tag", nullptr, SetTag<true, false>},
      {"DELETE", "/model-versions/delete-tag", nullptr, SetTag<true, true>},
  };
  return routes;
}

}  // namespace muster::tracker
