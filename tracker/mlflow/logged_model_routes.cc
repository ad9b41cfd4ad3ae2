#include "tracker/mlflow/call.h"
#include "tracker/mlflow/entities.h"

namespace muster::tracker {

namespace {

namespace json = boost::json;

json::object ModelAnswer(const LoggedModel& model) { return {{"model", ToMlflow(model)}}; }

/// Lets the writer in once the fields are read; `id` is of a model whose run it writes for.
Status Admit(Call& call, const std::string& id) {
  MUSTER_RETURN_IF_ERROR(call.fields.status());
  MUSTER_ASSIGN_OR_RETURN(const LoggedModel model, call.services.runs.GetLoggedModel(id));
  MUSTER_RETURN_IF_ERROR(Fence(call.services, call.request, RunId(model.source_run_id)));
  return Ok();
}

Status Create(Call& call) {
  Fields& fields = call.fields;
  LoggedModel model{.experiment_id = fields.Required("experiment_id"),
                    .name = fields.Text("name"),
                    .model_type = fields.Text("model_type"),
                    .source_run_id = fields.Text("source_run_id"),
                    .tags = TagsOf(fields, "tags"),
                    .params = TagsOf(fields, "params")};
  MUSTER_RETURN_IF_ERROR(fields.status());
  MUSTER_RETURN_IF_ERROR(Fence(call.services, call.request, RunId(model.source_run_id)));
  call.services.runs.CreateLoggedModel(std::move(model), call.reply.When<LoggedModel>(ModelAnswer));
  return Ok();
}

Result<json::object> Get(Call& call) {
  const std::string id = call.fields.Required("model_id");
  MUSTER_RETURN_IF_ERROR(call.fields.status());
  MUSTER_ASSIGN_OR_RETURN(const LoggedModel model, call.services.runs.GetLoggedModel(id));
  return ModelAnswer(model);
}

Status Finish(Call& call) {
  std::string id = call.fields.Required("model_id");
  std::string status = call.fields.Required("status");
  MUSTER_RETURN_IF_ERROR(Admit(call, id));
  call.services.runs.FinishLoggedModel(std::move(id), std::move(status),
                                       call.reply.When<LoggedModel>(ModelAnswer));
  return Ok();
}

Status Delete(Call& call) {
  std::string id = call.fields.Required("model_id");
  MUSTER_RETURN_IF_ERROR(Admit(call, id));
  call.services.runs.DeleteLoggedModel(std::move(id), call.reply.WhenDone());
  return Ok();
}

Status SetTags(Call& call) {
  std::string id = call.fields.Required("model_id");
  std::vector<Tag> tags = TagsOf(call.fields, "tags");
  MUSTER_RETURN_IF_ERROR(Admit(call, id));
  call.services.runs.SetLoggedModelTags(std::move(id), std::move(tags), call.reply.WhenDone());
  return Ok();
}

Status DeleteTag(Call& call) {
  std::string id = call.fields.Required("model_id");
  std::string key = call.fields.Required("tag_key");
  MUSTER_RETURN_IF_ERROR(Admit(call, id));
  call.services.runs.DeleteLoggedModelTag(std::move(id), std::move(key), call.reply.WhenDone());
  return Ok();
}

Status LogParams(Call& call) {
  std::string id = call.fields.Required("model_id");
  std::vector<Param> params = TagsOf(call.fields, "params");
  MUSTER_RETURN_IF_ERROR(Admit(call, id));
  call.services.runs.LogLoggedModelParams(std::move(id), std::move(params), call.reply.WhenDone());
  return Ok();
}

/// `order_by` is a list of objects here: {field_name, ascending}; the store's is the grammar's text.
std::vector<std::string> OrderBy(Fields& fields) {
  std::vector<std::string> order_by;
  for (Fields& order : fields.List("order_by")) {
    order_by.push_back(order.Required("field_name") +
                       (order.Bool("ascending", true) ? " ASC" : " DESC"));
    fields.Take(order);
  }
  return order_by;
}

Result<json::object> Search(Call& call) {
  Fields& fields = call.fields;
  const SearchQuery query{.experiment_ids = fields.Texts("experiment_ids"),
                          .filter = fields.Text("filter"),
                          .order_by = OrderBy(fields),
                          .max_results = fields.Int("max_results", 50),
                          .page_token = fields.Text("page_token")};
  MUSTER_RETURN_IF_ERROR(fields.status());
  MUSTER_ASSIGN_OR_RETURN(const auto page, call.services.runs.SearchLoggedModels(query));
  return PageToMlflow("models", page);
}

}  // namespace

const std::vector<Route>& LoggedModelRoutes() {
  static const std::vector<Route> routes = {
      {"POST", "/logged-models", Create},
      {"POST", "/logged-models/search", nullptr, Search},
      {"GET", "/logged-models/{model_id}", nullptr, Get},
      {"PATCH", "/logged-models/{model_id}", Finish},
      {"DELETE", "/logged-models/{model_id}", Delete},
      {"PATCH", "/logged-models/{model_id}/tags", SetTags},
      {"DELETE", "/logged-models/{model_id}/tags/{tag_key}", DeleteTag},
      {"POST", "/logged-models/{model_id}/params", LogParams},
  };
  return routes;
}

}  // namespace muster::tracker
