#pragma once

#include <ATen/ATen.h>
#include <torch/nn/module.h>
#include <torch/nn/modules/linear.h>

#include <cstring>

#include "runtime/base/random.h"
#include "trainer/control.h"
#include "trainer/row_source.h"
#include "trainer/trial.h"

/// What tests of the loop train: two linear layers with dropout between, on made-up points.

namespace muster::trainer {

class TinyNet final : public torch::nn::Module {
 public:
  explicit TinyNet(double dropout)
      : dropout_(dropout),
        first_(register_module("first", torch::nn::Linear(4, 16))),
        second_(register_module("second", torch::nn::Linear(16, 3))) {}
  at::Tensor Forward(const at::Tensor& x) {
    return second_(at::dropout(at::tanh(first_(x)), dropout_, is_training()));
  }

 private:
  double dropout_;
  torch::nn::Linear first_, second_;
};

class TinyTrial : public ClassifierTrial {
 public:
  [[nodiscard]] std::string name() const override { return "tiny"; }
  [[nodiscard]] std::string about() const override { return "Tells three clouds apart."; }
  [[nodiscard]] std::vector<ParamSpec> params() const override {
    return {FloatParam("dropout", 0.0, 0.0, 0.9, "share left out")};
  }
  [[nodiscard]] DataSpec data() const override { return {.inputs = "x", .labels = "labels"}; }
  std::shared_ptr<torch::nn::Module> Build(const Params& params) override {
    net_ = std::make_shared<TinyNet>(params.Float("dropout"));
    return net_;
  }
  at::Tensor Forward(const at::Tensor& inputs) override { return net_->Forward(inputs); }

 private:
  std::shared_ptr<TinyNet> net_;
};

/// Points around three centres.
class Clouds final : public RowSource {
 public:
  explicit Clouds(std::uint64_t rows, ElementType labels = ElementType::kI64)
      : fields_({{"x", ElementType::kF32, {4}}, {"labels", labels, {}}}),
        x_(rows * 4),
        labels_(rows) {
    Random random(99);
    for (std::uint64_t row = 0; row < rows; ++row) {
      labels_[row] = static_cast<std::int64_t>(row % 3);
      for (int i = 0; i < 4; ++i) {
        const double centre = i == labels_[row] ? 2.0 : 0.0;
        x_[row * 4 + static_cast<std::uint64_t>(i)] = static_cast<float>(centre + random.Normal());
      }
    }
  }
  [[nodiscard]] std::uint64_t rows() const override { return labels_.size(); }
  [[nodiscard]] const std::vector<Field>& fields() const override { return fields_; }
  [[nodiscard]] std::string name() const override { return "clouds"; }
  Status Read(std::size_t field, std::span<const std::uint64_t> rows,
              std::byte* out) const override {
    for (const std::uint64_t row : rows) {
      const std::size_t bytes = fields_[field].row_bytes();
      // Of a label its first, lowest bytes, whatever its type.
      const void* from = field == 0 ? static_cast<const void*>(&x_[row * 4]) : &labels_[row];
      std::memcpy(out, from, bytes);
      out += bytes;
    }
    return Ok();
  }

 private:
  std::vector<Field> fields_;
  std::vector<float> x_;
  std::vector<std::int64_t> labels_;
};

/// Keeps records and beats; says `command` at its `at`-th Poll.
class ScriptedControl final : public Control {
 public:
  ScriptedControl() = default;
  ScriptedControl(int at, Command command) : at_(at), command_(command) {}
  Status Send(const wire::TrialRecord& record) override {
    records.push_back(record);
    return Ok();
  }
  Command Poll() override { return ++polls_ == at_ ? command_ : Command::kNone; }
  Status Flush() override { return Ok(); }
  void Beat(const Position& at) override {
    beats += at.phase + std::to_string(at.step) + "/" + std::to_string(at.total) + " ";
  }
  std::vector<wire::TrialRecord> records;
  std::string beats;

 private:
  int polls_ = 0;
  int at_ = 0;
  Command command_ = Command::kNone;
};

inline std::vector<at::Tensor> Weights(const torch::nn::Module& module) {
  std::vector<at::Tensor> weights;
  for (const at::Tensor& parameter : module.parameters()) {
    weights.push_back(parameter.detach().clone());
  }
  return weights;
}

inline bool SameBits(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!at::equal(a[i], b[i])) return false;
  }
  return true;
}

}  // namespace muster::trainer
