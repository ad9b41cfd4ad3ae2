#include "registry/monitor/settings.h"

#include <boost/describe.hpp>
#include <boost/json/object.hpp>

#include "runtime/wire/codec.h"
#include "runtime/wire/error_path.h"

namespace muster::registry::monitor {

BOOST_DESCRIBE_STRUCT(MonitorSpec, (),
                      (sample_every, rows_most, values_most, outcomes_most, late_ms))
BOOST_DESCRIBE_STRUCT(DriftSpec, (),
                      (alpha, confidence, number_bound, category_bound, set_share, rows_least))

namespace {

constexpr std::int64_t kWindowLeastMs = 1'000, kWindowMostMs = 86'400'000;

struct File {
  std::int64_t window_ms = MonitorSettings().window_ms;
  MonitorSpec traffic;
  DriftSpec drift;
  boost::json::value rules, notify;
};
BOOST_DESCRIBE_STRUCT(File, (), (window_ms, traffic, drift, rules, notify))

}  // namespace

Result<MonitorSettings> MonitorSettingsFromJson(const boost::json::value& json) {
  MUSTER_ASSIGN_OR_RETURN(const File file, wire::FromJson<File>(json, wire::Unknown::kRefuse));
  if (file.window_ms < kWindowLeastMs || file.window_ms > kWindowMostMs) {
    return Invalid("at window_ms: wanted 1000 to 86400000, got " + std::to_string(file.window_ms));
  }
  if (const Status status = CheckMonitorSpec(file.traffic); !status.ok()) {
    return wire::Under("traffic", status.error());
  }
  if (const Status status = CheckDriftSpec(file.drift); !status.ok()) {
    return wire::Under("drift", status.error());
  }
  MonitorSettings settings{file.window_ms, file.traffic, file.drift, {}, {}};
  if (!file.notify.is_null()) {
    MUSTER_ASSIGN_OR_RETURN(settings.notify, SinksFromJson(file.notify));
  }
  if (file.rules.is_null()) return settings;
  MUSTER_ASSIGN_OR_RETURN(settings.rules,
                          AlertRulesFromJson(boost::json::object{{"rules", file.rules}}));
  return settings;
}

}  // namespace muster::registry::monitor
