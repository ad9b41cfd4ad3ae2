#include "tests/tracker/mlflow/routes_fixture.h"

namespace muster::tracker {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class RankHeadersTest : public RoutesTest {
 protected:
  RankHeadersTest() { MakeRun("abc"); }
  http::Response Log(
      const http::Headers& headers, std::string_view route = "runs/log-metric",
      std::string body =
          R"({"run_id": "abc", "key": "m", "value": 2, "timestamp": 7, "step": 1})") {
    http::Request request{.method = "POST", .headers = headers, .body = std::move(body)};
    http::SetTarget(request, "/api/2.0/mlflow/" + std::string(route));
    request.headers["Content-Type"] = "application/json";
    std::optional<http::Response> answer;
    router_.Dispatch(std::move(request),
                     [&](http::Response response) { answer = std::move(response); });
    return std::move(answer).value();
  }
  void ExpectRefused(const http::Headers& headers, std::string_view text) {
    const auto answer = Log(headers);
    EXPECT_EQ(answer.status, 400) << text;
    const auto error = boost::json::parse(answer.body);
    EXPECT_EQ(error.at("error_code"), "INVALID_PARAMETER_VALUE");
    EXPECT_THAT(std::string(error.at("message").as_string()), HasSubstr(text));
  }
  std::vector<double> Values(int rank, const char* key = "m") {
    std::vector<double> values;
    const auto page = runs_.MetricHistory(RunId("abc"), {key, rank}, 100, "");
    for (const auto& metric : page->items) values.push_back(metric.value);
    return values;
  }
};

TEST_F(RankHeadersTest, Rank_GetsTheMetricAndItsPlace) {
  attempt_ = 4;
  EXPECT_EQ(Log({{"X-Muster-Rank", "3"}, {"x-muster-node", "n1"}, {"X-Muster-Gpu", "0"}}).body,
            "{}");
  EXPECT_THAT(Values(3), ElementsAre(2));
  EXPECT_THAT(Values(kNoRank), IsEmpty());
  EXPECT_EQ(runs_.ReadRanks(RunId("abc"))->ranks.at(0).place, (RankPlace{3, "n1", 0}));
  EXPECT_EQ(runs_.MetricHistory(RunId("abc"), {"m", 3}, 1, "")->items[0].attempt, 4);
  Expect("GET", "/metrics/get-history?run_id=abc&metric_key=m", "", 200, "{}");
}

TEST_F(RankHeadersTest, RankZero_StandsForTheRunToo) {
  ASSERT_EQ(Log({{"X-Muster-Rank", "0"}}).status, 200);
  EXPECT_THAT(Values(0), ElementsAre(2));
  EXPECT_THAT(Values(kNoRank), ElementsAre(2));
}

TEST_F(RankHeadersTest, NoHeader_IsTheRunsOwn) {
  ASSERT_EQ(Log({}).status, 200);
  EXPECT_THAT(Values(kNoRank), ElementsAre(2));
  EXPECT_THAT(runs_.ReadRanks(RunId("abc"))->ranks, IsEmpty());
}

TEST_F(RankHeadersTest, Batch_ParamsAndTagsAreTheRuns) {
  const std::string body = R"({"run_id": "abc",
      "metrics": [{"key": "a", "value": 1, "timestamp": 1}, {"key": "b", "value": 2, "timestamp": 1}],
      "params": [{"key": "p", "value": "1"}], "tags": [{"key": "t", "value": "1"}]})";
  for (const char* rank : {"0", "7"}) {
    ASSERT_EQ(Log({{"X-Muster-Rank", rank}}, "runs/log-batch", body).status, 200);
  }
  for (const int rank : {kNoRank, 0, 7}) {
    EXPECT_THAT(Values(rank, "a"), ElementsAre(1)) << rank;
    EXPECT_THAT(Values(rank, "b"), ElementsAre(2)) << rank;
  }
  const auto run = runs_.GetRun(RunId("abc")).value();
  EXPECT_EQ(run.params, (std::vector<Param>{{"p", "1"}}));
}

TEST_F(RankHeadersTest, WrongOnes_AreNamedAndWriteNothing) {
  for (const char* rank : {"-1", "x", "", "1.0", "1000000", "99999999999999999999", "3 "}) {
    ExpectRefused({{"X-Muster-Rank", rank}}, "The header X-Muster-Rank is '" + std::string(rank) +
                                                 "'; wanted a number from 0 to 999999");
  }
  ExpectRefused({{"X-Muster-Rank", "1"}, {"X-Muster-Gpu", "1024"}}, "The header X-Muster-Gpu is");
  ExpectRefused({{"X-Muster-Rank", "1"}, {"X-Muster-Node", ""}}, "The header X-Muster-Node is ''");
  ExpectRefused({{"X-Muster-Rank", "1"}, {"X-Muster-Node", "a b"}}, "X-Muster-Node is 'a b'");
  ExpectRefused({{"X-Muster-Rank", "1"}, {"X-Muster-Node", std::string(256, 'n')}},
                "1 to 255 visible");
  ExpectRefused({{"X-Muster-Gpu", "0"}}, "The header X-Muster-Gpu wants X-Muster-Rank beside it");
  ExpectRefused({{"X-Muster-Node", "n"}}, "The header X-Muster-Node wants X-Muster-Rank");
  EXPECT_THAT(runs_.ReadRanks(RunId("abc"))->ranks, IsEmpty());
  EXPECT_THAT(Values(kNoRank), IsEmpty());
}

TEST_F(RankHeadersTest, StaleAttempt_IsRefused) {
  EXPECT_EQ(Log({{"X-Muster-Rank", "1"}, {"Authorization", "Bearer old"}}).status, 403);
  EXPECT_THAT(Values(1), IsEmpty());
}

}  // namespace
}  // namespace muster::tracker
