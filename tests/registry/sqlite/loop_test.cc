#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>

#include "registry/files/zone_file.h"
#include "registry/loop/trigger_service.h"
#include "registry/promoter.h"
#include "registry/sqlite/model_store.h"
#include "registry/sqlite/trigger_store.h"
#include "runtime/base/clock.h"
#include "runtime/base/random.h"
#include "runtime/wire/codec.h"

/// Retrainings from what asks for them to their end, on the real stores; sweeps and gates are said to have ended so.

namespace muster::registry {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::int64_t kStart = 1'700'000'000;  // FakeClock's

class Loop : public testing::Test {
 protected:
  ~Loop() override { std::filesystem::remove_all(folder_); }

  void Add(wire::RetrainSpec when, int approvals = 0) {
    boost::json::object spec = *wire::Decode<boost::json::object>(
        R"({"name":"digits","space":{"lr":{"float":[0.1,1]}},"data":{"train":"t.h5"},
            "objective":{"metric":"validation/accuracy"},"model":{"name":"digits"}})");
    spec["model"].as_object()["approvals"] = approvals;
    const Status added = service_.Add({.name = "t",
                                       .sweep_json = wire::SerializeJson(spec),
                                       .when = std::move(when),
                                       .secret = "secret"},
                                      Now());
    ASSERT_TRUE(added.ok()) << added.error().message;
  }
  [[nodiscard]] std::int64_t Now() const { return clock_.UnixNow() / 1000; }
  void Pass(std::int64_t seconds) {
    clock_.Advance(std::chrono::seconds(seconds));
    ASSERT_TRUE(service_.Tick(Now()).ok());
  }
  Firing Signal(std::string kind, double value, std::string key = "") {
    const auto answer =
        service_.OnSignal("t", {std::move(kind), value, "age", std::move(key)}, Now());
    EXPECT_TRUE(answer.ok() && answer->firing)
        << (answer.ok() ? answer->why_not : answer.error().message);
    return answer.ok() && answer->firing ? *answer->firing : Firing{};
  }
  Firing Get(const Firing& firing) { return triggers_->FindBySweep(firing.sweep).value(); }
  std::string Story(const Firing& firing) {
    std::string story;
    const auto steps = triggers_->Steps(firing.sweep).value();
    for (const Step& step : steps) {
      story += step.what + " " + step.decided + "\n";
    }
    return story;
  }

  /// The sweep has ended, its best was judged, and the alias moved if it might.
  void Ended(const Firing& firing, bool passes) {
    wire::SweepDetail& detail = sweeps_[firing.sweep.value];
    detail.sweep.state = "complete";
    detail.sweep.slot_seconds = 60;
    detail.promotion.state = "kept";
    const auto spec = wire::Decode<boost::json::object>(Get(firing).spec_json);
    const std::string alias(spec->at("model").at("promote").as_string());
    PromotionResult result{.model = "digits", .alias = alias, .reason = "judged"};
    result.verdicts = {{"parity", passes, 0, 0, "of the test"}};
    const std::string request = firing.sweep.value + "/promotion";
    if (passes) {
      (void)models_->CreateModel("digits", "", {}, {});
      NewVersion version{.name = "digits", .tags = {{"muster.lineage", request}}};
      version.request_id = request;
      result.version = models_->CreateVersion(version, {"muster", ""})->version;
      Promotion promotion{"digits", alias, result.version, 0, request};
      if (const auto now = models_->GetByAlias("digits", alias); now.ok())
        promotion.expected = now->version;
      promotion.approvals = static_cast<int>(spec->at("model").at("approvals").as_int64());
      promotion.wait = true;
      result.promoted = models_->Promote(promotion, {"muster", ""}).ok();
    }
    ASSERT_TRUE(models_
                    ->AppendAudit("promotion.decision", "digits", result.version,
                                  wire::SerializeJson(ToJson(result)), {}, request)
                    .ok());
  }

  std::filesystem::path folder_ = [] {
    auto folder = std::filesystem::temp_directory_path() / ("muster-loop-" + RandomHex(8));
    std::filesystem::create_directories(folder);
    return folder;
  }();
  FakeClock clock_;
  std::unique_ptr<SqliteModelStore> models_ =
      SqliteModelStore::Open(folder_ / "registry.db", clock_).value();
  std::unique_ptr<SqliteTriggerStore> triggers_ =
      SqliteTriggerStore::Open(folder_ / "registry.db").value();
  std::map<std::string, wire::SweepDetail> sweeps_;
  std::map<std::string, std::string> submitted_;
  std::function<Status(const std::string& json)> refuse_;
  TriggerService service_{
      {.store = *triggers_,
       .models = *models_,
       .trust = models_.get(),
       .submit = [this](const SweepId& sweep, const std::string& json) -> Status {
         if (refuse_) MUSTER_RETURN_IF_ERROR(refuse_(json));
         sweeps_[sweep.value].sweep.state = "running";
         submitted_[sweep.value] = json;
         return Ok();
       },
       .find = [this](const SweepId& sweep) -> Result<wire::SweepDetail> {
         const auto found = sweeps_.find(sweep.value);
         if (found == sweeps_.end()) return NotFound("no sweep " + sweep.value);
         return found->second;
       },
       .zone = ReadZone}};
};

TEST_F(Loop, Signal_ToChampion_IsAWholeStory) {
  Add({.signals = {{"drift", 0.2}}});
  const Firing firing = Signal("drift", 0.3);
  EXPECT_EQ(firing.state, FiringState::kSubmitted);
  EXPECT_EQ(firing.why, "drift 0.3: age");
  Ended(firing, true);
  Pass(60);
  const Firing ended = Get(firing);
  EXPECT_EQ(ended.outcome, "promoted");
  EXPECT_EQ(ended.version, 1);
  EXPECT_EQ(ended.trial_seconds, 60);
  EXPECT_EQ(ended.ended_unix, kStart + 60);
  EXPECT_EQ(Story(firing),
            "signal asked for a retraining\nguard passed\nplan adds the gate better than champion "
            "on test/accuracy\nsubmit submitted\nsweep complete\ngate passed\nend promoted\n");
  EXPECT_THAT(ended.decision_json, HasSubstr("\"promoted\":true"));
  // The next one begins with what that one made, and the parameters of its champion.
  ASSERT_TRUE(models_
                  ->AppendAudit("version.lineage", "digits", 1,
                                R"({"sweep":"t-1","params":{"lr":0.5}})", {},
                                firing.sweep.value + "/promotion/lineage")
                  .ok());
  const Firing next = Signal("drift", 0.4);
  EXPECT_THAT(submitted_.at(next.sweep.value), HasSubstr(R"("warm_start":[{"sweep":"t-1")"));
  EXPECT_THAT(submitted_.at(next.sweep.value), HasSubstr(R"("enqueue":[{"lr":)"));
}

TEST_F(Loop, WarmStartThatIsGone_IsLeftOutAndSaidSo) {
  Add({.signals = {{"drift"}}});
  Ended(Signal("drift", 1), true);
  Pass(60);
  ASSERT_TRUE(models_
                  ->AppendAudit("version.lineage", "digits", 1, R"({"sweep":"gone"})", {},
                                "t-20231114T221320Z/promotion/lineage")
                  .ok());
  refuse_ = [](const std::string& json) -> Status {
    if (json.find("gone") == json.npos) return Ok();
    return NotFound("at warm_start[0].sweep: there is no sweep 'gone'");
  };
  const Firing firing = Signal("drift", 1);
  EXPECT_EQ(firing.state, FiringState::kSubmitted);
  EXPECT_THAT(Story(firing), HasSubstr("submit begins with nothing\nsubmit submitted"));
}

TEST_F(Loop, SignalsWithinTheirBounds_AskForNothing) {
  Add({.signals = {{"drift", 0.2}, {"score", std::nullopt, 0.9}}});
  const auto why_not = [&](std::string kind, std::optional<double> value) {
    const auto answer = service_.OnSignal("t", {std::move(kind), value}, Now());
    EXPECT_TRUE(answer.ok() && !answer->firing);
    return answer.ok() ? answer->why_not : "";
  };
  EXPECT_EQ(why_not("drift", 0.19), "drift is 0.19; asked for is at least 0.2");
  EXPECT_EQ(why_not("score", 0.91), "score is 0.91; asked for is at most 0.9");
  EXPECT_THAT(why_not("score", std::nullopt), HasSubstr("has no value"));
  const auto unknown = service_.OnSignal("t", {"drfit", 1}, Now());
  ASSERT_FALSE(unknown.ok());
  EXPECT_THAT(unknown.error().message, HasSubstr("no condition of 'drfit'; it has drift, score"));
  EXPECT_THAT(*triggers_->Firings("t", 10), IsEmpty());
  EXPECT_EQ(Signal("score", std::nan("")).state, FiringState::kSubmitted) << "as bad as it gets";
}

TEST_F(Loop, SignalsWhileOneIsInFlight_TheNewestIsHeldAndGoesOn) {
  Add({.signals = {{"drift"}}});
  const Firing first = Signal("drift", 1), second = Signal("drift", 2), third = Signal("drift", 3);
  EXPECT_EQ(second.state, FiringState::kHeld);
  EXPECT_THAT(second.detail, HasSubstr("in_flight: " + first.sweep.value + " is submitted"));
  Pass(60);
  EXPECT_EQ(Get(second).state, FiringState::kSkipped);
  EXPECT_THAT(Get(second).detail, HasSubstr("superseded: " + third.sweep.value));
  EXPECT_EQ(Get(third).state, FiringState::kHeld);
  const auto steps = triggers_->Steps(third.sweep)->size();
  Pass(60);
  EXPECT_EQ(triggers_->Steps(third.sweep)->size(), steps) << "what stays as it is is said once";
  Ended(first, false);
  Pass(60);
  EXPECT_EQ(Get(first).outcome, "gated");
  EXPECT_EQ(Get(third).state, FiringState::kSubmitted) << "the alarm stands: nobody answered it";
}

TEST_F(Loop, ASignalAboutAnEarlierChampion_IsStale) {
  Add({.signals = {{"drift"}}});
  const Firing first = Signal("drift", 1), second = Signal("drift", 2);
  Ended(first, true);
  Pass(60);
  EXPECT_EQ(Get(second).state, FiringState::kSkipped);
  EXPECT_THAT(Get(second).detail, HasSubstr("stale: version 1 is champion by now"));
}

TEST_F(Loop, KeyTwice_IsADuplicate) {
  Add({.signals = {{"drift"}}});
  Ended(Signal("drift", 1, "window-7"), false);
  Pass(60);
  const Firing again = Signal("drift", 1, "window-7");
  EXPECT_EQ(again.state, FiringState::kSkipped);
  EXPECT_THAT(again.detail, HasSubstr("duplicate: key 'window-7'"));
  EXPECT_EQ(Story(again), "signal asked for a retraining\nguard skipped\n");
}

TEST_F(Loop, AFailedSweep_OneThatIsLost_AndOneWithoutAVersion) {
  Add({.signals = {{"drift"}}});
  const Firing failed = Signal("drift", 1);
  sweeps_[failed.sweep.value].sweep.state = "failed";
  Pass(60);
  EXPECT_EQ(Get(failed).outcome, "failed");
  const Firing lost = Signal("drift", 1);
  sweeps_.clear();
  Pass(60);
  EXPECT_EQ(Get(lost).outcome, "failed");
  EXPECT_THAT(Get(lost).detail, HasSubstr("no sweep"));
  const Firing unexported = Signal("drift", 1);
  sweeps_[unexported.sweep.value].sweep.state = "complete";
  sweeps_[unexported.sweep.value].promotion = {.state = "failed", .reason = "no checkpoint"};
  Pass(60);
  EXPECT_EQ(Get(unexported).outcome, "failed");
  EXPECT_EQ(Get(unexported).detail, "no checkpoint");
}

TEST_F(Loop, Approvals_AreAskedForToldAndWaitedFor) {
  Add({.signals = {{"drift"}}}, 1);
  const Firing firing = Signal("drift", 1);
  Ended(firing, true);
  Pass(60);
  EXPECT_EQ(Get(firing).state, FiringState::kWaiting);
  Pass(3'600);
  ASSERT_TRUE(models_->Decide({"digits", 1, "ada", true, "looks right"}).ok());
  Pass(60);
  EXPECT_EQ(Get(firing).outcome, "promoted");
  EXPECT_THAT(Story(firing), HasSubstr("approval asked\napproval approved\nend promoted\n"));

  const Firing early = Signal("drift", 1);
  Ended(early, true);
  ASSERT_TRUE(models_->Decide({"digits", 2, "ada", true, "before the loop looked"}).ok());
  Pass(60);
  Pass(60);
  EXPECT_EQ(Get(early).outcome, "promoted");
  const auto steps = triggers_->Steps(early.sweep).value();
  EXPECT_TRUE(std::ranges::is_sorted(steps, {}, &Step::time_unix)) << Story(early);

  const Firing rejected = Signal("drift", 1);
  Ended(rejected, true);
  Pass(60);
  ASSERT_TRUE(models_->Decide({"digits", 3, "ada", false, "looks wrong"}).ok());
  Pass(60);
  EXPECT_EQ(Get(rejected).outcome, "rejected");

  const Firing expired = Signal("drift", 1);
  Ended(expired, true);
  Pass(60);
  Pass(604'799);
  EXPECT_EQ(Get(expired).state, FiringState::kWaiting);
  Pass(1);
  EXPECT_EQ(Get(expired).outcome, "expired");

  const Firing moved = Signal("drift", 1);
  Ended(moved, true);
  Pass(60);
  ASSERT_TRUE(models_->SetAlias("digits", "champion", 1, {"ada", ""}).ok());
  Pass(60);
  EXPECT_EQ(Get(moved).outcome, "superseded");

  const Firing deleted = Signal("drift", 1);
  Ended(deleted, true);
  Pass(60);
  ASSERT_TRUE(models_->DeleteVersion("digits", 6, {"ada", ""}).ok());
  Pass(60);
  EXPECT_EQ(Get(deleted).outcome, "superseded");
}

TEST_F(Loop, Canary_GoesToTheEndOrBack) {
  Add({.signals = {{"drift"}}, .canary = true});
  const auto report = [&](std::int64_t version, std::string state, double share) {
    return service_.OnCanary("digits", {version, std::move(state), share, "of the test"}, Now());
  };
  const Firing first = Signal("drift", 1);
  Ended(first, true);
  Pass(60);
  EXPECT_EQ(Get(first).state, FiringState::kCanary);
  EXPECT_EQ(report(2, "running", 0.01).error().kind, ErrorKind::kNotFound);
  EXPECT_EQ(report(1, "walking", 0.01).error().kind, ErrorKind::kInvalid);
  ASSERT_TRUE(report(1, "running", 0.05).ok());
  ASSERT_TRUE(report(1, "running", 0.05).ok()) << "sent again";
  EXPECT_EQ(report(1, "done", 1)->outcome, "promoted");
  EXPECT_EQ(models_->GetByAlias("digits", "champion")->version, 1);
  EXPECT_FALSE(models_->GetByAlias("digits", "challenger").ok());
  EXPECT_THAT(Story(first),
              HasSubstr("gate passed\ncanary begins\ncanary running\ncanary done\nend promoted\n"));

  const Firing second = Signal("drift", 1);
  Ended(second, true);
  Pass(60);
  EXPECT_EQ(report(2, "rolled_back", 0)->outcome, "rolled_back");
  EXPECT_EQ(models_->GetByAlias("digits", "champion")->version, 1);
  EXPECT_FALSE(models_->GetByAlias("digits", "challenger").ok());

  const Firing third = Signal("drift", 1);
  Ended(third, true);
  Pass(60);
  ASSERT_TRUE(models_->SetAlias("digits", "champion", 2, {"ada", ""}).ok());
  EXPECT_EQ(report(3, "done", 1)->outcome, "superseded") << "the champion is another by now";
  EXPECT_EQ(models_->GetByAlias("digits", "champion")->version, 2);

  const Firing fourth = Signal("drift", 1);
  Ended(fourth, true);
  Pass(60);
  Pass(604'800);
  EXPECT_EQ(Get(fourth).outcome, "expired");
  EXPECT_FALSE(models_->GetByAlias("digits", "challenger").ok());
}

TEST_F(Loop, NewData_FiresOnceADigest) {
  Add({.data = {"train"}});
  ASSERT_TRUE(service_.OnData("t", {{"train", "aaa"}}, Now()).ok());
  EXPECT_THAT(*triggers_->Firings("t", 10), IsEmpty())
      << "the first is what others are compared with";
  ASSERT_TRUE(service_.OnData("t", {{"train", "bbb"}}, Now()).ok());
  ASSERT_TRUE(service_.OnData("t", {{"train", "bbb"}}, Now()).ok());
  const auto firings = *triggers_->Firings("t", 10);
  ASSERT_THAT(firings, SizeIs(1));
  EXPECT_EQ(firings[0].why, "train is bbb, was aaa");
  // A crash after the claim, before the digest was written down.
  ASSERT_TRUE(triggers_->SetDataSeen("t", "train", "aaa").ok());
  ASSERT_TRUE(service_.OnData("t", {{"train", "bbb"}}, Now()).ok());
  EXPECT_EQ(triggers_->Firings("t", 10)->at(0).state, FiringState::kSkipped);
}

TEST_F(Loop, Webhook_IsTakenOnce) {
  Add({.webhook = wire::WebhookCondition{}});
  WebhookCall call{.event = "push", .delivery = "d-1", .body = R"({"ref":"refs/heads/main"})"};
  call.signature = HubSignature("secret", call.body);
  const auto taken = service_.OnWebhook("t", call, Now());
  ASSERT_TRUE(taken.ok()) << taken.error().message;
  EXPECT_EQ(taken->firing->state, FiringState::kSubmitted);
  EXPECT_EQ(taken->firing->why, "push to refs/heads/main");
  EXPECT_EQ(service_.OnWebhook("t", call, Now()).error().kind, ErrorKind::kConflict);
  call.delivery = "d-2";
  EXPECT_EQ(service_.OnWebhook("t", call, Now()).error().kind, ErrorKind::kConflict)
      << "the id is not signed: the same body is a replay";
  call.signature = HubSignature("guess", call.body);
  EXPECT_EQ(service_.OnWebhook("t", call, Now()).error().kind, ErrorKind::kUnauthorized);
  EXPECT_THAT(*triggers_->Firings("t", 10), SizeIs(1));
}

TEST_F(Loop, ByHand_IsToldWhatIsInTheWay) {
  Add({.guards = {.cooldown_seconds = 600}});
  const Firing first = service_.Fire("t", Now(), "new labels").value();
  clock_.Advance(std::chrono::seconds(1));
  EXPECT_EQ(service_.Fire("t", Now(), "again", true)->state, FiringState::kSkipped)
      << "one at a time, whatever a person insists on";
  Ended(first, false);
  Pass(60);
  EXPECT_THAT(service_.Fire("t", Now(), "again")->detail, HasSubstr("cooldown"));
  clock_.Advance(std::chrono::seconds(1));
  EXPECT_EQ(service_.Fire("t", Now(), "again", true)->state, FiringState::kSubmitted);
}

}  // namespace
}  // namespace muster::registry
