#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>

#include "runtime/base/random.h"
#include "tests/contract/run_store_contract.h"
#include "tracker/run_rules.h"

namespace muster::tracker {

using testing::ElementsAre;
using testing::IsEmpty;

namespace {

Metric RankPoint(int rank, double value, std::int64_t step, std::int64_t timestamp_ms = 1,
                 std::int64_t attempt = 0) {
  return {.key = "m",
          .value = value,
          .timestamp_ms = timestamp_ms,
          .step = step,
          .attempt = attempt,
          .rank = rank};
}

std::vector<double> ValuesOf(RunStore& store, const RunId& run, const SeriesKey& series) {
  std::vector<double> values;
  const auto page = store.MetricHistory(run, series, 25'000, "").value();
  for (const Metric& metric : page.items) {
    EXPECT_EQ(metric.rank, series.rank);
    values.push_back(metric.value);
  }
  return values;
}

}  // namespace

TEST_P(RunStoreContract, Ranks_TheSamePointOfEach_StandsApart) {
  const RunId id = CreateRun("r").info.run_id;
  ASSERT_TRUE(Log(id, {.metrics = {RankPoint(kNoRank, 1, 1), RankPoint(0, 1, 1), RankPoint(3, 1, 1),
                                   RankPoint(3, 2, 2)}})
                  .ok());
  EXPECT_THAT(ValuesOf(*store_, id, "m"), ElementsAre(1));
  EXPECT_THAT(ValuesOf(*store_, id, {"m", 0}), ElementsAre(1));
  EXPECT_THAT(ValuesOf(*store_, id, {"m", 3}), ElementsAre(1, 2));
  EXPECT_THAT(ValuesOf(*store_, id, {"m", 1}), IsEmpty());
}

TEST_P(RunStoreContract, Ranks_MlflowSeesTheRunsOwnOnly) {
  const RunId own = CreateRun("own").info.run_id, ranks = CreateRun("ranks").info.run_id;
  ASSERT_TRUE(Log(own, {.metrics = {RankPoint(kNoRank, 1, 1), RankPoint(1, 9, 9)}}).ok());
  ASSERT_TRUE(Log(ranks, {.metrics = {RankPoint(1, 9, 9)}}).ok());
  ASSERT_EQ(store_->GetRun(own)->metrics.size(), 1U);
  EXPECT_EQ(store_->GetRun(own)->metrics[0].value, 1);
  EXPECT_THAT(store_->GetRun(ranks)->metrics, IsEmpty());
  EXPECT_THAT(Search("metrics.m > 0"), ElementsAre("own"));
  EXPECT_THAT(Search("metrics.m > 2"), IsEmpty());
  EXPECT_THAT(Search("", {"metrics.m DESC"}), ElementsAre("own", "ranks"));
  const auto all = store_->SearchRuns({.experiment_ids = {"0"}}).value();
  for (const tracker::Run& run : all.items) {
    EXPECT_EQ(run.metrics.size(), run.info.run_id == own ? 1U : 0U);
  }
  EXPECT_THAT(store_->ReadChart(ranks, "m", {}).value(), IsEmpty());
  EXPECT_THAT(*store_->SampleHistory(ranks, "m", {}, 5), IsEmpty());
}

TEST_P(RunStoreContract, Ranks_LoggedModelKeepsTheRunsOwnPointsOnly) {
  const RunId id = CreateRun("r").info.run_id;
  const std::string model = CreateModel({.experiment_id = "0"}).model_id;
  Metric own = RankPoint(kNoRank, 1, 1), rank = RankPoint(2, 5, 1);
  own.model_id = rank.model_id = model;
  ASSERT_TRUE(Log(id, {.metrics = {own, rank}}).ok());
  ASSERT_EQ(store_->GetLoggedModel(model)->metrics.size(), 1U);
  EXPECT_EQ(store_->GetLoggedModel(model)->metrics[0].second.value, 1);
}

TEST_P(RunStoreContract, Ranks_ObserverHearsTheRunsOwn_SinkHearsAll) {
  const RunId id = CreateRun("r").info.run_id;
  std::vector<int> heard, told;
  store_->SetMetricObserver([&](const RunId&, const std::vector<Metric>& metrics) {
    for (const Metric& metric : metrics) heard.push_back(metric.rank);
  });
  store_->SetEventSink([&](const RunEvent& event) {
    for (const Metric& metric : *std::get<NewPoints>(event.body).points)
      told.push_back(metric.rank);
  });
  ASSERT_TRUE(Log(id, {.metrics = {RankPoint(kNoRank, 1, 1), RankPoint(0, 1, 1)}}).ok());
  ASSERT_TRUE(Log(id, {.metrics = {RankPoint(4, 1, 1)}}).ok());
  store_->SetMetricObserver({});
  store_->SetEventSink({});
  EXPECT_THAT(heard, ElementsAre(kNoRank));
  EXPECT_THAT(told, ElementsAre(kNoRank, 0, 4));
}

TEST_P(RunStoreContract, Ranks_SummariesTellWhatEachHas) {
  const RunId id = CreateRun("r").info.run_id;
  ASSERT_TRUE(Log(id, {.metrics = {RankPoint(2, 1, 7, 70), RankPoint(2, 1, 5, 80),
                                   RankPoint(10, 1, -3, 90), RankPoint(kNoRank, 1, 99, 99)},
                       .places = {{2, "n1", 0}, {5, "n2", 1}}})
                  .ok());
  Metric other = RankPoint(2, 4, 6, 60);
  other.key = "a/b";
  ASSERT_TRUE(Log(id, {.metrics = {other}}).ok());
  const RunRanks known = store_->ReadRanks(id).value();
  EXPECT_THAT(known.keys, ElementsAre("a/b", "m"));
  EXPECT_THAT(known.ranks,
              ElementsAre(RankSummary{{2, "n1", 0}, 7, 70, 3}, RankSummary{{5, "n2", 1}, 0, 0, 0},
                          RankSummary{{10, "", -1}, -3, 90, 1}));
  EXPECT_THAT(store_->ReadRanks(CreateRun("none").info.run_id)->ranks, IsEmpty());
  EXPECT_EQ(store_->ReadRanks(RunId("none")).error().kind, ErrorKind::kNotFound);
}

TEST_P(RunStoreContract, Ranks_OfAPlaceTheNewestThatIsKnownWins) {
  const RunId id = CreateRun("r").info.run_id;
  const auto place = [&] { return store_->ReadRanks(id)->ranks.at(0).place; };
  ASSERT_TRUE(Log(id, {.places = {{1, "n1", 3}}}).ok());
  ASSERT_TRUE(Log(id, {.places = {{1, "", -1}}}).ok());
  EXPECT_EQ(place(), (RankPlace{1, "n1", 3}));
  ASSERT_TRUE(Log(id, {.places = {{1, "n2", -1}}}).ok());
  EXPECT_EQ(place(), (RankPlace{1, "n2", 3}));
  ASSERT_TRUE(Log(id, {.places = {{1, "n2", 1}, {1, "n3", 0}}}).ok());
  EXPECT_EQ(place(), (RankPlace{1, "n3", 0}));
  if (GetParam().durable) Reopen();
  EXPECT_EQ(place(), (RankPlace{1, "n3", 0}));
}

TEST_P(RunStoreContract, Ranks_OutOfBounds_AreRefusedWhole) {
  const RunId id = CreateRun("r").info.run_id;
  EXPECT_TRUE(Log(id, {.metrics = {RankPoint(kRankMost, 1, 1)}}).ok());
  for (const int rank : {-2, kRankMost + 1}) {
    const Status status = Log(id, {.metrics = {RankPoint(0, 1, 1), RankPoint(rank, 1, 1)}});
    EXPECT_EQ(status.error().kind, ErrorKind::kInvalid);
    EXPECT_NE(status.error().message.find(std::to_string(rank)), std::string::npos);
  }
  EXPECT_EQ(Log(id, {.places = {{-1, "n", 0}}}).error().kind, ErrorKind::kInvalid);
  EXPECT_THAT(ValuesOf(*store_, id, {"m", 0}), IsEmpty());
}

TEST_P(RunStoreContract, Ranks_ResumingHidesTheirPointsToo) {
  const RunId id = CreateRun("r").info.run_id;
  Batch first;
  for (int step = 0; step < 3'000; ++step) {
    first.metrics.push_back(RankPoint(1, step, step, 1'000 + step, 1));
    first.metrics.push_back(RankPoint(2, step, step, 1'000 + step, 1));
  }
  ASSERT_TRUE(Log(id, first).ok());
  ASSERT_TRUE(Resume(id, 2, 1'499).ok());
  ASSERT_TRUE(
      Log(id, {.metrics = {RankPoint(2, -1, 1'500, 9'000, 2)}, .places = {{2, "n1", 5}}}).ok());
  EXPECT_EQ(ValuesOf(*store_, id, {"m", 1}).size(), 1'500U);
  const RankCurves curves = store_->ReadRankCurves(id, "m", {.pixels = 2'000}).value();
  EXPECT_EQ(curves.window.end, 1'500);
  ASSERT_EQ(curves.ranks.size(), 2U);
  EXPECT_EQ(curves.ranks[0].place, (RankPlace{1, "", -1}));
  EXPECT_EQ(curves.ranks[1].place, (RankPlace{2, "n1", 5}));
  EXPECT_EQ(curves.ranks[0].last.step, 1'499);
  EXPECT_EQ(curves.ranks[0].columns.size(), 1'500U);
  EXPECT_EQ(curves.ranks[0].recent.back().step, 1'499);
  EXPECT_EQ(curves.ranks[1].columns.back().last, -1);
  EXPECT_EQ(curves.ranks[1].columns.size(), 1'501U);
  EXPECT_EQ(curves.ranks[1].recent.size(), kRecentPoints);
  EXPECT_EQ(store_->ReadRanks(id)->ranks[0].last_step, 1'499);
}

TEST_P(RunStoreContract, Ranks_OfAnErasedRun_AreGone) {
  const RunId id = CreateRun("r").info.run_id;
  ASSERT_TRUE(
      Log(id, {.metrics = {RankPoint(0, 1, 1), RankPoint(3, 1, 1)}, .places = {{3, "n1", 0}}})
          .ok());
  ASSERT_TRUE(SetRunDeleted(id, true).ok());
  EXPECT_EQ(store_->ReadRanks(id)->ranks.size(), 2U) << "it can be restored";
  EXPECT_THAT(Erase(ErasableKind::kRun, {.deleted_before = clock_.UnixNow()}),
              ElementsAre(id.value));
  EXPECT_EQ(store_->ReadRanks(id).error().kind, ErrorKind::kNotFound);
  EXPECT_EQ(store_->ReadRankCurves(id, "m", {}).error().kind, ErrorKind::kNotFound);
  Await<Result<tracker::Run>> again;
  store_->CreateRun({.run_id = id, .run_name = "new"}, again.callback());
  ASSERT_TRUE(again.Get().ok());
  EXPECT_THAT(store_->ReadRanks(id)->ranks, IsEmpty());
}

TEST_P(RunStoreContract, RankCurves_ColumnsOfOneStep_AreThoseOfTheHistories) {
  Random random(11);
  for (int round = 0; round < 8; ++round) {
    const RunId id = CreateRun("r" + std::to_string(round)).info.run_id;
    // Every rank has steps of its own, from few to several chunks, some late and some not finite.
    for (const int rank : {0, 1, 5, 6}) {
      const auto count = random.Below(rank == 6 ? 40 : 2'600) + 1;
      Batch batch;
      for (std::uint64_t i = 0; i < count; ++i) {
        const auto step = static_cast<std::int64_t>(random.Chance(0.9) ? i : random.Below(count));
        const double value = random.Chance(0.02)   ? kNan
                             : random.Chance(0.02) ? kInfinity
                                                   : random.Normal();
        const std::int64_t late = random.Chance(0.1) ? 500 : 0;
        batch.metrics.push_back(RankPoint(rank, value, 10 + step, 10'000 + 10 * step - late));
        if (batch.metrics.size() < 700) continue;
        ASSERT_TRUE(Log(id, std::exchange(batch, {})).ok());
      }
      ASSERT_TRUE(Log(id, batch).ok());
    }
    const RankCurves curves = store_->ReadRankCurves(id, "m", {.pixels = 4'000}).value();
    ASSERT_EQ(curves.ranks.size(), 4U);
    for (const RankCurve& curve : curves.ranks) {
      const auto history = store_->MetricHistory(id, {"m", curve.place.rank}, 25'000, "").value();
      std::vector<Point> points;
      for (const Metric& m : history.items) points.push_back({m.timestamp_ms, m.step, m.value, 0});
      Chart chart(curves.window);
      for (const Point& point : points) chart.Add(point);
      const auto wanted = chart.Columns();
      ASSERT_EQ(curve.columns.size(), wanted.size()) << "rank " << curve.place.rank;
      for (std::size_t i = 0; i < wanted.size(); ++i) {
        EXPECT_EQ(curve.columns[i].points, wanted[i].points);
        EXPECT_EQ(curve.columns[i].first_step, wanted[i].first_step);
        EXPECT_EQ(curve.columns[i].min, wanted[i].min);
        EXPECT_EQ(curve.columns[i].max, wanted[i].max);
        EXPECT_EQ(curve.columns[i].nans, wanted[i].nans);
      }
      const std::size_t recent = std::min(kRecentPoints, points.size());
      EXPECT_TRUE(std::ranges::equal(curve.recent, std::span(points).last(recent), Same));
      const auto last = std::ranges::max_element(
          points, [](const Point& a, const Point& b) { return IsLater(b, a); });
      EXPECT_TRUE(Same(curve.last, *last));
    }
  }
}

TEST_P(RunStoreContract, RankCurves_WideColumns_KeepEveryPoint) {
  const RunId id = CreateRun("r").info.run_id;
  for (const int rank : {0, 1}) {
    Batch batch;
    for (int step = 0; step < 5'000; ++step) {
      batch.metrics.push_back(RankPoint(rank, step == 1'234 ? 1e9 : step % 10, step, 10 * step));
    }
    ASSERT_TRUE(Log(id, batch).ok());
  }
  const RankCurves curves = store_->ReadRankCurves(id, "m", {.pixels = 7}).value();
  for (const RankCurve& curve : curves.ranks) {
    Bucket all;
    for (const Bucket& column : curve.columns) all.Add(column);
    EXPECT_EQ(all.points, 5'000U);
    EXPECT_EQ(all.max, 1e9);
    EXPECT_LE(curve.columns.size(), 7U);
  }
  // A window that one rank has nothing in, and one that is empty.
  ASSERT_TRUE(Log(id, {.metrics = {RankPoint(1, 3, 6'000, 90'000)}}).ok());
  const auto end = store_->ReadRankCurves(id, "m", {.begin = 5'500, .pixels = 7}).value();
  EXPECT_THAT(end.ranks.at(0).columns, IsEmpty());
  EXPECT_EQ(end.ranks.at(1).columns.size(), 1U);
  EXPECT_THAT(store_->ReadRankCurves(id, "none", {})->ranks, IsEmpty());
  EXPECT_EQ(store_->ReadRankCurves(RunId("none"), "m", {}).error().kind, ErrorKind::kNotFound);
  EXPECT_EQ(store_->ReadRankCurves(id, "m", {.pixels = 0}).error().kind, ErrorKind::kInvalid);
  EXPECT_EQ(store_->ReadRankCurves(id, "m", {.axis = Axis::kTime}).error().kind,
            ErrorKind::kInvalid);
}

}  // namespace muster::tracker
