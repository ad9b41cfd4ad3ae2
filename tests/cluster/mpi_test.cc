#include <signal.h>

#include <array>

#include "cluster/local/contract.h"
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
};

/// Ranks are children of children of mpirun.
TEST_F(MpiTest, CpuTimeOfRanks_IsCounted) {
  cgroup_root_.clear();
  Reopen();
  auto prepare = PrepareOf(7,
                           {"sh", "-c",
                            "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; "
                            "cut -d' ' -f14 /proc/$$/stat"},
                           2);
  prepare.launcher = wire::LauncherKind::kMpi;
  Start(prepare);
  Ends(kFirst);
  const std::int64_t ticks =
      std::stoll(Output(kFirst, 0, "out")) + std::stoll(Output(kFirst, 1, "out"));
  Apply(agent::KillAttempt{.epoch = kFirst});
  const auto used = WaitFor<agent::SlotEmpty>(kFirst).used;
  EXPECT_GE(ticks, 10);
  ASSERT_TRUE(used);
  EXPECT_GE(used->cpu_ms, (ticks - 2) * 1'000 / sysconf(_SC_CLK_TCK));
}

/// Two nodes of one machine, and a gang of three ranks that mpirun starts on both: 0 and 1 here, 2 there.
class MpiPartsTest : public testing::Test {
 protected:
  MpiPartsTest() {
    nodes_[0].beside_ = &nodes_[1];
    nodes_[1].beside_ = &nodes_[0];
  }
  ~MpiPartsTest() override { nodes_[0].beside_ = nullptr; }  // the other one goes first
  void Prepare(const std::string& how) {
    for (int node = 0; node < 2; ++node) {
      auto prepare = At(node).PrepareOf(7, {MUSTER_TEST_MPI_HELLO, how}, node == 0 ? 2 : 1);
      prepare.launcher = wire::LauncherKind::kMpi;
      prepare.world_size = 3;
      prepare.first_rank = 2 * node;
      prepare.node_rank = node;
      prepare.start_secret = secrets_.at(static_cast<std::size_t>(node));
      At(node).Prepare(prepare);
    }
    for (int node = 0; node < 2; ++node) {
      const auto ready = At(node).WaitFor<agent::ShimReady>(kFirst);
      go_.parts.push_back({ready.address, ready.port, node == 0 ? 2 : 1});
    }
    go_.epoch = kFirst;
    go_.master_address = go_.parts[0].address;
    go_.master_port = go_.parts[0].port;
  }
  void Go() {
    for (TestNode& node : nodes_) node.Apply(agent::StartRanks{.go = go_});
  }
  void StartGang(const std::string& how) {
    Prepare(how);
    Go();
    for (TestNode& node : nodes_) node.WaitFor<agent::ShimStarted>(kFirst);
  }
  TestNode& At(int node) { return nodes_.at(static_cast<std::size_t>(node)); }
  /// The state of the shim, once it fits.
  ShimState WaitState(int node, const std::function<bool(const ShimState&)>& fits) {
    ShimState state;
    EXPECT_TRUE(At(node).WaitUntil([&] {
      if (auto read = At(node).FolderOf(kFirst).ReadState(); read.ok()) state = *read;
      return fits(state);
    }));
    return state;
  }

  std::array<TestNode, 2> nodes_;
  std::array<std::string, 2> secrets_{"the gang's", "the gang's"};
  wire::Go go_;
};

/// The process of that name which the node's shim runs.
ProcessId Launcher(const TestNode& node, std::string_view name) {
  auto all = ScanAttempts(node.home_id_);
  for (const auto& process : (*all)[kFirst].processes) {
    const auto comm = ReadWholeFile("/proc/" + std::to_string(process.pid) + "/comm");
    if (comm.ok() && comm->starts_with(name)) return process;
  }
  return {};
}

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
  ASSERT_TRUE(SendSignal(Launcher(*this, "mpirun"), SIGKILL));
  EXPECT_THAT(WaitFor<agent::ShimLost>(kFirst).message,
              testing::HasSubstr("mpirun: killed by signal 9 (SIGKILL)"));
  Apply(agent::KillAttempt{.epoch = kFirst});
  WaitFor<agent::SlotEmpty>(kFirst);
}

TEST_F(MpiTest, InsideAnAllocation_TheNodesStayTheCoordinators) {
  setenv("SLURM_JOBID", "1", 1);
  setenv("SLURM_NODELIST", "elsewhere[1-2]", 1);
  setenv("SLURM_TASKS_PER_NODE", "1(x2)", 1);
  StartGang("");
  EXPECT_THAT(Ends(kFirst), testing::UnorderedElementsAre("0: exit 0", "1: exit 0"));
  for (const char* name : {"SLURM_JOBID", "SLURM_NODELIST", "SLURM_TASKS_PER_NODE"}) unsetenv(name);
}

TEST_F(MpiPartsTest, ThreeRanksOnTwoNodes_AreNumberedAsPlacedAndReduceTogether) {
  StartGang("");
  EXPECT_THAT(At(0).Ends(kFirst), testing::UnorderedElementsAre("0: exit 0", "1: exit 0"));
  EXPECT_THAT(At(1).Ends(kFirst), testing::ElementsAre("2: exit 0"));
  for (int rank = 0; rank < 3; ++rank) {
    EXPECT_EQ(At(rank / 2).Output(kFirst, rank, "out"),
              "sum 3 rank " + std::to_string(rank) + " of 3\n");
  }
  for (TestNode& node : nodes_) {
    node.Apply(agent::KillAttempt{.epoch = kFirst});
    node.WaitFor<agent::SlotEmpty>(kFirst);
    EXPECT_FALSE(std::filesystem::exists(node.FolderOf(kFirst).scratch()));
  }
}

TEST_F(MpiPartsTest, ResumeCode_OfEveryRankIsKept) {
  StartGang("resume");
  EXPECT_THAT(At(0).Ends(kFirst), testing::UnorderedElementsAre("0: exit 75", "1: exit 75"));
  EXPECT_THAT(At(1).Ends(kFirst), testing::ElementsAre("2: exit 75"));
}

TEST_F(MpiPartsTest, GoThatComesLate_IsWaitedFor) {
  Prepare("");
  At(0).Apply(agent::StartRanks{.go = go_});
  ASSERT_TRUE(At(0).WaitUntil([&] { return Launcher(At(0), "mpirun").pid != 0; }));
  At(0).Pump(300);
  EXPECT_EQ(Launcher(At(1), "orted").pid, 0);
  At(1).Apply(agent::StartRanks{.go = go_});
  EXPECT_THAT(At(0).Ends(kFirst), testing::UnorderedElementsAre("0: exit 0", "1: exit 0"));
  EXPECT_THAT(At(1).Ends(kFirst), testing::ElementsAre("2: exit 0"));
}

TEST_F(MpiPartsTest, PartThatIsDone_StaysUntilTheOthersAre) {
  StartGang("linger");  // rank 0 goes on for a while after MPI_Finalize
  WaitState(1, [](const ShimState& state) { return state.ends.size() == 1; });
  At(1).Pump();
  EXPECT_THAT(At(1).Seen<agent::RanksExited>(kFirst), testing::IsEmpty());
  EXPECT_THAT(At(0).Ends(kFirst), testing::UnorderedElementsAre("1: exit 0", "0: exit 0"));
  EXPECT_THAT(At(1).Ends(kFirst), testing::ElementsAre("2: exit 0"));
}

TEST_F(MpiPartsTest, RankThatDies_IsNamedByItsNodeAndTheOtherBlamesNobody) {
  StartGang("sleep");
  const auto state = WaitState(1, [](const ShimState& one) { return one.ranks.size() == 1; });
  ASSERT_TRUE(SendSignal(state.ranks[0].process, SIGSEGV));
  const auto exited = At(1).WaitFor<agent::RanksExited>(kFirst);
  ASSERT_EQ(exited.ranks.size(), 1U);
  EXPECT_EQ(exited.ranks[0].exit.text, "killed by signal 11 (SIGSEGV)");
  // What its agent does then; mpirun, without its daemon, ends the ranks of the first node: no failure of theirs.
  At(1).Apply(agent::KillAttempt{.epoch = kFirst});
  ASSERT_TRUE(At(0).WaitUntil([&] { return Launcher(At(0), "mpirun").pid == 0; }));
  At(0).Pump(200);
  EXPECT_THAT(At(0).Seen<agent::RanksExited>(kFirst), testing::IsEmpty());
  EXPECT_THAT(At(0).Seen<agent::ShimLost>(kFirst), testing::IsEmpty());
}

TEST_F(MpiPartsTest, DaemonKilled_IsALossOfTheLauncherOnItsNode) {
  StartGang("sleep");
  ASSERT_TRUE(SendSignal(Launcher(At(1), "orted"), SIGKILL));
  EXPECT_THAT(At(1).WaitFor<agent::ShimLost>(kFirst).message,
              testing::HasSubstr("mpirun's daemon: killed by signal 9 (SIGKILL)"));
}

TEST_F(MpiPartsTest, NobodySaysWhyTheGangEnded_TheFirstNodeSaysWhatMpirunDid) {
  StartGang("sleep");
  for (const auto& process : (*ScanAttempts(At(0).home_id_))[kFirst].processes) {
    const auto command = ReadWholeFile("/proc/" + std::to_string(process.pid) + "/cmdline");
    if (command.ok() && command->find("remote-start") != std::string::npos &&
        command->find("mpirun") != 0) {
      SendSignal(process, SIGKILL);
    }
  }
  EXPECT_THAT(
      At(0).WaitFor<agent::ShimLost>(kFirst).message,
      testing::AnyOf(testing::HasSubstr("mpirun: exit"), testing::HasSubstr("mpirun ended")));
}

TEST_F(MpiPartsTest, AnotherSecret_StartsNothingAndIsSaid) {
  secrets_[1] = "another's";
  Prepare("");
  Go();
  EXPECT_THAT(At(0).WaitFor<agent::MakeFailed>(kFirst).message,
              testing::AllOf(testing::HasSubstr("no rank started; mpirun: exit"),
                             testing::HasSubstr("node 1 at 127.0.0.1:"),
                             testing::HasSubstr("the proof is wrong")));
  EXPECT_THAT(At(1).Seen<agent::ShimStarted>(kFirst), testing::IsEmpty());
}

TEST_F(MpiPartsTest, NodeThatIsNotReached_IsNamed) {
  Prepare("");
  go_.parts[1].port = 1;
  Go();
  EXPECT_THAT(At(0).WaitFor<agent::MakeFailed>(kFirst).message,
              testing::HasSubstr("node 1 at 127.0.0.1:1: connect: Connection refused"));
}

TEST(MpiContract, HostsAreNumbersAndBack) {
  EXPECT_EQ(HostOf(1), "240.0.0.1");
  EXPECT_EQ(HostOf(70'000), "240.1.17.112");
  for (const std::size_t node : {1U, 255U, 256U, 70'000U})
    EXPECT_EQ(NodeRankOf(HostOf(node)), node);
  for (const char* other : {"localhost", "10.0.0.1", "240.0.0", "", "240.0.0.1 x"})
    EXPECT_EQ(NodeRankOf(other), std::nullopt) << other;
}

TEST(MpiContract, Settings_AreThePartsOwnAndLeaveAPersonsAlone) {
  Environment environment{{"OMPI_MCA_btl", "self,tcp"}};
  AddMpiSettings(environment, "/opt/muster-shim", "/dev/shm/x", "10.0.0.7");
  EXPECT_EQ(environment["OMPI_MCA_btl"], "self,tcp");
  EXPECT_EQ(environment["OMPI_MCA_plm_rsh_agent"], "/opt/muster-shim remote-start");
  EXPECT_EQ(environment["OMPI_MCA_btl_tcp_if_include"], "10.0.0.7/31");
  EXPECT_EQ(MpiSettingsOfNode("/dev/shm/x", "node7").count("OMPI_MCA_btl_tcp_if_include"), 0U);
  Environment alone;
  AddMpiSettings(alone, "/opt/muster-shim", "/dev/shm/x", "");
  EXPECT_EQ(alone["OMPI_MCA_plm"], "isolated");
  EXPECT_EQ(alone.count("OMPI_MCA_plm_rsh_agent"), 0U);
}

}  // namespace
}  // namespace muster::cluster::local
