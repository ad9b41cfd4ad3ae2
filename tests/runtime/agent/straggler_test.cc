#include "runtime/agent/straggler.h"

#include <gtest/gtest.h>

namespace muster::agent {
namespace {

using std::chrono::seconds;

class StragglerTest : public testing::Test {
 protected:
  /// A minute with `cpu_ms` a second of each rank; who is named at its end.
  std::optional<Straggler> Minute(const std::vector<std::int64_t>& cpu_ms, int steps) {
    if (samples_.empty()) {
      for (std::size_t rank = 0; rank < cpu_ms.size(); ++rank)
        samples_.push_back({.rank = static_cast<int>(rank)});
      EXPECT_FALSE(watch_.Observe(samples_, now_));
    }
    std::optional<Straggler> named;
    for (int second = 0; second < 60; ++second) {
      if (second < steps) watch_.Step();
      for (std::size_t rank = 0; rank < cpu_ms.size(); ++rank)
        samples_[rank].cpu_ms += cpu_ms[rank];
      now_ += seconds(1);
      if (auto one = watch_.Observe(samples_, now_)) named = one;
    }
    return named;
  }

  StragglerWatch watch_;
  MonotonicTime now_{};
  std::vector<RankSample> samples_;
};

TEST_F(StragglerTest, BusyRankAmongWaitingOnes_IsNamedOnce) {
  Minute({500, 500, 500}, 60);
  const auto named = Minute({400, 950, 420}, 60);
  ASSERT_TRUE(named);
  EXPECT_EQ(named->rank, 1);
  EXPECT_EQ(named->why, "busy 95 % of a minute of steps, the others 42 %: they wait for it");
  EXPECT_FALSE(Minute({400, 950, 420}, 60));
}

TEST_F(StragglerTest, SmallDifferencesFewStepsOrIdleGangs_NameNobody) {
  Minute({500, 500}, 60);
  EXPECT_FALSE(Minute({700, 900}, 60));
  EXPECT_FALSE(Minute({100, 900}, 19));
  EXPECT_FALSE(Minute({10, 300}, 60));  // something else bounds this gang
  EXPECT_FALSE(Minute({990, 995}, 60));
}

TEST_F(StragglerTest, RankThatEnded_IsNotTheYardstick) {
  Minute({500, 500}, 60);
  samples_.pop_back();
  EXPECT_FALSE(Minute({900}, 60));
}

}  // namespace
}  // namespace muster::agent
