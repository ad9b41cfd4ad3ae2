#include <limits>

#include "tracker/mlflow/call.h"
#include "tracker/mlflow/entities.h"
#include "tracker/mlflow/uri_rules.h"

namespace muster::tracker {

namespace {

namespace json = boost::json;

Status Create(Call& call) {
  std::string name = call.fields.Required("name");
  std::string location = call.fields.Text("artifact_location");
  std::vector<Tag> tags = TagsOf(call.fields, "tags");
  MUSTER_RETURN_IF_ERROR(call.fields.status());
  if (!location.empty()) {
    MUSTER_RETURN_IF_ERROR(CheckArtifactLocation(location));
    MUSTER_ASSIGN_OR_RETURN(location, AbsoluteLocation(location, call.services.options.folder));
  }
  call.services.runs.CreateExperiment(std::move(name), std::move(location), std::move(tags),
                                      call.reply.When<std::string>([](const std::string& id) {
                                        return json::object{{"experiment_id", id}};
                                      }));
  return Ok();
}

Result<json::object> Get(Call& call) {
  const std::string id = call.fields.Required("experiment_id");
  MUSTER_RETURN_IF_ERROR(call.fields.status());
  MUSTER_ASSIGN_OR_RETURN(const Experiment experiment, call.services.runs.GetExperiment(id));
  return json::object{{"experiment", ToMlflow(experiment)}};
}

Result<json::object> GetByName(Call& call) {
  const std::string name = call.fields.Required("experiment_name");
  MUSTER_RETURN_IF_ERROR(call.fields.status());
  MUSTER_ASSIGN_OR_RETURN(const Experiment experiment,
                          call.services.runs.GetExperimentByName(name));
  return json::object{{"experiment", ToMlflow(experiment)}};
}

Result<json::object> Search(Call& call) {
  // Absent is 0, which MLflow refuses; its client always sends a number.
  SearchQuery query = SearchOf(call.fields, 0, std::numeric_limits<std::int64_t>::max());
  query.view = ViewTypeOf(call.fields, "view_type");
  MUSTER_RETURN_IF_ERROR(call.fields.status());
  MUSTER_ASSIGN_OR_RETURN(const auto page, call.services.runs.SearchExperiments(query));
  return PageToMlflow("experiments", page);
}

Status Rename(Call& call) {
  std::string id = call.fields.Required("experiment_id");
  std::string name = call.fields.Required("new_name");
  MUSTER_RETURN_IF_ERROR(call.fields.status());
  call.services.runs.RenameExperiment(std::move(id), std::move(name), call.reply.WhenDone());
  return Ok();
}

template <bool deleted>
Status SetDeleted(Call& call) {
  std::string id = call.fields.Required("experiment_id");
  MUSTER_RETURN_IF_ERROR(call.fields.status());
  call.services.runs.SetExperimentDeleted(std::move(id), deleted, call.reply.WhenDone());
  return Ok();
}

template <bool erase>
Status SetTag(Call& call) {
  std::string id = call.fields.Required("experiment_id");
  std::string key = call.fields.Required("key");
  std::optional<std::string> value;
  if (!erase) value = call.fields.Text("value");
  MUSTER_RETURN_IF_ERROR(call.fields.status());
  call.services.runs.SetExperimentTag(std::move(id), std::move(key), std::move(value),
                                      call.reply.WhenDone());
  return Ok();
}

}  // namespace

const std::vector<Route>& ExperimentRoutes() {
  static const std::vector<Route> routes = {
      {"POST", "/experiments/create", Create},
      {"GET", "/experiments/get", nullptr, Get},
      {"GET", "/experiments/get-by-name", nullptr, GetByName},
      {"POST", "/experiments/search", nullptr, Search},
      {"GET", "/experiments/search", nullptr, Search},
      {"POST", "/experiments/update", Rename},
      {"POST", "/experiments/delete", SetDeleted<true>},
      {"POST", "/experiments/restore", SetDeleted<false>},
      {"POST", "/experiments/set-experiment-tag", SetTag<false>},
      {"POST", "/experiments/delete-experiment-tag", SetTag<true>},
  };
  return routes;
}

}  // namespace muster::tracker
