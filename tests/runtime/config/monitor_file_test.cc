#include "runtime/config/monitor_file.h"

#include <gmock/gmock.h>

namespace muster::config {
namespace {

using testing::HasSubstr;

const std::string kWhole = R"(monitor:
  window: 5m
  traffic: {sample_every: 2, late: 1d}
  drift: {number_bound: 0.2}
  rules:
  - {name: inputs, metric: drift.largest, above: 1, for: 3, clear: 0.8, cooldown: 1h}
  - name: 7
    metric: accuracy.*
    below: 0.9
)";

TEST(MonitorFile, IsRead) {
  const auto settings = ParseMonitorFile(kWhole, "monitor.yaml");
  ASSERT_TRUE(settings.ok()) << settings.error().message;
  EXPECT_EQ(settings->window_ms, 300'000);
  EXPECT_EQ(settings->traffic.sample_every, 2);
  EXPECT_EQ(settings->traffic.rows_most, 16) << "as it is without the file";
  EXPECT_EQ(settings->traffic.late_ms, 86'400'000);
  EXPECT_EQ(settings->drift.number_bound, 0.2);
  ASSERT_EQ(settings->rules.size(), 2U);
  EXPECT_EQ(settings->rules[0].cooldown_ms, 3'600'000);
  EXPECT_EQ(settings->rules[1].name, "7");
  EXPECT_TRUE(ParseMonitorFile("monitor:\n", "m").ok());
}

TEST(MonitorFile, WhatIsWrong_HasItsPlace) {
  struct Case {
    std::string from, to, message;
  };
  const Case cases[] = {
      {"monitor:", "watch:", "m.yaml:1:1: wanted a map with the key monitor"},
      {"window: 5m", "window: 5 min", "m.yaml:2:"},
      {"window: 5m", "window: 2d", "window_ms: wanted 1000 to 86400000"},
      {"sample_every: 2", "sample_every: 0", "m.yaml:3:"},
      {"number_bound", "number_bond", "m.yaml:4:"},
      {"for: 3", "for: 0", "m.yaml:6:"},
      {"below: 0.9", "below: low", "m.yaml:9:"},
      {"cooldown: 1h", "cooldown: 1y", "'1y' is not a duration"},
  };
  for (const Case& wrong : cases) {
    std::string text = kWhole;
    text.replace(text.find(wrong.from), wrong.from.size(), wrong.to);
    const auto settings = ParseMonitorFile(text, "m.yaml");
    ASSERT_FALSE(settings.ok()) << wrong.to;
    EXPECT_EQ(settings.error().kind, ErrorKind::kInvalid);
    EXPECT_THAT(settings.error().message, HasSubstr(wrong.message));
  }
}

}  // namespace
}  // namespace muster::config
