#pragma once

#include <string_view>

#include "registry/serve/protocol.h"

namespace muster::registry::serve {

/// Puts a server's routes into a router; both must outlive it.
class Routes {
 public:
  Routes(http::Router& router, ModelServer& server) : router_(router), server_(server) {}

  using Answer = http::Response (*)(ModelServer& server, const http::Request& request);
  void Add(std::string_view method, std::string_view pattern, Answer answer);
  /// POST `pattern` asks for predictions. `protocol` must live for ever.
  void AddPrediction(std::string_view pattern, const Protocol& protocol);

 private:
  http::Router& router_;
  ModelServer& server_;
};

/// Open Inference Protocol v2: /v2...
void AddOpenInferenceRoutes(Routes& routes);
/// MLflow's scoring server: /invocations, /ping, /health, /version.
void AddMlflowRoutes(Routes& routes);
/// /metrics
void AddMetricsRoute(Routes& routes);
/// /v2/models/M/rollout: what the experiment with a challenger has shown and decided; POST .../rollback ends it.
void AddRolloutRoutes(Routes& routes);

}  // namespace muster::registry::serve
