#include "runtime/server/rule_worker.h"

#include <gmock/gmock.h>

#include <boost/json/parse.hpp>
#include <filesystem>

#include "registry/sqlite/webhook_store.h"
#include "runtime/base/random.h"
#include "runtime/server/rule_routes.h"
#include "tracker/memory_run_store.h"
#include "tracker/sqlite/rule_store.h"

/// The worker on a run store in memory. Waits are for what must come.

namespace muster::server {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

class RuleWorkerTest : public testing::Test {
 protected:
  RuleWorkerTest() {
    std::filesystem::create_directories(folder_);
    rules_ = tracker::SqliteRuleStore::Open(folder_ / "rules.db").value();
    runs_.CreateRun({.run_id = RunId("a")}, [](const auto& made) { ASSERT_TRUE(made.ok()); });
    // The first observer of the store's is the worker, as in the server.
    runs_.SetMetricObserver([this](const RunId& run, const std::vector<tracker::Metric>& points) {
      if (worker_) worker_->Observe(run, points);
    });
  }
  ~RuleWorkerTest() override {
    worker_.reset();
    std::filesystem::remove_all(folder_);
  }
  void Start() {
    worker_ = std::make_unique<RuleWorker>(RuleWorker::Parts{
        *rules_, runs_, SystemClock(),
        [this](const std::string& webhook, const std::string& source, const tracker::Finding& f) {
          Heard("tell " + webhook + " " + source + ": " + f.metric);
          return tell_;
        },
        [this](const RunId& run) {
          Heard("stop " + run.value);
          const std::lock_guard lock(mutex_);
          return stop_;
        }});
  }
  void Put(std::string name, tracker::RuleKind kind, double bound = 0) {
    tracker::Rule rule;
    rule.name = std::move(name);
    rule.kind = kind;
    rule.metric = "loss";
    rule.bound = bound;
    rule.webhook_id = "hook";
    rule.stop = true;
    ASSERT_TRUE(rules_->Put(rule).ok());
    if (worker_) worker_->Reload();
  }
  void Log(double value, std::int64_t time_ms, std::int64_t step) {
    tracker::Batch batch;
    batch.metrics = {{"loss", value, time_ms, step}};
    runs_.LogBatch(RunId("a"), batch, [](const Status& status) { ASSERT_TRUE(status.ok()); });
  }
  void Heard(std::string what) {
    const std::lock_guard lock(mutex_);
    heard_.push_back(std::move(what));
    came_.notify_all();
  }
  std::vector<std::string> WaitForHeard(std::size_t count) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(
        came_.wait_for(lock, std::chrono::seconds(30), [&] { return heard_.size() >= count; }));
    return heard_;
  }
  /// Until all firings are settled.
  std::vector<tracker::RuleFiring> WaitForSettled(std::size_t count) {
    for (;;) {
      auto firings = rules_->Firings("", 100).value();
      const bool settled =
          std::ranges::all_of(firings, [](const auto& firing) { return firing.settled; });
      if (settled && firings.size() >= count) return firings;
      std::this_thread::yield();
    }
  }

  std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("muster-rule-worker-" + RandomHex(8));
  FakeClock clock_;
  tracker::MemoryRunStore runs_{clock_};
  std::unique_ptr<tracker::SqliteRuleStore> rules_;
  Status tell_, stop_;
  std::mutex mutex_;  // guards heard_ and stop_
  std::condition_variable came_;
  std::vector<std::string> heard_;
  std::unique_ptr<RuleWorker> worker_;
};

TEST_F(RuleWorkerTest, AFinding_IsToldStopsAndIsWrittenDown) {
  Put("high", tracker::RuleKind::kThreshold, 10);
  Start();
  stop_ = NotFound("run a is of no trial");
  Log(9, 1, 0);
  Log(11, 2, 1);
  Log(12, 3, 2);
  EXPECT_THAT(WaitForHeard(2), ElementsAre("stop a", "tell hook rule/1: loss"));
  const auto firings = WaitForSettled(1);
  ASSERT_THAT(firings, SizeIs(1));
  EXPECT_EQ(firings[0].finding.value, 11);
  EXPECT_EQ(firings[0].outcome, "stop: run a is of no trial; web hook hook");
}

TEST_F(RuleWorkerTest, WhatWasLoggedBeforeTheStart_IsSeen) {
  Log(11, 1, 0);
  Put("high", tracker::RuleKind::kThreshold, 10);
  Start();
  WaitForHeard(2);
  EXPECT_EQ(WaitForSettled(1)[0].finding.step, 0);
}

TEST_F(RuleWorkerTest, ARuleThatIsAddedLater_SeesTheHistory) {
  Start();
  Log(11, 1, 0);
  Put("high", tracker::RuleKind::kThreshold, 10);
  EXPECT_THAT(WaitForHeard(2), SizeIs(2));
}

TEST_F(RuleWorkerTest, ARestart_DoesNotTellAgain) {
  Put("high", tracker::RuleKind::kThreshold, 10);
  Log(11, 1, 0);
  Start();
  WaitForSettled(1);
  worker_.reset();
  Start();
  Log(12, 2, 1);
  Put("higher", tracker::RuleKind::kThreshold, 11);
  const auto heard = WaitForHeard(4);
  EXPECT_THAT(heard, ElementsAre("stop a", "tell hook rule/1: loss", "stop a",
                                 HasSubstr("tell hook rule/")));
  EXPECT_NE(heard[3], heard[1]) << "of the rule that was added";
}

TEST_F(RuleWorkerTest, WhatWasClaimedAndNotSettled_IsDoneByTheNextWorker) {
  Put("high", tracker::RuleKind::kThreshold, 10);
  ASSERT_TRUE(*rules_->Claim({.rule = "high", .run = RunId("a"), .metric = "loss"}));
  ASSERT_TRUE(*rules_->Claim({.rule = "gone", .run = RunId("a"), .metric = "loss"}));
  Start();
  const auto firings = WaitForSettled(2);
  EXPECT_THAT(WaitForHeard(2), ElementsAre("stop a", "tell hook rule/1: loss"));
  EXPECT_EQ(firings[0].outcome, "its rule is gone");
}

TEST_F(RuleWorkerTest, ARunningRunThatIsSilent_IsFound_OneThatEndedIsNot) {
  for (int i = 0; i < 10; ++i) Log(1, 1000 + 1000 * i, i);  // in 1970
  Put("stuck", tracker::RuleKind::kStuck, 10);
  Start();
  EXPECT_THAT(WaitForHeard(2), ElementsAre("stop a", "tell hook rule/1: loss"));
  worker_.reset();
  tracker::RunUpdate over;
  over.status = tracker::RunStatus::kFinished;
  runs_.UpdateRun(RunId("a"), over, [](const auto& done) { ASSERT_TRUE(done.ok()); });
  Put("stuck", tracker::RuleKind::kStuck, 10);  // may find anew
  Put("high", tracker::RuleKind::kThreshold, 10);
  Start();
  Log(11, 20'000, 20);
  EXPECT_THAT(WaitForHeard(4), SizeIs(4));
  EXPECT_EQ(WaitForSettled(2)[0].finding.rule, "high");
}

TEST_F(RuleWorkerTest, WhileTheCoordinatorIsAway_TheStopIsAskedAgain) {
  Put("high", tracker::RuleKind::kThreshold, 10);
  Log(11, 1, 0);
  stop_ = Unavailable("starting");
  Start();
  WaitForHeard(1);
  EXPECT_FALSE(rules_->Firings("", 1)->at(0).settled);
  {
    const std::lock_guard lock(mutex_);
    stop_ = Ok();
  }
  EXPECT_EQ(WaitForSettled(1)[0].outcome, "stop; web hook hook");
}

TEST_F(RuleWorkerTest, Routes_AddListAndRemove) {
  Start();
  auto webhooks = registry::SqliteWebhookStore::Open(":memory:", SystemClock()).value();
  http::Router router;
  AddRuleRoutes(router, *rules_, *worker_, *webhooks);
  const auto send = [&](std::string method, std::string_view target, std::string body = "") {
    http::Request request{.method = std::move(method), .body = std::move(body)};
    http::SetTarget(request, target);
    http::Response got;
    router.Dispatch(std::move(request), [&](http::Response answer) { got = std::move(answer); });
    return got;
  };
  const std::string base = "/api/muster/v1/rules";
  const std::string rule = R"({"name": "r", "kind": "nan", "stop": true})";
  EXPECT_EQ(send("POST", base, rule).status, 200);
  EXPECT_EQ(boost::json::parse(send("GET", base).body).at("rules").at(0).at("kind"), "nan");
  EXPECT_EQ(send("POST", base, R"({"name": "r", "kind": "sorcery"})").status, 400);
  EXPECT_EQ(send("POST", base, R"({"name": "r", "kind": "plateau"})").status, 400);
  EXPECT_EQ(send("POST", base, R"({"name": "r", "kind": "nan", "webhook_id": "nope"})").status,
            404);
  Log(std::nan(""), 1, 0);
  WaitForSettled(1);
  const auto firings = boost::json::parse(send("GET", base + "/r/firings").body).at("firings");
  EXPECT_EQ(firings.at(0).at("finding").at("run"), "a");
  EXPECT_EQ(firings.at(0).at("finding").at("value"), "NaN");
  EXPECT_EQ(firings.at(0).at("outcome"), "stop");
  EXPECT_EQ(send("GET", base + "/r/firings?limit=0").status, 400);
  EXPECT_EQ(send("DELETE", base + "/r").status, 200);
  EXPECT_EQ(send("DELETE", base + "/r").status, 404);
}

}  // namespace
}  // namespace muster::server
