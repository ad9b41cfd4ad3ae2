#include "runtime/agent/straggler.h"

#include <gtest/gtest.h>

#include <functional>

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

/// A gang of three that beats; `last` says who is behind in each second, -1: nobody.
class BeatStragglerTest : public StragglerTest {
 protected:
  std::optional<Straggler> Minute(const std::function<int(int)>& last, int steps = 60,
                                  int busy = -1) {
    std::optional<Straggler> named;
    for (int second = 0; second < 61; ++second) {
      if (second < steps) ++step_;
      samples_.clear();
      for (int rank = 0; rank < 3; ++rank) {
        const std::int64_t count = step_ * 2 + (rank == last(second) ? 0 : 1);
        cpu_ms_[rank] += rank == busy ? 950 : 300;
        samples_.push_back(
            {.rank = rank, .cpu_ms = cpu_ms_[rank], .beat = Beat{count, step_, 0, ""}});
      }
      now_ += seconds(1);
      if (auto one = watch_.Observe(samples_, now_)) named = one;
    }
    return named;
  }
  std::int64_t step_ = 0;
  std::int64_t cpu_ms_[3] = {};
};

TEST_F(BeatStragglerTest, BusyRankAtThePlaceOfTheOthers_IsNamedByItsCpu) {
  const auto nobody = [](int) { return -1; };
  EXPECT_FALSE(Minute(nobody));
  const auto named = Minute(nobody, 60, 2);
  ASSERT_TRUE(named);
  EXPECT_EQ(named->rank, 2);
}

TEST_F(BeatStragglerTest, RankThatIsTheLastAgainAndAgain_IsNamedOnceAfterTwoMinutes) {
  const auto mostly_one = [](int second) { return second % 2 == 0 ? 1 : -1; };
  EXPECT_FALSE(Minute(mostly_one));
  const auto named = Minute(mostly_one);
  ASSERT_TRUE(named);
  EXPECT_EQ(named->rank, 1);
  EXPECT_EQ(named->why, "behind all others in 51 % of the looks over 59 steps: they wait for it");
  EXPECT_FALSE(Minute(mostly_one));
}

TEST_F(BeatStragglerTest, RanksThatTakeTurns_FewStepsOrOneBadMinute_NameNobody) {
  const auto turns = [](int second) { return second % 3; };
  const auto two = [](int second) { return second % 5 < 2 ? 1 : second % 5 == 2 ? 2 : -1; };
  const auto seldom = [](int second) { return second % 5 == 0 ? 1 : -1; };
  const auto always = [](int) { return 1; };
  for (int minute = 0; minute < 3; ++minute) EXPECT_FALSE(Minute(turns));
  for (int minute = 0; minute < 3; ++minute) EXPECT_FALSE(Minute(two));
  for (int minute = 0; minute < 3; ++minute) EXPECT_FALSE(Minute(seldom));
  for (int minute = 0; minute < 3; ++minute) EXPECT_FALSE(Minute(always, 19));
  EXPECT_FALSE(Minute(always));
  EXPECT_FALSE(Minute(seldom));
  EXPECT_FALSE(Minute(always));
}

TEST_F(BeatStragglerTest, RanksWithoutALast_NameNobody) {
  for (int minute = 0; minute < 3; ++minute) EXPECT_FALSE(Minute([](int) { return -1; }));
}

}  // namespace
}  // namespace muster::agent
