#include "tuner/insight/hypervolume.h"

#include <gtest/gtest.h>

#include <cmath>

#include "runtime/base/random.h"

#include "tests/tuner/insight/points.h"

namespace muster::tuner {
namespace {

std::vector<Losses> RandomPoints(std::uint64_t seed, int count, std::size_t objectives,
                                 int levels) {
  Random random(seed);
  std::vector<Losses> points;
  for (int i = 0; i < count; ++i) {
    auto& point = points.emplace_back(objectives);
    for (double& x : point) x = std::floor(random.Uniform() * levels) / levels;
  }
  return points;
}

// Optuna 5.0.0's compute_hypervolume.
TEST(Hypervolume, AgreesWithOptuna) {
  EXPECT_NEAR(Hypervolume(Points(30, 2), {1.1, 1.1}), 1.1681570836433206, 1e-12);
  EXPECT_NEAR(Hypervolume(Points(40, 3), {1.1, 1.1, 1.1}), 1.1341340907422486, 1e-12);
  EXPECT_NEAR(Hypervolume(Points(200, 3), {1.1, 1.1, 1.1}), 1.1962983160452871, 1e-12);
}

// Differences of Optuna 5.0.0's volumes with and without the point.
TEST(Hypervolume, ContributionsAgreeWithOptuna) {
  const auto flat = HypervolumeContributions(Points(30, 2), {1.1, 1.1});
  EXPECT_NEAR(flat[1], 0.0488787331278564, 1e-12);
  EXPECT_NEAR(flat[13], 0.4300882134126902, 1e-12);
  const auto solid = HypervolumeContributions(Points(40, 3), {1.1, 1.1, 1.1});
  const std::vector<std::pair<std::size_t, double>> wanted{{0, 0.01545678463151634},
                                                           {1, 0.00037351822613373997},
                                                           {9, 0.018568534403888393},
                                                           {13, 0.1607048745826819},
                                                           {25, 0.0004962346864649803}};
  double sum = 0;
  for (const double c : solid) sum += c;
  for (const auto& [i, c] : wanted) {
    EXPECT_NEAR(solid[i], c, 1e-12) << i;
    sum -= c;
  }
  EXPECT_NEAR(sum, 0, 1e-12) << "no other point contributes";
}

TEST(Hypervolume, ContributionsAreWhatIsLostWithoutThePoint_AlsoWithTies) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const std::size_t objectives = 1 + seed % 3;
    const auto all = RandomPoints(seed, 25, objectives, seed % 2 == 0 ? 6 : 1'000'000);
    const Losses reference(objectives, 1);
    std::vector<Losses> front;
    const auto ranks = NonDominatedRanks(all);
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (ranks[i] == 0) front.push_back(all[i]);
    }
    const double volume = Hypervolume(front, reference);
    EXPECT_NEAR(Hypervolume(all, reference), volume, 1e-14);
    const auto contributions = HypervolumeContributions(front, reference);
    for (std::size_t i = 0; i < front.size(); ++i) {
      auto rest = front;
      rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(i));
      EXPECT_NEAR(contributions[i], volume - Hypervolume(rest, reference), 1e-14)
          << "seed " << seed << ", point " << i;
    }
  }
}

TEST(Hypervolume, PointsBeyondTheReferenceCountForNothing) {
  const std::vector<Losses> points{{0.5, 0.5}, {1, 0}, {0, INFINITY}, {2, -1}};
  EXPECT_EQ(Hypervolume(points, {1, 1}), 0.25);
  EXPECT_EQ(Hypervolume({}, {1, 1}), 0);
  EXPECT_EQ(HypervolumeContributions(points, {1, 1}), (std::vector<double>{0.25, 0, 0, 0}));
}

}  // namespace
}  // namespace muster::tuner
