#include "trainer/run/held_out.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <torch/nn/module.h>

#include <cstring>
#include <functional>
#include <map>

#include "trainer/hdf5/memory_rows.h"

/// Rows of small trials of each kind, through what an export does with them.

namespace muster::trainer::run {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

hdf5::MemoryRows Table(const std::map<std::string, at::Tensor>& tensors) {
  std::vector<hdf5::Column> columns;
  for (const auto& [name, tensor] : tensors) {
    const ElementType type = tensor.scalar_type() == at::kByte   ? ElementType::kU8
                             : tensor.scalar_type() == at::kLong ? ElementType::kI64
                                                                 : ElementType::kF32;
    hdf5::Column column{{name, type, tensor.sizes().slice(1).vec()}, {}};
    column.bytes.resize(tensor.nbytes());
    std::memcpy(column.bytes.data(), tensor.contiguous().data_ptr(), tensor.nbytes());
    columns.push_back(std::move(column));
  }
  const auto rows = static_cast<std::uint64_t>(tensors.begin()->second.size(0));
  return {"table", rows, std::move(columns)};
}

/// Answers what it is told to.
class TinyTrial : public Trial {
 public:
  TinyTrial(DataSpec data, ServedSpec served,
            std::function<std::vector<at::Tensor>(const std::vector<at::Tensor>&)> serve)
      : data_(std::move(data)), served_(std::move(served)), serve_(std::move(serve)) {}
  std::string name() const override { return "tiny"; }
  std::string about() const override { return "Answers what it is told to."; }
  DataSpec data() const override { return data_; }
  ServedSpec served() const override { return served_; }
  std::shared_ptr<torch::nn::Module> Build(const Params&) override { return nullptr; }
  at::Tensor TrainStep(const Batch&) override { return {}; }
  Means EvalStep(const Batch&) override { return {}; }
  at::Tensor Forward(const at::Tensor& inputs) override { return Serve({inputs})[0]; }
  std::vector<at::Tensor> Serve(const std::vector<at::Tensor>& inputs) override {
    return serve_(inputs);
  }

 private:
  DataSpec data_;
  ServedSpec served_;
  std::function<std::vector<at::Tensor>(const std::vector<at::Tensor>&)> serve_;
};

registry::Evaluation RowsOf(const HeldOut& held) {
  auto rows = registry::EvaluationFromTensors({held.tensors, held.metadata});
  EXPECT_TRUE(rows.ok()) << (rows.ok() ? "" : rows.error().message);
  return rows.ok() ? std::move(rows).value() : registry::Evaluation{};
}

TEST(HeldOut, Regression_HasTargetsInTheFormOfItsOutputs) {
  TinyTrial trial({.inputs = "x", .labels = "y"}, {.task = Task::kRegression, .outputs = {"yhat"}},
                  [](const auto& in) { return std::vector<at::Tensor>{in[0] * 2}; });
  const auto table =
      Table({{"x", at::arange(3, at::kFloat).reshape({3, 1})}, {"y", at::arange(3)}});
  const auto held = ComputeHeldOut(trial, table, {});
  ASSERT_TRUE(held.ok()) << held.error().message;
  EXPECT_EQ(held->inputs[0].name, "input");
  EXPECT_EQ(held->outputs[0].name, "yhat");
  EXPECT_THAT(held->outputs[0].shape, ElementsAre(-1, 1));
  const auto rows = RowsOf(*held);
  EXPECT_THAT(rows.targets, ElementsAre(0, 1, 2));
  EXPECT_THAT(rows.reference, ElementsAre(0, 2, 4));
}

TEST(HeldOut, TokensThatAreTheirOwnLabels_AreMovedOnePlace) {
  TinyTrial trial(
      {.inputs = "t", .labels = "t"}, {.task = Task::kTokens, .columns = {"t"}},
      [](const auto& in) {
        return std::vector<at::Tensor>{at::one_hot(in[0].to(at::kLong), 6).to(at::kFloat)};
      });
  const auto table = Table({{"t", at::arange(6, at::kByte).reshape({2, 3})}});
  const auto held = ComputeHeldOut(trial, table, {});
  ASSERT_TRUE(held.ok()) << held.error().message;
  EXPECT_EQ(held->inputs[0].type, registry::ElementType::kU8);
  EXPECT_THAT(held->inputs[0].shape, ElementsAre(-1, 2));
  const auto rows = RowsOf(*held);
  EXPECT_THAT(rows.labels, ElementsAre(1, 2, 4, 5));
  EXPECT_EQ(rows.classes, 6);
}

TEST(HeldOut, MoreRowsThanFit_AreSpreadEvenly) {
  TinyTrial trial({.inputs = "x", .labels = "y", .classes = 2},
                  {.task = Task::kBinary, .threshold = 0.25},
                  [](const auto& in) { return std::vector<at::Tensor>{in[0]}; });
  const auto table =
      Table({{"x", at::arange(1000, at::kFloat).reshape({1000, 1})}, {"y", at::arange(1000) % 2}});
  // 8 bytes a row, 4 of input and 4 of output.
  const auto held = ComputeHeldOut(trial, table, {"y"}, 8 * 4);
  ASSERT_TRUE(held.ok()) << held.error().message;
  EXPECT_EQ(held->rows, 4);
  const auto rows = RowsOf(*held);
  EXPECT_THAT(rows.reference, ElementsAre(0, 250, 500, 750));
  EXPECT_EQ(rows.threshold, 0.25);
  EXPECT_EQ(held->tensors.back().name, "segment.y");
}

TEST(HeldOut, WhatDoesNotFit_IsRefusedWithItsName) {
  const auto same = [](const auto& in) { return std::vector<at::Tensor>{in[0]}; };
  TinyTrial trial({.inputs = "x", .labels = "y"}, {}, same);
  const auto table = Table({{"x", at::ones({2, 3})}, {"y", at::zeros({2}, at::kLong)}});
  const auto refusal = [&](const std::vector<std::string>& segments) {
    const auto held = ComputeHeldOut(trial, table, segments);
    return held.ok() ? "" : held.error().message;
  };
  EXPECT_EQ(refusal({}), "");
  EXPECT_THAT(refusal({"x"}), HasSubstr("a segment wants one whole number a row, got x f32 (3)"));
  EXPECT_THAT(refusal({"z"}), HasSubstr("z"));
  TinyTrial wrong({.inputs = "x", .labels = "y"}, {.task = Task::kRetrieval}, same);
  const auto held = ComputeHeldOut(wrong, table, {});
  ASSERT_FALSE(held.ok());
  EXPECT_THAT(held.error().message, HasSubstr("1 references; retrieval wants 2"));
}

}  // namespace
}  // namespace muster::trainer::run
