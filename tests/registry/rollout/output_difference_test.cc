#include "registry/rollout/output_difference.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "tests/registry/serve/tensors.h"

namespace muster::registry {
namespace {

using serve::MakeTensor;

Tensor Logits(const std::vector<float>& values, std::int64_t rows) {
  return MakeTensor("logits", ElementType::kF32,
                    {rows, static_cast<std::int64_t>(values.size()) / rows}, values);
}

TEST(OutputDifference, RowsAgreeWithinTheTolerance) {
  OutputDifference difference(1e-3);
  difference.Add({Logits({1, 2, 3, 100, 5, 6}, 2)}, {Logits({1, 2, 3.0005F, 100.05F, 5, 6.5F}, 2)});
  const auto figures = difference.figures();
  EXPECT_EQ(figures.same.trials, 2);
  EXPECT_EQ(figures.same.successes, 1);
  EXPECT_EQ(figures.largest.successes, 2) << "the same class all the same";
  EXPECT_NEAR(figures.max_difference, 0.5, 1e-6);
  EXPECT_NEAR(figures.mean_difference, (0.0005 + 0.05 + 0.5) / 6, 1e-6);
  EXPECT_LT(figures.same_interval.low, 0.5);
  EXPECT_GT(figures.same_interval.high, 0.5);
}

TEST(OutputDifference, OtherClass_IsSeen) {
  OutputDifference difference(10);
  difference.Add({Logits({1, 2}, 1)}, {Logits({2, 1}, 1)});
  EXPECT_EQ(difference.figures().same.successes, 1);
  EXPECT_EQ(difference.figures().largest.successes, 0);
}

TEST(OutputDifference, IntegersAgreeWhenTheyAreTheSame) {
  const auto label = [](std::int64_t value) {
    return MakeTensor("label", ElementType::kI64, {1}, std::vector<std::int64_t>{value});
  };
  OutputDifference difference(10);
  difference.Add({label(3)}, {label(3)});
  difference.Add({label(3)}, {label(4)});
  EXPECT_EQ(difference.figures().same.successes, 1);
  EXPECT_EQ(difference.figures().same.trials, 2);
  EXPECT_EQ(difference.figures().largest.trials, 0);
}

TEST(OutputDifference, MissingOtherwiseShapedAndFailedAnswers_DoNotAgree) {
  OutputDifference difference;
  difference.Add({Logits({1, 2, 3, 4}, 2)}, {Logits({1, 2, 3, 4}, 1)});
  difference.Add({Logits({1, 2}, 1)}, {});
  difference.Add({Logits({1, 2}, 1)}, {Logits({1, 2}, 1), Logits({1, 2}, 1)});
  difference.AddFailure(3);
  EXPECT_EQ(difference.figures().same.successes, 0);
  EXPECT_EQ(difference.figures().same.trials, 7);
}

TEST(OutputDifference, NaNAgreesWithNaNAlone) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  OutputDifference difference;
  difference.Add({Logits({nan, 1}, 1)}, {Logits({nan, 1}, 1)});
  difference.Add({Logits({nan, 1}, 1)}, {Logits({1, 1}, 1)});
  EXPECT_EQ(difference.figures().same.successes, 1);
  EXPECT_EQ(difference.figures().max_difference, 0);
}

TEST(OutputDifference, NothingSeen) {
  const auto figures = OutputDifference().figures();
  EXPECT_EQ(figures.same.trials, 0);
  EXPECT_EQ(figures.same_interval, (statistics::Interval{0, 1, 0.95}));
  EXPECT_EQ(figures.mean_difference, 0);
}

}  // namespace
}  // namespace muster::registry
