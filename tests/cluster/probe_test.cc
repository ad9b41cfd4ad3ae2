#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "cluster/local/line_channel.h"
#include "cluster/local/probe_folder.h"
#include "cluster/local/probe_pair.h"
#include "runtime/base/random.h"

namespace muster::cluster::local {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;
using testing::HasSubstr;

class ProbeTest : public testing::Test {
 protected:
  ProbeTest() { fs::create_directories(other_); }
  ~ProbeTest() override { fs::remove_all(root_); }

  /// Two probes in two threads, with these folders.
  PairFacts Measure(const ProbeFolder& of_listener, const ProbeFolder& of_caller) {
    auto listener = Listener::Open("127.0.0.1", 0);
    EXPECT_TRUE(listener.ok());
    (void)of_listener.Look("b");
    (void)of_caller.Look("a");
    std::thread answers([&] {
      const Status status = AnswerProbe(*listener, Side("b"), of_listener);
      EXPECT_TRUE(status.ok()) << status.error().message;
    });
    PairFacts facts = MeasurePair(Side("a"), "b", "127.0.0.1", listener->port(), of_caller);
    answers.join();
    return facts;
  }
  static ProbeSide Side(const std::string& node) {
    return {.id = "x1", .node = node, .address = "127.0.0.1", .port = 0, .patience = 5s};
  }

  fs::path root_ = fs::temp_directory_path() / ("muster-probe-" + RandomHex(8));
  fs::path other_ = root_ / "other";
};

TEST_F(ProbeTest, TwoNodesWithOneFolder_MeetAndFindAllWell) {
  const ProbeFolder folder(root_, "x1");
  const PairFacts facts = Measure(folder, folder);
  EXPECT_EQ(facts.error, "");
  EXPECT_EQ(facts.back_error, "");
  EXPECT_EQ(facts.folder_error, "");
  EXPECT_EQ(facts.rename_error, "");
  EXPECT_TRUE(facts.folder_shared);
  EXPECT_TRUE(facts.locks);
  EXPECT_EQ(facts.both_created, 0);
  EXPECT_GE(facts.visible_ms, 0);
  EXPECT_GT(facts.bytes_a_second, 1e6);
  EXPECT_GT(facts.latency_us, 0);
  EXPECT_LT(std::abs(facts.clock_ahead_ms), 100) << "one clock";
  folder.Leave("a");
  EXPECT_TRUE(folder.Sees("b"));
  folder.Leave("b");
  const auto left = std::distance(fs::directory_iterator(root_), fs::directory_iterator());
  EXPECT_EQ(left, 1) << "nothing of the probes is left";
}

TEST_F(ProbeTest, TwoFolders_AreNotShared) {
  const PairFacts facts = Measure(ProbeFolder(root_, "x1"), ProbeFolder(other_, "x1"));
  EXPECT_EQ(facts.error, "");
  EXPECT_FALSE(facts.folder_shared);
}

TEST_F(ProbeTest, NobodyListens_SaysWho) {
  auto listener = Listener::Open("127.0.0.1", 0);
  ASSERT_TRUE(listener.ok());
  const int port = listener->port();
  {
    const auto gone = std::move(*listener);
  }
  const PairFacts facts = MeasurePair(Side("a"), "b", "127.0.0.1", port, ProbeFolder(root_, "x1"));
  EXPECT_THAT(facts.error, HasSubstr("a does not reach b: connect to 127.0.0.1:"));
  EXPECT_THAT(facts.error, HasSubstr("Connection refused"));
}

TEST_F(ProbeTest, AStranger_IsNotAnsweredAndDoesNotDisturb) {
  auto listener = Listener::Open("127.0.0.1", 0);
  ASSERT_TRUE(listener.ok());
  const ProbeFolder folder(root_, "x1");
  std::thread answers([&] { EXPECT_TRUE(AnswerProbe(*listener, Side("b"), folder).ok()); });
  {
    auto stranger = LineChannel::Dial("127.0.0.1", listener->port(), 5s);
    ASSERT_TRUE(stranger.ok());
    EXPECT_FALSE(stranger->Ask("probe x2 c").ok());
  }
  auto caller = LineChannel::Dial("127.0.0.1", listener->port(), 5s);
  ASSERT_TRUE(caller.ok());
  EXPECT_EQ(*caller->Ask("probe x1 a"), "ok b");
  for (const char* bad :
       {"create ../x text", "create .x text", "reduce 99999999999", "fly", "dial nowhere 1"})
    EXPECT_FALSE(caller->Ask(bad).ok()) << bad;
  EXPECT_TRUE(caller->Write("end").ok());
  answers.join();
}

TEST_F(ProbeTest, Look_SeesAFolderThatCannotBeUsed) {
  std::ofstream(root_ / "file") << "text";
  EXPECT_THAT(ProbeFolder(root_ / "file", "x1").Look("a").error, HasSubstr("make "));
  const FolderFacts facts = ProbeFolder(root_, "x1").Look("a");
  EXPECT_EQ(facts.error, "");
  EXPECT_EQ(facts.path, root_.string());
  EXPECT_GT(facts.free_bytes, 0);
  EXPECT_GE(facts.mtime_step_ns, 1);
  EXPECT_LT(std::abs(facts.mtime_ahead_ms), 1'000);
}

TEST_F(ProbeTest, WhatADoctorOfYesterdayLeft_IsDeleted) {
  fs::create_directories(root_ / ".doctor-old");
  fs::create_directories(root_ / ".doctor-new");
  fs::last_write_time(root_ / ".doctor-old", fs::file_time_type::clock::now() - 48h);
  const ProbeFolder folder(root_, "x1");
  EXPECT_FALSE(fs::exists(root_ / ".doctor-old"));
  EXPECT_TRUE(fs::exists(root_ / ".doctor-new"));
}

}  // namespace
}  // namespace muster::cluster::local
