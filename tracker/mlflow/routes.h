#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "registry/model_store.h"
#include "registry/webhook.h"
#include "runtime/base/clock.h"
#include "runtime/base/ids.h"
#include "runtime/wire/http.h"
#include "tracker/artifact_store.h"
#include "tracker/run_store.h"

namespace muster::tracker {

struct MlflowOptions {
  /// Asked before every write to a run, its artifacts and the models that it logged, with the request (its
  /// bearer token) and the run (empty: the artifact or model is of no run): the attempt that writes, 0 when
  /// no live attempt owns the run. kFenced and kUnauthorized become 403 and 401. Any thread. Empty: nobody
  /// is asked.
  std::function<Result<AttemptEpoch>(const http::Request&, const RunId&)> fence;
  /// Who a change of the registry is written down as. Empty: "mlflow".
  std::function<std::string(const http::Request&)> actor;
  /// Opens the store of an artifact_uri that is not "mlflow-artifacts:" nor the proxy's address: "file:///p",
  /// "/p", "s3://bucket/p". Any thread. Empty: such artifacts are not read here.
  std::function<Result<std::shared_ptr<ArtifactStore>>(std::string_view artifact_uri)> open_root;
  /// Below it are the relative local paths that clients name: this process's own folder, as in MLflow.
  std::filesystem::path folder = {};
  /// Web hooks. Without a store, which outlives the router, they have no routes.
  struct Webhooks {
    registry::WebhookStore* store = nullptr;
    registry::WebhookPolicy policy = {};
    registry::TestWebhook test = {};
  } webhooks = {};
};

/// Adds MLflow 3.18's REST API (docs: https://mlflow.org/docs/latest/rest-api.html) to the router: experiments,
/// runs, metrics, artifacts, logged models and registered models, under /api/{2,3}.0/mlflow and
/// /ajax-api/{2,3}.0/mlflow, the artifact proxy under /api/2.0/mlflow-artifacts, /version and /health. What it
/// does not speak below those paths answers 404 ENDPOINT_NOT_FOUND. A write's answer is sent when it is
/// durable. What waits for that, and what reads from the disk, is added as blocking: reads and searches,
/// artifacts, the registry. Writes to runs and experiments are not, they wait for nothing. The stores outlive
/// the router.
void AddMlflowRoutes(http::Router& router, RunStore& runs, ArtifactStore& artifacts,
                     registry::ModelStore& models, MlflowOptions options = {});

}  // namespace muster::tracker
