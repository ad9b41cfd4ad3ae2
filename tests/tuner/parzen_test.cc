#include "tuner/parzen.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <cmath>

namespace muster::tuner {
namespace {

std::shared_ptr<const Space> Parse(const char* text) {
  return *ParseSpace(boost::json::parse(text).as_object());
}

TEST(Parzen, Density_IntegratesToOne) {
  const auto space = Parse(R"({"x":{"float":[-1,3]}})");
  const std::vector<Params> points{{{"x", -0.9}}, {{"x", 0.1}}, {{"x", 0.2}}, {{"x", 2.9}}};
  std::vector<const Params*> observed;
  for (const auto& point : points) observed.push_back(&point);
  const ParzenEstimator estimator(*space, observed);
  double sum = 0;
  constexpr int kCells = 4000;
  for (int i = 0; i < kCells; ++i) {
    const double x = -1 + 4 * (i + 0.5) / kCells;
    sum += std::exp(estimator.LogDensity({{"x", x}})) * 4 / kCells;
  }
  EXPECT_NEAR(sum, 1, 1e-6);
}

TEST(Parzen, MassesOfADiscreteConditionalSpace_SumToOne) {
  const auto space = Parse(
      R"({"o":{"choice":["a","b"]},"k":{"int":[1,9],"log":true,"when":{"o":"b"}},"n":{"int":[0,8],"step":2}})");
  const std::vector<Params> points{
      {{"o", std::string("b")}, {"k", std::int64_t{3}}, {"n", std::int64_t{4}}},
      {{"o", std::string("a")}, {"n", std::int64_t{8}}}};
  const ParzenEstimator estimator(*space, {&points[0], &points[1]});
  double sum = 0;
  for (const Params& point : space->Enumerate(1000)) sum += std::exp(estimator.LogDensity(point));
  EXPECT_NEAR(sum, 1, 1e-9);
}

TEST(Parzen, Draws_FollowTheDensity) {
  const auto space = Parse(R"({"n":{"int":[0,4]}})");
  const std::vector<Params> points{{{"n", std::int64_t{1}}}, {{"n", std::int64_t{1}}}};
  const ParzenEstimator estimator(*space, {&points[0], &points[1]});
  std::map<std::int64_t, int> counts;
  Random random(5);
  constexpr int kDraws = 20'000;
  for (int i = 0; i < kDraws; ++i) ++counts[std::get<std::int64_t>(estimator.Draw(random).at("n"))];
  for (std::int64_t n = 0; n <= 4; ++n) {
    const double p = std::exp(estimator.LogDensity({{"n", n}}));
    EXPECT_NEAR(counts[n], kDraws * p, 5 * std::sqrt(kDraws * p * (1 - p))) << n;
  }
}

}  // namespace
}  // namespace muster::tuner
