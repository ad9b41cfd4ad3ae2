#include "trainer/peers/verdict.h"

#include <gtest/gtest.h>

#include "trainer/peers/message.h"

namespace muster::trainer::peers {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

PeerView View(std::int64_t rank, RankState state) {
  return {.who = {.rank = rank, .host = "a", .pid = 100 + rank}, .state = std::move(state)};
}
RankState Waiting(std::uint64_t finished, std::uint64_t queued = 0) {
  return {.queued = std::max(finished + 1, queued),
          .finished = finished,
          .waits_for = "allreduce",
          .phase = "reduce",
          .step = 12};
}
RankState Computing(std::uint64_t finished) {
  return {
      .queued = finished, .finished = finished, .waits_for = {}, .phase = "forward", .step = 12};
}

TEST(RankProgress, Read_NamesTheFirstUnfinished) {
  RankProgress progress;
  EXPECT_EQ(progress.Read(), (RankState{.phase = "start"}));
  progress.Queue("broadcast");
  progress.Queue("allreduce");
  progress.Enter("reduce", 4);
  EXPECT_EQ(progress.Read(), (RankState{2, 0, "broadcast", "reduce", 4}));
  progress.Finish();
  EXPECT_EQ(progress.Read(), (RankState{2, 1, "allreduce", "reduce", 4}));
  progress.Finish();
  EXPECT_EQ(progress.Read(), (RankState{2, 2, "", "reduce", 4}));
  for (int i = 0; i < 64; ++i) progress.Queue("allreduce");
  EXPECT_EQ(progress.Read().waits_for, "collective");  // its name is forgotten
  progress.Finish();
  EXPECT_EQ(progress.Read().waits_for, "allreduce");
}

TEST(Sentences, NameRankHostPidAndWhatTheWitnessDid) {
  const Peer gone{.rank = 1, .host = "a", .pid = 123};
  EXPECT_EQ(GoneSentence(gone, "its connection closed", View(0, Waiting(16))),
            "rank 1 (host a, pid 123) is gone: its connection closed while rank 0 waited for "
            "allreduce 17 (phase reduce)");
  EXPECT_EQ(
      GoneSentence(gone, "its connection closed", View(0, Computing(16))),
      "rank 1 (host a, pid 123) is gone: its connection closed while rank 0 was in phase forward");
  EXPECT_EQ(FailedSentence(gone, "no labels"), "rank 1 (host a, pid 123) failed: no labels");
}

TEST(JudgeWords, Silence_BeyondTheLimitOnly) {
  std::vector<PeerView> peers{View(1, Computing(16)), View(2, Computing(16))};
  peers[1].silent = seconds(10);
  EXPECT_EQ(JudgeWords(View(0, Waiting(16)), peers, {}), std::nullopt);
  peers[1].silent = seconds(11);
  EXPECT_EQ(
      JudgeWords(View(0, Waiting(16)), peers, {}),
      "rank 2 (host a, pid 102) hangs: nothing was heard of it for 11 s, while rank 0 waited for "
      "allreduce 17 (phase reduce)");
  peers[1].left = true;  // who has said goodbye may be silent
  EXPECT_EQ(JudgeWords(View(0, Waiting(15)), peers, {}), std::nullopt);
}

TEST(JudgeWords, LeftWhileOthersWait_IsNamedAfterTheSilence) {
  std::vector<PeerView> peers{View(1, Computing(16))};
  peers[0].left = true;
  PeerView witness = View(0, Waiting(16));
  EXPECT_EQ(JudgeWords(witness, peers, {}), std::nullopt);
  witness.unchanged = seconds(11);
  EXPECT_EQ(JudgeWords(witness, peers, {}),
            "rank 1 (host a, pid 101) has ended after 16 collectives, while rank 0 waited for "
            "allreduce 17 (phase reduce)");
  witness.state = Waiting(15);  // which the other has joined
  EXPECT_EQ(JudgeWords(witness, peers, {}), std::nullopt);
}

TEST(JudgeProgress, OneHasNotJoined_IsNamedWithItsPhase) {
  std::vector<PeerView> ranks{View(0, Waiting(16)), View(1, Computing(16)), View(2, Waiting(16))};
  for (PeerView& view : ranks) view.unchanged = minutes(11);
  EXPECT_EQ(JudgeProgress(ranks, {}),
            "rank 1 (host a, pid 101) hangs: it is in phase forward of step 12 after 16 "
            "collectives, while "
            "rank 0 waits for allreduce 17 (phase reduce) for 660 s");
}

TEST(JudgeProgress, SeveralHaveNotJoined_TheFurthestBehindThenTheOthers) {
  std::vector<PeerView> ranks{View(0, Computing(16)), View(1, Waiting(16, 20)),
                              View(2, Computing(15)), View(3, Computing(16))};
  ranks[2].state.queued = 15;
  for (PeerView& view : ranks) view.unchanged = minutes(11);
  const auto verdict = JudgeProgress(ranks, {});
  ASSERT_TRUE(verdict);
  EXPECT_TRUE(verdict->starts_with("rank 2 (host a, pid 102) hangs")) << *verdict;
  EXPECT_TRUE(verdict->ends_with("; so is rank 0 and rank 3")) << *verdict;
}

TEST(JudgeProgress, TheMissingOneMoves_IsSlowNotHung) {
  std::vector<PeerView> ranks{View(0, Waiting(16)), View(1, Computing(16))};
  ranks[0].unchanged = minutes(30);
  ranks[1].unchanged = minutes(9);
  EXPECT_EQ(JudgeProgress(ranks, {}), std::nullopt);
  ranks[0].unchanged = minutes(9);
  ranks[1].unchanged = minutes(30);  // nobody waits for it so long
  EXPECT_EQ(JudgeProgress(ranks, {}), std::nullopt);
}

TEST(JudgeProgress, NobodyWaits_NobodyIsHung) {
  std::vector<PeerView> ranks{View(0, Computing(16)), View(1, Computing(15))};
  for (PeerView& view : ranks) view.unchanged = minutes(99);
  EXPECT_EQ(JudgeProgress(ranks, {}), std::nullopt);
}

TEST(JudgeProgress, AllHaveJoined_TheNetworkIsNamed) {
  std::vector<PeerView> ranks{View(0, Waiting(16)), View(1, Waiting(17))};
  for (PeerView& view : ranks) view.unchanged = minutes(11);
  EXPECT_EQ(JudgeProgress(ranks, {}),
            "rank 0 waits for allreduce 17 (phase reduce) for 660 s, though every rank has joined "
            "it: the "
            "network between them does not move");
}

TEST(Message, EncodeDecode_TheSame) {
  using Kind = Message::Kind;
  for (const Message& message :
       {Message{.kind = Kind::kAt, .state = Waiting(16, 20), .text = {}},
        Message{.kind = Kind::kAt, .state = Computing(7), .text = {}},
        Message{.kind = Kind::kAt, .state = {}, .text = {}},  // no phase yet
        Message{.kind = Kind::kBye, .state = Computing(7), .text = {}},
        Message{.kind = Kind::kFail, .state = {}, .text = "bad.h5 has no 'labels'"},
        Message{.kind = Kind::kEnd, .state = {}, .text = "rank 1 (host a, pid 2) is gone"}}) {
    std::string line = Encode(message);
    ASSERT_EQ(line.back(), '\n');
    line.pop_back();
    const auto decoded = Decode(line);
    ASSERT_TRUE(decoded.ok()) << line;
    EXPECT_EQ(*decoded, message) << line;
  }
}

TEST(Message, NewlinesInTheText_StayOneLine) {
  EXPECT_EQ(Encode({.kind = Message::Kind::kFail, .state = {}, .text = "a\nb\n"}), "fail a b \n");
}

TEST(Message, Garbage_IsRefused) {
  for (const char* line :
       {"", "at", "at 1", "at 1 1", "at 1 2 3 load", "at x 1 1 load", "at 1 1 1 load a b",
        "GET / HTTP/1.1", "at 99999999999999999999 1 1 load"}) {
    EXPECT_FALSE(Decode(line).ok()) << line;
  }
}

}  // namespace
}  // namespace muster::trainer::peers
