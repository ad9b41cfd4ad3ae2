#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"
#include "tracker/rules.h"

namespace muster::tracker {

/// A finding that was written down, and what followed.
struct RuleFiring {
  std::int64_t sequence = 0;  ///< in order, with gaps
  Finding finding;
  bool settled = false;
  std::string outcome;  ///< of a settled one: "told web hook ...; asked the trial to stop"
};

/// The port to rules and what they found. Threads: any. A change is durable when its call returns. Adapter:
/// tracker/sqlite.
class RuleStore {
 public:
  virtual ~RuleStore() = default;
  /// Checked by CheckRule. Replaces the rule of that name, which may then find anew where it has found.
  virtual Status Put(const Rule& rule) = 0;
  /// What it found stays. kNotFound.
  virtual Status Delete(std::string_view name) = 0;
  /// By name.
  virtual Result<std::vector<Rule>> List() = 0;

  /// Writes the finding down, once for each (rule, run, metric): nothing when that was found before.
  virtual Result<std::optional<std::int64_t>> Claim(const Finding& finding) = 0;
  virtual Status Settle(std::int64_t sequence, std::string_view outcome) = 0;
  /// Claimed, and what was to follow may not have been done: oldest first.
  virtual Result<std::vector<RuleFiring>> Unsettled() = 0;
  /// Newest first; an empty name: of all rules.
  virtual Result<std::vector<RuleFiring>> Firings(std::string_view rule, std::int64_t limit) = 0;
};

}  // namespace muster::tracker
