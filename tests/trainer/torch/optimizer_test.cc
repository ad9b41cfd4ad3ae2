#include "trainer/torch/optimizer.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

/// Golden values: 20 steps of Python's torch.optim (PyTorch 2.11) from the same weights along the same gradients,
///
///   p = [tensor([[0.5, -1, 2], [0.1, 0, -0.3]]), tensor([1, -2, 0.25])]
///   for step in range(20):
///       p[0].grad.flatten()[i] = sin(0.7 * i + 1.3 * step + 0.5); p[1].grad[i] = sin(0.7 * (6 + i) + ...)
///       optimizer.step()
///
/// with the optimizer that each test names. Float32 in another order of operations: 1e-6 relative, 1e-7 absolute.

namespace muster::trainer {
namespace {

using Kind = OptimizerSpec::Kind;

std::vector<at::Tensor> Parameters() {
  std::vector<at::Tensor> parameters = {
      at::tensor({0.5, -1.0, 2.0, 0.1, 0.0, -0.3}, at::kFloat).view({2, 3}),
      at::tensor({1.0, -2.0, 0.25}, at::kFloat)};
  for (at::Tensor& parameter : parameters) parameter.set_requires_grad(true);
  return parameters;
}

void SetGradients(std::vector<at::Tensor>& parameters, int step) {
  int place = 0;
  for (at::Tensor& parameter : parameters) {
    std::vector<double> values;
    for (int i = 0; i < parameter.numel(); ++i) {
      values.push_back(std::sin(0.7 * place++ + 1.3 * step + 0.5));
    }
    parameter.mutable_grad() = at::tensor(values, at::kFloat).view(parameter.sizes());
  }
}

std::vector<float> Values(const std::vector<at::Tensor>& tensors) {
  std::vector<float> values;
  for (const at::Tensor& tensor : tensors) {
    const at::Tensor flat = tensor.detach().contiguous();
    values.insert(values.end(), flat.data_ptr<float>(), flat.data_ptr<float>() + flat.numel());
  }
  return values;
}

void Take(Optimizer& optimizer, std::vector<at::Tensor>& parameters, int first, int last) {
  for (int step = first; step < last; ++step) {
    SetGradients(parameters, step);
    optimizer.Step(0.01);
  }
}

void ExpectWeights(const OptimizerSpec& spec, const std::vector<double>& golden) {
  auto parameters = Parameters();
  const auto optimizer = MakeOptimizer(parameters, spec);
  Take(*optimizer, parameters, 0, 20);
  const std::vector<float> values = Values(parameters);
  ASSERT_EQ(values.size(), golden.size());
  for (std::size_t i = 0; i < golden.size(); ++i) {
    EXPECT_NEAR(values[i], golden[i], 1e-6 * std::abs(golden[i]) + 1e-7) << i;
  }
}

const OptimizerSpec kAdamW{.weight_decay = 0.1};
const OptimizerSpec kSgd{.kind = Kind::kSgd, .weight_decay = 0.05};

// AdamW(p, lr=0.01, weight_decay=0.1)
TEST(Optimizer, AdamW_IsPyTorchs) {
  ExpectWeights(kAdamW, {0.455186576, -1.008693814, 1.944676995, 0.100375064, 0.034177341,
                         -0.261456072, 1.002901316, -1.953629017, 0.234787703});
}

// AdamW([{"params": p[:1], "weight_decay": 0.1}, {"params": p[1:], "weight_decay": 0}], lr=0.01,
//       betas=(0.8, 0.95), eps=1e-6)
TEST(Optimizer, AdamWWithOtherBetas_DecaysMatricesAlone) {
  ExpectWeights(
      {.weight_decay = 0.1, .decay_all = false, .beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-6},
      {0.462348849, -1.002202392, 1.947916031, 0.098744653, 0.02801251, -0.268691838, 1.017989755,
       -1.994052172, 0.243913606});
}

// SGD(p, lr=0.01, weight_decay=0.05), and with momentum=0.9, and with nesterov=True
TEST(Optimizer, Sgd_IsPyTorchs) {
  OptimizerSpec spec = kSgd;
  spec.momentum = 0;
  ExpectWeights(spec, {0.493159384, -0.995759845, 1.973220468, 0.094201967, -0.000472543,
                       -0.292934299, 0.996760786, -1.973905087, 0.250266522});
  spec.momentum = 0.9;
  ExpectWeights(spec, {0.407521874, -0.994913757, 1.860321164, 0.117000006, 0.055706356,
                       -0.219878376, 0.979987383, -1.882705331, 0.192845613});
  spec.nesterov = true;
  ExpectWeights(spec, {0.410701931, -0.990947545, 1.848351002, 0.109320894, 0.049120363,
                       -0.221536443, 0.978658378, -1.868960619, 0.199311435});
}

class EitherOptimizer : public testing::TestWithParam<OptimizerSpec> {};
INSTANTIATE_TEST_SUITE_P(, EitherOptimizer, testing::Values(kAdamW, kSgd));

TEST_P(EitherOptimizer, StateInAnother_GoesOnTheSame) {
  auto whole = Parameters();
  const auto one = MakeOptimizer(whole, GetParam());
  Take(*one, whole, 0, 20);

  auto first = Parameters();
  const auto before = MakeOptimizer(first, GetParam());
  Take(*before, first, 0, 7);
  auto second = Parameters();
  const auto after = MakeOptimizer(second, GetParam());
  for (std::size_t i = 0; i < first.size(); ++i) second[i].detach().copy_(first[i].detach());
  const auto saved = before->State();
  auto restored = after->State();
  ASSERT_EQ(saved.size(), restored.size());
  for (std::size_t i = 0; i < saved.size(); ++i) {
    EXPECT_EQ(saved[i].first, restored[i].first);
    restored[i].second.copy_(saved[i].second);
  }
  Take(*after, second, 7, 20);
  EXPECT_EQ(Values(second), Values(whole));
}

TEST_P(EitherOptimizer, RateInATensor_IsTheSame) {
  auto mine = Parameters();
  auto reference = Parameters();
  const auto with_tensor = MakeOptimizer(mine, GetParam());
  const auto with_number = MakeOptimizer(reference, GetParam());
  // The tensor holds a float, so the number is one too.
  const at::Tensor rate = at::scalar_tensor(0.01F, at::kFloat);
  for (int step = 0; step < 5; ++step) {
    SetGradients(mine, step);
    SetGradients(reference, step);
    with_tensor->Step(rate, {});
    with_number->Step(0.01F);
  }
  EXPECT_EQ(Values(mine), Values(reference));
}

TEST_P(EitherOptimizer, FoundInf_LeavesStepOut) {
  auto mine = Parameters();
  auto reference = Parameters();
  const auto skips = MakeOptimizer(mine, GetParam());
  const auto never_saw = MakeOptimizer(reference, GetParam());
  const at::Tensor rate = at::scalar_tensor(0.01F, at::kFloat);
  for (int step = 0; step < 5; ++step) {
    SetGradients(mine, step);
    skips->Step(rate, at::scalar_tensor(step == 2 ? 1.0F : 0.0F, at::kFloat));
    if (step == 2) continue;
    SetGradients(reference, step);
    never_saw->Step(rate, {});
  }
  EXPECT_EQ(Values(mine), Values(reference));
  const auto states = std::pair(skips->State(), never_saw->State());
  for (std::size_t i = 0; i < states.first.size(); ++i) {
    EXPECT_TRUE(at::equal(states.first[i].second, states.second[i].second)) << i;
  }
}

TEST_P(EitherOptimizer, GradientInAnotherLayout_IsReadByElement) {
  auto mine = Parameters();
  auto reference = Parameters();
  const auto ours = MakeOptimizer(mine, GetParam());
  const auto theirs = MakeOptimizer(reference, GetParam());
  SetGradients(mine, 0);
  SetGradients(reference, 0);
  mine[0].mutable_grad() = mine[0].grad().t().contiguous().t();
  ASSERT_NE(mine[0].grad().strides(), mine[0].strides());
  ours->Step(0.01);
  theirs->Step(0.01);
  EXPECT_EQ(Values(mine), Values(reference));
}

TEST_P(EitherOptimizer, NoParameters_DoesNothing) {
  const auto optimizer = MakeOptimizer({}, GetParam());
  optimizer->Step(0.1);
  EXPECT_TRUE(optimizer->State().empty());
}

std::string ErrorOf(const std::function<void()>& function) {
  try {
    function();
  } catch (const c10::Error& error) {
    return error.what_without_backtrace();
  }
  return "no error";
}

// As if each had an optimizer of its own, which steps when it has a gradient; as PyTorch's do.
TEST_P(EitherOptimizer, ParameterWithoutGradient_StaysAsItIs) {
  auto together = Parameters();
  auto apart = Parameters();
  const auto both = MakeOptimizer(together, GetParam());
  const std::vector<std::unique_ptr<Optimizer>> each = [&] {
    std::vector<std::unique_ptr<Optimizer>> made;
    for (const at::Tensor& one : apart) made.push_back(MakeOptimizer({one}, GetParam()));
    return made;
  }();
  const at::Tensor rate = at::scalar_tensor(0.01F, at::kFloat);
  for (int step = 0; step < 8; ++step) {
    SetGradients(together, step);
    SetGradients(apart, step);
    // The second from the third step on, the first not in the sixth, none in the last; an infinity in the fifth.
    if (step < 2 || step == 7) together[1].mutable_grad().reset();
    if (step == 5 || step == 7) together[0].mutable_grad().reset();
    const at::Tensor found_inf = at::scalar_tensor(step == 4 ? 1.0F : 0.0F, at::kFloat);
    both->Step(rate, found_inf);
    if (step != 5 && step != 7) each[0]->Step(rate, found_inf);
    if (step >= 2 && step != 7) each[1]->Step(rate, found_inf);
    EXPECT_EQ(Values(together), Values(apart)) << step;
  }
}

TEST(Optimizer, SparseGradient_IsNamed) {
  auto parameters = Parameters();
  const auto optimizer = MakeOptimizer(parameters, kSgd);
  SetGradients(parameters, 0);
  parameters[0].mutable_grad() = parameters[0].grad().to_sparse();
  EXPECT_EQ(ErrorOf([&] { optimizer->Step(0.1); }),
            "a parameter of shape [2, 3] has a sparse gradient: wanted a dense one");
}

TEST(Optimizer, ParametersThatDiffer_AreRefused) {
  auto parameters = Parameters();
  parameters.push_back(at::zeros({2}, at::kDouble));
  EXPECT_EQ(ErrorOf([&] { MakeOptimizer(parameters, kSgd); }),
            "parameters are of double on cpu and float on cpu: wanted one type and device");
  parameters.back() = at::zeros({2, 4}).slice(1, 0, 2);
  EXPECT_EQ(ErrorOf([&] { MakeOptimizer(parameters, kSgd); }),
            "a parameter of shape [2, 2] and strides [4, 1] has gaps: wanted a dense one");
}

TEST(ZeroGradients, Views_StayViews) {
  auto parameters = Parameters();
  const at::Tensor bucket = at::ones({10});
  parameters[0].mutable_grad() = bucket.slice(0, 0, 6).view({2, 3});
  ZeroGradients(parameters);
  EXPECT_EQ(bucket.sum().item<double>(), 4.0);
  EXPECT_EQ(parameters[0].grad().data_ptr(), bucket.data_ptr());
}

}  // namespace
}  // namespace muster::trainer
