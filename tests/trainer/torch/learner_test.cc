#include "trainer/torch/learner.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include "tests/trainer/torch/tiny_trial.h"
#include "trainer/torch/columns.h"

namespace muster::trainer {
namespace {

/// The host as a device with graphs: a replay runs what was captured again, on the memory it was captured with.
class GraphingHost final : public Accelerator {
 public:
  [[nodiscard]] at::Device device() const override { return at::kCPU; }
  [[nodiscard]] std::string name() const override { return "host with graphs"; }
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

constexpr double kRate = 1.0 / 128;  ///< a graph keeps it in fp32

class LearnerTest : public testing::Test {
 protected:
  std::unique_ptr<Learner> Make(Trial& trial, const char* json, Accelerator& accelerator) {
    const auto params =
        ReadParams(WithLoopParams(trial.params()), boost::json::parse(json).as_object());
    EXPECT_TRUE(params.ok()) << params.error().message;
    auto learner =
        Learner::Make(trial, *params, gang_, accelerator, LearnerOptionsFrom(*params, 5));
    EXPECT_TRUE(learner.ok()) << learner.error().message;
    (*learner)->module().train();
    return std::move(learner).value();
  }
  /// The weights after batches 0 to 9 of 16 rows and one of 6.
  std::vector<at::Tensor> Train(const char* json, Accelerator& accelerator,
                                double* loss = nullptr) {
    TinyTrial trial;
    const auto learner = Make(trial, json, accelerator);
    auto loader = BatchLoader::Start(data_, {.columns = trial.data().columns(),
                                             .epoch = {.seed = 1, .rows = data_.rows()},
                                             .batch_size = 16});
    EXPECT_TRUE(loader.ok());
    for (std::int64_t step = 0;; ++step) {
      const auto loaded = (*loader)->Next();
      if (!loaded.ok() || !*loaded) break;
      learner->Step(**loaded, step, kRate, [](const char*) {});
    }
    if (loss != nullptr) *loss = learner->loss_sum();
    return Weights(learner->module());
  }

  Gang gang_;
  Clouds data_{10 * 16 + 6};
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
  const auto learner = Make(trial, R"({"precision": "bf16"})", HostAccelerator());
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
