#include "tests/contract/run_store_contract.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <tuple>

#include "runtime/base/random.h"
#include "tracker/run_rules.h"
#include "tracker/series/sample.h"

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
  EXPECT_EQ(store_->MetricHistory(id, "m", 1, "x").error().message,
            "Invalid page token, could not base64-decode");
  // As MLflow's own tokens, which name how many points come before.
  const auto offset = store_->MetricHistory(id, "m", 1, filter::PageToken(1));
  ASSERT_TRUE(offset.ok());
  EXPECT_EQ(offset->items.at(0).value, 1);
  EXPECT_EQ(store_->MetricHistory(id, "m", 5, offset->next_page_token)->items.at(0).value, 3);
}

/// A long series lies in sealed parts and a tail; late, repeated and hidden points, and steps that go back, change
/// which rows there are.
TEST_P(RunStoreContract, Metrics_SamplesAreRowsOfTheWholeByStep) {
  const RunId id = CreateRun("r").info.run_id;
  std::vector<Metric> whole;
  const auto log = [&](std::int64_t begin, std::int64_t end, std::int64_t ts) {
    Batch batch;
    for (std::int64_t step = begin; step < end; ++step) {
      batch.metrics.push_back({.key = "m",
                               .value = static_cast<double>(step % 7),
                               .timestamp_ms = ts + step,
                               .step = step,
                               .attempt = 1});
    }
    whole.insert(whole.end(), batch.metrics.begin(), batch.metrics.end());
    ASSERT_TRUE(Log(id, std::move(batch)).ok());
  };
  const auto check = [&](std::optional<StepRange> steps) {
    std::vector<Metric> rows;
    for (const Metric& metric : whole) {
      if (!steps || (metric.step >= steps->first && metric.step <= steps->last))
        rows.push_back(metric);
    }
    std::ranges::sort(rows, {}, [](const Metric& metric) {
      return std::tuple(metric.step, metric.timestamp_ms, metric.value);
    });
    for (const std::int64_t most : {1, 7, 320, 100'000}) {
      const auto sample = store_->SampleHistory(id, "m", steps, most);
      ASSERT_TRUE(sample.ok()) << sample.error().message;
      const auto wanted = SampledRows(rows.size(), static_cast<std::size_t>(most));
      ASSERT_EQ(sample->size(), wanted.size());
      for (std::size_t i = 0; i < wanted.size(); ++i) {
        EXPECT_EQ((*sample)[i].step, rows[wanted[i]].step);
        EXPECT_EQ((*sample)[i].timestamp_ms, rows[wanted[i]].timestamp_ms);
        EXPECT_EQ((*sample)[i].value, rows[wanted[i]].value);
      }
    }
  };
  for (std::int64_t begin = 0; begin < 5000; begin += 1000) log(begin, begin + 1000, 10'000);
  check({});
  check(StepRange{100, 4321});
  log(5000, 5001, 10'000);  // more than what is sealed
  check({});
  log(70, 80, 20'000);  // old steps, written late
  check({});
  log(3000, 3100, 0);  // older than what is there
  check({});
  ASSERT_TRUE(Resume(id, 2, 2500).ok());
  std::erase_if(whole, [](const Metric& metric) { return metric.step > 2500; });
  check({});
  EXPECT_THAT(*store_->SampleHistory(id, "none", {}, 5), IsEmpty());
  EXPECT_EQ(store_->SampleHistory(RunId("none"), "m", {}, 5).error().kind, ErrorKind::kNotFound);
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

/// What a series should hold: each identity once, with its youngest attempt.
struct SeriesModel {
  using Key = std::tuple<std::int64_t, std::int64_t, double, bool>;
  std::map<Key, std::int64_t> attempts;
  std::vector<tracker::Resume> resumes;

  void Add(const Metric& metric) {
    const bool nan = std::isnan(metric.value);
    auto& attempt = attempts[{metric.timestamp_ms, metric.step, nan ? 0 : metric.value, nan}];
    attempt = std::max(attempt, metric.attempt);
  }
  [[nodiscard]] std::vector<std::pair<Key, std::int64_t>> Visible() const {
    std::vector<std::pair<Key, std::int64_t>> points;
    for (const auto& [key, attempt] : attempts) {
      if (!IsHidden(attempt, std::get<1>(key), resumes)) points.emplace_back(key, attempt);
    }
    return points;
  }
};

/// A batch for the keys "a" and "b": mostly new points, some late or at the same time as others.
Batch RandomBatch(Random& random, std::int64_t& now) {
  static constexpr std::array<std::uint64_t, 4> kSizes = {3, 40, 700, 2'500};
  Batch batch;
  for (std::uint64_t n = 1 + random.Below(kSizes[random.Below(kSizes.size())]); n > 0; --n) {
    now += static_cast<std::int64_t>(random.Below(3));
    const bool late = random.Chance(0.03);
    const std::int64_t ts =
        late ? static_cast<std::int64_t>(random.Below(static_cast<std::uint64_t>(now + 1))) : now;
    batch.metrics.push_back({.key = random.Chance(0.8) ? "a" : "b",
                             .value = random.Chance(0.05) ? std::numeric_limits<double>::quiet_NaN()
                                                          : static_cast<double>(random.Below(50)),
                             .timestamp_ms = ts,
                             .step = static_cast<std::int64_t>(random.Below(4)) + ts / 2,
                             .attempt = static_cast<std::int64_t>(random.Below(3))});
  }
  return batch;
}

TEST_P(RunStoreContract, Metrics_ManyInAnyOrderWithReplays_AreThereOnce) {
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    Random random(seed);
    const RunId id = CreateRun("r").info.run_id;
    std::map<std::string, SeriesModel> model;
    std::vector<Batch> logged;
    std::int64_t now = 0;
    for (int i = 0; i < 25; ++i) {
      const bool replay = !logged.empty() && random.Chance(0.3);
      logged.push_back(replay ? logged[random.Below(logged.size())] : RandomBatch(random, now));
      ASSERT_TRUE(Log(id, logged.back()).ok());
      for (const Metric& metric : logged.back().metrics) model[metric.key].Add(metric);
      if (random.Chance(0.1)) {
        const tracker::Resume resume{
            .attempt = static_cast<std::int64_t>(random.Below(3)),
            .step = now / 2 - static_cast<std::int64_t>(random.Below(300))};
        ASSERT_TRUE(Resume(id, resume.attempt, resume.step).ok());
        for (auto& [key, series] : model) {
          std::erase_if(series.resumes, [&](const auto& r) { return r.attempt == resume.attempt; });
          series.resumes.push_back(resume);
        }
      }
      if (random.Chance(0.1)) {
        Await<Result<RunInfo>> ended;
        store_->UpdateRun(id, {.status = RunStatus::kFinished}, ended.callback());
        ASSERT_TRUE(ended.Get().ok());
      }
    }
    if (GetParam().durable) Reopen();
    for (const auto& [key, series] : model) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ", key " + key);
      const auto expected = series.Visible();
      std::vector<std::pair<SeriesModel::Key, std::int64_t>> got;
      std::string token;
      do {
        const auto page = store_->MetricHistory(id, key, 777, token);
        ASSERT_TRUE(page.ok()) << page.error().message;
        for (const Metric& point : page->items) {
          const bool nan = std::isnan(point.value);
          got.push_back(
              {{point.timestamp_ms, point.step, nan ? 0 : point.value, nan}, point.attempt});
        }
        token = page->next_page_token;
      } while (!token.empty());
      ASSERT_EQ(got, expected);
      const auto latest = std::ranges::max(expected, {}, [](const auto& point) {
        const auto& [ts, step, value, nan] = point.first;
        return std::tuple(step, ts, value);
      });
      const auto metrics = store_->GetRun(id)->metrics;
      const auto shown = std::ranges::find(metrics, key, &Metric::key);
      ASSERT_NE(shown, metrics.end());
      EXPECT_EQ(std::tuple(shown->step, shown->timestamp_ms),
                std::tuple(std::get<1>(latest.first), std::get<0>(latest.first)));
      EXPECT_EQ(std::isnan(shown->value) ? 0 : shown->value, std::get<2>(latest.first));
    }
  }
}

/// A curve with a spike, a NaN and an infinity, in batches as a client sends them.
std::vector<Metric> SpikyCurve(std::int64_t points) {
  std::vector<Metric> curve;
  for (std::int64_t i = 0; i < points; ++i) {
    curve.push_back({.key = "m",
                     .value = static_cast<double>(i % 100),
                     .timestamp_ms = 1'000 + 10 * i,
                     .step = i});
  }
  curve[1'234].value = 1e9;
  curve[1'235].value = std::numeric_limits<double>::quiet_NaN();
  curve[2'345].value = -std::numeric_limits<double>::infinity();
  return curve;
}

TEST_P(RunStoreContract, Charts_OfAllZooms_KeepEveryPointSpikeAndNan) {
  const RunId id = CreateRun("r").info.run_id;
  const auto curve = SpikyCurve(5'030);
  for (std::size_t at = 0; at < curve.size(); at += 1'000) {
    const auto end = std::min(at + 1'000, curve.size());
    ASSERT_TRUE(Log(id, {.metrics = {curve.begin() + static_cast<std::ptrdiff_t>(at),
                                     curve.begin() + static_cast<std::ptrdiff_t>(end)}})
                    .ok());
  }
  for (const Axis axis : {Axis::kStep, Axis::kTime}) {
    for (const std::size_t pixels : {1, 7, 320, 4'000}) {
      const auto columns = store_->ReadChart(id, "m", {.axis = axis, .pixels = pixels});
      ASSERT_TRUE(columns.ok());
      EXPECT_LE(columns->size(), pixels);
      Bucket all;
      for (const Bucket& column : *columns) all.Add(column);
      EXPECT_EQ(all.points, 5'030U) << pixels;
      EXPECT_EQ(all.max, 1e9);
      EXPECT_EQ(all.min, 0);
      EXPECT_EQ(all.nans, 1U);
      EXPECT_EQ(all.infinities, 1U);
      EXPECT_EQ(all.last, 29);
      EXPECT_EQ(std::tuple(all.first_step, all.last_step), std::tuple(0, 5'029));
    }
  }
}

TEST_P(RunStoreContract, Charts_OfANarrowWindow_ShowEachPoint) {
  const RunId id = CreateRun("r").info.run_id;
  ASSERT_TRUE(Log(id, {.metrics = SpikyCurve(5'030)}).ok());
  const auto columns =
      store_->ReadChart(id, "m", {.begin = 1'230, .end = 1'239, .pixels = 10}).value();
  ASSERT_EQ(columns.size(), 10U);
  for (std::size_t i = 0; i < columns.size(); ++i) {
    EXPECT_EQ(columns[i].points, 1U);
    EXPECT_EQ(columns[i].first_step, 1'230 + static_cast<std::int64_t>(i));
  }
  EXPECT_EQ(columns[4].max, 1e9);
  EXPECT_EQ(columns[5].nans, 1U);
  EXPECT_THAT(store_->ReadChart(id, "m", {.begin = 9'000, .end = 9'999}).value(), IsEmpty());
  EXPECT_THAT(store_->ReadChart(id, "none", {}).value(), IsEmpty());
  EXPECT_THAT(store_->ReadChart(RunId("none"), "m", {}).value(), IsEmpty());
  EXPECT_EQ(store_->ReadChart(id, "m", {.pixels = 0}).error().kind, ErrorKind::kInvalid);
  EXPECT_EQ(store_->ReadChart(id, "m", {.pixels = 4'001}).error().kind, ErrorKind::kInvalid);
}

TEST_P(RunStoreContract, Charts_OfLateRepeatedAndHiddenPoints_AreThoseOfTheHistory) {
  const RunId id = CreateRun("r").info.run_id;
  Batch curve{.metrics = SpikyCurve(3'000)};
  for (Metric& metric : curve.metrics) metric.attempt = 1;
  ASSERT_TRUE(Log(id, curve).ok());
  const auto check = [&](const char* when) {
    const auto history = store_->MetricHistory(id, "m", 25'000, "").value();
    for (const Axis axis : {Axis::kStep, Axis::kTime}) {
      const auto columns = store_->ReadChart(id, "m", {.axis = axis}).value();
      Bucket shown, wanted;
      for (const Bucket& column : columns) shown.Add(column);
      for (const Metric& m : history.items) wanted.Add(Point{m.timestamp_ms, m.step, m.value, 0});
      EXPECT_EQ(shown.points, wanted.points) << when;
      EXPECT_EQ(shown.max, wanted.max) << when;
      EXPECT_EQ(shown.nans, wanted.nans) << when;
    }
  };
  // Late, and with a step of its own; then some again, by a younger attempt, and what hides the others.
  ASSERT_TRUE(LogPoint(id, "m", 5e9, 7, 15'005).ok());
  check("late");
  Batch again{.metrics = {curve.metrics.begin() + 500, curve.metrics.begin() + 600}};
  for (Metric& metric : again.metrics) metric.attempt = 2;
  ASSERT_TRUE(Log(id, again).ok());
  check("again");
  ASSERT_TRUE(Resume(id, 2, 99).ok());
  check("resumed");
}

}  // namespace muster::tracker
