#pragma once

#include <filesystem>
#include <string_view>

#include "registry/monitor/settings.h"
#include "runtime/base/result.h"

/// How a version is watched, as people write it: `monitor:` with the keys of registry/monitor/settings.h, where times have
/// units in place of _ms: `window: 5m`, `traffic: {late: 1d}`, a rule's `cooldown: 1h`.

namespace muster::config {

/// Errors are whole sentences with the place: "monitor.yaml:7:5: rules[1].for: wanted 1 window or more". `name` stands in
/// them.
Result<registry::monitor::MonitorSettings> ParseMonitorFile(std::string_view text,
                                                            std::string_view name);
/// The same of a file.
Result<registry::monitor::MonitorSettings> ReadMonitorFile(const std::filesystem::path& file);

}  // namespace muster::config
