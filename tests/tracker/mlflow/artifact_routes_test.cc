#include "runtime/base/sha256.h"
#include "tests/tracker/mlflow/routes_fixture.h"
#include "tracker/files/folder_store.h"
#include "tracker/mlflow/artifact_answer.h"

namespace muster::tracker {
namespace {

using testing::HasSubstr;

TEST_F(RoutesTest, Artifacts_TheProxysAnswers) {
  const std::string base = "/api/2.0/mlflow-artifacts/artifacts";
  EXPECT_EQ(Send("PUT", base + "/0/abc/artifacts/d/f.txt", "hello").status, 200);
  const auto file = Send("GET", base + "/0/abc/artifacts/d/f.txt");
  EXPECT_EQ(file.status, 200);
  EXPECT_EQ(file.headers.at("content-type"), "text/plain");
  EXPECT_EQ(file.headers.at("content-disposition"), "attachment; filename=f.txt");
  EXPECT_EQ(file.headers.at("etag"), '"' + Sha256Hex("hello") + '"');
  EXPECT_FALSE(file.body_file.empty());
  EXPECT_EQ(Send("GET", base + "?path=0/abc/artifacts").body,
            R"({"files":[{"path":"d","is_dir":true}]})");
  EXPECT_EQ(Send("GET", base + "?path=none").body, "{}");
  const auto missing = Send("GET", base + "/none");
  EXPECT_EQ(missing.status, 404);
  EXPECT_EQ(missing.body,
            R"({"error_code":"RESOURCE_DOES_NOT_EXIST","message":"No such artifact: 'none'",)"
            R"("sqlstate":"KAM00","error_class":"RESOURCE_NOT_FOUND"})");
  EXPECT_EQ(Send("GET", base + "/0/abc/artifacts/d").status, 400);
  EXPECT_EQ(Send("PUT", base + "/a/%2e%2e/%2e%2e/etc", "x").status, 400);
  EXPECT_EQ(Send("DELETE", base + "/0/abc").status, 200);
  EXPECT_EQ(Send("GET", base + "?path=0/abc").body, "{}");
}

TEST_F(RoutesTest, Artifacts_TheFenceSeesTheFileHoweverItsPathIsWritten) {
  const std::string base = "/api/2.0/mlflow-artifacts/artifacts";
  for (const char* path : {"/0/abc/artifacts/f", "/0/./abc//artifacts/f", "/0/%2561bc/artifacts/f",
                           "/%2e/0/abc/x/../artifacts/f"}) {
    fenced_run_ = "";
    const int status = Send("PUT", base + path, "x", "old").status;
    EXPECT_TRUE(status == 400 || (status == 403 && fenced_run_ == "abc")) << path << " " << status;
  }
  EXPECT_EQ(Send("GET", base + "?path=0").body, "{}");
}

TEST_F(RoutesTest, Artifacts_ListedBelowTheirRun) {
  MakeRun("r1");
  const std::string file = "/api/2.0/mlflow-artifacts/artifacts/0/r1/artifacts/d/f.txt";
  ASSERT_EQ(Send("PUT", file, "hello").status, 200);
  Expect("GET", "/artifacts/list?run_id=r1&path=d", "", 200,
         R"({"root_uri": "mlflow-artifacts:/0/r1/artifacts",
             "files": [{"path": "d/f.txt", "is_dir": false, "file_size": 5}]})");
  Expect("GET", "/artifacts/list?run_id=r1", "", 200,
         R"({"root_uri": "mlflow-artifacts:/0/r1/artifacts",
             "files": [{"path": "d", "is_dir": true}]})");
  ExpectError("GET", "/artifacts/list?run_id=r1&path=../x", "", 400, "INVALID_PARAMETER_VALUE",
              "Invalid path");
}

TEST_F(RoutesTest, GetArtifact_OfARunAModelAndAVersion) {
  MakeRun("r1");
  const LoggedModel model = MakeLoggedModel("m");
  const std::string proxy = "/api/2.0/mlflow-artifacts/artifacts/0/";
  ASSERT_EQ(Send("PUT", proxy + "r1/artifacts/d/f.json", "{}").status, 200);
  ASSERT_EQ(Send("PUT", proxy + "models/" + model.model_id + "/artifacts/MLmodel", "a: b").status,
            200);
  const auto of_run = Send("GET", "/get-artifact?run_uuid=r1&path=d%2Ff.json");
  EXPECT_EQ(of_run.status, 200);
  EXPECT_EQ(of_run.headers.at("Content-Type"), "text/plain");
  EXPECT_EQ(of_run.headers.at("Content-Disposition"), "attachment; filename=f.json");
  EXPECT_THAT(Send("GET", "/get-artifact?run_id=r1&path=d").body,
              HasSubstr("refers to a directory, not a file: '0/r1/artifacts/d'"));
  EXPECT_EQ(Send("GET", "/get-artifact?run_id=r1&path=../../x").status, 400);
  EXPECT_EQ(Send("GET", "/get-artifact?run_id=r1").status, 400);
  EXPECT_THAT(Send("GET", "/get-artifact?path=x").body, HasSubstr("Run with id=None not found"));

  const std::string logged = "/ajax-api/2.0/mlflow/logged-models/" + model.model_id + "/artifacts";
  EXPECT_EQ(Send("GET", logged + "/files?artifact_file_path=MLmodel").status, 200);
  EXPECT_EQ(Send("GET", logged + "/files?artifact_file_path=x").status, 404);
  EXPECT_THAT(Send("GET", logged + "/directories").body, HasSubstr(R"("path":"MLmodel")"));

  Send("POST", "/api/2.0/mlflow/registered-models/create", R"({"name": "reg"})");
  ASSERT_EQ(Send("POST", "/api/2.0/mlflow/model-versions/create",
                 R"({"name": "reg", "source": "models:/)" + model.model_id + R"(", "model_id": ")" +
                     model.model_id + "\"}")
                .status,
            200);
  const std::string version = "/model-versions/get-artifact?name=reg&version=1&path=MLmodel";
  EXPECT_FALSE(Send("GET", version).body_file.empty());
  EXPECT_THAT(Send("GET", version + "&presigned=true").body, HasSubstr(R"("file_size":4)"));
  EXPECT_EQ(Send("GET", "/model-versions/get-artifact?name=no&version=1&path=x").status, 404);
  EXPECT_EQ(Send("GET", "/model-versions/get-artifact?name=reg&version=x&path=x").status, 404);
}

TEST_F(RoutesTest, UploadArtifact_TheTextsOfMlflow) {
  MakeRun("r1");
  const auto upload = [&](std::string_view query, std::string body) {
    return Send("POST", "/ajax-api/2.0/mlflow/upload-artifact" + std::string(query),
                std::move(body));
  };
  EXPECT_EQ(upload("?run_id=r1&path=d/f.txt", "hello").status, 200);
  EXPECT_EQ(artifacts_->List("0/r1/artifacts/d")->at(0).size, 5);
  EXPECT_EQ(fenced_run_, "r1");
  EXPECT_THAT(upload("?path=f", "x").body, HasSubstr("Request must specify run_id or run_uuid."));
  EXPECT_THAT(upload("?run_id=r1", "x").body, HasSubstr("Request must specify path."));
  EXPECT_THAT(upload("?run_id=r1&path=f", "").body, HasSubstr("Request must specify data."));
  EXPECT_THAT(upload("?run_id=r1&path=../f", "x").body, HasSubstr("Invalid path"));
  EXPECT_THAT(upload("?run_id=r1&path=f", std::string((10 << 20) + 1, 'x')).body,
              HasSubstr("Artifact size is too large. Max size is 10MB."));
  EXPECT_EQ(upload("?run_id=none&path=f", "x").status, 404);
}

TEST_F(RoutesTest, LocalRoots_AreReadThroughWhatOpensThem) {
  const auto root = folder_ / "plain";
  runs_.CreateExperiment("local", "file://" + root.string(), {}, [](const auto&) {});
  runs_.CreateRun({.run_id = RunId("r2"), .experiment_id = "1"}, [](const auto&) {});
  EXPECT_EQ(Send("GET", "/get-artifact?run_id=r2&path=f").status, 501);  // nobody opens it
  opened_ = OpenFolderArtifactStore(root / "r2" / "artifacts");
  ASSERT_TRUE(opened_->PutBytes("f", "hello").ok());
  EXPECT_EQ(Send("GET", "/get-artifact?run_id=r2&path=f").body_file,
            root / "r2" / "artifacts" / "f");
  Expect("GET", "/artifacts/list?run_id=r2", "", 200,
         R"({"root_uri": "file://)" + root.string() +
             R"(/r2/artifacts", "files": [{"path": "f", "is_dir": false, "file_size": 5}]})");
  EXPECT_EQ(Send("POST", "/ajax-api/2.0/mlflow/upload-artifact?run_id=r2&path=g", "x").status, 200);
  EXPECT_TRUE(opened_->Get("g").ok());
}

TEST(ArtifactAnswer, TypesAsMlflowGuessesThem) {
  for (const auto& [name, type] : std::vector<std::pair<std::string_view, std::string_view>>{
           {"a.txt", "text/plain"},
           {"a.json", "text/plain"},
           {"MLmodel", "text/plain"},
           {"a.TXT", "text/plain"},
           {"a.PNG", "image/png"},
           {"a.html", "text/html"},
           {"a.csv.gz", "text/csv"},
           {"a.tar.gz", "application/x-tar"},
           {"a.tgz", "application/x-tar"},
           {"a.gz", "application/octet-stream"},
           {".json", "application/octet-stream"},
           {"model.pkl", "application/octet-stream"},
           {"a.onnx", "application/octet-stream"},
           {"noending", "application/octet-stream"}}) {
    EXPECT_EQ(MimeTypeOf(name), type) << name;
  }
}

TEST(ArtifactAnswer, NamesThatAreNoTokensAreQuotedAndOthersEscaped) {
  EXPECT_EQ(AttachmentOf("f.txt"), "attachment; filename=f.txt");
  EXPECT_EQ(AttachmentOf("a b\"c.txt"), R"(attachment; filename="a b\"c.txt")");
  EXPECT_EQ(AttachmentOf("\xe6\x97\xa5.txt"),
            "attachment; filename=.txt; filename*=UTF-8''%E6%97%A5.txt");
  EXPECT_EQ(AttachmentOf("\xe6\x97\xa5"),
            "attachment; filename=download; filename*=UTF-8''%E6%97%A5");
}

}  // namespace
}  // namespace muster::tracker
