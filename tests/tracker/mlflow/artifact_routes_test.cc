#include "tests/tracker/mlflow/routes_fixture.h"

namespace muster::tracker {
namespace {

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

}  // namespace
}  // namespace muster::tracker
