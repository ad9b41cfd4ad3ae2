#include "tests/tracker/mlflow/routes_fixture.h"
#include "tracker/run_rules.h"

namespace muster::tracker {
namespace {

using testing::HasSubstr;

TEST_F(RoutesTest, Runs_BodiesAsMlflows) {
  MakeRun("abc");
  Expect("POST", "/runs/log-metric",
         R"({"run_uuid": "abc", "key": "m", "value": "NaN", "timestamp": "7", "step": 2})", 200,
         "{}");
  Expect("POST", "/runs/log-parameter", R"({"run_id": "abc", "key": "p"})", 200, "{}");
  Expect("GET", "/runs/get?run_id=abc", "", 200,
         R"({"run": {"info": {"run_uuid": "abc", "experiment_id": "0", "run_name": "r", "user_id":
             "ada", "status": "RUNNING", "start_time": 5, "artifact_uri":
             "mlflow-artifacts:/0/abc/artifacts", "lifecycle_stage": "active", "run_id": "abc"},
             "data": {"metrics": [{"key": "m", "value": "NaN", "timestamp": 7, "step": 2}],
             "params": [{"key": "p", "value": ""}],
             "tags": [{"key": "mlflow.runName", "value": "r"}]}, "inputs": {}, "outputs": {}}})");
  Expect("GET", "/metrics/get-history?run_id=abc&metric_key=m&max_results=25000", "", 200,
         R"({"metrics": [{"key": "m", "value": "NaN", "timestamp": 7, "step": 2}]})");
  Expect("GET", "/metrics/get-history?run_id=none&metric_key=m", "", 200, "{}");
  for (const std::string view : {"1", "\"1\"", "\"ACTIVE_ONLY\""}) {
    const auto found = Send("POST", "/api/2.0/mlflow/runs/search",
                            R"({"experiment_ids": ["0"], "run_view_type": )" + view + "}");
    EXPECT_THAT(found.body, HasSubstr(R"("run_id":"abc")")) << view;
  }
  ExpectError("GET", "/runs/get?run_id=nope", "", 404, "RESOURCE_DOES_NOT_EXIST",
              "Run with id=nope not found");
  ExpectError("POST", "/runs/log-metric",
              R"({"run_id": "abc", "key": "bad,name", "value": 1, "timestamp": 1})", 400,
              "INVALID_PARAMETER_VALUE",
              "Invalid value \"bad,name\" for parameter 'name' supplied: Names may only contain "
              "alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and "
              "slashes (/).");
  ExpectError("POST", "/runs/log-batch", R"({"run_id": "abc", "metrics": [{"key": "m"}]})", 400,
              "INVALID_PARAMETER_VALUE",
              "Missing value for required parameter 'metrics[0].value'. See the API docs for more "
              "information about request parameters.");
  const auto updated = Send("POST", "/api/2.0/mlflow/runs/update",
                            R"({"run_id": "abc", "status": "FINISHED", "end_time": 9})");
  EXPECT_THAT(updated.body, HasSubstr(R"("status":"FINISHED","start_time":5,"end_time":9)"));
}

TEST_F(RoutesTest, History_WithoutMaxResults_IsWhole) {
  MakeRun("abc");
  Batch batch;
  for (int step = 0; step <= kMaxHistoryPage; ++step) {
    batch.metrics.push_back({.key = "m", .timestamp_ms = step, .step = step});
  }
  runs_.LogBatch(RunId("abc"), std::move(batch),
                 [](const Status& status) { ASSERT_TRUE(status.ok()); });
  const std::string target = "/api/2.0/mlflow/metrics/get-history?run_id=abc&metric_key=m";
  const auto whole = boost::json::parse(Send("GET", target).body);
  EXPECT_EQ(whole.at("metrics").as_array().size(), 25'001U);
  EXPECT_FALSE(whole.as_object().contains("next_page_token"));
  const auto page = boost::json::parse(Send("GET", target + "&max_results=2").body);
  EXPECT_EQ(page.at("metrics").as_array().size(), 2U);
  EXPECT_TRUE(page.as_object().contains("next_page_token"));
}

TEST_F(RoutesTest, LogBatch_RefusesInMlflowsOrderAndWords) {
  MakeRun("abc");
  const auto refused = [&](std::string body, std::string_view message) {
    ExpectError("POST", "/runs/log-batch", std::move(body), 400, "INVALID_PARAMETER_VALUE",
                message);
  };
  std::string many;
  for (int i = 0; i < 101; ++i) {
    many += std::string(i ? "," : "") + R"({"key": "p)" + std::to_string(i) + "\"}";
  }
  refused(R"({"run_id": "x y"})", "Invalid value \"x y\" for parameter 'run_id' supplied.");
  refused(R"({"run_id": "abc", "params": [)" + many + R"(], "tags": [{"key": "."}]})",
          "Invalid value \".\" for parameter 'tags[0].key' supplied: Names may be treated as files "
          "in certain cases, and must not resolve to other names when treated as such. This name "
          "would resolve to '.'");
  refused(R"({"run_id": "abc", "params": [)" + many + R"(, {"key": "p0"}]})",
          "A batch logging request can contain at most 100 params. Got 102 params. Please split up "
          "params across multiple requests and try again.");
  refused(R"({"run_id": "abc", "params": [{"key": "it's"}, {"key": "a"}, {"key": "a"}]})",
          "Invalid value \"it's\" for parameter 'params[0].key' supplied: Names may only contain "
          "alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and "
          "slashes (/).");
  refused(R"({"run_id": "abc", "params": [{"key": "a"}, {"key": "a"}]})",
          "Duplicate parameter keys have been submitted: ['a']. Please ensure the request contains "
          "only one param value per param key.");
  refused(R"({"run_id": "abc", "metrics": [{"key": "m", "value": 1, "timestamp": -1}]})",
          "Invalid value -1 for parameter 'metrics[0].timestamp' supplied: metric 'm' (value=1.0). "
          "Timestamp must be a nonnegative long (64-bit integer) ");
  refused(R"({"run_id": "abc", "metrics": [{"key": "m", "value": 1, "timestamp": 1,
              "dataset_name": "d"}]})",
          "Both dataset_name and dataset_digest must be provided if one is provided");
}

TEST_F(RoutesTest, LogModel_GrowsTheRunsTag) {
  MakeRun("abc");
  const std::string body =
      R"({"run_id": "abc", "model_json": "{\"artifact_path\": \"m\", \"flavors\": {}, )"
      R"(\"run_id\": \"abc\", \"utc_time_created\": \"now\"}"})";
  Expect("POST", "/runs/log-model", body, 200, "{}");
  Expect("POST", "/runs/log-model", body, 200, "{}");
  const std::string one =
      R"({"run_id": "abc", "artifact_path": "m", "utc_time_created": "now", "model_uuid": null, )"
      R"("flavors": {}})";
  const tracker::Run run = runs_.GetRun(RunId("abc")).value();
  ASSERT_EQ(run.tags.size(), 2U);
  EXPECT_EQ(run.tags.at(0), (Tag{"mlflow.log-model.history", "[" + one + ", " + one + "]"}));
}

TEST_F(RoutesTest, Runs_KeepTheirNameRatherThanHaveNone) {
  MakeRun("abc");
  Send("POST", "/api/2.0/mlflow/runs/update", R"({"run_id": "abc", "run_name": ""})");
  Send("POST", "/api/2.0/mlflow/runs/set-tag",
       R"({"run_id": "abc", "key": "mlflow.runName", "value": ""})");
  EXPECT_EQ(runs_.GetRun(RunId("abc"))->info.run_name, "r");
  EXPECT_EQ(runs_.GetRun(RunId("abc"))->tags, (std::vector<Tag>{{"mlflow.runName", "r"}}));
}

TEST_F(RoutesTest, Runs_AnUnknownStatus_IsRefusedAsANumberOnly) {
  MakeRun("abc");
  ExpectError(
      "POST", "/runs/update", R"({"run_id": "abc", "status": 0})", 400, "INVALID_PARAMETER_VALUE",
      "Invalid value 0 for parameter 'status' supplied:  Hint: Value was of type 'int'. See "
      "the API docs for more information about request parameters.");
  EXPECT_EQ(
      Send("POST", "/api/2.0/mlflow/runs/update", R"({"run_id": "abc", "status": "x"})").status,
      200);
}

TEST_F(RoutesTest, Runs_AnInputWithoutDataset_IsOneWithoutName) {
  MakeRun("abc");
  Expect("POST", "/runs/log-inputs", R"({"run_id": "abc", "datasets": [{"tags": []}]})", 200, "{}");
  const auto run = runs_.GetRun(RunId("abc"));
  ASSERT_EQ(run->dataset_inputs.size(), 1U);
  EXPECT_EQ(run->dataset_inputs[0].dataset.name, "");
}

}  // namespace
}  // namespace muster::tracker
