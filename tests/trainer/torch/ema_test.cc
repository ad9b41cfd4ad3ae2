#include "trainer/torch/ema.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace muster::trainer {
namespace {

/// w_k = w_(k-1) + k * (0.1, 0.2, -0.3)
struct Walk {
  std::vector<at::Tensor> weights = {
      at::tensor({1.0, -2.0, 0.5}, at::kFloat).set_requires_grad(true)};
  void Take(int step) { weights[0].detach().add_(at::tensor({0.1, 0.2, -0.3}, at::kFloat) * step); }
};

// get_ema_multi_avg_fn(0.9)(averages, weights, k) of torch.optim.swa_utils (PyTorch 2.11), averages beginning
// as the weights; float32, 1e-6.
TEST(Ema, Averages_ArePyTorchs) {
  Walk walk;
  Ema ema(walk.weights, 0.9);
  for (int step = 1; step <= 10; ++step) {
    walk.Take(step);
    ema.Update();
  }
  const auto state = ema.State();
  ASSERT_EQ(state.size(), 1);
  EXPECT_EQ(state[0].first, "average.0");
  EXPECT_FALSE(state[0].second.requires_grad());
  const at::Tensor golden = at::tensor({2.7757051, 1.55140924, -4.82711411}, at::kFloat);
  EXPECT_LT((state[0].second - golden).abs().max().item<double>(), 1e-6);
}

TEST(Ema, Swap_IsInPlaceAndItsOwnInverse) {
  Walk walk;
  Ema ema(walk.weights, 0.5);
  const at::Tensor first = walk.weights[0].detach().clone();
  walk.Take(1);
  const at::Tensor second = walk.weights[0].detach().clone();
  const void* memory = walk.weights[0].data_ptr();
  ema.Swap();
  EXPECT_TRUE(at::equal(walk.weights[0], first));
  EXPECT_EQ(walk.weights[0].data_ptr(), memory);
  EXPECT_TRUE(walk.weights[0].requires_grad());
  ema.Swap();
  EXPECT_TRUE(at::equal(walk.weights[0], second));
  EXPECT_TRUE(at::equal(ema.State()[0].second, first));
}

TEST(Ema, NoWeights_DoNothing) {
  Ema ema({}, 0.5);
  ema.Update();
  ema.Swap();
  EXPECT_TRUE(ema.State().empty());
}

}  // namespace
}  // namespace muster::trainer
