#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include "registry/serve/model_server.h"
#include "registry/serve/open_inference.h"
#include "registry/serve/routes.h"

namespace muster::registry::serve {
namespace {

namespace json = boost::json;

/// {"running": experiment or null, "past": [experiment...]}
http::Response Show(ModelServer& server, const http::Request& request) {
  const auto served = FindModel(server, request);
  if (!served.ok()) return OpenInferenceError(served.error());
  json::object body{{"running", nullptr}, {"past", server.PastExperiments((*served)->name)}};
  if (const auto experiment = server.ExperimentOn((*served)->name))
    body["running"] = experiment->Describe();
  return http::Response::Json(body);
}

/// {"reason": "..."}, which may be left out.
http::Response RollBack(ModelServer& server, const http::Request& request) {
  const auto served = FindModel(server, request);
  if (!served.ok()) return OpenInferenceError(served.error());
  const auto experiment = server.ExperimentOn((*served)->name);
  if (experiment == nullptr)
    return OpenInferenceError(NotFound("'" + (*served)->name + "' has no challenger now"));
  std::string reason = "asked for";
  if (!request.body.empty()) {
    json::error_code failed;
    const json::value body = json::parse(request.body, failed);
    const auto* given =
        failed || !body.is_object() ? nullptr : body.get_object().if_contains("reason");
    if (given == nullptr || !given->is_string()) {
      return OpenInferenceError(Invalid("the body must be {\"reason\": \"...\"} or empty"));
    }
    reason += ": " + std::string(given->get_string());
  }
  experiment->GoBack(reason);
  return http::Response::Json(experiment->Describe());
}

}  // namespace

void AddRolloutRoutes(Routes& routes) {
  routes.Add("GET", "/v2/models/{model}/rollout", Show);
  routes.Add("POST", "/v2/models/{model}/rollout/rollback", RollBack);
}

}  // namespace muster::registry::serve
