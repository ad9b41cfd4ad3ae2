#include "cluster/local/cgroups.h"

#include <algorithm>
#include <fstream>

#include "tests/cluster/node_fixture.h"

namespace muster::cluster::local {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr AttemptEpoch kFirst{7};

/// A tree of plain files where control groups would be mounted.
class CgroupsTest : public testing::Test {
 protected:
  CgroupsTest() {
    char name[] = "/tmp/muster_cgroup_XXXXXX";
    root_ = mkdtemp(name);
  }
  ~CgroupsTest() override { fs::remove_all(root_); }

  void Write(const std::string& file, const std::string& text) {
    fs::create_directories((root_ / file).parent_path());
    ASSERT_TRUE(WriteFileAtomically(root_ / file, text).ok());
  }
  std::string Read(const fs::path& file) { return ReadWholeFile(file).value(); }

  fs::path root_;
};

constexpr GroupLimits kLimits{.memory_bytes = 1000, .cpus = 3, .tasks = 50};

TEST_F(CgroupsTest, VersionTwo_LimitsChildrenOfTheOwnGroup) {
  Write("cgroup.controllers", "cpu memory pids");
  Write("job/cgroup.procs", "");
  Write("job/cgroup.controllers", "cpu memory pids");
  Write("job/cgroup.subtree_control", "cpu memory pids");
  const auto groups = Cgroups::Find(root_, "0::/job\n");
  EXPECT_EQ(groups.why_not(), "");
  EXPECT_THAT(groups.Make("m-7", kLimits), ElementsAre(root_ / "job/m-7"));
  EXPECT_EQ(Read(root_ / "job/m-7/memory.max"), "1000");
  EXPECT_EQ(Read(root_ / "job/m-7/cpu.weight"), "300");
  EXPECT_EQ(Read(root_ / "job/m-7/pids.max"), "50");
  EXPECT_THAT(groups.Make("m-8", {.cpus = 1000}), ElementsAre(root_ / "job/m-8"));
  EXPECT_EQ(Read(root_ / "job/m-8/cpu.weight"), "10000");  // the most there is
  EXPECT_FALSE(fs::exists(root_ / "job/m-8/memory.max"));
  EXPECT_THAT(groups.Make("m-9", {}), ElementsAre(root_ / "job/m-9"));  // for its kill
}

TEST_F(CgroupsTest, CpuTime_IsReadOfBothVersions) {
  Write("cpu/m-7/cpu.stat", "nr_periods 3\nnr_throttled 0\n");
  Write("two/m-7/cpu.stat", "usage_usec 1250999\nuser_usec 1000000\n");
  Write("one/m-7/cpuacct.usage", "2500999999\n");
  using std::chrono::milliseconds;
  EXPECT_EQ(CpuTimeOfCgroups({root_ / "cpu/m-7", root_ / "two/m-7"}), milliseconds(1'250));
  EXPECT_EQ(CpuTimeOfCgroups({root_ / "one/m-7"}), milliseconds(2'500));
  EXPECT_EQ(CpuTimeOfCgroups({root_ / "cpu/m-7", root_ / "gone"}), std::nullopt);
}

TEST_F(CgroupsTest, ServiceInAChildOfItsSubtree_MakesSiblings) {
  Write("cgroup.controllers", "memory");
  Write("service/cgroup.procs", "");
  Write("service/cgroup.subtree_control", "cpu memory");
  Write("service/agent/cgroup.procs", "");
  Write("service/agent/cgroup.controllers", "");
  const auto groups = Cgroups::Find(root_, "0::/service/agent\n");
  EXPECT_THAT(groups.Make("m-7", kLimits), ElementsAre(root_ / "service/m-7"));
  EXPECT_TRUE(groups.keeps(Controller::kMemory));
  EXPECT_TRUE(groups.keeps(Controller::kCpu));
  EXPECT_FALSE(groups.keeps(Controller::kPids));
  EXPECT_THAT(groups.why_not(), HasSubstr("with a limit of pids"));
}

TEST_F(CgroupsTest, VersionTwoWithoutMemory_AsksForNothingElse) {
  // Asked for "cpu" alone, a group with processes would take none into its children any more.
  Write("cgroup.controllers", "cpu pids");
  Write("job/cgroup.procs", "");
  Write("job/cgroup.controllers", "cpu pids");
  Write("job/cgroup.subtree_control", "pids");
  const auto groups = Cgroups::Find(root_, "0::/job\n");
  EXPECT_EQ(Read(root_ / "job/cgroup.subtree_control"), "pids");
  EXPECT_TRUE(groups.keeps(Controller::kPids));
  EXPECT_FALSE(groups.keeps(Controller::kCpu));
}

TEST_F(CgroupsTest, VersionOneBesideTwo_LimitsInOneAndKillsInTheOther) {
  Write("unified/cgroup.controllers", "");
  Write("unified/cgroup.procs", "");
  for (const char* name : {"memory", "cpu", "pids"})
    Write(std::string(name) + "/a/cgroup.procs", "");
  const auto groups = Cgroups::Find(root_, "9:name=systemd:/\n4:cpu,memory:/a\n3:pids:/a\n0::/\n");
  EXPECT_EQ(groups.why_not(), "");
  EXPECT_THAT(groups.Make("m-7", kLimits),
              ElementsAre(root_ / "memory/a/m-7", root_ / "cpu/a/m-7", root_ / "pids/a/m-7",
                          root_ / "unified/m-7"));
  EXPECT_EQ(Read(root_ / "memory/a/m-7/memory.limit_in_bytes"), "1000");
  EXPECT_EQ(Read(root_ / "cpu/a/m-7/cpu.shares"), "3072");
  EXPECT_EQ(Read(root_ / "pids/a/m-7/pids.max"), "50");
}

TEST_F(CgroupsTest, GroupsThatNobodyIsIn_AreDeletedOnceTheyAreOld) {
  Write("cgroup.controllers", "");
  Write("cgroup.procs", "");
  const auto groups = Cgroups::Find(root_, "0::/\n");
  for (const char* name : {"muster-a-1", "muster-b-2", "system"})
    fs::create_directory(root_ / name);
  Write("muster-b-2/process", "");  // what the kernel would refuse to delete
  groups.DeleteEmpty("muster-", std::chrono::hours(1));
  EXPECT_TRUE(fs::exists(root_ / "muster-a-1"));
  groups.DeleteEmpty("muster-", std::chrono::seconds(0));
  EXPECT_FALSE(fs::exists(root_ / "muster-a-1"));
  EXPECT_TRUE(fs::exists(root_ / "muster-b-2"));
  EXPECT_TRUE(fs::exists(root_ / "system"));
}

TEST_F(CgroupsTest, NoneMounted_SaysSoAndMakesNothing) {
  const auto groups = Cgroups::Find(root_, "0::/job\n");
  EXPECT_FALSE(groups.keeps(Controller::kMemory));
  EXPECT_THAT(groups.why_not(), HasSubstr(root_.string()));
  EXPECT_THAT(groups.why_not(), HasSubstr("memory, cpu, pids"));
  EXPECT_TRUE(groups.Make("m-7", kLimits).empty());
}

TEST_F(CgroupsTest, Members_AreReadKilledAndAnEmptyGroupIsDeleted) {
  Write("m-7/cgroup.procs", "12\n34\n");
  Write("m-7/cgroup.kill", "");
  EXPECT_THAT(ProcessesOfCgroups({root_ / "m-7", root_ / "none"}), ElementsAre(12, 34));
  KillCgroups({root_ / "m-7", root_ / "none"});
  EXPECT_EQ(Read(root_ / "m-7/cgroup.kill"), "1");
  EXPECT_FALSE(RemoveCgroups({root_ / "m-7"}).ok());
  fs::create_directory(root_ / "m-8");
  EXPECT_TRUE(RemoveCgroups({root_ / "m-8", root_ / "none"}).ok());
  EXPECT_FALSE(fs::exists(root_ / "m-8"));
}

using RealCgroupsTest = NodeFixture;

TEST_F(RealCgroupsTest, GroupThatCannotBeEntered_IsSaidAndTheRankRuns) {
  cgroup_root_.clear();
  Reopen();
  Prepare(PrepareOf(7, {"echo", "up"}));
  WaitFor<agent::ShimReady>(kFirst);
  ASSERT_TRUE(FolderOf(kFirst).WriteCgroups({home_ / "no-such-group"}).ok());
  Apply(agent::StartRanks{.go = {.epoch = kFirst}});
  EXPECT_THAT(Ends(kFirst), ElementsAre("0: exit 0"));
  EXPECT_EQ(Output(kFirst, 0, "out"), "up\n");
  EXPECT_EQ(Output(kFirst, 0, "err"), "muster: this rank could not enter its control group\n");
}

TEST_F(RealCgroupsTest, FolderDeleted_LeavesNoGroup) {
  Start(PrepareOf(7, {"sleep", "600"}));
  WaitFor<agent::ShimStarted>(kFirst);
  const auto groups = FolderOf(kFirst).ReadCgroups();
  const auto run = FolderOf(kFirst).run();
  if (groups.empty()) GTEST_SKIP() << "no control groups here";
  processes_.reset();
  made_.clear();
  std::filesystem::remove_all(home_);
  const auto deadline = SystemClock().Now() + std::chrono::seconds(30);
  const auto left = [&] {
    return fs::exists(run) || !ScanAttempts(home_id_)->empty() ||
           std::ranges::any_of(groups, [](const auto& group) { return fs::exists(group); });
  };
  while (left() && SystemClock().Now() < deadline) usleep(10'000);
  EXPECT_FALSE(left());
}

TEST_F(RealCgroupsTest, RanksAreWithinTheLimitOfTasks) {
  Start(PrepareOf(7, {"sh", "-c", "echo up; while [ ! -e go ]; do :; done; (true); exit 0"}));
  ASSERT_TRUE(WaitUntil([&] { return FileSize(kFirst, "out") > 0; }));
  const auto made = FolderOf(kFirst).ReadCgroups();
  const auto limited =
      std::ranges::find_if(made, [](const auto& group) { return fs::exists(group / "pids.max"); });
  if (limited == made.end()) GTEST_SKIP() << "no limit of pids here";
  EXPECT_EQ(*ReadWholeFile(*limited / "pids.max"), "4096\n");
  std::ofstream(*limited / "pids.max") << "1";
  std::ofstream(FolderOf(kFirst).work() / "go") << "now";
  EXPECT_THAT(Ends(kFirst), testing::Not(ElementsAre("0: exit 0")));
  EXPECT_THAT(Output(kFirst, 0, "err"), HasSubstr("fork"));
}

TEST_F(RealCgroupsTest, GangBeyondItsMemory_IsKilledByTheKernelAndItsGroupIsDeleted) {
  const auto self = ReadWholeFile("/proc/self/cgroup");
  const auto groups = Cgroups::Find("/sys/fs/cgroup", self.ok() ? *self : "");
  if (!groups.keeps(Controller::kMemory)) GTEST_SKIP() << groups.why_not();
  wire::Prepare prepare = PrepareOf(7, {helper(), "hold", "64"});
  prepare.memory_bytes = 16 << 20;
  Start(prepare);
  const auto exited = WaitFor<agent::RanksExited>(kFirst);
  ASSERT_EQ(exited.ranks.size(), 1U);
  EXPECT_TRUE(exited.ranks[0].out_of_memory) << exited.ranks[0].exit.text;
  const auto made = FolderOf(kFirst).ReadCgroups();
  ASSERT_FALSE(made.empty());
  Apply(agent::KillAttempt{.epoch = kFirst});
  WaitFor<agent::SlotEmpty>(kFirst);
  for (const auto& group : made) EXPECT_FALSE(fs::exists(group)) << group;
}

}  // namespace
}  // namespace muster::cluster::local
