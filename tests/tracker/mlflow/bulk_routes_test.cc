#include "tests/tracker/mlflow/routes_fixture.h"

namespace muster::tracker {
namespace {

constexpr const char* kInvalidCode = "INVALID_PARAMETER_VALUE";

class BulkRoutesTest : public RoutesTest {
 protected:
  BulkRoutesTest() {
    for (const char* run : {"b", "a"}) {
      MakeRun(run);
      Batch batch;
      for (int step = 0; step < 3; ++step)
        batch.metrics.push_back({.key = "m", .value = 0.5, .timestamp_ms = 9 - step, .step = step});
      runs_.LogBatch(RunId(run), std::move(batch),
                     [](const Status& status) { ASSERT_TRUE(status.ok()); });
    }
  }
  http::Response Ajax(const std::string& path) {
    return Send("GET", "/ajax-api/2.0/mlflow/metrics/" + path);
  }
};

TEST_F(BulkRoutesTest, HistoryBulk_IsByRunThenTime) {
  const auto answer = Ajax("get-history-bulk?run_id=b&run_id=a&metric_key=m&max_results=4");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body,
            R"({"metrics":[{"key":"m","value":0.5,"timestamp":7,"step":2,"run_id":"a"},)"
            R"({"key":"m","value":0.5,"timestamp":8,"step":1,"run_id":"a"},)"
            R"({"key":"m","value":0.5,"timestamp":9,"step":0,"run_id":"a"},)"
            R"({"key":"m","value":0.5,"timestamp":7,"step":2,"run_id":"b"}]})");
  EXPECT_EQ(Ajax("get-history-bulk?run_id=a&metric_key=none").body, R"({"metrics":[]})");
  // Only its pages' API has it.
  EXPECT_EQ(Send("GET", "/api/2.0/mlflow/metrics/get-history-bulk?run_id=a&metric_key=m").status,
            404);
}

TEST_F(BulkRoutesTest, HistoryBulkInterval_IsASampleByStep) {
  const auto answer = Ajax("get-history-bulk-interval?run_ids=b&metric_key=m&max_results=2");
  EXPECT_EQ(answer.body,
            R"({"metrics":[{"key":"m","value":0.5,"timestamp":9,"step":0,"run_id":"b"},)"
            R"({"key":"m","value":0.5,"timestamp":7,"step":2,"run_id":"b"}]})");
  const auto range =
      Ajax("get-history-bulk-interval?run_ids=a&metric_key=m&start_step=1&end_step=1");
  EXPECT_EQ(range.body,
            R"({"metrics":[{"key":"m","value":0.5,"timestamp":8,"step":1,"run_id":"a"}]})");
  EXPECT_EQ(Ajax("get-history-bulk-interval?run_ids=a&metric_key=none").body, "{}");
}

TEST_F(BulkRoutesTest, WrongOnes_AreRefusedInMlflowsWords) {
  std::string many = "run_id=r";
  for (int i = 0; i < 100; ++i) many += "&run_id=r";
  const std::string interval = "/metrics/get-history-bulk-interval?run_ids=a&metric_key=m";
  ExpectError("GET", interval + "&start_step=1", "", 400, kInvalidCode,
              "If either start step or end step are specified, both must be specified.");
  ExpectError("GET", interval + "&start_step=2&end_step=1", "", 400, kInvalidCode,
              "end_step must be greater than start_step. Found start_step=2 and end_step=1.");
  ExpectError("GET", interval + "&max_results=2501", "", 400, kInvalidCode,
              "max_results must be between 1 and 2500.");
  ExpectError("GET", "/metrics/get-history-bulk-interval?run_ids=none&metric_key=m", "", 404,
              "RESOURCE_DOES_NOT_EXIST", "Run with id=none not found");
  const auto error = [&](const std::string& path) {
    return std::string(
        boost::json::parse(Ajax("get-history-bulk?" + path).body).at("message").as_string());
  };
  EXPECT_EQ(error("metric_key=m"),
            "GetMetricHistoryBulk request must specify at least one run_id.");
  EXPECT_EQ(error("run_id=a"), "GetMetricHistoryBulk request must specify a metric_key.");
  EXPECT_EQ(error(many + "&metric_key=m"),
            "GetMetricHistoryBulk request cannot specify more than 100 run_ids. Received 101 "
            "run_ids.");
}

TEST_F(BulkRoutesTest, SearchDatasets_AnswersSummaries) {
  runs_.LogInputs(RunId("a"), {{{.name = "d", .digest = "1"}, {{"mlflow.data.context", "train"}}}},
                  {}, [](const Status& status) { ASSERT_TRUE(status.ok()); });
  Expect("POST", "/experiments/search-datasets", R"({"experiment_ids": ["0"]})", 200,
         R"({"dataset_summaries": [{"experiment_id": "0", "name": "d", "digest": "1",
             "context": "train"}]})");
  ExpectError("POST", "/experiments/search-datasets", "{}", 400, kInvalidCode,
              "SearchDatasets request must specify at least one experiment_id.");
}

}  // namespace
}  // namespace muster::tracker
