#pragma once

#include <bitset>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "registry/time_zone.h"
#include "runtime/base/result.h"

/// Five-field cron expressions, as in crontab(5) of Vixie's cron: minute 0-59, hour 0-23, day of month
/// 1-31, month 1-12 or JAN-DEC, day of week 0-7 or SUN-SAT (0 and 7 are Sunday); each a "*", a number, a range
/// a-b, either with a step "/n", or a list of those. When both day fields are restricted (neither begins with
/// '*') a day that fits either of them is taken. Also @hourly, @daily, @midnight, @weekly, @monthly, @yearly and
/// @annually. Pure.

namespace muster::registry {

class CronSchedule {
 public:
  /// kInvalid names the field, the text seen and the range wanted.
  static Result<CronSchedule> Parse(std::string_view text);

  /// The first full minute after `unix_seconds` that fits; none when no day ever fits ("0 0 30 2 *").
  [[nodiscard]] std::optional<std::int64_t> NextAfter(std::int64_t unix_seconds) const;
  /// The last full minute in (after, until] that fits.
  [[nodiscard]] std::optional<std::int64_t> LastIn(std::int64_t after, std::int64_t until) const;

  /// The same by the clocks of a place. Times that are skipped when clocks are put forward are one time, the minute at
  /// which it is done; a time that comes twice is its first. So a clock that is put back stands still for "* * * * *".
  [[nodiscard]] std::optional<std::int64_t> NextAfter(std::int64_t unix_seconds,
                                                      const TimeZone& zone) const;
  [[nodiscard]] std::optional<std::int64_t> LastIn(std::int64_t after, std::int64_t until,
                                                   const TimeZone& zone) const;

 private:
  [[nodiscard]] bool DayFits(std::int64_t day) const;

  std::bitset<60> minutes_;
  std::bitset<24> hours_;
  std::bitset<32> days_;
  std::bitset<13> months_;
  std::bitset<7> weekdays_;  ///< 0: Sunday
  bool any_day_ = false, any_weekday_ = false;
};

/// "2026-11-24T03:00:00Z", and the compact form of names, "20261124T030000Z".
std::string UtcText(std::int64_t unix_seconds);
std::string UtcCompact(std::int64_t unix_seconds);

}  // namespace muster::registry
