#include "registry/serve/model_server.h"
#include "registry/serve/routes.h"

namespace muster::registry::serve {

void AddMetricsRoute(Routes& routes) {
  routes.Add("GET", "/metrics", [](ModelServer& server, const http::Request&) {
    PrometheusText text;
    for (const auto& [key, stats] : server.Stats()) text.Add(key.first, key.second, stats->Read());
    return http::Response::Text(std::move(text).Take(), 200, "text/plain; version=0.0.4");
  });
}

}  // namespace muster::registry::serve
