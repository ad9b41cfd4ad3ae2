#include "registry/time_zone.h"

#include <gmock/gmock.h>

#include <chrono>
#include <cstdlib>
#include <ctime>

#include "registry/cron.h"
#include "runtime/base/file.h"
#include "runtime/base/random.h"
#include "tests/support/mutator.h"

/// Against the C library, which reads the same files with code of its own, and examples of RFC 8536.

namespace muster::registry {
namespace {

using testing::HasSubstr;

TimeZone Zone(const std::string& name) {
  const auto bytes = ReadWholeFile("/usr/share/zoneinfo/" + name);
  EXPECT_TRUE(bytes.ok()) << name;
  const auto zone = TimeZone::Parse(bytes.ok() ? *bytes : "");
  EXPECT_TRUE(zone.ok()) << name << ": " << (zone.ok() ? "" : zone.error().message);
  return zone.ok() ? *zone : TimeZone();
}

std::int64_t At(int year, unsigned month, unsigned day, int hour, int minute) {
  const std::chrono::sys_days date =
      std::chrono::year(year) / static_cast<int>(month) / static_cast<int>(day);
  return date.time_since_epoch().count() * 86'400LL + hour * 3'600 + minute * 60;
}

/// Local times of "cron in zone", from a moment in UTC.
std::vector<std::string> Next(std::string_view cron, const TimeZone& zone, std::int64_t after,
                              int count) {
  const auto schedule = CronSchedule::Parse(cron).value();
  std::vector<std::string> times;
  for (int i = 0; i < count; ++i) {
    const std::int64_t before = after;
    after = schedule.NextAfter(after, zone).value();
    times.push_back(UtcText(after));
    EXPECT_EQ(schedule.LastIn(before, after, zone), after) << cron;
    EXPECT_EQ(schedule.LastIn(before, after - 1, zone), std::nullopt) << cron;
    EXPECT_EQ(schedule.LastIn(after - 1, after + 30, zone), after) << cron;
  }
  return times;
}

/// A version 4 file of one type and the rule alone.
std::string WithRule(const std::string& rule, std::string offset = std::string(4, '\0')) {
  std::string header = "TZif4" + std::string(15, '\0');
  for (const int count : {0, 0, 0, 0, 1, 4}) {
    header += std::string(3, '\0') + static_cast<char>(count);
  }
  const std::string body = offset + std::string("\0\0", 2) + std::string("ABC\0", 4);
  return header + body + header + body + "\n" + rule + "\n";
}

TEST(TimeZone, OfTheDatabase_OffsetsAreThoseOfTheRule) {
  const TimeZone berlin = Zone("Europe/Berlin");
  EXPECT_EQ(berlin.OffsetAt(At(2026, 1, 1, 0, 0)), 3'600);
  EXPECT_EQ(berlin.OffsetAt(At(2026, 3, 29, 0, 59)), 3'600);
  EXPECT_EQ(berlin.OffsetAt(At(2026, 3, 29, 1, 0)), 7'200);
  EXPECT_EQ(berlin.OffsetAt(At(2026, 10, 25, 0, 59)), 7'200);
  EXPECT_EQ(berlin.OffsetAt(At(2026, 10, 25, 1, 0)), 3'600);
  EXPECT_EQ(berlin.OffsetAt(At(2126, 7, 1, 0, 0)), 7'200) << "beyond the file's transitions";
  EXPECT_EQ(Zone("Asia/Kathmandu").OffsetAt(At(2026, 1, 1, 0, 0)), 20'700);
  EXPECT_EQ(Zone("Australia/Lord_Howe").OffsetAt(At(2060, 1, 1, 0, 0)), 39'600);
  EXPECT_EQ(Zone("Australia/Lord_Howe").OffsetAt(At(2060, 7, 1, 0, 0)), 37'800);
  EXPECT_EQ(TimeZone().OffsetAt(0), 0);
}

TEST(TimeZone, AllZones_AgreeWithTheCLibrary) {
  int zones = 0;
  for (const char* name :
       {"Europe/Berlin",     "America/New_York",  "America/St_Johns",    "Asia/Kathmandu",
        "Asia/Tehran",       "Africa/Casablanca", "Africa/Cairo",        "America/Nuuk",
        "America/Santiago",  "Asia/Gaza",         "Australia/Lord_Howe", "Pacific/Apia",
        "Pacific/Chatham",   "Antarctica/Troll",  "Asia/Tokyo",          "Europe/Dublin",
        "America/Sao_Paulo", "Asia/Kolkata",      "Pacific/Kiritimati",  "UTC"}) {
    const TimeZone zone = Zone(name);
    ASSERT_EQ(setenv("TZ", (":" + std::string(name)).c_str(), 1), 0);
    tzset();
    Random random(7, static_cast<std::uint64_t>(zones++));
    for (int i = 0; i < 4'000; ++i) {
      const auto unix = static_cast<std::time_t>(random.Uniform(-2.2e9, 6e9));
      std::tm local{};
      ASSERT_NE(localtime_r(&unix, &local), nullptr);
      ASSERT_EQ(zone.OffsetAt(unix), local.tm_gmtoff) << name << " at " << unix;
      const std::int64_t shown = unix + zone.OffsetAt(unix);
      const std::int64_t first = zone.ToUnix(shown);
      ASSERT_LE(first, unix) << name;
      ASSERT_EQ(first + zone.OffsetAt(first), shown) << name << " at " << unix;
    }
  }
  unsetenv("TZ");
  tzset();
}

TEST(TimeZone, RulesOfTheRfc_AreRead) {
  // West Greenland, all of whose rule lies on the evening before; Israel, at 26 hours; Jan Mayen's Julian days.
  const auto godthab = TimeZone::Parse(WithRule("<-03>3<-02>,M3.5.0/-2,M10.5.0/-1"));
  ASSERT_TRUE(godthab.ok()) << godthab.error().message;
  EXPECT_EQ(godthab->OffsetAt(At(2026, 3, 29, 0, 59)), -10'800);
  EXPECT_EQ(godthab->OffsetAt(At(2026, 3, 29, 1, 0)), -7'200);
  const auto israel = TimeZone::Parse(WithRule("IST-2IDT,M3.4.4/26,M10.5.0"));
  EXPECT_EQ(israel->OffsetAt(At(2026, 3, 26, 23, 59)), 7'200);
  EXPECT_EQ(israel->OffsetAt(At(2026, 3, 27, 0, 0)), 10'800);
  const auto julian = TimeZone::Parse(WithRule("XXX0YYY,J60,J300/3:30"));
  EXPECT_EQ(julian->OffsetAt(At(2028, 3, 1, 2, 0)), 3'600) << "J60 is the 1st of March, always";
  EXPECT_EQ(julian->OffsetAt(At(2028, 2, 29, 23, 0)), 0);
  const auto zero = TimeZone::Parse(WithRule("XXX0YYY,59/0,300/0"));
  EXPECT_EQ(zero->OffsetAt(At(2028, 2, 29, 0, 0)), 3'600);
  EXPECT_EQ(TimeZone::Parse(WithRule("HST10"))->OffsetAt(0), -36'000);
}

TEST(TimeZone, BadFiles_AreRefused) {
  const std::string good = WithRule("HST10");
  EXPECT_TRUE(TimeZone::Parse(good).ok());
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(TimeZone::Parse(good.substr(0, size)).ok()) << size;
  }
  for (const char* rule : {"HS10", "HST", "HST25", "HST10HDT", "HST10HDT,M13.1.0,M1.1.0",
                           "HST10HDT,M3.6.0,M1.1.0", "HST10HDT,M3.5.0,M1.1.0/168", "HST10x"}) {
    const auto zone = TimeZone::Parse(WithRule(rule));
    ASSERT_FALSE(zone.ok()) << rule;
    EXPECT_THAT(zone.error().message, HasSubstr(rule));
  }
  EXPECT_THAT(
      TimeZone::Parse(WithRule("HST10", std::string("\x00\x10\x00\x00", 4))).error().message,
      HasSubstr("26 hours"));
}

TEST(TimeZone, FilesThatAreAlmostRight_DoNoHarm) {
  Mutator mutator({ReadWholeFile("/usr/share/zoneinfo/Europe/Berlin").value(),
                   WithRule("<-03>3<-02>,M3.5.0/-2,M10.5.0/-1"), WithRule("XXX0YYY,J60,J300/3:30")},
                  7);
  const auto schedule = CronSchedule::Parse("30 2 * * *").value();
  int read = 0;
  for (int i = 0; i < 20'000; ++i) {
    const auto zone = TimeZone::Parse(mutator.Next());
    if (!zone.ok()) continue;
    ++read;
    const std::int64_t now = At(2026, 3, 28, 12, 0);
    const auto next = schedule.NextAfter(now, *zone);
    ASSERT_TRUE(next && *next > now && *next < now + 4 * 86'400);
  }
  EXPECT_GT(read, 100) << "else the zones' own code is not reached";
}

TEST(CronInAZone, ClocksPutForward_TheSkippedTimeIsTheNextMinuteOnce) {
  const TimeZone berlin = Zone("Europe/Berlin");
  const std::int64_t before = At(2026, 3, 28, 12, 0);
  EXPECT_THAT(
      Next("30 2 * * *", berlin, before, 3),
      testing::ElementsAre("2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z", "2026-03-31T00:30:00Z"));
  EXPECT_THAT(
      Next("*/30 2 * * *", berlin, before, 3),
      testing::ElementsAre("2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z", "2026-03-30T00:30:00Z"))
      << "two that are skipped are one";
  EXPECT_THAT(Next("0 3 * * *", berlin, before, 2),
              testing::ElementsAre("2026-03-29T01:00:00Z", "2026-03-30T01:00:00Z"));
}

TEST(CronInAZone, ClocksPutBack_TheTimeThatComesTwiceIsItsFirst) {
  const TimeZone berlin = Zone("Europe/Berlin");
  const std::int64_t before = At(2026, 10, 24, 12, 0);
  EXPECT_THAT(Next("30 2 * * *", berlin, before, 2),
              testing::ElementsAre("2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"));
  EXPECT_THAT(
      Next("0 * * * *", berlin, At(2026, 10, 24, 23, 30), 3),
      testing::ElementsAre("2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z", "2026-10-25T03:00:00Z"));
  const auto schedule = CronSchedule::Parse("30 2 * * *").value();
  EXPECT_EQ(schedule.LastIn(before, At(2026, 10, 25, 1, 40), berlin), At(2026, 10, 25, 0, 30))
      << "asked when the clock shows 2:40 again";
}

TEST(CronInAZone, AWholeDayThatIsSkipped_IsItsEnd) {
  // Samoa went over the date line: the 30th of December 2011 was not.
  EXPECT_THAT(Next("0 12 30 12 *", Zone("Pacific/Apia"), At(2011, 12, 1, 0, 0), 2),
              testing::ElementsAre("2011-12-30T10:00:00Z", "2012-12-29T22:00:00Z"));
}

TEST(CronInAZone, InUtc_IsTheSameAsWithout) {
  const auto schedule = CronSchedule::Parse("*/7 3-9 * * 1,4").value();
  std::int64_t time = At(2026, 2, 1, 0, 0);
  for (int i = 0; i < 200; ++i) {
    const auto next = schedule.NextAfter(time);
    ASSERT_EQ(schedule.NextAfter(time, TimeZone()), next);
    time = *next;
  }
}

}  // namespace
}  // namespace muster::registry
