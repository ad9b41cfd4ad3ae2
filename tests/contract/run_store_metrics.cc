#include "tests/contract/run_store_contract.h"

#include <gmock/gmock.h>

#include <cmath>

namespace muster::tracker {

using testing::ElementsAre;
using testing::IsEmpty;

TEST_P(RunStoreContract, Metrics_LatestIsByStepThenTimestampThenValue) {
  const RunId id = CreateRun("r").info.run_id;
  ASSERT_TRUE(LogPoint(id, "m", 1, 5, 100).ok());
  ASSERT_TRUE(LogPoint(id, "m", 9, 4, 200).ok());
  EXPECT_EQ(store_->GetRun(id)->metrics[0].value, 1);
  ASSERT_TRUE(LogPoint(id, "m", 0.5, 5, 101).ok());
  EXPECT_EQ(store_->GetRun(id)->metrics[0].value, 0.5);
  ASSERT_TRUE(LogPoint(id, "m", 0.75, 5, 101).ok());
  ASSERT_TRUE(LogPoint(id, "m", 0.25, 5, 101).ok());
  const Metric latest = store_->GetRun(id)->metrics[0];
  EXPECT_EQ(latest.value, 0.75);
  EXPECT_EQ(latest.step, 5);
  EXPECT_EQ(latest.timestamp_ms, 101);
}

TEST_P(RunStoreContract, Metrics_TheSamePointAgainChangesNothing) {
  const RunId id = CreateRun("r").info.run_id;
  const Batch batch{.metrics = {{.key = "m", .value = 1, .timestamp_ms = 7, .step = 3},
                                {.key = "m", .value = kNan, .timestamp_ms = 7, .step = 3},
                                {.key = "m", .value = 1, .timestamp_ms = 7, .step = 3}}};
  ASSERT_TRUE(Log(id, batch).ok());
  ASSERT_TRUE(Log(id, batch).ok());
  EXPECT_EQ(History(id, "m").size(), 2u);
}

TEST_P(RunStoreContract, Metrics_NanInfinityAndNegativeStepsAreKept) {
  const RunId id = CreateRun("r").info.run_id;
  ASSERT_TRUE(LogPoint(id, "nan", kNan, -3).ok());
  ASSERT_TRUE(LogPoint(id, "inf", kInfinity, 0).ok());
  ASSERT_TRUE(LogPoint(id, "minus", -kInfinity, 0).ok());
  const tracker::Run run = store_->GetRun(id).value();
  ASSERT_EQ(run.metrics.size(), 3u);
  EXPECT_EQ(run.metrics[0].value, kInfinity);
  EXPECT_EQ(run.metrics[1].value, -kInfinity);
  EXPECT_TRUE(std::isnan(run.metrics[2].value));
  EXPECT_EQ(run.metrics[2].step, -3);
  EXPECT_TRUE(std::isnan(History(id, "nan")[0]));
}

TEST_P(RunStoreContract, Metrics_HistoryIsByTimestampStepValueAndPaged) {
  const RunId id = CreateRun("r").info.run_id;
  ASSERT_TRUE(LogPoint(id, "m", 3, 1, 20).ok());
  ASSERT_TRUE(LogPoint(id, "m", 2, 9, 10).ok());
  ASSERT_TRUE(LogPoint(id, "m", 1, 1, 20).ok());
  EXPECT_THAT(History(id, "m"), ElementsAre(2, 1, 3));
  const auto first = store_->MetricHistory(id, "m", 2, "");
  EXPECT_EQ(first->items.size(), 2u);
  const auto second = store_->MetricHistory(id, "m", 2, first->next_page_token);
  EXPECT_EQ(second->items.size(), 1u);
  EXPECT_EQ(second->next_page_token, "");
  EXPECT_THAT(History(id, "none"), IsEmpty());
  EXPECT_THAT(History(RunId("none"), "m"), IsEmpty());
  EXPECT_FALSE(store_->MetricHistory(id, "m", 0, "").ok());
  EXPECT_FALSE(store_->MetricHistory(id, "m", 1, "x").ok());
}

TEST_P(RunStoreContract, Metrics_BadOnesAreRefusedWhole) {
  const RunId id = CreateRun("r").info.run_id;
  Batch batch{.metrics = {{.key = "good", .value = 1}, {.key = "bad,name", .value = 1}}};
  EXPECT_EQ(Log(id, batch).error(),
            Invalid("Invalid value \"bad,name\" for parameter 'metrics[1].name' supplied: Names "
                    "may only contain alphanumerics, underscores (_), dashes (-), periods (.), "
                    "spaces ( ), colon(:) and slashes (/)."));
  EXPECT_THAT(store_->GetRun(id)->metrics, IsEmpty());
  EXPECT_FALSE(LogPoint(id, "", 1, 0).ok());
  EXPECT_FALSE(LogPoint(id, "../m", 1, 0).ok());
  EXPECT_FALSE(LogPoint(id, "a//b", 1, 0).ok());
  EXPECT_FALSE(LogPoint(id, std::string(251, 'm'), 1, 0).ok());
  EXPECT_FALSE(LogPoint(id, "m", 1, 0, -1).ok());
  EXPECT_TRUE(LogPoint(id, "val/acc: top-5 \xd1\x82", 1, 0).ok());
}

TEST_P(RunStoreContract, Attempts_ResumeHidesLaterPointsOfEarlierAttempts) {
  const RunId id = CreateRun("r").info.run_id;
  for (std::int64_t step = 0; step < 5; ++step) {
    ASSERT_TRUE(LogPoint(id, "m", static_cast<double>(step), step, 10 + step, 3).ok());
  }
  ASSERT_TRUE(LogPoint(id, "late", 1, 4, 14, 3).ok());
  ASSERT_TRUE(LogPoint(id, "free", 1, 9, 1, 0).ok());
  ASSERT_TRUE(Resume(id, 7, 2).ok());
  EXPECT_THAT(History(id, "m"), ElementsAre(0, 1, 2));
  EXPECT_THAT(History(id, "late"), IsEmpty());
  EXPECT_THAT(History(id, "free"), ElementsAre(1));
  tracker::Run run = store_->GetRun(id).value();
  ASSERT_EQ(run.metrics.size(), 2u);
  EXPECT_EQ(run.metrics[0].key, "free");
  EXPECT_EQ(run.metrics[1].value, 2);
  // The stale attempt goes on for a while: kept, hidden.
  ASSERT_TRUE(LogPoint(id, "m", 99, 6, 16, 3).ok());
  EXPECT_EQ(store_->GetRun(id)->metrics[1].value, 2);
  // The new attempt repeats a point, and goes its own way.
  ASSERT_TRUE(LogPoint(id, "m", 3, 3, 13, 7).ok());
  ASSERT_TRUE(LogPoint(id, "m", 40, 4, 24, 7).ok());
  EXPECT_THAT(History(id, "m"), ElementsAre(0, 1, 2, 3, 40));
  EXPECT_EQ(store_->GetRun(id)->metrics[1].attempt, 7);
  EXPECT_EQ(Resume(RunId("none"), 1, 1).error().kind, ErrorKind::kNotFound);
}

TEST_P(RunStoreContract, Attempts_AHiddenPointLoggedAgainByNobodyStaysHidden) {
  const RunId id = CreateRun("r").info.run_id;
  ASSERT_TRUE(LogPoint(id, "m", 1, 1, 10, 3).ok());
  ASSERT_TRUE(LogPoint(id, "m", 5, 5, 50, 3).ok());
  ASSERT_TRUE(Resume(id, 7, 2).ok());
  ASSERT_TRUE(LogPoint(id, "m", 5, 5, 50, 0).ok());
  EXPECT_THAT(History(id, "m"), ElementsAre(1));
  EXPECT_EQ(store_->GetRun(id)->metrics.at(0).value, 1);
}

}  // namespace muster::tracker
