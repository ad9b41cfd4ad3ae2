#include "registry/gates.h"

#include <gmock/gmock.h>

#include <cmath>
#include <cstring>
#include <limits>

namespace muster::registry {
namespace {

using testing::HasSubstr;
using wire::GateSpec;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

template <typename T>
Tensor Make(std::string name, ElementType type, std::vector<std::int64_t> shape,
            std::vector<T> values) {
  Tensor tensor{std::move(name), type, std::move(shape), {}};
  tensor.bytes.resize(values.size() * sizeof(T));
  std::memcpy(tensor.bytes.data(), values.data(), tensor.bytes.size());
  return tensor;
}

/// Four rows, three classes; the reference is right on the first three.
SafetensorsFile File() {
  SafetensorsFile file;
  file.tensors = {
      Make<float>("inputs", ElementType::kF32, {4, 1}, {0, 1, 2, 3}),
      Make<std::int64_t>("labels", ElementType::kI64, {4}, {0, 1, 2, 0}),
      Make<float>("reference", ElementType::kF32, {4, 3}, {2, 0, 0, 0, 2, 0, 0, 0, 2, 0, 2, 0})};
  return file;
}

Evaluation Rows() {
  auto evaluation = EvaluationFromTensors(File());
  EXPECT_TRUE(evaluation.ok());
  return std::move(evaluation).value();
}

std::string Refusal(std::size_t index, Tensor tensor) {
  SafetensorsFile file = File();
  file.tensors[index] = std::move(tensor);
  const auto evaluation = EvaluationFromTensors(file);
  EXPECT_FALSE(evaluation.ok());
  return evaluation.ok() ? "" : evaluation.error().message;
}

TEST(EvaluationFromTensors, WrongTensors_AreNamed) {
  EXPECT_THAT(Refusal(0, Make<float>("inputs", ElementType::kF32, {3, 1}, {0, 1, 2})),
              HasSubstr("'reference' has shape [4,3] of FP32; wanted (3, ...)"));
  EXPECT_THAT(Refusal(1, Make<float>("labels", ElementType::kF32, {4}, {0, 1, 2, 0})),
              HasSubstr("'labels' has shape"));
  EXPECT_THAT(Refusal(1, Make<std::int64_t>("labels", ElementType::kI64, {4}, {0, 1, 3, 0})),
              HasSubstr("label 3; wanted 0 to 2"));
  EXPECT_THAT(Refusal(2, Make<float>("reference", ElementType::kF32, {4, 1}, {0, 0, 0, 0})),
              HasSubstr("'reference' has shape"));
  EXPECT_THAT(Refusal(2, Make<float>("other", ElementType::kF32, {1}, {0})),
              HasSubstr("no tensor 'reference'"));
}

TEST(ComputeMetric, KnownFigures) {
  const Evaluation rows = Rows();
  EXPECT_DOUBLE_EQ(*ComputeMetric("test/accuracy", rows.reference, rows), 0.75);
  EXPECT_DOUBLE_EQ(*ComputeMetric("error_rate", rows.reference, rows), 0.25);
  // log(e^2 + 2) - 2 on the right rows, log(e^2 + 2) on the wrong one.
  const double log_sum = std::log(std::exp(2.0) + 2);
  EXPECT_NEAR(*ComputeMetric("a/b/loss", rows.reference, rows), log_sum - 1.5, 1e-12);
  EXPECT_EQ(*ComputeMetric("cross_entropy", rows.reference, rows),
            *ComputeMetric("loss", rows.reference, rows));
  const auto unknown = ComputeMetric("test/auc", rows.reference, rows);
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().kind, ErrorKind::kInvalid);
  EXPECT_THAT(unknown.error().message, HasSubstr("'test/auc'"));
}

TEST(ComputeMetric, NanAndHugeLogits_AreHandled) {
  const Evaluation rows = Rows();
  std::vector<float> logits = rows.reference;
  logits[0] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_DOUBLE_EQ(*ComputeMetric("accuracy", logits, rows), 0.5);
  EXPECT_TRUE(std::isnan(*ComputeMetric("loss", logits, rows)));
  logits = rows.reference;
  for (float& logit : logits) logit *= 1e30F;
  EXPECT_TRUE(std::isfinite(*ComputeMetric("loss", logits, rows)));
}

GateVerdict One(const GateSpec& gate, const GateEvidence& evidence) {
  const auto verdicts = DecideGates({gate}, evidence);
  EXPECT_TRUE(verdicts.ok()) << (verdicts.ok() ? "" : verdicts.error().message);
  return verdicts.ok() ? verdicts->at(0) : GateVerdict{};
}

class Gates : public testing::Test {
 protected:
  Evaluation rows_ = Rows();
  GateEvidence evidence_{&rows_, rows_.reference, std::nullopt};
};

TEST_F(Gates, Threshold_ComparesWhatTheEngineComputed) {
  const auto passed = One({.metric = "test/accuracy", .at_least = 0.75}, evidence_);
  EXPECT_TRUE(passed.passed);
  EXPECT_EQ(passed.gate, "test/accuracy >= 0.75");
  EXPECT_EQ(passed.seen, 0.75);
  EXPECT_EQ(passed.wanted, 0.75);
  EXPECT_FALSE(One({.metric = "test/accuracy", .at_least = 0.76}, evidence_).passed);
  EXPECT_FALSE(One({.metric = "loss", .at_most = 0.1}, evidence_).passed);
  EXPECT_TRUE(One({.metric = "loss", .at_least = 0.1, .at_most = 1.0}, evidence_).passed);
  evidence_.logits[0] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_FALSE(One({.metric = "loss", .at_most = 1e9}, evidence_).passed) << "NaN passes nothing";
}

TEST_F(Gates, BetterThan_NobodyThere_PassesAndSaysSo) {
  const auto verdict = One({.metric = "test/accuracy", .better_than = "champion"}, evidence_);
  EXPECT_TRUE(verdict.passed);
  EXPECT_EQ(verdict.gate, "better than champion on test/accuracy");
  EXPECT_THAT(verdict.detail, HasSubstr("there is no champion yet"));
  EXPECT_TRUE(std::isnan(verdict.wanted));
}

TEST_F(Gates, BetterThan_IsStrictInTheMetricsOwnDirection) {
  const GateSpec accuracy{.metric = "accuracy", .better_than = "champion"};
  const GateSpec loss{.metric = "loss", .better_than = "champion"};
  evidence_.incumbent = Incumbent{3, rows_.reference};
  EXPECT_FALSE(One(accuracy, evidence_).passed) << "a tie is not better";
  EXPECT_FALSE(One(loss, evidence_).passed);
  std::vector<float> worse = rows_.reference;
  worse[0] = -2;
  evidence_.incumbent = Incumbent{3, worse};
  EXPECT_TRUE(One(accuracy, evidence_).passed);
  EXPECT_TRUE(One(loss, evidence_).passed);
  std::swap(evidence_.logits, worse);
  evidence_.incumbent = Incumbent{3, worse};
  const auto refused = One(accuracy, evidence_);
  EXPECT_FALSE(refused.passed);
  EXPECT_EQ(refused.seen, 0.5);
  EXPECT_EQ(refused.wanted, 0.75);
  EXPECT_THAT(refused.detail, HasSubstr("champion (version 3) is 0.75 on the same 4 rows"));
  evidence_.incumbent = Incumbent{3, NotFound("its file is gone")};
  EXPECT_FALSE(One(accuracy, evidence_).passed);
  EXPECT_THAT(One(accuracy, evidence_).detail, HasSubstr("its file is gone"));
}

TEST_F(Gates, Parity_IsTheLargestDifference) {
  const GateSpec parity{.parity = true, .tolerance = 1e-3};
  EXPECT_TRUE(One(parity, evidence_).passed);
  evidence_.logits[5] += 0.25F;
  evidence_.logits[7] -= 0.125F;
  const auto refused = One(parity, evidence_);
  EXPECT_FALSE(refused.passed);
  EXPECT_EQ(refused.seen, 0.25);
  EXPECT_EQ(refused.wanted, 1e-3);
  evidence_.logits[6] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_FALSE(One(parity, evidence_).passed) << "NaN is no parity";
  EXPECT_TRUE(std::isnan(One(parity, evidence_).seen));
}

TEST_F(Gates, NoParityAskedFor_IsJudgedAllTheSame) {
  evidence_.logits[5] += 0.25F;
  for (const std::vector<GateSpec>& gates :
       {std::vector<GateSpec>{}, {{.metric = "accuracy", .at_least = 0.5}}}) {
    const auto verdicts = DecideGates(gates, evidence_);
    ASSERT_TRUE(verdicts.ok());
    ASSERT_EQ(verdicts->size(), gates.size() + 1);
    EXPECT_EQ(verdicts->back().gate, "parity");
    EXPECT_EQ(verdicts->back().wanted, 1e-5);
    EXPECT_FALSE(AllPassed(*verdicts));
  }
}

TEST_F(Gates, Parity_OfAConfidentModel_IsRelativeToItsLogits) {
  const GateSpec parity{.parity = true, .tolerance = 1e-5};
  Evaluation confident = *evidence_.evaluation;
  evidence_.evaluation = &confident;
  confident.reference[0] = 64;  // one step of f32 is 7.6e-6 there
  evidence_.logits[0] = 64 + 3.1e-5F;
  const auto verdict = One(parity, evidence_);
  EXPECT_TRUE(verdict.passed) << verdict.detail;
  EXPECT_NEAR(verdict.seen, 3.05e-5 / 64, 1e-8);
  evidence_.logits[0] = 64.002F;
  EXPECT_FALSE(One(parity, evidence_).passed);
}

TEST(CheckGates, Nonsense_IsRefusedWithItsPlace) {
  const auto refusal = [](GateSpec gate) {
    const Status status = CheckGates({{.parity = true}, gate});
    EXPECT_FALSE(status.ok());
    return status.ok() ? "" : status.error().message;
  };
  using wire::FairnessGate;
  EXPECT_THAT(refusal({}), HasSubstr("gates[1]: a gate wants one of"));
  EXPECT_THAT(refusal({.at_least = 1}), HasSubstr("gates[1].metric: missing"));
  EXPECT_THAT(refusal({.metric = "f2", .at_least = 1}), HasSubstr("'f2' cannot be computed"));
  EXPECT_THAT(refusal({.metric = "loss", .at_least = 1, .better_than = "champion"}),
              HasSubstr("gates[1].at_least: says nothing to a gate of the kind better_than"));
  EXPECT_THAT(refusal({.parity = true, .tolerance = -1}), HasSubstr("gates[1].tolerance: wanted"));
  EXPECT_THAT(refusal({.parity = true, .tolerance = kNan}), HasSubstr("got nan"));
  EXPECT_THAT(refusal({.metric = "loss", .better_than = "a b"}), HasSubstr("alias name"));
  EXPECT_THAT(refusal({.metric = "loss", .at_most = kNan}), HasSubstr("gates[1].at_most: "));
  EXPECT_THAT(refusal({.metric = "loss", .at_most = 1, .confidence = 1}),
              HasSubstr("gates[1].confidence: wanted a number from 0.5 to 0.999, got 1"));
  EXPECT_THAT(refusal({.metric = "loss", .better_than = "champion", .margin = -1}),
              HasSubstr("gates[1].margin: "));
  EXPECT_THAT(refusal({.metric = "loss", .at_most = 1, .folds = 2}),
              HasSubstr("gates[1].folds: wanted a number from 3 to 100"));
  EXPECT_THAT(refusal({.metric = "loss", .at_least = 0, .at_most = 1, .per_segment = "s"}),
              HasSubstr("one bound"));
  EXPECT_THAT(refusal({.metric = "loss", .better_than = "champion", .per_segment = "s"}),
              HasSubstr("gates[1].margin: missing"));
  EXPECT_THAT(refusal({.at_most = 1, .fairness = FairnessGate{"parity", "sex"}}),
              HasSubstr("gates[1].fairness.measure: wanted one of demographic_parity_difference"));
  EXPECT_THAT(refusal({.at_most = 1, .fairness = FairnessGate{"four_fifths", "sex"}}),
              HasSubstr("is a bound itself"));
  EXPECT_THAT(refusal({.calibration = wire::CalibrationGate{}}), HasSubstr("at_most: missing"));
  EXPECT_THAT(refusal({.metric = "loss", .robustness = wire::RobustnessGate{}}),
              HasSubstr("exactly one of noise, missing"));
  EXPECT_THAT(refusal({.latency = wire::LatencyGate{}}), HasSubstr("wanted p50_ms or p99_ms"));
  EXPECT_THAT(refusal({.size_bytes = 0}), HasSubstr("gates[1].size_bytes: "));
  EXPECT_THAT(refusal({.compressed = wire::CompressedGate{}}), HasSubstr("metric: missing"));
}

TEST(CheckGates, TwoAliasesToBeBetterThan_AreRefused) {
  const GateSpec accuracy{.metric = "accuracy", .better_than = "champion"};
  const GateSpec loss{.metric = "loss", .better_than = "champion"};
  EXPECT_TRUE(CheckGates({accuracy, loss}).ok());
  const Status refused = CheckGates({accuracy, {.metric = "loss", .better_than = "staging"}});
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message, HasSubstr("gates[1].better_than: 'staging'"));
}

TEST(Summary, NamesWhatRefused) {
  EXPECT_EQ(Summary({{"a", true, 1, 1, "x"}, {"b", false, 1, kNan, "why"}}),
            "1 of 2 gates passed; refused by b: why");
}

TEST(ExportInfo, RoundTripsAndNamesWhatIsMissing) {
  const auto info = ExportInfoFromJson(
      R"({"opset":17,"input":{"name":"x","shape":[-1,1,8,8]},"output":{"name":"y","shape":[-1,10]},)"
      R"("metrics":{"test/accuracy":0.5}})");
  ASSERT_TRUE(info.ok()) << info.error().message;
  EXPECT_EQ(info->inputs.at(0).shape, (std::vector<std::int64_t>{-1, 1, 8, 8}));
  EXPECT_EQ(ExportInfoFromJson(ToJson(*info))->metrics.at("test/accuracy"), 0.5);
  EXPECT_FALSE(ExportInfoFromJson("{}").ok());
}

}  // namespace
}  // namespace muster::registry
