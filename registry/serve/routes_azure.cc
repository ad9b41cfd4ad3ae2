#include "registry/serve/any_body.h"
#include "registry/serve/model_server.h"
#include "registry/serve/open_inference.h"
#include "registry/serve/routes.h"

namespace muster::registry::serve {

namespace {

constexpr Protocol kAzure{FindOnlyModel, DecodeAnyBody, OpenInferenceError};

}  // namespace

void AddAzureRoutes(Routes& routes) {
  routes.AddPrediction("/score", kAzure);
  routes.Add("GET", "/", [](ModelServer& server, const http::Request&) {
    const bool ready = server.ready();
    return http::Response::Text(ready ? "Healthy" : "no model is loaded", ready ? 200 : 503);
  });
}

}  // namespace muster::registry::serve
