// muster tracker serve|check|search|export|import|gc|rule|ranks
#include <unistd.h>

#include <memory>
#include <optional>

#include "runtime/base/file.h"
#include "runtime/base/log.h"
#include "runtime/base/stop_signals.h"
#include "runtime/cli/context.h"
#include "runtime/cli/gc_flags.h"
#include "runtime/cli/webhook_flags.h"
#include "runtime/http/server.h"
#include "runtime/server/home.h"
#include "runtime/server/tracker_service.h"
#include "tracker/sqlite/check.h"

namespace muster::cli {
namespace {

namespace fs = std::filesystem;

struct ServeFlags {
  std::string host = "127.0.0.1", port_file, db, artifact_root, static_prefix;
  std::uint16_t port = 5000;
  int threads = 2;
  WebhookFlags webhooks;
  GcFlags gc;
};

/// Everything that one tracker has open, in the order in which it goes.
struct Tracker {
  std::unique_ptr<server::HomeLock> lock;
  std::unique_ptr<server::TrackerService> service;
  http::Router router;
  std::unique_ptr<http::Server> server;
};

Status Start(const ServeFlags& flags, Tracker& started) {
  const fs::path db = fs::absolute(flags.db);
  std::error_code error;
  fs::create_directories(db.parent_path(), error);
  if (error) return IoError(db.parent_path().string(), error.value());
  MUSTER_ASSIGN_OR_RETURN(started.lock, server::HomeLock::Take(db.parent_path()));
  MUSTER_ASSIGN_OR_RETURN(const server::GcSchedule schedule, ScheduleOf(flags.gc));
  server::TrackerSettings settings{.db = db,
                                   .artifact_root = flags.artifact_root,
                                   .variable = EnvironmentVariable,
                                   .webhooks = PolicyOf(flags.webhooks),
                                   .gc = schedule};
  // Nothing runs trials here, so a rule can tell and not stop.
  settings.stop_trial = [](const RunId& run) -> Status {
    return NotFound("run " + run.value + " is of no trial that this server runs");
  };
  MUSTER_ASSIGN_OR_RETURN(started.service,
                          server::TrackerService::Open(std::move(settings), SystemClock()));
  started.service->AddRoutes(started.router);
  MUSTER_ASSIGN_OR_RETURN(started.server,
                          http::Server::Start({.host = flags.host,
                                               .port = flags.port,
                                               .threads = flags.threads,
                                               .spool_dir = started.service->roots.folder / "spool",
                                               .path_prefix = flags.static_prefix},
                                              started.router));
  MUSTER_RETURN_IF_ERROR(
      server::WriteServerNote(db.parent_path(), {started.server->url(), ::getpid(), ""}));
  if (flags.port_file.empty()) return Ok();
  return WriteFileAtomically(flags.port_file, std::to_string(started.server->port()) + "\n");
}

int Serve(const Context& context, const ServeFlags& flags) {
  StopSignals signals;
  Tracker started;
  if (const Status status = Start(flags, started); !status.ok()) {
    return Fail(context, status.error());
  }
  LogInfo("tracker", "ready on " + started.server->url() + ", database " + flags.db);
  signals.Wait();
  started.server->Stop();
  return kDone;
}

int Check(const Context& context, const std::string& file) {
  const auto report = tracker::CheckTrackerDatabase(file);
  if (!report.ok()) return Fail(context, report.error());
  boost::json::array problems(report->problems.begin(), report->problems.end());
  const int code = problems.empty() ? kDone : kFailed;
  if (PrintJson(context, boost::json::object{{"runs", report->runs},
                                             {"series", report->series},
                                             {"points", report->points},
                                             {"chunks", report->chunks},
                                             {"tail_rows", report->tail_rows},
                                             {"problems", std::move(problems)}})) {
    return code;
  }
  for (const std::string& problem : report->problems) std::printf("%s\n", problem.c_str());
  if (report->problems.size() == tracker::CheckReport::kMostProblems)
    std::printf("and maybe more\n");
  std::printf("%s: %lld runs, %lld series, %lld points in %lld chunks and %lld tail rows: %s\n",
              file.c_str(), static_cast<long long>(report->runs),
              static_cast<long long>(report->series), static_cast<long long>(report->points),
              static_cast<long long>(report->chunks), static_cast<long long>(report->tail_rows),
              code == kDone ? "all in order" : "NOT in order");
  return code;
}

void AddServing(CLI::App& tracker, Context& context) {
  auto* command = tracker.add_subcommand("serve", "Run MLflow's REST API alone, on one database");
  auto flags = std::make_shared<ServeFlags>();
  command->add_option("--db", flags->db, "The database; made when it is not there")->required();
  command->add_option("--artifact-root", flags->artifact_root,
                      "Where artifacts are: a folder (default: artifacts beside the database), "
                      "s3://bucket/prefix, or file:///folder, where clients write themselves");
  command->add_option("--host", flags->host, "Address to listen on")->capture_default_str();
  command->add_option("--port", flags->port, "Port; 0 picks one")->capture_default_str();
  command->add_option("--port-file", flags->port_file, "Write the port there once all is ready");
  command
      ->add_option("--static-prefix", flags->static_prefix,
                   "What every path begins with, as behind a proxy: \"/mlflow\"")
      ->envname("MLFLOW_STATIC_PREFIX");
  command->add_option("--threads", flags->threads, "Threads for connections")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  AddWebhookFlags(*command, flags->webhooks);
  AddGcFlags(*command, flags->gc);
  command->footer(
      "The model registry is registry.db beside the database, rules are in rules.db. The port has "
      "no login and stays on\n"
      "loopback. Point MLflow at it: export MLFLOW_TRACKING_URI=http://127.0.0.1:5000");
  command->callback(
      [&context, flags] { context.run = [&context, flags] { return Serve(context, *flags); }; });
}

void AddChecking(CLI::App& tracker, Context& context) {
  auto* command = tracker.add_subcommand(
      "check", "Read all of a database and tell what is wrong with it; a server may run on it");
  auto file = std::make_shared<std::string>();
  command->add_option("--db", *file, "The database")->required();
  command->footer("Exit code 0: all in order; 1: something is wrong, or it cannot be read.");
  command->callback(
      [&context, file] { context.run = [&context, file] { return Check(context, *file); }; });
}

}  // namespace

void AddTracker(CLI::App& app, Context& context) {
  auto* tracker =
      app.add_subcommand("tracker", "Run or check a tracker's database by itself; rules");
  tracker->require_subcommand(1);
  AddServing(*tracker, context);
  AddChecking(*tracker, context);
  AddTrackerSearch(*tracker, context);
  AddTrackerExport(*tracker, context);
  AddTrackerImport(*tracker, context);
  AddTrackerGc(*tracker, context);
  AddTrackerRule(*tracker, context);
  AddTrackerRanks(*tracker, context);
}

}  // namespace muster::cli
