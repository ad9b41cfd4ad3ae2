#include "runtime/server/tracker_service.h"

#include <utility>

#include "runtime/base/random.h"
#include "runtime/server/gc_routes.h"
#include "runtime/server/rule_routes.h"
#include "tracker/live/chart_routes.h"
#include "tracker/live/event_routes.h"
#include "tracker/live/rank_routes.h"
#include "tracker/mlflow/routes.h"
#include "tracker/sqlite/run_store.h"
#include "tracker/transfer/export_routes.h"

namespace muster::server {

TrackerService::TrackerService(TrackerSettings of, const Clock& with)
    : settings(std::move(of)), clock(with) {}

Result<std::unique_ptr<TrackerService>> TrackerService::Open(TrackerSettings settings,
                                                             const Clock& clock) {
  auto service = std::make_unique<TrackerService>(std::move(settings), clock);
  MUSTER_RETURN_IF_ERROR(service->OpenParts());
  service->StartWorkers();
  return service;
}

TrackerService::~TrackerService() {
  if (runs) runs->SetMetricObserver({});
  if (runs) runs->SetEventSink({});
  if (rules) rules->Stop();
}

Status TrackerService::OpenParts() {
  const auto folder = settings.db.parent_path();
  MUSTER_ASSIGN_OR_RETURN(roots, OpenArtifactRoots(settings.artifact_root, folder / "artifacts",
                                                   clock, settings.variable));
  MUSTER_ASSIGN_OR_RETURN(
      runs, tracker::OpenSqliteRunStore(settings.db, clock, {.artifact_root = roots.location}));
  MUSTER_ASSIGN_OR_RETURN(models,
                          registry::SqliteModelStore::OpenSigned(folder / "registry.db", clock));
  MUSTER_ASSIGN_OR_RETURN(webhooks,
                          registry::SqliteWebhookStore::Open(folder / "registry.db", clock));
  MUSTER_ASSIGN_OR_RETURN(rule_store, tracker::SqliteRuleStore::Open(folder / "rules.db"));
  return Ok();
}

void TrackerService::StartWorkers() {
  runs->SetEventSink([this](tracker::RunEvent event) { events.Add(std::move(event)); });
  webhook_worker = MakeWebhookWorker(*models, *webhooks, clock, settings.webhooks);
  rules = std::make_shared<RuleWorker>(RuleWorker::Parts{
      *rule_store, *runs, clock,
      [this](const std::string& webhook, const std::string& source,
             const tracker::Finding& finding) {
        return TellOfFinding(*webhooks, *webhook_worker, webhook, source, finding, clock.UnixNow());
      },
      settings.stop_trial});
  runs->SetMetricObserver([this](const RunId& run, const std::vector<tracker::Metric>& metrics) {
    rules->Observe(run, metrics);
  });
  gc = std::make_unique<GcWorker>(
      tracker::GcParts{*runs, *roots.store, roots.open_root, *models, clock}, settings.gc);
}

void TrackerService::AddRoutes(http::Router& router) {
  tracker::AddMlflowRoutes(
      router, *runs, *roots.store, *models,
      {.fence = settings.fence,
       .open_root = roots.open_root,
       .folder = std::filesystem::current_path(),
       .webhooks = WebhookRoutesOf(*webhooks, *webhook_worker, settings.webhooks)});
  tracker::AddExportRoutes(router, *runs);
  tracker::AddEventRoutes(router, events, RandomHex(4));
  tracker::AddChartRoutes(router, *runs);
  tracker::AddRankRoutes(router, *runs, clock);
  AddRuleRoutes(router, *rule_store, *rules, *webhooks);
  AddGcRoutes(router, *gc);
}

}  // namespace muster::server
