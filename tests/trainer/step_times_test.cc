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
  times.Add({.load = 1, .wait = 0.5, .all = 2, .rows = 8});
  times.Add({.load = 0, .wait = 1.5, .all = 6, .rows = 24});
  EXPECT_THAT(times.Take(), ElementsAre(Pair("compute_seconds", 2.5), Pair("load_seconds", 0.5),
                                        Pair("samples_per_second", 4), Pair("step_seconds", 4)));
  times.Add({.all = 1, .rows = 3});
  EXPECT_THAT(times.Take(), ElementsAre(Pair("compute_seconds", 1), Pair("load_seconds", 0),
                                        Pair("samples_per_second", 3), Pair("step_seconds", 1)));
  EXPECT_THAT(times.Take(), IsEmpty());
}

TEST(StepTimes, OfAClockThatStands_HasNoRate) {
  StepTimes times;
  times.Add({.rows = 8});
  EXPECT_THAT(times.Take(), ElementsAre(Pair("compute_seconds", 0), Pair("load_seconds", 0),
                                        Pair("step_seconds", 0)));
}

TEST(StepTimes, RoundingNeverMakesTimeNegative) {
  StepTimes times;
  times.Add({.load = 0.1, .wait = 0.2, .all = 0.3});
  EXPECT_GE(times.Take()["compute_seconds"], 0);
}

}  // namespace
}  // namespace muster::trainer
