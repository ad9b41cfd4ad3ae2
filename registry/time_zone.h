#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"

/// When clocks of a place show what: a compiled zone of the IANA database (TZif, RFC 8536) in memory. Pure; who reads
/// /usr/share/zoneinfo is registry/files/zone_file.h. All times are seconds since 1970; "local" is what a clock there
/// shows, counted as if it were UTC.

namespace muster::registry {

/// From month `month` on, at `seconds` of local time after midnight.
struct ZoneRuleDate {
  enum class Kind { kMonthWeekDay, kJulianWithoutLeapDay, kDayOfYear };
  Kind kind = Kind::kMonthWeekDay;
  int month = 0, week = 0;  ///< week 5: the last
  int day = 0;              ///< of the week, 0 is Sunday; or of the year
  std::int64_t seconds = 7'200;
};

class TimeZone {
 public:
  /// UTC.
  TimeZone() = default;
  /// kCorrupt for bytes that are no TZif file; kUnsupported for one that counts leap seconds.
  static Result<TimeZone> Parse(std::string_view tzif);

  /// Seconds that clocks are ahead of UTC at `unix`.
  [[nodiscard]] std::int64_t OffsetAt(std::int64_t unix) const;
  /// When a clock first shows `local` or later. Of a time that comes twice: the first; of one that is skipped: when the
  /// clock is put forward.
  [[nodiscard]] std::int64_t ToUnix(std::int64_t local) const;

 private:
  /// The rule for times after the last transition (POSIX TZ, with the hours of RFC 8536, 3.3.1).
  Status ParseRule(std::string_view text);
  [[nodiscard]] std::int64_t OffsetByRule(std::int64_t unix) const;

  std::vector<std::int64_t> transitions_;  ///< rising
  std::vector<std::int64_t> offsets_;      ///< of before the first transition, then after each
  bool has_rule_ = false;
  std::int64_t standard_ = 0, daylight_ = 0;  ///< offsets
  bool has_daylight_ = false;
  ZoneRuleDate begin_, end_;  ///< of daylight saving
};

}  // namespace muster::registry
