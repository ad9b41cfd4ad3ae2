#include "registry/serve/model_server.h"
#include "registry/serve/prometheus.h"
#include "registry/serve/routes.h"

namespace muster::registry::serve {

void AddMetricsRoute(Routes& routes) {
  routes.Add("GET", "/metrics", [](ModelServer& server, const http::Request&) {
    PrometheusText text;
    for (const auto& [key, stats] : server.Stats()) {
      const ServedPtr served = server.Find(key.first, key.second);
      const bool queues = served != nullptr && served->batcher != nullptr;
      text.Add(key.first, key.second, stats->Read(), queues ? served->batcher->waiting() : 0);
    }
    return http::Response::Text(std::move(text).Take(), 200, "text/plain; version=0.0.4");
  });
}

}  // namespace muster::registry::serve
