#include "runtime/cli/step_plot.h"

#include <gtest/gtest.h>

#include <sstream>

namespace muster::cli {
namespace {

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

TEST(StepPlot, Steps_HoldFromTheirColumnOn) {
  const auto lines = Lines(
      Draw({.title = "t", .steps = {{16, 1}, {32, 5}, {64, 9}}, .end = 64, .label = ClockText}));
  ASSERT_EQ(lines.size(), 12U);
  EXPECT_EQ(lines[0], "t");
  EXPECT_EQ(lines[1], "9 |" + std::string(63, ' ') + "*");
  EXPECT_EQ(lines[2], "  |" + std::string(63, ' ') + "|");
  EXPECT_EQ(lines[5], "  |" + std::string(31, ' ') + std::string(32, '*') + "|");
  EXPECT_EQ(lines[6], "  |" + std::string(31, ' ') + "|");
  EXPECT_EQ(lines[9], "1 |" + std::string(15, ' ') + std::string(16, '*') + "|");
  EXPECT_EQ(lines[10], "  +" + std::string(64, '-'));
  EXPECT_EQ(lines[11], "   0:00:00" + std::string(50, ' ') + "0:01:04");
}

TEST(StepPlot, OneValue_IsALineInTheMiddle) {
  const auto lines =
      Lines(Draw({.title = "t", .steps = {{0.3, 0.25}}, .end = 0.3, .label = ClockText}));
  ASSERT_EQ(lines.size(), 12U);
  EXPECT_EQ(lines[5], "0.25 |" + std::string(63, ' ') + "*");
}

TEST(ClockText, HoursMayBeMany) { EXPECT_EQ(ClockText(360'000 + 61.9), "100:01:01"); }

}  // namespace
}  // namespace muster::cli
