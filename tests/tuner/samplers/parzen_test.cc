#include "tuner/samplers/parzen.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <cmath>
#include <map>

namespace muster::tuner {
namespace {

std::shared_ptr<const Space> Parse(const char* text) {
  return *ParseSpace(boost::json::parse(text).as_object());
}

TEST(Parzen, Density_IntegratesToOne) {
  const auto space = Parse(R"({"x":{"float":[-1,3]}})");
  const std::vector<Point> points{{-0.9}, {0.1}, {0.2}, {2.9}};
  std::vector<const Point*> observed;
  for (const auto& point : points) observed.push_back(&point);
  const ParzenEstimator estimator(*space, observed);
  double sum = 0;
  constexpr int kCells = 4000;
  for (int i = 0; i < kCells; ++i) {
    const double x = -1 + 4 * (i + 0.5) / kCells;
    sum += std::exp(estimator.LogDensity({x})) * 4 / kCells;
  }
  EXPECT_NEAR(sum, 1, 1e-6);
}

TEST(Parzen, MassesOfADiscreteConditionalSpace_SumToOne) {
  const auto space = Parse(
      R"({"o":{"choice":["a","b"]},"k":{"int":[1,9],"log":true,"when":{"o":"b"}},"n":{"int":[0,8],"step":2}})");
  const std::vector<Point> points{
      space->Encode({{"o", std::string("b")}, {"k", std::int64_t{3}}, {"n", std::int64_t{4}}}),
      space->Encode({{"o", std::string("a")}, {"n", std::int64_t{8}}})};
  const ParzenEstimator estimator(*space, {&points[0], &points[1]});
  double sum = 0;
  for (const Point& point : space->Enumerate(1000)) sum += std::exp(estimator.LogDensity(point));
  EXPECT_NEAR(sum, 1, 1e-9);
}

TEST(Parzen, Draws_FollowTheDensity) {
  const auto space = Parse(R"({"n":{"int":[0,4]}})");
  const std::vector<Point> points{{1}, {1}};
  const ParzenEstimator estimator(*space, {&points[0], &points[1]});
  std::map<double, int> counts;
  Random random(5);
  constexpr int kDraws = 20'000;
  for (int i = 0; i < kDraws; ++i) ++counts[estimator.Draw(random)[0]];
  for (double n = 0; n <= 4; ++n) {
    const double p = std::exp(estimator.LogDensity({n}));
    EXPECT_NEAR(counts[n], kDraws * p, 5 * std::sqrt(kDraws * p * (1 - p))) << n;
  }
}

}  // namespace
}  // namespace muster::tuner
