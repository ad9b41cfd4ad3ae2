#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

#include "registry/sqlite/model_store.h"
#include "registry/sqlite/webhook_store.h"
#include "runtime/base/file.h"
#include "runtime/base/random.h"
#include "runtime/base/stop_signals.h"
#include "runtime/http/server.h"
#include "runtime/server/artifact_roots.h"
#include "runtime/server/gc_routes.h"
#include "runtime/server/webhook_worker.h"
#include "tracker/live/chart_routes.h"
#include "tracker/live/event_routes.h"
#include "tracker/live/rank_routes.h"
#include "tracker/mlflow/routes.h"
#include "tracker/sqlite/run_store.h"
#include "tracker/transfer/export_routes.h"

/// The tracker alone behind HTTP, for the tests that use MLflow's own client:
///   tracker_server FOLDER PORT_FILE [THREADS] [ARTIFACT_ROOT]
/// Keeps its databases in FOLDER, writes its port to PORT_FILE, ends on SIGTERM. ARTIFACT_ROOT is as
/// that of `muster tracker serve`; FOLDER/artifacts without it.

namespace muster {
namespace {

/// The one token that a run's writer may carry here; any other is an attempt that is over.
constexpr std::string_view kStaleToken = "stale";

Result<AttemptEpoch> Fence(const http::Request& request, const RunId&) {
  if (request.BearerToken() == kStaleToken) return Fenced("attempt 1 is over; attempt 2 owns it");
  return AttemptEpoch();
}

std::optional<std::string> Variable(std::string_view name) {
  const char* value = std::getenv(std::string(name).c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

Status Serve(const std::filesystem::path& folder, const std::filesystem::path& port_file,
             int threads, const std::string& root) {
  StopSignals signals;
  MUSTER_ASSIGN_OR_RETURN(
      const server::ArtifactRoots artifacts,
      server::OpenArtifactRoots(root, folder / "artifacts", SystemClock(), Variable));
  MUSTER_ASSIGN_OR_RETURN(const auto runs,
                          tracker::OpenSqliteRunStore(folder / "tracker.db", SystemClock(),
                                                      {.artifact_root = artifacts.location}));
  MUSTER_ASSIGN_OR_RETURN(const auto models,
                          registry::SqliteModelStore::Open(folder / "registry.db", SystemClock()));
  tracker::EventLog events;
  runs->SetEventSink([&events](tracker::RunEvent event) { events.Add(std::move(event)); });
  http::Router router;
  tracker::AddEventRoutes(router, events, RandomHex(4));
  tracker::AddChartRoutes(router, *runs);
  tracker::AddRankRoutes(router, *runs, SystemClock());
  MUSTER_ASSIGN_OR_RETURN(const auto webhooks, registry::SqliteWebhookStore::Open(
                                                   folder / "registry.db", SystemClock()));
  // The tests' receivers are on this machine.
  const registry::WebhookPolicy policy{
      .schemes = {"http", "https"}, .private_addresses = true, .resolve = {}};
  const auto worker = server::MakeWebhookWorker(*models, *webhooks, SystemClock(), policy);
  tracker::AddExportRoutes(router, *runs);
  server::GcWorker gc({*runs, *artifacts.store, artifacts.open_root, *models, SystemClock()});
  server::AddGcRoutes(router, gc);
  tracker::AddMlflowRoutes(router, *runs, *artifacts.store, *models,
                           {.fence = Fence,
                            .open_root = artifacts.open_root,
                            .folder = std::filesystem::current_path(),
                            .webhooks = server::WebhookRoutesOf(*webhooks, *worker, policy)});
  MUSTER_ASSIGN_OR_RETURN(
      const auto server,
      http::Server::Start({.threads = threads, .spool_dir = folder / "spool"}, router));
  MUSTER_RETURN_IF_ERROR(WriteFileAtomically(port_file, std::to_string(server->port())));
  signals.Wait();
  server->Stop();
  runs->SetEventSink({});
  return Ok();
}

}  // namespace
}  // namespace muster

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: tracker_server FOLDER PORT_FILE [THREADS] [ARTIFACT_ROOT]\n");
    return 2;
  }
  const muster::Status status = muster::Serve(
      argv[1], argv[2], argc > 3 ? static_cast<int>(std::strtol(argv[3], nullptr, 10)) : 2,
      argc > 4 ? argv[4] : "");
  if (status.ok()) return 0;
  std::fprintf(stderr, "tracker_server: %s\n", status.error().message.c_str());
  return 1;
}
