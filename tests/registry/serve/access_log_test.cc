#include "registry/serve/access_log.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "runtime/base/file.h"

namespace muster::registry::serve {
namespace {

using namespace std::chrono_literals;

TEST(AccessLine, OneObject_WithoutWhatThereIsNot) {
  AccessRecord record{.time = 1'764'268'577'042,
                      .request_id = "a\"b",
                      .method = "GET",
                      .route = "/v2",
                      .status = 404,
                      .bytes_in = 1,
                      .bytes_out = 22,
                      .total = 1999ns};
  EXPECT_EQ(AccessLine(record),
            "{\"time\":\"2025-11-27T18:36:17.042Z\",\"request_id\":\"a\\\"b\",\"method\":\"GET\","
            "\"route\":\"/v2\",\"status\":404,\"bytes_in\":1,\"bytes_out\":22,\"total_us\":1}\n");
  record.model = "m";
  record.version = "3";
  record.queue = 5us;
  record.compute = 7us;
  record.traceparent = "t";
  record.tracestate = "s";
  EXPECT_EQ(AccessLine(record),
            "{\"time\":\"2025-11-27T18:36:17.042Z\",\"request_id\":\"a\\\"b\",\"method\":\"GET\","
            "\"route\":\"/v2\",\"model\":\"m\",\"version\":\"3\",\"status\":404,\"bytes_in\":1,"
            "\"bytes_out\":22,\"total_us\":1,\"queue_us\":5,\"compute_us\":7,\"traceparent\":\"t\","
            "\"tracestate\":\"s\"}\n");
}

TEST(AccessLogFile, Appends) {
  const auto path = std::filesystem::path(::testing::TempDir()) /
                    ("access-" + std::to_string(::getpid()) + ".log");
  for (const auto* line : {"one\n", "two\n"}) {
    auto log = AccessLogFile::Open(path.string());
    ASSERT_TRUE(log.ok()) << log.error().message;
    (*log)->Write(line);
  }
  EXPECT_EQ(ReadWholeFile(path).value(), "one\ntwo\n");
  std::filesystem::remove(path);
  EXPECT_EQ(AccessLogFile::Open("/nowhere/log").error().kind, ErrorKind::kIo);
}

}  // namespace
}  // namespace muster::registry::serve
