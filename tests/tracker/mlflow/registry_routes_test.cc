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
                R"({"name": "m", "source": ")" + source + "\"" +
                    (model_id.empty() ? "" : R"(, "model_id": ")" + model_id + "\"") + "}");
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

/// An experiment whose runs and models are in local folders.
class LocalSources : public RoutesTest {
 protected:
  LocalSources() {
    const std::string root = "file://" + folder_.string() + "/root";
    Send("POST", "/api/2.0/mlflow/experiments/create",
         R"({"name": "local", "artifact_location": ")" + root + "\"}");
    runs_.CreateRun({.run_id = RunId("abc"), .experiment_id = "1"}, [](const auto&) {});
    runs_.CreateLoggedModel({.experiment_id = "1", .name = "cnn"},
                            [&](Result<LoggedModel> made) { logged_ = made.value(); });
    Send("POST", "/api/2.0/mlflow/registered-models/create", R"({"name": "m"})");
  }
  /// The status and the body of a version from `source`; `origin` is R"("run_id": "abc")" or so.
  std::pair<int, std::string> Create(const std::string& source, const std::string& origin) {
    const auto answer = Send("POST", "/api/2.0/mlflow/model-versions/create",
                             R"({"name": "m", "source": ")" + source + "\"" + origin + "}");
    return {answer.status, answer.body};
  }

  LoggedModel logged_;
  const std::string of_run_ = R"(, "run_id": "abc")";
};

TEST_F(LocalSources, InsideTheRunsFolderOnly) {
  const std::string inside = folder_.string() + "/root/abc/artifacts";
  for (const std::string& source :
       {inside, "file://" + inside, inside + "/model", inside + "/.", inside + "/m/.."}) {
    EXPECT_EQ(Create(source, of_run_).first, 200) << source;
  }
  const auto refused = [&](const std::string& source, const std::string& origin) {
    const auto [status, body] = Create(source, origin);
    EXPECT_EQ(status, 400) << source;
    return body;
  };
  EXPECT_THAT(refused(inside, ""), HasSubstr("source: '" + inside + "'. To use a local path"));
  EXPECT_THAT(refused(inside + "/../x", of_run_), HasSubstr("/root/abc/x'. To use a local path"));
  EXPECT_THAT(refused(inside + "x", of_run_), HasSubstr("To use a local path"));
  EXPECT_THAT(refused("here", of_run_),
              HasSubstr("'" + folder_.string() + "/here'. To use a local"));
  EXPECT_THAT(refused(inside, R"(, "run_id": "none")"), HasSubstr("must identify the resource"));
}

TEST_F(LocalSources, ALinkOutOfTheRunsFolderIsFollowed) {
  const std::filesystem::path inside = folder_ / "root/abc/artifacts";
  std::filesystem::create_directories(inside);
  std::filesystem::create_directory_symlink("/", inside / "link");
  EXPECT_EQ(Create((inside / "link/etc").string(), of_run_).first, 400);
}

TEST_F(LocalSources, InsideTheLoggedModelsFolderOnly) {
  const std::string of_model = R"(, "model_id": ")" + logged_.model_id + "\"";
  EXPECT_EQ(Create(logged_.artifact_uri, of_model).first, 200);
  EXPECT_EQ(Create(logged_.artifact_uri + "/../x", of_model).first, 400);
  EXPECT_EQ(Create(logged_.artifact_uri, R"(, "model_id": "m-none")").first, 400);
}

TEST_F(LocalSources, AFileOfAnotherHost_IsMlflowsInternalError) {
  const auto [status, body] = Create("file://h/x", of_run_);
  EXPECT_EQ(status, 500);
  EXPECT_THAT(body, HasSubstr("is not a valid remote uri"));
}

TEST_F(LocalSources, OriginsThatAreNamedMustBeThoseOfTheVersion) {
  ASSERT_EQ(Create("s3://b/x", of_run_).first, 200);
  EXPECT_EQ(Create("models:/m/1", of_run_).first, 200);
  EXPECT_EQ(Create("models:/m/latest", "").first, 200);
  EXPECT_THAT(Create("models:/m/1", R"(, "run_id": "")").second,
              HasSubstr("must match the referenced model version"));
  EXPECT_THAT(Create("models:/none/1", "").second,
              HasSubstr("Registered Model with name=none not found"));
}

TEST_F(RoutesTest, Registry_DownloadUriAndAliasChecks) {
  ExpectError("GET", "/model-versions/get-download-uri?version=1", "", 400,
              "INVALID_PARAMETER_VALUE", "Missing value for required parameter 'name'.");
  ExpectError("GET", "/model-versions/get-download-uri?name=m", "", 400, "INVALID_PARAMETER_VALUE",
              "Parameter 'version' must be an integer, got ''.");
  ExpectError(
      "POST", "/registered-models/alias", R"({"name": "m", "alias": "a b", "version": "-1"})", 400,
      "INVALID_PARAMETER_VALUE",
      "Invalid alias name: 'a b'. Names may only contain alphanumerics, underscores (_), and "
      "dashes (-).");
  ExpectError("POST", "/model-versions/transition-stage",
              R"({"name": "m", "version": "x", "stage": "x", "archive_existing_versions": true})",
              400, "INVALID_PARAMETER_VALUE",
              "Invalid Model Version stage: x. Value must be one of None, Staging, Production, "
              "Archived.");
  ExpectError("GET", "/model-versions/get?name=a/b&version=x", "", 400, "INVALID_PARAMETER_VALUE",
              "Invalid model name 'a/b'. Names cannot contain '/' or ':'.");
  ExpectError("DELETE", "/registered-models/delete-tag",
              R"({"name": "none", "key": ")" + std::string(251, 'a') + "\"}", 404,
              "RESOURCE_DOES_NOT_EXIST", "Registered Model with name=none not found");
}

TEST_F(RoutesTest, Registry_AVersionOutlivesItsLoggedModel) {
  const LoggedModel logged = MakeLoggedModel("cnn");
  Send("POST", "/api/2.0/mlflow/registered-models/create", R"({"name": "m"})");
  Send("POST", "/api/2.0/mlflow/model-versions/create",
       R"({"name": "m", "source": "models:/)" + logged.model_id + R"(", "model_id": ")" +
           logged.model_id + "\"}");
  Send("DELETE", "/api/2.0/mlflow/logged-models/" + logged.model_id);
  Expect("GET", "/model-versions/get-download-uri?name=m&version=1", "", 200,
         R"({"artifact_uri": ")" + logged.artifact_uri + "\"}");
}

TEST_F(RoutesTest, Registry_TheLatestOfNoVersion_IsNotFound) {
  Send("POST", "/api/2.0/mlflow/registered-models/create", R"({"name": "m"})");
  ExpectError("GET", "/registered-models/alias?name=m&alias=latest", "", 404,
              "RESOURCE_DOES_NOT_EXIST", "Latest version not found for model m.");
}

TEST_F(RoutesTest, LoggedModels_WhatThePathAloneSays) {
  const std::string id = MakeLoggedModel("cnn").model_id;
  ExpectError("PATCH", "/logged-models/m-none", R"({"model_id": "m-none", "status": ""})", 400,
              "INVALID_PARAMETER_VALUE",
              "Missing value for required parameter 'status'. See the API docs for more "
              "information about request parameters.");
  ExpectError("DELETE", "/logged-models/" + id + "/tags/a%09b", "{}", 404,
              "RESOURCE_DOES_NOT_EXIST",
              "No tag with key 'a\\tb' found for model with ID '" + id + "'.");
  ExpectError("DELETE", "/logged-models/" + id + "/tags/a", R"({"tag_key": "a", "tagKey": "a"})",
              404, "RESOURCE_DOES_NOT_EXIST",
              "No tag with key 'a' found for model with ID '" + id + "'.");
  ExpectError("POST", "/logged-models", R"({"experiment_id": "0", "name": "it's"})", 400,
              "INVALID_PARAMETER_VALUE",
              "Invalid model name (\"it's\") provided. Model name must be a non-empty string and "
              "cannot contain the following characters: ('/', ':', '.', '%', '\"', \"'\")");
}

TEST_F(RoutesTest, LoggedModels_PageTokensAreOfOneSearch) {
  for (const char* name : {"a", "b", "c"}) MakeLoggedModel(name);
  const auto search = [&](const std::string& more) {
    return boost::json::parse(Send("POST", "/api/2.0/mlflow/logged-models/search",
                                   R"({"experiment_ids": ["0"], "max_results": 2)" + more + "}")
                                  .body);
  };
  const auto first = search("");
  const std::string token(first.at("next_page_token").as_string());
  const auto second = search(R"(, "page_token": ")" + token + "\"");
  EXPECT_EQ(second.at("models").as_array().size(), 1U);
  EXPECT_FALSE(second.as_object().contains("next_page_token"));
  EXPECT_THAT(
      boost::json::serialize(search(R"(, "filter": "name = 'a'", "page_token": ")" + token + "\"")),
      HasSubstr("Filter string in the page token does not match"));
}

}  // namespace
}  // namespace muster::tracker
