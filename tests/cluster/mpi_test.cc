#include <signal.h>

#include "tests/cluster/node_fixture.h"

namespace muster::cluster::local {
namespace {

constexpr AttemptEpoch kFirst{7};

class MpiTest : public NodeFixture {
 protected:
  void StartGang(const std::string& how) {
    auto prepare = PrepareOf(7, {MUSTER_TEST_MPI_HELLO, how}, 2);
    prepare.launcher = wire::LauncherKind::kMpi;
    Start(prepare);
  }
  /// mpirun itself, which is the one child of the shim that is neither a wrapper nor a rank.
  ProcessId Mpirun() {
    auto all = ScanAttempts(home_id_);
    for (const auto& process : (*all)[kFirst].processes) {
      const auto name = ReadWholeFile("/proc/" + std::to_string(process.pid) + "/comm");
      if (name.ok() && (*name == "mpirun\n" || *name == "orterun\n")) return process;
    }
    return {};
  }
};

TEST_F(MpiTest, TwoRanks_ReduceTogetherAndEndWellWithNothingLeft) {
  const auto begin = std::chrono::steady_clock::now();
  StartGang("");
  WaitFor<agent::ShimStarted>(kFirst);
  const auto started = std::chrono::steady_clock::now();
  EXPECT_THAT(Ends(kFirst), testing::UnorderedElementsAre("0: exit 0", "1: exit 0"));
  const auto ended = std::chrono::steady_clock::now();
  EXPECT_EQ(Output(kFirst, 0, "out"), "sum 2 rank 0 of 2\n");
  EXPECT_EQ(Output(kFirst, 1, "out"), "sum 2 rank 1 of 2\n");
  Apply(agent::KillAttempt{.epoch = kFirst});
  WaitFor<agent::SlotEmpty>(kFirst);
  EXPECT_FALSE(std::filesystem::exists(FolderOf(kFirst).scratch()));
  const auto ms = [&](auto time) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(time - begin).count();
  };
  RecordProperty("prepare_to_started_ms", static_cast<int>(ms(started)));
  RecordProperty("prepare_to_ended_ms", static_cast<int>(ms(ended)));
  std::printf("prepare to ranks started %d ms, to all ended %d ms\n", static_cast<int>(ms(started)),
              static_cast<int>(ms(ended)));
}

/// mpirun binds nobody; each rank's own parent does.
TEST_F(MpiTest, BoundRanks_HaveTheCpusThatTheAgentChose) {
  slots_ = 2;
  Reopen();
  auto prepare = PrepareOf(7, {"grep", "Cpus_allowed_list", "/proc/self/status"}, 2);
  prepare.launcher = wire::LauncherKind::kMpi;
  prepare.env["MUSTER_BIND"] = "core";
  Start(prepare);
  EXPECT_THAT(Ends(kFirst), testing::UnorderedElementsAre("0: exit 0", "1: exit 0"));
  const auto binding = FolderOf(kFirst).ReadBinding();
  if (binding.empty()) GTEST_SKIP() << "this machine has one CPU";
  for (int rank = 0; rank < 2; ++rank) {
    const auto& cpus = binding[static_cast<std::size_t>(rank)].cpus;
    EXPECT_EQ(Output(kFirst, rank, "out"), "Cpus_allowed_list:\t" + CpuListText(cpus) + "\n");
  }
}

TEST_F(MpiTest, ResumeCode_OfEveryRankIsKept) {
  StartGang("resume");
  EXPECT_THAT(Ends(kFirst), testing::UnorderedElementsAre("0: exit 75", "1: exit 75"));
}

TEST_F(MpiTest, RankThatDies_IsTheFirstNamed) {
  StartGang("die");  // rank 0 then waits for ever: ending the gang is the agent's to decide
  const auto exited = WaitFor<agent::RanksExited>(kFirst);
  ASSERT_EQ(exited.ranks.size(), 1U);
  EXPECT_EQ(exited.ranks[0].exit.rank, 1);
  EXPECT_EQ(exited.ranks[0].exit.text, "killed by signal 11 (SIGSEGV)");
  EXPECT_FALSE(exited.all);
}

TEST_F(MpiTest, RankKilledFromOutside_IsNamed) {
  StartGang("sleep");
  WaitFor<agent::ShimStarted>(kFirst);
  ASSERT_TRUE(WaitUntil([&] { return FileSize(kFirst, "out") > 0; }));
  const auto state = FolderOf(kFirst).ReadState();
  ASSERT_EQ(state->ranks.size(), 2U);
  ASSERT_TRUE(SendSignal(state->ranks[0].process, SIGKILL));
  const auto exited = WaitFor<agent::RanksExited>(kFirst);
  ASSERT_GE(exited.ranks.size(), 1U);
  EXPECT_EQ(exited.ranks[0].exit.text, "killed by signal 9 (SIGKILL)");
  EXPECT_EQ(exited.ranks[0].exit.rank, state->ranks[0].rank);
}

TEST_F(MpiTest, MpirunKilled_IsALossOfTheLauncherNotOfTheTrial) {
  StartGang("sleep");
  WaitFor<agent::ShimStarted>(kFirst);
  ASSERT_TRUE(WaitUntil([&] { return FileSize(kFirst, "out") > 0; }));
  ASSERT_TRUE(SendSignal(Mpirun(), SIGKILL));
  EXPECT_THAT(WaitFor<agent::ShimLost>(kFirst).message,
              testing::HasSubstr("mpirun: killed by signal 9 (SIGKILL)"));
  Apply(agent::KillAttempt{.epoch = kFirst});
  WaitFor<agent::SlotEmpty>(kFirst);
}

}  // namespace
}  // namespace muster::cluster::local
