#include "registry/rollout/rollout.h"

#include <gmock/gmock.h>

#include <string>

#include "runtime/base/random.h"

/// Canaries from their first request to their end, without a server: seeded requests under a clock of the test's own.

namespace muster::registry {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;
using State = Rollout::State;

/// What a model does to its requests.
struct Model {
  double answers = 1, right = 0.9, milliseconds = 5;
};

struct Traffic {
  Model champion, challenger;
  int requests = 100'000;
  double labelled = 0.5;  ///< share of answers whose truth comes in
};

/// A request each 10 ms until the rollout has ended.
Rollout Roll(const RolloutSpec& spec, const Traffic& traffic, std::uint64_t seed) {
  Random random(seed);
  MonotonicTime now{};
  Rollout rollout(spec, "digits/" + std::to_string(seed), now);
  for (int i = 0; i < traffic.requests && rollout.state() == State::kRunning; ++i) {
    now += milliseconds(10);
    const Arm arm = rollout.Choose("user" + std::to_string(random.Below(100'000)));
    const Model& model = arm == Arm::kChampion ? traffic.champion : traffic.challenger;
    const bool answered = random.Chance(model.answers);
    rollout.Answered(arm, answered, model.milliseconds * (0.5 + random.Uniform()));
    if (answered && random.Chance(traffic.labelled)) {
      rollout.Labelled(arm, random.Chance(model.right));
    }
    rollout.Look(now);
  }
  return rollout;
}

TEST(StickyPoint, IsUniformAndTheKeysOwn) {
  EXPECT_EQ(StickyPoint("a", "user"), StickyPoint("a", "user"));
  EXPECT_NE(StickyPoint("a", "user"), StickyPoint("b", "user"));
  int below = 0;
  for (int i = 0; i < 10'000; ++i) {
    const double point = StickyPoint("salt", std::to_string(i));
    ASSERT_TRUE(point >= 0 && point < 1);
    below += point < 0.25 ? 1 : 0;
  }
  EXPECT_NEAR(below, 2'500, 5 * 43.3) << "five deviations of a binomial";
}

TEST(Rollout, GoodChallenger_TakesOverStepByStep) {
  const Rollout rollout = Roll({}, {.challenger = {.right = 0.91}}, 1);
  ASSERT_EQ(rollout.state(), State::kDone) << rollout.log().back().reason;
  ASSERT_EQ(rollout.log().size(), 4U);
  double before = 0;
  for (const auto& decision : rollout.log()) {
    EXPECT_GT(decision.share, before);
    before = decision.share;
  }
  for (std::size_t i = 1; i < rollout.log().size(); ++i) {
    EXPECT_GE(rollout.log()[i].at - rollout.log()[i - 1].at, seconds(60));
  }
  EXPECT_EQ(rollout.share(), 1);
  EXPECT_EQ(rollout.Choose("anybody"), Arm::kChallenger);
  EXPECT_THAT(rollout.log().back().reason, HasSubstr("nothing speaks against it"));
}

TEST(Rollout, KeysStayWithTheChallengerAsItsShareGrows) {
  MonotonicTime now{};
  Rollout rollout({.steps = {0.05, 0.5, 1}, .step_time = seconds(0), .step_answers = 0}, "s", now);
  std::vector<std::string> early;
  for (int i = 0; i < 1'000; ++i) {
    if (rollout.Choose(std::to_string(i)) == Arm::kChallenger) early.push_back(std::to_string(i));
  }
  EXPECT_NEAR(static_cast<double>(early.size()), 50, 5 * 6.9);
  ASSERT_TRUE(rollout.Look(now));
  ASSERT_EQ(rollout.share(), 0.5);
  for (const std::string& key : early) EXPECT_EQ(rollout.Choose(key), Arm::kChallenger);
}

struct BadCase {
  const char* name;
  Model challenger;
  std::string reason;
  RolloutSpec spec = {};
};

TEST(Rollout, BadChallenger_GoesBackWithTheReason) {
  const BadCase cases[] = {
      {"fails", {.answers = 0.8}, "answered: challenger "},
      {"fails at once", {.answers = 0}, "answered: challenger 0 %"},
      {"wrong", {.right = 0.8}, "right: challenger "},
      {"slow", {.milliseconds = 40}, "slower than 20 ms: ", {.slow_ms = 20}},
  };
  for (const BadCase& bad : cases) {
    const Rollout rollout = Roll(bad.spec, {.challenger = bad.challenger}, 3);
    EXPECT_EQ(rollout.state(), State::kRolledBack) << bad.name;
    EXPECT_EQ(rollout.share(), 0) << bad.name;
    EXPECT_EQ(rollout.Choose("anybody"), Arm::kChampion) << bad.name;
    EXPECT_THAT(rollout.log().back().reason, HasSubstr(bad.reason)) << bad.name;
    EXPECT_THAT(rollout.log().back().reason,
                HasSubstr(bad.spec.slow_ms > 0 ? ", wanted 80" : ", wanted 40"))
        << bad.name;
  }
}

TEST(Rollout, EqualModels_GoBackAtMostAlphaOfTheTime) {
  int back = 0;
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    const Rollout rollout =
        Roll({.step_answers = 500},
             {.champion = {.answers = 0.99}, .challenger = {.answers = 0.99}}, seed);
    EXPECT_NE(rollout.state(), State::kRunning);
    back += rollout.state() == State::kRolledBack ? 1 : 0;
  }
  EXPECT_LE(back, 3);
}

TEST(Rollout, LastShareBelowOne_IsAnAbTestThatGoesOn) {
  const RolloutSpec half{.steps = {0.5}};
  const Rollout better = Roll(half, {.challenger = {.right = 0.95}, .requests = 20'000}, 5);
  EXPECT_EQ(better.state(), State::kRunning);
  EXPECT_EQ(better.log().size(), 1U);
  EXPECT_GT(better.evidence_better(), 20) << "five points in 20,000 requests, alpha 5 %";
  EXPECT_NEAR(better.figures(Arm::kChallenger).mean_ms, 5, 0.1);
  const Rollout equal = Roll(half, {.requests = 20'000}, 5);
  EXPECT_LT(equal.evidence_better(), 20);
  EXPECT_EQ(Roll(half, {.challenger = {.right = 0.8}}, 5).state(), State::kRolledBack);
}

TEST(Rollout, LabelsThatAreWaitedFor_HoldAStepUp) {
  MonotonicTime now{};
  Rollout rollout({.steps = {0.5, 1}, .step_time = seconds(1), .step_answers = 1, .step_labels = 2},
                  "s", now);
  for (int i = 0; i < 10; ++i) rollout.Answered(Arm::kChallenger, true, 1);
  EXPECT_FALSE(rollout.Look(now += seconds(60)));
  rollout.Labelled(Arm::kChallenger, true);
  rollout.Labelled(Arm::kChampion, true);
  EXPECT_FALSE(rollout.Look(now));
  rollout.Labelled(Arm::kChallenger, true);
  EXPECT_TRUE(rollout.Look(now));
  EXPECT_EQ(rollout.state(), State::kDone);
}

TEST(Rollout, OneStepOfAll_IsDoneAtOnce) {
  Rollout rollout({.steps = {1}}, "s", {});
  EXPECT_EQ(rollout.state(), State::kDone);
  EXPECT_FALSE(rollout.Look({}));
}

TEST(Rollout, NoTraffic_Waits) {
  MonotonicTime now{};
  Rollout rollout({}, "s", now);
  for (int i = 0; i < 1'000; ++i) EXPECT_FALSE(rollout.Look(now += seconds(60)));
  EXPECT_EQ(rollout.state(), State::kRunning);
  EXPECT_EQ(rollout.figures(Arm::kChallenger).answered_interval,
            (statistics::Interval{0, 1, 0.95}));
}

TEST(Rollout, AfterItsEnd_NothingIsDecided) {
  Rollout rollout = Roll({}, {.challenger = {.answers = 0}}, 1);
  const std::size_t decisions = rollout.log().size();
  for (int i = 0; i < 1'000; ++i) rollout.Answered(Arm::kChampion, true, 1);
  EXPECT_FALSE(rollout.Look(MonotonicTime{} + seconds(100'000)));
  EXPECT_EQ(rollout.log().size(), decisions);
}

TEST(CheckRollout, NamesWhatIsWrong) {
  EXPECT_TRUE(CheckRollout({}).ok());
  const auto message = [](const RolloutSpec& spec) { return CheckRollout(spec).error().message; };
  EXPECT_THAT(message({.steps = {0.5, 0.1, 1}}),
              HasSubstr("rising shares between 0 and 1, got 0.1 after 0.5"));
  EXPECT_THAT(message({.steps = {0.5, 1.5}}), HasSubstr("got 1.5 after 0.5"));
  EXPECT_THAT(message({.steps = {}}), HasSubstr("wanted at least one share"));
  EXPECT_THAT(message({.alpha = 1}), HasSubstr("at alpha: wanted a number between 0 and 1, got 1"));
  EXPECT_THAT(message({.loss = 0}), HasSubstr("at loss"));
  EXPECT_THAT(message({.slow_ms = -1}), HasSubstr("at slow_ms"));
}

}  // namespace
}  // namespace muster::registry
