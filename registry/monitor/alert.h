#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/base/result.h"

/// When somebody is told: rules over the figures of reports (report.h), window by window. Pure: times are handed in.
///
///   rules:
///   - name: inputs drift
///     metric: drift.largest       # one '*' stands for anything: column.*.missing, each of them by itself
///     above: 1                    # or below
///     for: 3                      # windows in a row; 1 when absent
///     clear: 0.8                  # from here on it is over (hysteresis); the bound when absent
///     cooldown_ms: 3600000        # after it fired it is silent so long; 0 when absent
///
/// A figure that a window does not have changes nothing: no traffic is no recovery.

namespace muster::registry::monitor {

struct AlertRule {
  std::string name, metric;
  bool above = true;  ///< false: below
  double bound = 0, clear = 0;
  std::int64_t windows = 1;
  std::int64_t cooldown_ms = 0;
  friend bool operator==(const AlertRule&, const AlertRule&) = default;
};

/// {"rules": [...]} as above. kInvalid "at rules[1].clear: ..." says what is wrong; names are not empty and come once.
Result<std::vector<AlertRule>> AlertRulesFromJson(const boost::json::value& json);
/// What AlertRulesFromJson reads.
boost::json::value ToJson(const std::vector<AlertRule>& rules);

struct AlertEvent {
  bool fired = false;  ///< false: resolved
  std::string rule, metric;
  std::int64_t time_ms = 0;
  double value = 0, bound = 0;  ///< of a resolved one the bound is `clear`
  std::int64_t since_ms =
      0;  ///< fired: of the first window in a row beyond the bound; resolved: when it fired
};
/// "inputs drift fired: drift.largest is 1.7, beyond 1 since 2026-11-27T12:00:00Z"
std::string Sentence(const AlertEvent& event);
boost::json::value ToJson(const AlertEvent& event);

/// One thread at a time.
class Alerts {
 public:
  explicit Alerts(std::vector<AlertRule> rules) : rules_(std::move(rules)) {}

  /// The figures of the window that ended at `time_ms`. Answers what changed, by rule and then by metric.
  std::vector<AlertEvent> Observe(const std::map<std::string, double>& metrics,
                                  std::int64_t time_ms);
  /// What fires now, as of its last window.
  [[nodiscard]] std::vector<AlertEvent> Firing() const;
  [[nodiscard]] const std::vector<AlertRule>& rules() const { return rules_; }

  /// What has to outlive a restart, so that nothing fires again that did: {"states": [{"rule", "metric", "beyond", ...}]}.
  [[nodiscard]] boost::json::value StateJson() const;
  /// Of the rules that there still are; those that changed begin anew. kCorrupt says what is wrong, nothing is restored.
  Status Restore(const boost::json::value& json);

 private:
  struct State {
    std::int64_t beyond = 0;  ///< windows in a row
    std::int64_t beyond_since_ms = 0;
    bool firing = false;
    std::optional<std::int64_t> fired_ms;  ///< last
    double value = 0;                      ///< of the last window
  };
  using Key = std::pair<std::string, std::string>;  ///< rule, metric

  std::optional<AlertEvent> Update(const AlertRule& rule, const std::string& metric, double value,
                                   std::int64_t time_ms);

  std::vector<AlertRule> rules_;
  std::map<Key, State> states_;
};

}  // namespace muster::registry::monitor
