#include "runtime/server/gc_worker.h"

#include <gmock/gmock.h>

#include <boost/json/parse.hpp>
#include <condition_variable>
#include <functional>

#include "registry/memory_model_store.h"
#include "runtime/server/gc_routes.h"
#include "tracker/memory_run_store.h"

namespace muster::server {
namespace {

using tracker::ArtifactFile;
using tracker::ArtifactInfo;
using tracker::NewArtifact;

/// Holds no file. A collection waits in it until it is let through.
class Gate final : public tracker::ArtifactStore {
 public:
  Status Put(std::string_view, const NewArtifact&) override { return Ok(); }
  Result<ArtifactFile> Get(std::string_view path) override { return NotFound(std::string(path)); }
  Result<std::vector<ArtifactInfo>> List(std::string_view) override {
    return std::vector<ArtifactInfo>();
  }
  Status Delete(std::string_view) override { return Ok(); }
  Result<tracker::Collected> Collect(const tracker::CollectBefore&) override {
    std::unique_lock lock(mutex_);
    ++came_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
    if (fails) return Unavailable("the disk is away");
    return tracker::Collected();
  }

  void Set(bool open) {
    const std::lock_guard lock(mutex_);
    open_ = open;
    changed_.notify_all();
  }
  /// Waits until so many collections have come here.
  void WaitFor(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return came_ >= count; });
  }
  bool fails = false;

 private:
  std::mutex mutex_;  // guards open_ and came_
  std::condition_variable changed_;
  bool open_ = true;
  int came_ = 0;
};

class GcWorkerTest : public testing::Test {
 protected:
  tracker::GcParts Parts() { return {runs_, gate_, {}, models_, clock_}; }
  void AddDeletedRun(const std::string& id) {
    runs_.CreateRun({.run_id = RunId(id)}, [](const auto& made) { ASSERT_TRUE(made.ok()); });
    runs_.SetRunDeleted(RunId(id), true, [](const Status& done) { ASSERT_TRUE(done.ok()); });
  }
  static GcState WaitForEnd(const GcWorker& worker, std::int64_t id) {
    for (;;) {
      const GcState state = worker.Get(id).value();
      if (!state.running) return state;
      std::this_thread::yield();
    }
  }

  FakeClock clock_;
  tracker::MemoryRunStore runs_{clock_};
  registry::MemoryModelStore models_{clock_};
  Gate gate_;
};

TEST_F(GcWorkerTest, Asked_DoesItAndRemembersWhatCameOfIt) {
  GcWorker worker(Parts());
  EXPECT_EQ(worker.Newest().error().kind, ErrorKind::kNotFound);
  AddDeletedRun("r");
  EXPECT_EQ(worker.Begin({.older_than_ms = -1}).error().kind, ErrorKind::kInvalid);
  const GcState begun = worker.Begin({.older_than_ms = 0}).value();
  EXPECT_EQ(begun.id, 1);
  EXPECT_TRUE(begun.running);
  const GcState ended = WaitForEnd(worker, 1);
  EXPECT_FALSE(ended.error);
  EXPECT_EQ(ended.report.runs, 1);
  EXPECT_FALSE(runs_.GetRun(RunId("r")).ok());
  EXPECT_EQ(worker.Newest()->id, 1);
  EXPECT_EQ(worker.Get(2).error().kind, ErrorKind::kNotFound);
}

TEST_F(GcWorkerTest, AnotherWhileOneRuns_IsRefused) {
  gate_.Set(false);
  GcWorker worker(Parts());
  ASSERT_TRUE(worker.Begin({}).ok());
  gate_.WaitFor(1);
  EXPECT_TRUE(worker.Newest()->running);
  EXPECT_EQ(worker.Newest()->report.phase, "rows") << "the last step that was told";
  EXPECT_EQ(worker.Begin({}).error().kind, ErrorKind::kConflict);
  gate_.Set(true);
  WaitForEnd(worker, 1);
  EXPECT_EQ(worker.Begin({})->id, 2);
  WaitForEnd(worker, 2);
}

TEST_F(GcWorkerTest, AFailure_IsTold) {
  gate_.fails = true;
  GcWorker worker(Parts());
  ASSERT_TRUE(worker.Begin({}).ok());
  EXPECT_EQ(WaitForEnd(worker, 1).error->message, "the disk is away");
}

TEST_F(GcWorkerTest, ManyOfThem_OnlyTheLastAreRemembered) {
  GcWorker worker(Parts());
  const auto count = static_cast<std::int64_t>(GcWorker::kRemembered) + 1;
  for (std::int64_t id = 1; id <= count; ++id) {
    ASSERT_EQ(worker.Begin({})->id, id);
    WaitForEnd(worker, id);
  }
  EXPECT_EQ(worker.Get(1).error().kind, ErrorKind::kNotFound);
  EXPECT_TRUE(worker.Get(2).ok());
}

TEST_F(GcWorkerTest, BySchedule_AtTheStartAndAgain) {
  AddDeletedRun("old");
  clock_.Advance(std::chrono::hours(2));
  AddDeletedRun("young");
  {
    const GcWorker worker(
        Parts(), {.every = std::chrono::milliseconds(1), .older_than = std::chrono::hours(1)});
    gate_.WaitFor(2);
  }
  EXPECT_FALSE(runs_.GetRun(RunId("old")).ok());
  EXPECT_TRUE(runs_.GetRun(RunId("young")).ok());
}

/// The routes over it.
class GcRoutesTest : public GcWorkerTest {
 protected:
  GcRoutesTest() { AddGcRoutes(router_, worker_); }
  std::pair<int, boost::json::value> Ask(const std::string& method, const std::string& path,
                                         std::string body = "") {
    http::Request request;
    request.method = method;
    request.body = std::move(body);
    http::SetTarget(request, "/api/muster/v1/tracker/gc" + path);
    http::Response answer;
    router_.Dispatch(std::move(request), [&](http::Response r) { answer = std::move(r); });
    return {answer.status, boost::json::parse(answer.body)};
  }

  GcWorker worker_{Parts()};
  http::Router router_;
};

TEST_F(GcRoutesTest, PostBegins_GetTellsUntilItIsDone) {
  EXPECT_EQ(Ask("GET", "").first, 404);
  AddDeletedRun("r");
  gate_.Set(false);
  const auto [status, begun] = Ask("POST", "", R"({"older_than_ms": 0})");
  EXPECT_EQ(status, 200);
  EXPECT_EQ(begun.at("id"), 1);
  EXPECT_EQ(begun.at("running"), true);
  gate_.WaitFor(1);
  EXPECT_EQ(Ask("POST", "").first, 409);
  EXPECT_EQ(Ask("GET", "/1").second.at("running"), true);
  gate_.Set(true);
  WaitForEnd(worker_, 1);
  const auto [found, state] = Ask("GET", "");
  EXPECT_EQ(found, 200);
  EXPECT_EQ(state.at("running"), false);
  EXPECT_EQ(state.at("report").at("runs"), 1);
  EXPECT_EQ(state.at("report").at("phase"), "done");
  EXPECT_EQ(state.as_object().if_contains("error"), nullptr);
}

TEST_F(GcRoutesTest, WhatIsWrong_IsNamed) {
  const auto [status, answer] = Ask("POST", "", R"({"keep_best": 1})");
  EXPECT_EQ(status, 400);
  EXPECT_THAT(std::string(answer.at("error").at("message").as_string()),
              testing::HasSubstr("metric"));
  EXPECT_EQ(Ask("POST", "", "{").first, 400);
  EXPECT_EQ(Ask("GET", "/7").first, 404);
  EXPECT_EQ(Ask("GET", "/x").first, 400);
  ASSERT_EQ(Ask("POST", "", R"({"runs": ["none"]})").first, 200);
  WaitForEnd(worker_, 1);
  EXPECT_EQ(Ask("GET", "/1").second.at("error").at("code"), "NOT_FOUND");
}

}  // namespace
}  // namespace muster::server
