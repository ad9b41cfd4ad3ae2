#include "runtime/config/gate_file.h"

#include <gmock/gmock.h>

#include "registry/gates.h"

namespace muster::config {
namespace {

using testing::HasSubstr;

/// Every kind.
const std::string kWhole = R"(# what every digits model must show
gates:
  - {metric: test/accuracy, at_least: 0.97, confidence: 0.95}
  - {better_than: champion, metric: test/accuracy, margin: 0.005}
  - {metric: accuracy, at_least: 0.9, folds: 10}
  - {metric: accuracy, at_least: 0.9, per_segment: region}
  - {fairness: {measure: four_fifths, segment: sex, positive: 1}}
  - {calibration: {measure: ece, bins: 10}, at_most: 0.05}
  - metric: accuracy
    robustness: {noise: 0.1, drop_at_most: 0.02}
  - {metric: accuracy, robustness: {missing: 0.05, value: -1, drop_at_most: 0.02}}
  - {latency: {batch: 1, p50_ms: 2, p99_ms: 5}}
  - size: 4MiB
  - parity
  - {metric: accuracy, compressed: {agreement_at_least: 0.99, drop_at_most: 0.01}}
)";

/// The whole file with one piece of text replaced; its error.
std::string ErrorOf(const std::string& from, const std::string& to) {
  std::string text = kWhole;
  text.replace(text.find(from), from.size(), to);
  const auto gates = ParseGateFile(text, "gates.yaml");
  return gates.ok() ? "no error" : gates.error().message;
}

TEST(GateFile, EveryKind_IsRead) {
  const auto gates = ParseGateFile(kWhole, "gates.yaml");
  ASSERT_TRUE(gates.ok()) << gates.error().message;
  ASSERT_EQ(gates->size(), 12u);
  EXPECT_EQ((*gates)[1].margin, 0.005);
  EXPECT_EQ((*gates)[6].robustness->noise, 0.1);
  EXPECT_EQ((*gates)[9].size_bytes, 4 << 20);
  EXPECT_TRUE((*gates)[10].parity);
  const auto again = wire::GateSpecsFromJson(wire::ToJson(*gates));
  ASSERT_TRUE(again.ok()) << again.error().message;
  for (std::size_t i = 0; i < gates->size(); ++i) {
    EXPECT_EQ(registry::GateName((*again)[i]), registry::GateName((*gates)[i]));
    for (std::size_t k = 0; k < i; ++k) {
      EXPECT_NE(registry::GateName((*gates)[i]), registry::GateName((*gates)[k]));
    }
  }
}

TEST(GateFile, Mistakes_AreLedToTheirLine) {
  EXPECT_EQ(
      ErrorOf("at_least: 0.97", "at_leest: 0.97"),
      "gates.yaml:3:29: gates[0].at_leest: unknown key 'at_leest'; wanted one of metric, at_least, "
      "at_most, better_than, parity, tolerance, confidence, margin, folds, per_segment, fairness, "
      "calibration, robustness, latency, size, compressed; did you mean 'at_least'?");
  EXPECT_EQ(
      ErrorOf("segment: sex", "segmnt: sex"),
      "gates.yaml:7:39: gates[4].fairness.segmnt: unknown key 'segmnt'; wanted one of measure, "
      "segment, positive; did you mean 'segment'?");
  EXPECT_EQ(ErrorOf("margin: 0.005", "margin: -1"),
            "gates.yaml:4:52: gates[1].margin: wanted a number from 0 to 1e+09, got -1");
  EXPECT_EQ(ErrorOf("folds: 10", "folds: ten"),
            "gates.yaml:5:39: gates[2].folds: wanted an integer, got \"ten\"");
  EXPECT_THAT(ErrorOf("size: 4MiB", "size: 4Mb"), HasSubstr("gates.yaml:13:5: gates[9].size: "));
  EXPECT_THAT(ErrorOf("size: 4MiB", "size: 0"),
              HasSubstr("gates.yaml:13:5: gates[9].size_bytes: "));
  EXPECT_THAT(ErrorOf("measure: four_fifths", "measure: 4/5"),
              HasSubstr("gates.yaml:7:17: gates[4].fairness.measure: wanted one of"));
  EXPECT_THAT(ErrorOf("p50_ms: 2, p99_ms: 5", "p95_ms: 5"), HasSubstr("unknown key 'p95_ms'"));
  EXPECT_THAT(ErrorOf("gates:", "gate:"), HasSubstr("wanted a map with the key gates"));
  EXPECT_THAT(ErrorOf("gates:", "approvals: 1\ngates:"),
              HasSubstr("gates.yaml:2:1: approvals: unknown key 'approvals'"));
  EXPECT_THAT(ErrorOf("  - parity\n", "  - parity: yes\n"), HasSubstr("gates[10].parity: wanted"));
  EXPECT_THAT(ErrorOf("  - parity\n", "  - {parity: true\n"), HasSubstr("gates.yaml:15:"));
}

TEST(GateFile, AliasesOfAliases_EndSomewhere) {
  std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 30; ++i) {
    const std::string last = "*a" + std::to_string(i - 1), name = "a" + std::to_string(i);
    text += name + ": &" + name + " [" + last + ", " + last + ", " + last + ", " + last + "]\n";
  }
  const auto gates = ParseGateFile(text + "gates: []\n", "g");
  ASSERT_FALSE(gates.ok());
  EXPECT_THAT(gates.error().message, HasSubstr("values"));
}

}  // namespace
}  // namespace muster::config
