#include "cluster/local/checkpoint_push.h"

#include <gmock/gmock.h>

#include <fstream>

#include "runtime/wire/trial_record.h"
#include "tests/cluster/node_fixture.h"

namespace muster::cluster::local {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr AttemptEpoch kFirst(7);

/// Of a shim and its ranks; the programs that speak with the server are the helper's.
class CheckpointPushTest : public NodeFixture {
 protected:
  CheckpointPushTest() : server_(home_ / "server") { fs::create_directories(server_); }

  wire::Prepare Elsewhere(std::vector<std::string> command) {
    wire::Prepare prepare = PrepareOf(kFirst.value, std::move(command));
    prepare.checkpoint_dir = "/not/here/sweep/0";
    prepare.checkpoint_store = "mark";
    prepare.checkpoint_url = server_.string();
    return prepare;
  }
  void Make(const std::string& suffix) const { std::ofstream(server_.string() + suffix) << "1"; }
  void Remove(const std::string& suffix) const { fs::remove(server_.string() + suffix); }
  /// "metric 3", "checkpoint 3 /path" of the spool's lines.
  std::vector<std::string> Spool() {
    std::vector<std::string> lines;
    std::ifstream file(FolderOf(kFirst).records());
    for (std::string line; std::getline(file, line);) {
      const auto record = wire::DecodeRecord(line).value();
      const bool checkpoint = record.type == wire::RecordType::kCheckpoint;
      lines.push_back((checkpoint ? "checkpoint " : "metric ") + std::to_string(record.step));
      if (checkpoint) lines.back() += " " + record.path;
      if (record.kept) lines.back() += *record.kept ? " kept" : " not kept";
    }
    return lines;
  }
  void WaitForPush() {
    ASSERT_TRUE(WaitUntil([&] {
      const auto state = FolderOf(kFirst).ReadState();
      return state.ok() && state->pusher.pid != 0;
    }));
  }

  const fs::path server_;
};

TEST_F(CheckpointPushTest, ARecord_WaitsForTheServerToHaveItsFiles_AndSoDoesTheRanksEnd) {
  Make(".hold");
  Start(Elsewhere({"cluster_test_helper", "save", "3", "75"}));
  WaitForPush();
  // The rank has ended long ago; nothing says so while its checkpoint is on its way.
  const auto ranks = FolderOf(kFirst).ReadState()->ranks;
  EXPECT_EQ(ranks.size(), 1);
  for (int look = 0; look < 30; ++look) Pump();
  EXPECT_THAT(Spool(), ElementsAre("metric 3"));
  EXPECT_THAT(Seen<agent::RanksExited>(kFirst), IsEmpty());
  Remove(".hold");
  EXPECT_THAT(Ends(kFirst), ElementsAre("0: exit 75"));
  EXPECT_THAT(Spool(), ElementsAre("metric 3", "checkpoint 3 /not/here/sweep/0/w", "metric 4"));
  EXPECT_EQ(ReadWholeFile(server_ / "w").value(), "3");
  EXPECT_TRUE(WaitUntil([&] { return FolderOf(kFirst).ReadState()->empty; }));
  EXPECT_FALSE(fs::exists(FolderOf(kFirst).checkpoints())) << "the server has it";
}

TEST_F(CheckpointPushTest, APushThatFails_IsTriedAgain) {
  Make(".refuse");
  Start(Elsewhere({"cluster_test_helper", "save", "3", "0"}));
  ASSERT_TRUE(WaitUntil([&] {
    const auto log = ReadWholeFile(FolderOf(kFirst).shim_log());
    return log.ok() && log->find("record waits") != std::string::npos;
  }));
  EXPECT_THAT(Spool(), ElementsAre("metric 3"));
  Remove(".refuse");
  EXPECT_THAT(Ends(kFirst), ElementsAre("0: exit 0"));
  EXPECT_EQ(Spool().size(), 3);
}

TEST_F(CheckpointPushTest, KilledInTheMiddle_NothingIsLeftAndNothingIsSaid) {
  Make(".hold");
  Start(Elsewhere({"cluster_test_helper", "save", "3", "0"}));
  WaitForPush();
  Apply(agent::KillAttempt{.epoch = kFirst});
  const auto empty = WaitFor<agent::SlotEmpty>(kFirst);
  EXPECT_EQ(empty.records_end,
            static_cast<std::int64_t>(fs::file_size(FolderOf(kFirst).records())));
  EXPECT_THAT(Spool(), ElementsAre("metric 3"));
  EXPECT_FALSE(fs::exists(server_ / "w"));
}

TEST_F(CheckpointPushTest, ThePusherIsKilled_AnotherOneFollows) {
  Make(".hold");
  Start(Elsewhere({"cluster_test_helper", "save", "3", "0"}));
  WaitForPush();
  EXPECT_TRUE(SendSignal(FolderOf(kFirst).ReadState()->pusher, SIGKILL));
  Remove(".hold");
  EXPECT_THAT(Ends(kFirst), ElementsAre("0: exit 0"));
  EXPECT_EQ(Spool().size(), 3);
  EXPECT_EQ(ReadWholeFile(server_ / "w").value(), "3");
}

TEST_F(CheckpointPushTest, WhatTheServerHas_IsThereBeforeTheRanksStart_ThoughThePullIsKilled) {
  std::ofstream(server_ / "w") << "old";
  Make(".die");
  Start(Elsewhere({"sh", "-c", "cat $MUSTER_CHECKPOINT_DIR/w"}));
  EXPECT_THAT(Ends(kFirst), ElementsAre("0: exit 0"));
  EXPECT_EQ(Output(kFirst, 0, "out"), "old");
  EXPECT_FALSE(fs::exists(server_.string() + ".die"));
}

TEST_F(CheckpointPushTest, WhatAProgramSavesWithoutARecord_GoesWhenItEndsWell) {
  const struct {
    const char* command;
    const char* there;
  } kCases[] = {{"echo 1 > $MUSTER_CHECKPOINT_DIR/w; exit 75", "1\n"},
                {"echo 2 > $MUSTER_CHECKPOINT_DIR/w; exit 3", "1\n"},
                {"true", "1\n"},
                {"echo 4 > $MUSTER_CHECKPOINT_DIR/w", "4\n"}};
  for (const auto& one : kCases) {
    wire::Prepare prepare = Elsewhere({"sh", "-c", one.command});
    prepare.epoch = AttemptEpoch(kFirst.value + (&one - kCases));
    Start(prepare);
    Ends(prepare.epoch);
    EXPECT_EQ(ReadWholeFile(server_ / "w").value(), one.there) << one.command;
    Apply(agent::KillAttempt{.epoch = prepare.epoch});
    WaitFor<agent::SlotEmpty>(prepare.epoch);
  }
}

TEST_F(CheckpointPushTest, ACheckpointThatDoesNotCome_IsTheAttemptsEnd) {
  fs::remove(server_);
  Prepare(Elsewhere({"true"}));
  const auto failed = WaitFor<agent::MakeFailed>(kFirst);
  EXPECT_EQ(failed.cause, wire::ExitCause::kInfra);
  EXPECT_THAT(failed.message, HasSubstr("exit 1: " + server_.string() + " is away"));
}

TEST_F(CheckpointPushTest, ACopyForClones_IsSaidWhereThereIsOne) {
  wire::Prepare prepare = Elsewhere({"cluster_test_helper", "save", "3", "0"});
  prepare.keep_dir = "/not/here/sweep/0.at";
  prepare.keep_every = 3;
  for (const bool kept : {true, false}) {
    prepare.epoch = kFirst;
    if (!kept) Make(".unkept");
    Start(prepare);
    Ends(kFirst);
    EXPECT_EQ(Spool()[1],
              std::string("checkpoint 3 /not/here/sweep/0/w ") + (kept ? "kept" : "not kept"));
    EXPECT_TRUE(fs::exists(server_.string() + ".at3/w"));
    Apply(agent::KillAttempt{.epoch = kFirst});
    WaitFor<agent::SlotEmpty>(kFirst);
    Apply(agent::ForgetAttempt{.epoch = kFirst});
    made_.clear();
    inputs_.clear();
  }
}

TEST(SharesCheckpoints, IsAskedOfTheFolder) {
  char name[] = "/tmp/muster_shares_XXXXXX";
  const fs::path root = mkdtemp(name);
  std::ofstream(root / kCheckpointStore) << "mark";
  const struct {
    fs::path root;
    std::string store, url;
    bool shares;
  } kCases[] = {
      {root, "mark", "http://s:1", true},
      {root, "other", "http://s:1", false},
      {root / "no", "mark", "http://s:1", false},
      {root, "", "http://s:1", false},
      {root / "no", "mark", "", true},  // no other way, or an older coordinator
  };
  for (const auto& one : kCases) {
    wire::Prepare prepare;
    prepare.checkpoint_dir = one.root / "sweep/0";
    prepare.checkpoint_store = one.store;
    prepare.checkpoint_url = one.url;
    EXPECT_EQ(SharesCheckpoints(prepare), one.shares) << one.root << one.store << one.url;
  }
  fs::remove_all(root);
}

TEST(CheckpointPush, IsNeededByLinesThatNameOne) {
  using wire::RecordType;
  const auto line = [](RecordType type) { return wire::EncodeRecord({.type = type, .step = 1}); };
  EXPECT_TRUE(CheckpointPush::IsNeededBy(line(RecordType::kCheckpoint)));
  EXPECT_TRUE(CheckpointPush::IsNeededBy(line(RecordType::kResult)));
  EXPECT_FALSE(CheckpointPush::IsNeededBy(line(RecordType::kMetric)));
  EXPECT_FALSE(CheckpointPush::IsNeededBy(line(RecordType::kResumed)));
  EXPECT_FALSE(
      CheckpointPush::IsNeededBy(wire::EncodeRecord({.step = 1, .metrics = {{"result", 1}}})));
  EXPECT_FALSE(CheckpointPush::IsNeededBy("\"checkpoint\" no JSON\n"));
}

}  // namespace
}  // namespace muster::cluster::local
