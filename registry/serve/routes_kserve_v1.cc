#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "registry/serve/any_body.h"
#include "registry/serve/model_server.h"
#include "registry/serve/open_inference.h"
#include "registry/serve/routes.h"

/// KServe's v1 protocol (kserve.github.io, "V1 Inference Protocol").

namespace muster::registry::serve {

namespace {

namespace json = boost::json;

Result<ServedPtr> FindByName(const ModelServer& server, std::string_view name) {
  if (ServedPtr served = server.Find(name); served != nullptr) return served;
  return NotFound("Model with name " + std::string(name) + " does not exist.");
}

/// The part of the path is "M:predict".
Result<ServedPtr> FindCalled(const ModelServer& server, const http::Request& request) {
  const std::string& call = request.captures.find("call")->second;
  const std::size_t colon = std::min(call.rfind(':'), call.size());
  if (std::string_view(call).substr(colon) == ":predict") {
    return FindByName(server, std::string_view(call).substr(0, colon));
  }
  return NotFound("nothing answers POST " + request.path + "; wanted /v1/models/MODEL:predict");
}

constexpr Protocol kKserveV1{FindCalled, DecodeRowsOrAnyBody, OpenInferenceError};

http::Response List(ModelServer& server, const http::Request&) {
  json::array names;
  for (const ServedPtr& served : server.All()) names.emplace_back(served->name);
  return http::Response::Json(json::object{{"models", std::move(names)}});
}

http::Response Ready(ModelServer& server, const http::Request& request) {
  const auto served = FindByName(server, request.captures.find("model")->second);
  if (!served.ok()) return OpenInferenceError(served.error());
  return http::Response::Json(json::object{{"name", (*served)->name}, {"ready", true}});
}

}  // namespace

void AddKserveV1Routes(Routes& routes) {
  routes.Add("GET", "/v1/models", List);
  routes.Add("GET", "/v1/models/{model}", Ready);
  routes.AddPrediction("/v1/models/{call}", kKserveV1);
}

}  // namespace muster::registry::serve
