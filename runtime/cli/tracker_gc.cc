// muster tracker gc
#include <unistd.h>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <iostream>
#include <memory>
#include <thread>

#include "registry/sqlite/model_store.h"
#include "runtime/base/clock.h"
#include "runtime/cli/context.h"
#include "runtime/server/artifact_roots.h"
#include "runtime/server/home.h"
#include "runtime/sqlite/database.h"
#include "tracker/gc/collect.h"
#include "tracker/sqlite/run_store.h"

namespace muster::cli {
namespace {

namespace fs = std::filesystem;
using tracker::GcPolicy;
using tracker::GcReport;

constexpr const char* kPath = "/api/muster/v1/tracker/gc";

struct CollectFlags {
  std::string db, artifact_root, older_than;
  GcPolicy policy;
  bool vacuum = false;
};

std::string Count(std::int64_t count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

/// "3.2 GiB".
std::string Size(std::int64_t bytes) {
  const char* const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
  auto size = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; size >= 1024 && unit + 1 < std::size(units); ++unit) size /= 1024;
  return Short(size) + " " + units[unit];
}

std::string Summary(const GcReport& report) {
  return Count(report.runs, "run") + ", " + Count(report.logged_models, "logged model") + ", " +
         Count(report.experiments, "experiment") + "; " + Count(report.points, "point") + "; " +
         Count(report.files, "file") + " (" + Size(report.bytes) + ")";
}

/// One line that is written over, on a terminal only.
class Progress {
 public:
  explicit Progress(const Context& context)
      : shown_(!context.quiet && !context.json && isatty(STDERR_FILENO) != 0) {}
  ~Progress() {
    if (shown_) std::cerr << "\r\x1b[K" << std::flush;
  }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void Show(const GcReport& report) {
    const MonotonicTime now = SystemClock().Now();
    if (!shown_ || now < next_) return;
    next_ = now + std::chrono::milliseconds(200);
    std::cerr << "\r\x1b[K" << report.phase << ": " << Summary(report) << std::flush;
  }

 private:
  const bool shown_;
  MonotonicTime next_;
};

// --- a server does it -----------------------------------------------------------------------------

/// Begins one there and waits for its end.
Result<GcReport> AskServer(const Context& context, http::Client client, const GcPolicy& policy) {
  constexpr auto kPoll = std::chrono::milliseconds(100);
  try {
    MUSTER_ASSIGN_OR_RETURN(auto state,
                            client.Json("POST", kPath, boost::json::parse(EncodeGcPolicy(policy))));
    const std::string path =
        std::string(kPath) + "/" + std::to_string(state.at("id").to_number<std::int64_t>());
    Progress progress(context);
    for (;;) {
      MUSTER_ASSIGN_OR_RETURN(GcReport report,
                              tracker::DecodeGcReport(boost::json::serialize(state.at("report"))));
      if (const auto* error = state.as_object().if_contains("error")) {
        return Error{ErrorKindFromName(std::string(error->at("code").as_string())),
                     std::string(error->at("message").as_string())};
      }
      if (!state.at("running").as_bool()) return report;
      progress.Show(report);
      std::this_thread::sleep_for(kPoll);
      MUSTER_ASSIGN_OR_RETURN(state, client.Json("GET", path));
    }
  } catch (const std::exception& error) {
    return Corrupt(std::string("the server's answer cannot be read: ") + error.what());
  }
}

// --- this process does it -------------------------------------------------------------------------

Result<GcReport> CollectHere(const Context& context, const CollectFlags& flags,
                             const fs::path& db) {
  const fs::path folder = db.parent_path();
  MUSTER_ASSIGN_OR_RETURN(const auto artifacts,
                          server::OpenArtifactRoots(flags.artifact_root, folder / "artifacts",
                                                    SystemClock(), EnvironmentVariable));
  MUSTER_ASSIGN_OR_RETURN(const auto runs, tracker::OpenSqliteRunStore(db, SystemClock()));
  MUSTER_ASSIGN_OR_RETURN(const auto models, registry::SqliteModelStore::OpenSigned(
                                                 folder / "registry.db", SystemClock()));
  Progress progress(context);
  return CollectGarbage(
      {*runs, *artifacts.store, artifacts.open_root, *models, SystemClock()}, flags.policy,
      {.progress = [&](const GcReport& report) { progress.Show(report); }, .stopped = {}});
}

/// After the store is closed.
Status Vacuum(const fs::path& db) {
  MUSTER_ASSIGN_OR_RETURN(auto database, sqlite::Database::Open(db));
  return database.Execute("VACUUM");
}

Result<GcReport> DoGc(const Context& context, const CollectFlags& flags) {
  MUSTER_RETURN_IF_ERROR(CheckGcPolicy(flags.policy));
  const auto no_vacuum = [&](const std::string& server) {
    return Conflict("--vacuum writes the whole database anew, which no server may have open; " +
                    server + " has. Without it, the server deletes, and uses the space again");
  };
  if (!context.server.empty()) {
    if (flags.vacuum) return no_vacuum(context.server);
    MUSTER_ASSIGN_OR_RETURN(auto client, context.Connect());
    return AskServer(context, std::move(client), flags.policy);
  }
  const fs::path db = flags.db.empty() ? context.Home() / "tracker.db" : fs::absolute(flags.db);
  std::error_code failed;
  if (!fs::exists(db, failed)) {
    return NotFound(db.string() +
                    ": no such file; --server names a server, --home its folder, "
                    "--db a database");
  }
  const auto lock = server::HomeLock::Take(db.parent_path());
  if (!lock.ok() && lock.error().kind == ErrorKind::kConflict) {
    const auto note = server::ReadServerNote(db.parent_path());
    if (!note.ok()) return lock.error();
    if (flags.vacuum) return no_vacuum(note->url);
    return AskServer(context, http::Client(note->url), flags.policy);
  }
  if (!lock.ok()) return lock.error();
  MUSTER_ASSIGN_OR_RETURN(GcReport report, CollectHere(context, flags, db));
  if (flags.vacuum && !flags.policy.dry_run) MUSTER_RETURN_IF_ERROR(Vacuum(db));
  return report;
}

// --- what came of it ------------------------------------------------------------------------------

void Print(const GcReport& report, const CollectFlags& flags) {
  const bool dry = report.dry_run;
  if (flags.policy.has_rules()) {
    std::cout << (dry ? "would delete by the rules, softly: " : "deleted by the rules, softly: ")
              << Count(report.retired, "run") << "\n";
  }
  std::cout << (dry ? "would erase " : "erased ") << Summary(report) << "\n";
  for (const std::string& example : report.examples) std::cout << "  " << example << "\n";
  const auto all = report.runs + report.logged_models + report.experiments;
  if (const auto more = all - std::ssize(report.examples); more > 0) {
    std::cout << "  and " << more << " more\n";
  }
  if (report.kept > 0) {
    std::cout << Count(report.kept, "thing") << (dry ? " would stay:\n" : " stayed:\n");
  }
  for (const std::string& why : report.kept_because) std::cout << "  " << why << "\n";
  if (report.failed > 0) {
    std::cout << "files of " << Count(report.failed, "thing") << " could not be "
              << (dry ? "weighed:\n" : "removed:\n");
  }
  for (const std::string& why : report.failures) std::cout << "  " << why << "\n";
  if (dry) return;
  std::cout << "the artifact store freed " << Size(report.freed_bytes) << " in "
            << Count(report.contents, "content");
  if (report.uploads > 0) std::cout << " and " << Count(report.uploads, "upload");
  std::cout << (flags.vacuum ? "; the database was written anew\n"
                             : "; the database uses its free pages again, its file stays as long "
                               "as it is (--vacuum)\n");
}

int RunGc(const Context& context, CollectFlags& flags) {
  if (!flags.older_than.empty()) {
    const auto age = tracker::ParseAge(flags.older_than);
    if (!age.ok()) return Fail(context, age.error().With("--older-than"));
    flags.policy.older_than_ms = *age;
  }
  const auto report = DoGc(context, flags);
  if (!report.ok()) return Fail(context, report.error());
  const int code = report->failed == 0 || report->dry_run ? kDone : kFailed;
  if (!PrintJson(context, boost::json::parse(EncodeGcReport(*report)))) Print(*report, flags);
  return code;
}

void AddRules(CLI::App& command, GcPolicy& policy) {
  command
      .add_option(
          "--filter", policy.filter,
          "The rules are about runs that this finds, in MLflow's search grammar: \"tags.scratch "
          "= 'yes'\". Alone: delete them")
      ->group("Rules for runs that nobody deleted");
  command
      .add_option("--keep-last", policy.keep_last,
                  "Keep the newest so many of each experiment, delete the others")
      ->group("Rules for runs that nobody deleted");
  command
      .add_option("--keep-best", policy.keep_best,
                  "Keep the best so many of each experiment by --metric")
      ->group("Rules for runs that nobody deleted");
  command.add_option("--metric", policy.metric, "What --keep-best compares: its latest value")
      ->group("Rules for runs that nobody deleted");
  command.add_option("--mode", policy.mode, "Which is better: min or max")
      ->group("Rules for runs that nobody deleted");
}

}  // namespace

void AddTrackerGc(CLI::App& tracker, Context& context) {
  auto* command = tracker.add_subcommand(
      "gc", "Delete for good, with all files, what was deleted; a server may run");
  const auto flags = std::make_shared<CollectFlags>();
  command->add_option("--older-than", flags->older_than,
                      "Only what was deleted so long ago: 30d, 8h, 1d12h (default 30d; 0s with "
                      "--run or --logged-model)");
  command->add_option("--experiment", flags->policy.experiments,
                      "Only what is in this experiment, by id or name; the experiment itself, too, "
                      "when it is deleted. May come several times");
  command->add_option("--run", flags->policy.runs, "This deleted run; may come several times");
  command->add_option("--logged-model", flags->policy.logged_models,
                      "This deleted logged model; may come several times");
  AddRules(*command, flags->policy);
  command->add_flag("--dry-run", flags->policy.dry_run, "Change nothing; tell what would go");
  command->add_option("--db", flags->db,
                      "The database of `muster tracker serve` (default: tracker.db of --home)");
  command->add_option("--artifact-root", flags->artifact_root,
                      "As that of `muster tracker serve`; for --db while no server runs");
  command->add_flag("--vacuum", flags->vacuum,
                    "Then write the database anew, as short as it can be; while no server runs");
  command->footer(
      "Deleting a run, an experiment or a logged model through MLflow only marks it: it can be "
      "restored, and its\n"
      "name stays taken. gc takes away for good what has been marked for --older-than: its points, "
      "params, tags and\n"
      "files; the name of an experiment may then be used again, ids never are. Runs and models "
      "that "
      "a registered\n"
      "model version comes from stay.\n"
      "\n"
      "Rules mark runs that nobody deleted, so that they go after --older-than:\n"
      "  muster tracker gc --experiment digits --keep-last 100 --keep-best 10 --metric accuracy "
      "--mode max\n"
      "  muster tracker gc --filter \"tags.scratch = 'yes'\" --older-than 0s\n"
      "A run that both of the keep rules leave out is deleted; runs that are running never are.\n"
      "\n"
      "A server that runs on --home, on the folder of --db, or at --server does the work beside "
      "its clients;\n"
      "`muster server` and `muster tracker serve` do it by themselves with --gc-every 1d.\n"
      "Exit code 0: done; 1: some files could not be removed, the next gc tries again.");
  command->callback(
      [&context, flags] { context.run = [&context, flags] { return RunGc(context, *flags); }; });
}

}  // namespace muster::cli
