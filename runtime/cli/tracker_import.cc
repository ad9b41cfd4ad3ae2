// muster tracker import
#include <unistd.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <iostream>
#include <memory>

#include "registry/sqlite/model_store.h"
#include "runtime/base/clock.h"
#include "runtime/cli/context.h"
#include "runtime/server/home.h"
#include "tracker/sqlite/artifact_store.h"
#include "tracker/sqlite/run_store.h"
#include "tracker/transfer/import.h"

namespace muster::cli {
namespace {

namespace fs = std::filesystem;
using tracker::ImportReport;

struct ImportFlags {
  std::string path, artifacts;
  bool keep_addresses = false;
};

std::string Counts(const ImportReport& report) {
  return std::to_string(report.runs) + " runs, " + std::to_string(report.points) + " points, " +
         std::to_string(report.files) + " files";
}

/// One line that is written over, twice a second, on a terminal only.
std::function<void(const ImportReport&)> Progress(const Context& context) {
  if (context.quiet || context.json || isatty(STDERR_FILENO) == 0) return {};
  const auto next = std::make_shared<MonotonicTime>();
  return [next](const ImportReport& report) {
    const MonotonicTime now = SystemClock().Now();
    if (now < *next) return;
    *next = now + std::chrono::milliseconds(500);
    std::cerr << "\r\x1b[K" << Counts(report) << std::flush;
  };
}

Result<std::unique_ptr<tracker::ImportSource>> OpenSource(const ImportFlags& flags) {
  std::error_code failed;
  if (fs::is_directory(flags.path, failed)) return tracker::OpenMlrunsFolder(flags.path);
  if (!fs::exists(flags.path, failed)) {
    return NotFound(flags.path +
                    ": no such file or folder; wanted an mlflow.db or an mlruns folder");
  }
  fs::path artifacts = flags.artifacts;
  // Where `mlflow server` keeps them unless it is told otherwise.
  const fs::path beside = fs::absolute(flags.path).parent_path() / "mlartifacts";
  if (artifacts.empty() && fs::is_directory(beside, failed)) artifacts = beside;
  return tracker::OpenMlflowDatabase(flags.path, artifacts);
}

Result<ImportReport> DoImport(const Context& context, const ImportFlags& flags) {
  MUSTER_ASSIGN_OR_RETURN(const auto source, OpenSource(flags));
  const fs::path home = context.Home();
  // A server would not see what another process writes below it.
  MUSTER_ASSIGN_OR_RETURN(const auto lock, server::HomeLock::Take(home));
  MUSTER_ASSIGN_OR_RETURN(const auto runs,
                          tracker::OpenSqliteRunStore(home / "tracker.db", SystemClock()));
  MUSTER_ASSIGN_OR_RETURN(const auto artifacts,
                          tracker::OpenLocalArtifactStore(home / "artifacts"));
  MUSTER_ASSIGN_OR_RETURN(const auto models, registry::SqliteModelStore::OpenSigned(
                                                 home / "registry.db", SystemClock()));
  return tracker::Import(*source, {*runs, *artifacts, *models},
                         {.copy_artifacts = !flags.keep_addresses, .progress = Progress(context)});
}

int RunImport(const Context& context, const ImportFlags& flags) {
  const auto report = DoImport(context, flags);
  if (isatty(STDERR_FILENO) != 0 && !context.quiet) std::cerr << "\r\x1b[K";
  if (!report) return Fail(context, report.error());
  const boost::json::object summary{
      {"experiments", report->experiments},
      {"runs", report->runs},
      {"runs_known", report->runs_known},
      {"points", report->points},
      {"logged_models", report->logged_models},
      {"model_versions", report->versions},
      {"files", report->files},
      {"bytes", report->bytes},
      {"left_out", boost::json::array(report->left_out.begin(), report->left_out.end())}};
  if (PrintJson(context, summary)) return kDone;
  std::cout << "imported " << report->experiments << " experiments: " << Counts(*report) << ", "
            << report->logged_models << " logged models, " << report->versions
            << " model versions; " << report->runs_known << " runs were here already\n";
  for (const std::string& left : report->left_out) std::cout << "left out: " << left << "\n";
  return kDone;
}

}  // namespace

void AddTrackerImport(CLI::App& tracker, Context& context) {
  auto* command = tracker.add_subcommand(
      "import",
      "Bring over an MLflow database (2.0 to 3.18) or an mlruns folder, while no server runs");
  const auto flags = std::make_shared<ImportFlags>();
  command->add_option("path", flags->path, "An mlflow.db, or an mlruns folder")->required();
  command->add_option("--artifacts", flags->artifacts,
                      "The folder that `mlflow server` had as --artifacts-destination (default: "
                      "mlartifacts beside the database)");
  command->add_flag("--keep-addresses", flags->keep_addresses,
                    "Copy no files: runs keep the artifact address they had");
  command->callback([&context, flags] {
    context.run = [&context, flags] { return RunImport(context, *flags); };
  });
}

}  // namespace muster::cli
