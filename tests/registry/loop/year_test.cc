#include "tests/registry/loop/year.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

/// MUSTER_YEARS=1000 plays more of them, MUSTER_YEAR_SEED=7 the one of a seed.

namespace muster::registry {
namespace {

int FromEnvironment(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : static_cast<int>(std::strtol(text, nullptr, 10));
}

void Add(const Year::Tally& one, Year::Tally& all) {
  all.firings += one.firings;
  all.promoted += one.promoted;
  all.rolled_back += one.rolled_back;
  all.kills += one.kills;
  all.skipped += one.skipped;
  all.by_budget += one.by_budget;
  all.bad_candidates += one.bad_candidates;
  all.good_rolled_back += one.good_rolled_back;
  all.good_canaries += one.good_canaries;
}

TEST(SimulatedYear, NoBadModelTakesOver_NoGoodOneIsStarved) {
  const int first = FromEnvironment("MUSTER_YEAR_SEED", 0);
  const int years = std::getenv("MUSTER_YEAR_SEED") ? 1 : FromEnvironment("MUSTER_YEARS", 8);
  Year::Tally all;
  for (int seed = first; seed < first + years; ++seed) {
    Year year({.seed = static_cast<std::uint64_t>(seed)});
    const auto wrong = year.Play();
    for (const std::string& line : wrong) ADD_FAILURE() << line;
    Add(year.tally, all);
  }
  std::cout << all.firings << " retrainings asked for, " << all.skipped << " skipped, "
            << all.by_budget << " held back by the budget, " << all.promoted << " promoted, "
            << all.rolled_back << " rolled back (" << all.good_rolled_back << " of "
            << all.good_canaries << " good ones), " << all.bad_candidates
            << " bad candidates passed their gates, " << all.kills << " kills\n";
  // Else the year is too kind to show anything.
  EXPECT_GT(all.kills, 10 * years);
  EXPECT_GT(all.bad_candidates, years);
  EXPECT_GT(all.promoted, 3 * years);
  EXPECT_GT(all.by_budget, years);
  EXPECT_LE(all.good_rolled_back, 3 + all.good_canaries / 20) << "alpha of the rollout is 5 %";
}

TEST(SimulatedYear, WithoutACanary_BadModelsTakeOver) {
  int bad = 0;
  for (std::uint64_t seed = 0; seed < 3; ++seed) {
    Year year({.seed = seed, .canary = false, .kills = false});
    for (const std::string& line : year.Play()) bad += line.find("bad version") != line.npos;
  }
  EXPECT_GT(bad, 0) << "the gates alone would have done: the test above shows nothing";
}

}  // namespace
}  // namespace muster::registry
