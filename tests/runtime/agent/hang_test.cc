#include "runtime/agent/hang.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

namespace muster::agent {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

/// What a rank does in one second.
struct Doing {
  std::int64_t cpu_ms = 0, io_bytes = 0, switches = 0, faults = 0;
  bool stopped = false;
  std::int64_t ready_ms = 0;
  std::int64_t gpu_ms = 0;
};
constexpr Doing kWaits{.cpu_ms = 3, .switches = 11};  // a watchdog thread wakes up now and then
constexpr Doing kSpins{.cpu_ms = 990, .switches = 4000};
constexpr Doing kComputes{.cpu_ms = 1500, .switches = 80, .faults = 5000};
constexpr Doing kLoads{.cpu_ms = 10, .io_bytes = 50'000'000, .switches = 400};
constexpr Doing kDownloads{.cpu_ms = 15, .switches = 300};
constexpr Doing kSpinsOnACrowdedNode{.cpu_ms = 300, .switches = 100, .ready_ms = 690};
constexpr Doing kLongKernel{
    .cpu_ms = 3, .switches = 11, .gpu_ms = 980};  // or a collective's that waits
constexpr Doing kStopped{.stopped = true};

/// A gang that lives second by second.
class HangTest : public testing::Test {
 protected:
  /// The gang does this for `count` seconds, one entry a rank; the first hang that is seen, or none.
  std::optional<Hang> For(
      int count, const std::vector<Doing>& gang, const std::function<void()>& each_second = [] {}) {
    samples_.resize(gang.size());
    for (int second = 0; second < count; ++second) {
      now_ += seconds(1);
      for (std::size_t rank = 0; rank < gang.size(); ++rank) {
        RankSample& sample = samples_[rank];
        sample.rank = static_cast<int>(rank);
        sample.cpu_ms += gang[rank].cpu_ms;
        sample.io_bytes += gang[rank].io_bytes;
        sample.switches += gang[rank].switches;
        sample.faults += gang[rank].faults;
        sample.ready_ms += gang[rank].ready_ms;
        sample.gpu_ms += gang[rank].gpu_ms;
        sample.stopped = gang[rank].stopped;
      }
      each_second();
      watch_.Observe(samples_, now_);
      if (auto hang = watch_.Judge()) return hang;
    }
    return std::nullopt;
  }
  void Step() { watch_.Step({}, ++step_, now_); }
  /// Steps of one second each.
  void Train(int steps, const std::vector<Doing>& gang) {
    ASSERT_EQ(For(steps, gang, [this] { Step(); }), std::nullopt);
  }

  HangWatch watch_{{.after = seconds(45), .first = seconds(300)}};
  MonotonicTime now_{};
  std::vector<RankSample> samples_;
  std::int64_t step_ = 0;
};

TEST_F(HangTest, StoppedRank_IsNamedAlsoInAProgramWithoutSteps) {
  EXPECT_EQ(For(20, {kSpins, kComputes}), std::nullopt);
  const auto hang = For(47, {kSpins, kStopped});
  ASSERT_TRUE(hang);
  EXPECT_EQ(hang->ranks, std::vector<int>{1});
  EXPECT_EQ(hang->why, "stopped (state T) for 45 s while the other went on");
}

TEST_F(HangTest, StoppedGang_IsNamedWhole) {
  Train(10, {kComputes, kComputes});
  const auto hang = For(47, {kStopped, kStopped});
  ASSERT_TRUE(hang);
  EXPECT_EQ(hang->ranks, (std::vector<int>{0, 1}));
  EXPECT_EQ(hang->why, "stopped (state T) for 45 s at step 10");
}

TEST_F(HangTest, WaitBeforeAStop_DoesNotCountAsStopped) {
  EXPECT_EQ(For(100, {kComputes, kWaits}), std::nullopt);
  EXPECT_EQ(For(44, {kComputes, kStopped}), std::nullopt);
  EXPECT_TRUE(For(2, {kComputes, kStopped}));
}

TEST_F(HangTest, BriefStop_IsNone) {
  Train(10, {kComputes, kComputes});
  EXPECT_EQ(For(30, {kSpins, kStopped}), std::nullopt);
  Train(100, {kComputes, kComputes});
}

TEST_F(HangTest, OneQuietWhileTheOthersSpin_IsNamed) {
  Train(10, {kComputes, kComputes, kComputes, kComputes});
  const auto hang = For(47, {kSpins, kSpins, kWaits, kSpins});
  ASSERT_TRUE(hang);
  EXPECT_EQ(hang->ranks, std::vector<int>{2});
  EXPECT_EQ(hang->why, "no activity for 45 s at step 10 while the 3 others spin");
}

TEST_F(HangTest, OneQuietWhileTwoSpin_IsNamedWithoutAnyStep) {
  const auto hang = For(50, {kSpins, kWaits, kSpinsOnACrowdedNode});
  ASSERT_TRUE(hang);
  EXPECT_EQ(hang->ranks, std::vector<int>{1});
}

TEST_F(HangTest, QuietBesideOneThatSpins_WithoutSteps_NeedsPatience) {
  // Rank 0 may compute in place while rank 1 waits for it.
  EXPECT_EQ(For(299, {kSpins, kWaits}), std::nullopt);
  const auto hang = For(20, {kSpins, kWaits});
  ASSERT_TRUE(hang);
  EXPECT_EQ(hang->ranks, std::vector<int>{1});
  EXPECT_EQ(hang->why, "no activity for 300 s while the other spins");
}

TEST_F(HangTest, QuietBesideOneThatSpins_AfterSteps_IsNamed) {
  Train(10, {kComputes, kComputes});
  const auto hang = For(47, {kSpins, kWaits});
  ASSERT_TRUE(hang);
  EXPECT_EQ(hang->ranks, std::vector<int>{1});
}

TEST_F(HangTest, LongKernel_IsWorkThoughItsRankIsQuiet) {
  Train(10, {kLongKernel});
  EXPECT_EQ(For(200, {kLongKernel}), std::nullopt);
}

TEST_F(HangTest, OneQuietWhileTheOthersGpusSpin_IsNamed) {
  Train(10, {kComputes, kComputes, kComputes});
  const auto hang = For(60, {kLongKernel, kWaits, kLongKernel});
  ASSERT_TRUE(hang);
  EXPECT_EQ(hang->ranks, std::vector<int>{1});
  EXPECT_EQ(hang->why, "no activity for 45 s at step 10 while the 2 others spin");
}

TEST_F(HangTest, AllQuiet_AreAllNamed) {
  Train(10, {kComputes, kComputes});
  const auto hang = For(47, {kWaits, kWaits});
  ASSERT_TRUE(hang);
  EXPECT_EQ(hang->ranks, (std::vector<int>{0, 1}));
  EXPECT_EQ(hang->why, "no activity for 45 s at step 10 of any rank");
}

TEST_F(HangTest, AllQuietBeforeTheFirstStep_HaveTheLongerLimit) {
  EXPECT_EQ(For(300, {kWaits, kWaits}), std::nullopt);
  EXPECT_TRUE(For(20, {kWaits, kWaits}));
}

TEST_F(HangTest, RankAtALowerStep_IsTheOneOfAllQuiet) {
  const auto both = [this](std::int64_t first, std::int64_t second) {
    watch_.Step(0, first, now_);
    watch_.Step(1, second, now_);
  };
  std::int64_t step = 0;
  EXPECT_EQ(For(10, {kComputes, kComputes}, [&] { both(step, step), ++step; }), std::nullopt);
  both(step, step - 1);
  const auto hang = For(47, {kWaits, kWaits});
  ASSERT_TRUE(hang);
  EXPECT_EQ(hang->ranks, std::vector<int>{1});
  EXPECT_EQ(hang->why, "no activity for 45 s at step 10, behind the other");
}

/// Ranks in lockstep: each is at the phase it says, of one more step a second.
class BeatHangTest : public HangTest {
 protected:
  void Beat(std::size_t rank, std::int64_t step, int phase) {
    static constexpr const char* kPhases[] = {"load", "forward", "backward"};
    samples_[rank].beat = agent::Beat{step * 3 + phase, step, 400, kPhases[phase]};
  }
  /// So many seconds of a step each; then the first rank waits in "backward", where the others do not come.
  void TrainUntilOneStands(std::size_t ranks, int steps, int phase) {
    samples_.resize(ranks);
    ASSERT_EQ(For(steps, std::vector<Doing>(ranks, kComputes),
                  [&] {
                    ++step_;
                    for (std::size_t rank = 0; rank < ranks; ++rank) Beat(rank, step_, 0);
                  }),
              std::nullopt);
    for (std::size_t rank = 0; rank < ranks; ++rank) Beat(rank, step_, rank == 1 ? phase : 2);
  }
};

TEST_F(BeatHangTest, QuietRankBehindTheOthers_IsNamedWithItsPhase_HoweverTheyWait) {
  TrainUntilOneStands(4, 10, 0);
  // One of those that wait looks busy: without beats nobody would be blamed.
  const auto hang = For(48, {kWaits, kWaits, kSpins, kDownloads});
  ASSERT_TRUE(hang);
  EXPECT_EQ(hang->ranks, std::vector<int>{1});
  EXPECT_EQ(hang->why,
            "no beat for 45 s at step 10 of 400 (load) while the 3 others wait at step 10 of 400 "
            "(backward)");
}

TEST_F(BeatHangTest, SpinningRankBehindTheOthers_IsNamedOnceStepsCameRegularly) {
  TrainUntilOneStands(2, 10, 1);
  const auto hang = For(48, {kSpins, kSpins});
  ASSERT_TRUE(hang);
  EXPECT_EQ(hang->ranks, std::vector<int>{1});
  EXPECT_THAT(hang->why, HasSubstr("(forward) while the other waits at step 10 of 400 (backward)"));
}

TEST_F(BeatHangTest, SpinningRankOfTheFirstSteps_MayCompute) {
  TrainUntilOneStands(2, 3, 1);
  EXPECT_EQ(For(200, {kSpins, kSpins}), std::nullopt);
}

TEST_F(BeatHangTest, RankBehindThatLoadsOrComputes_IsLeftAlone) {
  TrainUntilOneStands(2, 10, 0);
  EXPECT_EQ(For(100, {kWaits, kLoads}), std::nullopt);
  EXPECT_EQ(For(100, {kWaits, kComputes}), std::nullopt);
}

TEST_F(BeatHangTest, AllAtOnePlace_AreAllNamedWhenQuiet) {
  TrainUntilOneStands(2, 10, 2);
  const auto hang = For(48, {kWaits, kWaits});
  ASSERT_TRUE(hang);
  EXPECT_EQ(hang->ranks, (std::vector<int>{0, 1}));
  EXPECT_EQ(hang->why, "no activity for 45 s at step 10 of 400 (backward) of any rank");
}

TEST_F(BeatHangTest, BeatsTakeThePlaceOfTheStepsInRecords) {
  TrainUntilOneStands(2, 10, 0);
  // Epochs, say, of a rank that goes on writing records: they are no progress of the gang.
  const auto hang = For(48, {kWaits, kWaits}, [this] { watch_.Step(0, 1'000 + ++step_, now_); });
  ASSERT_TRUE(hang);
  EXPECT_EQ(hang->ranks, std::vector<int>{1});
}

TEST_F(BeatHangTest, RankWithoutABeat_LeavesTheGangToTheOtherRules) {
  TrainUntilOneStands(2, 10, 0);
  samples_[0].beat.reset();
  EXPECT_EQ(For(100, {kWaits, kWaits}), std::nullopt);  // as before a first step
}

TEST_F(HangTest, EndlessLoop_IsNamedOnlyAfterARhythmAndTheLongLimit) {
  Train(10, {kComputes, kWaits, kWaits});
  EXPECT_EQ(For(299, {kSpins, kWaits, kWaits}), std::nullopt);
  const auto hang = For(3, {kSpins, kWaits, kWaits});
  ASSERT_TRUE(hang);
  EXPECT_EQ(hang->ranks, std::vector<int>{0});
  EXPECT_THAT(hang->why, HasSubstr("no step for 300 s at step 10, where a step took 1 s; busy"));
}

TEST_F(HangTest, AllBusyWithoutAStep_AreNamedOnlyAfterARhythm) {
  EXPECT_EQ(For(2000, {kSpins, kSpins}), std::nullopt);
  Train(10, {kComputes, kComputes});
  EXPECT_TRUE(For(302, {kComputes, kComputes}));
}

TEST_F(HangTest, LongSteps_AreNoHang) {
  // 100 s of computing, then a step: 10 medians are longer than the limit of 300 s.
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(For(100, {kComputes, kComputes}), std::nullopt);
    Step();
  }
  EXPECT_EQ(For(900, {kComputes, kComputes}), std::nullopt);
}

TEST_F(HangTest, WorkWithoutSteps_IsNoHang) {
  Train(10, {kComputes, kComputes});
  EXPECT_EQ(For(250, {kLoads, kWaits}), std::nullopt);  // data, while a peer waits
  Step();
  EXPECT_EQ(For(250, {kComputes, kWaits}), std::nullopt);  // a compiler
  Step();
  EXPECT_EQ(For(250, {kDownloads, kWaits}), std::nullopt);  // recv(2) is in no count of I/O
}

TEST_F(HangTest, RankThatEnds_IsNotQuiet) {
  Train(10, {kComputes, kComputes});
  samples_.clear();
  EXPECT_EQ(For(200, {kComputes}), std::nullopt);
}

TEST_F(HangTest, ChildrenThatComeAndGo_AreWork) {
  EXPECT_EQ(For(10, {kComputes, kComputes}), std::nullopt);
  for (int i = 0; i < 60; ++i) {
    samples_[0].cpu_ms = 0;  // each child takes its count with it
    EXPECT_EQ(For(10, {kComputes, kComputes}), std::nullopt);
  }
}

TEST_F(HangTest, StepsThatWereSeenAlready_AreNoProgress) {
  Train(10, {kComputes, kComputes});
  // An agent that started anew reads the spool again.
  const auto hang = For(47, {kWaits, kWaits}, [this] { watch_.Step({}, 7, now_); });
  EXPECT_TRUE(hang);
}

}  // namespace
}  // namespace muster::agent
