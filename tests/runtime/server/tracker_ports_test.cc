#include "runtime/server/tracker_ports.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tracker/memory_run_store.h"

namespace muster::server {
namespace {

TEST(TrackerPortsTest, Metrics_OfTheSpoolAreNotHeardAndKeepTheirAttempt) {
  tracker::MemoryRunStore store(SystemClock());
  TrackerPorts ports(store, SystemClock());
  const RunId run(std::string(32, 'a'));
  ports.CreateRun({.run = run, .trial = TrialId("s/0"), .experiment = "e"},
                  [](const Result<boost::json::object>& made) { ASSERT_TRUE(made.ok()); });
  std::vector<tracker::Metric> heard;
  store.SetMetricObserver([&](const RunId&, const std::vector<tracker::Metric>& metrics) {
    heard.insert(heard.end(), metrics.begin(), metrics.end());
  });
  Status stored = Unavailable("no answer");
  ports.StoreMetrics({1, run, AttemptEpoch(7), {{"loss", 0.5, 1000, 1, 0}}},
                     [&](Status status) { stored = std::move(status); });
  EXPECT_TRUE(stored.ok());
  EXPECT_TRUE(heard.empty());

  tracker::Batch script;
  script.metrics = {{"loss", 0.4, 1001, 2, 8}};
  store.LogBatch(run, script, [](const Status& status) { EXPECT_TRUE(status.ok()); });
  ASSERT_EQ(heard.size(), 1U);
  EXPECT_EQ(TrackedOf(heard[0]).attempt, 8);
  const auto points = ports.ReadMetric(run, "loss");
  ASSERT_TRUE(points.ok());
  ASSERT_EQ(points->size(), 2U);
  EXPECT_EQ((*points)[0].attempt, 7);
  EXPECT_EQ((*points)[1].attempt, 8);
}

TEST(TrackerPortsTest, TelemetryOfARank_StandsUnderItWithItsPlaceAndIsNeverHidden) {
  tracker::MemoryRunStore store(SystemClock());
  TrackerPorts ports(store, SystemClock());
  const RunId run(std::string(32, 'a'));
  ports.CreateRun({.run = run, .trial = TrialId("s/0"), .experiment = "e"},
                  [](const Result<boost::json::object>& made) { ASSERT_TRUE(made.ok()); });
  ports.StoreMetrics({1,
                      run,
                      AttemptEpoch(7),
                      {{"loss", 0.5, 1000, 3, 0}, {"step_seconds", 0.2, 1000, 700, 0, 2}},
                      {{2, NodeId("n1"), 1}}},
                     [](const Status& status) { EXPECT_TRUE(status.ok()); });
  // The next attempt goes on after epoch 2, in which the gang had made 500 steps.
  ports.ResumeRun({run, AttemptEpoch(8), 2},
                  [](const Result<boost::json::object>& done) { EXPECT_TRUE(done.ok()); });
  EXPECT_TRUE(ports.ReadMetric(run, "loss")->empty());
  EXPECT_TRUE(ports.ReadMetric(run, "step_seconds")->empty());
  const auto ranks = store.ReadRanks(run);
  ASSERT_TRUE(ranks.ok());
  ASSERT_EQ(ranks->ranks.size(), 1U);
  EXPECT_EQ(ranks->ranks[0].place, (tracker::RankPlace{2, "n1", 1}));
  EXPECT_EQ(ranks->ranks[0].last_step, 700);
}

TEST(TrackerPortsTest, Tags_OfWhatATrialCost_AreSetAgainWithoutHarm) {
  tracker::MemoryRunStore store(SystemClock());
  TrackerPorts ports(store, SystemClock());
  const RunId run(std::string(32, 'a'));
  const auto ok = [](const Result<boost::json::object>& done) { EXPECT_TRUE(done.ok()); };
  ports.CreateRun({.run = run, .trial = TrialId("s/0"), .experiment = "e"}, ok);
  ports.FinishRun({run, "FINISHED", {{"muster.cpu_seconds", "1.500"}}}, ok);
  const tracker::Tag cpu{"muster.cpu_seconds", "1.500"}, energy{"muster.energy_joules", "70"};
  EXPECT_THAT(store.GetRun(run)->tags, testing::Contains(cpu));
  EXPECT_EQ(store.GetRun(run)->info.status, tracker::RunStatus::kFinished);
  for (int again = 0; again < 2; ++again) ports.TagRun({run, {{energy.key, energy.value}}}, ok);
  EXPECT_THAT(store.GetRun(run)->tags, testing::IsSupersetOf({cpu, energy}));
  EXPECT_EQ(store.GetRun(run)->info.status, tracker::RunStatus::kFinished);
  bool failed = false;
  ports.TagRun({RunId("none"), {{"a", "b"}}},
               [&](const Result<boost::json::object>& done) { failed = !done.ok(); });
  EXPECT_TRUE(failed);
}

}  // namespace
}  // namespace muster::server
