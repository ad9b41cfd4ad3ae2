#include <gmock/gmock.h>

#include <boost/json/object.hpp>

#include "runtime/cli/context.h"
#include "runtime/http/server.h"
#include "runtime/wire/api.h"

namespace muster::cli {
namespace {

/// `muster node ...` against routes of the test's own.
class NodeCommandTest : public ::testing::Test {
 protected:
  void SetUp() override {
    router_.Add("POST", "/api/muster/v1/nodes/{id}/{verb}",
                http::Sync([this](const http::Request& request) {
                  asked_ = request.captures.find("verb")->second + " " +
                           request.captures.find("id")->second + " " + request.body;
                  return http::Response::Json(boost::json::object());
                }));
    router_.Add("GET", "/api/muster/v1/nodes", http::Sync([](const http::Request&) {
                  const auto row =
                      wire::ToJson(wire::NodeSummary{"gpu7",
                                                     "gpu7.example",
                                                     "excluded",
                                                     8,
                                                     0,
                                                     8,
                                                     0,
                                                     "3 trials in a row failed",
                                                     {{"cpu", "no"}, {"memory", "cgroup"}},
                                                     {std::int64_t{80} << 30, 0}});
                  return http::Response::Json({{"nodes", {row}}});
                }));
    server_ = *http::Server::Start({}, router_);
    context_.server = server_->url();
  }
  void Parse(const std::string& line) {
    CLI::App app;
    AddNode(app, context_);
    app.parse(line);
  }
  /// The exit code; what was printed is in out_.
  int Run(const std::string& line) {
    Parse(line);
    testing::internal::CaptureStdout();
    const int code = context_.run();
    out_ = testing::internal::GetCapturedStdout();
    return code;
  }

  http::Router router_;
  std::unique_ptr<http::Server> server_;
  Context context_;
  std::string asked_, out_;
};

TEST_F(NodeCommandTest, Verbs_AskTheServerWithTheReason) {
  EXPECT_EQ(Run("node exclude gpu/7 --reason 'ECC errors'"), kDone);
  EXPECT_EQ(asked_, R"(exclude gpu/7 {"reason":"ECC errors"})");
  EXPECT_EQ(out_, "gpu/7: is excluded\n");
  EXPECT_EQ(Run("node drain gpu7"), kDone);
  EXPECT_EQ(asked_, R"(drain gpu7 {"reason":""})");
  EXPECT_EQ(Run("node uncordon gpu7"), kDone);
  EXPECT_EQ(asked_, R"(uncordon gpu7 {"reason":""})");
}

TEST_F(NodeCommandTest, Exclude_WantsAReason) {
  EXPECT_THROW(Parse("node exclude gpu7"), CLI::RequiredError);
  EXPECT_THROW(Parse("node cordon"), CLI::RequiredError);
}

TEST_F(NodeCommandTest, Ls_ShowsWhyANodeIsOutOfWork) {
  EXPECT_EQ(Run("node ls"), kDone);
  EXPECT_THAT(
      out_, testing::HasSubstr(
                "excluded\t8\t0\t8 (80GiB)\tcpu: no, memory: cgroup\t3 trials in a row failed\n"));
}

}  // namespace
}  // namespace muster::cli
