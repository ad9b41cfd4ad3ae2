#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "registry/serve/container.h"
#include "registry/serve/protocol.h"

namespace muster::registry::serve {

/// Puts a server's routes into a router; both must outlive it. Of the same method and pattern the first stays: what a
/// platform calls for by name comes before what we would say there.
class Routes {
 public:
  Routes(http::Router& router, ModelServer& server) : router_(router), server_(server) {}

  using Answer = http::Response (*)(ModelServer& server, const http::Request& request);
  void Add(std::string_view method, std::string_view pattern, Answer answer);
  /// For answers that wait for a disk or a model.
  void AddBlocking(std::string_view method, std::string_view pattern, Answer answer);
  /// POST `pattern` asks for predictions. `protocol` must live for ever.
  void AddPrediction(std::string_view pattern, const Protocol& protocol);
  /// What no route matches, and what HTTP itself refuses, in the protocol's form.
  void AddFallback();
  /// Whether models may be loaded and unloaded by name.
  [[nodiscard]] bool has_repository() const;

 private:
  http::Handler Enveloped(std::string_view pattern, Answer answer);
  bool IsNew(std::string_view method, std::string_view pattern);

  http::Router& router_;
  ModelServer& server_;
  std::set<std::string> added_;
  /// By whole path, of predictions; all others' is OpenInferenceError.
  std::map<std::string, decltype(Protocol::failed), std::less<>> failed_;
};

/// Open Inference Protocol v2 and Triton's configuration extension: /v2, /v2/health..., /v2/models/M...
void AddOpenInferenceRoutes(Routes& routes);
/// Triton's model repository extension: /v2/repository...
void AddRepositoryRoutes(Routes& routes);
/// Triton's statistics extension, /v2/models[/M]/stats, and Prometheus' /metrics.
void AddStatisticsRoutes(Routes& routes);
/// MLflow's scoring server: /invocations (any_body.h), /ping, /health, /version.
void AddMlflowRoutes(Routes& routes);
/// /v2/models/M/rollout: what the experiment with a challenger has shown and decided; POST .../rollback ends it.
void AddRolloutRoutes(Routes& routes);
/// /v2/models/M[/versions/V]/monitor: what is watched; /v2/models/M/outcomes: labels that came later.
void AddMonitorRoutes(Routes& routes);
/// KServe v1: /v1/models[/M], /v1/models/M:predict.
void AddKserveV1Routes(Routes& routes);
/// SageMaker's /execution-parameters beside MLflow's /invocations and /ping; with a repository its multi-model /models...
void AddSagemakerRoutes(Routes& routes);
/// Azure ML: /score, /.
void AddAzureRoutes(Routes& routes);
/// Vertex AI: what the platform calls its routes.
void AddVertexRoutes(Routes& routes, const Container& container);

/// The only model, for requests that name none; kNotFound when there are others or none.
Result<ServedPtr> FindOnlyModel(const ModelServer& server, const http::Request& request);
/// 200, or 503 until a model may be asked.
http::Response Healthy(ModelServer& server, const http::Request& request);

}  // namespace muster::registry::serve
