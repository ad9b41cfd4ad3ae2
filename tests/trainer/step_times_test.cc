#include "trainer/step_times.h"

#include <gmock/gmock.h>

namespace muster::trainer {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

TEST(StepTimes, Means_AreOfTheStepsSinceTheLastCall) {
  StepTimes times;
  EXPECT_THAT(times.Take(), IsEmpty());
  times.Add({.load = 1, .forward = 0.25, .backward = 0.25, .wait = 0.5, .all = 2, .rows = 8});
  times.Add({.load = 0, .forward = 0.75, .backward = 1.75, .wait = 1.5, .all = 6, .rows = 24});
  EXPECT_THAT(times.Take(), ElementsAre(Pair("backward_seconds", 1), Pair("compute_seconds", 2.5),
                                        Pair("forward_seconds", 0.5), Pair("load_seconds", 0.5),
                                        Pair("optimizer_seconds", 1), Pair("samples_per_second", 4),
                                        Pair("step_seconds", 4), Pair("wait_seconds", 1)));
  times.Add({.all = 1, .rows = 3});
  const auto means = times.Take();
  EXPECT_EQ(means.at("compute_seconds"), 1);
  EXPECT_EQ(means.at("samples_per_second"), 3);
  EXPECT_THAT(times.Take(), IsEmpty());
}

TEST(StepTimes, OfAClockThatStands_HasNoRate) {
  StepTimes times;
  times.Add({.rows = 8});
  const auto means = times.Take();
  EXPECT_EQ(means.at("step_seconds"), 0);
  EXPECT_FALSE(means.contains("samples_per_second"));
}

TEST(StepTimes, RoundingNeverMakesTimeNegative) {
  StepTimes times;
  times.Add({.load = 0.1, .wait = 0.2, .all = 0.3});
  auto means = times.Take();
  EXPECT_GE(means["compute_seconds"], 0);
  EXPECT_GE(means["optimizer_seconds"], 0);
}

}  // namespace
}  // namespace muster::trainer
