#include "cluster/local/start_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/base/sha256.h"

namespace muster::cluster::local {
namespace {

using namespace std::chrono_literals;

/// A server on a port of the loopback, whose clock the test moves, and clients that write what they like.
class StartServerTest : public testing::Test {
 protected:
  StartServerTest() {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_in address{.sin_family = AF_INET, .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    socklen_t size = sizeof address_;
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address_), &size);
    EXPECT_TRUE(server_.Listen(listener_, "secret").ok());
  }
  ~StartServerTest() override {
    for (const int fd : clients_) close(fd);
    close(listener_);
  }
  int Connect() {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address_), sizeof address_), 0);
    clients_.push_back(fd);
    server_.Serve(now_);
    return fd;
  }
  /// What came so far; a client waits for none.
  static std::string Read(int fd) {
    std::string text(4096, ' ');
    const ssize_t got = recv(fd, text.data(), text.size(), MSG_DONTWAIT);
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return text;
  }
  static std::string NonceOf(const std::string& greeting) {
    EXPECT_TRUE(greeting.starts_with(kStartGreeting) && greeting.ends_with('\n')) << greeting;
    return greeting.substr(kStartGreeting.size(), greeting.size() - kStartGreeting.size() - 1);
  }
  std::string Say(int fd, const std::string& text) {
    EXPECT_EQ(send(fd, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
    server_.Serve(now_);
    return Read(fd);
  }
  static std::string Request(const std::string& proof, const std::string& command) {
    return R"({"proof":")" + proof + R"(","command":")" + command + "\"}\n";
  }
  static bool IsClosed(int fd) {
    char byte = 0;
    return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
  }

  StartServer server_;
  int listener_ = -1;
  sockaddr_in address_{};
  std::vector<int> clients_;
  MonotonicTime now_{};
};

TEST_F(StartServerTest, Proof_IsTheStandardsHmac) {
  // RFC 4231, test case 2: key "Jefe", data "what do ya want for nothing?".
  EXPECT_EQ(ProofOf("Jefe", "what do ya want ", "for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST_F(StartServerTest, Proved_IsTakenOnceAndHearsOfTheEnd) {
  const int fd = Connect();
  const std::string nonce = NonceOf(Read(fd));
  EXPECT_EQ(nonce.size(), 32U);
  EXPECT_EQ(Say(fd, Request(ProofOf("secret", nonce, "orted -x"), "orted -x")), "");
  EXPECT_EQ(server_.Take(), "orted -x");
  EXPECT_EQ(server_.Take(), std::nullopt);
  EXPECT_FALSE(IsClosed(fd));
  server_.Answer({.code = 137, .error = {}});
  EXPECT_EQ(Read(fd), "{\"code\":137,\"error\":\"\"}\n");
  EXPECT_TRUE(IsClosed(fd));
}

TEST_F(StartServerTest, WhoProvedItAndGoesAway_IsMissedOnce) {
  const int fd = Connect();
  const std::string nonce = NonceOf(Read(fd));
  Say(fd, Request(ProofOf("secret", nonce, "orted"), "orted"));
  EXPECT_FALSE(server_.TakeAskerLost());
  shutdown(fd, SHUT_RDWR);
  server_.Serve(now_);
  EXPECT_TRUE(server_.TakeAskerLost());
  server_.Serve(now_);
  EXPECT_FALSE(server_.TakeAskerLost());
}

TEST_F(StartServerTest, InPieces_IsTheSame) {
  const int fd = Connect();
  const std::string nonce = NonceOf(Read(fd));
  const std::string request = Request(ProofOf("secret", nonce, "orted"), "orted");
  Say(fd, request.substr(0, 20));
  EXPECT_EQ(server_.Take(), std::nullopt);
  Say(fd, request.substr(20));
  EXPECT_EQ(server_.Take(), "orted");
}

TEST_F(StartServerTest, WhatIsNotProved_IsRefusedAndClosed) {
  const struct {
    const char* what;
    std::function<std::string(const std::string&)> request;
    const char* words;
  } cases[] = {
      {"another secret", [](const auto& n) { return Request(ProofOf("other", n, "x"), "x"); },
       "proof is wrong"},
      {"another command", [](const auto& n) { return Request(ProofOf("secret", n, "x"), "y"); },
       "proof is wrong"},
      {"an old nonce",
       [](const auto&) { return Request(ProofOf("secret", std::string(32, '0'), "x"), "x"); },
       "proof is wrong"},
      {"no proof", [](const auto&) { return Request("", "x"); }, "proof is wrong"},
      {"no JSON", [](const auto&) { return std::string("GET / HTTP/1.1\r\n"); }, "not understood"},
  };
  for (const auto& each : cases) {
    const int fd = Connect();
    const std::string answer = Say(fd, each.request(NonceOf(Read(fd))));
    EXPECT_THAT(answer, testing::HasSubstr(each.words)) << each.what;
    EXPECT_TRUE(IsClosed(fd)) << each.what;
    EXPECT_EQ(server_.Take(), std::nullopt) << each.what;
  }
}

TEST_F(StartServerTest, Again_IsRefusedAlsoWhenProved) {
  for (const bool first : {true, false}) {
    const int fd = Connect();
    const std::string nonce = NonceOf(Read(fd));
    const std::string answer = Say(fd, Request(ProofOf("secret", nonce, "x"), "x"));
    EXPECT_EQ(server_.Take().has_value(), first);
    EXPECT_EQ(answer.find("was started before") == std::string::npos, first) << answer;
  }
}

TEST_F(StartServerTest, SilentAndEndlessOnes_AreCutOff) {
  const int silent = Connect();
  Read(silent);
  const int endless = Connect();
  Read(endless);
  const std::string part(StartServer::kLineBytesMax / 4, 'x');
  for (int i = 0; i < 5; ++i) {
    [[maybe_unused]] const auto sent = send(endless, part.data(), part.size(), MSG_NOSIGNAL);
    server_.Serve(now_);
  }
  EXPECT_NE(recv(endless, nullptr, 0, MSG_DONTWAIT | MSG_PEEK), 1);
  EXPECT_FALSE(IsClosed(silent));
  now_ += StartServer::kRequestMost;
  server_.Serve(now_);
  EXPECT_TRUE(IsClosed(silent));
}

TEST_F(StartServerTest, ManyWhoSayNothing_KeepNobodyOut) {
  std::vector<int> silent;
  for (std::size_t i = 0; i < StartServer::kConnectionsMax + 3; ++i) {
    now_ += 1ms;
    silent.push_back(Connect());
  }
  const int fd = Connect();
  const std::string nonce = NonceOf(Read(fd));
  Say(fd, Request(ProofOf("secret", nonce, "x"), "x"));
  EXPECT_EQ(server_.Take(), "x");
  Read(silent.front());
  EXPECT_TRUE(IsClosed(silent.front()));
}

}  // namespace
}  // namespace muster::cluster::local
