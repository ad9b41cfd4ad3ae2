#include "tuner/samplers/sobol.h"

#include <gtest/gtest.h>

#include <array>
#include <set>

#include "tests/tuner/search_rig.h"

namespace muster::tuner {
namespace {

std::uint64_t Fixed(double u) { return static_cast<std::uint64_t>(u * 0x1p32); }

// scipy's qmc.Sobol(96, scramble=False, bits=32).random(1024), times 2^32: five points in full, then the sums
// over all points n of value * (n 0x9e3779b97f4a7c15 + 1) per dimension, folded by FNV's multiplier.
TEST(Sobol, IsScipys) {
  constexpr std::array<std::size_t, 6> kDimensions{0, 1, 2, 7, 40, 95};
  const std::map<std::uint32_t, std::array<std::uint64_t, 6>> points{
      {1, {2147483648, 2147483648, 2147483648, 2147483648, 2147483648, 2147483648}},
      {2, {3221225472, 1073741824, 1073741824, 3221225472, 1073741824, 1073741824}},
      {3, {1073741824, 3221225472, 3221225472, 1073741824, 3221225472, 3221225472}},
      {100, {1778384896, 1107296256, 3321888768, 2046820352, 3053453312, 2852126720}},
      {1023, {4194304, 3233808384, 2629828608, 2654994432, 2713714688, 96468992}}};
  for (const auto& [n, wanted] : points) {
    for (std::size_t k = 0; k < wanted.size(); ++k) {
      EXPECT_EQ(Fixed(PlainSobol(n ^ (n >> 1), kDimensions[k])), wanted[k]) << n << " " << k;
    }
  }
  std::uint64_t folded = 0;
  for (std::size_t d = 0; d < kSobolDimensions; ++d) {
    std::uint64_t sum = 0;
    for (std::uint32_t n = 0; n < 1024; ++n) {
      sum += Fixed(PlainSobol(n ^ (n >> 1), d)) * (n * 0x9e3779b97f4a7c15ULL + 1);
    }
    folded = folded * 0x100000001b3ULL + sum;
  }
  EXPECT_EQ(folded, 0x88f9781000000000ULL);
}

TEST(Sobol, ScrambledPointsStillFillEveryInterval_AlsoBeyondTheTable) {
  for (const std::size_t dimension : {0U, 1U, 50U, 95U, 96U, 200U}) {
    for (std::uint64_t seed = 0; seed < 5; ++seed) {
      for (const std::uint32_t start : {0U, 256U, 4096U}) {
        std::set<int> hit;
        for (std::uint32_t i = 0; i < 256; ++i) {
          hit.insert(static_cast<int>(ScrambledSobol(seed, start + i, dimension) * 256));
        }
        EXPECT_EQ(hit.size(), 256U) << dimension << " " << seed << " " << start;
      }
    }
  }
}

// (0, m, 2)-net: with the first two dimensions every box of area 1/256 holds one of 256 points.
TEST(Sobol, ScramblingKeepsTheNet) {
  for (int bits = 0; bits <= 8; ++bits) {
    std::set<std::pair<int, int>> hit;
    for (std::uint32_t i = 0; i < 256; ++i) {
      hit.emplace(static_cast<int>(ScrambledSobol(7, i, 0) * (1 << bits)),
                  static_cast<int>(ScrambledSobol(7, i, 1) * (1 << (8 - bits))));
    }
    EXPECT_EQ(hit.size(), 256U) << bits;
  }
}

TEST(Sobol, IntegratesBetterThanRandomDraws) {
  double sobol = 0, random = 0;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    double s = 0, r = 0;
    Random draws(seed);
    for (std::uint32_t i = 0; i < 1024; ++i) {
      double product = 1, other = 1;
      for (std::size_t d = 0; d < 5; ++d) {
        product *= 2 * ScrambledSobol(seed, i, d);
        other *= 2 * draws.Uniform();
      }
      s += product / 1024;
      r += other / 1024;
    }
    sobol += (s - 1) * (s - 1) / 50;
    random += (r - 1) * (r - 1) / 50;
  }
  EXPECT_LT(sobol, random / 50);
}

TEST(SobolSampler, TrialNIsPointN_WhateverTheHistory) {
  const SearchSpec spec = SpecOf("sobol", kBox, 3);
  const History history = Search(spec, 40, Sphere, 7);
  for (std::int64_t n = 0; n < 40; ++n) {
    EXPECT_EQ(std::get<double>(history.At(n).params.at("c")),
              spec.space->FromUnit(2, ScrambledSobol(3, static_cast<std::uint32_t>(n), 2)));
  }
}

}  // namespace
}  // namespace muster::tuner
