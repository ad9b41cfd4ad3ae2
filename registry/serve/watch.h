#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "registry/monitor/drift.h"
#include "registry/monitor/monitor.h"
#include "registry/serve/model_source.h"
#include "runtime/base/clock.h"

namespace muster::registry::serve {

/// A request with it is counted under that segment, "COLUMN=VALUE" as the version's baseline names it.
inline constexpr std::string_view kSegmentHeader = "X-Muster-Segment";

struct WatchOptions {
  std::chrono::milliseconds window{300'000};
  monitor::MonitorSpec monitor;
  monitor::DriftSpec drift;
};

/// A window that has ended, and what it says.
struct WatchedWindow {
  std::string model, version;
  std::int64_t ended_ms = 0;
  std::string window;  ///< monitor::ToJson: it can be added to those of other replicas
  boost::json::object report;
  std::map<std::string, double> metrics;  ///< the report's
};

/// Watches one version that is served (registry/monitor), window by window. Any thread.
class Watch {
 public:
  /// By the version's baseline.json; null without one. The file's error, or ParseBaseline's. `clock` must outlive it.
  static Result<std::shared_ptr<Watch>> Open(const ModelLocation& location,
                                             const WatchOptions& options, const Clock& clock);
  Watch(ModelLocation location, monitor::Baseline baseline, const WatchOptions& options,
        const Clock& clock);

  void Observe(const monitor::Observation& observation);
  /// `right` where the task has classes, and the label met a prediction for the first time.
  struct Labelled {
    monitor::JoinState state = monitor::JoinState::kUnknown;
    std::optional<bool> right;
  };
  Result<Labelled> Outcome(const monitor::OutcomeLabel& label);

  /// The open window where it has lasted long enough; another begins.
  std::optional<WatchedWindow> Turn();
  /// {"open": report so far, "windows": [report...]}, the latest kWindowsKept, oldest first.
  [[nodiscard]] boost::json::object Describe() const;
  [[nodiscard]] std::string WindowText() const;  ///< of the open one

  static constexpr std::size_t kWindowsKept = 48;

 private:
  [[nodiscard]] WatchedWindow Report(const monitor::Window& window) const;
  /// By this process since the window began. The lock is held.
  [[nodiscard]] monitor::Resources Used() const;
  /// The window that is open, as if it ended now. The lock is held.
  [[nodiscard]] monitor::Window OpenWindow() const;

  const ModelLocation location_;
  const WatchOptions options_;
  const Clock& clock_;
  mutable std::mutex mutex_;  ///< guards what follows
  monitor::Monitor monitor_;
  MonotonicTime begun_;
  std::int64_t cpu_before_ms_;  ///< the window's beginning
  std::deque<boost::json::object> reports_;
};

}  // namespace muster::registry::serve
