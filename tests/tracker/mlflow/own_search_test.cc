#include <gmock/gmock.h>

#include "tests/tracker/mlflow/routes_fixture.h"

namespace muster::tracker {
namespace {

using testing::HasSubstr;

class OwnSearchTest : public RoutesTest {
 protected:
  OwnSearchTest() {
    for (const char* id : {"a", "b", "c"}) {
      runs_.CreateRun({.run_id = RunId(id), .run_name = id}, [](const auto&) {});
    }
    runs_.LogBatch(RunId("a"),
                   {.metrics = {{"loss", 1, 5, 6}, {"acc", 2, 5, 6}}, .params = {{"p", "x"}}},
                   [](const Status&) {});
    runs_.LogBatch(RunId("b"), {.metrics = {{"loss", 3, 5, 6}}}, [](const Status&) {});
  }
  http::Response Search(std::string body) {
    return Send("POST", "/api/2.0/mlflow/runs/search",
                R"({"experiment_ids": ["0"], )" + body + "}");
  }
};

TEST_F(OwnSearchTest, OnlyWhoAsksForIt_HasTheOwnLanguage) {
  const std::string filter = R"("filter": "NOT max(metrics.loss) > 2 OR params.p = 'x'")";
  EXPECT_EQ(Search(filter).status, 400);
  const auto answer = Search(filter + R"(, "muster": {})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.body, HasSubstr("\"run_id\":\"a\""));
  EXPECT_THAT(answer.body, HasSubstr("\"run_id\":\"c\""));
  EXPECT_THAT(answer.body, testing::Not(HasSubstr("\"run_id\":\"b\"")));
  EXPECT_THAT(answer.body, testing::Not(HasSubstr("count")));
}

TEST_F(OwnSearchTest, SelectAndCount) {
  const auto answer = Search(
      R"("filter": "run_id = 'a'", "muster": {"select": ["metrics.loss", "params"], "count": true})");
  EXPECT_THAT(answer.body,
              HasSubstr(R"("data":{"metrics":[{"key":"loss","value":1.0,"timestamp":5,"step":6}],)"
                        R"("params":[{"key":"p","value":"x"}]})"));
  EXPECT_THAT(answer.body, testing::EndsWith(R"("count":1})"));
  EXPECT_THAT(Search(R"("muster": {"select": [], "count": true})").body,
              testing::AllOf(HasSubstr("\"data\":{}"), HasSubstr("\"count\":3")));
}

TEST_F(OwnSearchTest, WhatIsWrong_IsNamed) {
  for (const char* item : {"metric.loss", "metrics.", "metricsloss", "inputs"}) {
    const auto answer = Search(R"("muster": {"select": [")" + std::string(item) + "\"]}");
    EXPECT_EQ(answer.status, 400);
    EXPECT_THAT(answer.body, HasSubstr("for parameter 'muster.select' supplied: wanted metrics"));
  }
  EXPECT_EQ(Search(R"("muster": 3)").status, 400);
  EXPECT_EQ(Search(R"("muster": {"count": "maybe"})").status, 400);
}

}  // namespace
}  // namespace muster::tracker
