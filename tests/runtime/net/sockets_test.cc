#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "runtime/net/agent_socket.h"
#include "runtime/net/coordinator_socket.h"

namespace muster::net {
namespace {

using namespace std::chrono_literals;

/// What happened, in order, from any thread.
class Journal {
 public:
  void Add(std::string line) {
    const std::lock_guard lock(mutex_);
    lines_.push_back(std::move(line));
    changed_.notify_all();
  }
  /// False after a generous deadline.
  bool WaitFor(const std::string& line, std::size_t times = 1) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 20s, [&] { return CountLocked(line) >= times; });
  }
  std::size_t Count(const std::string& line) {
    const std::lock_guard lock(mutex_);
    return CountLocked(line);
  }

 private:
  std::size_t CountLocked(const std::string& line) const {
    return static_cast<std::size_t>(std::count(lines_.begin(), lines_.end(), line));
  }
  std::mutex mutex_;  ///< guards lines_
  std::condition_variable changed_;
  std::vector<std::string> lines_;
};

wire::Envelope HeartbeatOf(const std::string& node, std::int64_t sequence) {
  return {.message = wire::Heartbeat{.node = NodeId(node), .sequence = sequence}};
}

class SocketsTest : public testing::Test {
 protected:
  std::unique_ptr<CoordinatorSocket> Coordinator(const std::string& endpoint, AllowList allowed,
                                                 wire::Majors majors = {}) {
    auto socket = CoordinatorSocket::Start(
        {.endpoint = endpoint,
         .keys = server_keys_,
         .allowed = std::move(allowed),
         .majors = majors},
        {.on_message =
             [this](const NodeId& node, const wire::Envelope& envelope) {
               server_.Add(node.value + " speaks " + std::to_string(envelope.major) + ", start " +
                           std::to_string(envelope.incarnation) + ", number " +
                           std::to_string(envelope.sequence));
               const auto* heartbeat = std::get_if<wire::Heartbeat>(&envelope.message);
               server_.Add(node.value + " " + std::string(wire::MessageName(envelope.message)) +
                           (heartbeat ? " " + std::to_string(heartbeat->sequence) : ""));
             },
         .on_lost = [this](const NodeId& node) { server_.Add("lost " + node.value); },
         .on_key_seen = [this](const std::string& key) { server_.Add("seen " + key); }});
    EXPECT_TRUE(socket.ok()) << socket.error().message;
    return std::move(socket).value();
  }
  std::unique_ptr<AgentSocket> Agent(const std::string& endpoint, const KeyPair& keys,
                                     Journal& journal, std::int64_t incarnation = 1,
                                     wire::Majors majors = {}) {
    auto socket =
        AgentSocket::Start({.endpoint = endpoint,
                            .keys = keys,
                            .server_public_key = server_keys_.public_key,
                            .incarnation = incarnation,
                            .majors = majors,
                            .pause_after_refusal = 50ms},
                           {.on_connected = [&journal] { journal.Add("connected"); },
                            .on_disconnected = [&journal] { journal.Add("disconnected"); },
                            .on_message =
                                [&journal](const wire::Envelope& envelope) {
                                  journal.Add("hears " + std::to_string(envelope.major));
                                  journal.Add(std::string(wire::MessageName(envelope.message)));
                                }});
    EXPECT_TRUE(socket.ok()) << socket.error().message;
    return std::move(socket).value();
  }

  const KeyPair server_keys_ = *MakeKeyPair();
  const KeyPair a_keys_ = *MakeKeyPair();
  const KeyPair b_keys_ = *MakeKeyPair();
  Journal server_;
  Journal a_;
  Journal b_;
};

TEST_F(SocketsTest, TwoNodes_AreKnownByTheirKeysAndGetTheirOwnMessages) {
  auto coordinator = Coordinator(
      "tcp://127.0.0.1:0", {{a_keys_.public_key, NodeId("a")}, {b_keys_.public_key, NodeId("b")}});
  auto a = Agent(coordinator->endpoint(), a_keys_, a_);
  auto b = Agent(coordinator->endpoint(), b_keys_, b_);
  ASSERT_TRUE(a_.WaitFor("connected"));
  ASSERT_TRUE(b_.WaitFor("connected"));
  for (int i = 0; i < 500; ++i) a->Send(HeartbeatOf("a", i));
  b->Send(HeartbeatOf("b", 7));
  ASSERT_TRUE(server_.WaitFor("a heartbeat 499"));
  ASSERT_TRUE(server_.WaitFor("b heartbeat 7"));
  coordinator->Send(NodeId("a"), {.message = wire::HeartbeatAck{.sequence = 1}});
  coordinator->Send(NodeId("b"), {.message = wire::Welcome{}});
  coordinator->Send(NodeId("c"), {.message = wire::Welcome{}});
  EXPECT_TRUE(a_.WaitFor("heartbeat_ack"));
  EXPECT_TRUE(b_.WaitFor("welcome"));
  EXPECT_EQ(a_.Count("welcome"), 0U);
  EXPECT_EQ(b_.Count("heartbeat_ack"), 0U);
}

TEST_F(SocketsTest, UnknownKey_IsRefusedUntilItIsAllowed) {
  auto coordinator = Coordinator("tcp://127.0.0.1:0", {{a_keys_.public_key, NodeId("a")}});
  auto a = Agent(coordinator->endpoint(), a_keys_, a_);
  auto b = Agent(coordinator->endpoint(), b_keys_, b_);
  ASSERT_TRUE(a_.WaitFor("connected"));
  b->Send(HeartbeatOf("b", 1));
  a->Send(HeartbeatOf("a", 1));
  ASSERT_TRUE(server_.WaitFor("a heartbeat 1"));
  EXPECT_EQ(b_.Count("connected"), 0U);
  EXPECT_EQ(server_.Count("b heartbeat 1"), 0U);
  std::this_thread::sleep_for(
      50ms);  // lets the refusal happen: a node that was refused tries again
  coordinator->SetAllowed({{b_keys_.public_key, NodeId("b")}});
  ASSERT_TRUE(b_.WaitFor("connected"));
  b->Send(HeartbeatOf("b", 2));
  EXPECT_TRUE(server_.WaitFor("b heartbeat 2"));
}

TEST_F(SocketsTest, MessageInAnothersName_IsDropped) {
  auto coordinator = Coordinator("tcp://127.0.0.1:0", {{a_keys_.public_key, NodeId("a")}});
  auto a = Agent(coordinator->endpoint(), a_keys_, a_);
  ASSERT_TRUE(a_.WaitFor("connected"));
  a->Send(HeartbeatOf("b", 1));
  a->Send(HeartbeatOf("a", 2));
  ASSERT_TRUE(server_.WaitFor("a heartbeat 2"));
  EXPECT_EQ(server_.Count("a heartbeat 1"), 0U);
  EXPECT_EQ(server_.Count("b heartbeat 1"), 0U);
}

TEST_F(SocketsTest, ServerWithAnotherKey_IsNotTalkedTo) {
  auto coordinator = Coordinator("tcp://127.0.0.1:0", {{a_keys_.public_key, NodeId("a")}});
  const KeyPair other = *MakeKeyPair();
  Journal journal;
  auto wrong = AgentSocket::Start(
      {.endpoint = coordinator->endpoint(), .keys = a_keys_, .server_public_key = other.public_key},
      {.on_connected = [&] { journal.Add("connected"); },
       .on_disconnected = [] {},
       .on_message = [](const wire::Envelope&) {}});
  ASSERT_TRUE(wrong.ok());
  auto a = Agent(coordinator->endpoint(), a_keys_, a_);
  ASSERT_TRUE(a_.WaitFor("connected"));
  EXPECT_EQ(journal.Count("connected"), 0U);
}

TEST_F(SocketsTest, ServerEndRestarts_AgentReconnectsAndMessagesFlowAgain) {
  const AllowList allowed{{a_keys_.public_key, NodeId("a")}};
  auto coordinator = Coordinator("tcp://127.0.0.1:0", allowed);
  const std::string endpoint = coordinator->endpoint();
  auto a = Agent(endpoint, a_keys_, a_);
  ASSERT_TRUE(a_.WaitFor("connected"));
  a->Send(HeartbeatOf("a", 1));
  ASSERT_TRUE(server_.WaitFor("a heartbeat 1"));
  coordinator.reset();
  ASSERT_TRUE(a_.WaitFor("disconnected"));
  a->Send(HeartbeatOf("a", 2));  // lost: nobody is there
  coordinator = Coordinator(endpoint, allowed);
  ASSERT_TRUE(a_.WaitFor("connected", 2));
  a->Send(HeartbeatOf("a", 3));
  ASSERT_TRUE(server_.WaitFor("a heartbeat 3"));
  coordinator->Send(NodeId("a"), {.message = wire::Welcome{}});
  EXPECT_TRUE(a_.WaitFor("welcome"));
}

TEST_F(SocketsTest, NodeGone_SendReportsItLost) {
  auto coordinator = Coordinator("tcp://127.0.0.1:0", {{a_keys_.public_key, NodeId("a")}});
  auto a = Agent(coordinator->endpoint(), a_keys_, a_);
  ASSERT_TRUE(a_.WaitFor("connected"));
  a->Send(HeartbeatOf("a", 1));
  ASSERT_TRUE(server_.WaitFor("a heartbeat 1"));
  a.reset();
  // Bounded by the journal's deadline: the router learns of the close some milliseconds later.
  for (int i = 0; i < 2000 && server_.Count("lost a") == 0; ++i) {
    coordinator->Send(NodeId("a"), {.message = wire::Welcome{}});
    std::this_thread::sleep_for(5ms);
  }
  EXPECT_EQ(server_.Count("lost a"), 1U);
}

TEST_F(SocketsTest, TakenPort_IsASentenceNamingIt) {
  auto coordinator = Coordinator("tcp://127.0.0.1:0", {});
  const auto second = CoordinatorSocket::Start(
      {.endpoint = coordinator->endpoint(), .keys = server_keys_},
      {.on_message = [](const NodeId&, const wire::Envelope&) {}, .on_lost = {}});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().kind, ErrorKind::kUnavailable);
  EXPECT_NE(second.error().message.find(coordinator->endpoint()), std::string::npos);
}

TEST_F(SocketsTest, Messages_CarryStartAndNumberOfTheSender) {
  auto coordinator = Coordinator("tcp://127.0.0.1:0", {{a_keys_.public_key, NodeId("a")}});
  auto a = Agent(coordinator->endpoint(), a_keys_, a_, 41);
  ASSERT_TRUE(a_.WaitFor("connected"));
  for (int i = 0; i < 3; ++i) a->Send(HeartbeatOf("a", i));
  ASSERT_TRUE(server_.WaitFor("a speaks 2, start 41, number 3"));
  EXPECT_EQ(server_.Count("a speaks 2, start 41, number 1"), 1U);
  EXPECT_EQ(server_.Count("seen " + a_keys_.public_key), 1U);
}

TEST_F(SocketsTest, RevokedKey_IsCutAtOnce_AndComesBackWhenItIsAllowedAgain) {
  const AllowList both{{a_keys_.public_key, NodeId("a")}, {b_keys_.public_key, NodeId("b")}};
  auto coordinator = Coordinator("tcp://127.0.0.1:0", both);
  auto a = Agent(coordinator->endpoint(), a_keys_, a_);
  auto b = Agent(coordinator->endpoint(), b_keys_, b_);
  ASSERT_TRUE(a_.WaitFor("connected"));
  ASSERT_TRUE(b_.WaitFor("connected"));
  a->Send(HeartbeatOf("a", 1));
  ASSERT_TRUE(server_.WaitFor("a heartbeat 1"));
  coordinator->SetAllowed({{b_keys_.public_key, NodeId("b")}});
  a->Send(HeartbeatOf("a", 2));
  ASSERT_TRUE(a_.WaitFor("disconnected"));  // the agent was told
  ASSERT_TRUE(server_.WaitFor("lost a"));
  coordinator->Send(NodeId("a"), {.message = wire::Welcome{}});
  b->Send(HeartbeatOf("b", 3));
  ASSERT_TRUE(server_.WaitFor("b heartbeat 3"));
  EXPECT_EQ(server_.Count("a heartbeat 2"), 0U);
  coordinator->SetAllowed(both);
  ASSERT_TRUE(a_.WaitFor("connected", 2));
  a->Send(HeartbeatOf("a", 4));
  EXPECT_TRUE(server_.WaitFor("a heartbeat 4"));
  EXPECT_EQ(a_.Count("welcome"), 0U);
}

TEST_F(SocketsTest, KeyOfAnotherRole_IsNotHeard) {
  AllowedKey observer(NodeId("a"));
  observer.role = Role::kObserver;
  auto coordinator = Coordinator("tcp://127.0.0.1:0", {{a_keys_.public_key, observer}});
  auto a = Agent(coordinator->endpoint(), a_keys_, a_);
  ASSERT_TRUE(a_.WaitFor("connected"));
  a->Send(HeartbeatOf("a", 1));
  ASSERT_TRUE(a_.WaitFor("disconnected"));
  EXPECT_EQ(server_.Count("a heartbeat 1"), 0U);
}

TEST_F(SocketsTest, AgentThatSpeaksAsACoordinator_IsNotHeard) {
  auto coordinator = Coordinator("tcp://127.0.0.1:0", {{a_keys_.public_key, NodeId("a")}});
  auto a = Agent(coordinator->endpoint(), a_keys_, a_);
  ASSERT_TRUE(a_.WaitFor("connected"));
  a->Send({.message = wire::Forget{AttemptEpoch(1)}});
  ASSERT_TRUE(a_.WaitFor("disconnected"));
  EXPECT_EQ(server_.Count("a forget"), 0U);
}

TEST_F(SocketsTest, OlderStartOfAnAgent_IsNotHeardOnceANewerWas) {
  auto coordinator = Coordinator("tcp://127.0.0.1:0", {{a_keys_.public_key, NodeId("a")}});
  auto older = Agent(coordinator->endpoint(), a_keys_, a_, 6);
  ASSERT_TRUE(a_.WaitFor("connected"));
  older->Send(HeartbeatOf("a", 1));
  ASSERT_TRUE(server_.WaitFor("a heartbeat 1"));
  auto newer = Agent(coordinator->endpoint(), a_keys_, b_, 7);
  ASSERT_TRUE(b_.WaitFor("connected"));
  newer->Send(HeartbeatOf("a", 2));
  ASSERT_TRUE(server_.WaitFor("a heartbeat 2"));
  older->Send(HeartbeatOf("a", 3));
  ASSERT_TRUE(a_.WaitFor("disconnected"));
  EXPECT_EQ(server_.Count("a heartbeat 3"), 0U);
  coordinator->Send(NodeId("a"), {.message = wire::Welcome{}});
  EXPECT_TRUE(b_.WaitFor("welcome"));
  EXPECT_EQ(a_.Count("welcome"), 0U);
}

// Two majors: whichever end is older, both understand each other.
TEST_F(SocketsTest, CoordinatorOfMajorOne_IsSpokenToInMajorOne) {
  auto coordinator = Coordinator("tcp://127.0.0.1:0", {{a_keys_.public_key, NodeId("a")}}, {1, 1});
  auto a = Agent(coordinator->endpoint(), a_keys_, a_);
  ASSERT_TRUE(a_.WaitFor("connected"));
  a->Send({.message = wire::Hello{.node = NodeId("a")}});  // in major 2; refused
  for (int i = 0; i < 2000 && server_.Count("a hello") == 0; ++i) {
    std::this_thread::sleep_for(5ms);
    a->Send(
        {.message = wire::Hello{.node = NodeId("a")}});  // as an agent does until it is welcomed
  }
  ASSERT_TRUE(server_.WaitFor("a hello"));
  EXPECT_EQ(server_.Count("a speaks 1, start 0, number 0"), server_.Count("a hello"));
  coordinator->Send(NodeId("a"), {.message = wire::Welcome{}});
  ASSERT_TRUE(a_.WaitFor("welcome"));
  EXPECT_EQ(a_.Count("hears 1"), 1U);
  EXPECT_EQ(a_.Count("disconnected"), 0U);
}

TEST_F(SocketsTest, AgentOfMajorOne_IsAnsweredInMajorOne) {
  auto coordinator = Coordinator(
      "tcp://127.0.0.1:0", {{a_keys_.public_key, NodeId("a")}, {b_keys_.public_key, NodeId("b")}});
  auto a = Agent(coordinator->endpoint(), a_keys_, a_, 1, {1, 1});
  auto b = Agent(coordinator->endpoint(), b_keys_, b_);
  ASSERT_TRUE(a_.WaitFor("connected"));
  ASSERT_TRUE(b_.WaitFor("connected"));
  a->Send({.message = wire::Hello{.node = NodeId("a")}});
  b->Send({.message = wire::Hello{.node = NodeId("b")}});
  ASSERT_TRUE(server_.WaitFor("a hello"));
  ASSERT_TRUE(server_.WaitFor("b hello"));
  for (const char* node : {"a", "b"}) coordinator->Send(NodeId(node), {.message = wire::Welcome{}});
  ASSERT_TRUE(a_.WaitFor("welcome"));
  ASSERT_TRUE(b_.WaitFor("welcome"));
  EXPECT_EQ(a_.Count("hears 1"), 1U);
  EXPECT_EQ(b_.Count("hears 2"), 1U);
}

// A server that is there for TCP and says nothing: stopped, or behind a cut cable.
TEST_F(SocketsTest, NothingAnswered_TheConnectionIsMadeAnew) {
  auto coordinator = Coordinator("tcp://127.0.0.1:0", {{a_keys_.public_key, NodeId("a")}});
  auto socket = AgentSocket::Start({.endpoint = coordinator->endpoint(),
                                    .keys = a_keys_,
                                    .server_public_key = server_keys_.public_key,
                                    .silence_max = 100ms},
                                   {.on_connected = [this] { a_.Add("connected"); },
                                    .on_disconnected = [this] { a_.Add("disconnected"); },
                                    .on_message = [](const wire::Envelope&) {}});
  ASSERT_TRUE(socket.ok());
  ASSERT_TRUE(a_.WaitFor("connected"));
  EXPECT_EQ(a_.Count("disconnected"), 0U);  // nothing was said, so no answer is missed
  (*socket)->Send(HeartbeatOf("a", 0));     // it wants none
  ASSERT_TRUE(server_.WaitFor("a heartbeat 0"));
  std::this_thread::sleep_for(250ms);
  EXPECT_EQ(a_.Count("disconnected"), 0U);
  (*socket)->Send(HeartbeatOf("a", 1));
  ASSERT_TRUE(a_.WaitFor("disconnected"));
  ASSERT_TRUE(a_.WaitFor("connected", 2));
  (*socket)->Send(HeartbeatOf("a", 2));
  EXPECT_TRUE(server_.WaitFor("a heartbeat 2"));
}

TEST_F(SocketsTest, NoMajorInCommon_TheAgentHangsUpAndTriesAgain) {
  auto coordinator = Coordinator("tcp://127.0.0.1:0", {{a_keys_.public_key, NodeId("a")}}, {1, 1});
  auto a = Agent(coordinator->endpoint(), a_keys_, a_, 1, {2, 2});
  ASSERT_TRUE(a_.WaitFor("connected"));
  a->Send({.message = wire::Hello{.node = NodeId("a")}});
  ASSERT_TRUE(a_.WaitFor("disconnected"));
  EXPECT_TRUE(a_.WaitFor("connected", 2));
  EXPECT_EQ(server_.Count("a hello"), 0U);
}

}  // namespace
}  // namespace muster::net
