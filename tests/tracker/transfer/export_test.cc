#include "tracker/transfer/export.h"

#include <gmock/gmock.h>

#include <future>

#include "runtime/base/clock.h"
#include "tracker/memory_run_store.h"
#include "tracker/transfer/export_routes.h"
#include "tracker/transfer/pipe_body.h"

namespace muster::tracker {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class ExportTest : public testing::Test {
 protected:
  ExportTest() {
    store_.CreateRun(
        {.run_id = RunId("a"), .user_id = "ann", .run_name = "first", .start_time_ms = 2},
        [](auto) {});
    store_.CreateRun({.run_id = RunId("b"), .run_name = "second", .start_time_ms = 1}, [](auto) {});
    Log("a", {.metrics = {{.key = "loss", .value = 0.5, .timestamp_ms = 1, .step = 0},
                          {.key = "loss", .value = 0.25, .timestamp_ms = 2, .step = 1}},
              .params = {{"lr", "0.1"}}});
    store_.UpdateRun(RunId("a"), {.status = RunStatus::kFinished, .end_time_ms = 9}, [](auto) {});
    AddExportRoutes(router_, store_);
  }

  void Log(const char* run, Batch batch) {
    store_.LogBatch(RunId(run), std::move(batch),
                    [](const Status& status) { ASSERT_TRUE(status.ok()); });
  }
  std::string Csv(ExportTable table, const ExportQuery& query = {}) {
    std::string text;
    const Status status =
        Export(store_, table, ExportFormat::kCsv, query, [&](const std::string& piece) -> Status {
          text += piece;
          return Ok();
        });
    return status.ok() ? text : "error: " + status.error().message;
  }
  /// The answer with its body read.
  http::Response Get(std::string_view target) {
    http::Request request{.method = "GET"};
    http::SetTarget(request, target);
    std::promise<http::Response> promise;
    router_.Dispatch(std::move(request),
                     [&](http::Response response) { promise.set_value(std::move(response)); });
    http::Response response = promise.get_future().get();
    if (response.source == nullptr) return response;
    while (true) {
      const auto piece = response.source->Next();
      if (!piece) break;
      response.body += *piece;
      if (piece->empty()) std::this_thread::yield();
    }
    return response;
  }

  FakeClock clock_;
  MemoryRunStore store_{clock_};
  http::Router router_;
};

TEST_F(ExportTest, Tables_AsCsv) {
  EXPECT_EQ(Csv(ExportTable::kRuns),
            "run_id,experiment_id,name,user,status,lifecycle,start_ms,end_ms,artifact_uri\r\n"
            "a,0,first,ann,FINISHED,active,2,9,mlflow-artifacts:/0/a/artifacts\r\n"
            "b,0,second,\"\",RUNNING,active,1,,mlflow-artifacts:/0/b/artifacts\r\n");
  EXPECT_EQ(Csv(ExportTable::kParams), "run_id,key,value\r\na,lr,0.1\r\n");
  EXPECT_THAT(Csv(ExportTable::kTags), HasSubstr("b,mlflow.runName,second\r\n"));
  EXPECT_EQ(Csv(ExportTable::kLatest), "run_id,key,value,timestamp_ms,step\r\na,loss,0.25,2,1\r\n");
  EXPECT_EQ(Csv(ExportTable::kMetrics),
            "run_id,key,value,timestamp_ms,step\r\na,loss,0.5,1,0\r\na,loss,0.25,2,1\r\n");
}

TEST_F(ExportTest, FilterAndViewChooseRuns) {
  EXPECT_EQ(Csv(ExportTable::kLatest, {.filter = "metrics.loss > 1"}),
            "run_id,key,value,timestamp_ms,step\r\n");
  EXPECT_THAT(Csv(ExportTable::kRuns, {.filter = "nonsense"}), StartsWith("error: "));
  store_.SetRunDeleted(RunId("b"), true, [](const Status&) {});
  EXPECT_THAT(Csv(ExportTable::kRuns), testing::Not(HasSubstr("second")));
  EXPECT_THAT(Csv(ExportTable::kRuns, {.view = ViewType::kDeletedOnly}),
              HasSubstr("b,0,second,\"\",RUNNING,deleted"));
}

TEST_F(ExportTest, MoreThanAPage_EveryPointOnce) {
  constexpr int kPoints = 30'000;
  Batch batch;
  for (int i = 0; i < kPoints; ++i) {
    batch.metrics.push_back({.key = "x", .value = 1.0 * i, .timestamp_ms = i, .step = i});
  }
  Log("b", std::move(batch));
  const std::string text = Csv(ExportTable::kMetrics);
  EXPECT_EQ(std::ranges::count(text, '\n'), 1 + 2 + kPoints);
  EXPECT_THAT(text, HasSubstr("b,x,29999,29999,29999\r\n"));
}

TEST_F(ExportTest, AFailingSinkEndsIt) {
  int pieces = 0;
  const Status status = Export(store_, ExportTable::kRuns, ExportFormat::kArrow, {},
                               [&](const std::string&) -> Status {
                                 ++pieces;
                                 return Unavailable("gone");
                               });
  EXPECT_EQ(status.error(), Unavailable("gone"));
  EXPECT_EQ(pieces, 1);
}

TEST_F(ExportTest, Routes_AnswerTheTable) {
  const auto response = Get("/api/muster/v1/export/latest.csv?filter=metrics.loss%20%3C%201");
  EXPECT_EQ(response.status, 200);
  EXPECT_THAT(response.headers.at("Content-Type"), StartsWith("text/csv"));
  EXPECT_EQ(response.body, Csv(ExportTable::kLatest));
  EXPECT_TRUE(response.source->whole());
  EXPECT_THAT(Get("/api/muster/v1/export/runs.arrow").body, testing::EndsWith("ARROW1"));
}

TEST_F(ExportTest, Routes_RefuseWhatIsWrong) {
  for (const char* name : {"runs", "runs.json", "nothing.csv", ".csv", "runs.csv.gz"}) {
    EXPECT_EQ(Get(std::string("/api/muster/v1/export/") + name).status, 404) << name;
  }
  EXPECT_EQ(Get("/api/muster/v1/export/runs.csv?filter=nonsense").status, 400);
  EXPECT_EQ(Get("/api/muster/v1/export/runs.csv?view=SOME").status, 400);
  EXPECT_EQ(Get("/api/muster/v1/export/runs.csv?experiment_ids=abc").status, 400);
}

TEST_F(ExportTest, Routes_AreBounded_AndATurnEndsWithItsBody) {
  http::Request request{.method = "GET"};
  http::SetTarget(request, "/api/muster/v1/export/runs.csv");
  std::vector<http::Response> held;
  const auto ask = [&] {
    router_.Dispatch(request,
                     [&](http::Response response) { held.push_back(std::move(response)); });
  };
  for (int i = 0; i <= kMostExports; ++i) ask();
  EXPECT_EQ(held.back().status, 503);
  EXPECT_EQ(held.front().status, 200);
  held.clear();
  ask();
  EXPECT_EQ(held.back().status, 200);
}

TEST(PipeBody, TheMakerWaitsForTheClient_AndEndsWhenItGoes) {
  std::promise<Status> refused;
  int made = 0;
  {
    PipeBody body([&](const PipeBody::Sink& sink) -> Status {
      while (true) {
        const Status put = sink("piece");
        if (!put.ok()) {
          refused.set_value(put);
          return put;
        }
        ++made;
      }
    });
    EXPECT_TRUE(body.WaitForFirst().ok());
    EXPECT_EQ(body.Next(), "piece");
  }
  EXPECT_EQ(refused.get_future().get().error().kind, ErrorKind::kUnavailable);
  EXPECT_LE(made, static_cast<int>(PipeBody::kMostPieces) + 1);
}

TEST(PipeBody, AnErrorBeforeTheFirstPieceIsTheAnswer_AfterItTheBodyIsNotWhole) {
  PipeBody refused([](const PipeBody::Sink&) -> Status { return Invalid("no"); });
  EXPECT_EQ(refused.WaitForFirst().error(), Invalid("no"));
  PipeBody broken([](const PipeBody::Sink& sink) -> Status {
    MUSTER_RETURN_IF_ERROR(sink("half"));
    throw std::runtime_error("lost");
  });
  EXPECT_TRUE(broken.WaitForFirst().ok());
  std::string text;
  while (const auto piece = broken.Next()) text += *piece;
  EXPECT_EQ(text, "half");
  EXPECT_FALSE(broken.whole());
}

}  // namespace
}  // namespace muster::tracker
