#include "runtime/http/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <fstream>
#include <future>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "runtime/base/sha256.h"
#include "runtime/http/client.h"
#include "runtime/http/pool.h"
#include "tests/runtime/http/raw_client.h"

namespace muster::http {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using namespace std::chrono_literals;

/// Keeps the answers of the "later" route until the test gives them.
class Later {
 public:
  void Keep(Respond respond) {
    const std::lock_guard lock(mutex_);
    kept_.push_back(std::move(respond));
    changed_.notify_all();
  }
  /// Waits until `count` requests have come.
  std::vector<Respond> Take(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, 10s, [&] { return kept_.size() >= count; });
    return std::exchange(kept_, {});
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Respond> kept_;
};

/// A source that the test feeds.
class Feed final : public BodySource {
 public:
  std::optional<std::string> Next() override {
    const std::lock_guard lock(mutex_);
    if (waiting_.empty()) return ended_ ? std::nullopt : std::optional<std::string>("");
    return std::exchange(waiting_, {});
  }
  void OnMore(std::function<void()> wake) override {
    const std::lock_guard lock(mutex_);
    ++(wake ? heard_ : gone_);
    wake_ = std::move(wake);
    changed_.notify_all();
  }
  void Write(std::string_view bytes, bool last = false) {
    const std::lock_guard lock(mutex_);
    waiting_ += bytes;
    ended_ = last;
    if (wake_) wake_();
  }
  bool WaitUntilGone() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 10s, [&] { return heard_ == 1 && gone_ == 1; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string waiting_;
  std::function<void()> wake_;
  bool ended_ = false;
  int heard_ = 0, gone_ = 0;
};

class ServerTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(testing::TempDir()) /
              ("http-" + std::to_string(::getpid()) + "-" +
               testing::UnitTest::GetInstance()->current_test_info()->name());
    options_.spool_dir = folder_ / "spool";
    router_.Add("GET", "/hello", Sync([](const Request&) { return Response::Text("hello"); }));
    router_.Add("POST", "/echo", Sync([](const Request& request) {
                  return Response::Text(request.body, 200, "application/octet-stream");
                }));
    router_.AddUpload(
        "PUT", "/files/{name}", Sync([this](const Request& request) {
          spooled_ = request.body_file;
          sha256_ = request.body_sha256;
          if (request.Parameter("keep")) {
            std::filesystem::rename(request.body_file, folder_ / "kept");
          }
          const auto size = spooled_.empty() || request.Parameter("keep")
                                ? request.body.size()
                                : std::filesystem::file_size(spooled_);
          return Response::Text((spooled_.empty() ? "memory " : "file ") + std::to_string(size));
        }));
    router_.Add("GET", "/file", Sync([this](const Request&) {
                  Response response;
                  response.body_file = folder_ / "big";
                  response.headers["ETag"] = "\"v1\"";
                  return response;
                }));
    router_.Add("GET", "/throw",
                [](const Request&, const Respond&) { throw std::runtime_error("it broke"); });
    router_.Add("GET", "/drop", [](const Request&, const Respond&) {});
    router_.Add("GET", "/later",
                [this](const Request&, Respond respond) { later_.Keep(std::move(respond)); });
  }
  void TearDown() override {
    server_.reset();
    std::filesystem::remove_all(folder_);
  }
  void Start() {
    auto server = Server::Start(options_, router_);
    ASSERT_TRUE(server.ok()) << server.error().message;
    server_ = std::move(server).value();
  }
  Response Fetch(std::string_view target, Request request = {}) {
    auto response = http::Fetch(server_->url() + std::string(target), std::move(request), 20s);
    EXPECT_TRUE(response.ok()) << response.error().message;
    return response.ok() ? *response : Response{.status = 0};
  }
  std::string Raw(std::string_view bytes) {
    RawClient client(server_->port());
    client.Write(bytes);
    return client.ReadAll();
  }

  /// GET /feed, answered by `feed`; leaves out the head.
  void ServeFeed(const std::shared_ptr<BodySource>& feed) {
    router_.Add("GET", "/feed", Sync([feed](const Request&) {
                  Response response;
                  response.source = feed;
                  return response;
                }));
  }
  Response FetchPart(std::string range, std::string if_range = "") {
    Request request;
    request.headers["Range"] = std::move(range);
    if (!if_range.empty()) request.headers["If-Range"] = std::move(if_range);
    return Fetch("/file", std::move(request));
  }

  std::filesystem::path folder_, spooled_;
  std::string sha256_;
  ServerOptions options_;
  Router router_;
  Later later_;
  std::unique_ptr<Server> server_;
};

TEST_F(ServerTest, Get_Answers) {
  Start();
  const Response response = Fetch("/hello");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "hello");
  EXPECT_EQ(response.headers.at("Content-Type"), "text/plain; charset=utf-8");
  EXPECT_TRUE(response.headers.contains("Date"));
  EXPECT_EQ(Fetch("/nothing").status, 404);
}

TEST_F(ServerTest, PathPrefix_IsTakenOffAndToldOf) {
  options_.path_prefix = "/x/y";
  router_.Add("GET", "/told/{name}", Sync([](const Request& request) {
                return Response::Text(request.path + " " + request.captures.at("name") + " " +
                                      std::string(request.Header("X-Forwarded-Prefix")));
              }));
  Start();
  EXPECT_EQ(Fetch("/x/y/told/%62?a=b").body, "/told/b b /x/y");
  for (const char* none : {"/told/b", "/x/ytold/b", "/x/y", "/x/y/none"}) {
    EXPECT_EQ(Fetch(none).status, 404) << none;
  }
}

TEST_F(ServerTest, Post_BodiesOfAllSizes_ComeBackWhole) {
  Start();
  Client client(server_->url());
  for (const std::size_t size : {0UL, 1UL, 65'535UL, 65'536UL, 3'000'000UL}) {
    Request request;
    request.method = "POST";
    for (std::size_t i = 0; i < size; ++i) request.body += static_cast<char>(i * 7 + i / 251);
    const std::string sent = request.body;
    const auto response = client.Send("/echo", std::move(request));
    ASSERT_TRUE(response.ok()) << response.error().message;
    EXPECT_EQ(response->body, sent) << size;
  }
}

TEST_F(ServerTest, TwoRequestsInOneWrite_AnsweredInOrder) {
  Start();
  const std::string answers =
      Raw("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"
          "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nConnection: "
          "close\r\n\r\nabc");
  EXPECT_THAT(answers, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_LT(answers.find("hello"), answers.find("abc"));
  EXPECT_THAT(answers, testing::EndsWith("abc"));
}

TEST_F(ServerTest, ByteByByte_IsTheSameRequest) {
  Start();
  RawClient client(server_->port());
  for (const char c : std::string_view(
           "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
           "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")) {
    ASSERT_TRUE(client.Write(std::string_view(&c, 1)));
  }
  EXPECT_THAT(client.ReadUntil("abcde"), StartsWith("HTTP/1.1 200"));
}

TEST_F(ServerTest, Head_HasLengthAndNoBody) {
  Start();
  const std::string answers =
      Raw("HEAD /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(answers, HasSubstr("Content-Length: 5\r\n"));
  EXPECT_THAT(answers, testing::EndsWith("\r\n\r\n"));
}

TEST_F(ServerTest, Source_IsSentInChunks_AndABrokenOneHasNoLast) {
  class Halves final : public BodySource {
   public:
    explicit Halves(bool whole) : whole_(whole) {}
    std::optional<std::string> Next() override {
      if (++asked_ > 2) return std::nullopt;
      return std::string(asked_ == 1 ? "one" : "sixteen bytes...");
    }
    void OnMore(std::function<void()>) override {}
    [[nodiscard]] bool whole() const override { return whole_; }

   private:
    const bool whole_;
    int asked_ = 0;
  };
  const auto serve = [this](const std::string& path, bool whole) {
    router_.Add("GET", path, Sync([whole](const Request&) {
                  Response response;
                  response.source = std::make_shared<Halves>(whole);
                  return response;
                }));
  };
  serve("/whole", true);
  serve("/broken", false);
  Start();
  const std::string head = " HTTP/1.1\r\nHost: localhost\r\n\r\n";
  EXPECT_THAT(Raw("GET /whole" + head),
              testing::EndsWith("\r\n\r\n3\r\none\r\n10\r\nsixteen bytes...\r\n0\r\n\r\n"));
  EXPECT_THAT(Raw("GET /broken" + head), testing::EndsWith("10\r\nsixteen bytes...\r\n"));
  EXPECT_THAT(Raw("GET /whole HTTP/1.0\r\nHost: localhost\r\n\r\n"),
              testing::EndsWith("\r\n\r\nonesixteen bytes..."));
  EXPECT_EQ(Fetch("/whole").body, "onesixteen bytes...");
  const auto broken = http::Fetch(server_->url() + "/broken", {}, 20s);
  EXPECT_FALSE(broken.ok());
}

TEST_F(ServerTest, Malformed_400JsonAndClosed) {
  Start();
  for (const std::string_view bytes :
       {"nonsense\r\n\r\n", "GET / HTTP/9.9\r\n\r\n",
        "GET /\x01 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nContent-Length: "
        "4\r\n\r\nabcd",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n"
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET /hello HTTP/1.1\r\n\r\n"}) {
    const std::string answer = Raw(bytes);
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 400 ")) << bytes;
    EXPECT_THAT(answer, HasSubstr("{\"error\":{\"code\":\"INVALID\"")) << bytes;
    EXPECT_THAT(answer, HasSubstr("Connection: close")) << bytes;
  }
  EXPECT_EQ(Fetch("/hello").status, 200);
}

TEST_F(ServerTest, HeadTooLong_431) {
  Start();
  EXPECT_THAT(Raw("GET /hello HTTP/1.1\r\nHost: localhost\r\nX: " + std::string(70'000, 'a')),
              StartsWith("HTTP/1.1 431 "));
}

TEST_F(ServerTest, ChunkLineOrTrailerWithoutEnd_431) {
  Start();
  const std::string head =
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const std::string_view start : {"3;x=", "3\r\nabc\r\n0\r\nX: "}) {
    EXPECT_THAT(Raw(head + std::string(start) + std::string(200'000, 'a')),
                StartsWith("HTTP/1.1 431 "))
        << start;
  }
}

TEST_F(ServerTest, BodyBeyondTheLimit_413ThoughStillSending) {
  options_.max_body = 1000;
  Start();
  Request request;
  request.method = "POST";
  request.body = std::string(5'000'000, 'x');
  EXPECT_EQ(Fetch("/echo", request).status, 413);
  const std::string chunked =
      Raw("POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n800\r\n" +
          std::string(0x800, 'x') + "\r\n0\r\n\r\n");
  EXPECT_THAT(chunked, StartsWith("HTTP/1.1 413 "));
}

TEST_F(ServerTest, ErrorForm_OfWhatTheServerRefusesItself) {
  options_.max_body = 1000;
  router_.SetErrorForm([](const Error& error, std::string_view path) {
    return Response::Text(std::string(path) + ": " + error.message);
  });
  Start();
  const std::string large =
      Raw("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1001\r\n\r\n");
  EXPECT_THAT(large, StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(large, HasSubstr("\r\nContent-Type: text/plain"));
  EXPECT_THAT(large, EndsWith("\r\n\r\n/echo: the body is longer than 1000 bytes"));
  EXPECT_THAT(Raw("GET /hello\r\n\r\n"), EndsWith("\r\n\r\n: malformed request: bad target"));
  const std::string method =
      Raw("DELETE /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(method, StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(method, HasSubstr("\r\nAllow: "));
  EXPECT_THAT(method, HasSubstr("\r\n\r\n/echo: /echo does not take DELETE"));
}

TEST_F(ServerTest, ForeignHostOrOrigin_403BeforeAnyHandler) {
  Start();
  EXPECT_THAT(Raw("GET /hello HTTP/1.1\r\nHost: evil.example\r\n\r\n"),
              StartsWith("HTTP/1.1 403 "));
  EXPECT_THAT(Raw("POST /echo HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n"
                  "Content-Length: 1\r\n\r\na"),
              StartsWith("HTTP/1.1 403 "));
}

TEST_F(ServerTest, WhoIsNotAdmitted_SendsNoBody) {
  options_.admit = [](const Request& request) -> std::optional<Response> {
    if (request.BearerToken() == "known") return std::nullopt;
    return ErrorResponse(Unauthorized("who are you?"));
  };
  Start();
  const std::string head =
      "PUT /files/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3000000\r\n";
  EXPECT_THAT(Raw(head + "\r\n"), StartsWith("HTTP/1.1 401 "));
  EXPECT_TRUE(spooled_.empty());
  Request known;
  known.method = "PUT";
  known.body = "tiny";
  known.headers["Authorization"] = "Bearer known";
  EXPECT_EQ(Client(server_->url()).Send("/files/a", known)->body, "memory 4");
}

TEST_F(ServerTest, Upload_LargeBecomesAFileThatIsRemoved) {
  Start();
  std::filesystem::create_directories(folder_);
  std::ofstream(folder_ / "big") << std::string(3'000'000, 'y');
  Client client(server_->url());
  EXPECT_TRUE(client.Upload("/files/a", folder_ / "big").ok());
  EXPECT_FALSE(spooled_.empty());
  EXPECT_EQ(sha256_, Sha256Hex(std::string(3'000'000, 'y')));
  Request small;
  small.method = "PUT";
  small.body = "tiny";
  EXPECT_EQ(client.Send("/files/a", small)->body, "memory 4");
  EXPECT_EQ(sha256_, "");
  EXPECT_TRUE(std::filesystem::is_empty(options_.spool_dir));
}

TEST_F(ServerTest, Upload_HandlerMovesTheFile_ItStays) {
  Start();
  Request request;
  request.method = "PUT";
  request.body = std::string(2'000'000, 'z');
  EXPECT_EQ(Fetch("/files/a?keep=1", request).status, 200);
  EXPECT_EQ(std::filesystem::file_size(folder_ / "kept"), 2'000'000U);
  EXPECT_TRUE(std::filesystem::is_empty(options_.spool_dir));
}

TEST_F(ServerTest, Upload_ClientGoesAway_NothingIsLeft) {
  Start();
  {
    RawClient client(server_->port());
    client.Write("PUT /files/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\n" +
                 std::string(2'000'000, 'q'));
  }
  EXPECT_EQ(Fetch("/hello").status, 200);
  server_->Stop();
  EXPECT_TRUE(spooled_.empty());  // the handler was not called
  EXPECT_TRUE(std::filesystem::is_empty(options_.spool_dir));
}

TEST_F(ServerTest, Start_LeftOverUploads_Removed) {
  std::filesystem::create_directories(options_.spool_dir);
  std::ofstream(options_.spool_dir / "upload-1-1") << "half";
  std::ofstream(options_.spool_dir / "other") << "mine";
  Start();
  EXPECT_FALSE(std::filesystem::exists(options_.spool_dir / "upload-1-1"));
  EXPECT_TRUE(std::filesystem::exists(options_.spool_dir / "other"));
}

TEST_F(ServerTest, ExpectContinue_IsAnsweredBeforeTheBody) {
  Start();
  RawClient client(server_->port());
  client.Write(
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nExpect: "
      "100-continue\r\n\r\n");
  EXPECT_EQ(client.ReadUntil("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.Write("ok");
  EXPECT_THAT(client.ReadUntil("\r\n\r\nok"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(ServerTest, FileBody_StreamedWhole) {
  Start();
  std::filesystem::create_directories(folder_);
  std::string content;
  for (int i = 0; i < 1'000'000; ++i) content += static_cast<char>(i * 31 + i / 256);
  std::ofstream(folder_ / "big", std::ios::binary) << content;
  EXPECT_EQ(Fetch("/file").body, content);
  Client client(server_->url());
  ASSERT_TRUE(client.Download("/file", folder_ / "copy").ok());
  std::ifstream copy(folder_ / "copy", std::ios::binary);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(copy), {}), content);
  EXPECT_TRUE(client.Get("/hello").ok());  // the connection is still good
  std::filesystem::remove(folder_ / "big");
  EXPECT_EQ(Fetch("/file").status, 404);
}

TEST_F(ServerTest, FileBody_PartsAsAsked) {
  Start();
  std::filesystem::create_directories(folder_);
  std::string content;
  for (int i = 0; i < 3'000'000; ++i) content += static_cast<char>(i * 31 + i / 256);
  std::ofstream(folder_ / "big", std::ios::binary) << content;
  const Response middle = FetchPart("bytes=1000000-2499999");
  EXPECT_EQ(middle.status, 206);
  EXPECT_EQ(middle.headers.at("Content-Range"), "bytes 1000000-2499999/3000000");
  EXPECT_EQ(middle.body, content.substr(1'000'000, 1'500'000));
  EXPECT_EQ(FetchPart("bytes=-5").body, content.substr(2'999'995));
  EXPECT_EQ(FetchPart("bytes=0-0", "\"v1\"").body, content.substr(0, 1));
  const Response changed = FetchPart("bytes=0-0", "\"v0\"");
  EXPECT_EQ(changed.status, 200);
  EXPECT_EQ(changed.headers.at("Accept-Ranges"), "bytes");
  EXPECT_EQ(changed.body.size(), content.size());
  const Response beyond = FetchPart("bytes=3000000-");
  EXPECT_EQ(beyond.status, 416);
  EXPECT_EQ(beyond.headers.at("Content-Range"), "bytes */3000000");
  Request known;
  known.headers["If-None-Match"] = "\"v1\"";
  EXPECT_EQ(Fetch("/file", known).status, 304);
  EXPECT_THAT(Raw("HEAD /file HTTP/1.1\r\nHost: localhost\r\nRange: bytes=10-19\r\nConnection: "
                  "close\r\n\r\n"),
              HasSubstr("Content-Length: 10\r\n"));
}

TEST_F(ServerTest, FileBody_ClientGoesAwayMidway_OthersAreServed) {
  Start();
  std::filesystem::create_directories(folder_);
  std::ofstream(folder_ / "big") << std::string(30'000'000, 'y');
  for (int i = 0; i < 3; ++i) {
    RawClient client(server_->port());
    client.Write("GET /file HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client.ReadUntil("\r\n\r\n");
  }
  EXPECT_EQ(Fetch("/file").body.size(), 30'000'000U);
}

TEST_F(ServerTest, Source_PiecesArriveAsTheyAreMadeUntilTheEnd) {
  const auto feed = std::make_shared<Feed>();
  ServeFeed(feed);
  feed->Write("one");
  Start();
  RawClient client(server_->port());
  client.Write("GET /feed HTTP/1.0\r\nHost: localhost\r\n\r\n");
  const std::string head = client.ReadUntil("\r\n\r\n");
  EXPECT_THAT(head, HasSubstr("Connection: close"));
  EXPECT_THAT(head, testing::Not(HasSubstr("Content-Length")));
  EXPECT_EQ(client.ReadUntil("one"), "one");
  feed->Write("two");
  EXPECT_EQ(client.ReadUntil("two"), "two");
  feed->Write("three", true);
  EXPECT_EQ(client.ReadAll(), "three");
  EXPECT_TRUE(feed->WaitUntilGone());
}

TEST_F(ServerTest, Source_ClientGoesAwayWhileNothingIsSent_IsLetGo) {
  const auto feed = std::make_shared<Feed>();
  ServeFeed(feed);
  Start();
  {
    RawClient client(server_->port());
    client.Write("GET /feed HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client.ReadUntil("\r\n\r\n");
  }
  EXPECT_TRUE(feed->WaitUntilGone());
  feed->Write("nobody hears this");
}

TEST_F(ServerTest, Source_ClientThatTakesNothing_IsCutOff) {
  class Endless final : public BodySource {
   public:
    std::optional<std::string> Next() override { return std::string(1 << 20, 'x'); }
    void OnMore(std::function<void()> wake) override {
      if (!wake) gone.set_value();
    }
    std::promise<void> gone;
  };
  const auto endless = std::make_shared<Endless>();
  ServeFeed(endless);
  options_.stall_timeout = 50ms;
  Start();
  RawClient client(server_->port());
  client.Write("GET /feed HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(endless->gone.get_future().wait_for(10s), std::future_status::ready);
}

TEST_F(ServerTest, Source_StopDoesNotWaitForItsEnd) {
  const auto feed = std::make_shared<Feed>();
  ServeFeed(feed);
  options_.stop_grace = 10min;
  Start();
  RawClient client(server_->port());
  client.Write("GET /feed HTTP/1.1\r\nHost: localhost\r\n\r\n");
  client.ReadUntil("\r\n\r\n");
  server_->Stop();
  EXPECT_TRUE(feed->WaitUntilGone());
}

TEST_F(ServerTest, HandlerThrowsOrForgets_500) {
  Start();
  EXPECT_THAT(Fetch("/throw").body, HasSubstr("it broke"));
  EXPECT_EQ(Fetch("/throw").status, 500);
  EXPECT_THAT(Fetch("/drop").body, HasSubstr("gave no answer"));
}

TEST_F(ServerTest, AnswerFromAnotherThread_Arrives) {
  options_.threads = 2;
  Start();
  std::vector<std::thread> clients;
  std::atomic<int> good = 0;
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back([&] {
      if (Fetch("/later").body == "now") ++good;
    });
  }
  std::size_t given = 0;
  while (given < 8) {
    auto kept = later_.Take(1);
    ASSERT_FALSE(kept.empty());
    for (const Respond& respond : kept) {
      respond(Response::Text("now"));
      respond(Response::Text("twice"));  // the second answer is dropped
      ++given;
    }
  }
  for (auto& client : clients) client.join();
  EXPECT_EQ(good, 8);
}

TEST_F(ServerTest, BlockingRoute_DoesNotHoldItsConnectionsThread) {
  std::promise<void> hello;
  router_.AddBlocking("GET", "/slow", Sync([&](const Request&) {
                        const auto waited = hello.get_future().wait_for(10s);
                        return Response::Text(waited == std::future_status::ready ? "yes" : "no");
                      }));
  router_.AddBlocking("GET", "/slow/throw", [](const Request&, const Respond&) {
    throw std::runtime_error("it broke slowly");
  });
  Start();  // one thread
  RawClient slow(server_->port());
  slow.Write("GET /slow HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(Fetch("/hello").status, 200);
  hello.set_value();
  EXPECT_THAT(slow.ReadAll(), testing::EndsWith("yes"));
  EXPECT_THAT(Fetch("/slow/throw").body, HasSubstr("it broke slowly"));
}

TEST(Pool, QueueFullOrStopped_TakesNoMore) {
  internal::Pool pool(1);
  std::promise<void> running, go_on;
  ASSERT_TRUE(pool.Post([&] {
    running.set_value();
    go_on.get_future().wait();
  }));
  running.get_future().wait();
  for (std::size_t i = 0; i < internal::Pool::kMostQueued; ++i) {
    ASSERT_TRUE(pool.Post([] {}));
  }
  EXPECT_FALSE(pool.Post([] {}));
  go_on.set_value();
  pool.Stop();
  EXPECT_FALSE(pool.Post([] {}));
}

TEST_F(ServerTest, ClientGoneBeforeTheAnswer_NothingBreaks) {
  Start();
  {
    RawClient client(server_->port());
    client.Write("GET /later HTTP/1.1\r\nHost: localhost\r\n\r\n");
    auto kept = later_.Take(1);
    ASSERT_EQ(kept.size(), 1U);
    client.Close();
    kept.front()(Response::Text(std::string(10'000'000, 'x')));
  }
  EXPECT_EQ(Fetch("/hello").status, 200);
}

TEST_F(ServerTest, Stop_RequestInFlight_Finishes) {
  Start();
  Response response;
  std::thread client([&] { response = Fetch("/later"); });
  auto kept = later_.Take(1);
  ASSERT_EQ(kept.size(), 1U);
  std::thread stopper([&] { server_->Stop(); });
  kept.front()(Response::Text("finished"));
  client.join();
  stopper.join();
  EXPECT_EQ(response.body, "finished");
  EXPECT_FALSE(RawClient(server_->port()).connected());
  server_->Stop();  // again is fine
}

TEST_F(ServerTest, Stop_AnswerNeverComes_CutOffAfterTheGrace) {
  options_.stop_grace = 50ms;
  Start();
  RawClient idle(server_->port());
  RawClient client(server_->port());
  client.Write("GET /later HTTP/1.1\r\nHost: localhost\r\n\r\n");
  auto kept = later_.Take(1);
  ASSERT_EQ(kept.size(), 1U);
  server_->Stop();
  EXPECT_EQ(client.ReadAll(), "");
  EXPECT_FALSE(client.timed_out());
  server_.reset();
  kept.front()(Response::Text("too late"));  // harmless
}

TEST_F(ServerTest, SlowClients_AreCutOff) {
  options_.idle_timeout = 40ms;
  options_.header_timeout = 40ms;
  options_.stall_timeout = 40ms;
  Start();
  RawClient silent(server_->port());
  RawClient half_head(server_->port());
  half_head.Write("GET /hello HTT");
  RawClient half_body(server_->port());
  half_body.Write("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nab");
  for (RawClient* client : {&silent, &half_head, &half_body}) {
    EXPECT_EQ(client->ReadAll(), "");
    EXPECT_FALSE(client->timed_out());
  }
}

TEST_F(ServerTest, TooManyConnections_503) {
  options_.max_connections = 1;
  Start();
  RawClient first(server_->port());
  first.Write("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_THAT(first.ReadUntil("hello"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(RawClient(server_->port()).ReadAll(), StartsWith("HTTP/1.1 503 "));
}

TEST_F(ServerTest, Start_PortTaken_NamesPortAndCure) {
  Start();
  ServerOptions again = options_;
  again.port = server_->port();
  const auto second = Server::Start(again, router_);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().kind, ErrorKind::kConflict);
  EXPECT_THAT(second.error().message, HasSubstr("port " + std::to_string(again.port)));
  EXPECT_THAT(second.error().message, HasSubstr("--port 0"));
}

TEST_F(ServerTest, Start_AddressBeyondThisMachine_NeedsPermission) {
  options_.host = "0.0.0.0";
  const auto refused = Server::Start(options_, router_);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::kUnauthorized);
  options_.allow_remote = true;
  Start();
  EXPECT_THAT(Raw("GET /hello HTTP/1.1\r\nHost: node7:1\r\nConnection: close\r\n\r\n"),
              StartsWith("HTTP/1.1 200 "));
}

TEST_F(ServerTest, Start_WrongOptions_Invalid) {
  options_.threads = 0;
  EXPECT_EQ(Server::Start(options_, router_).error().kind, ErrorKind::kInvalid);
  options_.threads = 1;
  for (const char* wrong : {"x", "/x/", "/", "/{x}", "/%78"}) {
    options_.path_prefix = wrong;
    EXPECT_THAT(Server::Start(options_, router_).error().message, HasSubstr("prefix")) << wrong;
  }
  options_.path_prefix = "";
  options_.host = "no such host";
  EXPECT_THAT(Server::Start(options_, router_).error().message, HasSubstr("no such host"));
}

}  // namespace
}  // namespace muster::http
