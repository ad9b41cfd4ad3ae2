// muster tracker export
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>

#include "runtime/base/clock.h"
#include "runtime/base/file.h"
#include "runtime/cli/context.h"
#include "runtime/server/home.h"
#include "tracker/sqlite/run_store.h"
#include "tracker/transfer/export.h"

namespace muster::cli {
namespace {

namespace fs = std::filesystem;

struct ExportFlags {
  std::string path, format = "csv", filter, view = "ACTIVE_ONLY";
  std::vector<std::string> tables = {"runs", "params", "tags", "latest", "metrics"};
  std::vector<std::string> experiments;
};

/// One table to be written: "runs.csv" and where.
struct Wanted {
  std::string table, format;
  fs::path file;
};

/// A path that ends in .csv or .arrow is one table, by its name; another is a folder for all that are wanted.
Result<std::vector<Wanted>> WantedFiles(const ExportFlags& flags) {
  const fs::path path = flags.path;
  const std::string ending = path.extension().empty() ? "" : path.extension().string().substr(1);
  if (tracker::ExportFormatOf(ending)) {
    const std::string stem = path.stem();
    if (tracker::ExportTableOf(stem)) return std::vector<Wanted>{{stem, ending, path}};
    if (flags.tables.size() == 1) return std::vector<Wanted>{{flags.tables[0], ending, path}};
    return Invalid(flags.path +
                   ": which table? Name the file runs, params, tags, latest or "
                   "metrics, or give one --table");
  }
  std::error_code failed;
  fs::create_directories(path, failed);
  if (failed) return IoError(flags.path, failed.value());
  std::vector<Wanted> files;
  files.reserve(flags.tables.size());
  for (const std::string& table : flags.tables) {
    files.push_back({table, flags.format, path / (table + "." + flags.format)});
  }
  return files;
}

std::string TargetOf(const ExportFlags& flags, const Wanted& wanted) {
  std::string target = "/api/muster/v1/export/" + wanted.table + "." + wanted.format +
                       "?view=" + http::PercentEncode(flags.view) +
                       "&filter=" + http::PercentEncode(flags.filter);
  for (const std::string& id : flags.experiments) {
    target += "&experiment_ids=" + http::PercentEncode(id);
  }
  return target;
}

Status FromServer(const Context& context, const ExportFlags& flags,
                  const std::vector<Wanted>& files) {
  MUSTER_ASSIGN_OR_RETURN(auto client, context.Connect());
  for (const Wanted& wanted : files) {
    MUSTER_RETURN_IF_ERROR(client.Download(TargetOf(flags, wanted), wanted.file));
  }
  return Ok();
}

/// The file is whole or not there: a neighbour that is renamed.
Status WriteTable(tracker::RunStore& runs, const ExportFlags& flags, const Wanted& wanted) {
  const std::map<std::string, tracker::ViewType> views = {
      {"ACTIVE_ONLY", tracker::ViewType::kActiveOnly},
      {"DELETED_ONLY", tracker::ViewType::kDeletedOnly},
      {"ALL", tracker::ViewType::kAll}};
  const fs::path part = wanted.file.string() + ".part";
  std::ofstream out(part, std::ios::binary | std::ios::trunc);
  const auto table = tracker::ExportTableOf(wanted.table);
  const auto format = tracker::ExportFormatOf(wanted.format);
  Status written = tracker::Export(
      runs, *table, *format, {flags.experiments, flags.filter, views.at(flags.view)},
      [&](const std::string& piece) -> Status {
        if (out << piece) return Ok();
        return Error{ErrorKind::kIo, part.string() + ": cannot be written"};
      });
  out.close();
  if (written.ok() && out.fail()) {
    written = Error{ErrorKind::kIo, part.string() + ": cannot be written"};
  }
  if (written.ok()) written = SyncToDisk(part);
  std::error_code failed;
  if (written.ok()) {
    fs::rename(part, wanted.file, failed);
    if (failed) written = IoError(wanted.file.string(), failed.value());
  }
  if (!written.ok()) fs::remove(part, failed);
  return written;
}

Status DoExport(const Context& context, const ExportFlags& flags,
                const std::vector<Wanted>& files) {
  if (!context.server.empty()) return FromServer(context, flags, files);
  const fs::path database = context.Home() / "tracker.db";
  std::error_code failed;
  if (!fs::exists(database, failed)) {
    return NotFound(database.string() + ": no such file; --home says where the server keeps it");
  }
  const auto lock = server::HomeLock::Take(context.Home());
  if (!lock && lock.error().kind == ErrorKind::kConflict) {
    return FromServer(context, flags, files);
  }
  if (!lock) return lock.error();
  MUSTER_ASSIGN_OR_RETURN(const auto runs, tracker::OpenSqliteRunStore(database, SystemClock()));
  for (const Wanted& wanted : files) MUSTER_RETURN_IF_ERROR(WriteTable(*runs, flags, wanted));
  return Ok();
}

int RunExport(const Context& context, const ExportFlags& flags) {
  const auto files = WantedFiles(flags);
  if (!files) return Fail(context, files.error());
  const Status done = DoExport(context, flags, *files);
  if (!done.ok()) return Fail(context, done.error());
  boost::json::array names;
  for (const Wanted& wanted : *files) names.emplace_back(wanted.file.string());
  if (PrintJson(context, boost::json::object{{"files", names}})) return kDone;
  for (const Wanted& wanted : *files) {
    std::cout << wanted.file.string() << ": " << fs::file_size(wanted.file) << " bytes\n";
  }
  return kDone;
}

}  // namespace

void AddTrackerExport(CLI::App& tracker, Context& context) {
  auto* command = tracker.add_subcommand(
      "export", "Write runs, params, tags and metrics as CSV or Arrow files; a server may run");
  const auto flags = std::make_shared<ExportFlags>();
  command->add_option("path", flags->path, "A folder, or one table's file: runs.csv, metrics.arrow")
      ->required();
  command->add_option("--format", flags->format, "csv or arrow, for a folder")
      ->check(CLI::IsMember({"csv", "arrow"}));
  command
      ->add_option("--table", flags->tables, "runs, params, tags, latest, metrics (default: all)")
      ->check(CLI::IsMember({"runs", "params", "tags", "latest", "metrics"}));
  command->add_option("--experiment", flags->experiments,
                      "An experiment's id; may come several times (default: all active ones)");
  command->add_option("--filter", flags->filter, "Which runs, in MLflow's search grammar");
  command->add_option("--view", flags->view, "ACTIVE_ONLY, DELETED_ONLY or ALL runs")
      ->check(CLI::IsMember({"ACTIVE_ONLY", "DELETED_ONLY", "ALL"}));
  command->callback([&context, flags] {
    context.run = [&context, flags] { return RunExport(context, *flags); };
  });
}

}  // namespace muster::cli
