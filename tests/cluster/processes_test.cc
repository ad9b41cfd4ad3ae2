#include "cluster/local/processes.h"

#include <netinet/in.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "cluster/local/order.h"
#include "cluster/local/record_server.h"
#include "cluster/local/spawn.h"
#include "cluster/local/spool.h"
#include "cluster/local/topology.h"
#include "runtime/base/base64.h"
#include "runtime/wire/codec.h"
#include "tests/cluster/node_fixture.h"

namespace muster::cluster::local {
namespace {

using ProcessesTest = NodeFixture;
constexpr AttemptEpoch kFirst{7};

/// While it lives this process can open nothing.
class NoDescriptors {
 public:
  NoDescriptors() {
    getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit none{.rlim_cur = 0, .rlim_max = before_.rlim_max};
    setrlimit(RLIMIT_NOFILE, &none);
  }
  ~NoDescriptors() { setrlimit(RLIMIT_NOFILE, &before_); }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;

 private:
  rlimit before_{};
};

TEST_F(ProcessesTest, Ranks_GetTheContractAndTheirExitCodesAreSeen) {
  auto prepare = PrepareOf(
      7,
      {"sh", "-c",
       "echo $RANK/$WORLD_SIZE $LOCAL_RANK $MUSTER_TRIAL $MUSTER_ATTEMPT $OWN $OMP_NUM_THREADS;"
       "cat $MUSTER_PARAMS; test -S $MUSTER_CONTROL && test -d $MUSTER_CHECKPOINT_DIR && exit "
       "$((RANK+3))"},
      2);
  prepare.env = {{"OWN", "mine"}, {"MUSTER_ATTEMPT", "1"}};
  Start(prepare);
  WaitFor<agent::ShimStarted>(kFirst);
  EXPECT_THAT(Ends(kFirst), testing::UnorderedElementsAre("0: exit 3", "1: exit 4"));
  EXPECT_EQ(Output(kFirst, 0, "out"), "0/2 0 sweep/0 7 mine 1\n{\"lr\":0.1}");
  EXPECT_EQ(Output(kFirst, 1, "out"), "1/2 1 sweep/0 7 mine 1\n{\"lr\":0.1}");
}

TEST_F(ProcessesTest, GangOnSeveralNodes_IsToldTheInterfaceUnlessTheTrialSays) {
  address_ = "127.0.0.1";
  Reopen();
  const std::string show = "echo $GLOO_SOCKET_IFNAME $NCCL_SOCKET_IFNAME $TP_SOCKET_IFNAME";
  wire::Prepare prepare = PrepareOf(1, {"sh", "-c", show});
  prepare.world_size = 2;
  prepare.env["TP_SOCKET_IFNAME"] = "mine";
  Start(prepare);
  EXPECT_THAT(Ends(AttemptEpoch(1)), testing::ElementsAre("0: exit 0"));
  EXPECT_EQ(Output(AttemptEpoch(1), 0, "out"), "lo =lo mine\n");
  Start(PrepareOf(2, {"sh", "-c", show}));
  EXPECT_THAT(Ends(AttemptEpoch(2)), testing::ElementsAre("0: exit 0"));
  EXPECT_EQ(Output(AttemptEpoch(2), 0, "out"), "\n") << "alone on its node";
}

/// On the CPUs of this machine, whatever they are.
TEST_F(ProcessesTest, BoundRanks_HaveCpusOfTheirOwn_AlsoUnderTheNextAgent) {
  const auto machine = ReadTopology();
  ASSERT_TRUE(machine.ok()) << machine.error().message;
  std::set<int> all;
  for (const Core& core : machine->cores) all.insert(core.cpus.begin(), core.cpus.end());
  if (all.size() < 2) GTEST_SKIP() << "this machine has one CPU";
  slots_ = static_cast<int>(all.size());
  Reopen();
  const std::string show = "grep Cpus_allowed_list /proc/self/status; echo bound to $MUSTER_CPUS; ";
  const auto prepare = [&](int epoch, const std::string& then, const std::string& bind) {
    wire::Prepare one = PrepareOf(epoch, {"sh", "-c", show + then});
    one.env["MUSTER_BIND"] = bind;
    return one;
  };
  const auto cpus = [&](int epoch) { return FolderOf(AttemptEpoch(epoch)).ReadBinding(); };
  Start(prepare(1, "exec sleep 600", "core"));
  WaitFor<agent::ShimStarted>(AttemptEpoch(1));
  Reopen();  // the next agent knows what is held
  Start(prepare(2, "true", "core"));
  EXPECT_THAT(Ends(AttemptEpoch(2)), testing::ElementsAre("0: exit 0"));
  ASSERT_EQ(cpus(1).size(), 1U);
  ASSERT_EQ(cpus(2).size(), 1U);
  EXPECT_EQ(cpus(1)[0].held.size(), 1U);
  EXPECT_NE(cpus(1)[0].held, cpus(2)[0].held);
  const std::string list = CpuListText(cpus(2)[0].cpus);
  EXPECT_EQ(Output(AttemptEpoch(2), 0, "out"),
            "Cpus_allowed_list:\t" + list + "\nbound to " + list + "\n");
  for (const std::string unbound : {"none", "auto"}) {
    if (unbound == "auto" && HasSeveralNumaNodes()) continue;
    const int epoch = unbound == "none" ? 3 : 4;
    Start(prepare(epoch, "true", unbound));
    EXPECT_THAT(Ends(AttemptEpoch(epoch)), testing::ElementsAre("0: exit 0"));
    EXPECT_EQ(Output(AttemptEpoch(epoch), 0, "out"),
              "Cpus_allowed_list:\t" + CpuListText(all) + "\nbound to\n");
  }
}

TEST_F(ProcessesTest, RankKilledBySignal_IsNamedAtOnceWhileTheOtherLives) {
  Start(PrepareOf(7, {"sh", "-c", "test $RANK = 1 && kill -SEGV $$; exec sleep 600"}, 2));
  const auto exited = WaitFor<agent::RanksExited>(kFirst);
  ASSERT_EQ(exited.ranks.size(), 1U);
  EXPECT_EQ(exited.ranks[0].exit.rank, 1);
  EXPECT_EQ(exited.ranks[0].exit.text, "killed by signal 11 (SIGSEGV)");
  EXPECT_FALSE(exited.ranks[0].out_of_memory);
  EXPECT_FALSE(exited.all);
}

TEST_F(ProcessesTest, ProgramNowhere_IsASentenceWithThePlaces) {
  Prepare(PrepareOf(7, {"no-such-program"}));
  const auto failed = WaitFor<agent::MakeFailed>(kFirst);
  EXPECT_THAT(failed.message, testing::HasSubstr("'no-such-program' is neither in /"));
  EXPECT_THAT(failed.message, testing::HasSubstr("PATH"));
  EXPECT_EQ(failed.cause, wire::ExitCause::kUser);
}

TEST_F(ProcessesTest, TheHeldPort_CanBeTakenByARankAndByNobodyElse) {
  Prepare(PrepareOf(7, {"true"}));
  const auto ready = WaitFor<agent::ShimReady>(kFirst);
  const auto listen_on = [&](bool reuse) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = reuse ? 1 : 0;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{.sin_family = AF_INET,
                        .sin_port = htons(static_cast<uint16_t>(ready.port))};
    const bool done =
        bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 && listen(fd, 1) == 0;
    close(fd);
    return done;
  };
  EXPECT_FALSE(listen_on(false));
  EXPECT_TRUE(listen_on(true));
}

TEST_F(ProcessesTest, Kill_TakesEscapedAndUnmarkedChildrenAndProvesTheSlotEmpty) {
  Start(PrepareOf(7, {helper(), "escape"}));
  ASSERT_TRUE(WaitUntil([&] {  // shim, rank, and the escaped sleeper
    const auto all = ScanAttempts(home_id_);
    return all->contains(kFirst) && all->at(kFirst).processes.size() == 3;
  }));
  Apply(agent::KillAttempt{.epoch = kFirst});
  WaitFor<agent::SlotEmpty>(kFirst);
  EXPECT_TRUE(ScanAttempts(home_id_)->empty());
}

/// Its first thread is a zombie then, though the process holds all that it held.
TEST_F(ProcessesTest, RankWhoseFirstThreadEnded_LivesUntilTheLastOneDoes) {
  Start(PrepareOf(7, {helper(), "headless"}));
  WaitFor<agent::ShimStarted>(kFirst);
  const ProcessId rank = FolderOf(kFirst).ReadState()->ranks[0].process;
  ASSERT_TRUE(
      WaitUntil([&] { return ReadProcFile(rank.pid, "stat")->find(") Z ") != std::string::npos; }));
  EXPECT_TRUE(*IsAlive(rank));
  EXPECT_EQ(ScanAttempts(home_id_)->at(kFirst).processes.size(), 2U) << "the shim and the rank";
  Apply(agent::KillAttempt{.epoch = kFirst});
  WaitFor<agent::SlotEmpty>(kFirst);
  EXPECT_FALSE(*IsAlive(rank));
}

TEST_F(ProcessesTest, ShimKilled_IsLostAndItsRanksAreSwept) {
  Start(PrepareOf(7, {"sleep", "600"}));
  WaitFor<agent::ShimStarted>(kFirst);
  const auto state = FolderOf(kFirst).ReadState();
  ASSERT_TRUE(SendSignal(state->shim, SIGKILL));
  EXPECT_THAT(WaitFor<agent::ShimLost>(kFirst).message, testing::HasSubstr("was killed"));
  EXPECT_TRUE(*IsAlive(state->ranks[0].process));
  Apply(agent::KillAttempt{.epoch = kFirst});
  WaitFor<agent::SlotEmpty>(kFirst);
  EXPECT_FALSE(*IsAlive(state->ranks[0].process));
}

TEST_F(ProcessesTest, NoDescriptorLeft_IsNeitherALostShimNorAnEmptySlot) {
  Start(PrepareOf(7, {"sleep", "600"}));
  WaitFor<agent::ShimStarted>(kFirst);
  Apply(agent::KillAttempt{.epoch = AttemptEpoch(8)});
  inputs_.clear();
  {
    const NoDescriptors none;
    EXPECT_FALSE(IsAlive({.pid = getpid()}).ok());
    EXPECT_FALSE(ScanAttempts(home_id_).ok());
    EXPECT_FALSE(WholeLineBytes(FolderOf(kFirst).records()).ok());
    for (int i = 0; i < 5; ++i) Pump();
  }
  EXPECT_TRUE(inputs_.empty());
  WaitFor<agent::SlotEmpty>(AttemptEpoch(8));
  EXPECT_TRUE(Seen<agent::ShimLost>(kFirst).empty());
}

TEST_F(ProcessesTest, FolderThatCannotBeLookedAt_IsNotADeletedOne) {
  Start(PrepareOf(7, {helper(), "obey"}));
  ASSERT_TRUE(WaitUntil([&] { return FileSize(kFirst, "out") > 0; }));
  const auto path = FolderOf(kFirst).path();
  const AttemptFolder away(home_ / "away", home_id_);
  const bool on_disk = FolderOf(kFirst).run() == path;
  const auto socket = (on_disk ? away : FolderOf(kFirst)).agent_socket();
  std::filesystem::rename(path, away.path());
  std::filesystem::create_directory_symlink(path, path);  // ELOOP, whoever asks
  // The first order wakes the shim, which looks at its folder; the second shows that it went on.
  const Order order{.order = "signal", .signal = SIGUSR2};
  for (const std::size_t times : {1U, 2U}) {
    EXPECT_TRUE(SendUnix(socket, wire::Encode(order)).ok());
    EXPECT_TRUE(WaitUntil([&] {
      const std::string out = ReadWholeFile(away.output(0, "out")).value();
      std::size_t seen = 0;
      for (std::size_t at = 0; (at = out.find("USR2", at)) != std::string::npos; ++at) ++seen;
      return seen >= times;
    }));
  }
  std::filesystem::remove(path);
  std::filesystem::rename(away.path(), path);
}

TEST_F(ProcessesTest, BinaryOutput_ComesThroughByOffset) {
  Start(PrepareOf(7, {"sh", "-c", R"(printf '\000\377\001binary'; printf err >&2)"}));
  Ends(kFirst);
  Apply(agent::ReadLog{.epoch = kFirst, .rank = 0, .stream = "out", .begin = 1, .max_bytes = 3});
  const auto read = WaitFor<agent::LogRead>(kFirst);
  EXPECT_EQ(read.begin, 1);
  EXPECT_EQ(read.end, 4);
  EXPECT_EQ(*DecodeBase64(read.data),
            "\xff\x01"
            "b");
  Apply(agent::KillAttempt{.epoch = kFirst});
  const auto empty = WaitFor<agent::SlotEmpty>(kFirst);
  EXPECT_EQ(empty.logs_end, (std::map<std::string, std::int64_t>{{"0.out", 9}, {"0.err", 3}}));
}

TEST_F(ProcessesTest, Records_AreReadByOffsetInWholeLines) {
  Start(PrepareOf(7, {helper(), "say", "20"}));
  EXPECT_THAT(Ends(kFirst), testing::ElementsAre("0: exit 0"));
  std::vector<std::int64_t> steps;
  for (std::int64_t begin = 0; steps.size() < 20;) {
    inputs_.clear();
    Apply(agent::ReadRecords{.epoch = kFirst, .begin = begin, .max_bytes = 200});
    const auto read = WaitFor<agent::RecordsRead>(kFirst);
    ASSERT_EQ(read.begin, begin);
    ASSERT_GT(read.end, begin);
    for (const auto& record : read.records) steps.push_back(record.step);
    begin = read.end;
  }
  for (int i = 0; i < 20; ++i) EXPECT_EQ(steps[static_cast<std::size_t>(i)], i);
}

TEST_F(ProcessesTest, Signals_ReachRanksAsSignalsAndAsCommands) {
  Start(PrepareOf(7, {helper(), "obey"}));
  ASSERT_TRUE(WaitUntil([&] { return FileSize(kFirst, "out") > 0; }));  // the ack of "resumed"
  Apply(agent::SignalRanks{.epoch = kFirst, .signal = SIGUSR2});
  ASSERT_TRUE(WaitUntil([&] {
    const std::string out = Output(kFirst, 0, "out");
    return out.find("USR2") != std::string::npos && out.find("checkpoint") != std::string::npos;
  }));
  Apply(agent::SignalRanks{.epoch = kFirst, .signal = SIGTERM});
  EXPECT_THAT(Ends(kFirst), testing::ElementsAre("0: exit 75"));
}

TEST_F(ProcessesTest, RankWithoutAHandler_OutlivesTheRequestForACheckpoint) {
  Start(PrepareOf(7, {"sh", "-c", "echo up; sleep 0.2; exit 0"}));
  ASSERT_TRUE(WaitUntil([&] { return FileSize(kFirst, "out") > 0; }));
  Apply(agent::SignalRanks{.epoch = kFirst, .signal = SIGUSR2});
  EXPECT_THAT(Ends(kFirst), testing::ElementsAre("0: exit 0"));
}

TEST_F(ProcessesTest, NewAgent_AdoptsWhatRunsAndLosesNoRecord) {
  Start(PrepareOf(7, {helper(), "say", "100", "5"}));
  WaitFor<agent::ShimStarted>(kFirst);
  Apply(agent::NoteEnd{.epoch = kFirst, .cause = wire::ExitCause::kStopped, .message = "pruned"});
  const auto found = Reopen();
  ASSERT_EQ(found.attempts.size(), 1U);
  EXPECT_EQ(found.attempts[0].prepare.epoch, kFirst);
  EXPECT_EQ(found.attempts[0].prepare.trial, TrialId("sweep/0"));
  EXPECT_NE(found.attempts[0].phase, wire::AttemptPhase::kPrepared);
  EXPECT_EQ(found.attempts[0].end_cause, wire::ExitCause::kStopped);
  EXPECT_EQ(found.attempts[0].end_message, "pruned");
  EXPECT_THAT(Ends(kFirst), testing::ElementsAre("0: exit 5"));
  Apply(agent::ReadRecords{.epoch = kFirst, .begin = 0, .max_bytes = 1 << 20});
  EXPECT_EQ(WaitFor<agent::RecordsRead>(kFirst).records.size(), 100U);
  EXPECT_TRUE(Seen<agent::ShimReady>(kFirst).empty());
}

TEST_F(ProcessesTest, NewAgent_StartsWhatAnEarlierOnePrepared) {
  Prepare(PrepareOf(7, {"true"}));
  const auto ready = WaitFor<agent::ShimReady>(kFirst);
  const auto found = Reopen();
  ASSERT_EQ(found.attempts.size(), 1U);
  EXPECT_EQ(found.attempts[0].phase, wire::AttemptPhase::kPrepared);
  EXPECT_EQ(found.attempts[0].port, ready.port);
  Apply(agent::StartRanks{.go = {.epoch = kFirst}});
  EXPECT_THAT(Ends(kFirst), testing::ElementsAre("0: exit 0"));
}

TEST_F(ProcessesTest, NewAgent_DeletesWhatWasNeverPromisedAndLeavesWhatItCannotRead) {
  Start(PrepareOf(7, {"sleep", "600"}));
  WaitFor<agent::ShimStarted>(kFirst);
  std::filesystem::create_directory(home_ / "attempts" / "8");
  const auto groups = FolderOf(kFirst).ReadCgroups();
  ASSERT_TRUE(WriteFileAtomically(FolderOf(kFirst).path() / "prepare.json", "half a line").ok());
  EXPECT_TRUE(Reopen().attempts.empty());
  EXPECT_FALSE(std::filesystem::exists(home_ / "attempts" / "8"));
  EXPECT_TRUE(std::filesystem::exists(FolderOf(kFirst).path()));
  EXPECT_TRUE(std::filesystem::exists(FolderOf(kFirst).state_file()));
  WaitFor<agent::SlotEmpty>(kFirst);  // nothing of it holds the slots that others get
  for (const auto& group : groups) EXPECT_FALSE(std::filesystem::exists(group)) << group;
  EXPECT_TRUE(ScanAttempts(home_id_)->empty());
}

TEST_F(ProcessesTest, NewAgent_DeletesWhatTheDiskLostWhenTheMachineStopped) {
  const std::filesystem::path attempts = home_ / "attempts";
  for (const char* epoch : {"8", "9"}) std::filesystem::create_directory(attempts / epoch);
  ASSERT_TRUE(ReplaceFile(attempts / "8" / "prepare.json", std::string(100, '\0')).ok());
  ASSERT_TRUE(AttemptFolder(attempts / "9", home_id_).WritePrepare(PrepareOf(7, {"true"})).ok());
  EXPECT_TRUE(Reopen().attempts.empty());
  EXPECT_TRUE(std::filesystem::is_empty(attempts));
}

TEST_F(ProcessesTest, ShimWhoseRanksLeftNothing_EndsByItself) {
  Start(PrepareOf(7, {"sh", "-c", "sleep 600 & kill $!; exit 3"}));
  EXPECT_THAT(Ends(kFirst), testing::ElementsAre("0: exit 3"));
  EXPECT_TRUE(WaitUntil([&] { return ScanAttempts(home_id_)->empty(); }));
  EXPECT_TRUE(FolderOf(kFirst).ReadState()->empty);
}

TEST_F(ProcessesTest, ShimWhoseRanksLeftAChild_StaysUntilItIsKilled) {
  Start(PrepareOf(7, {"sh", "-c", "setsid sleep 600 & exit 0"}));
  EXPECT_THAT(Ends(kFirst), testing::ElementsAre("0: exit 0"));
  EXPECT_FALSE(FolderOf(kFirst).ReadState()->empty);
  EXPECT_EQ(ScanAttempts(home_id_)->at(kFirst).processes.size(), 2U);
  Apply(agent::KillAttempt{.epoch = kFirst});
  WaitFor<agent::SlotEmpty>(kFirst);
  EXPECT_TRUE(ScanAttempts(home_id_)->empty());
}

TEST_F(ProcessesTest, MarkedProcessOfAnotherParent_IsSweptOnceTheAttemptIsOver) {
  Start(PrepareOf(7, {"true"}));
  Environment environment = CleanEnvironment();
  environment["MUSTER_HOME_ID"] = home_id_;
  environment["MUSTER_ATTEMPT"] = "7";
  const auto stray =
      Spawn({.command = {"sleep", "600"}, .environment = environment, .detached = true});
  ASSERT_TRUE(stray.ok());
  Ends(kFirst);
  EXPECT_TRUE(*IsAlive(*IdentifyProcess(*stray)));
  Apply(agent::KillAttempt{.epoch = kFirst});
  WaitFor<agent::SlotEmpty>(kFirst);
  EXPECT_TRUE(WaitUntil([&] { return ScanAttempts(home_id_)->empty(); }));
}

TEST_F(ProcessesTest, NextAttempt_FindsNothingOfTheOneWhoseFolderItGets) {
  const char* script = "ls; echo $MUSTER_ATTEMPT; echo mine > file; echo error >&2";
  for (const std::int64_t number : {7, 8}) {
    const AttemptEpoch epoch(number);
    Start(PrepareOf(number, {"sh", "-c", script}));
    Ends(epoch);
    EXPECT_EQ(Output(epoch, 0, "out"), std::to_string(number) + "\n");
    EXPECT_EQ(Output(epoch, 0, "err"), "error\n");
    Apply(agent::KillAttempt{.epoch = epoch});
    WaitFor<agent::SlotEmpty>(epoch);
    Apply(agent::ForgetAttempt{.epoch = epoch});
    EXPECT_FALSE(std::filesystem::exists(FolderOf(epoch).path()));
    EXPECT_FALSE(std::filesystem::exists(FolderOf(epoch).run()));
  }
}

TEST_F(ProcessesTest, TwoHomes_DoNotKillEachOther) {
  Start(PrepareOf(7, {"sleep", "600"}));
  WaitFor<agent::ShimStarted>(kFirst);
  auto other = Processes::Open({.attempts_dir = home_ / "other",
                                .self_executable = helper(),
                                .home_id = home_id_ + "-other"});
  ASSERT_TRUE(other.ok());
  (*other)->Apply(agent::KillAttempt{.epoch = kFirst});
  const auto inputs = (*other)->Poll(SystemClock().Now());
  ASSERT_EQ(inputs.size(), 1U);
  EXPECT_NE(std::get_if<agent::SlotEmpty>(&inputs[0]), nullptr);
  EXPECT_EQ(ScanAttempts(home_id_)->at(kFirst).processes.size(), 2U);
}

}  // namespace
}  // namespace muster::cluster::local
