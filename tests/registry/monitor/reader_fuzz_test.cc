#include <gtest/gtest.h>

#include "registry/monitor/monitor.h"
#include "registry/monitor/report.h"
#include "runtime/base/file.h"
#include "tests/registry/monitor/versions.h"
#include "tests/support/mutator.h"

/// Whatever the text of a baseline or a window is, its reader answers it or an error, and what it answers can be used.

namespace muster::registry::monitor {
namespace {

constexpr int kRounds = 4'000;

void Use(const Baseline& baseline) {
  const TestVersion traffic = Blobs({.rows = 3});
  Monitor monitor(baseline, {}, 0);
  const std::vector<Tensor> outputs = {F32("y", {3, 2}, {0, 1, 1, 0, 2, 2})};
  monitor.Observe({.id = "a", .inputs = &traffic.evaluation.inputs, .outputs = &outputs});
  const double label[] = {1};
  (void)monitor.Outcome({.id = "a", .values = label});
  const Report report = MakeReport(baseline, monitor.window(), {.rows_least = 1});
  (void)ReportJson(baseline, monitor.window(), report);
  const auto window = WindowFromJson(baseline, ToJson(monitor.window()));
  ASSERT_TRUE(window.ok()) << window.error().message;
}

bool Refused(ErrorKind kind) {
  return kind == ErrorKind::kCorrupt || kind == ErrorKind::kUnsupported ||
         kind == ErrorKind::kInvalid;
}

TEST(MonitorFuzz, Baselines) {
  const auto old = ReadWholeFile(MUSTER_TEST_GOLDEN "/baseline-1.json");
  ASSERT_TRUE(old.ok());
  Mutator mutator({Blobs({.rows = 40}).Text(), Line({.rows = 40}).Text(), *old}, 20261127);
  int accepted = 0;
  for (int round = 0; round < kRounds; ++round) {
    const auto baseline = ParseBaseline(mutator.Next());
    if (!baseline.ok()) {
      ASSERT_TRUE(Refused(baseline.error().kind)) << baseline.error().message;
      continue;
    }
    ++accepted;
    Use(*baseline);
  }
  EXPECT_GT(accepted, kRounds / 50) << "or the mutants never reach what comes after the reader";
  EXPECT_LT(accepted, kRounds);
}

TEST(MonitorFuzz, Windows) {
  const auto baseline = ParseBaseline(Blobs({.rows = 40}).Text());
  ASSERT_TRUE(baseline.ok());
  const TestVersion traffic = Blobs({.rows = 16, .seed = 2, .shift = 4});
  Monitor monitor(*baseline, {}, 0);
  const std::vector<std::string> empty{ToJson(monitor.window())};
  const std::vector<Tensor> outputs = {F32("y", {16, 2}, traffic.logits)};
  for (int i = 0; i < 30; ++i) {
    monitor.Observe({.id = "a",
                     .inputs = &traffic.evaluation.inputs,
                     .outputs = &outputs,
                     .segment = "side=1"});
  }
  const double label[] = {1};
  ASSERT_TRUE(monitor.Outcome({.id = "a", .row = 1, .values = label}).ok());
  Mutator mutator({empty[0], ToJson(monitor.window())}, 7);
  int accepted = 0;
  for (int round = 0; round < kRounds; ++round) {
    const auto window = WindowFromJson(*baseline, mutator.Next());
    if (!window.ok()) {
      ASSERT_TRUE(Refused(window.error().kind)) << window.error().message;
      continue;
    }
    ++accepted;
    Window sum = monitor.window();
    ASSERT_TRUE(sum.Merge(*window).ok());
    (void)ReportJson(*baseline, sum, MakeReport(*baseline, sum, {.rows_least = 1}));
    ASSERT_TRUE(WindowFromJson(*baseline, ToJson(*window)).ok());
  }
  EXPECT_GT(accepted, kRounds / 100);
  EXPECT_LT(accepted, kRounds);
}

}  // namespace
}  // namespace muster::registry::monitor
