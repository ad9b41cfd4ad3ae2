#include "tests/tracker/mlflow/routes_fixture.h"

namespace muster::tracker {
namespace {

using testing::HasSubstr;

TEST_F(RoutesTest, UnknownEndpoints_AnswerMlflowsError) {
  const auto answer = Send("POST", "/api/3.0/mlflow/traces", "{}");
  EXPECT_EQ(answer.status, 404);
  EXPECT_THAT(answer.body, HasSubstr(R"("error_code":"ENDPOINT_NOT_FOUND")"));
  EXPECT_EQ(Send("GET", "/version").body, "3.18.0");
  EXPECT_EQ(Send("GET", "/api/3.0/mlflow/server-info").status, 200);
}

}  // namespace
}  // namespace muster::tracker
