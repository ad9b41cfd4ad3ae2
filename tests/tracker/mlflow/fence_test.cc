#include "tests/tracker/mlflow/routes_fixture.h"

namespace muster::tracker {
namespace {

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
           {"outputs", R"({"run_id": "abc", "models": []})"},
           {"log-model",
            R"({"run_id": "abc", "model_json": "{\"artifact_path\": 1, \"run_id\": 1, )"
            R"(\"flavors\": {}, \"utc_time_created\": 1}"})"},
           {"update", R"({"run_id": "abc", "status": "FAILED"})"}}) {
    const auto answer = Send("POST", "/api/2.0/mlflow/runs/" + path, body, "old");
    EXPECT_EQ(answer.status, 403) << path;
    EXPECT_EQ(answer.body, R"({"error_code":"PERMISSION_DENIED","message":"attempt 3 is over",)"
                           R"("sqlstate":"KAM00","error_class":"PERMISSION_DENIED"})");
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
           {"PATCH", model, R"({"model_id": "m", "status": "LOGGED_MODEL_READY"})"},
           {"DELETE", model, ""},
           {"PATCH", model + "/tags", R"({"tags": []})"},
           {"DELETE", model + "/tags/t", ""},
           {"POST", model + "/params", R"({"model_id": "m", "params": []})"}}) {
    fenced_run_.clear();
    EXPECT_EQ(Send(method, target, body, "old").status, 403) << method << " " << target;
    EXPECT_EQ(fenced_run_, "abc") << method << " " << target;
  }
  EXPECT_EQ(artifacts_->List("0/abc")->size(), 0U);
  EXPECT_TRUE(artifacts_->Get("0/models/" + logged.model_id + "/artifacts/f").ok());
  EXPECT_EQ(runs_.GetLoggedModel(logged.model_id)->status, "LOGGED_MODEL_PENDING");
  EXPECT_EQ(Send("DELETE", artifacts + "abc", "", "old").status, 403);
}

}  // namespace
}  // namespace muster::tracker
