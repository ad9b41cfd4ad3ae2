#include "tracker/mlflow/call.h"

#include <boost/json/serialize.hpp>

namespace muster::tracker {

namespace {

struct Code {
  std::string_view name;
  int status;
};

/// MLflow's codes and statuses (mlflow/exceptions.py). A name that is taken is 400 there.
Code CodeOf(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kInvalid:
      return {"INVALID_PARAMETER_VALUE", 400};
    case ErrorKind::kNotFound:
      return {"RESOURCE_DOES_NOT_EXIST", 404};
    case ErrorKind::kAlreadyExists:
      return {"RESOURCE_ALREADY_EXISTS", 400};
    case ErrorKind::kConflict:
      return {"INVALID_STATE", 500};
    case ErrorKind::kFenced:
      return {"PERMISSION_DENIED", 403};
    case ErrorKind::kUnauthorized:
      return {"UNAUTHENTICATED", 401};
    // MLflow's client tries 503 again: nothing is lost while a disk is full.
    case ErrorKind::kResource:
    case ErrorKind::kUnavailable:
      return {"TEMPORARILY_UNAVAILABLE", 503};
    case ErrorKind::kUnsupported:
      return {"NOT_IMPLEMENTED", 501};
    case ErrorKind::kCorrupt:
    case ErrorKind::kIo:
    case ErrorKind::kInternal:
      break;
  }
  return {"INTERNAL_ERROR", 500};
}

}  // namespace

http::Response MlflowError(const Error& error) {
  const Code code = CodeOf(error.kind);
  auto response =
      http::Response::Json({{"error_code", code.name}, {"message", error.message}}, code.status);
  if (code.status == 503) response.headers["Retry-After"] = "1";  // seconds
  return response;
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

std::vector<Tag> TagsOf(Fields& fields, std::string_view name) {
  std::vector<Tag> tags;
  for (Fields& tag : fields.List(name)) {
    tags.push_back({tag.Required("key"), tag.Text("value")});
    fields.Take(tag);
  }
  return tags;
}

Result<ViewType> ViewTypeOf(Fields& fields, std::string_view name) {
  const std::string text = fields.Enumerator(name, "ACTIVE_ONLY");
  if (text == "ACTIVE_ONLY" || text == "1") return ViewType::kActiveOnly;
  if (text == "DELETED_ONLY" || text == "2") return ViewType::kDeletedOnly;
  if (text == "ALL" || text == "3") return ViewType::kAll;
  return Invalid("Invalid value \"" + text + "\" for parameter '" + std::string(name) +
                 "' supplied: wanted ACTIVE_ONLY, DELETED_ONLY or ALL");
}

SearchQuery SearchOf(Fields& fields, std::int64_t default_max_results) {
  return {.experiment_ids = fields.Texts("experiment_ids"),
          .filter = fields.Text("filter"),
          .order_by = fields.Texts("order_by"),
          .max_results = fields.Int("max_results", default_max_results),
          .page_token = fields.Text("page_token")};
}

}  // namespace muster::tracker
