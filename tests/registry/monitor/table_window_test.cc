#include "registry/monitor/table_window.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "registry/monitor/report.h"
#include "tests/registry/monitor/versions.h"

namespace muster::registry::monitor {
namespace {

using ::testing::HasSubstr;

Result<Window> WindowOf(const Baseline& baseline, const std::string& csv) {
  const auto records = ParseCsv(csv);
  EXPECT_TRUE(records.ok()) << records.error().message;
  return WindowOfTable(baseline, *records, {}, 7);
}

TEST(TableWindow, HasTheRowsPredictionsAndLabels) {
  const auto baseline = *ParseBaseline(Blobs({.rows = 200}).Text());
  const auto window = WindowOf(baseline,
                               "x[1],id,x[0],prediction,confidence,label,segment\n"
                               "0.5,7,-1,0,0.9,0,side=1\n"
                               ",8,1e9,1,0.6,0,side=1\n"
                               "NA,9,0,,,1,side=0\n"
                               "1,10,0,1,0.7,,\n");
  ASSERT_TRUE(window.ok()) << window.error().message;
  EXPECT_EQ(window->begun_ms, 7);
  EXPECT_EQ(window->rows, 4);
  EXPECT_EQ(window->columns[0].outside(), 1);
  EXPECT_EQ(window->columns[1].missing(), 2);
  EXPECT_EQ(window->classes, (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(window->no_class, 1);
  EXPECT_EQ(window->confidence->count(), 3);
  EXPECT_EQ(window->performance.rows, 3)
      << "a row without a prediction is wrong, one without a label is none";
  EXPECT_EQ(window->performance.right, 1);
  EXPECT_EQ(window->performance.segments.at("side=1").rows, 2);
}

TEST(TableWindow, OfRegression) {
  const auto baseline = *ParseBaseline(Line({.rows = 200}).Text());
  const auto window = WindowOf(baseline, "x[0],prediction,label\n1,1,1.5\n2,2,1\n");
  ASSERT_TRUE(window.ok()) << window.error().message;
  EXPECT_DOUBLE_EQ(MakeReport(baseline, *window, {}).metrics.at("mae.0"), 0.75);
  EXPECT_EQ(window->outputs[0].count(), 2);
}

TEST(TableWindow, WhatIsWrong_IsNamed) {
  const auto baseline = *ParseBaseline(Blobs({.rows = 200}).Text());
  const std::pair<const char*, const char*> cases[] = {
      {"", "the table is empty"},
      {"x[0]\n1\n", "no column 'x[1]'"},
      {"x[0],x[1]\n1,2\n1,one\n", "line 3, column 'x[1]': wanted a number, got 'one'"},
      {"x[0],x[1],prediction\n1,2,3\n", "line 2: a prediction is one class, from 0 to 1"},
      {"x[0],x[1],prediction,label\n1,2,1,0.5\n", "line 2: a label is one class"},
  };
  for (const auto& [csv, message] : cases) {
    const auto window = WindowOf(baseline, csv);
    ASSERT_FALSE(window.ok()) << csv;
    EXPECT_EQ(window.error().kind, ErrorKind::kInvalid);
    EXPECT_THAT(window.error().message, HasSubstr(message));
  }
}

}  // namespace
}  // namespace muster::registry::monitor
