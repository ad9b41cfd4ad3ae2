#include "tuner/samplers/parzen.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <boost/json/parse.hpp>
#include <cmath>
#include <fstream>
#include <map>
#include <sstream>

#include "runtime/base/math.h"
#include "tuner/samplers/parzen_sum.h"

namespace muster::tuner {
namespace {

std::shared_ptr<const Space> Parse(const boost::json::object& json) { return *ParseSpace(json); }
std::shared_ptr<const Space> Parse(const char* text) {
  return Parse(boost::json::parse(text).as_object());
}

ParzenEstimator Estimator(const Space& space, const std::vector<Point>& observed) {
  ParzenEstimator estimator(space);
  for (const Point& point : observed) estimator.Add(point);
  estimator.Fit();
  return estimator;
}

std::vector<Point> Points(const Space& space, const boost::json::value& rows) {
  std::vector<Point> points;
  for (const auto& row : rows.as_array()) {
    points.push_back(space.Encode(*ParamsFromJson(row.as_object())));
  }
  return points;
}

// tests/golden/tuner/parzen.json, made by scripts/golden_parzen: densities by Optuna 5.0.0's own estimator.
TEST(Parzen, LogDensities_AreThoseOfOptuna) {
  std::ifstream file(MUSTER_TEST_GOLDEN "/parzen.json");
  std::stringstream text;
  text << file.rdbuf();
  const auto cases = boost::json::parse(text.str()).as_array();
  ASSERT_EQ(cases.size(), 30U);
  for (const auto& golden : cases) {
    const auto space = Parse(golden.at("space").as_object());
    auto estimator = Estimator(*space, Points(*space, golden.at("observed")));
    const auto points = Points(*space, golden.at("points"));
    std::vector<double> logs(points.size());
    estimator.LogDensities(points, logs);
    for (std::size_t i = 0; i < points.size(); ++i) {
      const double wanted = golden.at("log_pdf").at(i).as_double();
      EXPECT_NEAR(logs[i], wanted, 1e-12 * std::abs(wanted))
          << space->size() << " parameters, " << estimator.size() << " observations, point " << i;
    }
  }
}

// An estimator that grew and changed is, bit for bit, one that was made of the same observations at once.
TEST(Parzen, GrownEstimator_EqualsAFreshOne) {
  const auto space = Parse(
      R"({"x":{"float":[-1,3]},"o":{"choice":["a","b"]},"k":{"int":[1,99],"log":true,"when":{"o":"b"}},
          "y":{"float":[0,1],"when":{"o":"a"}},"n":{"int":[0,8]}})");
  Random random(3);
  std::vector<Point> points;
  std::vector<bool> counts;
  ParzenEstimator grown(*space);
  for (int i = 0; i < 300; ++i) {
    points.push_back(space->Draw(random));
    random.Seek(random.position() + 1000);
    grown.Add(points.back());
    counts.push_back(true);
    for (int flip = 0; flip < 2; ++flip) {
      const std::size_t at = random.Below(points.size());
      for (int again = random.Chance(0.3) ? 3 : 1; again > 0; --again) {
        counts[at] = !counts[at];
        grown.Count(at, counts[at]);
      }
    }
    if (random.Chance(0.5)) grown.Fit();
  }
  grown.Fit();
  ParzenEstimator fresh(*space);
  for (std::size_t i = 0; i < points.size(); ++i) {
    fresh.Add(points[i]);
    fresh.Count(i, counts[i]);
  }
  fresh.Fit();
  std::vector<double> logs(points.size()), fresh_logs(points.size());
  grown.LogDensities(points, logs);
  fresh.LogDensities(points, fresh_logs);
  EXPECT_EQ(logs, fresh_logs);
  Random a(1), b(1);
  for (int i = 0; i < 50; ++i)
    EXPECT_EQ(space->Decode(grown.Draw(a)), space->Decode(fresh.Draw(b)));
}

// Summed up a block at a time the density comes near from below, and ends at what it is, bit for bit.
TEST(Parzen, SumsOfSomeBlocks_AreLowerBounds) {
  const auto space = Parse(R"({"x":{"float":[-1,3]},"o":{"choice":["a","b"]},"n":{"int":[0,8]}})");
  Random random(6);
  const auto draw = [&] {
    random.Seek(random.position() + 1000);
    return space->Draw(random);
  };
  std::vector<Point> observed(3 * kKernelBlock);
  std::ranges::generate(observed, draw);
  auto estimator = Estimator(*space, observed);
  const std::array points{draw(), draw(), draw()};
  std::vector<ParzenEstimator::Sum> sums;
  std::vector<ParzenEstimator::Sum*> all;
  for (const Point& point : points) sums.push_back(estimator.Begin(point));
  for (auto& sum : sums) all.push_back(&sum);
  sums[2].most = sums[2].log - 1;  // is above it at once: nothing is added
  const double untouched = sums[2].log;
  ASSERT_EQ(sums[0].left, 4U);  // the prior's kernel is one more
  for (int block = 0; block < 4; ++block) {
    const double before = sums[0].log;
    estimator.Extend(all, 1);
    EXPECT_GE(sums[0].log, before - 1e-14);
    EXPECT_LE(sums[0].log, estimator.LogDensity(points[0]) + 1e-14);
  }
  EXPECT_EQ(sums[0].left, 0U);
  EXPECT_EQ(sums[0].log, estimator.LogDensity(points[0]));
  EXPECT_EQ(sums[1].log, estimator.LogDensity(points[1]));
  EXPECT_EQ(sums[2].log, untouched);
}

TEST(Parzen, InnerLoops_AreTheirFormulas) {
  Random random(4);
  for (const std::size_t count : {1U, 7U, 8U, 9U, 203U}) {
    std::vector<double> x(count), mu(count), weights(count);
    for (std::size_t i = 0; i < count; ++i) {
      x[i] = -random.Uniform() * (i % 3 == 0 ? 900 : 5);
      mu[i] = random.Uniform();
      weights[i] = random.Uniform();
    }
    std::vector<std::uint32_t> group(count);
    for (auto& g : group) g = static_cast<std::uint32_t>(random.Below(2));
    const std::array<double, 2> row{-1, 2};
    KernelColumns columns{.bias = x.data()};
    columns.constants = {mu.data()};
    columns.normals = {{0.4, mu.data(), weights.data()}};
    columns.groups = {{group.data(), row.data()}};
    std::vector<double> terms(count);
    const double largest = FillTerms(columns, 0, terms);
    for (std::size_t i = 0; i < count; ++i) {
      EXPECT_EQ(terms[i],
                x[i] + mu[i] - std::pow((0.4 - mu[i]) * weights[i], 2) + row.at(group[i]));
    }
    EXPECT_EQ(largest, *std::ranges::max_element(terms));
    terms = x;
    ExpBelow(terms, 1);
    double sum = 0;
    for (std::size_t i = 0; i < count; ++i) {
      EXPECT_NEAR(terms[i], math::Exp(std::max(x[i] - 1, kLeastTerm)), 1e-15 * terms[i]);
      sum += weights[i] * terms[i];
    }
    EXPECT_NEAR(Dot(terms, weights.data()), sum, 1e-14 * sum);
  }
}

TEST(Parzen, Density_IntegratesToOne) {
  const auto space = Parse(R"({"x":{"float":[-1,3]}})");
  const std::vector<Point> points{{-0.9}, {0.1}, {0.2}, {2.9}};
  auto estimator = Estimator(*space, points);
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
  auto estimator = Estimator(*space, points);
  double sum = 0;
  for (const Point& point : space->Enumerate(1000)) sum += std::exp(estimator.LogDensity(point));
  EXPECT_NEAR(sum, 1, 1e-9);
}

TEST(Parzen, Draws_FollowTheDensity) {
  const auto space = Parse(R"({"n":{"int":[0,4]}})");
  const std::vector<Point> points{{1}, {1}};
  auto estimator = Estimator(*space, points);
  std::map<double, int> counts;
  Random random(5);
  constexpr int kDraws = 20'000;
  for (int i = 0; i < kDraws; ++i) ++counts[estimator.Draw(random)[0]];
  for (int n = 0; n <= 4; ++n) {
    const double p = std::exp(estimator.LogDensity({static_cast<double>(n)}));
    EXPECT_NEAR(counts[n], kDraws * p, 5 * std::sqrt(kDraws * p * (1 - p))) << n;
  }
}

}  // namespace
}  // namespace muster::tuner
