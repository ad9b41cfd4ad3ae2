#include "trainer/torch/optimizer.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/optim/adamw.h>
#include <torch/optim/sgd.h>

/// Against LibTorch's own optimizers, 20 steps on the same gradients; float32, so within 1e-6.

namespace muster::trainer {
namespace {

std::vector<at::Tensor> Parameters() {
  at::manual_seed(3);
  std::vector<at::Tensor> parameters = {at::randn({5, 7}), at::randn({11})};
  for (at::Tensor& parameter : parameters) parameter.set_requires_grad(true);
  return parameters;
}

void SetGradients(std::vector<at::Tensor>& parameters, int step) {
  at::manual_seed(static_cast<std::uint64_t>(100 + step));
  for (at::Tensor& parameter : parameters) {
    parameter.mutable_grad() = at::randn(parameter.sizes());
  }
}

void ExpectSamePath(Optimizer& ours, std::vector<at::Tensor>& mine, torch::optim::Optimizer& theirs,
                    std::vector<at::Tensor>& reference) {
  for (int step = 0; step < 20; ++step) {
    SetGradients(mine, step);
    SetGradients(reference, step);
    ours.Step(0.01);
    theirs.step();
    for (std::size_t i = 0; i < mine.size(); ++i) {
      const at::Tensor difference = (mine[i].detach() - reference[i].detach()).abs().max();
      ASSERT_LT(difference.item<double>(), 1e-6) << "step " << step;
    }
  }
}

TEST(Optimizer, AdamW_FollowsLibTorchs) {
  auto mine = Parameters();
  auto reference = Parameters();
  const auto ours = MakeAdamW(mine, 0.1);
  torch::optim::AdamW theirs(reference, torch::optim::AdamWOptions(0.01).weight_decay(0.1));
  ExpectSamePath(*ours, mine, theirs, reference);
}

TEST(Optimizer, Sgd_FollowsLibTorchs) {
  for (const double momentum : {0.0, 0.9}) {
    auto mine = Parameters();
    auto reference = Parameters();
    const auto ours = MakeSgd(mine, momentum, 0.05);
    torch::optim::SGD theirs(reference,
                             torch::optim::SGDOptions(0.01).momentum(momentum).weight_decay(0.05));
    ExpectSamePath(*ours, mine, theirs, reference);
  }
}

TEST(Optimizer, ParameterWithoutGradient_Throws) {
  auto parameters = Parameters();
  const auto optimizer = MakeSgd(parameters, 0.9, 0.0);
  EXPECT_THROW(optimizer->Step(0.1), c10::Error);
}

TEST(ZeroGradients, Views_StayViews) {
  auto parameters = Parameters();
  const at::Tensor bucket = at::ones({46});
  parameters[0].mutable_grad() = bucket.slice(0, 0, 35).view({5, 7});
  ZeroGradients(parameters);
  EXPECT_EQ(bucket.sum().item<double>(), 11.0);
  EXPECT_EQ(parameters[0].grad().data_ptr(), bucket.data_ptr());
}

}  // namespace
}  // namespace muster::trainer
