#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/cuda.h>

#include <cmath>
#include <limits>

#include "trainer/torch/clip.h"
#include "trainer/torch/ema.h"
#include "trainer/torch/grad_scaler.h"
#include "trainer/torch/loss_watch.h"
#include "trainer/torch/optimizer.h"
#include "trainer/torch/recompute.h"

/// What happens between a backward and the next forward, on a GPU beside the host: float32 in another order of
/// operations, so within 1e-5.

namespace muster::trainer {
namespace {

using Tensors = std::vector<at::Tensor>;

class GpuStep : public testing::Test {
 protected:
  void SetUp() override {
    if (torch::cuda::device_count() == 0) GTEST_SKIP() << "this machine has no GPU";
  }
};

Tensors Weights(at::Device device) {
  at::manual_seed(3);
  Tensors weights;
  for (const std::int64_t rows : {1, 7, 300}) {
    weights.push_back(at::randn({rows, 65}).to(device).set_requires_grad(true));
    weights.push_back(at::randn({rows}).to(device).set_requires_grad(true));
  }
  return weights;
}

void SetGradients(Tensors& weights, int step) {
  at::manual_seed(static_cast<std::uint64_t>(100 + step));
  for (at::Tensor& weight : weights) {
    weight.mutable_grad() = at::randn(weight.sizes()).to(weight.device());
  }
}

void ExpectNear(const Tensors& gpu, const Tensors& host) {
  ASSERT_EQ(gpu.size(), host.size());
  for (std::size_t i = 0; i < gpu.size(); ++i) {
    EXPECT_TRUE(at::allclose(gpu[i].detach().cpu(), host[i].detach(), 1e-5, 1e-5)) << i;
  }
}

/// All of a step with float16's scaler, 12 times; the fifth has an infinity.
Tensors Train(at::Device device, OptimizerSpec::Kind kind) {
  Tensors weights = Weights(device);
  const auto optimizer = MakeOptimizer(
      weights, {.kind = kind, .weight_decay = 0.1, .decay_all = false, .beta2 = 0.95});
  GradScaler scaler(device, {.scale = 4, .growth_interval = 3});
  Ema ema(weights, 0.8);
  at::Tensor norms = at::zeros({}, at::TensorOptions(device));
  for (int step = 0; step < 12; ++step) {
    SetGradients(weights, step);
    if (step == 4) weights[2].mutable_grad()[0][0] = std::numeric_limits<float>::infinity();
    const at::Tensor found_inf = scaler.Unscale(Gradients(weights));
    norms.add_(ClipByGlobalNorm(Gradients(weights), 1.0).nan_to_num(0, 0, 0));
    optimizer->Step(at::full({}, 0.01, at::TensorOptions(device)), found_inf);
    scaler.Update();
    ema.Update();
  }
  Tensors all = weights;
  all.push_back(norms);
  for (const auto& [name, tensor] : optimizer->State()) all.push_back(tensor);
  for (const auto& [name, tensor] : scaler.State()) all.push_back(tensor);
  for (const auto& [name, tensor] : ema.State()) all.push_back(tensor);
  return all;
}

TEST_F(GpuStep, AllOfAStep_IsTheHosts) {
  for (const auto kind : {OptimizerSpec::Kind::kAdamW, OptimizerSpec::Kind::kSgd}) {
    ExpectNear(Train(at::kCUDA, kind), Train(at::kCPU, kind));
  }
}

TEST_F(GpuStep, LossWatch_KeepsTheFirst) {
  LossWatch watch(at::kCUDA, 10);
  for (const double loss : {1.0, 2.0, std::nan(""), 3.0}) {
    watch.Add(at::full({}, loss, at::TensorOptions(at::kCUDA).dtype(at::kHalf)));
  }
  const auto bad = watch.Read();
  ASSERT_TRUE(bad);
  EXPECT_EQ(bad->step, 12);
  EXPECT_TRUE(std::isnan(bad->loss));
}

TEST_F(GpuStep, RecomputeWithDropout_HasTheSameBits) {
  const auto run = [](bool recompute) {
    at::manual_seed(8);
    const at::Tensor weight =
        at::randn({64, 64}, at::TensorOptions(at::kCUDA)).set_requires_grad(true);
    const at::Tensor x = at::randn({128, 64}, at::TensorOptions(at::kCUDA)).set_requires_grad(true);
    const auto block = [&](const at::Tensor& in) {
      return at::dropout(at::linear(in, weight).tanh(), 0.4, /*train=*/true);
    };
    (recompute ? Recompute(block, x) : block(x)).square().sum().backward();
    return Tensors{weight.grad(), x.grad()};
  };
  const Tensors mine = run(true);
  const Tensors reference = run(false);
  for (std::size_t i = 0; i < mine.size(); ++i) EXPECT_TRUE(at::equal(mine[i], reference[i])) << i;
}

}  // namespace
}  // namespace muster::trainer
