#include "tracker/mlflow/call.h"

namespace muster::tracker {

namespace {

struct Code {
  std::string_view name;
  int status;
  /// MLflow's own classes beside the code (mlflow/error_classification.py); empty where it has none.
  std::string_view error_class, sqlstate = "KAM00";
};

/// MLflow's codes and statuses (mlflow/exceptions.py). A name that is taken is 400 there.
Code CodeOf(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kInvalid:
      return {"INVALID_PARAMETER_VALUE", 400, "INVALID_PARAMETER_VALUE"};
    case ErrorKind::kNotFound:
      return {"RESOURCE_DOES_NOT_EXIST", 404, "RESOURCE_NOT_FOUND"};
    case ErrorKind::kAlreadyExists:
      return {"RESOURCE_ALREADY_EXISTS", 400, "RESOURCE_ALREADY_EXISTS"};
    case ErrorKind::kConflict:
      return {"INVALID_STATE", 500, "CLIENT_INTERNAL_ERROR", "XXM00"};
    case ErrorKind::kFenced:
      return {"PERMISSION_DENIED", 403, "PERMISSION_DENIED"};
    case ErrorKind::kUnauthorized:
      return {"UNAUTHENTICATED", 401, "", ""};
    // MLflow's client tries 503 again: nothing is lost while a disk is full.
    case ErrorKind::kResource:
    case ErrorKind::kUnavailable:
      return {"TEMPORARILY_UNAVAILABLE", 503, "CLIENT_INTERNAL_ERROR", "XXM00"};
    case ErrorKind::kUnsupported:
      return {"NOT_IMPLEMENTED", 501, "", ""};
    case ErrorKind::kCorrupt:
    case ErrorKind::kIo:
    case ErrorKind::kInternal:
      break;
  }
  return {"INTERNAL_ERROR", 500, "CLIENT_INTERNAL_ERROR", "XXM00"};
}

http::Response ErrorResponse(const Code& code, std::string_view message) {
  boost::json::object body{{"error_code", code.name}, {"message", message}};
  if (!code.sqlstate.empty()) body["sqlstate"] = code.sqlstate;
  if (!code.error_class.empty()) body["error_class"] = code.error_class;
  return http::Response::Json(std::move(body), code.status);
}

}  // namespace

http::Response MlflowError(const Error& error) {
  auto response = ErrorResponse(CodeOf(error.kind), error.message);
  if (response.status == 503) response.headers["Retry-After"] = "1";  // seconds
  return response;
}

http::Response EndpointNotFound(std::string_view message) {
  return ErrorResponse({"ENDPOINT_NOT_FOUND", 404, "RESOURCE_NOT_FOUND"}, message);
}

void Reply::operator()(Result<boost::json::object> answer) const {
  if (!answer) return (*this)(answer.error());
  respond_(http::Response::Json(std::move(*answer)));
}

void Reply::operator()(Result<JsonText> answer) const {
  if (!answer) return (*this)(answer.error());
  respond_(http::Response::Text(std::move(answer->text), 200, "application/json"));
}

Done Reply::WhenDone() const {
  return [reply = *this](const Status& status) {
    if (!status.ok()) return reply(status.error());
    reply(boost::json::object());
  };
}

Result<AttemptEpoch> Fence(const Services& services, const http::Request& request,
                           const RunId& run_id) {
  const auto& fence = services.options.fence;
  if (!fence) return AttemptEpoch();
  return fence(request, run_id);
}

std::vector<Tag> TagsOf(Fields& fields, std::string_view name, Keys keys) {
  std::vector<Tag> tags;
  for (Fields& tag : fields.List(name)) {
    std::string key = keys == Keys::kRequired ? tag.Required("key") : tag.Text("key");
    tags.push_back({std::move(key), tag.Text("value")});
    fields.Take(tag);
  }
  return tags;
}

ViewType ViewTypeOf(Fields& fields, std::string_view name) {
  static constexpr std::pair<std::string_view, std::int64_t> kNames[] = {
      {"ACTIVE_ONLY", 1}, {"DELETED_ONLY", 2}, {"ALL", 3}};
  return static_cast<ViewType>(fields.Enumerator(name, kNames).value_or(1));
}

SearchQuery SearchOf(Fields& fields, std::int64_t default_max_results, std::int64_t most) {
  SearchQuery query;
  query.filter = fields.Text("filter");
  query.max_results = fields.IntUpTo("max_results", most, default_max_results);
  query.order_by = fields.Texts("order_by");
  query.page_token = fields.Text("page_token");
  return query;
}

}  // namespace muster::tracker
