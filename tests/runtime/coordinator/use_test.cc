#include "runtime/coordinator/use.h"

#include "runtime/coordinator/views.h"
#include "tests/runtime/coordinator/rig.h"

/// What attempts held and used, from the exit of a node's part to the tags of the run.

namespace muster::coordinator {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using wire::ExitCause;
using Tags = std::map<std::string, std::string>;

void Exit(Rig& rig, const std::string& node, AttemptEpoch epoch, ExitCause cause,
          std::optional<wire::ResourceUse> used, std::int64_t records_end = 0) {
  rig.From(node, wire::Exited{.epoch = epoch,
                              .cause = cause,
                              .message = "it ended",
                              .records_end = records_end,
                              .used = used});
}

/// The tags of every answered command about the run, in order.
std::vector<Tags> TagsOf(Rig& rig) {
  rig.AnswerCommands();
  std::vector<Tags> all;
  for (const Command& command : rig.commands) {
    if (const auto* finish = std::get_if<FinishRun>(&command)) all.push_back(finish->tags);
    if (const auto* tag = std::get_if<TagRun>(&command)) all.push_back(tag->tags);
  }
  return all;
}

Attempt EndedAttempt() {
  Attempt attempt;
  attempt.created_ms = 1'000;
  attempt.members.resize(2);
  attempt.members[0].place = {NodeId("a"), 0, 2, {0, 1}, {{0, 1'000}, {1, 1'000}}};
  attempt.members[0].ended_ms = 5'000;
  attempt.members[1].place = {NodeId("b"), 2, 1, {4}, {{0, 250}}};
  attempt.members[1].ended_ms = 9'000;
  return attempt;
}

TEST(Use, OfAGang_IsWhatEachPartHeldUntilItEnded) {
  const Use use = UseOf(EndedAttempt(), false);
  EXPECT_EQ(use.slot_ms, 2 * 4'000 + 8'000);
  EXPECT_EQ(use.gpu_ms, 2 * 4'000 + 8'000 / 4);
  EXPECT_EQ(use.lost_slot_ms, 0);
  EXPECT_FALSE(use.cpu_ms || use.gpu_busy_ms || use.memory_bytes || use.joules);
}

TEST(Use, Lost_IsSinceTheLastCheckpoint) {
  Attempt attempt = EndedAttempt();
  EXPECT_EQ(UseOf(attempt, true).lost_slot_ms, UseOf(attempt, true).slot_ms);
  attempt.saved_ms = 6'000;  // one part had ended by then
  const Use use = UseOf(attempt, true);
  EXPECT_EQ(use.slot_ms, 16'000);
  EXPECT_EQ(use.lost_slot_ms, 3'000);
  EXPECT_EQ(use.lost_gpu_ms, 750);
}

TEST(Use, Sum_KeepsWhatNobodyCountedAbsent_AndTheMostMemory) {
  Attempt attempt = EndedAttempt();
  attempt.members[1].used = wire::ResourceUse{.cpu_ms = 70, .memory_bytes = 5};
  Use sum;
  AddTo(sum, UseOf(EndedAttempt(), false));
  AddTo(sum, UseOf(attempt, false));
  EXPECT_EQ(sum.cpu_ms, 70);
  EXPECT_FALSE(sum.gpu_busy_ms);
  attempt.members[0].used = wire::ResourceUse{.cpu_ms = 30, .memory_bytes = 9, .gpu_ms = 4};
  AddTo(sum, UseOf(attempt, false));
  EXPECT_EQ(sum.cpu_ms, 170);
  EXPECT_EQ(sum.gpu_busy_ms, 4);
  EXPECT_EQ(sum.memory_bytes, 9);
}

TEST(Use, EndByExit_FinishesTheRunWithItsTags) {
  Rig rig;
  rig.Join("a", 1);
  rig.Do(SubmitSweep{SmallSpec(), SweepId("s")});
  const AttemptEpoch epoch = rig.RunOne("a");
  rig.Report("a", epoch, 0, 1, 0.9);
  rig.Pass(3'000, {"a"});
  Exit(rig, "a", epoch, ExitCause::kSuccess, wire::ResourceUse{1'205, 1 << 20, {}}, 10);
  EXPECT_THAT(TagsOf(rig), ElementsAre(ElementsAre(Pair("muster.cpu_seconds", "1.205"),
                                                   Pair("muster.memory_peak_bytes", "1048576"),
                                                   Pair("muster.slot_seconds", "3.000"))));
  Exit(rig, "a", epoch, ExitCause::kSuccess, wire::ResourceUse{9, 9, {}}, 10);
  EXPECT_EQ(rig.sweep("s").use.cpu_ms, 1'205) << "the answer to Exited was lost";
  const auto view = SweepView(rig.coordinator(), SweepId("s"), {rig.now(), rig.unix_now()});
  EXPECT_EQ(view->at("used").at("cpu_seconds"), 1.205);
  EXPECT_FALSE(view->at("used").as_object().contains("joules"));
}

TEST(Use, EndByResult_TagsTheRunWhenTheAttemptHasEnded) {
  Rig rig;
  rig.Join("a", 1);
  rig.Do(SubmitSweep{SmallSpec(), SweepId("s")});
  const AttemptEpoch epoch = rig.RunOne("a");
  const wire::TrialRecord result{
      .type = wire::RecordType::kResult, .step = 1, .metrics = {{"accuracy", 0.5}}};
  rig.From("a", wire::Records{epoch, 0, 10, {result}});
  EXPECT_THAT(TagsOf(rig), ElementsAre(IsEmpty()));
  rig.Pass(1'000, {"a"});
  rig.Restart();
  rig.Join("a", 1, 1, {{epoch, TrialId("s/0"), wire::AttemptPhase::kRunning}});
  Exit(rig, "a", epoch, ExitCause::kSuccess, wire::ResourceUse{500, 0, {}}, 10);
  const auto tags = TagsOf(rig);
  ASSERT_EQ(tags.size(), 2U);
  EXPECT_EQ(tags[1].at("muster.slot_seconds"), "1.000");
  EXPECT_EQ(tags[1].at("muster.cpu_seconds"), "0.500");
}

TEST(Use, AttemptTakenAway_IsLostSinceItsCheckpoint_AndAllAreSummed) {
  Rig rig;
  rig.Join("a", 1);
  rig.Do(SubmitSweep{SmallSpec(), SweepId("s")});
  AttemptEpoch epoch = rig.RunOne("a");
  rig.Pass(2'000, {"a"});
  const wire::TrialRecord saved{
      .type = wire::RecordType::kCheckpoint, .step = 1, .path = "/checkpoints/s/0/1"};
  rig.From("a", wire::Records{epoch, 0, 10, {saved}});
  rig.Pass(1'000, {"a"});
  Exit(rig, "a", epoch, ExitCause::kPreempt, wire::ResourceUse{2'500, 0, {}}, 10);
  rig.Pass(400, {"a"});
  epoch = rig.RunOne("a");
  rig.Report("a", epoch, 0, 2, 0.9);
  rig.Pass(1'000, {"a"});
  Exit(rig, "a", epoch, ExitCause::kSuccess, {}, 10);
  const auto tags = TagsOf(rig);
  ASSERT_EQ(tags.size(), 1U);
  EXPECT_EQ(tags[0].at("muster.lost_slot_seconds"), "1.000");
  EXPECT_EQ(tags[0].at("muster.cpu_seconds"), "2.500") << "the second told nothing";
  const Use first = rig.state().attempts.at(AttemptEpoch(1)).use;
  EXPECT_EQ(first.slot_ms, 3'000);
  EXPECT_EQ(first.lost_slot_ms, 1'000);
  EXPECT_EQ(rig.sweep("s").use.slot_ms, first.slot_ms + rig.state().attempts.at(epoch).use.slot_ms);
}

TEST(Use, TrialCancelledWhileItWaits_HasTheTagsOfItsAttempts) {
  Rig rig;
  rig.Join("a", 1);
  rig.Do(SubmitSweep{SmallSpec(), SweepId("s")});
  const AttemptEpoch epoch = rig.RunOne("a");
  rig.Pass(1'000, {"a"});
  Exit(rig, "a", epoch, ExitCause::kInfra, wire::ResourceUse{40, 0, {}});
  rig.Do(StopTrial{TrialId("s/0")});
  const auto tags = TagsOf(rig);
  ASSERT_EQ(tags.size(), 1U);
  EXPECT_EQ(tags[0].at("muster.cpu_seconds"), "0.040");
  EXPECT_EQ(tags[0].at("muster.lost_slot_seconds"), "1.000");
}

}  // namespace
}  // namespace muster::coordinator
