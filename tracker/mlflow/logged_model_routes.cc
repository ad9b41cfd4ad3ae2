#include "runtime/filter/filter.h"
#include "tracker/mlflow/call.h"
#include "tracker/mlflow/entities.h"
#include "tracker/mlflow/model_page_token.h"

namespace muster::tracker {

namespace {

namespace json = boost::json;

json::object ModelAnswer(const LoggedModel& model) { return {{"model", ToMlflow(model)}}; }

/// The model that the path names. A model_id in the body, which some calls ask for, says nothing more.
std::string ModelId(const Call& call) { return call.request.captures.at("model_id"); }

/// Lets the writer in once the fields are read; `id` is of a model whose run it writes for.
Status Admit(Call& call, const std::string& id) {
  MUSTER_RETURN_IF_ERROR(call.fields.status());
  MUSTER_ASSIGN_OR_RETURN(const LoggedModel model, call.services.runs.GetAnyLoggedModel(id));
  MUSTER_RETURN_IF_ERROR(Fence(call.services, call.request, RunId(model.source_run_id)));
  return Ok();
}

Status Create(Call& call) {
  Fields& fields = call.fields;
  LoggedModel model;
  model.experiment_id = fields.Required("experiment_id");
  model.name = fields.Text("name");
  model.model_type = fields.Text("model_type");
  model.source_run_id = fields.Text("source_run_id");
  model.params = TagsOf(fields, "params");
  model.tags = TagsOf(fields, "tags");
  MUSTER_RETURN_IF_ERROR(fields.status());
  MUSTER_RETURN_IF_ERROR(Fence(call.services, call.request, RunId(model.source_run_id)));
  call.services.runs.CreateLoggedModel(std::move(model), call.reply.When<LoggedModel>(ModelAnswer));
  return Ok();
}

Result<json::object> Get(Call& call) {
  const bool any = call.request.Parameter("allow_deleted").value_or("") == "true";
  RunStore& runs = call.services.runs;
  MUSTER_ASSIGN_OR_RETURN(const LoggedModel model, any ? runs.GetAnyLoggedModel(ModelId(call))
                                                       : runs.GetLoggedModel(ModelId(call)));
  return ModelAnswer(model);
}

/// By name or number. Of an unknown one MLflow says that it is of a wrong type.
Result<std::string> FinishedStatus(Fields& fields) {
  static constexpr std::pair<std::string_view, std::int64_t> kNames[] = {
      {"LOGGED_MODEL_STATUS_UNSPECIFIED", 0},
      {"LOGGED_MODEL_PENDING", 1},
      {"LOGGED_MODEL_READY", 2},
      {"LOGGED_MODEL_UPLOAD_FAILED", 3}};
  fields.MustHave("status");
  const auto status = fields.Enumerator("status", kNames);
  MUSTER_RETURN_IF_ERROR(fields.status());
  if (status) return std::string(kNames[*status].first);
  return Invalid("Unknown model status: the field 'status' names none");
}

Status Finish(Call& call) {
  call.fields.Required("model_id");
  auto status = FinishedStatus(call.fields);
  MUSTER_RETURN_IF_ERROR(Admit(call, ModelId(call)));
  if (!status) return status.error();
  call.services.runs.FinishLoggedModel(ModelId(call), std::move(*status),
                                       call.reply.When<LoggedModel>(ModelAnswer));
  return Ok();
}

Status Delete(Call& call) {
  MUSTER_RETURN_IF_ERROR(Admit(call, ModelId(call)));
  call.services.runs.DeleteLoggedModel(ModelId(call), call.reply.WhenDone());
  return Ok();
}

Status SetTags(Call& call) {
  std::vector<Tag> tags = TagsOf(call.fields, "tags");
  MUSTER_RETURN_IF_ERROR(Admit(call, ModelId(call)));
  call.services.runs.SetLoggedModelTags(ModelId(call), std::move(tags), call.reply.WhenDone());
  return Ok();
}

Status DeleteTag(Call& call) {
  MUSTER_RETURN_IF_ERROR(Admit(call, ModelId(call)));
  call.services.runs.DeleteLoggedModelTag(ModelId(call), call.request.captures.at("tag_key"),
                                          call.reply.WhenDone());
  return Ok();
}

Status LogParams(Call& call) {
  call.fields.Required("model_id");
  std::vector<Param> params = TagsOf(call.fields, "params");
  MUSTER_RETURN_IF_ERROR(Admit(call, ModelId(call)));
  call.services.runs.LogLoggedModelParams(ModelId(call), std::move(params), call.reply.WhenDone());
  return Ok();
}

std::vector<ModelOrder> OrdersOf(Fields& fields) {
  std::vector<ModelOrder> orders;
  for (Fields& order : fields.List("order_by")) {
    orders.push_back({.field_name = order.Text("field_name"),
                      .ascending = order.Bool("ascending", true),
                      .dataset_name = order.Text("dataset_name"),
                      .dataset_digest = order.Text("dataset_digest")});
    fields.Take(order);
  }
  return orders;
}

std::vector<DatasetName> DatasetsOf(Fields& fields) {
  std::vector<DatasetName> datasets;
  for (Fields& dataset : fields.List("datasets")) {
    datasets.push_back({dataset.Text("dataset_name"), dataset.Text("dataset_digest")});
    if (datasets.back().name.empty()) {
      dataset.Fail(Invalid("`dataset_name` in the `datasets` clause must be specified."));
    }
    fields.Take(dataset);
  }
  return datasets;
}

Result<json::object> Search(Call& call) {
  constexpr std::int64_t kUsualPage = 50;
  Fields& fields = call.fields;
  ModelSearch search;
  fields.MustHave("experiment_ids");
  search.experiment_ids = fields.Texts("experiment_ids");
  search.filter = fields.Text("filter");
  SearchQuery query{.experiment_ids = search.experiment_ids, .filter = search.filter};
  query.max_results = fields.Int("max_results", kUsualPage);
  if (query.max_results == 0) query.max_results = kUsualPage;
  search.order_by = OrdersOf(fields);
  for (const ModelOrder& order : search.order_by) {
    // The store's order is the grammar's text.
    query.order_by.push_back(order.field_name + (order.ascending ? " ASC" : " DESC"));
    query.order_datasets.push_back({order.dataset_name, order.dataset_digest});
  }
  const std::string token = fields.Text("page_token");
  query.datasets = DatasetsOf(fields);
  MUSTER_RETURN_IF_ERROR(fields.status());
  MUSTER_ASSIGN_OR_RETURN(const std::int64_t begin, ModelPageOffset(token, search));
  if (begin > 0) query.page_token = filter::PageToken(begin);
  MUSTER_ASSIGN_OR_RETURN(auto page, call.services.runs.SearchLoggedModels(query));
  if (!page.next_page_token.empty()) {
    MUSTER_ASSIGN_OR_RETURN(const std::int64_t next, filter::PageOffset(page.next_page_token));
    page.next_page_token = ModelPageToken(search, next);
  }
  return PageToMlflow("models", page);
}

}  // namespace

const std::vector<Route>& LoggedModelRoutes() {
  static const std::vector<Route> routes = {
      {"POST", "/logged-models", Create},
      {"POST", "/logged-models/search", nullptr, Search},
      {.method = "GET", .path = "/logged-models/{model_id}", .now = Get, .path_only = true},
      {"PATCH", "/logged-models/{model_id}", Finish},
      {.method = "DELETE", .path = "/logged-models/{model_id}", .later = Delete, .path_only = true},
      {"PATCH", "/logged-models/{model_id}/tags", SetTags},
      {.method = "DELETE",
       .path = "/logged-models/{model_id}/tags/{tag_key}",
       .later = DeleteTag,
       .path_only = true},
      {"POST", "/logged-models/{model_id}/params", LogParams},
  };
  return routes;
}

}  // namespace muster::tracker
