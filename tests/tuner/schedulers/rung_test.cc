#include "tuner/schedulers/rung.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/base/random.h"

namespace muster::tuner {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(Rung, KeepsLossesInOrder_TiesByNumber) {
  Rung rung;
  rung.Insert({0.5, 3});
  rung.Insert({0.5, 1});
  rung.Insert({kInfinity, 0});
  rung.Insert({-kInfinity, 9});
  EXPECT_EQ(rung.size(), 4U);
  EXPECT_EQ(rung.At(0).trial, 9);
  EXPECT_EQ(rung.At(1).trial, 1);
  EXPECT_EQ(rung.At(2).trial, 3);
  EXPECT_EQ(rung.At(3).trial, 0);
  EXPECT_EQ(rung.Rank({0.5, 3}), 2U);
  EXPECT_EQ(rung.Rank({0.5, 2}), 2U);  // of one that is not in it
  EXPECT_FALSE(rung.Erase({0.5, 2}));
  EXPECT_TRUE(rung.Erase({0.5, 1}));
  EXPECT_EQ(rung.Rank({0.5, 3}), 1U);
}

TEST(Rung, ACopyIsIndependent) {
  Rung rung;
  rung.Insert({1, 1});
  Rung copy = rung;
  copy.Insert({0, 2});
  EXPECT_EQ(rung.size(), 1U);
  EXPECT_EQ(copy.At(0).trial, 2);
}

TEST(Rung, AnswersAsASortedListDoes_OnRandomInsertionsAndErasures) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Random random(seed);
    Rung rung;
    std::vector<Rung::Entry> list;
    for (std::int64_t trial = 0; trial < 300; ++trial) {
      const Rung::Entry entry{static_cast<double>(random.Below(40)), trial};
      rung.Insert(entry);
      list.insert(std::lower_bound(list.begin(), list.end(), entry), entry);
      if (random.Chance(0.4)) {
        const auto gone = static_cast<std::ptrdiff_t>(random.Below(list.size()));
        EXPECT_TRUE(rung.Erase(list[static_cast<std::size_t>(gone)]));
        list.erase(list.begin() + gone);
      }
      ASSERT_EQ(rung.size(), list.size());
      for (std::size_t k = 0; k < list.size(); ++k) {
        ASSERT_EQ(rung.At(k).trial, list[k].trial);
        ASSERT_EQ(rung.Rank(list[k]), k);
      }
    }
  }
}

TEST(Rung, CostsALogarithm_AlsoWhenLossesComeInOrder) {
  for (const double sign : {-1.0, 1.0}) {
    Rung rung;
    constexpr int kTrials = 100'000;
    for (int i = 0; i < kTrials; ++i) rung.Insert({sign * i, i});
    // An insertion is a rank, a split and two joins, each about 2 ln n = 23 nodes deep; a list would look at
    // 50,000 of them.
    EXPECT_LT(rung.visits() / kTrials, 120U);
    const std::uint64_t before = rung.visits();
    for (int i = 0; i < kTrials; ++i) (void)rung.Rank({sign * i, i});
    EXPECT_LT((rung.visits() - before) / kTrials, 50U);
  }
}

}  // namespace
}  // namespace muster::tuner
