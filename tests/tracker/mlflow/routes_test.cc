#include "tests/tracker/mlflow/routes_fixture.h"
#include "tracker/mlflow/call.h"

namespace muster::tracker {
namespace {

using testing::HasSubstr;

TEST_F(RoutesTest, AFullDiskAndAFullQueue_AskTheClientToTryAgain) {
  for (const Error& error : {ResourceExhausted("the disk is full"), Unavailable("too many")}) {
    const http::Response response = MlflowError(error);
    EXPECT_EQ(response.status, 503);
    EXPECT_EQ(response.headers.at("Retry-After"), "1");
    EXPECT_NE(response.body.find("TEMPORARILY_UNAVAILABLE"), std::string::npos);
  }
}

TEST_F(RoutesTest, UnknownEndpoints_AnswerMlflowsError) {
  const auto answer = Send("POST", "/api/3.0/mlflow/traces", "{}");
  EXPECT_EQ(answer.status, 404);
  EXPECT_THAT(answer.body, HasSubstr(R"("error_code":"ENDPOINT_NOT_FOUND")"));
  for (const char* path : {"/v1/traces", "/graphql", "/api/4.0/mlflow/x", "/ajax-api/2.0/jobs",
                           "/api/2.0/mlflow-artifacts/nothing"}) {
    const auto none = Send("POST", path, "{}");
    EXPECT_EQ(none.status, 404) << path;
    EXPECT_THAT(none.body, HasSubstr(R"("error_code":"ENDPOINT_NOT_FOUND")")) << path;
  }
  EXPECT_THAT(Send("GET", "/api/muster/v1/none").body, HasSubstr(R"("code":"NOT_FOUND")"));
  EXPECT_THAT(Send("GET", "/none").body, HasSubstr(R"("code":"NOT_FOUND")"));
  EXPECT_EQ(Send("GET", "/version").body, "3.18.0");
  EXPECT_EQ(Send("GET", "/api/3.0/mlflow/server-info").status, 200);
}

}  // namespace
}  // namespace muster::tracker
