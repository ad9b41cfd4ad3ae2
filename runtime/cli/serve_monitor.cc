#include "runtime/cli/serve_monitor.h"

#include <boost/json/object.hpp>
#include <chrono>
#include <filesystem>
#include <map>
#include <utility>

#include "registry/monitor/alert.h"
#include "registry/serve/poll_thread.h"
#include "runtime/base/file.h"
#include "runtime/base/log.h"
#include "runtime/base/random.h"
#include "runtime/config/monitor_file.h"
#include "runtime/notify/notifier.h"
#include "runtime/wire/codec.h"

namespace muster::cli {
namespace {

using registry::serve::WatchedWindow;

/// FOLDER/MODEL/VERSION/ENDED_MS.{window,report}.json
Status Keep(const std::filesystem::path& folder, const WatchedWindow& ended) {
  const auto here = folder / http::PercentEncode(ended.model) / ended.version;
  std::error_code failed;
  std::filesystem::create_directories(here, failed);
  if (failed) return IoError(here.string(), failed.value());
  const std::string name = std::to_string(ended.ended_ms);
  MUSTER_RETURN_IF_ERROR(WriteFileAtomically(here / (name + ".window.json"), ended.window));
  return WriteFileAtomically(here / (name + ".report.json"), wire::SerializeJson(ended.report));
}

/// The signal of an alert, for a trigger of the muster server.
Status Signal(const Context& context, const std::string& trigger, const boost::json::object& body) {
  MUSTER_ASSIGN_OR_RETURN(http::Client client, context.Connect());
  const auto answer = client.Json(
      "POST", "/api/muster/v1/triggers/" + http::PercentEncode(trigger) + "/signal", body);
  return answer.ok() ? Ok() : Status(answer.error());
}

class WindowKeeper final : public ModelMonitor {
 public:
  WindowKeeper(const Context& context, std::string folder,
               const registry::monitor::MonitorSettings& settings,
               registry::serve::ModelServer& models)
      : folder_(std::move(folder)),
        rules_(settings.rules),
        models_(models),
        notifier_({.sinks = settings.notify,
                   .signal =
                       [&context](const std::string& trigger, const boost::json::object& body) {
                         return Signal(context, trigger, body);
                       }}),
        thread_([this] { return Step(); }, std::chrono::seconds(1)) {
    thread_.Start();
  }
  ~WindowKeeper() override {
    thread_.Stop();
    constexpr std::chrono::seconds kLastWords{5};
    if (!notifier_.Flush(kLastWords)) LogWarning("alerts", "the end came before all were told");
  }

 private:
  Status Step() {
    Status kept;
    for (const WatchedWindow& ended : models_.TurnWindows()) {
      Judge(ended);
      if (folder_.empty()) continue;
      if (Status written = Keep(folder_, ended); !written.ok()) kept = written;
    }
    return kept;
  }

  /// Each version has alerts of its own.
  void Judge(const WatchedWindow& ended) {
    const auto of_version = alerts_.try_emplace({ended.model, ended.version}, rules_).first;
    for (const auto& event : of_version->second.Observe(ended.metrics, ended.ended_ms)) {
      LogWarning("serve", ended.model + " version " + ended.version + ": " + Sentence(event));
      notifier_.Notify({RandomUuid(), ended.model, ended.version, event});
    }
  }

  const std::string folder_;
  const std::vector<registry::monitor::AlertRule> rules_;
  registry::serve::ModelServer& models_;
  notify::Notifier notifier_;
  std::map<std::pair<std::string, std::string>, registry::monitor::Alerts> alerts_;  ///< thread_'s
  registry::serve::PollThread thread_;
};

}  // namespace

void AddMonitorFlags(CLI::App& command, MonitorFlags& flags) {
  constexpr const char* kGroup = "Monitoring";
  command
      .add_flag("--no-monitor", flags.off,
                "Do not watch traffic against the baselines that versions carry")
      ->group(kGroup);
  command
      .add_option("--monitor", flags.file,
                  "A file that says how it is watched and who is told: windows, bounds, rules, "
                  "notify")
      ->group(kGroup);
  command
      .add_option("--monitor-dir", flags.folder,
                  "Keep windows and reports there, as MODEL/VERSION/TIME.window.json and "
                  "TIME.report.json")
      ->group(kGroup);
}

Result<std::optional<registry::monitor::MonitorSettings>> ReadMonitorFlags(
    const MonitorFlags& flags) {
  using registry::monitor::MonitorSettings;
  if (flags.off) return std::optional<MonitorSettings>();
  if (flags.file.empty()) return std::optional(MonitorSettings());
  MUSTER_ASSIGN_OR_RETURN(auto settings, config::ReadMonitorFile(flags.file));
  return std::optional(std::move(settings));
}

registry::serve::WatchOptions WatchOptionsOf(const registry::monitor::MonitorSettings& settings) {
  return {.window = std::chrono::milliseconds(settings.window_ms),
          .monitor = settings.traffic,
          .drift = settings.drift};
}

std::unique_ptr<ModelMonitor> StartMonitor(const Context& context, const MonitorFlags& flags,
                                           const registry::monitor::MonitorSettings& settings,
                                           registry::serve::ModelServer& models) {
  return std::make_unique<WindowKeeper>(context, flags.folder, settings, models);
}

}  // namespace muster::cli
