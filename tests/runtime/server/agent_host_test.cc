#include "runtime/server/agent_host.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <condition_variable>
#include <functional>
#include <mutex>

#include "cluster/local/attempt_folder.h"
#include "cluster/local/process_table.h"
#include "cluster/local/spawn.h"
#include "runtime/base/file.h"
#include "runtime/base/random.h"
#include "runtime/net/coordinator_socket.h"

namespace muster::server {
namespace {

using namespace std::chrono_literals;
constexpr AttemptEpoch kAttempt{3};

/// The least that a coordinator does: welcomes, acknowledges, keeps what came. `mutex` guards all of it.
struct ScriptedCoordinator {
  std::mutex mutex;
  std::condition_variable changed;
  net::CoordinatorSocket* socket = nullptr;
  std::vector<wire::Hello> hellos;
  std::map<std::string, int> counts;  ///< of messages, by name
  wire::Prepared prepared;
  std::int64_t records_end = 0;
  std::vector<std::int64_t> steps;  ///< of records, each once by its offset
  std::vector<wire::Exited> exits;

  void On(const NodeId& node, const wire::Envelope& envelope) {
    const std::lock_guard lock(mutex);
    ++counts[std::string(wire::MessageName(envelope.message))];
    if (const auto* hello = std::get_if<wire::Hello>(&envelope.message)) {
      hellos.push_back(*hello);
      wire::Welcome welcome{.coordinator = CoordinatorEpoch(1)};
      for (const auto& attempt : hello->attempts) {
        welcome.keep.push_back(attempt.epoch);
        welcome.records_end[std::to_string(attempt.epoch.value)] = records_end;
      }
      Answer(node, welcome);
    } else if (const auto* beat = std::get_if<wire::Heartbeat>(&envelope.message)) {
      Answer(node, wire::HeartbeatAck{.sequence = beat->sequence});
    } else if (const auto* ready = std::get_if<wire::Prepared>(&envelope.message)) {
      prepared = *ready;
    } else if (const auto* records = std::get_if<wire::Records>(&envelope.message)) {
      if (records->begin == records_end) {  // another begin is a repetition or comes too early
        for (const auto& record : records->records) steps.push_back(record.step);
        records_end = records->end;
      }
      Answer(node, wire::Ack{.epoch = records->epoch, .records_end = records_end});
    } else if (const auto* exited = std::get_if<wire::Exited>(&envelope.message)) {
      exits.push_back(*exited);
      Answer(node, wire::Forget{.epoch = exited->epoch});
    }
    changed.notify_all();
  }
  void Answer(const NodeId& node, wire::Message message) {
    if (socket != nullptr)
      socket->Send(node, {.coordinator = CoordinatorEpoch(1), .message = std::move(message)});
  }
  bool WaitUntil(const std::function<bool()>& done) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, 30s, done);
  }
};

class AgentHostTest : public testing::Test {
 protected:
  AgentHostTest() {
    char name[] = "/tmp/muster_host_XXXXXX";
    home_ = mkdtemp(name);
    EXPECT_TRUE(net::SaveKeyPair(home_ / "node.key", node_keys_).ok());
    Listen("tcp://127.0.0.1:0");
    endpoint_ = socket_->endpoint();
    StartAgent();
  }
  ~AgentHostTest() override {
    KillAgent();
    const auto left = cluster::local::ScanAttempts(HomeId());
    for (const auto& [epoch, all] : *left) {
      for (const auto& process : all.processes) cluster::local::SendSignal(process, SIGKILL);
    }
    StopListening();
    const cluster::local::AttemptFolder any(home_ / "attempts" / "0", HomeId());
    std::filesystem::remove_all(any.run().parent_path());
    std::filesystem::remove_all(home_);
  }

  void Listen(const std::string& endpoint) {
    auto started = net::CoordinatorSocket::Start(
        {.endpoint = endpoint, .keys = server_keys_, .allowed = {{node_keys_.public_key, node_}}},
        {.on_message = [this](const NodeId& node, const wire::Envelope& e) { script_.On(node, e); },
         .on_lost = {}});
    ASSERT_TRUE(started.ok()) << started.error().message;
    socket_ = std::move(started).value();
    const std::lock_guard lock(script_.mutex);
    script_.socket = socket_.get();
  }
  void StopListening() {
    {
      const std::lock_guard lock(script_.mutex);
      script_.socket = nullptr;
    }
    socket_.reset();
  }
  void StartAgent() {
    const auto pid =
        cluster::local::Spawn({.command = {MUSTER_TEST_AGENT, home_.string(), node_.value,
                                           endpoint_, server_keys_.public_key, MUSTER_TEST_HELPER},
                               .environment = cluster::local::CleanEnvironment()});
    ASSERT_TRUE(pid.ok()) << pid.error().message;
    agent_ = *pid;
  }
  std::string HomeId() const {
    const auto text = ReadWholeFile(home_ / "home_id");
    return text.ok() ? text->substr(0, text->find('\n')) : "";
  }
  void KillAgent() {
    kill(agent_, SIGKILL);
    waitpid(agent_, nullptr, 0);
  }
  void Tell(wire::Message message) {
    const std::lock_guard lock(script_.mutex);
    script_.Answer(node_, std::move(message));
  }
  /// Runs `command` as attempt 3 until its ranks have started.
  void StartAttempt(std::vector<std::string> command) {
    ASSERT_TRUE(script_.WaitUntil([&] { return !script_.hellos.empty(); }));
    Tell(wire::Prepare{.epoch = kAttempt,
                       .trial = TrialId("sweep/0"),
                       .command = std::move(command),
                       .slots = {0}});
    ASSERT_TRUE(script_.WaitUntil([&] { return script_.prepared.port > 0; }));
    Tell(wire::Go{.epoch = kAttempt,
                  .master_address = script_.prepared.address,
                  .master_port = script_.prepared.port});
    ASSERT_TRUE(script_.WaitUntil([&] { return script_.counts["started"] > 0; }));
  }
  void ExpectWholeRun(int records, int code) {
    ASSERT_TRUE(script_.WaitUntil([&] { return !script_.exits.empty(); }));
    const std::lock_guard lock(script_.mutex);
    ASSERT_EQ(script_.exits[0].ranks.size(), 1U);
    EXPECT_EQ(script_.exits[0].ranks[0].code, code);
    EXPECT_EQ(script_.exits[0].records_end, script_.records_end);
    ASSERT_EQ(script_.steps.size(), static_cast<std::size_t>(records));
    for (int i = 0; i < records; ++i) EXPECT_EQ(script_.steps[static_cast<std::size_t>(i)], i);
  }

  const NodeId node_{"node-" + RandomHex(4)};
  const net::KeyPair server_keys_ = *net::MakeKeyPair();
  const net::KeyPair node_keys_ = *net::MakeKeyPair();
  ScriptedCoordinator script_;
  std::filesystem::path home_;
  std::string endpoint_;
  std::unique_ptr<net::CoordinatorSocket> socket_;
  int agent_ = 0;
};

TEST_F(AgentHostTest, AgentKilledInTheMiddle_TheNextAdoptsAndNoRecordIsLost) {
  StartAttempt({MUSTER_TEST_HELPER, "say", "300", "5"});
  ASSERT_TRUE(script_.WaitUntil([&] { return script_.steps.size() > 20; }));
  KillAgent();
  ASSERT_EQ(cluster::local::ScanAttempts(HomeId())->at(kAttempt).processes.size(), 2U);
  StartAgent();
  ASSERT_TRUE(script_.WaitUntil([&] { return script_.hellos.back().incarnation == 2; }));
  ASSERT_EQ(script_.hellos.back().attempts.size(), 1U);
  EXPECT_EQ(script_.hellos.back().attempts[0].epoch, kAttempt);
  ExpectWholeRun(300, 5);
  ASSERT_TRUE(
      script_.WaitUntil([&] { return !std::filesystem::exists(home_ / "attempts" / "3"); }));
  EXPECT_TRUE(cluster::local::ScanAttempts(HomeId())->empty());
}

TEST_F(AgentHostTest, CoordinatorRestarts_TheAgentComesBackWithItsAttempt) {
  StartAttempt({MUSTER_TEST_HELPER, "say", "300", "0"});
  ASSERT_TRUE(script_.WaitUntil([&] { return script_.steps.size() > 20; }));
  StopListening();
  Listen(endpoint_);
  ASSERT_TRUE(script_.WaitUntil([&] { return script_.hellos.size() > 1; }));
  EXPECT_EQ(script_.hellos.back().incarnation, 1);
  ExpectWholeRun(300, 0);
}

TEST(WithCheckpoints, ANodeComesByThemAsItSays) {
  const std::string any = "http://0.0.0.0:7073", named = "http://server:7073";
  const struct {
    CheckpointsBy by;
    std::string own, said, url, store;
  } kCases[] = {
      {CheckpointsBy::kLooking, "", named, named, "mark"},
      {CheckpointsBy::kLooking, "", any, "http://10.0.0.1:7073", "mark"},
      {CheckpointsBy::kHttp, "", any, "http://10.0.0.1:7073", ""},
      {CheckpointsBy::kHttp, "http://127.0.0.1:9", named, "http://127.0.0.1:9", ""},
      {CheckpointsBy::kFolder, "", named, "", "mark"},
      {CheckpointsBy::kHttp, "", "", "", ""},  // an older coordinator: nowhere
  };
  for (const auto& one : kCases) {
    wire::Prepare said;
    said.checkpoint_url = one.said;
    said.checkpoint_store = "mark";
    const auto prepare = WithCheckpoints(said, one.by, one.own, "tcp://10.0.0.1:7072");
    EXPECT_EQ(prepare.checkpoint_url, one.url) << one.said;
    EXPECT_EQ(prepare.checkpoint_store, one.store) << one.said;
  }
}

TEST_F(AgentHostTest, SecondAgentOnTheHome_IsRefused) {
  ASSERT_TRUE(script_.WaitUntil([&] { return !script_.hellos.empty(); }));
  const auto second = AgentHost::Start({.home = home_,
                                        .self_executable = MUSTER_TEST_HELPER,
                                        .node = node_,
                                        .endpoint = endpoint_,
                                        .keys = node_keys_,
                                        .server_public_key = server_keys_.public_key});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().kind, ErrorKind::kConflict);
  EXPECT_THAT(second.error().message, testing::HasSubstr(home_.string()));
}

TEST(AgentHomeTest, HasAnIdOfItsOwn_AndOneFromBeforeGoesByItsNode) {
  char name[] = "/tmp/muster_host_XXXXXX";
  const std::filesystem::path root = mkdtemp(name);
  const auto start = [&](const char* home) {
    const auto host = AgentHost::Start({.home = root / home,
                                        .self_executable = MUSTER_TEST_HELPER,
                                        .node = NodeId("mine"),
                                        .endpoint = "tcp://127.0.0.1:1",
                                        .keys = *net::MakeKeyPair(),
                                        .server_public_key = net::MakeKeyPair()->public_key});
    EXPECT_TRUE(host.ok());
    const auto id = ReadWholeFile(root / home / "home_id");
    return id.ok() ? *id : "";
  };
  const std::string first = start("first");
  EXPECT_THAT(first, testing::MatchesRegex("mine-[0-9a-f]+\n"));
  EXPECT_EQ(start("first"), first);
  EXPECT_NE(start("second"), first);
  std::filesystem::create_directory(root / "old");
  ASSERT_TRUE(WriteFileAtomically(root / "old" / "node", "mine\n").ok());
  EXPECT_EQ(start("old"), "") << "its attempts carry the node's name";
  std::filesystem::remove_all(root);
}

TEST(AgentHomeTest, OfAnotherNode_IsRefusedAndNamed) {
  char name[] = "/tmp/muster_host_XXXXXX";
  const std::filesystem::path home = mkdtemp(name);
  ASSERT_TRUE(WriteFileAtomically(home / "node", "other\n").ok());
  const auto host = AgentHost::Start({.home = home,
                                      .self_executable = MUSTER_TEST_HELPER,
                                      .node = NodeId("mine"),
                                      .endpoint = "tcp://127.0.0.1:1",
                                      .keys = *net::MakeKeyPair(),
                                      .server_public_key = net::MakeKeyPair()->public_key});
  ASSERT_FALSE(host.ok());
  EXPECT_EQ(host.error().kind, ErrorKind::kConflict);
  EXPECT_THAT(host.error().message, testing::HasSubstr("node other"));
  std::filesystem::remove_all(home);
}

TEST(NodeIdTest, IsMadeOnceAndKept) {
  char name[] = "/tmp/muster_host_XXXXXX";
  const std::filesystem::path home = mkdtemp(name);
  const auto first = AgentHost::LoadOrMakeNodeId(home);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(*AgentHost::LoadOrMakeNodeId(home), *first);
  std::filesystem::remove_all(home);
}

}  // namespace
}  // namespace muster::server
