#include <boost/json/object.hpp>
#include <utility>

#include "registry/serve/invocations.h"
#include "registry/serve/model_server.h"
#include "registry/serve/routes.h"

namespace muster::registry::serve {

namespace {

http::Response Failed(const Error& error) {
  const int status = StatusOf(error);
  return http::Response::Json(
      boost::json::object{{"error_code", status >= 500 ? "INTERNAL_ERROR" : "BAD_REQUEST"},
                          {"message", error.message}},
      status);
}

Result<ServedPtr> FindOnly(const ModelServer& server, const http::Request&) {
  if (ServedPtr only = server.Only(); only != nullptr) return only;
  return NotFound("/invocations needs exactly one served model");
}

Result<Question> Decode(const http::Request& request, std::string_view body,
                        const ServedModel& model) {
  const std::string_view type = request.Header("Content-Type");
  if (!type.empty() && !type.starts_with("application/json")) {
    return Unsupported("Content-Type must be application/json, got " + std::string(type));
  }
  MUSTER_ASSIGN_OR_RETURN(Invocation asked, DecodeInvocation(body, model.model->inputs()));
  Question question{std::exchange(asked.inputs, {}), std::nullopt, {}};
  question.encode = [asked = std::move(asked)](
                        const ServedModel&,
                        const std::vector<Tensor>& outputs) -> Result<http::Response> {
    MUSTER_ASSIGN_OR_RETURN(std::string body, EncodePredictions(asked, outputs));
    return http::Response::Text(std::move(body), 200, "application/json");
  };
  return question;
}

constexpr Protocol kMlflow{FindOnly, Decode, Failed};

http::Response Ping(ModelServer& server, const http::Request&) {
  if (server.Only() != nullptr) return http::Response::Text("\n");
  return http::Response::Text("no model is loaded\n", 503);
}

}  // namespace

void AddMlflowRoutes(Routes& routes) {
  routes.AddPrediction("/invocations", kMlflow);
  routes.Add("GET", "/ping", Ping);
  routes.Add("GET", "/health", Ping);
  routes.Add("GET", "/version", [](ModelServer& server, const http::Request&) {
    return http::Response::Text(server.options().version);
  });
}

}  // namespace muster::registry::serve
