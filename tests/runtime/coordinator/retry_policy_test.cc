#include "runtime/coordinator/retry_policy.h"

#include "tests/runtime/coordinator/rig.h"

namespace muster::coordinator {
namespace {

using testing::HasSubstr;
using wire::ExitCause;

/// A trial that has used up some of its retries, and the attempt that ends next.
struct Case {
  Case() { sweep.spec.retry = WithDefaults(sweep.spec.retry); }
  [[nodiscard]] Verdict Judge(ExitCause cause, int exit_code = 1) const {
    return coordinator::Judge(sweep, trial, attempt, {cause, "it broke", exit_code}, 10);
  }
  Sweep sweep;
  Trial trial;
  Attempt attempt;
};

TEST(RetryPolicy, Defaults_OnlyTheUsersOwnKindCounts) {
  const Case one;
  EXPECT_EQ(one.Judge(ExitCause::kUser).failure, "it broke");
  EXPECT_EQ(one.Judge(ExitCause::kOom).failure, "it broke");
  EXPECT_EQ(one.Judge(ExitCause::kHang).failure, "it broke");
  for (const ExitCause cause : {ExitCause::kInfra, ExitCause::kNode, ExitCause::kFenced}) {
    EXPECT_EQ(one.Judge(cause).failure, std::nullopt);
    EXPECT_EQ(one.Judge(cause).charge, Charge::kInfra);
    EXPECT_EQ(one.Judge(cause).delayed, cause == ExitCause::kNode ? 0 : 1);
  }
  EXPECT_EQ(one.Judge(ExitCause::kResume).charge, Charge::kNothing);
  for (const ExitCause cause : {ExitCause::kResume, ExitCause::kPreempt, ExitCause::kWalltime}) {
    EXPECT_EQ(one.Judge(cause).failure, std::nullopt);
    EXPECT_EQ(one.Judge(cause).delayed, 0);
    EXPECT_EQ(BudgetOf(one.sweep.spec.retry, one.Judge(cause).charge), std::nullopt);
  }
}

TEST(RetryPolicy, CauseWithABudgetOfItsOwn_LeavesTheOthersAlone) {
  Case one;
  one.sweep.spec.retry.oom = 2;
  one.trial.charges[Charge::kUser] = 9;
  EXPECT_EQ(one.Judge(ExitCause::kOom).charge, Charge::kOom);
  EXPECT_EQ(one.Judge(ExitCause::kOom).failure, std::nullopt);
  one.trial.charges[Charge::kOom] = 2;
  EXPECT_EQ(one.Judge(ExitCause::kOom).failure, "it broke (after 2 retries, retry.oom)");
  one.sweep.spec.retry.hang = 1;
  EXPECT_EQ(one.Judge(ExitCause::kHang).failure, std::nullopt);
  one.sweep.spec.retry.preempt = 0;
  EXPECT_EQ(one.Judge(ExitCause::kPreempt).failure, "it broke");
  one.sweep.spec.retry.user = wire::kUnlimited;
  EXPECT_EQ(one.Judge(ExitCause::kUser).failure, std::nullopt);
}

TEST(RetryPolicy, SharedBudget_IsUsedUpTogether) {
  Case one;
  one.sweep.spec.retry.user = 2;
  one.trial.charges[Charge::kUser] = 2;  // one of them an OOM
  EXPECT_EQ(one.Judge(ExitCause::kHang).failure, "it broke (after 2 retries, retry.user)");
}

TEST(RetryPolicy, SpecOfTwoBudgets_MeansWhatItMeant) {
  const auto spec =
      wire::SweepSpecFromJson({{"name", "old"}, {"retry", {{"infra", 1}, {"user", 2}}}});
  ASSERT_TRUE(spec.ok()) << spec.error().message;
  Case one;
  one.sweep.spec = *spec;
  for (const ExitCause cause : {ExitCause::kResume, ExitCause::kNode, ExitCause::kPreempt,
                                ExitCause::kWalltime, ExitCause::kInfra, ExitCause::kFenced}) {
    EXPECT_EQ(one.Judge(cause).charge, Charge::kInfra);
  }
  for (const ExitCause cause : {ExitCause::kUser, ExitCause::kOom, ExitCause::kHang}) {
    EXPECT_EQ(one.Judge(cause).charge, Charge::kUser);
  }
  one.trial.crashes = 100;
  EXPECT_EQ(one.Judge(ExitCause::kNode).failure, std::nullopt) << "it knew no limit of crashes";
  one.trial.charges[Charge::kInfra] = 1;
  EXPECT_EQ(one.Judge(ExitCause::kResume).failure, "it broke (after 1 retries, retry.infra)");
}

TEST(RetryPolicy, TrialUnderWhichNodesDie_FailsAtTheLimit) {
  Case one;
  one.sweep.spec.retry.node = wire::kUnlimited;
  one.trial.crashes = 3;
  EXPECT_EQ(one.Judge(ExitCause::kNode).failure, std::nullopt);
  one.trial.crashes = 4;
  EXPECT_EQ(one.Judge(ExitCause::kNode).failure,
            "5 nodes were lost under it, which may be its own doing (retry.crashes); the last: it "
            "broke");
  EXPECT_EQ(one.Judge(ExitCause::kInfra).failure, std::nullopt);
  one.sweep.spec.retry.crashes = wire::kUnlimited;
  EXPECT_EQ(one.Judge(ExitCause::kNode).failure, std::nullopt);
}

TEST(RetryPolicy, TimeIsUp_TheTrialGoesOnOnlyWithSomethingToGoOnFrom) {
  Case one;
  one.sweep.spec.trial.time_seconds = 60;
  EXPECT_EQ(one.Judge(ExitCause::kWalltime).failure,
            "it broke and left no new checkpoint to go on from");
  EXPECT_EQ(one.Judge(ExitCause::kWalltime, 75).failure, std::nullopt) << "it says so itself";
  one.attempt.progressed = true;
  EXPECT_EQ(one.Judge(ExitCause::kWalltime).failure, std::nullopt);
  one.sweep.spec.retry.walltime = 1;
  one.trial.charges[Charge::kWalltime] = 1;
  EXPECT_THAT(*one.Judge(ExitCause::kWalltime).failure, HasSubstr("after 1 retries"));
}

TEST(RetryPolicy, FiredRules_TheStrongestDecides) {
  Case one;
  one.sweep.spec.on_log = {{"busy", wire::LogReaction::kRetry}, {"oom", wire::LogReaction::kFail}};
  one.sweep.spec.retry.user = 5;
  one.attempt.fired = {{0, "0.out", "busy"}};
  EXPECT_TRUE(one.Judge(ExitCause::kUser).by_rule);
  EXPECT_EQ(one.Judge(ExitCause::kUser).charge, Charge::kNothing);
  EXPECT_EQ(one.Judge(ExitCause::kUser).delayed, 1);
  EXPECT_FALSE(one.Judge(ExitCause::kPreempt).by_rule) << "rules are about failures";
  one.trial.by_rule = 10;
  EXPECT_EQ(one.Judge(ExitCause::kUser).charge, Charge::kUser) << "not for ever";
  one.attempt.fired.push_back({1, "0.err", "CUDA oom"});
  EXPECT_EQ(one.Judge(ExitCause::kUser).failure, "CUDA oom (on_log[1])");
  EXPECT_EQ(one.Judge(ExitCause::kNode).failure, "CUDA oom (on_log[1])");
  EXPECT_EQ(one.Judge(ExitCause::kResume).failure, std::nullopt);
}

// --- within the machine -----------------------------------------------------------------------------

TEST(RetryPolicy, AcceptedSweep_IsStoredWithItsDefaults) {
  Rig rig;
  rig.Do(SubmitSweep{SmallSpec(), SweepId("s")});
  EXPECT_EQ(rig.sweep("s").spec.retry.preempt, wire::kUnlimited);
  EXPECT_EQ(rig.sweep("s").spec.retry.crashes, 5);
  EXPECT_EQ(rig.Ask(SubmitSweep{SmallSpec(), SweepId("s")})->at("created"), false);
}

TEST(RetryPolicy, OldJournalsSweep_LoadsAndCountsResumesAgainstInfra) {
  Rig rig;
  auto spec = wire::ToJson(SmallSpec()).as_object();
  spec["retry"] = {{"infra", 1}, {"user", 0}};
  spec.erase("on_log");
  spec["trial"].as_object().erase("time_seconds");
  const auto event = DecodeEvent(
      "sweep_submitted", wire::SerializeJson({{"sweep", "old"}, {"spec", std::move(spec)}}));
  ASSERT_TRUE(event.ok()) << event.error().message;
  ASSERT_TRUE(rig.journal().Append({{rig.unix_now(), *event}}).ok());
  rig.Restart();
  wire::SweepSpec sent = SmallSpec();
  sent.retry.infra = 1;
  EXPECT_EQ(rig.Ask(SubmitSweep{sent, SweepId("old")})->at("created"), false) << "the same file";
  rig.Join("a", 1);
  for (int attempt = 0; attempt < 2; ++attempt) {
    rig.Exit("a", rig.RunOne("a"), ExitCause::kResume);
  }
  EXPECT_EQ(rig.trial("old/0").phase, TrialPhase::kFailed);
}

TEST(RetryPolicy, Resumes_GoOnForAsLongAsTheyTake) {
  Rig rig;
  rig.Join("a", 1);
  rig.Do(SubmitSweep{SmallSpec(), {}});
  for (int attempt = 0; attempt < 20; ++attempt) {
    rig.Exit("a", rig.RunOne("a"), ExitCause::kResume);
  }
  EXPECT_EQ(rig.trial("small-1/0").phase, TrialPhase::kRunning);
  EXPECT_TRUE(rig.trial("small-1/0").charges.empty());
}

TEST(RetryPolicy, EndOfAnOlderJournal_HasTheNewMembersAtRest) {
  const auto event =
      DecodeEvent("attempt_ended",
                  R"({"epoch":1,"cause":"node","message":"m","charge":"infra","exit_code":0})");
  ASSERT_TRUE(event.ok()) << event.error().message;
  const auto& ended = std::get<AttemptEnded>(*event);
  EXPECT_EQ(ended.charge, Charge::kInfra);
  EXPECT_FALSE(ended.by_rule || ended.blames_node);
}

}  // namespace
}  // namespace muster::coordinator
