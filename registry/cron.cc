#include "registry/cron.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <utility>
#include <vector>

namespace muster::registry {
namespace {

constexpr std::int64_t kMinute = 60;
constexpr std::int64_t kDay = 86'400;
/// The Gregorian calendar repeats after 400 years; eight cover every leap day, those around 2100 too.
constexpr std::int64_t kSearchDays = 366 * 8 + 3;

constexpr std::array<std::string_view, 12> kMonths = {"JAN", "FEB", "MAR", "APR", "MAY", "JUN",
                                                      "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};
constexpr std::array<std::string_view, 7> kWeekdays = {"SUN", "MON", "TUE", "WED",
                                                       "THU", "FRI", "SAT"};
constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kNicknames = {
    {{"@hourly", "0 * * * *"},
     {"@daily", "0 0 * * *"},
     {"@midnight", "0 0 * * *"},
     {"@weekly", "0 0 * * 0"},
     {"@monthly", "0 0 1 * *"},
     {"@yearly", "0 0 1 1 *"},
     {"@annually", "0 0 1 1 *"}}};

struct Field {
  std::string_view name;
  int low, high;
};
constexpr std::array<Field, 5> kFields = {{{"minute", 0, 59},
                                           {"hour", 0, 23},
                                           {"day of month", 1, 31},
                                           {"month", 1, 12},
                                           {"day of week", 0, 7}}};

Error Wrong(const Field& field, std::string_view seen) {
  return Invalid("cron: " + std::string(field.name) + " '" + std::string(seen) +
                 "'; wanted *, a number from " + std::to_string(field.low) + " to " +
                 std::to_string(field.high) + ", a range, a step or a list of them");
}

std::optional<int> Value(const Field& field, std::string_view text) {
  std::string upper(text);
  for (char& c : upper) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  if (field.name == "month") {
    const auto* found = std::find(kMonths.begin(), kMonths.end(), upper);
    if (found != kMonths.end()) return static_cast<int>(found - kMonths.begin()) + 1;
  }
  if (field.name == "day of week") {
    const auto* found = std::find(kWeekdays.begin(), kWeekdays.end(), upper);
    if (found != kWeekdays.end()) return static_cast<int>(found - kWeekdays.begin());
  }
  int number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc() || end != text.data() + text.size() || text.starts_with('-'))
    return std::nullopt;
  if (number < field.low || number > field.high) return std::nullopt;
  return number;
}

std::vector<std::string_view> Split(std::string_view text, char by) {
  std::vector<std::string_view> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(by, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

/// The values that one field names.
Result<std::vector<int>> ParseField(const Field& field, std::string_view text) {
  std::vector<int> values;
  for (const std::string_view item : Split(text, ',')) {
    const std::size_t slash = item.find('/');
    const std::string_view range = item.substr(0, slash);
    int step = 1;
    if (slash != item.npos) {
      const Field steps{"step", 1, field.high};
      const auto parsed = Value(steps, item.substr(slash + 1));
      if (!parsed) return Wrong(field, item);
      step = *parsed;
    }
    int low = field.low, high = field.high;
    if (range != "*") {
      const std::size_t dash = range.find('-');
      const auto first = Value(field, range.substr(0, dash));
      const auto last = dash == range.npos ? first : Value(field, range.substr(dash + 1));
      if (!first || !last || *first > *last) return Wrong(field, item);
      low = *first;
      // "5/15" means from 5 on, as Vixie's cron of today takes it.
      high = dash == range.npos && slash != item.npos ? field.high : *last;
    }
    for (int value = low; value <= high; value += step) values.push_back(value);
  }
  return values;
}

std::int64_t FloorDivide(std::int64_t a, std::int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

std::chrono::year_month_day Date(std::int64_t day) {
  return std::chrono::sys_days(std::chrono::days(day));
}

}  // namespace

Result<CronSchedule> CronSchedule::Parse(std::string_view text) {
  for (const auto& [nickname, meaning] : kNicknames) {
    if (text == nickname) text = meaning;
  }
  std::vector<std::string_view> parts;
  for (const std::string_view part : Split(text, ' ')) {
    if (!part.empty()) parts.push_back(part);
  }
  if (parts.size() != kFields.size()) {
    return Invalid("cron: '" + std::string(text) + "' has " + std::to_string(parts.size()) +
                   " fields; wanted 5: minute, hour, day of month, month, day of week");
  }
  CronSchedule schedule;
  const auto fill = [&](std::size_t index, auto set) -> Status {
    MUSTER_ASSIGN_OR_RETURN(const auto values, ParseField(kFields[index], parts[index]));
    for (const int value : values) set(static_cast<std::size_t>(value));
    return Ok();
  };
  MUSTER_RETURN_IF_ERROR(fill(0, [&](std::size_t v) { schedule.minutes_.set(v); }));
  MUSTER_RETURN_IF_ERROR(fill(1, [&](std::size_t v) { schedule.hours_.set(v); }));
  MUSTER_RETURN_IF_ERROR(fill(2, [&](std::size_t v) { schedule.days_.set(v); }));
  MUSTER_RETURN_IF_ERROR(fill(3, [&](std::size_t v) { schedule.months_.set(v); }));
  MUSTER_RETURN_IF_ERROR(fill(4, [&](std::size_t v) { schedule.weekdays_.set(v % 7); }));
  schedule.any_day_ = parts[2].starts_with('*');
  schedule.any_weekday_ = parts[4].starts_with('*');
  return schedule;
}

bool CronSchedule::DayFits(std::int64_t day) const {
  const auto date = Date(day);
  if (!months_.test(unsigned{date.month()})) return false;
  const bool by_day = days_.test(unsigned{date.day()});
  const bool by_weekday =
      weekdays_.test(std::chrono::weekday(std::chrono::sys_days(date)).c_encoding());
  // A field that begins with '*' but has a step ("*/2") still restricts: both must fit then.
  return any_day_ || any_weekday_ ? by_day && by_weekday : by_day || by_weekday;
}

std::optional<std::int64_t> CronSchedule::NextAfter(std::int64_t unix_seconds) const {
  const std::int64_t first = (FloorDivide(unix_seconds, kMinute) + 1) * kMinute;
  const std::int64_t first_day = FloorDivide(first, kDay);
  for (std::int64_t day = first_day; day < first_day + kSearchDays; ++day) {
    if (!DayFits(day)) continue;
    const std::int64_t begin = day == first_day ? (first - day * kDay) / kMinute : 0;
    for (std::int64_t minute = begin; minute < 24 * 60; ++minute) {
      if (!hours_.test(static_cast<std::size_t>(minute / 60))) {
        minute = minute / 60 * 60 + 59;
      } else if (minutes_.test(static_cast<std::size_t>(minute % 60))) {
        return day * kDay + minute * kMinute;
      }
    }
  }
  return std::nullopt;
}

std::optional<std::int64_t> CronSchedule::LastIn(std::int64_t after, std::int64_t until) const {
  const std::int64_t last = FloorDivide(until, kMinute) * kMinute;
  for (std::int64_t day = FloorDivide(last, kDay); (day + 1) * kDay > after; --day) {
    if (!DayFits(day)) continue;
    const std::int64_t begin = std::min<std::int64_t>((last - day * kDay) / kMinute, 24 * 60 - 1);
    for (std::int64_t minute = begin; minute >= 0; --minute) {
      if (!hours_.test(static_cast<std::size_t>(minute / 60))) {
        minute = minute / 60 * 60;
      } else if (minutes_.test(static_cast<std::size_t>(minute % 60))) {
        const std::int64_t found = day * kDay + minute * kMinute;
        return found > after ? std::optional(found) : std::nullopt;
      }
    }
  }
  return std::nullopt;
}

std::optional<std::int64_t> CronSchedule::NextAfter(std::int64_t unix_seconds,
                                                    const TimeZone& zone) const {
  // ToUnix does not fall, and of what the clock shows now it is not later than now.
  std::optional<std::int64_t> local = unix_seconds + zone.OffsetAt(unix_seconds);
  while ((local = NextAfter(*local))) {
    if (const std::int64_t time = zone.ToUnix(*local); time > unix_seconds) return time;
  }
  return std::nullopt;
}

std::optional<std::int64_t> CronSchedule::LastIn(std::int64_t after, std::int64_t until,
                                                 const TimeZone& zone) const {
  // Where clocks were just put back, they have shown later times already.
  std::int64_t last = until + std::max(zone.OffsetAt(until), zone.OffsetAt(until - kDay));
  const std::int64_t first = after + zone.OffsetAt(after) - kDay;
  while (const auto local = LastIn(first, last)) {
    const std::int64_t time = zone.ToUnix(*local);
    if (time <= after) return std::nullopt;
    if (time <= until) return time;
    last = *local - kMinute;
  }
  return std::nullopt;
}

namespace {

std::string Format(std::int64_t unix_seconds, const char* format) {
  const std::int64_t day = FloorDivide(unix_seconds, kDay);
  const auto date = Date(day);
  const auto second = static_cast<int>(unix_seconds - day * kDay);
  char text[64];
  std::snprintf(text, sizeof text, format, int{date.year()}, unsigned{date.month()},
                unsigned{date.day()}, second / 3'600, second / 60 % 60, second % 60);
  return text;
}

}  // namespace

std::string UtcText(std::int64_t unix_seconds) {
  return Format(unix_seconds, "%04d-%02u-%02uT%02d:%02d:%02dZ");
}
std::string UtcCompact(std::int64_t unix_seconds) {
  return Format(unix_seconds, "%04d%02u%02uT%02d%02d%02dZ");
}

}  // namespace muster::registry
