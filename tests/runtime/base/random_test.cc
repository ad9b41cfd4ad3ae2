#include "runtime/base/random.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <vector>

namespace muster {
namespace {

// The known answers that the authors of Philox publish with Random123 (kat_vectors).
TEST(Philox4x32, KnownAnswers) {
  EXPECT_EQ(Philox4x32({0, 0, 0, 0}, {0, 0}),
            (std::array<std::uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(Philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (std::array<std::uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(Philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (std::array<std::uint32_t, 4>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Random, Seek_ContinuesTheSameSequence) {
  Random whole(7, 3);
  std::vector<std::uint64_t> draws;
  for (int i = 0; i < 10; ++i) draws.push_back(whole.Next());
  Random tail(7, 3);
  tail.Seek(5);
  for (int i = 5; i < 10; ++i) EXPECT_EQ(tail.Next(), draws[static_cast<std::size_t>(i)]);
}

TEST(Random, Streams_AreDifferent) { EXPECT_NE(Random(7, 0).Next(), Random(7, 1).Next()); }

TEST(Random, Below_CoversTheRangeEvenly) {
  Random random(1);
  std::array<int, 5> counts{};
  for (int i = 0; i < 50'000; ++i) ++counts.at(random.Below(5));
  // 10000 each; the standard deviation is 89.
  for (const int count : counts) EXPECT_NEAR(count, 10'000, 450);
}

TEST(Random, Normal_HasMeanZeroAndVarianceOne) {
  Random random(2);
  double sum = 0, squares = 0;
  constexpr int kDraws = 100'000;
  for (int i = 0; i < kDraws; ++i) {
    const double x = random.Normal();
    sum += x;
    squares += x * x;
  }
  EXPECT_NEAR(sum / kDraws, 0, 0.02);
  EXPECT_NEAR(squares / kDraws, 1, 0.03);
}

// The inverse against the C library's erfc: Phi(x) = erfc(-x / sqrt 2) / 2.
TEST(InverseNormalCdf, InvertsTheDistributionFunction) {
  for (int step = 0; step < 38; ++step) {
    const double x = -8 + 0.37 * step;
    const double p = 0.5 * std::erfc(-x / std::sqrt(2.0));
    // An error of one ulp in p moves x by ulp(p) / density(x).
    const double density = std::exp(-x * x / 2) / std::sqrt(2 * M_PI);
    const double tolerance = 1e-12 + 4 * std::numeric_limits<double>::epsilon() * p / density;
    EXPECT_NEAR(InverseNormalCdf(p), x, tolerance) << x;
  }
  EXPECT_TRUE(std::isinf(InverseNormalCdf(0)));
  EXPECT_TRUE(std::isnan(InverseNormalCdf(-0.1)));
}

TEST(RandomHex, HasTwoDigitsAByteAndDoesNotRepeat) {
  EXPECT_EQ(RandomHex(16).size(), 32u);
  EXPECT_NE(RandomHex(16), RandomHex(16));
}

}  // namespace
}  // namespace muster
