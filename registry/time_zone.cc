#include "registry/time_zone.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstring>
#include <optional>

namespace muster::registry {
namespace {

constexpr std::int64_t kDay = 86'400;
constexpr std::int64_t kHour = 3'600;
/// RFC 8536, 3.2: well beyond any place's.
constexpr std::int64_t kLargestOffset = 26 * kHour;
constexpr std::size_t kHeaderBytes = 44;

Error NoZone(std::string_view why) {
  return Corrupt("no TZif file (RFC 8536): " + std::string(why));
}

/// Big-endian and signed, as everything in the file.
std::int64_t Number(std::string_view bytes, std::size_t at, std::size_t size) {
  auto value =
      static_cast<std::uint64_t>((static_cast<unsigned char>(bytes[at]) & 0x80) != 0 ? -1 : 0);
  for (std::size_t i = 0; i < size; ++i) {
    value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  }
  return static_cast<std::int64_t>(value);
}

struct Header {
  char version = 0;
  std::size_t utc, standard, leaps, times, types, characters;

  [[nodiscard]] std::size_t BodyBytes(std::size_t time_bytes) const {
    return times * (time_bytes + 1) + types * 6 + characters + leaps * (time_bytes + 4) + standard +
           utc;
  }
};

Result<Header> ReadHeader(std::string_view bytes) {
  if (bytes.size() < kHeaderBytes || !bytes.starts_with("TZif")) return NoZone("no header");
  const auto count = [&](std::size_t index) {
    return static_cast<std::size_t>(Number(bytes, 20 + 4 * index, 4)) & 0xffffffffU;
  };
  const Header header{bytes[4], count(0), count(1), count(2), count(3), count(4), count(5)};
  if (header.types == 0) return NoZone("it has no local time type");
  if (bytes.size() - kHeaderBytes < header.BodyBytes(4)) return NoZone("it is cut");
  return header;
}

std::int64_t FloorDivide(std::int64_t a, std::int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

/// A POSIX TZ text, taken from the front.
class RuleReader {
 public:
  explicit RuleReader(std::string_view text) : rest_(text) {}

  [[nodiscard]] bool done() const { return rest_.empty(); }
  bool Take(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool Name() {
    std::size_t size = 0;
    if (Take('<')) {
      size = rest_.find('>');
      if (size == rest_.npos) return false;
      rest_.remove_prefix(size + 1);
      return size >= 3;
    }
    while (size < rest_.size() && std::isalpha(static_cast<unsigned char>(rest_[size])) != 0) {
      ++size;
    }
    rest_.remove_prefix(size);
    return size >= 3;
  }
  std::optional<int> Integer(int low, int high) {
    int number = 0;
    const auto [end, failure] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), number);
    if (failure != std::errc() || rest_.starts_with('-') || number < low || number > high) {
      return std::nullopt;
    }
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    return number;
  }
  /// [+-]hh[:mm[:ss]] as seconds.
  std::optional<std::int64_t> Time(int hours_max) {
    const bool negative = Take('-');
    if (!negative) Take('+');
    const auto hours = Integer(0, hours_max);
    if (!hours) return std::nullopt;
    std::int64_t seconds = *hours * kHour;
    for (const int unit : {60, 1}) {
      if (!Take(':')) break;
      const auto part = Integer(0, 59);
      if (!part) return std::nullopt;
      seconds += static_cast<std::int64_t>(*part) * unit;
    }
    return negative ? -seconds : seconds;
  }
  std::optional<ZoneRuleDate> Date() {
    ZoneRuleDate date;
    if (Take('M')) {
      const auto month = Integer(1, 12);
      if (!month || !Take('.')) return std::nullopt;
      const auto week = Integer(1, 5);
      if (!week || !Take('.')) return std::nullopt;
      const auto day = Integer(0, 6);
      if (!day) return std::nullopt;
      date.month = *month, date.week = *week, date.day = *day;
    } else {
      const bool julian = Take('J');
      const auto day = julian ? Integer(1, 365) : Integer(0, 365);
      if (!day) return std::nullopt;
      date.kind =
          julian ? ZoneRuleDate::Kind::kJulianWithoutLeapDay : ZoneRuleDate::Kind::kDayOfYear;
      date.day = *day;
    }
    if (!Take('/')) return date;
    const auto time = Time(167);
    if (!time) return std::nullopt;
    date.seconds = *time;
    return date;
  }

 private:
  std::string_view rest_;
};

/// Local seconds of a date of the rule in a year.
std::int64_t LocalOf(const ZoneRuleDate& date, std::chrono::year year) {
  using namespace std::chrono;
  const sys_days first = year / January / 1;
  sys_days day = first;
  switch (date.kind) {
    case ZoneRuleDate::Kind::kMonthWeekDay: {
      const auto m = month(static_cast<unsigned>(date.month));
      const weekday w(static_cast<unsigned>(date.day));
      day = date.week == 5 ? sys_days(year / m / w[last])
                           : sys_days(year / m / w[static_cast<unsigned>(date.week)]);
      break;
    }
    case ZoneRuleDate::Kind::kJulianWithoutLeapDay:
      day = first + days(date.day - 1 + (year.is_leap() && date.day >= 60 ? 1 : 0));
      break;
    case ZoneRuleDate::Kind::kDayOfYear:
      day = first + days(date.day);
      break;
  }
  return day.time_since_epoch().count() * kDay + date.seconds;
}

}  // namespace

Result<TimeZone> TimeZone::Parse(std::string_view tzif) {
  MUSTER_ASSIGN_OR_RETURN(Header header, ReadHeader(tzif));
  std::size_t time_bytes = 4;
  if (header.version >= '2') {
    // The first block is for readers of before 2005.
    tzif.remove_prefix(kHeaderBytes + header.BodyBytes(4));
    MUSTER_ASSIGN_OR_RETURN(header, ReadHeader(tzif));
    time_bytes = 8;
  }
  tzif.remove_prefix(kHeaderBytes);
  if (tzif.size() < header.BodyBytes(time_bytes)) return NoZone("it is cut");
  if (header.leaps != 0) return Unsupported("the zone counts leap seconds; wanted one of UTC");
  TimeZone zone;
  const std::size_t kinds_at = header.times * time_bytes, types_at = kinds_at + header.times;
  const auto offset_of = [&](std::size_t type) { return Number(tzif, types_at + 6 * type, 4); };
  zone.offsets_.push_back(offset_of(0));
  for (std::size_t i = 0; i < header.times; ++i) {
    const auto type = static_cast<unsigned char>(tzif[kinds_at + i]);
    if (type >= header.types) return NoZone("a transition is to a type that is not there");
    zone.transitions_.push_back(Number(tzif, i * time_bytes, time_bytes));
    zone.offsets_.push_back(offset_of(type));
  }
  if (!std::is_sorted(zone.transitions_.begin(), zone.transitions_.end())) {
    return NoZone("its transitions do not rise");
  }
  for (const std::int64_t offset : zone.offsets_) {
    if (std::abs(offset) > kLargestOffset) return NoZone("an offset beyond 26 hours");
  }
  if (time_bytes == 4) return zone;
  std::string_view rule = tzif.substr(header.BodyBytes(time_bytes));
  if (!rule.starts_with('\n') || !rule.ends_with('\n') || rule.size() < 2) {
    return NoZone("no line with the rule at its end");
  }
  rule = rule.substr(1, rule.size() - 2);
  if (!rule.empty()) MUSTER_RETURN_IF_ERROR(zone.ParseRule(rule));
  return zone;
}

Status TimeZone::ParseRule(std::string_view text) {
  const auto wrong = [&] { return NoZone("its rule is '" + std::string(text) + "'"); };
  RuleReader reader(text);
  if (!reader.Name()) return wrong();
  const auto west = reader.Time(24);
  if (!west) return wrong();
  standard_ = -*west;
  has_rule_ = true;
  if (reader.done()) return Ok();
  if (!reader.Name()) return wrong();
  daylight_ = standard_ + kHour;
  if (!reader.Take(',')) {
    const auto daylight_west = reader.Time(24);
    if (!daylight_west || !reader.Take(',')) return wrong();
    daylight_ = -*daylight_west;
  }
  const auto begin = reader.Date();
  if (!begin || !reader.Take(',')) return wrong();
  const auto end = reader.Date();
  if (!end || !reader.done()) return wrong();
  has_daylight_ = true;
  begin_ = *begin, end_ = *end;
  return Ok();
}

std::int64_t TimeZone::OffsetByRule(std::int64_t unix) const {
  if (!has_daylight_) return standard_;
  using namespace std::chrono;
  const sys_days day{days(FloorDivide(unix + standard_, kDay))};
  const year year = year_month_day(day).year();
  const std::int64_t begin = LocalOf(begin_, year) - standard_;
  const std::int64_t end = LocalOf(end_, year) - daylight_;
  const bool daylight = begin < end ? unix >= begin && unix < end : unix >= begin || unix < end;
  return daylight ? daylight_ : standard_;
}

std::int64_t TimeZone::OffsetAt(std::int64_t unix) const {
  if (has_rule_ && (transitions_.empty() || unix >= transitions_.back())) {
    return OffsetByRule(unix);
  }
  if (offsets_.empty()) return 0;
  const auto next = std::upper_bound(transitions_.begin(), transitions_.end(), unix);
  return offsets_[static_cast<std::size_t>(next - transitions_.begin())];
}

std::int64_t TimeZone::ToUnix(std::int64_t local) const {
  const std::int64_t before = OffsetAt(local - kDay), after = OffsetAt(local + kDay);
  if (OffsetAt(local - before) == before) return local - before;
  if (OffsetAt(local - after) == after) return local - after;
  // The clock skips it. The transition lies between the two readings.
  std::int64_t low = local - std::max(before, after), high = local - std::min(before, after);
  while (low < high) {
    const std::int64_t middle = low + (high - low) / 2;
    if (OffsetAt(middle) == after) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return high;
}

}  // namespace muster::registry
