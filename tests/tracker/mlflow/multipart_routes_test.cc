#include <boost/json/array.hpp>

#include "tests/tracker/mlflow/routes_fixture.h"

namespace muster::tracker {
namespace {

using testing::HasSubstr;

constexpr std::string_view kRoot = "/api/2.0/mlflow-artifacts";

class MultipartTest : public RoutesTest {
 protected:
  http::Response Post(std::string_view verb, const boost::json::value& body,
                      std::string_view folder = "0/r/artifacts/d", std::string token = "") {
    return Send("POST",
                std::string(kRoot) + "/mpu/" + std::string(verb) + "/" + std::string(folder),
                boost::json::serialize(body), std::move(token));
  }
  boost::json::object Create(int parts) {
    const auto answer = Post("create", {{"path", "big.bin"}, {"num_parts", parts}});
    EXPECT_EQ(answer.status, 200) << answer.body;
    return boost::json::parse(answer.body).as_object();
  }
  /// PUTs to an address that an answer gave out; answers the ETag.
  std::string PutTo(const boost::json::value& url, std::string body) {
    const std::string_view text = url.as_string();
    EXPECT_TRUE(text.starts_with("http://tracker:5000/"));
    const auto answer = Send("PUT", text.substr(text.find('/', 7)), std::move(body));
    EXPECT_EQ(answer.status, 200) << answer.body;
    return answer.status == 200 ? answer.headers.at("ETag") : "";
  }
};

TEST_F(MultipartTest, PartsGoToThisServerAndBecomeOneFile) {
  const auto upload = Create(2);
  boost::json::array parts;
  for (const std::size_t i : {1, 0}) {
    const auto& credential = upload.at("credentials").at(i);
    EXPECT_EQ(credential.at("part_number"), i + 1);
    parts.push_back({{"part_number", i + 1},
                     {"etag", PutTo(credential.at("url"), i == 0 ? "hello " : "world")},
                     {"url", credential.at("url")}});
  }
  const auto done = Post(
      "complete",
      {{"path", "/home/ada/big.bin"}, {"upload_id", upload.at("upload_id")}, {"parts", parts}});
  EXPECT_EQ(done.status, 200) << done.body;
  EXPECT_EQ(done.body, "{}");
  const auto address = artifacts_->AddressOf("0/r/artifacts/d/big.bin");
  ASSERT_TRUE(address.ok()) << address.error().message;
  EXPECT_EQ(address->size, 11);
  // Its parts are gone with it.
  EXPECT_EQ(Post("complete",
                 {{"path", "big.bin"}, {"upload_id", upload.at("upload_id")}, {"parts", parts}})
                .status,
            404);
}

TEST_F(MultipartTest, AddressesHaveTheServersPrefix) {
  http::Request request{.method = "POST", .body = R"({"path": "b", "num_parts": 1})"};
  http::SetTarget(request, "/api/2.0/mlflow-artifacts/mpu/create/0/r/artifacts");
  request.headers = {
      {"Content-Type", "application/json"}, {"Host", "tracker:5000"}, {"X-Forwarded-Prefix", "/p"}};
  std::string answer;
  router_.Dispatch(std::move(request),
                   [&](const http::Response& response) { answer = response.body; });
  EXPECT_THAT(answer, testing::HasSubstr("http://tracker:5000/p/api/2.0/mlflow-artifacts/"));
}

TEST_F(MultipartTest, WrongRequests) {
  EXPECT_THAT(Post("create", {{"num_parts", 1}}).body,
              HasSubstr("Missing value for required parameter 'path'."));
  EXPECT_THAT(Post("create", {{"path", "f"}, {"num_parts", "x"}}).body,
              HasSubstr("INVALID_PARAMETER_VALUE"));
  EXPECT_THAT(Post("complete", {{"path", "f"}, {"upload_id", "x"}}).body,
              HasSubstr("Missing value for required parameter 'parts'."));
  for (const char* path : {"..", "a/..", "C:..", "src%5C..", "dir/", "a%2F.."}) {
    EXPECT_THAT(Post("create", {{"path", path}, {"num_parts", 1}}).body, HasSubstr("Invalid path"))
        << path;
  }
  EXPECT_EQ(Post("create", {{"path", "f"}, {"num_parts", 1}}, "a/%2e%2e/b").status, 400);
  EXPECT_EQ(Post("create", {{"path", "f"}, {"num_parts", 1000000}}).status, 400);
  EXPECT_EQ(Send("PUT", std::string(kRoot) + "/mpu/part/none/1", "x").status, 404);
  EXPECT_EQ(Send("PUT", std::string(kRoot) + "/mpu/part/none/x", "x").status, 400);
}

TEST_F(MultipartTest, LocalPathsOfOlderClients_TheirNameCounts) {
  for (const char* path : {"C:\\Users\\ada\\f.bin", "/tmp/f.bin", "C:f.bin"}) {
    const auto answer = Post("create", {{"path", path}, {"num_parts", 1}});
    const auto upload = boost::json::parse(answer.body);
    const std::string etag = PutTo(upload.at("credentials").at(0).at("url"), path);
    const boost::json::array parts{{{"part_number", 1}, {"etag", etag}}};
    EXPECT_EQ(Post("complete",
                   {{"path", "f.bin"}, {"upload_id", upload.at("upload_id")}, {"parts", parts}})
                  .status,
              200)
        << path;
  }
}

TEST_F(MultipartTest, AbortForgetsTheParts) {
  const auto upload = Create(1);
  const boost::json::value abort{{"path", "big.bin"}, {"upload_id", upload.at("upload_id")}};
  EXPECT_EQ(Post("abort", abort).body, "{}");
  EXPECT_EQ(Post("abort", abort).status, 200);  // again, after a lost answer
  const std::string_view url = upload.at("credentials").at(0).at("url").as_string();
  EXPECT_EQ(Send("PUT", url.substr(url.find('/', 7)), "x").status, 404);
}

TEST_F(MultipartTest, FencedLikeAPlainUpload_AndTheLoginIsHandedOn) {
  EXPECT_EQ(Post("create", {{"path", "f"}, {"num_parts", 1}}, "0/r/artifacts", "old").status, 403);
  EXPECT_EQ(fenced_run_, "r");
  const auto answer = Post("create", {{"path", "f"}, {"num_parts", 1}}, "0/r/artifacts", "new");
  EXPECT_EQ(boost::json::parse(answer.body).at("credentials").at(0).at("headers"),
            (boost::json::value{{"Authorization", "Bearer new"}}));
  EXPECT_EQ(Post("complete", {{"path", "f"}, {"parts", boost::json::array{{{"part_number", 1}}}}},
                 "0/r/artifacts", "old")
                .status,
            403);
}

TEST_F(MultipartTest, PresignedDownload_IsTheProxysAddress) {
  ASSERT_TRUE(artifacts_->PutBytes("0/r/artifacts/a b.txt", "hello").ok());
  const auto answer = Send("GET", std::string(kRoot) + "/presigned/0/r/artifacts/a%20b.txt");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(
      boost::json::parse(answer.body),
      (boost::json::value{
          {"url", "http://tracker:5000/api/2.0/mlflow-artifacts/artifacts/0/r/artifacts/a%20b.txt"},
          {"headers", boost::json::object()},
          {"file_size", 5}}));
  EXPECT_EQ(Send("GET", std::string(kRoot) + "/presigned/none").status, 404);
  const auto info = boost::json::parse(Send("GET", "/api/3.0/mlflow/server-info").body);
  EXPECT_EQ(info.at("multipart_uploads_enabled"), true);
  EXPECT_EQ(info.at("multipart_downloads_enabled"), true);
}

TEST_F(MultipartTest, PresignedUrlsOfRuns_AreForStorageThatClientsReach) {
  MakeRun("r1");
  ExpectError(
      "POST", "/artifacts/presigned-upload-url", R"({"run_id": "r1", "path": "f"})", 400,
      "INVALID_PARAMETER_VALUE",
      "Presigned upload is not supported for proxied artifact storage (artifact URI scheme: "
      "mlflow-artifacts). This endpoint requires a direct cloud storage artifact URI.");
  ExpectError(
      "POST", "/artifacts/presigned-download-url", R"({"run_id": "r1", "path": "f"})", 400,
      "INVALID_PARAMETER_VALUE",
      "Presigned download is not supported for runs with proxied artifact storage (artifact "
      "URI scheme: mlflow-artifacts). This endpoint requires a run with a direct cloud "
      "storage artifact URI.");
  ExpectError("POST", "/artifacts/presigned-upload-url", R"({"path": "f"})", 400,
              "INVALID_PARAMETER_VALUE", "Exactly one of run_id and model_id must be provided.");
  ExpectError("POST", "/artifacts/presigned-download-url",
              R"({"run_id": "r1", "path": "f", "expiration": 604801})", 400,
              "INVALID_PARAMETER_VALUE",
              "expiration must be between 1 and 604800 seconds (got 604801).");
  runs_.CreateExperiment("local", "file:///tmp/x", {}, [](const auto&) {});
  runs_.CreateRun({.run_id = RunId("r2"), .experiment_id = "1"}, [](const auto&) {});
  ExpectError("POST", "/artifacts/presigned-upload-url", R"({"run_id": "r2", "path": "f"})", 501,
              "NOT_IMPLEMENTED",
              "Presigned upload is not supported for the current artifact repository");
}

}  // namespace
}  // namespace muster::tracker
