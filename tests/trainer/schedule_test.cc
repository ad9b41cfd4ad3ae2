#include "trainer/schedule.h"

#include <gtest/gtest.h>

namespace muster::trainer {
namespace {

TEST(Schedule, Warmup_RisesLinearlyToThePeak) {
  const Schedule schedule{.peak = 0.4, .warmup_steps = 4, .total_steps = 10};
  EXPECT_DOUBLE_EQ(LearningRate(schedule, 0), 0.1);
  EXPECT_DOUBLE_EQ(LearningRate(schedule, 3), 0.4);
  EXPECT_DOUBLE_EQ(LearningRate(schedule, 9), 0.4);
}

TEST(Schedule, Cosine_FallsFromPeakToFinalFraction) {
  const Schedule schedule{.kind = ScheduleKind::kCosine,
                          .peak = 2.0,
                          .warmup_steps = 10,
                          .total_steps = 110,
                          .final_fraction = 0.1};
  EXPECT_DOUBLE_EQ(LearningRate(schedule, 10), 2.0);
  EXPECT_NEAR(LearningRate(schedule, 60), 2.0 * 0.55, 1e-12);
  EXPECT_NEAR(LearningRate(schedule, 110), 0.2, 1e-12);
  EXPECT_NEAR(LearningRate(schedule, 5000), 0.2, 1e-12);
  for (int step = 11; step < 110; ++step) {
    EXPECT_LT(LearningRate(schedule, step), LearningRate(schedule, step - 1));
  }
}

TEST(Schedule, Step_DropsByTheFactor) {
  const Schedule schedule{
      .kind = ScheduleKind::kStep, .peak = 1.0, .step_every = 3, .step_factor = 0.5};
  EXPECT_DOUBLE_EQ(LearningRate(schedule, 2), 1.0);
  EXPECT_DOUBLE_EQ(LearningRate(schedule, 3), 0.5);
  EXPECT_DOUBLE_EQ(LearningRate(schedule, 6), 0.25);
}

TEST(Schedule, UnknownName_ListsTheKnown) {
  const auto kind = ScheduleKindFromName("cosin");
  ASSERT_FALSE(kind.ok());
  EXPECT_EQ(kind.error().message, "schedule 'cosin': wanted constant, cosine or step");
}

}  // namespace
}  // namespace muster::trainer
