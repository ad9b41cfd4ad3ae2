#include "runtime/http/guard.h"

#include <gtest/gtest.h>

namespace muster::http::internal {
namespace {

int StatusOf(const Guard& guard, std::string method, Headers headers, bool http_1_1 = true) {
  Request request;
  request.method = std::move(method);
  request.headers = std::move(headers);
  const auto refused = guard.Check(request, http_1_1);
  return refused ? refused->status : 200;
}

TEST(Guard, Check_LoopbackNames_PassWithAnyPort) {
  const Guard guard({"localhost", "127.0.0.1", "[::1]"}, false);
  for (const auto* host :
       {"localhost", "localhost:7070", "LOCALHOST:1", "127.0.0.1:7070", "[::1]:7070", "[::1]"}) {
    EXPECT_EQ(StatusOf(guard, "POST", {{"Host", host}}), 200) << host;
  }
}

TEST(Guard, Check_ForeignHost_Refused) {
  const Guard guard({"localhost", "127.0.0.1", "[::1]"}, false);
  for (const auto* host : {"evil.example", "evil.example:7070", "localhost.evil.example",
                           "127.0.0.1.evil.example", "", "[::1", "127.0.0.2"}) {
    EXPECT_EQ(StatusOf(guard, "GET", {{"Host", host}}), 403) << host;
  }
  EXPECT_EQ(StatusOf(guard, "GET", {}), 400);
  EXPECT_EQ(StatusOf(guard, "GET", {}, false), 200);  // HTTP/1.0 has no Host
}

TEST(Guard, Check_ForeignOrigin_RefusedOnWritesOnly) {
  const Guard guard({"localhost"}, false);
  const auto with = [](const char* origin) {
    return Headers{{"Host", "localhost:7070"}, {"Origin", origin}};
  };
  for (const auto* origin : {"http://evil.example", "null", "http://localhost:3000",
                             "http://localhost", "http://localhost:7070.evil.example"}) {
    EXPECT_EQ(StatusOf(guard, "POST", with(origin)), 403) << origin;
    EXPECT_EQ(StatusOf(guard, "DELETE", with(origin)), 403) << origin;
    EXPECT_EQ(StatusOf(guard, "GET", with(origin)), 200) << origin;
  }
  EXPECT_EQ(StatusOf(guard, "PUT", with("http://localhost:7070")), 200);
}

TEST(Guard, Check_AnyHost_StillChecksOrigin) {
  const Guard guard({}, true);
  EXPECT_EQ(StatusOf(guard, "POST", {{"Host", "node7"}}), 200);
  EXPECT_EQ(StatusOf(guard, "POST", {{"Host", "node7"}, {"Origin", "http://evil"}}), 403);
}

}  // namespace
}  // namespace muster::http::internal
