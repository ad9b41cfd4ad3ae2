#include <gmock/gmock.h>

#include <boost/json/serialize.hpp>

#include "registry/gate_json.h"
#include "registry/statistics/hypothesis.h"
#include "tests/registry/gates/rows.h"

namespace muster::registry::gates {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using testing::StartsWith;
using wire::GateSpec;

class Kinds : public testing::Test {
 protected:
  /// All is as the reference says, with `wrong` rows of a hundred wrong.
  void Start(std::int64_t rows, std::int64_t wrong) {
    rows_ = MakeRows(rows);
    rows_.reference = MakeLogits(rows_, [&](std::int64_t row) { return row % 100 >= wrong; });
    evidence_ = {};
    evidence_.evaluation = &rows_;
    evidence_.logits = rows_.reference;
  }
  GateVerdict Judge(const GateSpec& gate) {
    const auto verdicts = DecideGates({gate}, evidence_);
    EXPECT_TRUE(verdicts.ok()) << (verdicts.ok() ? "" : verdicts.error().message);
    return verdicts.ok() ? verdicts->front() : GateVerdict{};
  }
  /// The incumbent is right where `right` says.
  template <typename Right>
  void Against(Right right, float margin = 4) {
    evidence_.incumbent = Incumbent{3, MakeLogits(rows_, right, margin)};
  }

  Evaluation rows_;
  GateEvidence evidence_;
};

TEST_F(Kinds, Threshold_WithConfidence_AsksForTheIntervalsEnd) {
  Start(100, 4);
  const GateSpec plain{.metric = "test/accuracy", .at_least = 0.95};
  GateSpec sure = plain;
  sure.confidence = 0.95;
  const auto passed = Judge(plain), refused = Judge(sure);
  EXPECT_TRUE(passed.passed);
  EXPECT_FALSE(refused.passed) << "96 of 100 may well come of 94 %";
  EXPECT_EQ(refused.gate, "test/accuracy >= 0.95, confidence 0.95");
  EXPECT_EQ(*refused.interval, statistics::WilsonInterval(96, 100, 0.95));
  EXPECT_EQ(passed.interval, refused.interval);
  EXPECT_EQ(refused.kind, "threshold");
  EXPECT_EQ(refused.rows, 100);
  EXPECT_EQ(refused.rows_sha256, RowsDigest(rows_));
  EXPECT_THAT(refused.method, HasSubstr("Wilson"));
  Start(29, 0);
  EXPECT_FALSE(Judge(sure).passed);
  EXPECT_THAT(Judge(sure).detail,
              HasSubstr("too few held-out rows: 29, and with fewer than 30 the test says nothing"));
  EXPECT_TRUE(Judge(plain).passed);
}

TEST_F(Kinds, Threshold_OfAMean_HasABootstrapThatRepeats) {
  Start(200, 10);
  const auto verdict = Judge({.metric = "loss", .at_most = 1});
  EXPECT_TRUE(verdict.passed);
  EXPECT_LT(verdict.interval->low, verdict.seen);
  EXPECT_GT(verdict.interval->high, verdict.seen);
  EXPECT_EQ(verdict.interval, Judge({.metric = "loss", .at_most = 1}).interval);
  // 20 of 200 rows lose 4.018 and the others 0.018: the mean varies by 4 sqrt(0.1 x 0.9 / 200).
  EXPECT_NEAR(verdict.interval->high - verdict.interval->low, 2 * 1.96 * 4 * std::sqrt(0.09 / 200),
              0.02);
}

TEST_F(Kinds, BetterThan_WithConfidence_IsMcNemars) {
  Start(1000, 0);
  const GateSpec gate{.metric = "accuracy", .better_than = "champion", .confidence = 0.95};
  Against([](std::int64_t row) { return row >= 5; });
  EXPECT_FALSE(Judge(gate).passed) << "5 to 0 has p 0.0625";
  EXPECT_THAT(Judge(gate).detail, HasSubstr("p 0.0625"));
  EXPECT_TRUE(Judge({.metric = "accuracy", .better_than = "champion"}).passed)
      << "the figures alone";
  Against([](std::int64_t row) { return row >= 6; });
  const auto passed = Judge(gate);
  EXPECT_TRUE(passed.passed) << "6 to 0 has p 0.03125";
  EXPECT_EQ(*passed.interval, statistics::TangoInterval({6, 0, 1000}, 0.95));
  EXPECT_EQ(passed.gate, "better than champion on accuracy, confidence 0.95");
  evidence_.incumbent->logits = Internal("no file");
  EXPECT_THAT(Judge(gate).detail, HasSubstr("no file"));
  EXPECT_FALSE(Judge(gate).passed);
}

TEST_F(Kinds, BetterThan_WithMargin_IsNonInferiority) {
  Start(1000, 0);
  evidence_.logits = MakeLogits(rows_, [](std::int64_t row) { return row >= 2; });
  Against([](std::int64_t row) { return row != 500; });
  const GateSpec gate{.metric = "accuracy", .better_than = "champion", .margin = 0.01};
  const auto passed = Judge(gate);
  EXPECT_TRUE(passed.passed) << passed.detail;
  EXPECT_EQ(passed.gate, "not worse than champion on accuracy by 0.01, confidence 0.95");
  GateSpec strict = gate;
  strict.margin = 0.002;
  EXPECT_FALSE(Judge(strict).passed);
  // With few rows nothing discordant proves nothing.
  Start(40, 0);
  Against([](std::int64_t) { return true; });
  EXPECT_FALSE(Judge(gate).passed);
}

TEST_F(Kinds, BetterThan_OnLoss_ComparesRowByRow) {
  Start(200, 10);
  // As wrong, but each row a little surer; on its own the difference drowns in the rows' spread.
  Against([](std::int64_t row) { return row % 100 >= 10; }, 3);
  const auto verdict = Judge({.metric = "loss", .better_than = "champion", .confidence = 0.95});
  EXPECT_FALSE(verdict.passed) << "wrong rows got worse by as much";
  EXPECT_THAT(verdict.method, HasSubstr("of paired differences"));
  evidence_.incumbent->logits = MakeLogits(rows_, [](std::int64_t row) { return row % 100 >= 20; });
  EXPECT_TRUE(Judge({.metric = "loss", .better_than = "champion", .confidence = 0.95}).passed);
}

TEST_F(Kinds, Folds_UseTheCorrectedTest) {
  Start(1000, 4);
  const GateSpec gate{.metric = "accuracy", .at_least = 0.9, .folds = 10};
  const auto verdict = Judge(gate);
  EXPECT_TRUE(verdict.passed) << verdict.detail;
  EXPECT_NEAR(verdict.seen, 0.96, 1e-12);
  EXPECT_EQ(verdict.gate, "accuracy >= 0.9, confidence 0.95, over 10 folds");
  GateSpec high = gate;
  high.at_least = 0.955;
  EXPECT_FALSE(Judge(high).passed);
  Against([](std::int64_t row) { return row % 100 >= 30; });
  EXPECT_TRUE(Judge({.metric = "accuracy", .better_than = "champion", .folds = 5}).passed);
  Against([](std::int64_t row) { return row % 100 >= 4; });
  const auto alike =
      Judge({.metric = "accuracy", .better_than = "champion", .margin = 0.5, .folds = 5});
  EXPECT_FALSE(alike.passed);
  EXPECT_THAT(alike.detail, HasSubstr("how they vary is not known"));
  Start(99, 0);
  EXPECT_THAT(Judge(gate).detail, HasSubstr("too few held-out rows for 10 folds: 99"));
}

TEST_F(Kinds, Segments_EveryGroupMustBeShown) {
  Start(400, 0);
  const GateSpec gate{.metric = "accuracy", .at_least = 0.9, .per_segment = "s"};
  EXPECT_TRUE(Judge(gate).passed) << Judge(gate).detail;
  // Group 1 has 24 % wrong, all rows together 12 %.
  evidence_.logits =
      MakeLogits(rows_, [](std::int64_t row) { return row % 2 == 0 || row % 50 > 11; });
  const auto refused = Judge(gate);
  EXPECT_FALSE(refused.passed);
  EXPECT_THAT(refused.detail, HasSubstr("shown in 1 of 2 groups of s; worst is s 1"));
  EXPECT_EQ(refused.seen, 0.76);
  EXPECT_DOUBLE_EQ(refused.interval->confidence, 0.975);
  GateSpec other = gate;
  other.per_segment = "sex";
  EXPECT_THAT(Judge(other).detail, HasSubstr("no segment 'sex'; they have s"));
  rows_.segments["s"][0] = 7;
  EXPECT_THAT(Judge(gate).detail, HasSubstr("too few rows of s 7: 1"));
}

TEST_F(Kinds, Segments_HolmIsStricterThanEachAlone) {
  // 30 groups of 100 rows with 97 right each: alone p against 0.9 is 0.016, after Holm 0.47.
  Start(3000, 3);
  for (std::int64_t row = 0; row < 3000; ++row)
    rows_.segments["s"][static_cast<std::size_t>(row)] = row / 100;
  EXPECT_NEAR(2 * statistics::BinomialUpperTail(97, 100, 0.9), 0.0156, 1e-3);
  const auto verdict = Judge({.metric = "accuracy", .at_least = 0.9, .per_segment = "s"});
  EXPECT_FALSE(verdict.passed);
  EXPECT_THAT(verdict.detail, StartsWith("shown in 0 of 30 groups"));
}

TEST_F(Kinds, Segments_AgainstTheChampion) {
  Start(2000, 2);
  const GateSpec gate{
      .metric = "loss", .better_than = "champion", .margin = 0.05, .per_segment = "s"};
  Against([](std::int64_t row) { return row % 100 >= 4; });
  EXPECT_TRUE(Judge(gate).passed) << Judge(gate).detail;
  Against([](std::int64_t row) { return row % 2 == 0 ? row % 100 >= 50 : row % 100 >= 0; });
  EXPECT_FALSE(Judge(gate).passed) << "much better in one group, worse in the other";
}

TEST_F(Kinds, Fairness_IsFairlearns) {
  Start(400, 0);
  const wire::FairnessGate of{"demographic_parity_ratio", "s"};
  EXPECT_TRUE(Judge({.at_least = 0.8, .fairness = of}).passed);
  // Group 1 gets the favourable class half as often: its positives of rows 8, 9 of 12 are taken for the other.
  evidence_.logits = MakeLogits(rows_, [&](std::int64_t row) {
    return row % 2 == 0 || rows_.labels[static_cast<std::size_t>(row)] == 0 || row % 8 == 3;
  });
  const auto refused = Judge({.fairness = wire::FairnessGate{"four_fifths", "s"}});
  EXPECT_FALSE(refused.passed);
  EXPECT_DOUBLE_EQ(refused.seen, 0.5);
  EXPECT_EQ(refused.wanted, 0.8);
  EXPECT_LT(refused.interval->low, 0.5);
  EXPECT_GT(refused.interval->high, 0.5);
  EXPECT_EQ(refused.gate, "four_fifths of s for class 1 >= 0.8");
  const auto odds =
      Judge({.at_most = 0.1, .fairness = wire::FairnessGate{"equalized_odds_difference", "s"}});
  EXPECT_FALSE(odds.passed);
  EXPECT_DOUBLE_EQ(odds.seen, 0.5);
  EXPECT_FALSE(
      Judge({.at_least = 0.8, .fairness = wire::FairnessGate{"demographic_parity_ratio", "s", 2}})
          .passed)
      << "there is no class 2";
  for (std::int64_t& label : rows_.labels) label = 0;
  EXPECT_THAT(
      Judge({.at_most = 1, .fairness = wire::FairnessGate{"equalized_odds_difference", "s"}})
          .detail,
      HasSubstr("too few positives of s 0: 0"));
  for (std::int64_t& group : rows_.segments["s"]) group = 1;
  EXPECT_THAT(Judge({.at_least = 0, .fairness = of}).detail, HasSubstr("too few groups of s: 1"));
}

TEST_F(Kinds, Calibration_OfASureModel) {
  Start(1000, 2);
  // 98 % sure (logit 4 of two) and 98 % right.
  const GateSpec gate{.at_most = 0.02, .calibration = wire::CalibrationGate{.bins = 1}};
  EXPECT_NEAR(Judge(gate).seen, std::abs(1 / (1 + std::exp(-4.0)) - 0.98), 1e-9);
  EXPECT_TRUE(Judge(gate).passed);
  evidence_.logits = MakeLogits(rows_, [](std::int64_t row) { return row % 100 >= 20; });
  EXPECT_FALSE(Judge(gate).passed) << "98 % sure, 80 % right";
  const auto brier = Judge({.at_most = 0.1, .calibration = wire::CalibrationGate{"brier"}});
  EXPECT_FALSE(brier.passed);
  EXPECT_NEAR(brier.seen, 0.2 * std::pow(0.98201, 2) + 0.8 * std::pow(0.01799, 2), 1e-5);
  Start(149, 0);
  EXPECT_THAT(Judge({.at_most = 1, .calibration = wire::CalibrationGate{}}).detail,
              HasSubstr("too few held-out rows: 149, and with fewer than 150"));
}

TEST_F(Kinds, Robustness_SeesTheRowsMadeWorse) {
  Start(200, 0);
  std::vector<float> shown;
  // A model that is right while its input is a whole number.
  evidence_.predict = [&](const Evaluation& changed) -> Result<std::vector<float>> {
    shown.resize(200);
    std::memcpy(shown.data(), changed.inputs[0].bytes.data(), 800);
    return MakeLogits(rows_, [&](std::int64_t row) {
      return shown[static_cast<std::size_t>(row)] == static_cast<float>(row % 10);
    });
  };
  const GateSpec noise{.metric = "accuracy",
                       .robustness = wire::RobustnessGate{.noise = 0.5, .drop_at_most = 0.1}};
  const auto refused = Judge(noise);
  EXPECT_FALSE(refused.passed);
  EXPECT_EQ(refused.seen, 1);
  double squares = 0;
  for (std::size_t row = 0; row < 200; ++row)
    squares += std::pow(shown[row] - static_cast<double>(row % 10), 2);
  EXPECT_NEAR(std::sqrt(squares / 200), 0.5 * std::sqrt(8.25), 0.25) << "half the column's spread";
  const GateSpec missing{
      .metric = "accuracy",
      .robustness = wire::RobustnessGate{.missing = 0.1, .value = -1, .drop_at_most = 0.2}};
  const auto passed = Judge(missing);
  EXPECT_TRUE(passed.passed) << passed.detail;
  EXPECT_NEAR(passed.seen, 0.1, 0.07);
  EXPECT_DOUBLE_EQ(passed.seen,
                   static_cast<double>(std::count(shown.begin(), shown.end(), -1.0F)) / 200);
  rows_.inputs[0].type = ElementType::kI32;
  EXPECT_THAT(Judge(noise).detail, HasSubstr("no input of the model is FP32"));
  evidence_.predict = nullptr;
  EXPECT_FALSE(Judge(noise).passed);
}

TEST_F(Kinds, Latency_IsOfQuantiles) {
  Start(30, 0);
  std::vector<double> calls(1000, 1.0);
  std::fill_n(calls.begin(), 20, 9.0);
  evidence_.time_calls = [&](std::int64_t batch) -> Result<std::vector<double>> {
    EXPECT_EQ(batch, 4);
    return calls;
  };
  const auto p50 = Judge({.latency = wire::LatencyGate{4, 1.5}});
  EXPECT_TRUE(p50.passed);
  EXPECT_EQ(p50.rows, 1000);
  const auto both = Judge({.latency = wire::LatencyGate{4, 1.5, 5}});
  EXPECT_FALSE(both.passed);
  EXPECT_EQ(both.seen, 9);
  EXPECT_EQ(both.wanted, 5);
  EXPECT_EQ(both.gate, "latency of 4 rows: p50 <= 1.5 ms and p99 <= 5 ms");
  calls.resize(199);
  EXPECT_THAT(Judge({.latency = wire::LatencyGate{4, 100}}).detail, HasSubstr("too few calls"));
  calls.assign(300, kNan);
  EXPECT_FALSE(Judge({.latency = wire::LatencyGate{4, 100}}).passed);
}

TEST_F(Kinds, Size_IsTheFiles) {
  Start(30, 0);
  EXPECT_FALSE(Judge({.size_bytes = 1'000}).passed) << "not known";
  evidence_.model_bytes = 1'000;
  EXPECT_TRUE(Judge({.size_bytes = 1'000}).passed);
  EXPECT_FALSE(Judge({.size_bytes = 999}).passed);
}

TEST_F(Kinds, Compressed_TakesThePlaceOfParity) {
  Start(400, 1);
  const GateSpec gate{.metric = "accuracy", .compressed = wire::CompressedGate{0.99, 0.01}};
  EXPECT_TRUE(Judge(gate).passed) << "no compressed version";
  evidence_.full = evidence_.logits;
  const auto verdicts = DecideGates({{.parity = true}}, evidence_).value();
  ASSERT_EQ(verdicts.size(), 1U);
  EXPECT_EQ(verdicts[0].kind, "compressed") << "judged though nobody asked";
  EXPECT_TRUE(verdicts[0].passed);
  // Four decisions lost and one gained of 400: the metric drops by 0.0075, and 0.9875 agree.
  evidence_.logits = MakeLogits(rows_, [](std::int64_t row) { return row % 100 >= 2 || row == 0; });
  const auto refused = Judge(gate);
  EXPECT_FALSE(refused.passed);
  EXPECT_EQ(refused.wanted, 0.99);
  EXPECT_NEAR(refused.seen, 395.0 / 400, 1e-12);
  EXPECT_TRUE(Judge({.metric = "accuracy", .compressed = wire::CompressedGate{0.98, 0.01}}).passed);
  EXPECT_FALSE(
      Judge({.metric = "accuracy", .compressed = wire::CompressedGate{0.98, 0.001}}).passed);
}

TEST_F(Kinds, Parity_HasAToleranceByType) {
  Start(30, 0);
  evidence_.logits[0] += 1e-3F;
  EXPECT_FALSE(Judge({.parity = true}).passed);
  evidence_.precision = ElementType::kF16;
  EXPECT_TRUE(Judge({.parity = true}).passed);
  EXPECT_EQ(Judge({.parity = true}).wanted, 5e-3);
  EXPECT_FALSE(Judge({.parity = true, .tolerance = 1e-4}).passed);
}

TEST_F(Kinds, Parity_IsJudgedAtSeveralBatches) {
  Start(100, 0);
  std::vector<std::pair<std::int64_t, std::int64_t>> asked;
  std::int64_t wrong_at = 0;
  evidence_.predict_batches = [&](std::int64_t rows, std::int64_t batch) {
    asked.emplace_back(rows, batch);
    auto first = evidence_.logits;
    first.resize(static_cast<std::size_t>(2 * rows));
    if (batch == wrong_at) first.back() += 1;
    return Result(first);
  };
  const auto fine = Judge({.parity = true});
  EXPECT_TRUE(fine.passed);
  EXPECT_THAT(asked, ElementsAre(Pair(8, 1), Pair(24, 3), Pair(100, 64)));
  EXPECT_THAT(fine.detail, HasSubstr("100 rows, also of the first in calls of 1, 3, 64 is 0 of"));
  for (const std::int64_t batch : {1, 3, 64}) {
    wrong_at = batch;
    EXPECT_FALSE(Judge({.parity = true}).passed) << batch;
  }
}

TEST_F(Kinds, Nan_FailsWhateverLooksAtOutputs) {
  Start(400, 0);
  evidence_.full = evidence_.logits;
  evidence_.logits[7] = std::numeric_limits<float>::quiet_NaN();
  evidence_.predict = [&](const Evaluation&) { return Result(evidence_.logits); };
  const std::vector<GateSpec> gates{
      {.metric = "accuracy", .at_least = 0},
      {.metric = "accuracy", .better_than = "champion"},
      {.metric = "accuracy", .at_least = 0, .folds = 4},
      {.metric = "accuracy", .at_least = 0, .per_segment = "s"},
      {.at_most = 1, .fairness = wire::FairnessGate{"demographic_parity_difference", "s"}},
      {.at_most = 2, .calibration = wire::CalibrationGate{}},
      {.at_most = 2, .calibration = wire::CalibrationGate{"brier"}},
      {.metric = "accuracy", .robustness = wire::RobustnessGate{.noise = 0, .drop_at_most = 1}},
      {.metric = "accuracy", .compressed = wire::CompressedGate{0, 1}}};
  const auto verdicts = DecideGates(gates, evidence_).value();
  for (const auto& verdict : verdicts) {
    EXPECT_FALSE(verdict.passed) << verdict.gate << ": " << verdict.detail;
  }
  EXPECT_EQ(verdicts.size(), gates.size());
}

TEST(RowsDigest, KnowsEveryPart) {
  const Evaluation rows = MakeRows(30);
  const std::string digest = RowsDigest(rows);
  EXPECT_EQ(digest.size(), 64U);
  EXPECT_EQ(RowsDigest(MakeRows(30)), digest);
  for (int part = 0; part < 4; ++part) {
    Evaluation other = rows;
    if (part == 0) other.inputs[0].bytes[5] ^= std::byte{1};
    if (part == 1) other.labels[29] ^= 1;
    if (part == 2) other.segments["s"][0] = 9;
    if (part == 3) other.inputs[0].name = "z";
    EXPECT_NE(RowsDigest(other), digest) << part;
  }
}

TEST(GateJson, IsCanonicalAndComesBack) {
  GateVerdict full{"g", true, 0.5, kNan, "d", "folds", statistics::Interval{0.25, 0.75, 0.9},
                   12,  "ab", "m"};
  const GateVerdict old{"g", false, 1, 2, "d"};
  const auto json = GatesToJson({full, old});
  EXPECT_EQ(
      boost::json::serialize(json),
      R"([{"detail":"d","gate":"g","interval":{"confidence":9E-1,"high":7.5E-1,"low":2.5E-1},)"
      R"("kind":"folds","method":"m","passed":true,"rows":12,"rows_sha256":"ab","seen":5E-1,"wanted":"NaN"},)"
      R"({"detail":"d","gate":"g","passed":false,"seen":1E0,"wanted":2E0}])");
  const auto back = GatesFromJson(json).value();
  EXPECT_EQ(GatesToJson(back), json);
  EXPECT_EQ(back[0].interval, full.interval);
  EXPECT_FALSE(back[1].interval.has_value());
  GateVerdict read;
  ASSERT_TRUE(ReadEvidence(EvidenceText(full), read).ok());
  EXPECT_EQ(read.rows, 12);
  EXPECT_EQ(EvidenceText(old), "{}");
}

}  // namespace
}  // namespace muster::registry::gates
