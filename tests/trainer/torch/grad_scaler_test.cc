#include "trainer/torch/grad_scaler.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>

#include "trainer/torch/optimizer.h"

namespace muster::trainer {
namespace {

// torch.amp.GradScaler("cpu", init_scale=1024, growth_interval=3) with SGD(lr=1) on loss = w . (1, 0.5), the second
// factor being inf at steps 1, 5 and 6 (PyTorch 2.11): scale, growth tracker and weights after each step. All exact.
TEST(GradScaler, ScaleAndSteps_ArePyTorchs) {
  struct Row {
    double scale;
    int tracker;
    double w0, w1;
  };
  const std::vector<Row> golden = {{1024, 1, -1, -0.5}, {512, 0, -1, -0.5},  {512, 1, -2, -1},
                                   {512, 2, -3, -1.5},  {1024, 0, -4, -2},   {512, 0, -4, -2},
                                   {256, 0, -4, -2},    {256, 1, -5, -2.5},  {256, 2, -6, -3},
                                   {512, 0, -7, -3.5},  {512, 1, -8, -4},    {512, 2, -9, -4.5},
                                   {1024, 0, -10, -5},  {1024, 1, -11, -5.5}};
  const std::vector<at::Tensor> weights = {at::zeros({2}).set_requires_grad(true)};
  const auto optimizer =
      MakeOptimizer(weights, {.kind = OptimizerSpec::Kind::kSgd, .weight_decay = 0, .momentum = 0});
  GradScaler scaler(at::kCPU, {.scale = 1024, .growth_interval = 3});
  const at::Tensor rate = at::ones({});
  for (std::size_t step = 0; step < golden.size(); ++step) {
    const bool bad = step == 1 || step == 5 || step == 6;
    const float factor = bad ? std::numeric_limits<float>::infinity() : 0.5F;
    if (weights[0].grad().defined()) ZeroGradients(weights);
    scaler.Scale((weights[0] * at::tensor({1.0F, factor})).sum()).backward();
    const at::Tensor found_inf = scaler.Unscale(Gradients(weights));
    EXPECT_EQ(found_inf.item<float>(), bad ? 1.0F : 0.0F) << step;
    optimizer->Step(rate, found_inf);
    scaler.Update();
    const auto state = scaler.State();
    EXPECT_EQ(state[0].first, "scale");
    EXPECT_EQ(state[0].second.item<double>(), golden[step].scale) << step;
    EXPECT_EQ(state[1].first, "growth_tracker");
    EXPECT_EQ(state[1].second.item<int>(), golden[step].tracker) << step;
    EXPECT_EQ(weights[0][0].item<double>(), golden[step].w0) << step;
    EXPECT_EQ(weights[0][1].item<double>(), golden[step].w1) << step;
  }
}

TEST(GradScaler, Nan_IsFoundInAnyGradient) {
  GradScaler scaler(at::kCPU);
  std::vector<at::Tensor> gradients = {at::ones({3}), at::ones({2, 2})};
  EXPECT_EQ(scaler.Unscale(gradients).item<float>(), 0);
  EXPECT_EQ(gradients[0][0].item<float>(), 1.0F / 65536);
  gradients[1][1][0] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(scaler.Unscale(gradients).item<float>(), 1);
}

TEST(GradScaler, NoGradients_FindNothing) {
  GradScaler scaler(at::kCPU);
  EXPECT_EQ(scaler.Unscale({}).item<float>(), 0);
}

}  // namespace
}  // namespace muster::trainer
