#include "runtime/coordinator/quota.h"
#include "runtime/coordinator/views.h"
#include "tests/runtime/coordinator/rig.h"

/// Who gets the slots: users, quotas, priorities that take them from others.

namespace muster::coordinator {
namespace {

class ShareTest : public testing::Test {
 protected:
  void Submit(const std::string& id, const std::string& user, int priority = 0, int ranks = 1,
              int trials = 20) {
    wire::SweepSpec spec = SmallSpec(trials);
    spec.priority = priority;
    spec.trial.ranks = ranks;
    rig.Do(SubmitSweep{spec, SweepId(id), user});
    rig.AnswerCommands();
  }
  /// Ends the oldest attempt, as it would by itself.
  void FinishOldest() {
    const AttemptEpoch epoch = *rig.state().live.begin();
    const std::string node = rig.state().attempts.at(epoch).NodeNames();
    rig.Report(node, epoch, 0, 1, 0.5);
    rig.Exit(node, epoch, wire::ExitCause::kSuccess, 10);
    rig.AnswerCommands();
  }
  [[nodiscard]] int Held(const std::string& id) const { return rig.sweep(id).slots_held; }
  [[nodiscard]] std::string Explanation(const std::string& trial) {
    const auto why = ExplainTrial(rig.coordinator(), TrialId(trial), {rig.now(), rig.unix_now()});
    return std::string(why->at("explanation").as_string());
  }

  Rig rig;
};

TEST_F(ShareTest, Users_ShareFairlyHoweverManySweepsTheyHave) {
  rig.Join("a", 4);
  Submit("first", "ada");
  Submit("second", "ada");
  Submit("third", "bob");
  for (int i = 0; i < 8; ++i) FinishOldest();
  EXPECT_EQ(Held("first") + Held("second"), 2);
  EXPECT_EQ(Held("third"), 2);
}

TEST_F(ShareTest, Quota_BoundsAUserAndIsExplained) {
  rig.Join("a", 4);
  rig.Do(SetQuota{"ada", {{"cpu", 2}}});
  Submit("s", "ada");
  EXPECT_EQ(Held("s"), 2);
  EXPECT_THAT(
      Explanation("s/2"),
      testing::HasSubstr("User ada holds all it may: 1 of cpu beside 2 exceed the quota of 2."));
  rig.Restart();
  rig.Join("a", 4);
  rig.Do(SetQuota{"ada", {}});
  rig.AnswerCommands();
  EXPECT_EQ(Held("s"), 4);
}

TEST_F(ShareTest, Quota_RefusesAGangThatCouldNeverStart) {
  rig.Join("a", 4);
  rig.Do(SetQuota{"ada", {{"cpu", 2}}});
  wire::SweepSpec spec = SmallSpec();
  spec.trial.ranks = 3;
  const auto reply = rig.Ask(SubmitSweep{spec, SweepId("s"), "ada"});
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().message,
            "at trial.resources: a gang's 3 of cpu exceed the quota of 2 of user ada");
  EXPECT_FALSE(rig.Ask(SetQuota{"", {}}).ok());
  EXPECT_FALSE(rig.Ask(SetQuota{"ada", {{"cpu", -1}}}).ok());
}

TEST_F(ShareTest, HigherPriority_TakesTheSlotsOfTheShortestRunThroughACheckpoint) {
  rig.Join("a", 2);
  Submit("low", "ada");
  EXPECT_EQ(Held("low"), 2);
  rig.sends.clear();
  Submit("high", "bob", 5);
  ASSERT_EQ(rig.CountSent<wire::Abort>() + rig.CountSent<wire::Stop>(), 1);
  const AttemptEpoch victim(2);
  EXPECT_EQ(rig.state().attempts.at(victim).stop->cause, wire::ExitCause::kPreempt);
  rig.Pass(1'000, {"a"});
  EXPECT_FALSE(rig.state().attempts.at(AttemptEpoch(1)).stop) << "one makes room enough";
  rig.Exit("a", victim, wire::ExitCause::kStopped);
  EXPECT_EQ(Held("high"), 1);
  EXPECT_EQ(rig.trial("low/1").phase, TrialPhase::kWaiting) << "it goes back to the queue";
}

TEST_F(ShareTest, Preemption_TakesWholeGangsAndOnlyWhatItNeeds) {
  rig.Join("a", 3);
  rig.Join("b", 2);
  Submit("pair", "ada", 0, 2);       // one on each node
  Submit("single", "ada", 1, 1, 1);  // the slot that is left on a
  EXPECT_EQ(Held("pair"), 4);
  EXPECT_EQ(Held("single"), 1);
  rig.sends.clear();
  Submit("high", "bob", 5, 2);
  int stopped = 0;
  for (const auto& [epoch, attempt] : rig.state().attempts) {
    if (!attempt.stop) continue;
    ++stopped;
    EXPECT_EQ(attempt.trial.value.substr(0, 4), "pair");
  }
  EXPECT_EQ(stopped, 1);
}

TEST_F(ShareTest, EqualPriority_TakesNothing) {
  rig.Join("a", 1);
  Submit("one", "ada", 3);
  Submit("two", "bob", 3);
  EXPECT_FALSE(rig.state().attempts.at(AttemptEpoch(1)).stop);
}

TEST_F(ShareTest, GangThatFitsNowhere_TakesNothing) {
  rig.Join("a", 2);
  Submit("low", "ada", 0, 1, 2);
  rig.Join("b", 3);
  Submit("high", "bob", 5, 3, 1);
  EXPECT_EQ(Held("high"), 3);
  Submit("middle", "eve", 3, 3, 1);  // only b could hold it, which a higher priority has
  for (const auto& [epoch, attempt] : rig.state().attempts) EXPECT_FALSE(attempt.stop);
}

TEST_F(ShareTest, Backfill_LendsAKeptNodeToTrialsThatAreGoneInTime) {
  rig.Join("a", 2);
  const auto submit = [&](const std::string& id, int ranks, std::int64_t seconds) {
    wire::SweepSpec spec = SmallSpec(1);
    spec.trial.ranks = ranks;
    spec.trial.time_seconds = seconds;
    rig.Do(SubmitSweep{spec, SweepId(id), "ada"});
    rig.AnswerCommands();
  };
  submit("long", 1, 1'000);
  rig.RunOne("a");
  submit("gang", 2, 0);  // waits for the long one, 1000 s at most
  submit("unbounded", 1, 0);
  EXPECT_EQ(Held("unbounded"), 0);
  submit("too-long", 1, 990);  // with its grace it would end after that
  EXPECT_EQ(Held("too-long"), 0);
  submit("short", 1, 900);
  EXPECT_EQ(Held("short"), 1);
  EXPECT_EQ(Held("gang"), 0);
}

TEST_F(ShareTest, Backfill_LendsTheNodesOfASpreadGangUntilTheLastHasRoom) {
  rig.Join("a", 2);
  rig.Join("b", 2);
  const auto submit = [&](const std::string& id, int ranks, std::int64_t seconds) {
    wire::SweepSpec spec = SmallSpec(1);
    spec.trial.ranks = ranks;
    spec.trial.nodes = 0;
    spec.trial.time_seconds = seconds;
    rig.Do(SubmitSweep{spec, SweepId(id), "ada"});
    rig.AnswerCommands();
  };
  submit("hour", 1, 3'600);
  submit("day", 2, 86'400);
  for (const char* id : {"hour", "day"}) {
    const AttemptEpoch epoch = rig.trial(std::string(id) + "/0").live;
    const std::string node = rig.state().attempts.at(epoch).NodeNames();
    rig.From(node, wire::Prepared{epoch, "127.0.0.1", 5000});
    rig.From(node, wire::Started{epoch});
  }
  submit("gang", 4, 0);  // its one node has room within the hour, the other within the day
  submit("unbounded", 1, 0);
  EXPECT_EQ(Held("unbounded"), 0);
  submit("two-hours", 1, 7'200);
  EXPECT_EQ(Held("two-hours"), 1);
}

TEST_F(ShareTest, Amounts_AreWrittenForPeople) {
  EXPECT_EQ(AmountText("gpu", 1'500), "1.5");
  EXPECT_EQ(AmountText("gpu", 2'000), "2");
  EXPECT_EQ(AmountText("memory", std::int64_t{3} << 29), "1.5GiB");
  EXPECT_EQ(AmountText("memory", 512 << 20), "512MiB");
  EXPECT_EQ(AmountText("licence", 12), "12");
}

}  // namespace
}  // namespace muster::coordinator
