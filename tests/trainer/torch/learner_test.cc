#include "trainer/torch/learner.h"

#include <gtest/gtest.h>

#include "tests/trainer/torch/tiny_learner.h"
#include "trainer/torch/columns.h"

namespace muster::trainer {
namespace {

/// The host as a device with graphs: a replay runs what was captured again, on the memory it was captured with.
class GraphingHost final : public Accelerator {
 public:
  [[nodiscard]] at::Device device() const override { return at::kCPU; }
  [[nodiscard]] std::string name() const override { return "host with graphs"; }
  [[nodiscard]] std::string id() const override { return "host"; }
  void Synchronize() override {}
  [[nodiscard]] std::int64_t peak_bytes() const override { return 0; }
  [[nodiscard]] double peak_flops(Precision /*precision*/) const override { return 0; }
  [[nodiscard]] at::Tensor HostBuffer(at::IntArrayRef sizes, at::ScalarType type) const override {
    return at::empty(sizes, type);
  }
  [[nodiscard]] Upload Start(std::vector<at::Tensor> host) const override {
    return {.tensors = std::move(host), .wait = nullptr};
  }
  [[nodiscard]] std::unique_ptr<StepGraph> Capture(const std::function<void()>& step) override {
    class Again final : public StepGraph {
     public:
      Again(std::function<void()> step, int& replays) : step_(std::move(step)), replays_(replays) {}
      void Replay() override {
        ++replays_;
        step_();
      }

     private:
      std::function<void()> step_;
      int& replays_;
    };
    ++captures;
    return std::make_unique<Again>(step, replays);
  }
  int captures = 0;
  int replays = 0;
};

class LearnerTest : public testing::Test {
 protected:
  static std::vector<at::Tensor> Train(const char* json, Accelerator& accelerator,
                                       double* loss = nullptr) {
    return TrainTiny(json, accelerator, Gang(), loss);
  }
};

TEST_F(LearnerTest, Graph_SameBitsAsStepByStep_WithDropoutAndASmallLastBatch) {
  GraphingHost graphing;
  double plain_loss = 0;
  double graph_loss = 0;
  const auto plain = Train(R"({"dropout": 0.3})", HostAccelerator(), &plain_loss);
  const auto graph = Train(R"({"dropout": 0.3, "cuda_graph": "on"})", graphing, &graph_loss);
  EXPECT_TRUE(SameBits(plain, graph));
  EXPECT_EQ(plain_loss, graph_loss);
  EXPECT_EQ(graphing.captures, 1);
  EXPECT_EQ(graphing.replays, 7);  // of ten whole batches three come first, step by step
}

TEST_F(LearnerTest, DeviceWithoutGraphs_TrainsStepByStep) {
  EXPECT_TRUE(SameBits(Train("{}", HostAccelerator()),
                       Train(R"({"cuda_graph": "on"})", HostAccelerator())));
}

TEST_F(LearnerTest, Accumulation_SameGradientsUpToRounding) {
  const auto whole = Train("{}", HostAccelerator());
  // 16 rows in 5 parts, 6 rows in 5.
  const auto parts = Train(R"({"accumulate": 5})", HostAccelerator());
  const auto single = Train(R"({"accumulate": 1000})", HostAccelerator());
  for (std::size_t i = 0; i < whole.size(); ++i) {
    EXPECT_TRUE(at::allclose(whole[i], parts[i], 1e-3, 1e-4)) << (whole[i] - parts[i]).abs().max();
    EXPECT_TRUE(at::allclose(whole[i], single[i], 1e-3, 1e-4));
  }
}

TEST_F(LearnerTest, Bf16_ComputesInItAndKeepsFp32Weights) {
  class Watching final : public TinyTrial {
   public:
    at::Tensor Forward(const at::Tensor& inputs) override {
      at::Tensor logits = TinyTrial::Forward(inputs);
      type = logits.scalar_type();
      return logits;
    }
    at::ScalarType type = at::kFloat;
  } trial;
  const Gang alone;
  const auto learner = MakeLearner(trial, R"({"precision": "bf16"})", HostAccelerator(), alone);
  auto columns = std::make_shared<Batch::Columns>();
  columns->tensors = {{"x", at::ones({4, 4})}, {"labels", at::zeros({4}, at::kLong)}};
  learner->Step({.batch = Batch(columns, 4), .global_rows = 4}, 0, 0.01, [](const char*) {});
  EXPECT_EQ(trial.type, at::kBFloat16);
  for (const at::Tensor& parameter : learner->module().parameters()) {
    EXPECT_EQ(parameter.scalar_type(), at::kFloat);
    EXPECT_EQ(parameter.grad().scalar_type(), at::kFloat);
  }
  // And what follows is as if nothing had been.
  EXPECT_EQ(trial.Forward(at::ones({1, 4})).scalar_type(), at::kFloat);
}

}  // namespace
}  // namespace muster::trainer
