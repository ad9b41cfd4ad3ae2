#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <charconv>
#include <utility>

#include "registry/serve/any_body.h"
#include "registry/serve/model_server.h"
#include "registry/serve/open_inference.h"
#include "registry/serve/routes.h"

/// SageMaker's contracts (docs.aws.amazon.com/sagemaker/latest/dg): batch transform's execution parameters, and "Custom
/// Containers Contract for Multi-Model Mode".

namespace muster::registry::serve {

namespace {

namespace json = boost::json;

Result<ServedPtr> FindCaptured(const ModelServer& server, const http::Request& request) {
  const std::string& name = request.captures.find("model")->second;
  if (ServedPtr served = server.Find(name); served != nullptr) return served;
  return NotFound("model '" + name + "' is not loaded");
}

constexpr Protocol kInvoke{FindCaptured, DecodeAnyBody, OpenInferenceError};

http::Response ExecutionParameters(ModelServer& server, const http::Request&) {
  return http::Response::Json(
      json::object{{"MaxConcurrentTransforms", server.options().concurrency},
                   {"BatchStrategy", "MULTI_RECORD"},
                   {"MaxPayloadInMB", server.options().body_max >> 20U}});
}

json::object Describe(const ServedModel& served) {
  return {{"modelName", served.name}, {"modelUrl", served.directory.string()}};
}

/// ?limit=N&next_page_token=NAME: a page begins after the name that the page before gave.
http::Response List(ModelServer& server, const http::Request& request) {
  std::size_t limit = 100;
  if (const auto text = request.Parameter("limit")) {
    const auto read = std::from_chars(text->data(), text->data() + text->size(), limit);
    if (read.ec != std::errc() || read.ptr != text->data() + text->size() || limit == 0) {
      return OpenInferenceError(Invalid("limit is '" + *text + "'; wanted a number above 0"));
    }
  }
  const std::string after = request.Parameter("next_page_token").value_or("");
  json::array models;
  json::object page;
  std::string last;
  for (const ServedPtr& served : server.All()) {
    if (!after.empty() && served->name <= after) continue;
    if (models.size() == limit) {
      page["nextPageToken"] = last;
      break;
    }
    models.push_back(Describe(*served));
    last = served->name;
  }
  page["models"] = std::move(models);
  return http::Response::Json(page);
}

/// {"model_name": "...", "url": "/opt/ml/models/.../model"}
Result<ModelLocation> Wanted(const ModelServer& server, const http::Request& request) {
  boost::system::error_code failed;
  const json::value body = json::parse(request.body, failed);
  const json::object* object = failed ? nullptr : body.if_object();
  const auto text = [&](std::string_view key) -> std::string {
    const json::value* value = object == nullptr
                                   ? nullptr
                                   : object->if_contains(json::string_view(key.data(), key.size()));
    return value == nullptr || !value->is_string() ? "" : std::string(value->get_string());
  };
  const std::string name = text("model_name"), url = text("url");
  if (name.empty() || url.empty()) {
    return Invalid("wanted a JSON object with the strings model_name and url");
  }
  if (server.Find(name) != nullptr) return AlreadyExists("model '" + name + "' is loaded");
  return server.options().repository->At(name, url);
}

http::Response Load(ModelServer& server, const http::Request& request) {
  const auto location = Wanted(server, request);
  if (!location.ok()) return OpenInferenceError(location.error());
  const Status loaded = server.Load(*location);
  if (!loaded.ok()) return OpenInferenceError(loaded.error());
  return http::Response::Json(
      json::object{{"modelName", location->name}, {"modelUrl", location->directory.string()}});
}

http::Response Show(ModelServer& server, const http::Request& request) {
  const auto served = FindCaptured(server, request);
  return served.ok() ? http::Response::Json(Describe(**served))
                     : OpenInferenceError(served.error());
}

http::Response Unload(ModelServer& server, const http::Request& request) {
  const Status unloaded = server.Unload(request.captures.find("model")->second);
  return unloaded.ok() ? http::Response{} : OpenInferenceError(unloaded.error());
}

}  // namespace

void AddSagemakerRoutes(Routes& routes) {
  routes.Add("GET", "/execution-parameters", ExecutionParameters);
  if (!routes.has_repository()) return;
  routes.Add("GET", "/models", List);
  routes.AddBlocking("POST", "/models", Load);
  routes.Add("GET", "/models/{model}", Show);
  routes.AddBlocking("DELETE", "/models/{model}", Unload);
  routes.AddPrediction("/models/{model}/invoke", kInvoke);
}

}  // namespace muster::registry::serve
