#pragma once

#include <memory>
#include <optional>
#include <string>

#include "registry/monitor/settings.h"
#include "registry/serve/model_server.h"
#include "runtime/cli/context.h"

namespace muster::cli {

/// The flags of `muster serve` about watching what it serves.
struct MonitorFlags {
  bool off = false;
  std::string file;    ///< monitor.yaml; empty: as registry/monitor/settings.h says, no rules
  std::string folder;  ///< empty: windows are not kept
};
void AddMonitorFlags(CLI::App& command, MonitorFlags& flags);
/// Nothing with flags.off. The file's errors.
Result<std::optional<registry::monitor::MonitorSettings>> ReadMonitorFlags(
    const MonitorFlags& flags);
registry::serve::WatchOptions WatchOptionsOf(const registry::monitor::MonitorSettings& settings);

/// Ends windows in time and tells of alerts, for as long as it lives.
class ModelMonitor {
 public:
  virtual ~ModelMonitor() = default;
};
/// `context` and `models` must outlive it.
std::unique_ptr<ModelMonitor> StartMonitor(const Context& context, const MonitorFlags& flags,
                                           const registry::monitor::MonitorSettings& settings,
                                           registry::serve::ModelServer& models);

}  // namespace muster::cli
