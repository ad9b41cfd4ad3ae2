#include "runtime/cli/log_tail.h"

#include <gtest/gtest.h>

#include <map>

#include "runtime/http/server.h"

namespace muster::cli {
namespace {

/// A logs route whose files the test writes.
class LogTailTest : public ::testing::Test {
 protected:
  void SetUp() override {
    router_.Add("GET", "/trial/logs", http::Sync([this](const http::Request& request) {
                  if (failing_) return http::ErrorResponse(Internal("the disk"));
                  EXPECT_EQ(request.Parameter("rank"), "1");
                  EXPECT_EQ(request.Parameter("stream"), "err");
                  const std::string& file = files_[request.Parameter("epoch").value_or("")];
                  const auto offset = std::stoul(request.Parameter("offset").value_or("0"));
                  // Small pieces, as the server's limit makes of a long log.
                  return http::Response::Text(file.substr(std::min(offset, file.size()), 4));
                }));
    server_ = *http::Server::Start({}, router_);
    client_.emplace(server_->url());
  }
  /// All that the tail has now.
  std::string Read(LogTail& tail) {
    std::string all;
    for (;;) {
      auto bytes = tail.Next(*client_, attempts_);
      EXPECT_TRUE(bytes.ok());
      if (!bytes.ok() || bytes->empty()) return all;
      all += *bytes;
    }
  }

  std::map<std::string, std::string> files_;
  bool failing_ = false;
  std::vector<wire::AttemptSummary> attempts_;
  http::Router router_;
  std::unique_ptr<http::Server> server_;
  std::optional<http::Client> client_;
};

TEST_F(LogTailTest, Next_NewAttempt_ReadsTheOldOneToItsEndAndBeginsAgain) {
  LogTail tail("/trial", 1, "err");
  EXPECT_EQ(Read(tail), "") << "nothing was started yet";
  attempts_ = {{.epoch = 3}};
  files_["3"] = "a long first ";
  EXPECT_EQ(Read(tail), "a long first ");
  files_["3"] += "attempt\n";
  files_["7"] = "second\n";
  attempts_.push_back({.epoch = 7});
  EXPECT_EQ(Read(tail), "attempt\nsecond\n");
  EXPECT_EQ(Read(tail), "");
}

TEST_F(LogTailTest, Next_AfterAnAttempt_LeavesItOut) {
  files_ = {{"3", "first"}, {"7", "second"}};
  attempts_ = {{.epoch = 3}, {.epoch = 7}};
  LogTail tail("/trial", 1, "err", 3);
  EXPECT_EQ(Read(tail), "second");
}

TEST_F(LogTailTest, Next_ServerFails_IsAnErrorAndLosesNothing) {
  files_ = {{"3", "word"}};
  attempts_ = {{.epoch = 3}};
  LogTail tail("/trial", 1, "err");
  failing_ = true;
  EXPECT_EQ(tail.Next(*client_, attempts_).error(), Internal("the disk"));
  failing_ = false;
  EXPECT_EQ(Read(tail), "word");
}

}  // namespace
}  // namespace muster::cli
