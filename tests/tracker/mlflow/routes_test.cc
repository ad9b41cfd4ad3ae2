#include "tracker/mlflow/routes.h"

#include <gmock/gmock.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include "registry/memory_model_store.h"
#include "tracker/memory_run_store.h"
#include "tracker/run_rules.h"
#include "tracker/sqlite/artifact_store.h"

/// What MLflow's client cannot show: exact bodies and statuses, wrong requests, who is let in. Expected bodies
/// are written after what MLflow 3.18's own server answered to the same requests.

namespace muster::tracker {
namespace {

using testing::HasSubstr;

class RoutesTest : public testing::Test {
 protected:
  RoutesTest() : runs_(clock_), models_(clock_) {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "muster_routes_XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    artifacts_ = OpenLocalArtifactStore(folder_).value();
    AddMlflowRoutes(
        router_, runs_, *artifacts_, models_,
        {.fence = [this](const http::Request& request, const RunId& run) -> Result<AttemptEpoch> {
           fenced_run_ = run.value;
           if (request.BearerToken() == "old") return Fenced("attempt 3 is over");
           return AttemptEpoch(attempt_);
         },
         .actor = [](const http::Request&) { return std::string("ada"); }});
  }
  ~RoutesTest() override {
    artifacts_.reset();
    std::filesystem::remove_all(folder_);
  }

  http::Response Send(std::string method, std::string_view target, std::string body = "",
                      std::string token = "") {
    http::Request request{.method = std::move(method), .body = std::move(body)};
    http::SetTarget(request, target);
    request.headers["Content-Type"] = "application/json";
    if (!token.empty()) request.headers["Authorization"] = "Bearer " + token;
    std::optional<http::Response> answer;
    router_.Dispatch(std::move(request),
                     [&](http::Response response) { answer = std::move(response); });
    return std::move(answer).value();
  }
  /// Sends below /api/2.0/mlflow and expects this status and body.
  void Expect(std::string method, std::string_view path, std::string body, int status,
              std::string_view wanted) {
    const auto answer = Send(std::move(method), "/api/2.0/mlflow" + std::string(path), body);
    EXPECT_EQ(answer.status, status) << path << " " << body << ": " << answer.body;
    EXPECT_EQ(answer.body, boost::json::serialize(boost::json::parse(wanted))) << path;
  }
  void ExpectError(std::string method, std::string_view path, std::string body, int status,
                   std::string_view code, std::string_view message) {
    Expect(std::move(method), path, std::move(body), status,
           boost::json::serialize(boost::json::value{{"error_code", code}, {"message", message}}));
  }
  void MakeRun(std::string id) {
    runs_.CreateRun(
        {.run_id = RunId(std::move(id)), .user_id = "ada", .run_name = "r", .start_time_ms = 5},
        [](const Result<tracker::Run>& run) { ASSERT_TRUE(run.ok()); });
  }

  FakeClock clock_;
  std::filesystem::path folder_;
  MemoryRunStore runs_;
  registry::MemoryModelStore models_;
  std::unique_ptr<ArtifactStore> artifacts_;
  http::Router router_;
  std::int64_t attempt_ = 0;
  std::string fenced_run_;  ///< of the last write
};

TEST_F(RoutesTest, Experiments_BodiesAsMlflows) {
  Expect("POST", "/experiments/create", R"({"name": "e", "tags": [{"key": "k", "value": "v"}]})",
         200, R"({"experiment_id": "1"})");
  Expect("GET", "/experiments/get-by-name?experiment_name=e", "", 200,
         R"({"experiment": {"experiment_id": "1", "name": "e", "artifact_location":
             "mlflow-artifacts:/1", "lifecycle_stage": "active", "last_update_time": 1700000000000,
             "creation_time": 1700000000000, "tags": [{"key": "k", "value": "v"}],
             "workspace": "default"}})");
  ExpectError("GET", "/experiments/get-by-name?experiment_name=x", "", 404,
              "RESOURCE_DOES_NOT_EXIST", "Could not find experiment with name 'x'");
  ExpectError("POST", "/experiments/create", R"({"name": "e"})", 400, "RESOURCE_ALREADY_EXISTS",
              "Experiment(name=e) already exists.");
  ExpectError("POST", "/experiments/create", "{}", 400, "INVALID_PARAMETER_VALUE",
              "Missing value for required parameter 'name'. See the API docs for more information "
              "about request parameters.");
  Expect("POST", "/experiments/delete", R"({"experiment_id": "1"})", 200, "{}");
  ExpectError("POST", "/experiments/update", R"({"experiment_id": "1", "new_name": "f"})", 500,
              "INVALID_STATE", "Cannot rename a non-active experiment.");
  // Without max_results MLflow refuses, too.
  EXPECT_EQ(Send("POST", "/api/2.0/mlflow/experiments/search", "{}").status, 400);
}

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
             "tags": [{"key": "mlflow.runName", "value": "r"}]}, "inputs": {}}})");
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

TEST_F(RoutesTest, Fence_StaleTokensAreRefusedAndAttemptsRecorded) {
  MakeRun("abc");
  const std::string metric = R"({"run_id": "abc", "key": "m", "value": 1, "timestamp": 1})";
  const std::string tag = R"({"run_id": "abc", "key": "t"})";
  for (const auto& [path, body] : std::vector<std::pair<std::string, std::string>>{
           {"log-metric", metric},
           {"log-parameter", tag},
           {"set-tag", tag},
           {"delete-tag", tag},
           {"log-batch", R"({"run_id": "abc"})"},
           {"delete", R"({"run_id": "abc"})"},
           {"restore", R"({"run_id": "abc"})"},
           {"log-inputs", R"({"run_id": "abc"})"},
           {"outputs", R"({"run_id": "abc"})"},
           {"update", R"({"run_id": "abc", "status": "FAILED"})"}}) {
    const auto answer = Send("POST", "/api/2.0/mlflow/runs/" + path, body, "old");
    EXPECT_EQ(answer.status, 403) << path;
    EXPECT_EQ(answer.body, R"({"error_code":"PERMISSION_DENIED","message":"attempt 3 is over"})");
  }
  const tracker::Run untouched = runs_.GetRun(RunId("abc")).value();
  EXPECT_TRUE(untouched.metrics.empty());
  EXPECT_EQ(untouched.info.status, RunStatus::kRunning);
  attempt_ = 4;
  EXPECT_EQ(Send("POST", "/api/2.0/mlflow/runs/log-metric", metric, "new").status, 200);
  EXPECT_EQ(runs_.GetRun(RunId("abc"))->metrics.at(0).attempt, 4);
}

TEST_F(RoutesTest, Fence_StaleTokens_WriteNoArtifactAndNoLoggedModel) {
  MakeRun("abc");
  LoggedModel logged;
  runs_.CreateLoggedModel({.experiment_id = "0", .name = "cnn", .source_run_id = "abc"},
                          [&](Result<LoggedModel> made) { logged = made.value(); });
  const std::string models = "/api/2.0/mlflow/logged-models";
  const std::string model = models + "/" + logged.model_id;
  const std::string artifacts = "/api/2.0/mlflow-artifacts/artifacts/0/";
  const std::string of_model = artifacts + "models/" + logged.model_id + "/artifacts/f";
  ASSERT_EQ(Send("PUT", of_model, "whole").status, 200);
  for (const auto& [method, target, body] :
       std::vector<std::tuple<std::string, std::string, std::string>>{
           {"PUT", artifacts + "abc/artifacts/d/f", "stale"},
           {"DELETE", artifacts + "abc/artifacts/d/f", ""},
           {"PUT", of_model, "stale"},
           {"DELETE", of_model, ""},
           {"POST", models, R"({"experiment_id": "0", "source_run_id": "abc"})"},
           {"PATCH", model, R"({"status": "LOGGED_MODEL_READY"})"},
           {"DELETE", model, ""},
           {"PATCH", model + "/tags", R"({"tags": []})"},
           {"DELETE", model + "/tags/t", ""},
           {"POST", model + "/params", R"({"params": []})"}}) {
    fenced_run_.clear();
    EXPECT_EQ(Send(method, target, body, "old").status, 403) << method << " " << target;
    EXPECT_EQ(fenced_run_, "abc") << method << " " << target;
  }
  EXPECT_EQ(artifacts_->List("0/abc")->size(), 0U);
  EXPECT_TRUE(artifacts_->Get("0/models/" + logged.model_id + "/artifacts/f").ok());
  EXPECT_EQ(runs_.GetLoggedModel(logged.model_id)->status, "LOGGED_MODEL_PENDING");
  EXPECT_EQ(Send("DELETE", artifacts + "abc", "", "old").status, 403);
}

TEST_F(RoutesTest, Registry_BodiesAsMlflows) {
  MakeRun("abc");
  Expect("POST", "/registered-models/create", R"({"name": "m", "description": "d"})", 200,
         R"({"registered_model": {"name": "m", "creation_timestamp": 1700000000000,
             "last_updated_timestamp": 1700000000000, "description": "d"}})");
  Expect("POST", "/model-versions/create",
         R"({"name": "m", "source": "runs:/abc/model", "run_id": "abc"})", 200,
         R"({"model_version": {"name": "m", "version": "1", "creation_timestamp": 1700000000000,
             "last_updated_timestamp": 1700000000000, "user_id": "ada", "current_stage": "None",
             "description": "", "source": "runs:/abc/model", "run_id": "abc", "status": "READY",
             "run_link": ""}})");
  Expect("POST", "/registered-models/alias", R"({"name": "m", "alias": "a", "version": "1"})", 200,
         "{}");
  Expect("GET", "/model-versions/get-download-uri?name=m&version=1", "", 200,
         R"({"artifact_uri": "runs:/abc/model"})");
  ExpectError("GET", "/registered-models/alias?name=m&alias=b", "", 400, "INVALID_PARAMETER_VALUE",
              "Registered model alias b not found.");
  ExpectError("GET", "/registered-models/alias?name=x&alias=b", "", 404, "RESOURCE_DOES_NOT_EXIST",
              "Registered Model with name=x not found");
  ExpectError("GET", "/model-versions/get?name=m&version=9", "", 404, "RESOURCE_DOES_NOT_EXIST",
              "Model Version (name=m, version=9) not found");
  ExpectError("GET", "/model-versions/get?name=m&version=x", "", 400, "INVALID_PARAMETER_VALUE",
              "Parameter 'version' must be an integer, got 'x'.");
  for (const auto& [method, path] :
       std::vector<std::pair<std::string, std::string>>{{"POST", "/registered-models/alias"},
                                                        {"POST", "/model-versions/set-tag"},
                                                        {"DELETE", "/model-versions/delete-tag"}}) {
    ExpectError(method, path, R"({"name": "m", "alias": "a", "key": "a", "version": "0"})", 404,
                "RESOURCE_DOES_NOT_EXIST", "Model Version (name=m, version=0) not found");
  }
  EXPECT_EQ(models_.GetByAlias("m", "a")->version, 1);
  EXPECT_TRUE(models_.GetModel("m")->tags.empty());
  EXPECT_EQ(models_.Audit("m", 0, 1)->at(0).actor, "ada");
}

TEST_F(RoutesTest, Sources_VersionsOfVersionsLeadToTheirOrigin) {
  MakeRun("abc");
  LoggedModel logged;
  runs_.CreateLoggedModel({.experiment_id = "0", .name = "cnn", .source_run_id = "abc"},
                          [&](Result<LoggedModel> made) { logged = made.value(); });
  const std::string id = logged.model_id;
  const auto create = [&](const std::string& source, const std::string& model_id) {
    return Send("POST", "/api/2.0/mlflow/model-versions/create",
                R"({"name": "m", "source": ")" + source + R"(", "model_id": ")" + model_id + "\"}");
  };
  Send("POST", "/api/2.0/mlflow/registered-models/create", R"({"name": "m"})");
  EXPECT_THAT(create("models:/" + id, id).body, HasSubstr(R"("run_id":"abc")"));
  EXPECT_THAT(create("models:/m/1", "").body, HasSubstr(R"("source":"models:/m/1")"));
  Expect("GET", "/model-versions/get-download-uri?name=m&version=2", "", 200,
         R"({"artifact_uri": ")" + logged.artifact_uri + "\"}");
  EXPECT_EQ(create("models:/" + id, "m-other").status, 400);
  EXPECT_EQ(create(logged.artifact_uri + "/sub", id).status, 200);
  EXPECT_EQ(create("mlflow-artifacts:/0/models/other/artifacts", id).status, 400);
  EXPECT_EQ(create(logged.artifact_uri + "/%2e%2e/%2e%2e/x", id).status, 400);
  std::string deep = "x";
  for (int round = 0; round < 12; ++round) deep = http::PercentEncode("%" + deep);
  EXPECT_EQ(create(logged.artifact_uri + "/" + deep, id).status, 400);
  EXPECT_EQ(create("models:/m/99", "").status, 404);
  EXPECT_EQ(create("s3://bucket/model", "").status, 200);
}

TEST_F(RoutesTest, Artifacts_TheProxysAnswers) {
  const std::string base = "/api/2.0/mlflow-artifacts/artifacts";
  EXPECT_EQ(Send("PUT", base + "/0/abc/artifacts/d/f.txt", "hello").status, 200);
  const auto file = Send("GET", base + "/0/abc/artifacts/d/f.txt");
  EXPECT_EQ(file.status, 200);
  EXPECT_EQ(file.headers.at("content-type"), "text/plain");
  EXPECT_EQ(file.headers.at("content-disposition"), "attachment; filename=\"f.txt\"");
  EXPECT_FALSE(file.body_file.empty());
  EXPECT_EQ(Send("GET", base + "?path=0/abc/artifacts").body,
            R"({"files":[{"path":"d","is_dir":true}]})");
  EXPECT_EQ(Send("GET", base + "?path=none").body, "{}");
  const auto missing = Send("GET", base + "/none");
  EXPECT_EQ(missing.status, 404);
  EXPECT_EQ(missing.body,
            R"({"error_code":"RESOURCE_DOES_NOT_EXIST","message":"No such artifact: 'none'"})");
  EXPECT_EQ(Send("GET", base + "/0/abc/artifacts/d").status, 400);
  EXPECT_EQ(Send("PUT", base + "/a/%2e%2e/%2e%2e/etc", "x").status, 400);
  EXPECT_EQ(Send("DELETE", base + "/0/abc").status, 200);
  EXPECT_EQ(Send("GET", base + "?path=0/abc").body, "{}");
  EXPECT_EQ(Send("POST", "/api/2.0/mlflow-artifacts/mpu/create/x", "{}").status, 501);
}

TEST_F(RoutesTest, UnknownEndpoints_AnswerMlflowsError) {
  const auto answer = Send("POST", "/api/3.0/mlflow/traces", "{}");
  EXPECT_EQ(answer.status, 404);
  EXPECT_THAT(answer.body, HasSubstr(R"("error_code":"ENDPOINT_NOT_FOUND")"));
  EXPECT_EQ(Send("GET", "/version").body, "3.18.0");
  EXPECT_EQ(Send("GET", "/api/3.0/mlflow/server-info").status, 200);
}

}  // namespace
}  // namespace muster::tracker
