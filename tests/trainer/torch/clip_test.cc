#include "trainer/torch/clip.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

/// Golden values of torch.nn.utils.clip_grad_norm_ (PyTorch 2.11) on these gradients; float32, 1e-6 relative.

namespace muster::trainer {
namespace {

std::vector<at::Tensor> Gradients() {
  return {at::tensor({3.0, -4.0, 0.5, 2.0}, at::kFloat).view({2, 2}),
          at::tensor({1.0, -2.5, 0.25}, at::kFloat)};
}

std::vector<float> Values(const std::vector<at::Tensor>& tensors) {
  std::vector<float> values;
  for (const at::Tensor& tensor : tensors) {
    values.insert(values.end(), tensor.data_ptr<float>(),
                  tensor.data_ptr<float>() + tensor.numel());
  }
  return values;
}

TEST(ClipByGlobalNorm, Larger_IsScaledAsInPyTorch) {
  const auto gradients = Gradients();
  EXPECT_NEAR(ClipByGlobalNorm(gradients, 2.0).item<double>(), 6.0466938, 6e-6);
  const std::vector<double> golden = {0.992277682, -1.32303691,  0.165379614, 0.661518455,
                                      0.330759227, -0.826898098, 0.0826898068};
  const auto values = Values(gradients);
  for (std::size_t i = 0; i < golden.size(); ++i) {
    EXPECT_NEAR(values[i], golden[i], 1e-6 * std::abs(golden[i])) << i;
  }
}

TEST(ClipByGlobalNorm, Smaller_IsLeftAlone) {
  const auto gradients = Gradients();
  EXPECT_NEAR(ClipByGlobalNorm(gradients, 100.0).item<double>(), 6.0466938, 6e-6);
  EXPECT_EQ(Values(gradients), Values(Gradients()));
}

TEST(ClipByGlobalNorm, NotFinite_IsAnswered) {
  auto gradients = Gradients();
  gradients[1][0] = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(std::isinf(ClipByGlobalNorm(gradients, 2.0).item<double>()));
  EXPECT_TRUE(std::isnan(gradients[1][0].item<double>()));
  EXPECT_EQ(gradients[0].abs().sum().item<double>(), 0);
  gradients = Gradients();
  gradients[1][0] = std::nanf("");
  EXPECT_TRUE(std::isnan(ClipByGlobalNorm(gradients, 2.0).item<double>()));
  EXPECT_TRUE(at::isnan(gradients[0]).all().item<bool>());
}

TEST(ClipByGlobalNorm, NoGradients_HaveNorm0) {
  EXPECT_EQ(ClipByGlobalNorm({}, 1.0).item<double>(), 0);
}

}  // namespace
}  // namespace muster::trainer
