#include "trainer/control/socket_control.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <thread>

namespace muster::trainer::control {
namespace {

namespace fs = std::filesystem;
using wire::TrialRecord;

/// The shim's side of the socket, one connection at a time.
class Shim {
 public:
  Shim()
      : path_(fs::temp_directory_path() / ("muster-control-" + std::to_string(getpid()))),
        listener_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
    fs::remove(path_);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, path_.c_str());
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    ::listen(listener_, 4);
  }
  ~Shim() {
    Hangup();
    ::close(listener_);
    fs::remove(path_);
  }
  void Accept() { peer_ = ::accept(listener_, nullptr, nullptr); }
  void Hangup() {
    if (peer_ >= 0) ::close(peer_);
    peer_ = -1;
  }
  void Say(const std::string& text) {
    EXPECT_EQ(::send(peer_, text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  }
  TrialRecord Hear() {
    std::string line;
    char byte = 0;
    while (::recv(peer_, &byte, 1, 0) == 1 && byte != '\n') line += byte;
    const auto record = wire::DecodeRecord(line);
    EXPECT_TRUE(record.ok()) << line;
    return record.ok() ? *record : TrialRecord{};
  }
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
  int listener_;
  int peer_ = -1;
};

TrialRecord At(std::int64_t step) { return {.step = step, .metrics = {{"loss", 0.5}}}; }

TEST(SocketControl, NobodyListens_SaysSo) {
  const auto control = ConnectControl("/nonexistent/socket");
  ASSERT_FALSE(control.ok());
  EXPECT_EQ(control.error().kind, ErrorKind::kUnavailable);
}

TEST(SocketControl, Flush_WaitsForAcknowledgement) {
  Shim shim;
  auto control = ConnectControl(shim.path());
  ASSERT_TRUE(control.ok());
  shim.Accept();
  ASSERT_TRUE((*control)->Send(At(1)).ok());
  ASSERT_TRUE((*control)->Send(At(2)).ok());
  std::thread answering([&] {
    EXPECT_EQ(shim.Hear(), At(1));
    shim.Say("{\"ack\": 1}\n");
    EXPECT_EQ(shim.Hear(), At(2));
    shim.Say("{\"ack\": 2}\n");
  });
  EXPECT_TRUE((*control)->Flush().ok());
  answering.join();
}

TEST(SocketControl, Commands_StrongestWinsAndSplitLinesAreJoined) {
  Shim shim;
  auto control = ConnectControl(shim.path());
  ASSERT_TRUE(control.ok());
  shim.Accept();
  EXPECT_EQ((*control)->Poll(), Command::kNone);
  shim.Say("{\"command\": \"stop\"}\n{\"command\": \"checkpoint\"}\n{\"comm");
  EXPECT_EQ((*control)->Poll(), Command::kStop);
  EXPECT_EQ((*control)->Poll(), Command::kNone);
  shim.Say("and\": \"checkpoint\"}\n");
  EXPECT_EQ((*control)->Poll(), Command::kCheckpoint);
}

TEST(SocketControl, CommandThenHangup_IsHeard) {
  for (const bool writing : {false, true}) {
    Shim shim;
    auto control = ConnectControl(shim.path());
    ASSERT_TRUE(control.ok());
    shim.Accept();
    shim.Say("{\"command\": \"stop\"}\n");
    shim.Hangup();
    if (writing) {
      ASSERT_TRUE((*control)->Send(At(1)).ok());
    }
    EXPECT_EQ((*control)->Poll(), Command::kStop) << writing;
  }
}

TEST(SocketControl, ConnectionLost_UnacknowledgedSentAgain) {
  Shim shim;
  auto control = ConnectControl(shim.path());
  ASSERT_TRUE(control.ok());
  shim.Accept();
  for (int step = 1; step <= 3; ++step) ASSERT_TRUE((*control)->Send(At(step)).ok());
  EXPECT_EQ(shim.Hear(), At(1));
  shim.Say("{\"ack\": 1}\n");
  EXPECT_EQ((*control)->Poll(), Command::kNone);
  shim.Hangup();
  std::thread answering([&] {
    shim.Accept();
    EXPECT_EQ(shim.Hear(), At(2));
    EXPECT_EQ(shim.Hear(), At(3));
    shim.Say("{\"ack\": 2}\n");
  });
  EXPECT_TRUE((*control)->Flush().ok());
  answering.join();
}

}  // namespace
}  // namespace muster::trainer::control
