#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

#include "runtime/base/file.h"
#include "runtime/base/stop_signals.h"
#include "runtime/http/server.h"
#include "runtime/server/tracker_service.h"

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
      const auto service,
      server::TrackerService::Open(
          {.db = folder / "tracker.db",
           .artifact_root = root,
           .variable = Variable,
           // The tests' receivers are on this machine.
           .webhooks = {.schemes = {"http", "https"}, .private_addresses = true, .resolve = {}},
           .fence = Fence,
           .stop_trial = [](const RunId& run) { return Status(NotFound(run.value)); }},
          SystemClock()));
  http::Router router;
  service->AddRoutes(router);
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
