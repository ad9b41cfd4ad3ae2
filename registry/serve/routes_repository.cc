#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <optional>
#include <utility>

#include "registry/serve/model_server.h"
#include "registry/serve/open_inference.h"
#include "registry/serve/routes.h"

/// Triton's model repository extension (extension_model_repository.md).

namespace muster::registry::serve {

namespace {

namespace json = boost::json;

/// Of a body that may be empty.
Result<json::object> ObjectOf(const http::Request& request) {
  if (request.body.empty()) return json::object();
  boost::system::error_code failed;
  json::value body = json::parse(request.body, failed);
  if (failed) return Invalid("the request is not JSON: " + failed.message());
  if (!body.is_object()) return Invalid("the request must be a JSON object");
  return std::move(body.get_object());
}

http::Response Index(ModelServer& server, const http::Request& request) {
  const auto body = ObjectOf(request);
  if (!body.ok()) return OpenInferenceError(body.error());
  const json::value* ready = body->if_contains("ready");
  if (ready != nullptr && !ready->is_bool()) {
    return OpenInferenceError(Invalid("'ready' must be a boolean"));
  }
  const bool ready_only = ready != nullptr && ready->get_bool();
  json::array index;
  for (const IndexEntry& entry : server.Index()) {
    if (ready_only && entry.state != ModelState::kReady) continue;
    json::object model{{"name", entry.name}};
    if (entry.state) {
      const std::string_view state = ModelStateName(*entry.state);
      model["version"] = entry.version;
      model["state"] = json::string_view(state.data(), state.size());
      if (!entry.reason.empty()) model["reason"] = entry.reason;
    }
    index.push_back(std::move(model));
  }
  return http::Response::Json(index);
}

/// What Triton's load takes and this server does not.
Status CheckParameters(const json::object& body) {
  const json::value* parameters = body.if_contains("parameters");
  if (parameters == nullptr) return Ok();
  if (!parameters->is_object()) return Invalid("'parameters' must be an object");
  for (const auto& parameter : parameters->get_object()) {
    const std::string_view key(parameter.key().data(), parameter.key().size());
    if (key == "config" || key.starts_with("file:")) {
      return Invalid("load with the parameter '" + std::string(key) +
                     "' is not supported: a model is loaded as it lies in the repository; publish "
                     "a version with that content and load it");
    }
  }
  return Ok();
}

http::Response Load(ModelServer& server, const http::Request& request) {
  const std::string& name = request.captures.find("model")->second;
  const auto body = ObjectOf(request);
  if (!body.ok()) return OpenInferenceError(body.error());
  if (const Status known = CheckParameters(*body); !known.ok()) {
    return OpenInferenceError(known.error());
  }
  const Status loaded = server.LoadNamed(name);
  if (loaded.ok()) return {};
  return OpenInferenceError(loaded.error().With("failed to load '" + name + "'"));
}

http::Response Unload(ModelServer& server, const http::Request& request) {
  const auto body = ObjectOf(request);
  if (!body.ok()) return OpenInferenceError(body.error());
  if (const Status may = server.MayControl(); !may.ok()) return OpenInferenceError(may.error());
  const Status unloaded = server.Unload(request.captures.find("model")->second);
  // To Triton a model that is not there is unloaded.
  if (unloaded.ok() || unloaded.error().kind == ErrorKind::kNotFound) return {};
  return OpenInferenceError(unloaded.error());
}

}  // namespace

void AddRepositoryRoutes(Routes& routes) {
  routes.AddBlocking("POST", "/v2/repository/index", Index);
  routes.AddBlocking("POST", "/v2/repository/models/{model}/load", Load);
  routes.AddBlocking("POST", "/v2/repository/models/{model}/unload", Unload);
}

}  // namespace muster::registry::serve
