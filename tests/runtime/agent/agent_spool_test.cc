#include <gtest/gtest.h>

#include "runtime/agent/agent.h"
#include "tests/runtime/agent/harness.h"

namespace muster::agent {
namespace {

RecordsRead RecordsOf(std::int64_t begin, std::int64_t end) {
  return {AttemptEpoch(5), begin, end, {}};
}
LogRead LogOf(std::int64_t begin, std::int64_t end) {
  return {AttemptEpoch(5), 0, "out", begin, end, ""};
}
wire::Ack AckOf(std::int64_t records, std::map<std::string, std::int64_t> logs = {}) {
  return {AttemptEpoch(5), records, std::move(logs)};
}

TEST_F(AgentTest, Records_AreSentAndReadOn) {
  Connect();
  MakeRunning(PrepareOf(5, {0}));
  EXPECT_EQ(Do(RecordsRead{AttemptEpoch(5), 0, 70, {{.step = 3}}}),
            (Lines{"send records 5 [0, 70)", "read 5 from 70"}));
  const auto& records = std::get<wire::Records>(std::get<Send>(effects_[0]).envelope.message);
  ASSERT_EQ(records.records.size(), 1U);
  EXPECT_EQ(records.records[0].step, 3);
}

TEST_F(AgentTest, Records_AnswerOfAnOlderRead_IsDropped) {
  Connect();
  MakeRunning(PrepareOf(5, {0}));
  EXPECT_EQ(Do(RecordsOf(0, 70)), (Lines{"send records 5 [0, 70)", "read 5 from 70"}));
  EXPECT_EQ(Do(RecordsOf(0, 70)), Lines{});
  EXPECT_EQ(Do(RecordsOf(70, 90)), (Lines{"send records 5 [70, 90)", "read 5 from 90"}));
}

TEST_F(AgentTest, Records_BeyondTheWindow_WaitForAcknowledgement) {
  Connect();
  MakeRunning(PrepareOf(5, {0}));
  constexpr std::int64_t kChunk = 256 * 1024;
  for (std::int64_t begin = 0; begin < 3 * kChunk; begin += kChunk)
    EXPECT_EQ(Do(RecordsOf(begin, begin + kChunk)).size(), 2U);
  const auto& read = std::get<ReadRecords>(effects_[1]);
  EXPECT_EQ(read.max_bytes, kChunk);
  EXPECT_EQ(Do(RecordsOf(3 * kChunk, 4 * kChunk)).size(), 1U);  // sent, but nothing more is read
  EXPECT_EQ(Say(AckOf(kChunk)), Lines{"read 5 from 1048576"});
}

TEST_F(AgentTest, Records_Unacknowledged_AreReadAgainFromTheAcknowledgedOffset) {
  Connect();
  MakeRunning(PrepareOf(5, {0}));
  EXPECT_EQ(Do(RecordsOf(0, 70)), (Lines{"send records 5 [0, 70)", "read 5 from 70"}));
  EXPECT_EQ(Do(RecordsOf(70, 90)), (Lines{"send records 5 [70, 90)", "read 5 from 90"}));
  EXPECT_EQ(Say(AckOf(70)), Lines{});
  EXPECT_EQ(PassTime(900), Lines{});
  EXPECT_EQ(PassTime(100), Lines{"read 5 from 70"});
  EXPECT_EQ(Do(RecordsOf(70, 120)), (Lines{"send records 5 [70, 120)", "read 5 from 120"}));
  EXPECT_EQ(Say(AckOf(120)), Lines{});
  EXPECT_EQ(PassTime(5'000), Lines{});
}

TEST_F(AgentTest, Welcome_SendsAgainFromWhatTheCoordinatorHas) {
  Connect();
  MakeRunning(PrepareOf(5, {0}));
  EXPECT_EQ(Do(RecordsOf(0, 70)), (Lines{"send records 5 [0, 70)", "read 5 from 70"}));
  EXPECT_EQ(Do(LogOf(0, 10)), (Lines{"send log_chunk 5 0.out from 0", "read 5 0.out from 10"}));
  EXPECT_EQ(Do(Disconnected{}), Lines{});
  EXPECT_EQ(Do(RecordsOf(70, 90)), Lines{"read 5 from 90"});
  EXPECT_EQ(Do(Connected{}), Lines{"send hello incarnation 1: 5 running"});
  EXPECT_EQ(Say(wire::Welcome{.coordinator = CoordinatorEpoch(1),
                              .keep = {AttemptEpoch(5)},
                              .records_end = {{"5", 40}}}),
            (Lines{"read 5 from 40", "read 5 0.out from 0"}));
}

TEST_F(AgentTest, Ack_AheadOfARestartedAgent_MovesItOn) {
  Connect();
  MakeRunning(PrepareOf(5, {0}));
  EXPECT_EQ(Say(AckOf(500, {{"0.out", 60}, {"7.out", 1}})),
            (Lines{"read 5 from 500", "read 5 0.out from 60"}));
  EXPECT_EQ(Say(AckOf(400, {{"0.out", 50}})), Lines{});
}

TEST_F(AgentTest, Exited_WaitsUntilRecordsAndLogsAreAcknowledged) {
  Connect();
  MakeRunning(PrepareOf(5, {0}));
  EXPECT_EQ(Do(RanksExited{AttemptEpoch(5), {Rank(0, 0)}}), Lines{"kill 5"});
  EXPECT_EQ(Do(SlotEmpty{AttemptEpoch(5), 70, {{"0.out", 10}}}), Lines{});
  EXPECT_EQ(Do(RecordsOf(0, 70)), Lines{"send records 5 [0, 70)"});
  EXPECT_EQ(Do(LogOf(0, 10)), Lines{"send log_chunk 5 0.out from 0"});
  EXPECT_EQ(Say(AckOf(0, {{"0.out", 10}})), Lines{});
  EXPECT_EQ(Say(AckOf(70)),
            Lines{"send exited 5 success started records 70: all 1 ranks exited 0"});
}

TEST_F(AgentTest, Exited_WaitsForLogsNoLongerThanTheDrainTime) {
  Connect();
  MakeRunning(PrepareOf(5, {0}));
  EXPECT_EQ(Do(RanksExited{AttemptEpoch(5), {Rank(0, 0)}}), Lines{"kill 5"});
  EXPECT_EQ(Do(SlotEmpty{AttemptEpoch(5), 0, {{"0.out", 10}}}), Lines{});
  EXPECT_EQ(PassTime(4'900), Lines{});
  EXPECT_EQ(PassTime(100), Lines{"send exited 5 success started records 0: all 1 ranks exited 0"});
}

TEST_F(AgentTest, Forget_WhileDraining_EndsTheSending) {
  Connect();
  MakeRunning(PrepareOf(5, {0}));
  EXPECT_EQ(Do(RanksExited{AttemptEpoch(5), {Rank(0, 0)}}), Lines{"kill 5"});
  EXPECT_EQ(Do(SlotEmpty{AttemptEpoch(5), 70, {}}), Lines{});
  EXPECT_EQ(Say(wire::Forget{AttemptEpoch(5)}), Lines{"forget 5"});
  EXPECT_EQ(Do(RecordsOf(0, 70)), Lines{});
}

}  // namespace
}  // namespace muster::agent
