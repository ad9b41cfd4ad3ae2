#include <signal.h>
#include <sys/wait.h>

#include "cluster/local/gpu_activity.h"
#include "cluster/local/spawn.h"
#include "runtime/agent/hang.h"
#include "tests/cluster/node_fixture.h"

/// On a real GPU, with the driver's own library; skipped where there is none.

namespace muster::cluster::local {
namespace {

using namespace std::chrono_literals;

class GpuTest : public NodeFixture {
 protected:
  void SetUp() override {
    if (Nvml::Open() == nullptr) GTEST_SKIP() << "this machine has no GPU";
  }
  ~GpuTest() override {
    for (const pid_t pid : children_) {
      kill(pid, SIGKILL);
      waitpid(pid, nullptr, 0);
    }
  }
  pid_t Work(const std::string& what) {
    const auto pid = Spawn({.command = {MUSTER_TEST_GPU_WORK, what},
                            .environment = CleanEnvironment(),
                            .working_dir = "/",
                            .out = home_ / "work.log",
                            .err = home_ / "work.log",
                            .die_with_parent = true});
    EXPECT_TRUE(pid.ok());
    children_.push_back(*pid);
    return *pid;
  }

  std::vector<pid_t> children_;
};

TEST_F(GpuTest, ProcessThatComputes_IsBusy_AndOneThatHoldsTheDeviceIsNot) {
  const auto activity = GpuActivity::Open();
  ASSERT_NE(activity, nullptr);
  const pid_t busy = Work("compute"), idle = Work("hold");
  EXPECT_TRUE(WaitUntil([&] {
    usleep(500'000);
    activity->Look(SystemClock().Now());
    return activity->BusyMs(busy) >= 3'000;
  }));
  EXPECT_LT(activity->BusyMs(idle), 60) << "quiet is up to 2 %";
}

/// The CPU of all of them sleeps: the driver alone tells who waits. Each of the four has a quarter of the GPU.
TEST_F(GpuTest, RankThatSleepsWhileItsPeersShareAGpu_IsNamed) {
  gpu_library_ = "libnvidia-ml.so.1";
  Reopen();
  wire::Prepare prepare = PrepareOf(
      7, {"sh", "-c", "test $RANK = 4 && exec sleep 600; exec " MUSTER_TEST_GPU_WORK " compute"},
      5);
  prepare.hang_ms = 5'000;
  Start(prepare);
  agent::HangWatch watch({.after = 5s, .first = 5s});
  std::optional<agent::Hang> hang;
  std::size_t seen = 0;
  EXPECT_TRUE(WaitUntil([&] {
    const auto all = Seen<agent::Observed>(prepare.epoch);
    for (; seen < all.size() && !hang; ++seen) {
      watch.Observe(all[seen].ranks, SystemClock().Now());
      hang = watch.Judge();
    }
    return hang.has_value();
  }));
  ASSERT_TRUE(hang);
  EXPECT_EQ(hang->ranks, std::vector<int>{4});
  EXPECT_THAT(hang->why, testing::HasSubstr("while the 4 others spin"));
}

/// A process that was killed keeps its GPU's memory until the driver has taken it all back, by its last thread.
TEST_F(GpuTest, KilledRank_HasLetGoOfItsGpu_WhenItsSlotIsEmpty) {
  const auto activity = GpuActivity::Open();
  const wire::Prepare prepare = PrepareOf(7, {MUSTER_TEST_GPU_WORK, "compute"});
  Start(prepare);
  WaitFor<agent::ShimStarted>(prepare.epoch);
  const int pid = FolderOf(prepare.epoch).ReadState()->ranks[0].process.pid;
  ASSERT_TRUE(WaitUntil([&] {
    usleep(500'000);
    activity->Look(SystemClock().Now());
    return activity->BusyMs(pid) > 0;
  }));
  const auto groups = FolderOf(prepare.epoch).ReadCgroups();
  Apply(agent::KillAttempt{.epoch = prepare.epoch});
  WaitFor<agent::SlotEmpty>(prepare.epoch);
  const auto threads = std::filesystem::path("/proc") / std::to_string(pid) / "task";
  std::error_code gone;
  const auto count = std::distance(std::filesystem::directory_iterator(threads, gone), {});
  EXPECT_LE(count, 1) << "what is left is a zombie at most";
  for (const auto& group : groups) EXPECT_FALSE(std::filesystem::exists(group)) << group;
}

}  // namespace
}  // namespace muster::cluster::local
