#include <gmock/gmock.h>
#include <sys/resource.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "runtime/http/server.h"
#include "tests/runtime/http/raw_client.h"

/// Many clients, and clients that misbehave, beside one that does not: on one thread, so that whoever holds it up is
/// seen. No clock is asked; what cannot happen would end in RawClient's time limit.

namespace muster::http {
namespace {

namespace fs = std::filesystem;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;  // its own memory hides the server's
#else
constexpr bool kSanitized = false;
#endif

std::size_t Entries(const char* folder) {
  const fs::directory_iterator entries(folder);
  return static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
}
std::size_t Threads() { return Entries("/proc/self/task"); }
std::size_t Descriptors() { return Entries("/proc/self/fd"); }
std::size_t ResidentBytes() {
  std::size_t total = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident * 4096;
}

class LoadTest : public testing::Test {
 protected:
  LoadTest() {
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
    std::ofstream(large_) << std::string(8 << 20, 'x');
    router_.Add("GET", "/hello", Sync([](const Request&) { return Response::Text("hello"); }));
    router_.Add("GET", "/large", Sync([this](const Request&) {
                  Response response;
                  response.body_file = large_;
                  return response;
                }));
    router_.AddUpload("PUT", "/file", Sync([](const Request&) { return Response::Text("kept"); }));
    server_ = Server::Start({.threads = 1, .blocking_threads = 1}, router_).value();
  }
  ~LoadTest() override {
    server_.reset();
    fs::remove(large_);
  }

  std::vector<std::unique_ptr<RawClient>> Clients(int count, std::string_view bytes) {
    std::vector<std::unique_ptr<RawClient>> clients;
    for (int i = 0; i < count; ++i) {
      clients.push_back(std::make_unique<RawClient>(server_->port()));
      EXPECT_TRUE(clients.back()->connected());
      clients.back()->Write(bytes);
    }
    return clients;
  }
  void ExpectService() {
    RawClient client(server_->port());
    for (int i = 0; i < 50; ++i) {
      client.Write(kHello);
      ASSERT_THAT(client.ReadUntil("\r\n\r\nhello"), testing::StartsWith("HTTP/1.1 200"));
    }
  }
  /// The server lets go of every connection but `count`, within so many turns of its loop.
  void ExpectDescriptors(std::size_t count) {
    // Once at least: a connection that is not accepted yet is none so far, and those before it are accepted first.
    int turns = 0;
    do ExpectService();
    while (++turns < 200 && Descriptors() > count);
    EXPECT_LE(Descriptors(), count);
  }

  static constexpr std::string_view kHello = "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n";
  const fs::path large_ = fs::temp_directory_path() / ("muster-load-" + std::to_string(::getpid()));
  Router router_;
  std::unique_ptr<Server> server_;
};

TEST_F(LoadTest, AThousandIdleConnections_CostNoThreadAndLittleMemory) {
  ExpectService();
  const std::size_t threads = Threads();
  const std::size_t bytes = ResidentBytes();
  auto clients = Clients(1'000, kHello);
  for (const auto& client : clients) client->ReadUntil("\r\n\r\nhello");
  EXPECT_EQ(Threads(), threads);
  if (!kSanitized) {
    EXPECT_LT(ResidentBytes() - bytes, 1'000 * (32U << 10));
  }
  for (const auto& client : clients) {  // each still works
    client->Write(kHello);
    EXPECT_THAT(client->ReadUntil("\r\n\r\nhello"), testing::StartsWith("HTTP/1.1 200"));
  }
}

TEST_F(LoadTest, ClientsThatReadNothing_HoldNobodyUp) {
  const auto clients = Clients(50, "GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n");
  ExpectService();
}

TEST_F(LoadTest, ClientsThatWriteHalf_HoldNobodyUp) {
  const auto heads = Clients(100, "GET /hello HTTP/1.1\r\nHo");
  const auto bodies =
      Clients(100, "PUT /file HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\nhalf");
  ExpectService();
}

TEST_F(LoadTest, ClientsThatGoAway_LeaveNothingBehind) {
  ExpectService();
  const std::size_t before = Descriptors() + 1;  // the last client's may still be open
  for (const std::string_view bytes :
       {std::string_view(), kHello,
        std::string_view("GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        std::string_view("GET /hel"),
        std::string_view(
            "PUT /file HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\nhalf")}) {
    Clients(100, bytes).clear();
    ExpectDescriptors(before);
    ExpectService();
  }
}

}  // namespace
}  // namespace muster::http
