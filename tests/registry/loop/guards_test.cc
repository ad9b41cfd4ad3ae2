#include "registry/loop/guards.h"

#include <gmock/gmock.h>

namespace muster::registry {
namespace {

using What = GuardVerdict::What;

constexpr std::int64_t kNow = 1'000'000;

Firing Ended(std::string sweep, std::int64_t ago, std::string outcome = "gated") {
  Firing firing{.trigger = "t", .fired_unix = kNow - ago - 50, .kind = "drift"};
  firing.sweep = SweepId(std::move(sweep));
  firing.state = FiringState::kDecided;
  firing.model = "m";
  firing.submitted_unix = kNow - ago - 40;
  firing.ended_unix = kNow - ago;
  firing.trial_seconds = 100;
  firing.outcome = std::move(outcome);
  return firing;
}
Firing In(FiringState state, std::string sweep, std::string kind = "drift") {
  Firing firing = Ended(std::move(sweep), 0);
  firing.kind = std::move(kind);
  firing.state = state;
  firing.ended_unix = 0;
  firing.outcome.clear();
  firing.scheduled_unix = kNow - 10;
  return firing;
}
Firing Keyed(Firing firing, std::string key) {
  firing.dedup_key = std::move(key);
  return firing;
}
Firing Prepared(Firing firing) {
  firing.spec_json = "{}";
  return firing;
}

struct GuardRow {
  const char* name;
  wire::RetrainGuards guards;
  std::vector<Firing> others;
  What of_signal, of_cron;  ///< what the same case does to a signal and to a clock
  const char* guard;
  bool forced = false;
  FiringState state = FiringState::kClaimed;
  std::int64_t champion = 3;
};

class Guards : public testing::TestWithParam<GuardRow> {};

TEST_P(Guards, JudgeAsTheirHeaderSays) {
  const GuardRow& row = GetParam();
  for (const auto& [kind, wanted] :
       {std::pair("drift", row.of_signal), std::pair("cron", row.of_cron)}) {
    Firing firing{.trigger = "t", .scheduled_unix = kNow - 20, .fired_unix = kNow - 20};
    firing.kind = kind;
    firing.state = row.state;
    firing.model = "m";
    firing.dedup_key = "key";
    firing.champion = 3;
    const GuardVerdict verdict =
        JudgeGuards({firing, row.guards, row.others, row.champion, kNow, row.forced});
    EXPECT_EQ(verdict.what, wanted) << kind << ": " << verdict.seen << "; " << verdict.why;
    EXPECT_EQ(verdict.guard, wanted == What::kPass ? "" : row.guard);
    EXPECT_EQ(verdict.why.empty(), wanted == What::kPass);
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, Guards,
    testing::Values(
        GuardRow{"nothing", {}, {}, What::kPass, What::kPass, ""},
        GuardRow{"key_of_yesterday",
                 {},
                 {Keyed(Ended("a", 3'600), "key")},
                 What::kSkip,
                 What::kSkip,
                 "duplicate"},
        GuardRow{
            "another_key", {}, {Keyed(Ended("a", 3'600), "other")}, What::kPass, What::kPass, ""},
        GuardRow{"key_of_one_that_failed",
                 {},
                 {Keyed(Ended("a", 3'600, "failed"), "key")},
                 What::kPass,
                 What::kPass,
                 ""},
        GuardRow{"key_long_ago",
                 {.dedup_seconds = 3'000},
                 {Keyed(Ended("a", 3'600), "key")},
                 What::kPass,
                 What::kPass,
                 ""},
        GuardRow{"key_forced",
                 {},
                 {Keyed(Ended("a", 3'600), "key")},
                 What::kPass,
                 What::kPass,
                 "",
                 true},
        GuardRow{"submitted",
                 {},
                 {In(FiringState::kSubmitted, "a")},
                 What::kHold,
                 What::kSkip,
                 "in_flight"},
        GuardRow{
            "waiting", {}, {In(FiringState::kWaiting, "a")}, What::kHold, What::kSkip, "in_flight"},
        GuardRow{"canary_forced",
                 {},
                 {In(FiringState::kCanary, "a")},
                 What::kHold,
                 What::kSkip,
                 "in_flight",
                 true},
        GuardRow{"about_to_be_submitted",
                 {},
                 {Prepared(In(FiringState::kClaimed, "a"))},
                 What::kHold,
                 What::kSkip,
                 "in_flight"},
        GuardRow{
            "claimed_only", {}, {In(FiringState::kClaimed, "a")}, What::kPass, What::kPass, ""},
        GuardRow{"held_only", {}, {In(FiringState::kHeld, "a")}, What::kPass, What::kPass, ""},
        GuardRow{"stale", {}, {}, What::kSkip, What::kSkip, "stale", false, FiringState::kHeld, 4},
        GuardRow{"superseded",
                 {},
                 {In(FiringState::kHeld, "a"), In(FiringState::kHeld, "b", "cron")},
                 What::kSkip,
                 What::kSkip,
                 "superseded",
                 false,
                 FiringState::kHeld},
        GuardRow{"cooldown",
                 {.cooldown_seconds = 61},
                 {Ended("a", 60), Ended("b", 300)},
                 What::kHold,
                 What::kSkip,
                 "cooldown"},
        GuardRow{"cooldown_over",
                 {.cooldown_seconds = 60},
                 {Ended("a", 60)},
                 What::kPass,
                 What::kPass,
                 ""},
        GuardRow{"cooldown_forced",
                 {.cooldown_seconds = 61},
                 {Ended("a", 60)},
                 What::kPass,
                 What::kPass,
                 "",
                 true},
        GuardRow{"budget",
                 {.retrainings = 2, .period_seconds = 400},
                 {Ended("a", 60), Ended("b", 300)},
                 What::kHold,
                 What::kSkip,
                 "budget"},
        GuardRow{"budget_of_an_earlier_period",
                 {.retrainings = 2, .period_seconds = 340},
                 {Ended("a", 60), Ended("b", 300)},
                 What::kPass,
                 What::kPass,
                 ""},
        GuardRow{"trial_seconds",
                 {.trial_seconds = 200},
                 {Ended("a", 60), Ended("b", 300)},
                 What::kHold,
                 What::kSkip,
                 "budget"},
        GuardRow{"trial_seconds_left",
                 {.trial_seconds = 201},
                 {Ended("a", 60), Ended("b", 300)},
                 What::kPass,
                 What::kPass,
                 ""}),
    [](const auto& row) { return std::string(row.param.name); });

TEST(Guards, OfAnotherTriggerOfTheModel_CountForItsBudgetOnlyThere) {
  Firing other = Ended("a", 60);
  other.trigger = "other";
  Firing firing{.trigger = "t", .kind = "drift"};
  firing.model = "m";
  EXPECT_EQ(JudgeGuards({firing, {.retrainings = 1}, {other}, 0, kNow}).what, What::kPass);
  EXPECT_EQ(JudgeGuards({firing, {.cooldown_seconds = 100}, {other}, 0, kNow}).what, What::kHold);
}

TEST(Guards, OutOfRange_AreNamed) {
  EXPECT_TRUE(CheckGuards({}).ok());
  EXPECT_FALSE(CheckGuards({.retrainings = -1}).ok());
  EXPECT_FALSE(CheckGuards({.trial_seconds = -0.5}).ok());
  EXPECT_FALSE(CheckGuards({.period_seconds = std::int64_t{1} << 62}).ok()) << "no overflow later";
}

}  // namespace
}  // namespace muster::registry
