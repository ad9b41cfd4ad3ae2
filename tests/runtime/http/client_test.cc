#include "runtime/http/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "runtime/http/server.h"
#include "tests/runtime/http/raw_client.h"

namespace muster::http {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

/// A port of 127.0.0.1 that says `answer` to the first request it gets, and nothing else.
class OneAnswer {
 public:
  explicit OneAnswer(std::string answer) {
    listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener_, 1), 0);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, answer = std::move(answer)] {
      const int peer = ::accept(listener_, nullptr, nullptr);
      char bytes[4096];
      if (::recv(peer, bytes, sizeof bytes, 0) > 0) {
        ::send(peer, answer.data(), answer.size(), MSG_NOSIGNAL);
      }
      if (answer.empty()) ::recv(peer, bytes, sizeof bytes, 0);  // until the client gives up
      ::close(peer);
    });
  }
  ~OneAnswer() {
    thread_.join();
    ::close(listener_);
  }
  OneAnswer(const OneAnswer&) = delete;
  OneAnswer& operator=(const OneAnswer&) = delete;
  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

 private:
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

Router TestRouter() {
  Router router;
  router.Add("GET", "/v1/where", Sync([](const Request& request) {
               boost::json::object answer;
               answer["target"] = request.raw_path;
               answer["query"] = request.Parameter("q").value_or("none");
               answer["token"] = std::string(request.BearerToken());
               return Response::Json(answer);
             }));
  router.Add("POST", "/v1/fail", Sync([](const Request&) {
               return ErrorResponse(Conflict("alias points at version 3"));
             }));
  router.Add("DELETE", "/v1/empty", Sync([](const Request&) { return Response{.status = 204}; }));
  router.Add("GET", "/v1/nothing", Sync([](const Request&) { return Response{}; }));
  return router;
}

class ClientTest : public testing::Test {
 protected:
  void Start(std::uint16_t port = 0) {
    ServerOptions options;
    options.port = port;
    options.stop_grace = 100ms;
    auto server = Server::Start(options, router_);
    ASSERT_TRUE(server.ok()) << server.error().message;
    server_ = std::move(server).value();
  }
  Router router_ = TestRouter();
  std::unique_ptr<Server> server_;
};

TEST_F(ClientTest, Json_BasePathQueryAndToken_AreSent) {
  Start();
  Client client(server_->url() + "/v1");
  client.SetToken("secret");
  const auto answer = client.Json("GET", "/where?q=a%20b");
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  EXPECT_EQ(answer->at("target"), "/v1/where");
  EXPECT_EQ(answer->at("query"), "a b");
  EXPECT_EQ(answer->at("token"), "secret");
  EXPECT_TRUE(client.Json("DELETE", "/empty")->is_null());
}

TEST_F(ClientTest, Json_RefusedRequest_IsTheErrorAsTheServerWordedIt) {
  Start();
  Client client(server_->url());
  const auto answer = client.Json("POST", "/v1/fail", boost::json::object{});
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind, ErrorKind::kConflict);
  EXPECT_TRUE(answer.error().message.starts_with("alias")) << answer.error().message;
}

TEST_F(ClientTest, Send_ServerRestarted_ReconnectsUnnoticed) {
  Start();
  Client client(server_->url());
  ASSERT_TRUE(client.Get("/v1/where").ok());
  const std::uint16_t port = server_->port();
  server_.reset();
  Start(port);
  const auto again = client.Get("/v1/where");
  EXPECT_TRUE(again.ok()) << again.error().message;
}

TEST_F(ClientTest, Send_NobodyListens_UnavailableNamesTheUrl) {
  Start();
  const std::string url = server_->url();
  server_.reset();
  const auto answer = Fetch(url + "/x", {}, 5s);
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind, ErrorKind::kUnavailable);
  EXPECT_THAT(answer.error().message, HasSubstr(url + "/x"));
  EXPECT_THAT(answer.error().message, HasSubstr("refused"));
}

TEST_F(ClientTest, Fetch_NoAnswer_UnavailableAfterTheDeadline) {
  const OneAnswer silent("");
  const auto answer = Fetch(silent.url() + "/slow", {}, 30ms);
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind, ErrorKind::kUnavailable);
  EXPECT_THAT(answer.error().message, HasSubstr("/slow gave no answer for 30 ms"));
}

TEST_F(ClientTest, Send_KeptConnectionIsSilent_DeadlineComesAndNothingIsSentAgain) {
  std::atomic<int> calls = 0;
  http::Respond kept;  // of the first call; a second one would be answered
  router_.Add("GET", "/v1/hold", [&](const Request&, Respond respond) {
    if (++calls == 1) {
      kept = std::move(respond);
    } else {
      respond({});
    }
  });
  Start();
  Client client(server_->url(), 500ms);
  ASSERT_TRUE(client.Get("/v1/where").ok());
  const auto answer = client.Get("/v1/hold");
  ASSERT_FALSE(answer.ok());
  EXPECT_THAT(answer.error().message, HasSubstr("/v1/hold gave no answer for 500 ms"));
  EXPECT_EQ(calls, 1);
  server_.reset();
}

TEST_F(ClientTest, Fetch_NotHttpOrCutOff_Error) {
  EXPECT_EQ(Fetch(OneAnswer("SSH-2.0-OpenSSH\r\n").url(), {}, 5s).error().kind,
            ErrorKind::kCorrupt);
  EXPECT_EQ(
      Fetch(OneAnswer("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab").url(), {}, 5s).error().kind,
      ErrorKind::kUnavailable);
}

TEST_F(ClientTest, Fetch_WrongUrl_InvalidNamesIt) {
  EXPECT_EQ(Fetch("localhost:7070", {}, 5s).error().kind, ErrorKind::kUnsupported);
  EXPECT_EQ(Fetch("not a url", {}, 5s).error().kind, ErrorKind::kInvalid);
  EXPECT_EQ(Fetch("https://localhost/", {}, 5s).error().kind, ErrorKind::kUnsupported);
}

TEST_F(ClientTest, Download_FailureOrEmpty_LeavesNoHalfFile) {
  Start();
  Client client(server_->url());
  const auto folder =
      std::filesystem::path(testing::TempDir()) / ("client-" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  EXPECT_EQ(client.Download("/v1/missing", folder / "a").error().kind, ErrorKind::kNotFound);
  EXPECT_TRUE(std::filesystem::is_empty(folder));
  EXPECT_TRUE(client.Download("/v1/nothing", folder / "b").ok());
  EXPECT_EQ(std::filesystem::file_size(folder / "b"), 0U);
  EXPECT_EQ(client.Upload("/v1/where", folder / "missing").error().kind, ErrorKind::kIo);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace muster::http
