#include "registry/monitor/alert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "runtime/wire/codec.h"

namespace muster::registry::monitor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr std::int64_t kMinute = 60'000;

Result<std::vector<AlertRule>> Parse(const std::string& text) {
  return AlertRulesFromJson(*wire::ParseJson(text));
}

struct Case {
  const char* name;
  AlertRule rule;
  std::vector<double> values;  ///< a window a minute; NaN: the figure is absent
  std::string events;          ///< a letter a window: F fired, R resolved, - nothing
};

TEST(Alerts, FireAndResolve) {
  const AlertRule above{"r", "m", true, 1, 1, 1, 0}, below{"r", "m", false, 0.9, 0.95, 2, 0};
  AlertRule held = above, hysteresis = above, cool = above;
  held.windows = 3;
  hysteresis.clear = 0.5;
  cool.cooldown_ms = 3 * kMinute;
  const Case cases[] = {
      {"at the bound is not beyond it", above, {1, 1.1, 1, 2}, "-FRF"},
      {"for three windows in a row", held, {2, 2, 0, 2, 2, 2, 2, 0}, "-----F-R"},
      {"absent figures neither count nor break", held, {2, kNan, 2, kNan, 2, kNan, 0}, "----F-R"},
      {"hysteresis", hysteresis, {2, 0.7, 2, 0.6, 0.5, 0.7, 2}, "F---R-F"},
      {"cooldown", cool, {2, 0, 2, 2, 0, 0, 2}, "FR-FR-F"},
      {"cooldown ends while it is beyond", cool, {2, 0, 2, 2, 2}, "FR-F-"},
      {"below", below, {0.8, 0.8, 0.92, 0.95, 0.8}, "-F-R-"},
      {"never", above, {0, kNan, 1}, "---"},
  };
  for (const Case& given : cases) {
    Alerts alerts({given.rule});
    std::string seen;
    for (std::size_t i = 0; i < given.values.size(); ++i) {
      std::map<std::string, double> metrics{{"other", 5}};
      if (!std::isnan(given.values[i])) metrics["m"] = given.values[i];
      const auto events = alerts.Observe(metrics, static_cast<std::int64_t>(i) * kMinute);
      ASSERT_LE(events.size(), 1U);
      seen += events.empty() ? '-' : events[0].fired ? 'F' : 'R';
      EXPECT_THAT(alerts.Firing(), SizeIs(seen.find_last_of('F') != std::string::npos &&
                                                  (seen.find_last_of('R') == std::string::npos ||
                                                   seen.find_last_of('F') > seen.find_last_of('R'))
                                              ? 1
                                              : 0));
      // A restart between any two windows changes nothing.
      Alerts again({given.rule});
      ASSERT_TRUE(again.Restore(*wire::ParseJson(wire::SerializeJson(alerts.StateJson()))).ok());
      alerts = std::move(again);
    }
    EXPECT_EQ(seen, given.events) << given.name;
  }
}

TEST(Alerts, Events_SayWhatWasSeen) {
  AlertRule rule{"inputs drift", "drift.largest", true, 1, 0.8, 2, 0};
  Alerts alerts({rule});
  EXPECT_THAT(alerts.Observe({{"drift.largest", 1.5}}, 1'764'000'000'000), IsEmpty());
  const auto fired = alerts.Observe({{"drift.largest", 1.7}}, 1'764'000'060'000);
  ASSERT_THAT(fired, SizeIs(1));
  EXPECT_EQ(Sentence(fired[0]),
            "inputs drift fired: drift.largest is 1.7, beyond 1 since 2025-11-24T16:00:00Z");
  const auto resolved = alerts.Observe({{"drift.largest", 0.5}}, 1'764'000'120'000);
  ASSERT_THAT(resolved, SizeIs(1));
  EXPECT_EQ(Sentence(resolved[0]),
            "inputs drift resolved: drift.largest is 0.5, back at 0.8; fired 2025-11-24T16:01:00Z");
  EXPECT_EQ(wire::SerializeJson(ToJson(fired[0])),
            R"({"state":"fired","rule":"inputs drift","metric":"drift.largest",)"
            R"("time_ms":1764000060000,"value":1.7E0,"bound":1E0,"since_ms":1764000000000})");
}

TEST(Alerts, AStar_WatchesEachMetricByItself) {
  Alerts alerts({{"missing", "column.*.missing", true, 0.1, 0.1, 1, 0}});
  const auto names = [](const std::vector<AlertEvent>& events) {
    std::vector<std::string> metrics;
    for (const auto& event : events) metrics.push_back((event.fired ? "+" : "-") + event.metric);
    return metrics;
  };
  EXPECT_THAT(names(alerts.Observe(
                  {{"column.a.missing", 0.5}, {"column.b.missing", 0}, {"column.missing", 1}}, 0)),
              ElementsAre("+column.a.missing"));
  EXPECT_THAT(names(alerts.Observe({{"column.a.missing", 0.0}, {"column.b.missing", 0.2}}, 1)),
              ElementsAre("-column.a.missing", "+column.b.missing"));
}

TEST(Alerts, ChangedRules_BeginAnew) {
  Alerts before({{"a", "m", true, 1, 1, 1, 0}, {"b", "m", true, 1, 1, 1, 0}});
  before.Observe({{"m", 2}}, 0);
  ASSERT_THAT(before.Firing(), SizeIs(2));
  Alerts after({{"a", "m", true, 1.5, 1.5, 1, 0}, {"b", "m", true, 1, 1, 1, 0}});
  ASSERT_TRUE(after.Restore(before.StateJson()).ok());
  ASSERT_THAT(after.Firing(), SizeIs(1));
  EXPECT_EQ(after.Firing()[0].rule, "b");
  EXPECT_FALSE(after.Restore(*wire::ParseJson(R"({"states":[{"rule":1}]})")).ok());
  ASSERT_THAT(after.Firing(), SizeIs(1)) << "nothing was restored";
}

TEST(AlertRules, ComeBackFromJson) {
  const auto rules =
      Parse(R"({"rules":[{"name":"a","metric":"m","above":1},)"
            R"({"name":"b","metric":"x.*","below":0.9,"for":3,"clear":0.95,"cooldown_ms":5}]})");
  ASSERT_TRUE(rules.ok()) << rules.error().message;
  EXPECT_EQ((*rules)[0], (AlertRule{"a", "m", true, 1, 1, 1, 0}));
  EXPECT_EQ((*rules)[1], (AlertRule{"b", "x.*", false, 0.9, 0.95, 3, 5}));
  EXPECT_EQ(*AlertRulesFromJson(ToJson(*rules)), *rules);
}

TEST(AlertRules, WhatIsWrong_IsNamed) {
  const std::pair<const char*, const char*> cases[] = {
      {R"([])", "wanted an object"},
      {R"({"rule":[]})", "at rule: unknown key"},
      {R"({"rules":1})", "at rules: "},
      {R"({"rules":[{"metric":"m","above":1}]})", "at rules[0].name"},
      {R"({"rules":[{"name":"a","above":1}]})", "at rules[0].metric"},
      {R"({"rules":[{"name":"a","metric":"*.*","above":1}]})", "at rules[0].metric"},
      {R"({"rules":[{"name":"a","metric":"m"}]})", "at rules[0].above"},
      {R"({"rules":[{"name":"a","metric":"m","above":1,"below":1}]})", "at rules[0].above"},
      {R"({"rules":[{"name":"a","metric":"m","above":"x"}]})", "at rules[0].above"},
      {R"({"rules":[{"name":"a","metric":"m","above":1,"clear":2}]})", "at rules[0].clear"},
      {R"({"rules":[{"name":"a","metric":"m","below":1,"clear":0}]})", "at rules[0].clear"},
      {R"({"rules":[{"name":"a","metric":"m","above":1,"for":0}]})", "at rules[0].for"},
      {R"({"rules":[{"name":"a","metric":"m","above":1,"cooldown":5}]})", "at rules[0].cooldown"},
      {R"({"rules":[{"name":"a","metric":"m","above":1},{"name":"a","metric":"n","above":1}]})",
       "at rules[1].name: 'a' comes twice"},
  };
  for (const auto& [text, message] : cases) {
    const auto rules = Parse(text);
    ASSERT_FALSE(rules.ok()) << text;
    EXPECT_EQ(rules.error().kind, ErrorKind::kInvalid);
    EXPECT_THAT(rules.error().message, HasSubstr(message)) << text;
  }
}

}  // namespace
}  // namespace muster::registry::monitor
