#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <vector>

#include "registry/monitor/alert.h"
#include "registry/monitor/drift.h"
#include "registry/monitor/monitor.h"
#include "registry/monitor/notice.h"

/// How a version is watched, as one object. Pure. As YAML: runtime/config/monitor_file.h.
///
///   window_ms: 300000            # how long a window lasts
///   traffic: {sample_every: 1, rows_most: 16, values_most: 256, outcomes_most: 100000, late_ms: 86400000}
///   drift: {alpha: 0.05, confidence: 0.95, number_bound: 0.1, category_bound: 0.1, set_share: 0.5, rows_least: 30}
///   rules: [...]                 # alert.h
///   notify: [...]                # notice.h
///
/// Whatever is absent is as above; no rules.

namespace muster::registry::monitor {

struct MonitorSettings {
  std::int64_t window_ms = 300'000;  ///< 1 s to 1 day
  MonitorSpec traffic;
  DriftSpec drift;
  std::vector<AlertRule> rules;
  std::vector<Sink> notify;
};

/// kInvalid "at drift.alpha: ..." for an unknown key, a wrong type or what is out of its range.
Result<MonitorSettings> MonitorSettingsFromJson(const boost::json::value& json);

}  // namespace muster::registry::monitor
