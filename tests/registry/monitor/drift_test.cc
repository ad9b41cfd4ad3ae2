#include "registry/monitor/drift.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "registry/monitor/samples.h"
#include "runtime/base/random.h"

/// What is called a drift, and that it does not depend on how many rows there are; the golden test has the figures.

namespace muster::registry::monitor {
namespace {

std::vector<double> Normal(int count, std::uint64_t seed, double mean = 0, double scale = 1) {
  Random random(seed);
  std::vector<double> values;
  for (int i = 0; i < count; ++i) values.push_back(mean + scale * random.Normal());
  return values;
}

ColumnDrift DriftOf(const std::vector<double>& reference, std::vector<double> current) {
  return DriftOfSamples(SortedReference<double>(reference), current, {});
}

bool Drifted(ColumnDrift drift) {
  std::vector<ColumnDrift> columns{std::move(drift)};
  return Judge(columns, {}).drifted == 1;
}

TEST(Drift, TinyShiftOfManyRows_IsNone) {
  const auto drift = DriftOf(Normal(1'000'000, 1), Normal(1'000'000, 2, 0.01));
  EXPECT_LT(drift.p, 1e-6) << "significant";
  EXPECT_NEAR(drift.wasserstein.corrected, 0.01, 0.003) << "and small";
  EXPECT_FALSE(Drifted(drift));
}

TEST(Drift, RealShiftOfFewRows_IsFound) {
  EXPECT_TRUE(Drifted(DriftOf(Normal(500, 1), Normal(500, 2, 0.3))));
  EXPECT_TRUE(Drifted(DriftOf(Normal(500, 1), Normal(500, 2, 0, 1.6)))) << "of the spread";
}

TEST(Drift, NoShift_IsNoneWhateverTheRows) {
  for (const int rows : {30, 100, 1'000, 20'000}) {
    int called = 0;
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
      called += Drifted(DriftOf(Normal(2'000, 2 * seed), Normal(rows, 2 * seed + 1))) ? 1 : 0;
    }
    EXPECT_LE(called, 5) << rows;
  }
}

/// The effect of a shift of 0.5 is the same of 100 rows and of 100,000.
TEST(Drift, CorrectedEffect_DoesNotDependOnRows) {
  for (const double shift : {0.0, 0.5}) {
    for (const int rows : {100, 1'000, 100'000}) {
      double wasserstein = 0, stability = 0;
      constexpr int kRuns = 20;
      for (std::uint64_t seed = 0; seed < kRuns; ++seed) {
        const auto drift = DriftOf(Normal(rows, 2 * seed), Normal(rows, 2 * seed + 1, shift));
        wasserstein += drift.wasserstein.corrected / kRuns;
        stability += drift.stability.corrected / kRuns;
      }
      EXPECT_NEAR(wasserstein, shift, rows == 100 ? 0.08 : 0.04) << shift << ", " << rows;
      // Of two normals the stability index is the square of the shift, less what 20 bins do not see.
      EXPECT_NEAR(stability, 0.97 * shift * shift, rows == 100 ? 0.12 : 0.03)
          << shift << ", " << rows;
    }
  }
}

/// Two normals: W1 / std is the shift, and the true D, index and distance are known by integration.
TEST(Drift, Intervals_CoverTheTruth) {
  struct Truth {
    double shift, distance;  ///< D = 2 Phi(shift / 2) - 1
  };
  for (const Truth truth : {Truth{0, 0}, Truth{0.3, 0.11924}, Truth{1, 0.38292}}) {
    int wasserstein = 0, kolmogorov = 0;
    constexpr int kRuns = 200;
    for (std::uint64_t seed = 0; seed < kRuns; ++seed) {
      const auto drift = DriftOf(Normal(800, 2 * seed), Normal(400, 2 * seed + 1, truth.shift));
      const auto covers = [](const Effect& effect, double value) {
        return effect.interval.low <= value && value <= effect.interval.high ? 1 : 0;
      };
      // The reference's std is estimated too: 0.5 / sqrt(800) of the effect.
      wasserstein += covers(drift.wasserstein, truth.shift);
      kolmogorov += covers(drift.kolmogorov_smirnov, truth.distance);
    }
    EXPECT_GE(wasserstein, 0.9 * kRuns) << truth.shift;
    EXPECT_GE(kolmogorov, 0.95 * kRuns) << truth.shift << " (its band is wider than it has to be)";
  }
}

std::vector<std::int64_t> Multinomial(const std::vector<double>& shares, int rows,
                                      std::uint64_t seed) {
  Random random(seed);
  std::vector<std::int64_t> counts(shares.size());
  for (int row = 0; row < rows; ++row) {
    double left = random.Uniform();
    std::size_t at = 0;
    while (at + 1 < shares.size() && left >= shares[at]) left -= shares[at++];
    ++counts[at];
  }
  return counts;
}

TEST(Drift, IntervalsOfCategories_CoverTheTruth) {
  const std::vector<double> p = {0.4, 0.3, 0.2, 0.1}, moved = {0.2, 0.3, 0.2, 0.3};
  for (const auto& q : {p, moved}) {
    double index = 0, nats = 0, largest = 0;
    for (std::size_t i = 0; i < p.size(); ++i) {
      const double middle = (p[i] + q[i]) / 2;
      index += (q[i] - p[i]) * std::log(q[i] / p[i]);
      nats += (p[i] * std::log(p[i] / middle) + q[i] * std::log(q[i] / middle)) / 2;
      largest = std::max(largest, std::abs(p[i] - q[i]));
    }
    const double distance = std::sqrt(nats / std::log(2));
    int stability = 0, jensen_shannon = 0, l_infinity = 0, drifted = 0;
    constexpr int kRuns = 300;
    for (std::uint64_t seed = 0; seed < kRuns; ++seed) {
      const auto reference = Multinomial(p, 1'000, 2 * seed);
      const auto current = Multinomial(q, 500, 2 * seed + 1);
      const auto drift = CategoryDrift({reference, current}, {});
      const auto covers = [](const Effect& effect, double value) {
        return effect.interval.low <= value + 1e-12 && value <= effect.interval.high ? 1 : 0;
      };
      stability += covers(drift.stability, index);
      jensen_shannon += covers(drift.jensen_shannon, distance);
      l_infinity += covers(drift.l_infinity, largest);
      drifted += Drifted(drift) ? 1 : 0;
    }
    EXPECT_GE(stability, 0.92 * kRuns) << index;
    EXPECT_GE(jensen_shannon, 0.92 * kRuns) << distance;
    if (largest > 0) {
      EXPECT_GE(l_infinity, 0.92 * kRuns) << largest;
    }
    EXPECT_EQ(drifted, largest > 0 ? kRuns : 0);
  }
}

TEST(Drift, ManyColumns_AreCalledNoMoreThanOne) {
  // Each alone at 5 %: three of 60 would be called significant. The bound is 0 here, so that only the tests decide.
  DriftSpec spec;
  spec.number_bound = 1e-9;
  int sets = 0;
  for (std::uint64_t set = 0; set < 20; ++set) {
    std::vector<ColumnDrift> columns;
    for (std::uint64_t column = 0; column < 60; ++column) {
      const std::uint64_t seed = 2 * (60 * set + column);
      auto current = Normal(200, seed + 1);
      columns.push_back(DriftOfSamples(SortedReference<double>(Normal(200, seed)), current, spec));
    }
    sets += Judge(columns, spec).drifted > 0 ? 1 : 0;
  }
  EXPECT_LE(sets, 3);
}

TEST(Drift, FewRows_SayNothing) {
  std::vector<ColumnDrift> columns{DriftOf(Normal(500, 1), Normal(20, 2, 5)),
                                   DriftOf(Normal(500, 1), Normal(200, 2, 5))};
  const SetDrift set = Judge(columns, {});
  EXPECT_EQ(set.columns, 1U);
  EXPECT_EQ(set.drifted, 1U);
  EXPECT_TRUE(set.all);
  EXPECT_FALSE(columns[0].drifted);
}

TEST(Drift, OfAConstant_IsInfinitelyFar) {
  const std::vector<double> constant(100, 3.0);
  EXPECT_TRUE(Drifted(DriftOf(constant, Normal(100, 1))));
  EXPECT_FALSE(Drifted(DriftOf(constant, constant)));
}

/// The sketch's function of the same samples, and the two ways to compute: steps and lines.
TEST(Cdf, AgreesWithSamples) {
  for (const int rows : {50, 190}) {
    const auto reference = Normal(rows, 1), current = Normal(rows / 2, 2, 0.3, 2);
    QuantileSketch a, b;
    for (const double value : reference) a.Add(value);
    for (const double value : current) b.Add(value);
    ASSERT_EQ(a.rank_error(), 0) << "all is held";
    const auto lines = Distance(CdfOf(a), CdfOf(b));
    const SortedReference<double> sorted(reference);
    auto ascending = current;
    std::ranges::sort(ascending);
    const auto steps = SampleDistance(sorted.values(), ascending, sorted.spread());
    EXPECT_NEAR(lines.wasserstein, steps.wasserstein, 1e-12);
    EXPECT_NEAR(lines.kolmogorov_smirnov, steps.kolmogorov_smirnov, 1e-12);
    EXPECT_NEAR(lines.wasserstein_error, steps.wasserstein_error, 1e-12);
    EXPECT_NEAR(lines.wasserstein_chance, steps.wasserstein_chance, 1e-12);
  }
}

TEST(Cdf, LinesThatCross) {
  // Uniform on [0, 2] and on [0.5, 1.5]: F - G crosses at 1, D = 1/4 at both ends, W1 = 2 * (1/2 * 1/4 * 1/2 + 1/16).
  const Cdf wide{{{0, 0, 0}, {2, 1, 1}}, 100, 0}, narrow{{{0.5, 0, 0}, {1.5, 1, 1}}, 100, 0};
  for (const auto& distance : {Distance(wide, narrow), Distance(narrow, wide)}) {
    EXPECT_DOUBLE_EQ(distance.kolmogorov_smirnov, 0.25);
    EXPECT_DOUBLE_EQ(distance.wasserstein, 0.25);
  }
}

TEST(Cdf, SketchesOfAMillion_AreAsGoodAsSamples) {
  const auto reference = Normal(300'000, 1), current = Normal(300'000, 2, 0.2);
  QuantileSketch a, b;
  for (const double value : reference) a.Add(value);
  for (const double value : current) b.Add(value);
  const auto drift = Compare(CdfOf(a), CdfOf(b), 1);
  EXPECT_NEAR(drift.distance.wasserstein, 0.2, 0.03);
  EXPECT_NEAR(drift.distance.kolmogorov_smirnov, 0.0797, drift.rank_error);
}

TEST(DriftSpec, OutOfRange_IsNamed) {
  EXPECT_TRUE(CheckDriftSpec({}).ok());
  const auto named = [](const DriftSpec& spec, const std::string& member) {
    const Status status = CheckDriftSpec(spec);
    return !status.ok() && status.error().message.starts_with("at " + member + ":");
  };
  EXPECT_TRUE(named({.alpha = 0}, "alpha"));
  EXPECT_TRUE(named({.confidence = 1}, "confidence"));
  EXPECT_TRUE(named({.number_bound = std::nan("")}, "number_bound"));
  EXPECT_TRUE(named({.category_bound = 2}, "category_bound"));
  EXPECT_TRUE(named({.rows_least = 0}, "rows_least"));
}

}  // namespace
}  // namespace muster::registry::monitor
