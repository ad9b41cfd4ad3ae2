#include "trainer/torch/loss_watch.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace muster::trainer {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

void Add(LossWatch& watch, double loss) { watch.Add(at::scalar_tensor(loss, at::kFloat)); }

TEST(LossWatch, FiniteLosses_AreNoNews) {
  LossWatch watch(at::kCPU, 0);
  EXPECT_FALSE(watch.Read());
  for (const double loss : {0.0, 3e38, -5.0}) Add(watch, loss);
  EXPECT_FALSE(watch.Read());
}

TEST(LossWatch, FirstBadLoss_IsKept) {
  LossWatch watch(at::kCPU, 120);
  for (const double loss : {2.0, 1.0, 9.0}) Add(watch, loss);
  Add(watch, -kInf);
  for (const double loss : {2.0, std::nan("")}) Add(watch, loss);
  const auto bad = watch.Read();
  ASSERT_TRUE(bad);
  EXPECT_EQ(bad->step, 123);
  EXPECT_EQ(bad->loss, -kInf);
}

TEST(LossWatch, LowPrecisionAndGraph_AreTaken) {
  LossWatch watch(at::kCPU, 0);
  watch.Add(at::ones({}, at::kBFloat16).set_requires_grad(true) * 2);
  EXPECT_FALSE(watch.Read());
  watch.Add(at::full({}, kInf, at::kHalf).set_requires_grad(true) * 2);
  ASSERT_TRUE(watch.Read());
  EXPECT_EQ(watch.Read()->step, 1);
}

TEST(Diverged, SaysLossStepRateAndPrecision) {
  const Error error = Diverged({.step = 123, .loss = std::nan("")}, 0.1, "fp16");
  EXPECT_EQ(error.kind, ErrorKind::kInvalid);
  EXPECT_EQ(error.message,
            "loss is nan at step 123 (lr 0.1, precision fp16): the configuration diverged");
  EXPECT_EQ(Diverged({.step = 0, .loss = -kInf}, 3e-5, "fp32").message,
            "loss is -inf at step 0 (lr 3e-05, precision fp32): the configuration diverged");
}

}  // namespace
}  // namespace muster::trainer
