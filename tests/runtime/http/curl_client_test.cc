#include "runtime/http/curl_client.h"

#include <gmock/gmock.h>

#include <optional>
#include <thread>

#include "runtime/http/resolve.h"
#include "runtime/http/server.h"

namespace muster::http {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

/// A server that echoes, redirects, is too wordy, and never answers.
class CurlClientTest : public testing::Test {
 protected:
  CurlClientTest() {
    router_.Add("POST", "/echo", Sync([](const Request& request) {
                  Response answer = Response::Text(request.method + " " + request.body);
                  answer.headers["X-Seen"] = std::string(request.Header("X-Sent"));
                  return answer;
                }));
    router_.Add("GET", "/echo",
                Sync([](const Request& request) { return Response::Text(request.method); }));
    router_.Add("POST", "/away", Sync([](const Request& request) {
                  Response answer{.status = std::stoi(*request.Parameter("status"))};
                  answer.headers["Location"] = *request.Parameter("to");
                  return answer;
                }));
    router_.Add("POST", "/circle", Sync([](const Request&) {
                  Response answer{.status = 307};
                  answer.headers["Location"] = "/circle";
                  return answer;
                }));
    router_.Add("POST", "/long",
                Sync([](const Request&) { return Response::Text(std::string(100, 'x')); }));
    router_.Add("POST", "/never",
                [this](const Request&, Respond respond) { kept_ = std::move(respond); });
    server_ = Server::Start({.host = "127.0.0.1", .port = 0}, router_).value();
    options_.schemes = {"http"};
  }
  ~CurlClientTest() override {
    if (kept_) kept_(Response{});
    server_->Stop();
  }
  std::string Url(std::string_view path) { return server_->url() + std::string(path); }
  Result<Response> Ask(std::string url, std::chrono::milliseconds timeout = 20s) {
    CurlClient client(options_);
    std::optional<Result<Response>> answer;
    CurlRequest request{.url = std::move(url), .body = "hello", .timeout = timeout};
    request.headers["X-Sent"] = "yes";
    client.Send(std::move(request), [&](Result<Response> got) { answer = std::move(got); });
    while (!answer) client.Run(1s);
    return *answer;
  }

  Router router_;
  Respond kept_;
  std::unique_ptr<Server> server_;
  CurlOptions options_;
};

TEST_F(CurlClientTest, Post_BringsBodyAndHeadersThereAndBack) {
  const auto answer = Ask(Url("/echo"));
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, "POST hello");
  EXPECT_EQ(answer->headers.at("X-Seen"), "yes");
}

TEST_F(CurlClientTest, AnyStatus_IsAnAnswer) { EXPECT_EQ(Ask(Url("/nowhere"))->status, 404); }

TEST_F(CurlClientTest, Redirects_AreFollowedAsBrowsersDo) {
  EXPECT_EQ(Ask(Url("/away?status=307&to=/echo"))->body, "POST hello");
  EXPECT_EQ(Ask(Url("/away?status=302&to=/echo"))->body, "GET");
}

TEST_F(CurlClientTest, ARedirectToAnotherScheme_IsRefused) {
  const auto answer = Ask(Url("/away?status=307&to=ftp://127.0.0.1/"));
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind, ErrorKind::kFenced);
}

TEST_F(CurlClientTest, ARedirectInCircles_Ends) {
  options_.most_redirects = 3;
  const auto answer = Ask(Url("/circle"));
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind, ErrorKind::kUnavailable);
  EXPECT_THAT(answer.error().message, HasSubstr("redirect"));
}

TEST_F(CurlClientTest, AnAddressThatIsNotAllowed_IsNotConnectedTo) {
  std::vector<std::string> asked;
  options_.allow = [&](std::string_view address) {
    asked.emplace_back(address);
    return false;
  };
  const auto answer = Ask(Url("/echo"));
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind, ErrorKind::kFenced);
  EXPECT_EQ(answer.error().message, "connection blocked: 127.0.0.1 is not a public IP address");
  EXPECT_THAT(asked, ElementsAre("127.0.0.1"));
}

TEST_F(CurlClientTest, ASchemeThatIsNotAllowed_IsNotAsked) {
  options_.schemes = {"https"};
  EXPECT_EQ(Ask(Url("/echo")).error().kind, ErrorKind::kFenced);
}

TEST_F(CurlClientTest, NobodyThere_IsUnavailable) {
  EXPECT_EQ(Ask("http://127.0.0.1:1/").error().kind, ErrorKind::kUnavailable);
}

TEST_F(CurlClientTest, NoAnswerInTime_IsUnavailable) {
  const auto answer = Ask(Url("/never"), 50ms);
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind, ErrorKind::kUnavailable);
  EXPECT_THAT(answer.error().message, HasSubstr("Timeout"));
}

TEST_F(CurlClientTest, ALongAnswer_IsCut) {
  options_.most_body = 10;
  EXPECT_EQ(Ask(Url("/long"))->body, std::string(10, 'x'));
}

TEST_F(CurlClientTest, ManyAtOnce_AllEnd) {
  CurlClient client(options_);
  int ended = 0;
  for (int i = 0; i < 50; ++i) {
    client.Send({.url = Url("/echo"), .body = std::to_string(i)}, [&, i](Result<Response> got) {
      EXPECT_EQ(got->body, "POST " + std::to_string(i));
      ++ended;
    });
  }
  while (ended < 50) client.Run(1s);
}

TEST_F(CurlClientTest, Wake_EndsTheWait) {
  CurlClient client(options_);
  client.Wake();
  client.Run(1h);
  std::thread waker([&] { client.Wake(); });
  client.Run(1h);
  waker.join();
}

TEST_F(CurlClientTest, DroppedWithARequestUnderWay_CallsNobody) {
  {
    CurlClient client(options_);
    client.Send({.url = Url("/never")}, [](const Result<Response>&) { FAIL(); });
    client.Run(0ms);
  }
}

TEST(ResolveHost, ThisMachine_HasALoopbackAddress) {
  EXPECT_THAT(*ResolveHost("localhost"), Contains("127.0.0.1"));
  EXPECT_THAT(*ResolveHost("127.1"), ElementsAre("127.0.0.1"));
  EXPECT_THAT(*ResolveHost("::1"), ElementsAre("::1"));
  EXPECT_EQ(ResolveHost("no such host").error().kind, ErrorKind::kUnavailable);
}

}  // namespace
}  // namespace muster::http
