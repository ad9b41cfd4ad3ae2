#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "registry/sqlite/model_store.h"
#include "registry/sqlite/webhook_store.h"
#include "runtime/base/file.h"
#include "runtime/base/random.h"
#include "runtime/base/stop_signals.h"
#include "runtime/http/server.h"
#include "runtime/server/webhook_worker.h"
#include "tracker/files/folder_store.h"
#include "tracker/live/event_routes.h"
#include "tracker/mlflow/routes.h"
#include "tracker/s3/artifact_store.h"
#include "tracker/sqlite/artifact_store.h"
#include "tracker/sqlite/run_store.h"
#include "tracker/transfer/export_routes.h"

/// The tracker alone behind HTTP, for the tests that use MLflow's own client:
///   tracker_server FOLDER PORT_FILE [THREADS] [ARTIFACT_ROOT]
/// Keeps its databases in FOLDER, writes its port to PORT_FILE, ends on SIGTERM. ARTIFACT_ROOT: "s3://..." is kept
/// behind the proxy, "file:..." or a path is where the clients write themselves; else FOLDER/artifacts.

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

Result<std::unique_ptr<tracker::ArtifactStore>> OpenArtifacts(const std::filesystem::path& folder,
                                                              const std::string& root) {
  if (!root.starts_with("s3://")) return tracker::OpenLocalArtifactStore(folder / "artifacts");
  MUSTER_ASSIGN_OR_RETURN(auto options, tracker::S3OptionsFor(root, folder / "scratch", Variable));
  return tracker::OpenS3ArtifactStore(std::move(options), SystemClock());
}

Status Serve(const std::filesystem::path& folder, const std::filesystem::path& port_file,
             int threads, const std::string& root) {
  StopSignals signals;
  tracker::SqliteRunStoreOptions run_options;
  std::vector<std::filesystem::path> local_roots;
  if (const auto local = tracker::LocalFolderOf(root); local && !local->empty()) {
    run_options.artifact_root = root;
    local_roots.emplace_back(*local);
  }
  MUSTER_ASSIGN_OR_RETURN(const auto runs, tracker::OpenSqliteRunStore(folder / "tracker.db",
                                                                       SystemClock(), run_options));
  MUSTER_ASSIGN_OR_RETURN(const auto artifacts, OpenArtifacts(folder, root));
  MUSTER_ASSIGN_OR_RETURN(const auto models,
                          registry::SqliteModelStore::Open(folder / "registry.db", SystemClock()));
  tracker::EventLog events;
  runs->SetEventSink([&events](tracker::RunEvent event) { events.Add(std::move(event)); });
  http::Router router;
  tracker::AddEventRoutes(router, events, RandomHex(4));
  MUSTER_ASSIGN_OR_RETURN(const auto webhooks, registry::SqliteWebhookStore::Open(
                                                   folder / "registry.db", SystemClock()));
  // The tests' receivers are on this machine.
  const registry::WebhookPolicy policy{
      .schemes = {"http", "https"}, .private_addresses = true, .resolve = {}};
  const auto worker = server::MakeWebhookWorker(*models, *webhooks, SystemClock(), policy);
  tracker::AddExportRoutes(router, *runs);
  tracker::AddMlflowRoutes(
      router, *runs, *artifacts, *models,
      {.fence = Fence,
       .open_root = [&local_roots](
                        std::string_view uri) { return tracker::OpenLocalRoot(uri, local_roots); },
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
