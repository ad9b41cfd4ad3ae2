#include "tracker/live/rank_routes.h"

#include <gmock/gmock.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <limits>
#include <optional>

#include "tracker/memory_run_store.h"

namespace muster::tracker {
namespace {

using testing::HasSubstr;
namespace json = boost::json;

class RankRoutesTest : public testing::Test {
 protected:
  RankRoutesTest() : runs_(clock_) {
    AddRankRoutes(router_, runs_, clock_);
    runs_.CreateRun({.run_id = RunId("r")}, [](const auto& run) { ASSERT_TRUE(run.ok()); });
  }
  http::Response Send(std::string_view target) {
    http::Request request{.method = "GET"};
    http::SetTarget(request, "/api/muster/v1/runs/" + std::string(target));
    std::optional<http::Response> answer;
    router_.Dispatch(std::move(request),
                     [&](http::Response response) { answer = std::move(response); });
    return std::move(answer).value();
  }
  void Expect(std::string_view target, std::string_view wanted) {
    const auto answer = Send(target);
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(answer.body, json::serialize(json::parse(wanted))) << target;
  }
  void ExpectInvalid(std::string_view target, std::string_view text) {
    const auto answer = Send(target);
    EXPECT_EQ(answer.status, 400) << target;
    EXPECT_THAT(answer.body, HasSubstr(text)) << target;
  }
  void Log(int rank, std::string key, double value, std::int64_t step) {
    runs_.LogBatch(RunId("r"),
                   {.metrics = {{.key = std::move(key),
                                 .value = value,
                                 .timestamp_ms = 100 * step,
                                 .step = step,
                                 .rank = rank}}},
                   [](const Status& status) { ASSERT_TRUE(status.ok()); });
  }

  FakeClock clock_;
  MemoryRunStore runs_;
  http::Router router_;
};

TEST_F(RankRoutesTest, Ranks_TellWhereTheyAreAndWhatTheyHave) {
  Expect("r/ranks", R"({"run_id": "r", "keys": [], "ranks": []})");
  Log(3, "a/seconds", 1, 1);
  Log(3, "loss", 1, 2);
  runs_.LogBatch(RunId("r"), {.places = {{3, "n1", 0}, {5, "", -1}}}, [](const Status&) {});
  Expect("r/ranks", R"({"run_id": "r", "keys": ["a/seconds", "loss"], "ranks": [
      {"rank": 3, "node": "n1", "gpu": 0, "last_step": 2, "last_time": 200, "points": 2},
      {"rank": 5, "last_step": 0, "last_time": 0, "points": 0}]})");
}

TEST_F(RankRoutesTest, View_ShowsTheSpreadAndWhoIsSlow) {
  for (const int rank : {0, 1, 2}) {
    Log(rank, "a/seconds", rank == 2 ? 4 : 2, 10);
    Log(rank, "a/seconds", rank == 2 ? 4 : 2, 20);
  }
  Log(kNoRank, "a/seconds", 99, 20);
  const std::string_view wanted = R"({"run_id": "r", "key": "a/seconds", "worse": "high",
      "limit": 2.2, "columns": [
      {"first_step": 10, "last_step": 10, "ranks": 3, "not_finite": 0, "min": 2.0, "median": 2.0,
       "max": 4.0, "worst": 2},
      {"first_step": 20, "last_step": 20, "ranks": 3, "not_finite": 0, "min": 2.0, "median": 2.0,
       "max": 4.0, "worst": 2}],
      "ranks": [
      {"rank": 0, "last_step": 20, "last_time": 2000, "behind": 0, "recent": 2.0, "lags": false,
       "slow": false},
      {"rank": 1, "last_step": 20, "last_time": 2000, "behind": 0, "recent": 2.0, "lags": false,
       "slow": false},
      {"rank": 2, "last_step": 20, "last_time": 2000, "behind": 0, "recent": 4.0, "lags": false,
       "slow": true}]})";
  Expect("r/ranks/a/seconds", wanted);
  Expect("r/ranks/a%2Fseconds?columns=11&begin=10&end=20", wanted);
  const auto low = json::parse(Send("r/ranks/a/seconds?worse=low&begin=15&columns=1").body);
  EXPECT_EQ(low.at("worse"), "low");
  ASSERT_EQ(low.at("columns").as_array().size(), 1U);
  EXPECT_EQ(low.at("columns").at(0).at("worst"), 0);
}

TEST_F(RankRoutesTest, View_NanIsAString_AndARankBehindLags) {
  for (std::int64_t step = 1; step <= 5; ++step) Log(0, "loss", 1, step);
  Log(1, "loss", std::numeric_limits<double>::quiet_NaN(), 2);
  const auto view = json::parse(Send("r/ranks/loss?begin=2&end=2&columns=1").body);
  EXPECT_EQ(view.at("columns").at(0).at("not_finite"), 1);
  EXPECT_EQ(view.at("columns").at(0).at("median"), 1.0);
  EXPECT_EQ(view.at("ranks").at(1).at("recent"), "NaN");
  EXPECT_EQ(view.at("ranks").at(1).at("behind"), 3);
  EXPECT_EQ(view.at("ranks").at(1).at("lags"), true);
  EXPECT_FALSE(view.as_object().contains("limit"));
}

TEST_F(RankRoutesTest, View_OfANameThatNobodyLogged_IsEmpty) {
  Expect("r/ranks/none", R"({"run_id": "r", "key": "none", "worse": "far", "columns": [],
                             "ranks": []})");
}

TEST_F(RankRoutesTest, History_IsOneRanksAndPaged) {
  for (std::int64_t step = 1; step <= 3; ++step)
    Log(2, "loss", 0.5 * static_cast<double>(step), step);
  Log(1, "loss", 9, 1);
  const auto page = json::parse(Send("r/ranks/loss?rank=2&max_results=2").body);
  EXPECT_EQ(page.at("points").as_array().size(), 2U);
  EXPECT_EQ(page.at("points").at(1), json::parse(R"({"step": 2, "timestamp": 200, "value": 1.0})"));
  Expect("r/ranks/loss?rank=2&page_token=" + std::string(page.at("next_page_token").as_string()),
         R"({"run_id": "r", "key": "loss", "rank": 2,
             "points": [{"step": 3, "timestamp": 300, "value": 1.5}]})");
}

TEST_F(RankRoutesTest, WrongRequests_NameFieldAndValue) {
  EXPECT_EQ(Send("none/ranks").status, 404);
  EXPECT_EQ(Send("none/ranks/loss").status, 404);
  EXPECT_EQ(Send("none/ranks/loss?rank=1").status, 404);
  ExpectInvalid("r/ranks/loss?columns=0",
                "the parameter columns is '0'; wanted a whole number from 1");
  ExpectInvalid("r/ranks/loss?columns=4001", "columns");
  ExpectInvalid("r/ranks/loss?begin=x", "the parameter begin is 'x'");
  ExpectInvalid("r/ranks/loss?end=1.5", "the parameter end is '1.5'");
  ExpectInvalid("r/ranks/loss?worse=bad", "the parameter worse is 'bad'; wanted high, low or far");
  ExpectInvalid("r/ranks/loss?rank=-1", "the parameter rank is '-1'");
  ExpectInvalid("r/ranks/loss?rank=1&max_results=0", "max_results");
  ExpectInvalid("r/ranks/", "for parameter 'key'");
}

}  // namespace
}  // namespace muster::tracker
