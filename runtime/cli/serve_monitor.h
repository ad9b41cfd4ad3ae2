#pragma once

#include <memory>
#include <optional>
#include <string>

#include "registry/serve/model_server.h"
#include "runtime/cli/context.h"

namespace muster::cli {

/// The flags of `muster serve` about watching what it serves.
struct MonitorFlags {
  bool off = false;
  std::int64_t window_seconds = 3600;
  std::string folder;  ///< empty: windows are not kept
};
void AddMonitorFlags(CLI::App& command, MonitorFlags& flags);
/// Nothing: versions are not watched.
std::optional<registry::serve::WatchOptions> WatchOptionsOf(const MonitorFlags& flags);

/// Ends windows in time, for as long as it lives.
class ModelMonitor {
 public:
  virtual ~ModelMonitor() = default;
};
/// Null with flags.off. `models` must outlive it.
Result<std::unique_ptr<ModelMonitor>> StartMonitor(const MonitorFlags& flags,
                                                   registry::serve::ModelServer& models);

}  // namespace muster::cli
