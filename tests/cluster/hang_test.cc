#include <signal.h>

#include <cstdlib>
#include <fstream>

#include "cluster/local/lease.h"
#include "runtime/agent/hang.h"
#include "runtime/agent/straggler.h"
#include "tests/cluster/node_fixture.h"

namespace muster::cluster::local {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr AttemptEpoch kFirst{7};

class HangTest : public NodeFixture {
 protected:
  wire::Prepare Watched(std::vector<std::string> command, int ranks = 2) {
    wire::Prepare prepare = PrepareOf(7, std::move(command), ranks);
    prepare.hang_ms = 2'000;
    return prepare;
  }
  /// The first hang that real samples lead to.
  std::optional<agent::Hang> WaitForHang() {
    agent::HangWatch watch({.after = 2s, .first = 2s});
    std::optional<agent::Hang> hang;
    std::size_t seen = 0;
    WaitUntil([&] {
      const auto all = Seen<agent::Observed>(kFirst);
      for (; seen < all.size() && !hang; ++seen) {
        watch.Observe(all[seen].ranks, SystemClock().Now());
        hang = watch.Judge();
      }
      return hang.has_value();
    });
    return hang;
  }
  std::string Inspect(const agent::Hang& hang) {
    Apply(agent::InspectHang{.epoch = kFirst, .ranks = hang.ranks, .why = hang.why});
    return WaitFor<agent::HangInspected>(kFirst).evidence;
  }
  bool WaitForProcesses(std::size_t count) {
    return WaitUntil([&] {
      const auto all = ScanAttempts(home_id_);
      return all.ok() && all->contains(kFirst) && all->at(kFirst).processes.size() == count;
    });
  }
};

TEST_F(HangTest, StoppedRank_IsNamedWithWhatItWaitsInAndItsLastWords) {
  Start(Watched({"sh", "-c",
                 "if test $RANK = 1; then echo step 17; kill -STOP $$; fi; while :; do :; done"}));
  const auto hang = WaitForHang();
  ASSERT_TRUE(hang);
  EXPECT_EQ(hang->ranks, std::vector<int>{1});
  EXPECT_THAT(hang->why, HasSubstr("stopped (state T)"));
  EXPECT_THAT(Inspect(*hang), AllOf(HasSubstr("rank 1 (pid "), HasSubstr("state T"),
                                    HasSubstr("last line: step 17"), HasSubstr("rank 0 (pid ")));
  const std::string report = Output(kFirst, 1, "err");
  EXPECT_THAT(report, HasSubstr("muster: hang report of rank 1, which is to blame: stopped"));
  EXPECT_THAT(Output(kFirst, 0, "err"), HasSubstr("muster: hang report of rank 0, one of the oth"));
  // It stays as it was found.
  const auto state = FolderOf(kFirst).ReadState();
  const auto stat = ReadProcFile(state->ranks[1].process.pid, "stat");
  EXPECT_THAT(*stat, HasSubstr(") T "));
}

TEST_F(HangTest, ReadThatNobodyAnswers_IsNamedWhileItsPeerSpins) {
  Start(Watched(
      {"sh", "-c",
       "if test $RANK = 1; then mkfifo never; read line < never; fi; while :; do :; done"}));
  const auto hang = WaitForHang();
  ASSERT_TRUE(hang);
  EXPECT_EQ(hang->ranks, std::vector<int>{1});
  EXPECT_EQ(hang->why, "no activity for 2 s while the other spins");
  EXPECT_THAT(Inspect(*hang), HasSubstr("rank 1 (pid "));
}

TEST_F(HangTest, RankThatStandsWhereItsPeersDoNot_IsNamedWithItsPhase) {
  Start(Watched({helper(), "lockstep", "1", "5", "30"}, 3));
  const auto hang = WaitForHang();
  ASSERT_TRUE(hang);
  EXPECT_EQ(hang->ranks, std::vector<int>{1});
  EXPECT_EQ(hang->why,
            "no beat for 2 s at step 30 of 100000 (forward) while the 2 others wait at step 30 of "
            "100000 (meet)");
}

TEST_F(HangTest, SlowRank_IsNamedByTheBeatsOfItsGang) {
  Start(Watched({helper(), "lockstep", "2", "80"}, 3));
  agent::StragglerWatch watch(4s);
  std::optional<agent::Straggler> slow;
  std::size_t seen = 0;
  WaitUntil([&] {
    const auto all = Seen<agent::Observed>(kFirst);
    for (; seen < all.size() && !slow; ++seen)
      slow = watch.Observe(all[seen].ranks, SystemClock().Now());
    return slow.has_value();
  });
  ASSERT_TRUE(slow);
  EXPECT_EQ(slow->rank, 2);
  EXPECT_THAT(slow->why, HasSubstr("behind all others in "));
}

TEST_F(HangTest, ChildThatWaits_IsTheOneThatIsLookedAt) {
  Start(Watched({"sh", "-c", "sleep 600; true"}, 1));
  const auto hang = WaitForHang();
  ASSERT_TRUE(hang);
  EXPECT_EQ(hang->ranks, std::vector<int>{0});
  Inspect(*hang);
  const auto state = FolderOf(kFirst).ReadState();
  const std::string own = "process " + std::to_string(state->ranks[0].process.pid) + ",";
  EXPECT_THAT(Output(kFirst, 0, "err"), AllOf(HasSubstr("muster: process "), Not(HasSubstr(own))));
}

TEST_F(HangTest, AttemptForgottenWhileItIsLookedAt_LeavesNothing) {
  Start(Watched({"sleep", "600"}, 1));
  WaitFor<agent::ShimStarted>(kFirst);
  Apply(agent::InspectHang{.epoch = kFirst, .ranks = {0}, .why = "a test"});
  Apply(agent::KillAttempt{.epoch = kFirst});
  WaitFor<agent::SlotEmpty>(kFirst);
  Apply(agent::ForgetAttempt{.epoch = kFirst});
  inputs_.clear();
  for (int i = 0; i < 20; ++i) Pump();
  EXPECT_TRUE(Seen<agent::HangInspected>(kFirst).empty());
  EXPECT_FALSE(std::filesystem::exists(FolderOf(kFirst).path()));
}

TEST_F(HangTest, MemoryOfARank_IsCountedOnceThoughItsChildrenShareIt) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "the sanitizer's own memory, which is private, is several times as much";
#endif
  cgroup_root_.clear();  // the kernel would act first
  Reopen();
  wire::Prepare prepare = Watched({helper(), "hold", "200"}, 1);
  prepare.memory_bytes = 32 << 20;
  Start(prepare);
  std::int64_t most = 0;
  ASSERT_TRUE(WaitUntil([&] {
    for (const auto& observed : Seen<agent::Observed>(kFirst)) {
      for (const auto& rank : observed.ranks) most = std::max(most, rank.rss_bytes);
    }
    return most > (190 << 20) && WaitForProcesses(3);
  }));
  EXPECT_LT(most, 300 << 20);  // a sanitizer's own memory is in it
}

/// Whether it asked for one, or takes what it finds.
TEST_F(HangTest, RankThatKeepsAGpuBusy_IsSeenToWork) {
  const auto driver = home_ / "nvml";
  setenv("MUSTER_FAKE_NVML", driver.c_str(), 1);
  wire::Prepare prepare = Watched({"sleep", "600"}, 1);
  prepare.silence_ms = 60'000;
  Start(prepare);
  WaitFor<agent::ShimStarted>(kFirst);
  const int pid = FolderOf(kFirst).ReadState()->ranks[0].process.pid;
  int time_us = 0;
  EXPECT_TRUE(WaitUntil([&] {
    std::ofstream(driver, std::ios::app) << pid << ' ' << ++time_us << " 90\n";
    const auto all = Seen<agent::Observed>(kFirst);
    return !all.empty() && !all.back().ranks.empty() && all.back().ranks[0].gpu_ms >= 3'600;
  }));
  EXPECT_GE(Seen<agent::Activity>(kFirst).size(), 4U) << "its CPU sleeps";
}

TEST_F(HangTest, AgentThatNeverComesBack_LeavesNoRank) {
  Apply(agent::RenewLease{.until = SystemClock().Now() + 1s});
  Start(PrepareOf(7, {"sleep", "600"}, 2));
  WaitFor<agent::ShimStarted>(kFirst);
  processes_.reset();  // as kill -9 of it
  const auto deadline = SystemClock().Now() + 30s;
  const auto living = [this] { return !ScanAttempts(home_id_)->empty(); };
  while (living() && SystemClock().Now() < deadline) usleep(10'000);
  EXPECT_FALSE(living());
  const auto found = Reopen();
  ASSERT_EQ(found.attempts.size(), 1U);
  EXPECT_EQ(found.attempts[0].end_cause, wire::ExitCause::kNode);
  EXPECT_EQ(found.attempts[0].end_message, "no agent renewed the node's lease in time");
  EXPECT_THAT(Ends(kFirst), testing::UnorderedElementsAre("0: killed by signal 9 (SIGKILL)",
                                                          "1: killed by signal 9 (SIGKILL)"));
}

TEST_F(HangTest, LeaseRenewedInTime_KeepsTheRanks) {
  const auto first = SystemClock().Now() + 500ms;
  Apply(agent::RenewLease{.until = first});
  Start(PrepareOf(7, {"sleep", "600"}));
  Apply(agent::RenewLease{.until = first + 1h});
  WaitFor<agent::ShimStarted>(kFirst);
  WaitUntil([&] { return SystemClock().Now() > first + 500ms; });
  EXPECT_TRUE(WaitForProcesses(2));
  EXPECT_TRUE(Seen<agent::RanksExited>(kFirst).empty());
}

TEST(Lease, FileWithoutATime_IsNone) {
  const std::filesystem::path file = "/tmp/muster_lease_" + RandomHex(4);
  EXPECT_FALSE(ReadLease(file));
  ASSERT_TRUE(WriteFileAtomically(file, "").ok());
  EXPECT_FALSE(ReadLease(file));
  const auto now = SystemClock().Now();
  ASSERT_TRUE(WriteLease(file, now).ok());
  EXPECT_EQ(ReadLease(file), now);
  std::filesystem::remove(file);
}

}  // namespace
}  // namespace muster::cluster::local
