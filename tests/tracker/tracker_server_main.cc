#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "registry/sqlite/model_store.h"
#include "registry/sqlite/webhook_store.h"
#include "runtime/base/file.h"
#include "runtime/base/stop_signals.h"
#include "runtime/http/server.h"
#include "runtime/server/webhook_worker.h"
#include "tracker/mlflow/routes.h"
#include "tracker/sqlite/artifact_store.h"
#include "tracker/sqlite/run_store.h"

/// The tracker alone behind HTTP, for the tests that use MLflow's own client:
///   tracker_server FOLDER PORT_FILE [THREADS]
/// Keeps its databases in FOLDER, writes its port to PORT_FILE, ends on SIGTERM.

namespace muster {
namespace {

/// The one token that a run's writer may carry here; any other is an attempt that is over.
constexpr std::string_view kStaleToken = "stale";

Result<AttemptEpoch> Fence(const http::Request& request, const RunId&) {
  if (request.BearerToken() == kStaleToken) return Fenced("attempt 1 is over; attempt 2 owns it");
  return AttemptEpoch();
}

Status Serve(const std::filesystem::path& folder, const std::filesystem::path& port_file,
             int threads) {
  StopSignals signals;
  MUSTER_ASSIGN_OR_RETURN(const auto runs,
                          tracker::OpenSqliteRunStore(folder / "tracker.db", SystemClock()));
  MUSTER_ASSIGN_OR_RETURN(const auto artifacts,
                          tracker::OpenLocalArtifactStore(folder / "artifacts"));
  MUSTER_ASSIGN_OR_RETURN(const auto models,
                          registry::SqliteModelStore::Open(folder / "registry.db", SystemClock()));
  http::Router router;
  MUSTER_ASSIGN_OR_RETURN(const auto webhooks, registry::SqliteWebhookStore::Open(
                                                   folder / "registry.db", SystemClock()));
  // The tests' receivers are on this machine.
  const registry::WebhookPolicy policy{
      .schemes = {"http", "https"}, .private_addresses = true, .resolve = {}};
  const auto worker = server::MakeWebhookWorker(*models, *webhooks, SystemClock(), policy);
  tracker::AddMlflowRoutes(
      router, *runs, *artifacts, *models,
      {.fence = Fence, .webhooks = server::WebhookRoutesOf(*webhooks, *worker, policy)});
  MUSTER_ASSIGN_OR_RETURN(
      const auto server,
      http::Server::Start({.threads = threads, .spool_dir = folder / "spool"}, router));
  MUSTER_RETURN_IF_ERROR(WriteFileAtomically(port_file, std::to_string(server->port())));
  signals.Wait();
  server->Stop();
  return Ok();
}

}  // namespace
}  // namespace muster

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: tracker_server FOLDER PORT_FILE [THREADS]\n");
    return 2;
  }
  const muster::Status status = muster::Serve(
      argv[1], argv[2], argc > 3 ? static_cast<int>(std::strtol(argv[3], nullptr, 10)) : 2);
  if (status.ok()) return 0;
  std::fprintf(stderr, "tracker_server: %s\n", status.error().message.c_str());
  return 1;
}
