#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>

#include "registry/evaluation.h"
#include "registry/tensor_values.h"
#include "runtime/base/file.h"
#include "runtime/wire/codec.h"

/// Figures of every task against scikit-learn's: scripts/golden_metrics. The tolerance is 1e-9 of the
/// figure or of 1, as both sum in f64 what they read in f32.

namespace muster::registry {

struct MetricCase {
  std::string task;
  double threshold = 0.5;
  std::vector<std::int64_t> shape;
  std::vector<std::vector<double>> outputs;
  std::vector<double> truth;
  std::map<std::string, double> figures;
};
BOOST_DESCRIBE_STRUCT(MetricCase, (), (task, threshold, shape, outputs, truth, figures))

namespace {

using testing::HasSubstr;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

template <typename T>
Tensor Make(std::string name, ElementType type, std::vector<std::int64_t> shape,
            const std::vector<double>& numbers) {
  const std::vector<T> values(numbers.begin(), numbers.end());
  Tensor tensor{std::move(name), type, std::move(shape), {}};
  tensor.bytes.resize(values.size() * sizeof(T));
  std::memcpy(tensor.bytes.data(), values.data(), tensor.bytes.size());
  return tensor;
}

SafetensorsFile FileOf(const MetricCase& of) {
  SafetensorsFile file;
  const std::int64_t rows = of.shape[0];
  file.metadata = {{"format", "2"}, {"task", of.task}, {"threshold", std::to_string(of.threshold)}};
  file.tensors = {Make<float>("input.x", ElementType::kF32, {rows},
                              std::vector<double>(static_cast<std::size_t>(rows)))};
  for (std::size_t i = 0; i < of.outputs.size(); ++i) {
    file.tensors.push_back(
        Make<float>("reference.y" + std::to_string(i), ElementType::kF32, of.shape, of.outputs[i]));
  }
  if (of.task == "regression") {
    file.tensors.push_back(Make<float>("targets", ElementType::kF32, of.shape, of.truth));
  } else {
    std::vector<std::int64_t> shape = {rows};
    if (of.task == "tokens") shape.push_back(of.shape[1]);
    file.tensors.push_back(Make<std::int64_t>("labels", ElementType::kI64, shape, of.truth));
  }
  return file;
}

Evaluation RowsOf(const MetricCase& of) {
  auto rows = EvaluationFromTensors(FileOf(of));
  EXPECT_TRUE(rows.ok()) << (rows.ok() ? "" : rows.error().message);
  return rows.ok() ? std::move(rows).value() : Evaluation{};
}

std::vector<MetricCase> Cases() {
  const auto text = ReadWholeFile(std::string(MUSTER_TEST_GOLDEN) + "/figures.json");
  EXPECT_TRUE(text.ok());
  auto cases = wire::Decode<std::vector<MetricCase>>(*text);
  EXPECT_TRUE(cases.ok()) << cases.error().message;
  return std::move(cases).value();
}

TEST(Metrics, EveryTask_HasTheFiguresOfScikitLearn) {
  std::size_t compared = 0;
  for (const MetricCase& golden : Cases()) {
    const Evaluation rows = RowsOf(golden);
    for (const auto& [name, wanted] : golden.figures) {
      const auto seen = ComputeMetric("test/" + name, rows.reference, rows);
      ASSERT_TRUE(seen.ok()) << seen.error().message;
      EXPECT_NEAR(*seen, wanted, 1e-9 * std::max(1.0, std::abs(wanted)))
          << golden.task << " " << name;
      ++compared;
    }
  }
  EXPECT_EQ(compared, 46U);
}

TEST(Metrics, SomeRows_AreThoseRowsAlone) {
  for (MetricCase golden : Cases()) {
    if (golden.task == "retrieval") continue;  // candidates stay
    const Evaluation all = RowsOf(golden);
    // The last ten rows, in a file of their own.
    const std::int64_t rows = golden.shape[0], kept = std::min<std::int64_t>(rows, 10);
    for (auto* numbers : {golden.outputs.data(), &golden.truth}) {
      const auto width = static_cast<std::int64_t>(numbers->size()) / rows;
      numbers->erase(numbers->begin(), numbers->end() - kept * width);
    }
    golden.shape[0] = kept;
    const Evaluation few = RowsOf(golden);
    std::vector<std::int64_t> last;
    for (std::int64_t row = rows - kept; row < rows; ++row) last.push_back(row);
    for (const auto& [name, figure] : golden.figures) {
      const double some = *ComputeMetric(name, all.reference, all, last);
      const double alone = *ComputeMetric(name, few.reference, few);
      if (std::isnan(alone)) {
        EXPECT_TRUE(std::isnan(some)) << golden.task << " " << name;
      } else {
        EXPECT_DOUBLE_EQ(some, alone) << golden.task << " " << name;
      }
    }
  }
}

TEST(Metrics, NanAmongOutputs_PassesNoGate) {
  for (const MetricCase& golden : Cases()) {
    const Evaluation rows = RowsOf(golden);
    std::vector<float> outputs = rows.reference;
    outputs[0] = kNan;
    for (const auto& [name, wanted] : golden.figures) {
      const double seen = *ComputeMetric(name, outputs, rows);
      const bool counts_hits = name == "accuracy" || name == "error_rate";
      EXPECT_EQ(std::isnan(seen), !counts_hits) << golden.task << " " << name;
    }
  }
}

TEST(Metrics, RowsThatDefineNothing_AreNan) {
  const Evaluation none = RowsOf({"binary", 0.5, {2, 1}, {{1, -1}}, {0, 0}, {}});
  for (const auto* name : {"recall", "f1", "auroc", "average_precision"}) {
    EXPECT_TRUE(std::isnan(*ComputeMetric(name, none.reference, none))) << name;
  }
  const Evaluation missed = RowsOf({"binary", 0.5, {2, 1}, {{-1, -1}}, {0, 1}, {}});
  EXPECT_EQ(*ComputeMetric("precision", missed.reference, missed), 0);
  const Evaluation same = RowsOf({"regression", 0.5, {2}, {{1, 2}}, {3, 3}, {}});
  EXPECT_TRUE(std::isnan(*ComputeMetric("r2", same.reference, same)));
}

TEST(Metrics, UnknownNames_AreToldWhichThereAre) {
  const Evaluation rows = RowsOf({"regression", 0.5, {2}, {{1, 2}}, {3, 4}, {}});
  EXPECT_THAT(ComputeMetric("test/accuracy", rows.reference, rows).error().message,
              HasSubstr("ends in mae, rmse, mse, loss, r2, the figures of regression"));
  EXPECT_THAT(HigherIsBetter("f2").error().message, HasSubstr("retrieval: recall_at_<k>, mrr"));
  for (const auto* name : {"recall_at_", "recall_at_0", "recall_at_x", "recall_at_1e3"}) {
    EXPECT_FALSE(HigherIsBetter(name).ok()) << name;
  }
  for (const auto& [name, higher] : {std::pair("a/recall_at_10", true),
                                     {"auroc", true},
                                     {"rmse", false},
                                     {"perplexity", false}}) {
    EXPECT_EQ(*HigherIsBetter(name), higher) << name;
  }
}

struct Refused {
  MetricCase of;
  const char* words;
};

TEST(EvaluationFromTensors, WhatDoesNotFitItsTask_IsRefused) {
  const Refused cases[] = {
      {{"tokens", 0.5, {1, 2, 2}, {{1, 2, 3, 4}}, {0, 2}, {}}, "label 2; wanted 0 to 1"},
      {{"tokens", 0.5, {2, 2}, {{1, 2, 3, 4}}, {0, 1}, {}}, "'reference.y0' has shape [2,2]"},
      {{"binary", 0.5, {2, 1}, {{1, 2}}, {0, 2}, {}}, "label 2; wanted 0 to 1"},
      {{"binary", 1.0, {2, 1}, {{1, 2}}, {0, 1}, {}}, "threshold '1.000000'"},
      {{"binary", 0.5, {1, 3}, {{1, 2, 3}}, {0}, {}}, "'reference.y0' has shape [1,3]"},
      {{"retrieval", 0.5, {1, 2}, {{1, 2}}, {7}, {}}, "1 references; retrieval wants 2"},
      {{"ranking", 0.5, {1, 2}, {{1, 2}}, {7}, {}}, "'ranking' is none of classes, tokens"},
  };
  for (const Refused& refused : cases) {
    const auto rows = EvaluationFromTensors(FileOf(refused.of));
    ASSERT_FALSE(rows.ok()) << refused.words;
    EXPECT_THAT(rows.error().message, HasSubstr(refused.words));
  }
}

/// Two inputs and two outputs, the second named first: y = a + b, z = a - b.
class TwoEnds final : public InferenceModel {
 public:
  const std::vector<TensorSpec>& inputs() const override { return inputs_; }
  const std::vector<TensorSpec>& outputs() const override { return outputs_; }
  Result<std::vector<Tensor>> Infer(const std::vector<Tensor>& inputs) override {
    MUSTER_RETURN_IF_ERROR(CheckInputs(inputs_, inputs));
    const auto values = [&](std::string_view name) {
      const auto found = std::ranges::find(inputs, name, &Tensor::name);
      std::vector<float> numbers(found->bytes.size() / 4);
      std::memcpy(numbers.data(), found->bytes.data(), found->bytes.size());
      return numbers;
    };
    const auto a = values("a"), b = values("b");
    std::vector<double> sum, difference;
    for (std::size_t i = 0; i < a.size(); ++i) {
      sum.push_back(a[i] + b[i]);
      difference.push_back(a[i] - b[i]);
    }
    const std::vector<std::int64_t> shape = {static_cast<std::int64_t>(a.size()), 1};
    return std::vector<Tensor>{Make<float>("z", ElementType::kF32, shape, difference),
                               Make<float>("y", ElementType::kF32, shape, sum)};
  }

 private:
  std::vector<TensorSpec> inputs_ = {{"b", ElementType::kF32, {-1, 1}},
                                     {"a", ElementType::kF32, {-1, 1}}};
  std::vector<TensorSpec> outputs_ = {{"z", ElementType::kF32, {-1, 1}},
                                      {"y", ElementType::kF32, {-1, 1}}};
};

TEST(Logits, InputsAndOutputs_GoByTheirNames) {
  Evaluation rows;
  rows.task = Task::kRetrieval;
  rows.inputs = {Make<float>("a", ElementType::kF32, {3, 1}, {1, 2, 3}),
                 Make<float>("b", ElementType::kF32, {3, 1}, {10, 20, 30})};
  rows.outputs = {{"y", ElementType::kF32, {3, 1}}, {"z", ElementType::kF32, {3, 1}}};
  TwoEnds model;
  for (const std::int64_t batch : {1, 2, 256}) {
    const auto answers = Logits(model, rows, batch);
    ASSERT_TRUE(answers.ok()) << answers.error().message;
    EXPECT_EQ(*answers, (std::vector<float>{11, -9, 22, -18, 33, -27}));
  }
  rows.outputs[1].name = "w";
  EXPECT_THAT(Logits(model, rows).error().message, HasSubstr("no output 'w'; it has z, y"));
  rows.inputs.pop_back();
  EXPECT_THAT(Logits(model, rows).error().message, HasSubstr("2 inputs and 2 outputs"));
}

TEST(Agreement, CountsDecisionsOfTheTask) {
  Evaluation rows;
  rows.classes = 2;
  EXPECT_EQ(AgreementOf({1, 2, 3, 0}, {1, 3, 0, 3}, rows).share(), 0.5);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(AgreementOf({nan, 2, 3, 0}, {nan, 2, 3, 0}, rows).share(), 0.5);
  rows.task = Task::kBinary;
  rows.threshold = 0.9;  // a logit of 2.197
  EXPECT_EQ(AgreementOf({0, 1, 0, 3}, {0, 2, 0, 2}, rows).share(), 0.5);
  rows.classes = 1;
  EXPECT_EQ(AgreementOf({1, 3, 2.1F}, {2, 2, 2.3F}, rows).share(), 1 / 3.0);
  rows.task = Task::kRegression;
  rows.inputs = {Make<float>("x", ElementType::kF32, {2, 1}, {0, 0})};
  EXPECT_EQ(AgreementOf({1, 3}, {5, 6}, rows).share(), 1);
}

TEST(TensorValues, ReadEveryFloat) {
  const auto values = [](ElementType type, auto first, auto second) {
    const decltype(first) both[] = {first, second};
    const auto bytes = std::as_bytes(std::span(both));
    return ValuesAs<float>({"x", type, {2}, {bytes.begin(), bytes.end()}});
  };
  const std::vector<float> wanted = {1.5, -2};
  EXPECT_EQ(values(ElementType::kF32, 1.5F, -2.0F), wanted);
  EXPECT_EQ(values(ElementType::kF64, 1.5, -2.0), wanted);
  EXPECT_EQ(values(ElementType::kF16, std::uint16_t{0x3e00}, std::uint16_t{0xc000}), wanted);
  EXPECT_EQ(values(ElementType::kBf16, std::uint16_t{0x3fc0}, std::uint16_t{0xc000}), wanted);
  EXPECT_EQ(values(ElementType::kI8, std::int8_t{-3}, std::int8_t{4}), (std::vector<float>{-3, 4}));
}

TEST(ExportInfo, Formats_AreBothRead) {
  ExportInfo info{.opset = 18,
                  .task = Task::kTokens,
                  .inputs = {{"tokens", ElementType::kU8, {-1, 4}}},
                  .outputs = {{"logits", ElementType::kF32, {-1, 4, 9}}},
                  .metrics = {{"test/loss", 0.5}},
                  .data = {{"test", {"/d/t.h5", "ab", true}}},
                  .environment = {{"libtorch", "2.11.0"}}};
  const auto again = ExportInfoFromJson(ToJson(info));
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_EQ(again->task, Task::kTokens);
  EXPECT_EQ(again->inputs.at(0).type, ElementType::kU8);
  EXPECT_EQ(again->outputs.at(0).shape, info.outputs[0].shape);
  EXPECT_EQ(again->data.at("test").digest, "ab");
  EXPECT_TRUE(again->data.at("test").changed);
  EXPECT_EQ(again->environment, info.environment);
  EXPECT_THAT(ExportInfoFromJson(R"({"format":3})").error().message,
              HasSubstr("format 3; this program reads 1 to 2"));
  EXPECT_THAT(
      ExportInfoFromJson(R"({"format":2,"inputs":[{"name":"x","shape":[1]}]})").error().message,
      HasSubstr("at outputs: wanted one or more"));
}

}  // namespace
}  // namespace muster::registry
