// muster monitor report|merge: what rows or windows say about a version, without a server.
#include <chrono>
#include <filesystem>
#include <iostream>
#include <memory>

#include "registry/monitor/report.h"
#include "registry/monitor/table_window.h"
#include "runtime/base/file.h"
#include "runtime/cli/context.h"
#include "runtime/cli/model_fetch.h"
#include "runtime/config/monitor_file.h"

namespace muster::cli {
namespace {

using registry::monitor::Baseline;
using registry::monitor::ColumnDrift;
using registry::monitor::Report;
using registry::monitor::Window;

constexpr std::size_t kTableBytesMost = std::size_t{1} << 30;

struct MonitorFlags {
  std::string model, table, settings, out;
  std::vector<std::string> windows;
  registry::monitor::TableColumns columns;
  bool check = false;
};

Result<Baseline> ReadBaseline(const Context& context, const std::string& model) {
  std::filesystem::path file = model;
  if (!std::filesystem::is_regular_file(file)) {
    MUSTER_ASSIGN_OR_RETURN(const auto source, MakeModelSource(context, model));
    MUSTER_ASSIGN_OR_RETURN(const auto location, source->Current());
    file = location.directory / "baseline.json";
  }
  MUSTER_ASSIGN_OR_RETURN(const std::string text,
                          ReadWholeFile(file, registry::monitor::kBaselineBytesMost));
  auto baseline = registry::monitor::ParseBaseline(text);
  return baseline.ok() ? std::move(baseline) : baseline.error().With(file.string());
}

Result<Window> ReadTable(const Baseline& baseline, const MonitorFlags& flags) {
  MUSTER_ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(flags.table, kTableBytesMost));
  const auto records = ParseCsv(text);
  if (!records.ok()) return records.error().With(flags.table);
  const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::system_clock::now().time_since_epoch());
  auto window = registry::monitor::WindowOfTable(baseline, *records, flags.columns, now.count());
  return window.ok() ? std::move(window) : window.error().With(flags.table);
}

/// All together; one at least.
Result<Window> ReadWindows(const Baseline& baseline, const std::vector<std::string>& files) {
  std::optional<Window> sum;
  for (const std::string& file : files) {
    MUSTER_ASSIGN_OR_RETURN(const std::string text,
                            ReadWholeFile(file, registry::monitor::kWindowBytesMost));
    auto window = registry::monitor::WindowFromJson(baseline, text);
    if (!window.ok()) return window.error().With(file);
    if (!sum) {
      sum = std::move(window).value();
    } else if (const Status merged = sum->Merge(*window); !merged.ok()) {
      return merged.error().With(file);
    }
  }
  return std::move(*sum);
}

void PrintDrift(const std::vector<ColumnDrift>& columns) {
  if (columns.empty()) return;
  Table table({"COLUMN", "MEASURE", "EFFECT", "FROM", "TO", "BOUND", "P", "DRIFTED"});
  for (const ColumnDrift& column : columns) {
    table.Add({column.column, std::string(column.measure), Short(column.effect().corrected),
               Short(column.effect().interval.low), Short(column.effect().interval.high),
               Short(column.bound), Short(column.p_adjusted), column.drifted ? "yes" : ""});
  }
  table.Print();
}

void PrintReport(const Window& window, const Report& report) {
  PrintDrift(report.inputs);
  PrintDrift(report.predictions);
  std::cout << window.sampled << " rows; " << report.input_drift.drifted << " of "
            << report.input_drift.columns << " inputs drifted, " << report.prediction_drift.drifted
            << " of " << report.prediction_drift.columns << " of the predictions\n";
  const auto figure = [&](const char* name, const char* words,
                          const registry::statistics::Interval* interval) {
    const auto found = report.metrics.find(name);
    if (found == report.metrics.end()) return;
    std::cout << words << " " << Short(found->second);
    if (interval != nullptr) {
      std::cout << ", " << Short(interval->low) << " to " << Short(interval->high);
    }
    std::cout << "\n";
  };
  figure("accuracy", "accuracy", report.accuracy_interval ? &*report.accuracy_interval : nullptr);
  figure("accuracy_drop", "less than the held-out rows' by",
         report.drop_interval ? &*report.drop_interval : nullptr);
  figure("estimated_accuracy", "accuracy estimated without labels",
         report.estimate ? &report.estimate->interval : nullptr);
  figure("mae.0", "mean absolute error", nullptr);
}

int RunReport(const Context& context, const MonitorFlags& flags) {
  registry::monitor::MonitorSettings settings;
  if (!flags.settings.empty()) {
    auto read = config::ReadMonitorFile(flags.settings);
    if (!read.ok()) return Fail(context, read.error());
    settings = std::move(read).value();
  }
  const auto baseline = ReadBaseline(context, flags.model);
  if (!baseline.ok()) return Fail(context, baseline.error());
  const auto window =
      flags.table.empty() ? ReadWindows(*baseline, flags.windows) : ReadTable(*baseline, flags);
  if (!window.ok()) return Fail(context, window.error());
  if (!flags.out.empty()) {
    const Status written = ReplaceFile(flags.out, registry::monitor::ToJson(*window));
    if (!written.ok()) return Fail(context, written.error());
  }
  const Report report = registry::monitor::MakeReport(*baseline, *window, settings.drift);
  if (!PrintJson(context, registry::monitor::ReportJson(*baseline, *window, report))) {
    PrintReport(*window, report);
  }
  const bool drifted = report.input_drift.drifted + report.prediction_drift.drifted > 0;
  return flags.check && drifted ? kFailed : kDone;
}

int RunMerge(const Context& context, const MonitorFlags& flags) {
  const auto baseline = ReadBaseline(context, flags.model);
  if (!baseline.ok()) return Fail(context, baseline.error());
  const auto sum = ReadWindows(*baseline, flags.windows);
  if (!sum.ok()) return Fail(context, sum.error());
  const Status written = ReplaceFile(flags.out, registry::monitor::ToJson(*sum));
  if (!written.ok()) return Fail(context, written.error());
  if (!context.quiet) {
    std::cout << flags.windows.size() << " windows, " << sum->requests << " requests, in "
              << flags.out << "\n";
  }
  return kDone;
}

void AddModel(CLI::App& command, MonitorFlags& flags) {
  command
      .add_option("--model", flags.model,
                  "NAME@ALIAS, NAME/VERSION, a version's directory, or its baseline.json")
      ->required();
}

}  // namespace

void AddMonitor(CLI::App& app, Context& context) {
  auto* monitor = app.add_subcommand("monitor", "Whether a model still sees what it was made from");
  monitor->require_subcommand(1);
  auto flags = std::make_shared<MonitorFlags>();

  auto* report = monitor->add_subcommand("report", "What rows, or windows of a server, say");
  AddModel(*report, *flags);
  auto* table = report->add_option(
      "--in", flags->table, "CSV file with the inputs' columns (x[0], x[1] ...) in its header");
  auto* windows =
      report->add_option("--window", flags->windows, "Windows as files; several are added up");
  table->excludes(windows);
  report->add_option("--settings", flags->settings, "YAML, monitor: {drift: ...}");
  report
      ->add_option("--predictions", flags->columns.prediction, "The table's column of predictions")
      ->capture_default_str();
  report->add_option("--confidence", flags->columns.confidence, "That of their confidence")
      ->capture_default_str();
  report->add_option("--labels", flags->columns.label, "That of labels")->capture_default_str();
  report->add_option("--segment", flags->columns.segment, "That of segments")
      ->capture_default_str();
  report->add_option("--out", flags->out, "Also write the window, for merge");
  report->add_flag("--check", flags->check, "Exit with 1 where an input or a prediction drifted");
  report->callback([&context, flags] {
    if (flags->table.empty() && flags->windows.empty()) {
      throw CLI::ValidationError("--in", "wanted a table, or --window with files");
    }
    context.run = [&context, flags] { return RunReport(context, *flags); };
  });

  auto* merge = monitor->add_subcommand("merge", "Windows of replicas as one");
  AddModel(*merge, *flags);
  merge->add_option("windows", flags->windows, "Files")->required();
  merge->add_option("--out", flags->out, "Where the sum is written")->required();
  merge->callback(
      [&context, flags] { context.run = [&context, flags] { return RunMerge(context, *flags); }; });
}

}  // namespace muster::cli
