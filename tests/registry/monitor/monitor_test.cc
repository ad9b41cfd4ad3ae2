#include "registry/monitor/monitor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "registry/monitor/report.h"
#include "registry/tensor_values.h"
#include "runtime/wire/codec.h"
#include "tests/registry/monitor/versions.h"

/// A version, traffic of known kinds, and what the window says of it.

namespace muster::registry::monitor {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Key;
using ::testing::Not;

constexpr std::int64_t kNow = 1'764'000'000'000;

Monitor MonitorOf(const TestVersion& version, MonitorSpec spec = {}) {
  auto baseline = ParseBaseline(version.Text());
  EXPECT_TRUE(baseline.ok()) << baseline.error().message;
  return {std::move(baseline).value(), spec, kNow};
}

/// Rows of `traffic` from `first` on, as one request has them.
struct Request {
  Request(const TestVersion& traffic, std::int64_t first, std::int64_t rows) {
    const auto cut = [&](const std::vector<float>& values, std::int64_t width) {
      return std::vector<float>(values.begin() + first * width,
                                values.begin() + (first + rows) * width);
    };
    const auto all = ValuesAs<float>(traffic.evaluation.inputs[0]);
    const std::int64_t width = traffic.evaluation.inputs[0].shape[1];
    const std::int64_t outputs = traffic.evaluation.width();
    inputs = {F32("x", {rows, width}, cut(all, width))};
    answers = {F32("y", {rows, outputs}, cut(traffic.logits, outputs))};
  }
  std::vector<Tensor> inputs, answers;
};

/// All rows, one a request of id "rN"; segments by the sign of the second input.
void Send(Monitor& monitor, const TestVersion& traffic) {
  for (std::int64_t row = 0; row < traffic.evaluation.rows(); ++row) {
    const Request request(traffic, row, 1);
    const auto side = traffic.evaluation.segments.find("side");
    const std::string segment =
        side == traffic.evaluation.segments.end()
            ? ""
            : "side=" + std::to_string(side->second[static_cast<std::size_t>(row)]);
    const std::string id = "r" + std::to_string(row);
    monitor.Observe({.id = id,
                     .inputs = &request.inputs,
                     .outputs = &request.answers,
                     .duration = std::chrono::microseconds(100 + row % 100),
                     .time_ms = kNow + row,
                     .segment = segment});
  }
}

Result<JoinState> Label(Monitor& monitor, const std::string& id, double label, std::int64_t row = 0,
                        std::int64_t time_ms = kNow + 1'000'000) {
  const double values[] = {label};
  return monitor.Outcome({.id = id, .row = row, .values = values, .time_ms = time_ms});
}

void LabelAll(Monitor& monitor, const TestVersion& traffic) {
  for (std::size_t row = 0; row < traffic.evaluation.labels.size(); ++row) {
    const auto joined = Label(monitor, "r" + std::to_string(row),
                              static_cast<double>(traffic.evaluation.labels[row]));
    ASSERT_TRUE(joined.ok());
    ASSERT_EQ(*joined, JoinState::kJoined);
  }
}

Report ReportOf(const Monitor& monitor) {
  return MakeReport(monitor.baseline(), monitor.window(), {});
}

TEST(Monitor, TrafficAsBefore_IsQuiet) {
  Monitor monitor = MonitorOf(Blobs({.rows = 2'000, .seed = 1}));
  const TestVersion traffic = Blobs({.rows = 3'000, .seed = 2});
  Send(monitor, traffic);
  LabelAll(monitor, traffic);
  const Report report = ReportOf(monitor);
  EXPECT_EQ(report.input_drift.drifted, 0U);
  EXPECT_EQ(report.prediction_drift.drifted, 0U);
  EXPECT_LT(report.metrics.at("drift.largest"), 1);
  EXPECT_LT(report.metrics.at("predictions.drift"), 1);
  EXPECT_EQ(report.metrics.at("requests"), 3'000);
  EXPECT_EQ(report.metrics.at("error_rate"), 0);
  EXPECT_EQ(report.metrics.at("schema"), 0);
  EXPECT_NEAR(report.metrics.at("latency_ms.p50"), 0.15, 0.005);
  EXPECT_FALSE(report.labels->drifted);
  EXPECT_LE(report.drop_interval->low, 0);
  EXPECT_GE(report.drop_interval->high, 0);
}

TEST(Monitor, ShiftedInputs_AreFoundInTheirColumn) {
  Monitor monitor = MonitorOf(Blobs({.rows = 2'000, .seed = 1}));
  Send(monitor, Blobs({.rows = 500, .seed = 2, .shift = 1}));
  const Report report = ReportOf(monitor);
  ASSERT_EQ(report.inputs.size(), 2U);
  EXPECT_TRUE(report.inputs[0].drifted);
  EXPECT_FALSE(report.inputs[1].drifted);
  EXPECT_NEAR(report.metrics.at("column.x[0].drift"), 1, 0.15);
  EXPECT_EQ(report.metrics.at("drift.columns"), 1);
  EXPECT_EQ(report.metrics.at("drift.share"), 0.5);
  EXPECT_TRUE(report.predictions[0].drifted) << "more of class 1";
  const auto json = wire::SerializeJson(ReportJson(monitor.baseline(), monitor.window(), report));
  EXPECT_THAT(json, HasSubstr(R"("drifted":1,"share":5E-1)"));
  EXPECT_THAT(json, HasSubstr(R"("range":)")) << "values beyond the baseline's";
}

TEST(Monitor, Binary_GoesByTheThreshold) {
  TestVersion version = Blobs({.rows = 200});
  version.evaluation.task = Task::kBinary;
  version.evaluation.threshold = 0.7;
  Monitor monitor = MonitorOf(version);
  EXPECT_EQ(monitor.baseline().threshold, 0.7);
  const std::vector<Tensor> inputs = {F32("x", {3, 2}, {0, 0, 0, 0, 0, 0})};
  // Probabilities of class 1: 0.731, 0.622, 0.5; as two logits and as one.
  const std::vector<Tensor> two = {F32("y", {3, 2}, {0, 1, 0, 0.5F, 0, 0})};
  const std::vector<Tensor> one = {F32("y", {3}, {1, 0.5F, 0})};
  monitor.Observe({.inputs = &inputs, .outputs = &two});
  monitor.Observe({.inputs = &inputs, .outputs = &one});
  EXPECT_EQ(monitor.window().classes, (std::vector<std::int64_t>{4, 2}));
}

TEST(Monitor, NoTraffic_SaysNothing) {
  const Monitor monitor = MonitorOf(Blobs({.rows = 200}));
  const Report report = ReportOf(monitor);
  EXPECT_EQ(report.metrics.at("requests"), 0);
  for (const char* absent : {"error_rate", "drift.largest", "accuracy", "latency_ms.p50",
                             "estimated_accuracy", "predictions.drift"}) {
    EXPECT_THAT(report.metrics, Not(Contains(Key(absent))));
  }
  EXPECT_FALSE(
      wire::SerializeJson(ReportJson(monitor.baseline(), monitor.window(), report)).empty());
}

TEST(Monitor, WhatIsNoNumber_IsCountedWithAnExample) {
  Monitor monitor = MonitorOf(Blobs({.rows = 200}));
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<Tensor> inputs = {F32("x", {4, 2}, {std::nanf(""), 0, 0, inf, 1e6F, 0, 0, 0})};
  const std::vector<Tensor> outputs = {F32("y", {4, 2}, {0, 1, std::nanf(""), 1, 1, 0, 0, 0})};
  monitor.Observe({.id = "a", .inputs = &inputs, .outputs = &outputs});
  const Window& window = monitor.window();
  EXPECT_EQ(window.columns[0].missing(), 1);
  EXPECT_EQ(window.columns[0].outside(), 1);
  EXPECT_EQ(window.columns[0].example(), 1e6F);
  EXPECT_EQ(window.columns[1].infinite(), 1);
  EXPECT_EQ(window.no_class, 1);
  EXPECT_EQ(window.classes, (std::vector<std::int64_t>{2, 1}));
  const Report report = ReportOf(monitor);
  EXPECT_DOUBLE_EQ(report.metrics.at("column.x[0].missing"), 0.25);
  EXPECT_DOUBLE_EQ(report.metrics.at("column.x[0].outside"), 0.25);
  EXPECT_THAT(wire::SerializeJson(ReportJson(monitor.baseline(), window, report)),
              HasSubstr(R"("missing":1,"infinite":0,"outside":1)"));
}

TEST(Monitor, OtherSchema_IsAViolationOfItsKind) {
  struct Case {
    std::vector<Tensor> inputs;
    std::string kind, example;
  };
  Tensor whole = F32("x", {2, 2}, {0, 0, 0, 0});
  whole.type = ElementType::kI32;
  const Case cases[] = {
      {{F32("x", {2, 3}, {0, 0, 0, 0, 0, 0})}, "shape", "'x' is [2,3], wanted rows of [200,2]"},
      {{F32("x", {4}, {0, 0, 0, 0})}, "shape", "'x' is [4]"},
      {{whole}, "type", "'x' is INT32, wanted FP32"},
      {{F32("a", {2, 2}, {0, 0, 0, 0}), F32("b", {2, 2}, {0, 0, 0, 0})}, "missing_input", "'x'"},
      {{F32("x", {2, 2}, {0, 0, 0, 0}), F32("b", {2}, {0, 0})}, "unknown_input", "2 inputs"},
  };
  for (const Case& wrong : cases) {
    Monitor monitor = MonitorOf(Blobs({.rows = 200}));
    monitor.Observe({.id = "a", .inputs = &wrong.inputs});
    ASSERT_THAT(monitor.window().violations, Contains(Key(wrong.kind)));
    EXPECT_EQ(monitor.window().violations.at(wrong.kind).count, 1);
    EXPECT_THAT(monitor.window().violations.at(wrong.kind).example, HasSubstr(wrong.example));
    EXPECT_EQ(ReportOf(monitor).metrics.at("schema") > 0, true);
  }
  // What a tensor says of itself need not be true.
  Monitor monitor = MonitorOf(Blobs({.rows = 200}));
  for (const std::vector<std::int64_t>& shape :
       {std::vector<std::int64_t>{9, 2}, {-1, 2}, {1LL << 60, 1LL << 60}, {}}) {
    std::vector<Tensor> lies = {F32("x", {2, 2}, {0, 0, 0, 0})};
    lies[0].shape = shape;
    monitor.Observe({.id = "a", .inputs = &lies, .outputs = &lies});
  }
  EXPECT_EQ(monitor.window().requests, 4);
  EXPECT_EQ(monitor.window().sampled, 0);
  EXPECT_EQ(monitor.window().violations.at("shape").count, 4);
}

TEST(Monitor, FailedRequests_CountAsErrors) {
  Monitor monitor = MonitorOf(Blobs({.rows = 200}));
  for (int i = 0; i < 10; ++i) monitor.Observe({.ok = i % 5 != 0});
  EXPECT_DOUBLE_EQ(ReportOf(monitor).metrics.at("error_rate"), 0.2);
  EXPECT_EQ(monitor.window().latency_us.count(), 8);
}

TEST(Monitor, LargeRequests_AreSampled) {
  const TestVersion traffic = Blobs({.rows = 5'000, .seed = 3});
  const Request request(traffic, 0, 5'000);
  std::vector<std::string> windows;
  for (int again = 0; again < 2; ++again) {
    Monitor monitor = MonitorOf(Blobs({.rows = 500}), {.seed = 7});
    for (int i = 0; i < 100; ++i) {
      monitor.Observe({.id = "a", .inputs = &request.inputs, .outputs = &request.answers});
    }
    EXPECT_EQ(monitor.window().rows, 500'000);
    EXPECT_EQ(monitor.window().sampled, 1'600);
    EXPECT_EQ(ReportOf(monitor).input_drift.drifted, 0U) << "and not by their place in it";
    windows.push_back(ToJson(monitor.window()));
  }
  EXPECT_EQ(windows[0], windows[1]) << "the same seed, the same sample";
  Monitor monitor = MonitorOf(Blobs({.rows = 500}), {.sample_every = 10, .values_most = 8});
  for (int i = 0; i < 100; ++i) {
    monitor.Observe({.id = "a", .inputs = &request.inputs, .outputs = &request.answers});
  }
  EXPECT_EQ(monitor.window().requests, 100);
  EXPECT_EQ(monitor.window().sampled, 10 * 4);
}

TEST(Monitor, WideRows_ArePooledAndSampled) {
  // 600 elements a row: one column over all of them.
  TestVersion version = Blobs({.rows = 100});
  Random random(3);
  const auto wide = [&](int rows, double shift) {
    std::vector<float> values(static_cast<std::size_t>(rows) * 600);
    for (float& value : values) value = static_cast<float>(shift + random.Normal());
    return F32("x", {rows, 600}, values);
  };
  version.evaluation.inputs = {wide(100, 0)};
  for (const double shift : {0.0, 1.0}) {
    Monitor monitor = MonitorOf(version);
    for (int i = 0; i < 100; ++i) {
      const std::vector<Tensor> inputs = {wide(1, shift)};
      monitor.Observe({.inputs = &inputs});
    }
    ASSERT_EQ(monitor.window().columns.size(), 1U);
    EXPECT_EQ(monitor.window().columns[0].count(), 100 * kPooledSample);
    const Report report = ReportOf(monitor);
    EXPECT_EQ(report.inputs.at(0).current_rows, 100) << "of rows, not of elements";
    EXPECT_EQ(report.input_drift.drifted, shift > 0 ? 1U : 0U);
  }
}

TEST(Outcomes, GiveAccuracyBySegment) {
  Monitor monitor = MonitorOf(Blobs({.rows = 2'000, .seed = 1}));
  const TestVersion traffic = Blobs({.rows = 800, .seed = 2});
  Send(monitor, traffic);
  LabelAll(monitor, traffic);
  const Report report = ReportOf(monitor);
  const double accuracy = *ComputeMetric("accuracy", traffic.logits, traffic.evaluation);
  EXPECT_DOUBLE_EQ(report.metrics.at("accuracy"), accuracy);
  EXPECT_EQ(report.metrics.at("labelled"), 800);
  EXPECT_LT(report.accuracy_interval->low, accuracy);
  EXPECT_GT(report.accuracy_interval->high, accuracy);
  const auto& segments = monitor.window().performance.segments;
  ASSERT_EQ(segments.size(), 2U);
  EXPECT_EQ(segments.at("side=0").rows + segments.at("side=1").rows, 800);
  EXPECT_DOUBLE_EQ(report.metrics.at("accuracy.side=1"),
                   static_cast<double>(segments.at("side=1").right) /
                       static_cast<double>(segments.at("side=1").rows));
  EXPECT_THAT(wire::SerializeJson(ReportJson(monitor.baseline(), monitor.window(), report)),
              HasSubstr("baseline_right"));
}

TEST(Outcomes, LateDuplicateOtherAndUnknownLabels) {
  Monitor monitor = MonitorOf(Blobs({.rows = 200}), {.outcomes_most = 18, .late_ms = 1'000});
  const TestVersion traffic = Blobs({.rows = 40, .seed = 2});
  const Request many(traffic, 0, 40);
  const Request one(traffic, 0, 1);
  const auto send = [&](std::string_view id, const Request& request) {
    monitor.Observe(
        {.id = id, .inputs = &request.inputs, .outputs = &request.answers, .time_ms = kNow});
  };
  for (const char* id : {"gone", "a", "b"}) send(id, one);
  send("many", many);
  const double predicted = traffic.logits[1] > 0 ? 1 : 0;
  EXPECT_EQ(*Label(monitor, "gone", 0), JoinState::kUnknown);
  EXPECT_EQ(*Label(monitor, "never", 0), JoinState::kUnknown);
  EXPECT_EQ(*Label(monitor, "a", 1 - predicted, 0, kNow + 10), JoinState::kJoined);
  EXPECT_EQ(monitor.window().performance.right, 0);
  EXPECT_EQ(*Label(monitor, "a", 1 - predicted), JoinState::kDuplicate);
  EXPECT_EQ(*Label(monitor, "a", predicted), JoinState::kReplaced);
  EXPECT_EQ(monitor.window().performance.rows, 1) << "the newest alone";
  EXPECT_EQ(monitor.window().performance.right, 1);
  EXPECT_EQ(*Label(monitor, "b", predicted, 1), JoinState::kUnsampled);
  int joined = 0;
  for (std::int64_t row = 0; row < 40; ++row) {
    joined += *Label(monitor, "many", 1, row) == JoinState::kJoined ? 1 : 0;
  }
  EXPECT_EQ(joined, 16);
  const Performance& performance = monitor.window().performance;
  EXPECT_EQ(performance.unknown, 2);
  EXPECT_EQ(performance.duplicate, 1);
  EXPECT_EQ(performance.replaced, 1);
  EXPECT_EQ(performance.unsampled, 1 + 24);
  EXPECT_EQ(performance.late, 1 + 16) << "the first was in time";
  for (const double label : {-1.0, 2.0, 0.5, std::nan("")}) {
    const auto refused = Label(monitor, "a", label);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().kind, ErrorKind::kInvalid);
  }
  EXPECT_EQ(monitor.window().performance.invalid, 4);
}

TEST(Outcomes, ALaterWindow_CountsItsOwnLabels) {
  Monitor monitor = MonitorOf(Blobs({.rows = 200}));
  const TestVersion traffic = Blobs({.rows = 2, .seed = 2});
  Send(monitor, traffic);
  EXPECT_EQ(*Label(monitor, "r0", 0), JoinState::kJoined);
  const Window closed = monitor.CloseWindow(kNow + 60'000);
  EXPECT_EQ(closed.ended_ms, kNow + 60'000);
  EXPECT_EQ(closed.performance.rows, 1);
  EXPECT_EQ(monitor.window().begun_ms, kNow + 60'000);
  EXPECT_EQ(*Label(monitor, "r1", 0), JoinState::kJoined) << "predicted in the window before";
  EXPECT_EQ(*Label(monitor, "r0", 1), JoinState::kReplaced);
  EXPECT_EQ(monitor.window().performance.rows, 2) << "nothing of the closed window is taken back";
}

TEST(Outcomes, OfRegression_GiveTheError) {
  Monitor monitor = MonitorOf(Line({.rows = 1'000}));
  const TestVersion traffic = Line({.rows = 400, .seed = 2});
  Send(monitor, traffic);
  for (std::size_t row = 0; row < 400; ++row) {
    ASSERT_EQ(*Label(monitor, "r" + std::to_string(row), traffic.evaluation.targets[row]),
              JoinState::kJoined);
  }
  const Report report = ReportOf(monitor);
  EXPECT_NEAR(report.metrics.at("mae.0"), *ComputeMetric("mae", traffic.logits, traffic.evaluation),
              1e-6);
  EXPECT_NEAR(report.metrics.at("mae_rise.0"), 0, 0.15);
  EXPECT_EQ(report.prediction_drift.columns, 1U);
  const auto interval = monitor.window().performance.errors[0].MeanInterval(0.95);
  EXPECT_LT(interval.low, 0.5 * std::sqrt(2 / 3.14159));
  EXPECT_GT(interval.high, 0.5 * std::sqrt(2 / 3.14159));
  EXPECT_FALSE(monitor.Outcome({.id = "r0", .values = {}}).ok());
}

TEST(Outcomes, OfRegression_BySegment) {
  Monitor monitor = MonitorOf(Line({.rows = 200}));
  const std::vector<Tensor> row = {F32("x", {1, 1}, {1})};
  const std::vector<Tensor> nan = {F32("y", {1, 1}, {std::nanf("")})};
  monitor.Observe({.id = "a", .inputs = &row, .outputs = &row, .segment = "side=1"});
  monitor.Observe({.id = "b", .inputs = &row, .outputs = &row});
  monitor.Observe({.id = "c", .inputs = &row, .outputs = &nan, .segment = "side=1"});
  for (const auto& [id, label] : {std::pair("a", 3.0), std::pair("b", 1.0), std::pair("c", 1.0)}) {
    EXPECT_EQ(*Label(monitor, id, label), JoinState::kJoined);
  }
  const Report report = ReportOf(monitor);
  EXPECT_DOUBLE_EQ(report.metrics.at("mae.side=1"), 2);
  EXPECT_DOUBLE_EQ(report.metrics.at("mae.0"), 1) << "a prediction that is no number has no error";
  EXPECT_EQ(*Label(monitor, "a", 1), JoinState::kReplaced);
  EXPECT_DOUBLE_EQ(ReportOf(monitor).metrics.at("mae.0"), 0);
}

/// CBPE: inputs move, what they mean does not. The estimate must cover the accuracy that labels then show.
TEST(Estimate, CoversTheAccuracyUnderCovariateShift) {
  for (const double shift : {0.0, 0.7, -1.5, 2.5}) {
    int covered = 0;
    constexpr int kRuns = 60;
    double realised = 0, estimated = 0;
    for (std::uint64_t seed = 0; seed < kRuns; ++seed) {
      Monitor monitor = MonitorOf(Blobs({.rows = 3'000, .seed = 2 * seed}));
      const TestVersion traffic = Blobs({.rows = 400, .seed = 2 * seed + 1, .shift = shift});
      Send(monitor, traffic);
      const auto estimate = ReportOf(monitor).estimate;
      ASSERT_TRUE(estimate.has_value());
      const double accuracy = *ComputeMetric("accuracy", traffic.logits, traffic.evaluation);
      covered += estimate->interval.low <= accuracy && accuracy <= estimate->interval.high ? 1 : 0;
      realised += accuracy / kRuns;
      estimated += estimate->accuracy / kRuns;
    }
    EXPECT_GE(covered, 0.9 * kRuns) << shift;
    EXPECT_NEAR(estimated, realised, 0.01) << shift;
    if (shift == 2.5) {
      EXPECT_GT(realised, 0.9) << "far from the 0.77 of the baseline";
    }
  }
}

TEST(Estimate, DropInterval_IsNewcombes) {
  // statsmodels: confint_proportions_2indep(56, 70, 48, 80, method="newcomb") is (0.0524, 0.3339)
  const auto interval = DropInterval({70, 56}, {80, 48}, 0.95);
  EXPECT_NEAR(interval.low, 0.0524, 5e-5);
  EXPECT_NEAR(interval.high, 0.3339, 5e-5);
}

TEST(Window, OfReplicas_AddUp) {
  const TestVersion version = Blobs({.rows = 2'000, .seed = 1});
  const TestVersion traffic[] = {Blobs({.rows = 2'000, .seed = 2, .shift = 0.4}),
                                 Blobs({.rows = 1'000, .seed = 3, .shift = 0.4})};
  Monitor one = MonitorOf(version), other = MonitorOf(version, {.seed = 5}),
          both = MonitorOf(version);
  Send(one, traffic[0]);
  Send(other, traffic[1]);
  for (const auto& part : traffic) {
    Send(both, part);
    LabelAll(both, part);
  }
  LabelAll(one, traffic[0]);
  LabelAll(other, traffic[1]);
  Window sum = one.CloseWindow(kNow + 2);
  // As it comes from another process.
  auto received = WindowFromJson(one.baseline(), ToJson(other.CloseWindow(kNow + 9)));
  ASSERT_TRUE(received.ok()) << received.error().message;
  ASSERT_TRUE(sum.Merge(*received).ok());
  EXPECT_EQ(sum.ended_ms, kNow + 9);
  const Report merged = MakeReport(one.baseline(), sum, {});
  const Report whole = ReportOf(both);
  ASSERT_EQ(merged.metrics.size(), whole.metrics.size());
  for (const auto& [name, value] : whole.metrics) {
    // Two sketches of 1.3 % of the ranks are between them.
    EXPECT_NEAR(merged.metrics.at(name), value, 0.06 * std::max(0.5, std::abs(value))) << name;
  }
  for (const char* exact :
       {"requests", "accuracy", "labelled", "column.x[0].psi", "estimated_accuracy"}) {
    EXPECT_DOUBLE_EQ(merged.metrics.at(exact), whole.metrics.at(exact)) << exact;
  }
}

TEST(Window, ResourcesOfReplicas_AreTheirMeanAndTheLargest) {
  Monitor one = MonitorOf(Blobs({.rows = 300})), other = MonitorOf(Blobs({.rows = 300}));
  Window sum = one.CloseWindow(kNow + 10'000), second = other.CloseWindow(kNow + 10'000);
  EXPECT_FALSE(MakeReport(one.baseline(), sum, {}).metrics.contains("cpu"));
  second.resources = {.cpu_ms = 15'000, .memory_bytes = 64 << 20, .replicas = 1};
  auto received = WindowFromJson(one.baseline(), ToJson(second));
  ASSERT_TRUE(received.ok()) << received.error().message;
  sum.resources = {.cpu_ms = 5'000, .memory_bytes = 80 << 20, .replicas = 1};
  ASSERT_TRUE(sum.Merge(*received).ok());
  const Report report = MakeReport(one.baseline(), sum, {});
  EXPECT_DOUBLE_EQ(report.metrics.at("cpu"), 1);
  EXPECT_DOUBLE_EQ(report.metrics.at("memory_mib"), 80);
}

TEST(Window, Text_ComesBackAsItWas) {
  for (const TestVersion& version : {Blobs({.rows = 300}), Line({.rows = 300})}) {
    Monitor monitor = MonitorOf(version);
    Send(monitor, version);
    const std::vector<Tensor> none;
    monitor.Observe({.id = "odd", .inputs = &none, .ok = true});
    const std::string text = ToJson(monitor.window());
    const auto back = WindowFromJson(monitor.baseline(), text);
    ASSERT_TRUE(back.ok()) << back.error().message;
    EXPECT_EQ(ToJson(*back), text);
    EXPECT_EQ(MakeReport(monitor.baseline(), *back, {}).metrics, ReportOf(monitor).metrics);
  }
}

TEST(Window, OfAnotherBaselineOrBroken_IsNamed) {
  Monitor monitor = MonitorOf(Blobs({.rows = 300}));
  const Monitor other = MonitorOf(Blobs({.rows = 301}));
  Send(monitor, Blobs({.rows = 50}));
  const std::string good = ToJson(monitor.window());
  const auto foreign = WindowFromJson(other.baseline(), good);
  ASSERT_FALSE(foreign.ok());
  EXPECT_EQ(foreign.error().kind, ErrorKind::kInvalid);
  Window window = monitor.window();
  EXPECT_FALSE(window.Merge(other.window()).ok());
  struct Case {
    std::string from, to, message;
  };
  const Case cases[] = {
      {"\"format\":1", "\"format\":2", "at format"},
      {"\"requests\":50", "\"requests\":-1", "at requests"},
      {"\"latency\":\"", "\"latency\":\"!", "at latency"},
      {"\"count\":50", "\"count\":51", "at columns[0].counts: wanted 51 together"},
      {"\"classes\":[", "\"classes\":[1,", "at classes: wanted 2 numbers"},
      {"\"labels\":[", "\"labels\":[1,", "at performance.labels"},
      {"\"right\":0", "\"right\":7", "at performance.right"},
  };
  for (const Case& wrong : cases) {
    std::string text = good;
    const auto at = text.find(wrong.from);
    ASSERT_NE(at, std::string::npos) << wrong.from;
    text.replace(at, wrong.from.size(), wrong.to);
    const auto read = WindowFromJson(monitor.baseline(), text);
    ASSERT_FALSE(read.ok()) << wrong.message;
    EXPECT_THAT(read.error().message, HasSubstr(wrong.message));
  }
}

TEST(MonitorSpec, OutOfRange_IsNamed) {
  EXPECT_TRUE(CheckMonitorSpec({}).ok());
  for (const MonitorSpec& spec :
       {MonitorSpec{.sample_every = 0}, MonitorSpec{.rows_most = 0}, MonitorSpec{.values_most = 0},
        MonitorSpec{.outcomes_most = 0}, MonitorSpec{.late_ms = -1}}) {
    ASSERT_FALSE(CheckMonitorSpec(spec).ok());
    EXPECT_THAT(CheckMonitorSpec(spec).error().message, HasSubstr("at "));
  }
}

}  // namespace
}  // namespace muster::registry::monitor
