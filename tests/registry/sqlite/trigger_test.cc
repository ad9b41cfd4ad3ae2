#include "registry/loop/trigger_service.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "registry/cron.h"
#include "registry/files/zone_file.h"
#include "registry/memory_model_store.h"
#include "registry/sqlite/trigger_store.h"
#include "runtime/base/clock.h"

/// The trigger service on its real store.

namespace muster::registry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::int64_t kMidnight = 1'795'478'400;  // 2026-11-24T00:00:00Z
constexpr std::int64_t kHour = 3'600;
constexpr std::int64_t kDay = 24 * kHour;

class Triggers : public testing::Test {
 protected:
  void Add(std::string name, std::string cron, bool enabled = true) {
    const Status added = service_.Add(
        {std::move(name), R"({"name":"digits"})", {.cron = std::move(cron)}, enabled}, kMidnight);
    ASSERT_TRUE(added.ok()) << added.error().message;
  }
  std::optional<std::int64_t> Tick(std::int64_t now) {
    const auto next = service_.Tick(now);
    EXPECT_TRUE(next.ok()) << (next.ok() ? "" : next.error().message);
    return next.ok() ? *next : std::nullopt;
  }
  TriggerParts Parts() {
    return {.store = *store_,
            .models = models_,
            .submit =
                [this](const SweepId& sweep, const std::string&) {
                  submitted_.push_back(sweep.value);
                  return answer_;
                },
            .find =
                [this](const SweepId&) {
                  wire::SweepDetail detail;
                  detail.sweep.state = state_;
                  return Result<wire::SweepDetail>(detail);
                },
            .zone = ReadZone};
  }

  std::unique_ptr<TriggerStore> store_ = *SqliteTriggerStore::Open(":memory:");
  FakeClock clock_;
  MemoryModelStore models_{clock_};
  std::vector<std::string> submitted_;
  Status answer_;
  std::string state_ = "complete";  ///< of all sweeps, which name no model
  TriggerService service_{Parts()};
};

TEST_F(Triggers, TheTestsMidnight_IsMidnight) {
  EXPECT_EQ(UtcText(kMidnight), "2026-11-24T00:00:00Z");
}

TEST_F(Triggers, Tick_FiresEachTimeOnce) {
  Add("nightly", "0 3 * * *");
  EXPECT_EQ(Tick(kMidnight + 1), kMidnight + 3 * kHour);
  EXPECT_THAT(submitted_, IsEmpty());
  EXPECT_EQ(Tick(kMidnight + 3 * kHour), kMidnight + kDay + 3 * kHour);
  EXPECT_EQ(Tick(kMidnight + 3 * kHour + 1), kMidnight + kDay + 3 * kHour);
  EXPECT_THAT(submitted_, ElementsAre("nightly-20261124T030000Z"));
  const auto firings = *store_->Firings("nightly", 10);
  ASSERT_THAT(firings, SizeIs(1));
  EXPECT_EQ(firings[0].outcome, "done");
  EXPECT_EQ(firings[0].why, "cron 0 3 * * *");
}

TEST_F(Triggers, Tick_AfterDaysAway_CatchesUpWithTheLatestTimeOnly) {
  Add("nightly", "0 3 * * *");
  Tick(kMidnight + 10 * kDay);
  EXPECT_THAT(submitted_, ElementsAre("nightly-20261203T030000Z"));
  TriggerService restarted(Parts());
  ASSERT_TRUE(restarted.Tick(kMidnight + 10 * kDay + 1).ok());
  EXPECT_THAT(submitted_, SizeIs(1)) << "a restart claims no time twice";
}

TEST_F(Triggers, Add_BeforeItsTimeOfToday_DoesNotFireForThePast) {
  const Status added =
      service_.Add({"late", R"({"name":"digits"})", {.cron = "0 3 * * *"}}, kMidnight + 4 * kHour);
  ASSERT_TRUE(added.ok());
  Tick(kMidnight + 5 * kHour);
  EXPECT_THAT(submitted_, IsEmpty());
}

TEST_F(Triggers, CoordinatorAway_TriesTheSameSweepAgain) {
  Add("nightly", "0 3 * * *");
  answer_ = Unavailable("starting");
  const std::int64_t due = kMidnight + 3 * kHour;
  EXPECT_EQ(Tick(due), due + 60);
  answer_ = Ok();
  Tick(due + 60);
  Tick(due + 120);
  EXPECT_THAT(submitted_, ElementsAre("nightly-20261124T030000Z", "nightly-20261124T030000Z"));
}

TEST_F(Triggers, Refused_IsWrittenDownAndNotTriedAgain) {
  Add("nightly", "0 3 * * *");
  answer_ = Invalid("no dataset");
  Tick(kMidnight + 3 * kHour);
  Tick(kMidnight + 3 * kHour + 60);
  EXPECT_THAT(submitted_, SizeIs(1));
  const auto firing = store_->FindBySweep(SweepId("nightly-20261124T030000Z"));
  EXPECT_EQ(firing->state, FiringState::kRefused);
  EXPECT_EQ(firing->detail, "no dataset");
}

TEST_F(Triggers, Conflict_IsARefusal) {
  Add("nightly", "0 3 * * *");
  answer_ = Conflict("the id is another sweep's");
  Tick(kMidnight + 3 * kHour);
  Tick(kMidnight + 3 * kHour + 60);
  EXPECT_THAT(submitted_, SizeIs(1));
  EXPECT_EQ((*store_->Firings("nightly", 1))[0].state, FiringState::kRefused);
}

TEST_F(Triggers, NotSubmittedYet_SaysWhyOnce) {
  Add("nightly", "0 3 * * *");
  answer_ = Unavailable("starting");
  const std::int64_t due = kMidnight + 3 * kHour;
  testing::internal::CaptureStderr();
  Tick(due);
  Tick(due + 60);
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr("nightly-20261124T030000Z is not submitted yet: starting"));
  EXPECT_EQ(std::ranges::count(log, '\n'), 1) << log;
  EXPECT_EQ((*store_->Firings("nightly", 1))[0].detail, "starting");
  answer_ = Ok();
  Tick(due + 120);
  EXPECT_EQ((*store_->Firings("nightly", 1))[0].state, FiringState::kSubmitted);
  EXPECT_EQ((*store_->Firings("nightly", 1))[0].detail, "");
}

TEST_F(Triggers, Fire_CoordinatorAway_AnswersTheClaimedFiring) {
  Add("manual", "");
  answer_ = Unavailable("starting");
  const auto fired = service_.Fire("manual", kMidnight, "now");
  ASSERT_TRUE(fired.ok()) << fired.error().message;
  EXPECT_EQ(fired->state, FiringState::kClaimed);
  EXPECT_EQ(fired->detail, "starting");
  answer_ = Ok();
  Tick(kMidnight + 60);
  EXPECT_EQ(store_->FindBySweep(fired->sweep)->state, FiringState::kSubmitted);
}

TEST_F(Triggers, Fire_WorksByHandAlsoWhenDisabled) {
  Add("manual", "");
  Add("off", "* * * * *", false);
  EXPECT_EQ(Tick(kMidnight + kDay), std::nullopt);
  EXPECT_THAT(submitted_, IsEmpty());
  const auto fired = service_.Fire("off", kMidnight + 5, "new data");
  ASSERT_TRUE(fired.ok()) << fired.error().message;
  EXPECT_EQ(fired->sweep.value, "off-20261124T000005Z");
  EXPECT_EQ(fired->why, "new data");
  EXPECT_TRUE(service_.Fire("manual", kMidnight + 5, "").ok());
  EXPECT_FALSE(service_.Fire("nobody", kMidnight, "").ok());
  EXPECT_THAT(submitted_, ElementsAre("off-20261124T000005Z", "manual-20261124T000005Z"));
}

TEST_F(Triggers, Fire_TwiceInASecond_IsOneFiringAndKeepsItsDecision) {
  Add("manual", "");
  const auto fired = service_.Fire("manual", kMidnight, "");
  Tick(kMidnight);
  EXPECT_EQ(service_.Fire("manual", kMidnight, "")->state, FiringState::kDecided);
  EXPECT_THAT(submitted_, SizeIs(1));
}

TEST_F(Triggers, Fire_DoesNotStandForAScheduledTime) {
  Add("nightly", "0 3 * * *");
  ASSERT_TRUE(service_.Fire("nightly", kMidnight + 3 * kHour + 5, "now").ok());
  Tick(kMidnight + 3 * kHour + 10);
  EXPECT_THAT(submitted_, ElementsAre("nightly-20261124T030005Z", "nightly-20261124T030000Z"));
}

TEST_F(Triggers, Delete_KeepsFirings) {
  Add("nightly", "0 3 * * *");
  Tick(kMidnight + 3 * kHour);
  ASSERT_TRUE(store_->Delete("nightly").ok());
  EXPECT_EQ(store_->Delete("nightly").error().kind, ErrorKind::kNotFound);
  EXPECT_THAT(*store_->List(), IsEmpty());
  EXPECT_THAT(*store_->Firings("nightly", 10), SizeIs(1));
}

TEST_F(Triggers, BadTriggers_AreRefused) {
  const auto refusal = [&](Trigger trigger) {
    const Status status = service_.Add(std::move(trigger), kMidnight);
    EXPECT_FALSE(status.ok());
    return status.ok() ? "" : status.error().message;
  };
  EXPECT_THAT(refusal({"a b", "{}"}), HasSubstr("trigger name 'a b'"));
  EXPECT_THAT(refusal({"a", "{"}), HasSubstr("JSON"));
  EXPECT_THAT(refusal({"a", R"({"nmae":"x"})"}), HasSubstr("nmae"));
  EXPECT_THAT(refusal({"a", "{}", {.cron = "* *"}}), HasSubstr("2 fields"));
  EXPECT_THAT(refusal({"a", "{}", {.cron = "0 0 30 2 *"}}), HasSubstr("never comes"));
  EXPECT_THAT(refusal({"a", "{}", {.cron = "@daily", .tz = "Europe/Atlantis"}}),
              HasSubstr("at tz: time zone 'Europe/Atlantis'"));
  EXPECT_THAT(refusal({"a", "{}", {.tz = "Europe/Berlin"}}), HasSubstr("no cron"));
  EXPECT_THAT(refusal({"a", "{}", {.data = {"train"}}}), HasSubstr("no data 'train'"));
  EXPECT_THAT(refusal({"a", "{}", {.signals = {{"cron"}}}}), HasSubstr("signals[0].kind"));
  EXPECT_THAT(refusal({"a", "{}", {.webhook = wire::WebhookCondition()}}), HasSubstr("a secret"));
  EXPECT_THAT(refusal({"a", "{}", {.guards = {.cooldown_seconds = -1}}}),
              HasSubstr("guards.cooldown_seconds"));
  EXPECT_THAT(refusal({"a", "{}", {.canary = true}}), HasSubstr("no model"));
  EXPECT_THAT(*store_->List(), IsEmpty());
}

}  // namespace
}  // namespace muster::registry
