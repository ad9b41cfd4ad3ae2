#include "registry/cron.h"

#include <gmock/gmock.h>

namespace muster::registry {
namespace {

using testing::HasSubstr;

/// Seconds since 1970 of a date in UTC, by counting days.
std::int64_t At(int year, int month, int day, int hour = 0, int minute = 0, int second = 0) {
  const int a = (14 - month) / 12;  // Julian day number, as in the calendar FAQ
  const std::int64_t y = year + 4800 - a, m = month + 12 * a - 3;
  const std::int64_t julian = day + (153 * m + 2) / 5 + 365 * y + y / 4 - y / 100 + y / 400 - 32045;
  return (julian - 2440588) * 86'400 + hour * 3'600 + minute * 60 + second;
}

std::string Next(std::string_view cron, std::int64_t after) {
  const auto schedule = CronSchedule::Parse(cron);
  EXPECT_TRUE(schedule.ok()) << cron << ": " << (schedule.ok() ? "" : schedule.error().message);
  if (!schedule.ok()) return "";
  const auto next = schedule->NextAfter(after);
  return next ? UtcText(*next) : "never";
}

TEST(Cron, KnownNextTimes) {
  const std::int64_t now = At(2026, 11, 24, 2, 30, 17);  // a Tuesday
  EXPECT_EQ(Next("* * * * *", now), "2026-11-24T02:31:00Z");
  EXPECT_EQ(Next("30 2 * * *", now), "2026-11-25T02:30:00Z") << "this minute has begun";
  EXPECT_EQ(Next("0 3 * * *", now), "2026-11-24T03:00:00Z");
  EXPECT_EQ(Next("*/15 * * * *", now), "2026-11-24T02:45:00Z");
  EXPECT_EQ(Next("5/20 * * * *", now), "2026-11-24T02:45:00Z");
  EXPECT_EQ(Next("0 9-17/4 * * 1-5", now), "2026-11-24T09:00:00Z");
  EXPECT_EQ(Next("0 0 1 jan *", now), "2027-01-01T00:00:00Z");
  EXPECT_EQ(Next("0 12 * * SUN", now), "2026-11-29T12:00:00Z");
  EXPECT_EQ(Next("0 12 * * 7", now), "2026-11-29T12:00:00Z");
  EXPECT_EQ(Next("0 0 31 * *", now), "2026-12-31T00:00:00Z");
  EXPECT_EQ(Next("15,45 23 * * *", now), "2026-11-24T23:15:00Z");
  EXPECT_EQ(Next("@weekly", now), "2026-11-29T00:00:00Z");
  EXPECT_EQ(Next("@hourly", At(2026, 12, 31, 23, 59)), "2027-01-01T00:00:00Z");
  EXPECT_EQ(Next("0 0 * * *", At(2026, 11, 24)), "2026-11-25T00:00:00Z") << "strictly after";
}

TEST(Cron, LeapDays) {
  EXPECT_EQ(Next("0 0 29 2 *", At(2026, 1, 1)), "2028-02-29T00:00:00Z");
  EXPECT_EQ(Next("0 0 29 FEB *", At(2096, 3, 1)), "2104-02-29T00:00:00Z") << "2100 has none";
  EXPECT_EQ(Next("0 0 30 2 *", At(2026, 1, 1)), "never");
}

TEST(Cron, TwoDayFields_EitherFits) {
  // Friday or the 13th: the 24th is a Tuesday, the next Friday the 27th.
  EXPECT_EQ(Next("0 0 13 * FRI", At(2026, 11, 24)), "2026-11-27T00:00:00Z");
  EXPECT_EQ(Next("0 0 13 * FRI", At(2026, 12, 12)), "2026-12-13T00:00:00Z") << "a Sunday";
  EXPECT_EQ(Next("0 0 13 * *", At(2026, 11, 24)), "2026-12-13T00:00:00Z");
  // A field that begins with '*' leaves both to fit: odd days that are Mondays.
  EXPECT_EQ(Next("0 0 */2 * MON", At(2026, 11, 24)), "2026-12-07T00:00:00Z");
}

TEST(Cron, LastIn_IsTheInverseOfNextAfter) {
  for (const auto* text : {"* * * * *", "30 2 * * *", "*/15 9-17 * * 1-5", "0 0 1 * *"}) {
    const auto schedule = *CronSchedule::Parse(text);
    std::int64_t after = At(2026, 11, 20);
    for (int i = 0; i < 50; ++i) {
      const std::int64_t next = *schedule.NextAfter(after);
      EXPECT_EQ(schedule.LastIn(after, next), next) << text;
      EXPECT_EQ(schedule.LastIn(after, next + 59), next) << text;
      EXPECT_EQ(schedule.LastIn(after, next - 1), std::nullopt) << text;
      EXPECT_EQ(schedule.LastIn(next, next), std::nullopt) << text;
      after = next;
    }
  }
  EXPECT_EQ(CronSchedule::Parse("0 3 * * *")->LastIn(At(2026, 1, 1), At(2026, 11, 24, 2)),
            At(2026, 11, 23, 3));
}

TEST(Cron, BadFields_AreNamed) {
  const auto refusal = [](std::string_view text) {
    const auto schedule = CronSchedule::Parse(text);
    EXPECT_FALSE(schedule.ok()) << text;
    return schedule.ok() ? "" : schedule.error().message;
  };
  EXPECT_THAT(refusal("* * * *"), HasSubstr("has 4 fields; wanted 5"));
  EXPECT_THAT(refusal("60 * * * *"), HasSubstr("minute '60'; wanted *, a number from 0 to 59"));
  EXPECT_THAT(refusal("* 24 * * *"), HasSubstr("hour '24'"));
  EXPECT_THAT(refusal("* * 0 * *"), HasSubstr("day of month '0'"));
  EXPECT_THAT(refusal("* * * FOO *"), HasSubstr("month 'FOO'"));
  EXPECT_THAT(refusal("* * * * 8"), HasSubstr("day of week '8'"));
  for (const auto* text :
       {"*/0 * * * *", "5-1 * * * *", "1, * * * *", "-1 * * * *", "1-2-3 * * * *", "", "@never",
        "a * * * *", "*/ * * * *", "+1 * * * *"}) {
    EXPECT_NE(refusal(text), "") << text;
  }
}

TEST(Utc, Texts) {
  EXPECT_EQ(UtcText(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(UtcCompact(At(2026, 11, 24, 3, 4, 5)), "20261124T030405Z");
  EXPECT_EQ(UtcText(-1), "1969-12-31T23:59:59Z");
}

}  // namespace
}  // namespace muster::registry
