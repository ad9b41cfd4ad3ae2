#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "registry/sqlite/model_store.h"
#include "registry/sqlite/webhook_store.h"
#include "runtime/server/artifact_roots.h"
#include "runtime/server/gc_worker.h"
#include "runtime/server/rule_worker.h"
#include "runtime/server/webhook_worker.h"
#include "tracker/event_log.h"
#include "tracker/sqlite/rule_store.h"

namespace muster::server {

struct TrackerSettings {
  std::filesystem::path
      db;  ///< registry.db and rules.db lie beside it, and artifacts/ unless there is a root
  std::string artifact_root;  ///< as OpenArtifactRoots
  /// Reads the environment, for a root that needs it.
  std::function<std::optional<std::string>(std::string_view)> variable = {};
  registry::WebhookPolicy webhooks;
  GcSchedule gc;
  /// MlflowOptions::fence.
  std::function<Result<AttemptEpoch>(const http::Request&, const RunId&)> fence;
  /// Ends the trial of a run that a rule stops; may wait.
  std::function<Status(const RunId&)> stop_trial;
};

/// The tracker with all that belongs to it: `muster server` has one in it, `muster tracker serve` is one. Its parts
/// live as long as it does; the threads beside them begin with Open and end with it.
struct TrackerService {
  /// Makes what is not there.
  static Result<std::unique_ptr<TrackerService>> Open(TrackerSettings settings, const Clock& clock);
  TrackerService(TrackerSettings settings, const Clock& clock);
  ~TrackerService();
  TrackerService(const TrackerService&) = delete;
  TrackerService& operator=(const TrackerService&) = delete;

  /// MLflow's and muster's own; it outlives the router's server.
  void AddRoutes(http::Router& router);

  const TrackerSettings settings;
  const Clock& clock;
  tracker::EventLog events;  ///< hears of every change of a run
  ArtifactRoots roots;
  std::unique_ptr<tracker::RunStore>
      runs;  ///< its metrics are observed by `rules`, until somebody else does
  std::unique_ptr<registry::SqliteModelStore> models;
  std::unique_ptr<registry::SqliteWebhookStore> webhooks;
  std::unique_ptr<WebhookWorker> webhook_worker;
  std::unique_ptr<tracker::SqliteRuleStore> rule_store;
  /// Also of writes under way, which tell it when they are durable.
  std::shared_ptr<RuleWorker> rules;
  std::unique_ptr<GcWorker> gc;

 private:
  Status OpenParts();
  void StartWorkers();
};

}  // namespace muster::server
