#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "registry/inference_engine.h"
#include "registry/serve/batcher.h"
#include "registry/serve/model_source.h"
#include "registry/serve/serving_stats.h"
#include "runtime/base/clock.h"
#include "runtime/wire/http.h"

/// Answers inference requests over HTTP:
///
///   GET  /v2, /v2/health/live, /v2/health/ready                          Open Inference Protocol v2
///   GET  /v2/models/M[/versions/V][/ready]
///   POST /v2/models/M[/versions/V]/infer                                 infer_codec.h
///   POST /v2/repository/index
///   POST /invocations, GET /ping, /health, /version                      MLflow's, invocations.h
///   GET  /metrics                                                        Prometheus
///
/// Errors are {"error": "..."}, on /invocations MLflow's {"error_code", "message"}: 400 for a wrong
/// request, 404 for an unknown model, 429 with Retry-After while too many wait, 500 for the engine's failure, 503 when
/// the request's parameter `timeout` (microseconds, as Triton's) passed while it waited, 507 when the engine had no
/// memory. Where Triton answers a malformed JSON with 500, this server answers 400.

namespace muster::registry::serve {

struct ModelServerOptions {
  std::string version = "0.1.0";  ///< of this program, told at /v2 and /version
  int threads = 1;                ///< that one inference may use; 0: the engine's choice
  /// With more than one row requests share calls, on threads of their own; else each is computed on the connection's.
  BatchOptions batch = {};
};

/// Safe from any thread. A model is replaced at once and whole: requests in flight finish on the version
/// they began with, which goes when the last of them has ended; no request fails for it.
class ModelServer {
 public:
  /// `engine` and `clock` must outlive the server.
  ModelServer(InferenceEngine& engine, ModelServerOptions options,
              const Clock& clock = SystemClock());

  ~ModelServer();  ///< requests that wait for others in a batch are computed at once
  ModelServer(const ModelServer&) = delete;
  ModelServer& operator=(const ModelServer&) = delete;

  /// Loads a version, tries it once on zeros, and lets it take the place of the model of that name, if there is
  /// one. A version that fails the try does not replace one that passed it. Blocks; on an error nothing changes.
  Status Load(const ModelLocation& location);

  /// Routes into `router`; the server must outlive it.
  void AddRoutes(http::Router& router);

 private:
  struct Served {
    std::string name, version;  ///< version in decimal
    std::shared_ptr<InferenceModel> model;
    std::unique_ptr<Batcher> batcher;  ///< null: requests are computed where they come in
    bool warm = false;                 ///< zeros were computed
    std::shared_ptr<ServingStats> stats;
  };
  using ServedPtr = std::shared_ptr<const Served>;

  /// The model that a request's {model} and {version} captures name; null when it is not served.
  ServedPtr Find(const http::Request& request) const;
  /// The model when there is only one, for routes that name none.
  ServedPtr Only() const;
  void Infer(const http::Request& request, http::Respond respond);
  void Invoke(const http::Request& request, http::Respond respond);
  [[nodiscard]] http::Response ServerMetadata() const;
  [[nodiscard]] http::Response ModelMetadata(const http::Request& request) const;
  [[nodiscard]] http::Response Index() const;
  [[nodiscard]] http::Response Metrics() const;
  void AddMlflowRoutes(http::Router& router);
  /// From the first byte decoded to the answer that is ready, counted.
  struct Call {
    ServedPtr served;
    MonotonicTime start;
    http::Respond respond;
    http::Response (*failed)(int status, std::string_view message);  ///< in the protocol's form
    std::int64_t rows = 0;
  };
  using Encode = std::function<Result<http::Response>(const std::vector<Tensor>& outputs)>;
  void Compute(Call call, std::vector<Tensor> inputs,
               std::optional<std::chrono::microseconds> timeout, Encode encode);
  void Finish(const Call& call, Result<http::Response> response);

  InferenceEngine& engine_;
  const ModelServerOptions options_;
  const Clock& clock_;
  mutable std::mutex mutex_;  ///< guards what follows; never held during an inference
  std::map<std::string, ServedPtr, std::less<>> models_;
  /// By model and version, kept after a version is replaced: counters must not fall.
  std::map<std::pair<std::string, std::string>, std::shared_ptr<ServingStats>> stats_;
};

}  // namespace muster::registry::serve
