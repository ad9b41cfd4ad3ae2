#include "tests/tracker/mlflow/routes_fixture.h"

namespace muster::tracker {
namespace {

using testing::HasSubstr;

TEST_F(RoutesTest, Registry_BodiesAsMlflows) {
  MakeRun("abc");
  Expect("POST", "/registered-models/create", R"({"name": "m", "description": "d"})", 200,
         R"({"registered_model": {"name": "m", "creation_timestamp": 1700000000000,
             "last_updated_timestamp": 1700000000000, "description": "d"}})");
  Expect("POST", "/model-versions/create",
         R"({"name": "m", "source": "runs:/abc/model", "run_id": "abc"})", 200,
         R"({"model_version": {"name": "m", "version": "1", "creation_timestamp": 1700000000000,
             "last_updated_timestamp": 1700000000000, "current_stage": "None",
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

TEST_F(RoutesTest, Registry_VersionsOfLoggedModelsAreWrittenOnThem) {
  MakeRun("abc");
  LoggedModel logged;
  runs_.CreateLoggedModel({.experiment_id = "0", .name = "cnn", .source_run_id = "abc"},
                          [&](Result<LoggedModel> made) { logged = made.value(); });
  Send("POST", "/api/2.0/mlflow/registered-models/create", R"({"name": "m"})");
  for (int version = 1; version <= 2; ++version) {
    Send("POST", "/api/2.0/mlflow/model-versions/create",
         R"({"name": "m", "source": "models:/)" + logged.model_id + R"(", "model_id": ")" +
             logged.model_id + "\"}");
  }
  EXPECT_EQ(runs_.GetLoggedModel(logged.model_id)->tags,
            (std::vector<Tag>{{"mlflow.modelVersions",
                               R"([{"name": "m", "version": 1}, {"name": "m", "version": 2}])"}}));
}

TEST_F(RoutesTest, Registry_LatestVersionsTakeStagesInAnyCase) {
  Send("POST", "/api/2.0/mlflow/registered-models/create", R"({"name": "m"})");
  Send("POST", "/api/2.0/mlflow/model-versions/create", R"({"name": "m", "source": "s3://b/x"})");
  const std::string target = "/api/2.0/mlflow/registered-models/get-latest-versions?name=m&stages=";
  EXPECT_THAT(Send("GET", target + "none").body, HasSubstr(R"("version":"1")"));
  EXPECT_EQ(Send("GET", target + "staging").body, "{}");
  EXPECT_EQ(Send("GET", target + "x").status, 400);
}

TEST_F(RoutesTest, LoggedModels_ArtifactsAreListedBelowTheirRoot) {
  LoggedModel logged;
  runs_.CreateLoggedModel({.experiment_id = "0", .name = "cnn"},
                          [&](Result<LoggedModel> made) { logged = made.value(); });
  const std::string root = "0/models/" + logged.model_id + "/artifacts";
  ASSERT_TRUE(artifacts_->PutBytes(root + "/d/f", "abc").ok());
  const std::string path = "/logged-models/" + logged.model_id + "/artifacts/directories";
  Expect("GET", path + "?artifact_directory_path=d", "", 200,
         R"({"root_uri": "mlflow-artifacts:/)" + root +
             R"(", "files": [{"path": "d/f", "is_dir": false, "file_size": 3}]})");
  EXPECT_EQ(Send("GET", "/api/2.0/mlflow" + path + "?artifact_directory_path=..").status, 400);
}

}  // namespace
}  // namespace muster::tracker
