#include "tuner/insight/pareto.h"

#include <gtest/gtest.h>

#include <cmath>

#include "runtime/base/random.h"

#include "tests/tuner/insight/points.h"

namespace muster::tuner {
namespace {

using Ranks = std::vector<std::size_t>;

// Optuna 5.0.0's _fast_non_domination_rank of the same points.
TEST(NonDominatedRanks, AgreeWithOptuna) {
  EXPECT_EQ(NonDominatedRanks(Points(30, 2)), (Ranks{1, 0, 3, 2, 4, 5, 7, 8, 6, 1, 4, 5, 3, 0, 2,
                                                     4, 2, 2, 3, 5, 4, 1, 6, 3, 4, 1, 6, 2, 3, 7}));
  EXPECT_EQ(NonDominatedRanks(Points(40, 3)),
            (Ranks{0, 0, 1, 1, 3, 2, 5, 6, 3, 0, 2, 3, 2, 0, 1, 3, 1, 1, 2, 2,
                   1, 1, 3, 1, 1, 0, 2, 1, 2, 3, 1, 4, 5, 4, 1, 4, 6, 5, 2, 1}));
  EXPECT_EQ(NonDominatedRanks(Points(40, 4)),
            (Ranks{0, 0, 1, 1, 2, 0, 3, 4, 2, 0, 2, 3, 2, 0, 1, 3, 1, 1, 1, 1,
                   1, 1, 2, 1, 1, 0, 1, 0, 1, 2, 1, 2, 4, 3, 1, 4, 5, 5, 2, 0}));
}

// The same with its `penalty`.
TEST(NonDominatedRanks, ThoseThatBreakConstraintsComeAfterTheOthers) {
  std::vector<double> violations;
  for (int i = 0; i < 20; ++i) violations.push_back((i * 7) % 5 - 2);
  EXPECT_EQ(NonDominatedRanks(Points(20, 2), violations),
            (Ranks{1, 0, 7, 1, 6, 2, 5, 7, 4, 6, 2, 3, 7, 0, 6, 2, 1, 7, 2, 6}));
}

TEST(NonDominatedRanks, EachIsOneAboveTheWorstThatDominatesIt) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    Random random(seed);
    std::vector<Losses> points(60, Losses(1 + seed % 5));
    for (auto& point : points) {
      for (double& x : point)
        x = seed % 2 == 0 ? random.Uniform() : std::floor(random.Uniform() * 5);
    }
    points[7][0] = INFINITY;
    const Ranks ranks = NonDominatedRanks(points);
    for (std::size_t i = 0; i < points.size(); ++i) {
      std::size_t rank = 0;
      for (std::size_t j = 0; j < points.size(); ++j) {
        if (Dominates(points[j], points[i])) rank = std::max(rank, ranks[j] + 1);
      }
      EXPECT_EQ(ranks[i], rank) << "seed " << seed << ", point " << i;
    }
  }
}

TEST(CrowdingDistances, AreTheNeighboursDistancesOverTheRange) {
  const std::vector<Losses> front{{0, 4}, {1, 3}, {4, 0}, {2, 1}};
  EXPECT_EQ(CrowdingDistances(front),
            (std::vector<double>{INFINITY, 0.5 + 0.75, INFINITY, 0.75 + 0.75}));
  EXPECT_EQ(CrowdingDistances(std::vector<Losses>{{1, 2}}), std::vector<double>{INFINITY});
}

}  // namespace
}  // namespace muster::tuner
