#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "runtime/base/ids.h"
#include "runtime/coordinator/state.h"
#include "runtime/pattern/pattern_set.h"

/// Looks for what a sweep's on_log rules match in ranks' output, as it is stored.
///
///   1. A log is read from its file, line by line, from where the last look ended: chunk boundaries are not seen.
///   2. An unfinished line waits for its end; at the attempt's exit it is looked at as it stands.
///   3. A rule is told once an attempt. What comes after a restart is looked at from `kUnacknowledged` bytes
///      before the end: a match is told before the bytes are acknowledged, so only those can be news. Told
///      twice, it changes nothing.
///
/// One thread. Some 1 us a line of 90 bytes, whatever the rules; memory is bounded by the logs of live attempts.

namespace muster::server {

class LogScanner {
 public:
  /// Of a line longer than that, the beginning is looked at.
  static constexpr std::int64_t kLongestLine = 8 << 10;
  /// At least agent::Options::window_bytes.
  static constexpr std::int64_t kUnacknowledged = 1 << 20;

  struct Match {
    int rule = 0;
    std::string line;
  };

  /// Looks at the whole lines of `file` that begin before `end` and were not looked at yet; with `last` at what
  /// follows the last of them, too. Nothing for a sweep without rules, or one that has ended.
  std::vector<Match> Look(const coordinator::Sweep& sweep, AttemptEpoch epoch,
                          const std::string& log, const std::filesystem::path& file,
                          std::int64_t end, bool last);
  /// Nothing more is expected of it; what comes all the same is looked at as after a restart.
  void Forget(const SweepId& sweep, AttemptEpoch epoch);
  void Forget(const SweepId& sweep) { sweeps_.erase(sweep); }

 private:
  struct Place {
    std::int64_t at = 0;  ///< a line begins here ...
    bool within = false;  ///< ... or one goes on whose beginning was looked at
  };
  struct AttemptLogs {
    std::map<std::string, Place> places;  ///< by log
    std::set<int> told;
  };
  struct SweepLogs {
    pattern::PatternSet patterns;
    std::map<AttemptEpoch, AttemptLogs> attempts;
  };
  static void LookAtLine(const SweepLogs& sweep, AttemptLogs& attempt, std::string_view line,
                         std::vector<Match>& matches);

  std::map<SweepId, SweepLogs> sweeps_;
};

}  // namespace muster::server
