#include <signal.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "cluster/local/cgroups.h"
#include "tests/cluster/node_fixture.h"

/// What an attempt used, beside what its own processes say: `times` of the shell.

namespace muster::cluster::local {
namespace {

constexpr AttemptEpoch kFirst{7};
/// A fifth of a second or so.
const std::string kBurn = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; ";
constexpr std::int64_t kSlackMs = 20;  ///< of what the shell rounds
constexpr std::int64_t kStartMs =
    1'000;  ///< most that starts of programs may take on a busy machine

/// "0m0.310000s 0m0.020000s\n0m0.100000s ..." -> 430: all that `times` printed.
std::int64_t TimesMs(const std::string& text) {
  std::istringstream words(text);
  double seconds = 0;
  for (std::string word; words >> word;) {
    const std::size_t minutes = word.find('m');
    seconds += 60 * std::stod(word.substr(0, minutes)) + std::stod(word.substr(minutes + 1));
  }
  return static_cast<std::int64_t>(seconds * 1'000);
}

class UsedTest : public NodeFixture {
 protected:
  wire::ResourceUse Used() {
    Apply(agent::KillAttempt{.epoch = kFirst});
    const auto empty = WaitFor<agent::SlotEmpty>(kFirst);
    EXPECT_TRUE(empty.used);
    return empty.used.value_or(wire::ResourceUse());
  }
  /// What it printed once it has burnt; it lives on.
  std::int64_t Burnt() {
    EXPECT_TRUE(WaitUntil([&] { return FileSize(kFirst, "out") > 0; }));
    return TimesMs(Output(kFirst, 0, "out"));
  }
  void WithoutCgroups() {
    cgroup_root_.clear();
    Reopen();
  }
};

TEST_F(UsedTest, CpuTime_IsThatOfRanksChildrenAndOrphans) {
  WithoutCgroups();
  const std::string orphan = "(sh -c '" + kBurn + "times >orphan' &) ; ";
  const std::string rank = orphan + "while [ ! -s orphan ]; do sleep 0.02; done; (" + kBurn +
                           "); sleep 0.05; " + kBurn + "cat orphan; times";
  Start(PrepareOf(7, {"sh", "-c", rank}, 2));
  Ends(kFirst);
  const std::int64_t said = TimesMs(Output(kFirst, 0, "out")) + TimesMs(Output(kFirst, 1, "out"));
  const wire::ResourceUse used = Used();
  EXPECT_GE(said, 100);
  EXPECT_GE(used.cpu_ms, said - kSlackMs);
  EXPECT_LE(used.cpu_ms, said + kStartMs);
  EXPECT_GE(used.memory_bytes, 100 << 10);
}

TEST_F(UsedTest, Memory_IsTheMostThatAProcessEverHad) {
  Start(PrepareOf(7, {"sh", "-c", helper() + " hold 64 & sleep 0.5; kill -9 $!; wait"}));
  Ends(kFirst);
  EXPECT_GE(Used().memory_bytes, 64 << 20);
}

TEST_F(UsedTest, RankKilledByTheAgent_IsCountedByItsShim) {
  WithoutCgroups();
  Start(PrepareOf(7, {"sh", "-c", kBurn + "times; exec sleep 600"}));
  const std::int64_t burnt = Burnt();
  EXPECT_GE(Used().cpu_ms, burnt - kSlackMs);
}

TEST_F(UsedTest, KilledShim_LeavesWhatWasSeenWhileItRan) {
  WithoutCgroups();
  auto prepare = PrepareOf(7, {"sh", "-c", kBurn + "times; exec sleep 600"});
  prepare.hang_ms = 600'000;
  Start(prepare);
  const std::int64_t burnt = Burnt();
  inputs_.clear();
  WaitFor<agent::Observed>(kFirst);
  kill(FolderOf(kFirst).ReadState()->shim.pid, SIGKILL);
  WaitFor<agent::ShimLost>(kFirst);
  EXPECT_GE(Used().cpu_ms, burnt - kSlackMs);
}

TEST_F(UsedTest, KilledShim_LeavesWhatItsControlGroupsCounted_AlsoForTheNextAgent) {
  Start(PrepareOf(7, {"sh", "-c", kBurn + "times; exec sleep 600"}));
  const std::int64_t burnt = Burnt();
  if (!CpuTimeOfCgroups(FolderOf(kFirst).ReadCgroups()))
    GTEST_SKIP() << "none may be made here that count";
  kill(FolderOf(kFirst).ReadState()->shim.pid, SIGKILL);
  WaitFor<agent::ShimLost>(kFirst);
  EXPECT_GE(Used().cpu_ms, burnt - kSlackMs);
  Reopen();  // Exited was not acknowledged
  EXPECT_GE(Used().cpu_ms, burnt - kSlackMs);
}

TEST_F(UsedTest, GpuTime_IsThatOfAllAgentsThatSawIt) {
  const auto driver = home_ / "nvml";
  setenv("MUSTER_FAKE_NVML", driver.c_str(), 1);
  auto prepare = PrepareOf(7, {"sleep", "600"});
  prepare.hang_ms = 600'000;
  Start(prepare);
  WaitFor<agent::ShimStarted>(kFirst);
  const int pid = FolderOf(kFirst).ReadState()->ranks[0].process.pid;
  int time_us = 0;
  const auto is_busy = [&](std::int64_t ms) {
    return WaitUntil([&] {
      std::ofstream(driver, std::ios::app) << pid << ' ' << ++time_us << " 90\n";
      const auto all = Seen<agent::Observed>(kFirst);
      return !all.empty() && !all.back().ranks.empty() && all.back().ranks[0].gpu_ms >= ms;
    });
  };
  EXPECT_TRUE(is_busy(800));
  Reopen();
  EXPECT_TRUE(is_busy(800));
  const auto used = Used();
  EXPECT_GE(used.gpu_ms.value_or(0), 1'600);
  EXPECT_LE(used.gpu_ms.value_or(0), 30'000);
}

}  // namespace
}  // namespace muster::cluster::local
