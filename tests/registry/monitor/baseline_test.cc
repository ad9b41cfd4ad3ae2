#include "registry/monitor/baseline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "registry/package/baselines.h"
#include "runtime/base/file.h"
#include "runtime/base/random.h"
#include "runtime/wire/codec.h"
#include "tests/registry/monitor/versions.h"

/// What the package writes is read back as the rows were; old files are read; and what is none is refused where it is wrong.

namespace muster::registry::monitor {
namespace {

using ::testing::HasSubstr;

Baseline Parsed(const std::string& text) {
  auto baseline = ParseBaseline(text);
  EXPECT_TRUE(baseline.ok()) << baseline.error().message;
  return std::move(baseline).value();
}

/// The share of `sorted` below `value`, and at most as large.
CdfPoint RankOf(const std::vector<double>& sorted, double value) {
  const auto count = static_cast<double>(sorted.size());
  const auto range = std::ranges::equal_range(sorted, value);
  return {value, static_cast<double>(range.begin() - sorted.begin()) / count,
          static_cast<double>(range.end() - sorted.begin()) / count};
}

TEST(Baseline, Cdf_IsThatOfTheRows) {
  Random random(5);
  std::vector<std::vector<double>> columns(4);
  for (int i = 0; i < 3'000; ++i) {
    columns[0].push_back(random.Normal());
    columns[1].push_back(random.Chance(0.6) ? 2
                                            : std::exp(random.Normal()));  // a jump in the middle
    columns[2].push_back(static_cast<double>(random.Below(9)));
    if (i < 100) columns[3].push_back(random.Uniform());
  }
  for (auto& rows : columns) {
    std::ranges::sort(rows);
    const std::string text = wire::SerializeJson(boost::json::object{
        {"format", 2},
        {"rows", rows.size()},
        {"inputs", boost::json::array{boost::json::object{
                       {"name", "x"},
                       {"type", "FP32"},
                       {"shape", boost::json::array{rows.size(), 1}},
                       {"columns", boost::json::array{SummaryOf("x[0]", rows)}}}}}});
    const Baseline baseline = Parsed(text);
    const Cdf& cdf = baseline.inputs.at(0).columns.at(0).cdf;
    EXPECT_EQ(cdf.points.front().value, rows.front());
    EXPECT_EQ(cdf.points.back().value, rows.back());
    for (std::size_t i = 0; i < cdf.points.size(); ++i) {
      const CdfPoint& point = cdf.points[i];
      const CdfPoint rank = RankOf(rows, point.value);
      EXPECT_DOUBLE_EQ(point.through, rank.through);
      // Of a jump both ends are known.
      const bool jumps = rank.through - rank.below > 1.0 / 128;
      EXPECT_DOUBLE_EQ(point.below, jumps || i == 0 ? rank.below : rank.through);
    }
    Cdf rows_cdf{{}, static_cast<std::int64_t>(rows.size()), 0};
    for (const double value : rows) {
      if (rows_cdf.points.empty() || rows_cdf.points.back().value != value) {
        rows_cdf.points.push_back(RankOf(rows, value));
      }
    }
    const auto apart = Distance(rows_cdf, cdf);
    EXPECT_LE(apart.kolmogorov_smirnov, 0.0123 + 1.0 / static_cast<double>(rows.size()));
    EXPECT_LE(apart.wasserstein, 0.005 * baseline.inputs[0].columns[0].std);
    EXPECT_LE(cdf.points.size(), 260U);
  }
}

TEST(Baseline, Classes_AreReadAsTheyWereWritten) {
  const TestVersion version = Blobs({.rows = 900});
  const Baseline baseline = Parsed(version.Text());
  EXPECT_EQ(baseline.task, Task::kClasses);
  EXPECT_EQ(baseline.rows, 900);
  EXPECT_EQ(baseline.inputs.at(0).columns.size(), 2U);
  EXPECT_EQ(baseline.inputs[0].name, "x");
  const auto right = ComputeMetric("accuracy", version.logits, version.evaluation);
  EXPECT_DOUBLE_EQ(static_cast<double>(baseline.score->right) / 900, *right);
  const CalibrationTable& table = *baseline.calibration;
  EXPECT_EQ(table.rows.size(), 15U);
  std::int64_t rows = 0, table_right = 0;
  for (std::size_t bin = 0; bin < table.rows.size(); ++bin) {
    EXPECT_NEAR(static_cast<double>(table.rows[bin]), 60, 1);
    EXPECT_LE(table.edges[bin], table.confidence[bin]);
    EXPECT_GE(table.edges[bin + 1], table.confidence[bin]);
    EXPECT_EQ(table.BinOf(table.confidence[bin]), bin);
    rows += table.rows[bin];
    table_right += table.right[bin];
  }
  EXPECT_EQ(rows, 900);
  EXPECT_EQ(table_right, baseline.score->right);
  EXPECT_EQ(table.BinOf(0), 0U);
  EXPECT_EQ(table.BinOf(1), 14U);
  std::int64_t segments = 0;
  for (const auto& [name, score] : baseline.segments) {
    EXPECT_THAT(name, HasSubstr("side="));
    segments += score.right;
  }
  EXPECT_EQ(segments, baseline.score->right);
}

TEST(Baseline, Regression_HasItsError) {
  const TestVersion version = Line({.rows = 400});
  const Baseline baseline = Parsed(version.Text());
  EXPECT_EQ(baseline.task, Task::kRegression);
  EXPECT_EQ(baseline.outputs.size(), 1U);
  EXPECT_EQ(baseline.targets.size(), 1U);
  EXPECT_FALSE(baseline.has_classes());
  const auto error = ComputeMetric("mae", version.logits, version.evaluation);
  EXPECT_NEAR(baseline.mean_absolute_error.at(0), *error, 1e-6);
}

TEST(Baseline, Format1_IsRead) {
  const auto text = ReadWholeFile(MUSTER_TEST_GOLDEN "/baseline-1.json");
  ASSERT_TRUE(text.ok());
  const Baseline baseline = Parsed(*text);
  EXPECT_EQ(baseline.task, Task::kClasses);
  EXPECT_FALSE(baseline.score.has_value());
  EXPECT_FALSE(baseline.calibration.has_value());
  EXPECT_EQ(baseline.labels.size(), 10U);
  const BaselineColumn& confidence = *baseline.confidence;
  EXPECT_FALSE(confidence.categorical());
  // Lines between the edges of its histogram.
  EXPECT_EQ(confidence.cdf.points.size(), confidence.edges.size());
  EXPECT_TRUE(baseline.inputs.at(0).columns.at(5).categorical());
}

TEST(Baseline, WhatIsWrong_IsNamed) {
  const std::string good = Blobs({.rows = 60}).Text();
  const auto with = [&](std::string_view from, std::string_view to) {
    std::string text = good;
    const auto at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return text.replace(at, from.size(), to);
  };
  struct Case {
    std::string text;
    ErrorKind kind;
    std::string message;
  };
  const Case cases[] = {
      {"{", ErrorKind::kCorrupt, "baseline: "},
      {"[]", ErrorKind::kCorrupt, "an object"},
      {with("\"format\":2", "\"format\":3"), ErrorKind::kUnsupported, "reads 1 and 2"},
      {with("\"rows\":60", "\"rows\":0"), ErrorKind::kCorrupt, "at rows: "},
      {with("\"task\":\"classes\"", "\"task\":\"guess\""), ErrorKind::kCorrupt, "at task"},
      {with("\"FP32\"", "\"FP31\""), ErrorKind::kCorrupt, "at inputs[0].type"},
      {with("\"count\":60", "\"count\":61"), ErrorKind::kCorrupt,
       "at inputs[0].columns[0].histogram.counts: wanted counts that are 61 together"},
      {with("\"cdf\":{\"values\":[", "\"cdf\":{\"values\":[9E9,"), ErrorKind::kCorrupt,
       "at inputs[0].columns[0].cdf.values: wanted ascending numbers"},
      {with("\"edges\":[", "\"edges\":[\"NaN\","), ErrorKind::kCorrupt,
       "at inputs[0].columns[0].histogram.edges: wanted finite numbers"},
      {with("\"std\":", "\"st\":"), ErrorKind::kCorrupt, "wanted min, max and std"},
      {with("\"labels\":[", "\"labels\":[1,"), ErrorKind::kCorrupt, "at classes."},
      {with("\"calibration\":{\"edges\":[", "\"calibration\":{\"edges\":[0,"), ErrorKind::kCorrupt,
       "at calibration.rows: "},
  };
  for (const Case& wrong : cases) {
    const auto read = ParseBaseline(wrong.text);
    ASSERT_FALSE(read.ok()) << wrong.message;
    EXPECT_EQ(read.error().kind, wrong.kind) << read.error().message;
    EXPECT_THAT(read.error().message, HasSubstr(wrong.message));
  }
}

}  // namespace
}  // namespace muster::registry::monitor
