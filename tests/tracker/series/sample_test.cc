#include "tracker/series/sample.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace muster::tracker {
namespace {

using testing::ElementsAre;

TEST(SampledRows, FewRows_AreAllThere) {
  EXPECT_THAT(SampledRows(0, 3), ElementsAre());
  EXPECT_THAT(SampledRows(1, 3), ElementsAre(0));
  EXPECT_THAT(SampledRows(3, 3), ElementsAre(0, 1, 2));
}

TEST(SampledRows, ManyRows_AreTheFirstOfEachPartAndTheLast) {
  // Parts of 4, 3 and 3 begin at 0, 4 and 7; the last row takes the place of the last begin.
  EXPECT_THAT(SampledRows(10, 3), ElementsAre(0, 4, 9));
  EXPECT_THAT(SampledRows(5, 4), ElementsAre(0, 2, 3, 4));
  EXPECT_THAT(SampledRows(10, 1), ElementsAre(9));
}

}  // namespace
}  // namespace muster::tracker
