#include "runtime/cli/serve_monitor.h"

#include <boost/json/object.hpp>
#include <chrono>
#include <filesystem>
#include <utility>

#include "registry/serve/poll_thread.h"
#include "runtime/base/file.h"
#include "runtime/base/log.h"
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

class WindowKeeper final : public ModelMonitor {
 public:
  WindowKeeper(std::string folder, registry::serve::ModelServer& models)
      : folder_(std::move(folder)),
        models_(models),
        thread_([this] { return Step(); }, std::chrono::seconds(1)) {
    thread_.Start();
  }

 private:
  Status Step() {
    Status kept;
    for (const WatchedWindow& ended : models_.TurnWindows()) {
      const auto drifted = ended.metrics.find("drift.columns");
      if (drifted != ended.metrics.end() && drifted->second > 0) {
        LogWarning("serve", ended.model + " version " + ended.version + ": " +
                                wire::SerializeJson(drifted->second) +
                                " of its inputs' columns have drifted");
      }
      if (folder_.empty()) continue;
      if (Status written = Keep(folder_, ended); !written.ok()) kept = written;
    }
    return kept;
  }

  const std::string folder_;
  registry::serve::ModelServer& models_;
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
      .add_option("--monitor-window", flags.window_seconds,
                  "Seconds after which a window of traffic ends and is judged")
      ->check(CLI::Range(1, 30 * 86'400))
      ->capture_default_str()
      ->group(kGroup);
  command
      .add_option("--monitor-dir", flags.folder,
                  "Keep windows and reports there, as MODEL/VERSION/TIME.window.json and "
                  "TIME.report.json")
      ->group(kGroup);
}

std::optional<registry::serve::WatchOptions> WatchOptionsOf(const MonitorFlags& flags) {
  if (flags.off) return std::nullopt;
  return registry::serve::WatchOptions{.window = std::chrono::seconds(flags.window_seconds)};
}

Result<std::unique_ptr<ModelMonitor>> StartMonitor(const MonitorFlags& flags,
                                                   registry::serve::ModelServer& models) {
  if (flags.off) return std::unique_ptr<ModelMonitor>();
  return std::unique_ptr<ModelMonitor>(std::make_unique<WindowKeeper>(flags.folder, models));
}

}  // namespace muster::cli
