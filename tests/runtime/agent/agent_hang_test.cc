#include <gtest/gtest.h>

#include "runtime/agent/agent.h"
#include "tests/runtime/agent/harness.h"

namespace muster::agent {
namespace {

constexpr AttemptEpoch kFive{5};

class AgentHangTest : public AgentTest {
 protected:
  void Run(wire::HangAction action) {
    Connect();
    wire::Prepare prepare = PrepareOf(5, {0, 1}, 2);
    prepare.hang_ms = 5'000;
    prepare.silence_ms = 60'000;
    prepare.hang_action = action;
    prepare.memory_bytes = 1 << 30;
    MakeRunning(prepare);
  }
  /// Rank 0 spins and rank 1 is stopped for so many seconds; every effect.
  Lines Watch(int seconds, bool stopped = true) {
    Lines lines;
    for (int second = 0; second < seconds; ++second) {
      for (std::string& line : PassTime(1'000)) lines.push_back(std::move(line));
      ranks_[0].cpu_ms += 1'000;
      ranks_[1].cpu_ms += stopped ? 0 : 1'000;
      ranks_[1].stopped = stopped;
      Do(Activity{kFive});
      for (std::string& line : Do(Observed{kFive, ranks_})) lines.push_back(std::move(line));
    }
    return lines;
  }
  Lines Inspected() { return Do(HangInspected{kFive, "in kernel: do_signal_stop"}); }

  std::vector<RankSample> ranks_{{.rank = 0}, {.rank = 1}};
  const std::string why_ = "stopped (state T) for 5 s while the other went on";
  const std::string text_ = "rank 1 on node n1: " + why_ + "; in kernel: do_signal_stop";
};

TEST_F(AgentHangTest, StoppedRank_IsLookedAtOnceAndEndsTheAttempt) {
  Run(wire::HangAction::kRestart);
  EXPECT_EQ(Watch(9), Lines{"inspect 5 ranks 1: " + why_});
  EXPECT_EQ(Inspected(), (Lines{"note 5 hang", "kill 5"}));
  EXPECT_EQ(Inspected(), Lines{});
  EXPECT_EQ(Do(SlotEmpty{kFive, 0, {}}), Lines{"send exited 5 hang started records 0: " + text_});
}

TEST_F(AgentHangTest, LookThatTakesTooLong_IsNotWaitedFor) {
  Run(wire::HangAction::kRestart);
  EXPECT_EQ(Watch(6), Lines{"inspect 5 ranks 1: " + why_});
  EXPECT_EQ(PassTime(14'900), Lines{});
  EXPECT_EQ(PassTime(200), (Lines{"note 5 hang", "kill 5"}));
  EXPECT_EQ(Do(SlotEmpty{kFive, 0, {}}).front(),
            "send exited 5 hang started records 0: rank 1 on node n1: " + why_ +
                "; nothing more could be found out in time");
}

TEST_F(AgentHangTest, Report_IsSentUntilAcknowledgedAndTheAttemptLives) {
  Run(wire::HangAction::kReport);
  EXPECT_EQ(Watch(6), Lines{"inspect 5 ranks 1: " + why_});
  const Lines notice{"send notice 5 1001: " + text_};
  EXPECT_EQ(Inspected(), notice);
  EXPECT_EQ(PassTime(1'000), notice);
  EXPECT_EQ(Say(wire::Ack{.epoch = kFive, .notices_end = 1001}), Lines{});
  EXPECT_EQ(Watch(20), Lines{});  // the same hang is no news
  EXPECT_EQ(Watch(10, false), Lines{});
  EXPECT_EQ(Watch(6), Lines{"inspect 5 ranks 1: " + why_});
  EXPECT_EQ(Inspected(), Lines{"send notice 5 1002: " + text_});
}

TEST_F(AgentHangTest, StepWhileItIsLookedAt_IsNoReasonToKill) {
  Run(wire::HangAction::kRestart);
  EXPECT_EQ(Watch(6), Lines{"inspect 5 ranks 1: " + why_});
  Do(RecordsRead{.epoch = kFive, .begin = 0, .end = 20, .records = {{.step = 1}}}, 1);
  EXPECT_EQ(Inspected(), Lines{"send notice 5 1001: " + text_ + "; it went on since"});
}

TEST_F(AgentHangTest, BeatWhileItIsLookedAt_IsNoReasonToKill) {
  Run(wire::HangAction::kRestart);
  for (RankSample& rank : ranks_) rank.beat = Beat{1, 1, 9, ""};
  const Lines inspect = Watch(6);
  ASSERT_EQ(inspect.size(), 1U);
  EXPECT_EQ(inspect.front(),
            "inspect 5 ranks 1: stopped (state T) for 5 s at step 1 of 9 while the other went on");
  for (RankSample& rank : ranks_) rank.beat = Beat{2, 2, 9, ""};
  EXPECT_EQ(Do(Observed{kFive, ranks_}, 1), Lines{});
  const Lines notice = Inspected();
  ASSERT_EQ(notice.size(), 1U);
  EXPECT_TRUE(notice.front().starts_with("send notice 5 1001: rank 1 on node n1: stopped"));
  EXPECT_TRUE(notice.front().ends_with("; it went on since"));
}

TEST_F(AgentHangTest, EndedWhileItIsLookedAt_StaysEndedForItsOwnReason) {
  Run(wire::HangAction::kRestart);
  EXPECT_EQ(Watch(6), Lines{"inspect 5 ranks 1: " + why_});
  EXPECT_EQ(Do(RanksExited{kFive, {Rank(0, 3)}}), Lines{"kill 5"});
  EXPECT_EQ(Inspected(), Lines{});
}

TEST_F(AgentHangTest, SilenceOfAll_IsLookedAtOnce) {
  Run(wire::HangAction::kReport);
  EXPECT_EQ(PassTime(59'900), Lines{});
  const std::string why = "no output, record or CPU use of attempt 5 for 60000 ms";
  EXPECT_EQ(PassTime(100), Lines{"inspect 5 ranks 0 1: " + why});
  EXPECT_EQ(Inspected(), Lines{"send notice 5 1001: ranks 0, 1 on node n1: " + why +
                               "; in kernel: do_signal_stop"});
  Say(wire::Ack{.epoch = kFive, .notices_end = 1001});
  EXPECT_EQ(PassTime(100'000), Lines{});
}

TEST_F(AgentHangTest, MoreMemoryThanAllowed_IsOutOfMemory) {
  Run(wire::HangAction::kReport);
  ranks_[0].rss_bytes = 1 << 30;
  EXPECT_EQ(Do(Observed{kFive, ranks_}), Lines{});
  ranks_[1].rss_bytes = (1 << 30) + (1 << 29);
  EXPECT_EQ(Do(Observed{kFive, ranks_}), (Lines{"note 5 oom", "kill 5"}));
  EXPECT_EQ(Do(SlotEmpty{kFive, 0, {}}),
            Lines{"send exited 5 oom started records 0: rank 1 used 1536.0 MiB of memory, "
                  "1024.0 MiB are allowed (resources.memory)"});
}

TEST_F(AgentHangTest, SlowRank_IsANotice) {
  Run(wire::HangAction::kRestart);
  const auto minute = [this](std::int64_t first_step) {
    Lines lines;
    for (std::int64_t second = 0; second < 60; ++second) {
      for (std::string& line : PassTime(1'000)) lines.push_back(std::move(line));
      ranks_[0].cpu_ms += 950;
      ranks_[1].cpu_ms += 300;
      ranks_[0].faults += 1'000;
      const std::int64_t step = first_step + second;
      Do(RecordsRead{.epoch = kFive, .begin = step, .end = step + 1, .records = {{.step = step}}});
      for (std::string& line : Do(Observed{kFive, ranks_})) lines.push_back(std::move(line));
    }
    return lines;
  };
  EXPECT_EQ(minute(1), Lines{});
  EXPECT_EQ(minute(61).front(),
            "send notice 5 1001: rank 0 on node n1 is slow: busy 95 % of a minute of steps, "
            "the others 30 %: they wait for it");
}

TEST_F(AgentHangTest, Lease_IsRenewedBeforeAnythingIsMadeAndWithEachAnswer) {
  const auto until = [this]() -> std::int64_t {
    for (const Effect& effect : effects_) {
      if (const auto* lease = std::get_if<RenewLease>(&effect))
        return std::chrono::floor<std::chrono::milliseconds>(lease->until.time_since_epoch())
            .count();
    }
    return 0;
  };
  Connect();
  PassTime(4'000);
  EXPECT_EQ(until(), 0);  // nobody waits for it
  Say(PrepareOf(5, {0}));
  ASSERT_EQ(effects_.size(), 2U);
  EXPECT_NE(std::get_if<RenewLease>(&effects_[0]), nullptr);
  // 10 s since the heartbeat of 4 s was sent, 2 s of grace, 0.5 s of margin: under the 14 s after which the
  // coordinator gives the slots to others.
  EXPECT_EQ(until(), 16'500);
  PassTime(900, false);
  EXPECT_EQ(until(), 0);
  const Lines beat = Do(Tick{}, 100);
  EXPECT_EQ(Say(wire::HeartbeatAck{2}), Lines{});
  EXPECT_EQ(until(), 17'500);
}

}  // namespace
}  // namespace muster::agent
