#include <gmock/gmock.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <cstdlib>
#include <filesystem>

#include "runtime/cli/context.h"
#include "runtime/cli/gc_flags.h"
#include "runtime/http/server.h"
#include "runtime/server/home.h"
#include "tracker/sqlite/run_store.h"

namespace muster::cli {
namespace {

using testing::HasSubstr;

constexpr const char* kPath = "/api/muster/v1/tracker/gc";

/// `muster tracker gc` against routes of the test's own.
class GcCommandTest : public ::testing::Test {
 protected:
  GcCommandTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "muster_gccli_XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    context_.home = folder_;
    router_.Add("POST", kPath, http::Sync([this](const http::Request& request) {
                  asked_ = boost::json::parse(request.body);
                  return http::Response::Json(
                      {{"id", 7}, {"running", true}, {"report", boost::json::object()}});
                }));
    router_.Add("GET", std::string(kPath) + "/7",
                http::Sync([this](const http::Request&) { return http::Response::Json(state_); }));
    server_ = *http::Server::Start({}, router_);
    context_.server = server_->url();
  }
  ~GcCommandTest() override { std::filesystem::remove_all(folder_); }

  void End(boost::json::object report) {
    state_ = {{"id", 7}, {"running", false}, {"report", std::move(report)}};
  }
  /// The exit code; what was printed is in out_ and err_.
  int Run(const std::string& line) {
    CLI::App app;
    AddTrackerGc(app, context_);
    app.parse(line);
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    const int code = context_.run();
    out_ = testing::internal::GetCapturedStdout();
    err_ = testing::internal::GetCapturedStderr();
    return code;
  }

  std::filesystem::path folder_;
  http::Router router_;
  boost::json::value asked_;
  boost::json::object state_;
  std::unique_ptr<http::Server> server_;
  Context context_;
  std::string out_, err_;
};

TEST_F(GcCommandTest, FlagsBecomeThePolicy_AndTheReportIsTold) {
  End({{"phase", "done"},
       {"runs", 2},
       {"points", 2'000},
       {"files", 1},
       {"bytes", 3 << 20},
       {"examples", {"run a (x)"}},
       {"kept", 1},
       {"kept_because", {"run b (y): version 1 of 'm' comes from it"}}});
  EXPECT_EQ(Run("gc --older-than 1d --experiment digits --experiment 3 --keep-last 5 --keep-best 2 "
                "--metric acc --mode max"),
            kDone);
  EXPECT_EQ(asked_.at("older_than_ms"), 86'400'000);
  EXPECT_EQ(asked_.at("experiments"), (boost::json::array{"digits", "3"}));
  EXPECT_EQ(asked_.at("keep_last"), 5);
  EXPECT_EQ(asked_.at("keep_best"), 2);
  EXPECT_EQ(asked_.at("metric"), "acc");
  EXPECT_EQ(asked_.at("mode"), "max");
  EXPECT_EQ(asked_.at("dry_run"), false);
  EXPECT_THAT(out_, HasSubstr("erased 2 runs, 0 logged models, 0 experiments; 2000 points; 1 file "
                              "(3 MiB)\n  run a (x)\n  and 1 more\n"));
  EXPECT_THAT(out_, HasSubstr("1 thing stayed:\n  run b (y): version 1 of 'm' comes from it\n"));
}

TEST_F(GcCommandTest, DryRun_IsToldAsWhatWouldBe) {
  End({{"dry_run", true}, {"retired", 4}, {"runs", 1}});
  EXPECT_EQ(Run("gc --dry-run --filter \"tags.a = 'b'\""), kDone);
  EXPECT_EQ(asked_.at("dry_run"), true);
  EXPECT_EQ(asked_.at("filter"), "tags.a = 'b'");
  EXPECT_THAT(out_, HasSubstr("would delete by the rules, softly: 4 runs\nwould erase 1 run,"));
}

TEST_F(GcCommandTest, WhatFails_IsTheExitCode) {
  End({{"failed", 1}, {"failures", {"s3://b/x: away"}}});
  EXPECT_EQ(Run("gc"), kFailed);
  EXPECT_THAT(out_, HasSubstr("s3://b/x: away"));
  state_["error"] = {{"code", "NOT_FOUND"}, {"message", "no experiment has the name 'x'"}};
  EXPECT_EQ(Run("gc --experiment x"), kMissing);
  EXPECT_THAT(err_, HasSubstr("no experiment has the name 'x'"));
  asked_ = nullptr;
  EXPECT_EQ(Run("gc --older-than soon"), kUsage);
  EXPECT_THAT(err_, HasSubstr("--older-than: 'soon' is no length of time"));
  EXPECT_EQ(Run("gc --keep-best 3"), kUsage);
  EXPECT_EQ(Run("gc --vacuum"), kConflicting);
  EXPECT_TRUE(asked_.is_null()) << "nothing was asked of the server";
}

TEST_F(GcCommandTest, AServerThatHoldsTheFolder_IsAsked) {
  context_.server.clear();
  EXPECT_EQ(Run("gc"), kMissing) << "no database";
  tracker::OpenSqliteRunStore(folder_ / "tracker.db", SystemClock()).value().reset();
  const auto lock = server::HomeLock::Take(folder_).value();
  ASSERT_TRUE(server::WriteServerNote(folder_, {server_->url(), 1, ""}).ok());
  End({{"runs", 3}});
  EXPECT_EQ(Run("gc"), kDone);
  EXPECT_THAT(out_, HasSubstr("erased 3 runs"));
  EXPECT_EQ(Run("gc --db " + (folder_ / "tracker.db").string() + " --vacuum"), kConflicting);
  EXPECT_THAT(err_, HasSubstr(server_->url()));
}

TEST_F(GcCommandTest, WithoutAServer_ThisProcessDoesIt) {
  context_.server.clear();
  {
    const auto runs = tracker::OpenSqliteRunStore(folder_ / "tracker.db", SystemClock()).value();
    runs->CreateRun({.run_id = RunId("gone"), .run_name = "x"}, [](const auto&) {});
    runs->SetRunDeleted(RunId("gone"), true, [](const Status&) {});
  }
  EXPECT_EQ(Run("gc --older-than 0s --vacuum"), kDone) << err_;
  EXPECT_THAT(out_, HasSubstr("erased 1 run,"));
  EXPECT_THAT(out_, HasSubstr("run gone (x)"));
  EXPECT_THAT(out_, HasSubstr("written anew"));
  EXPECT_TRUE(asked_.is_null());
}

TEST(GcFlagsTest, BecomeASchedule) {
  EXPECT_FALSE(ScheduleOf({})->every);
  const auto schedule = ScheduleOf({.every = "1d", .older_than = "2h"});
  EXPECT_EQ(*schedule->every, std::chrono::hours(24));
  EXPECT_EQ(schedule->older_than, std::chrono::hours(2));
  EXPECT_THAT(ScheduleOf({.every = "often"}).error().message, HasSubstr("--gc-every"));
  EXPECT_THAT(ScheduleOf({.older_than = "x"}).error().message, HasSubstr("--gc-older-than"));
  EXPECT_EQ(ScheduleOf({.every = "0.1s"}).error().kind, ErrorKind::kInvalid);
}

}  // namespace
}  // namespace muster::cli
