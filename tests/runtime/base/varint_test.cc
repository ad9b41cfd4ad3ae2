#include "runtime/base/varint.h"

#include <gtest/gtest.h>

#include <bit>
#include <limits>

namespace muster {
namespace {

TEST(Varint, EveryLength_ComesBackAndLeavesTheRest) {
  for (int bits = 0; bits <= 64; ++bits) {
    const std::uint64_t number = bits == 0 ? 0 : ~std::uint64_t{0} >> (64 - bits);
    std::string bytes;
    AppendVarint(bytes, number);
    EXPECT_EQ(bytes.size(), static_cast<std::size_t>(std::max(1, (bits + 6) / 7)));
    bytes += "rest";
    std::string_view in = bytes;
    std::uint64_t got = 7;
    ASSERT_TRUE(TakeVarint(in, got));
    EXPECT_EQ(got, number);
    EXPECT_EQ(in, "rest");
  }
}

TEST(Varint, OneThatDoesNotEndOrIsTooLong_IsRefused) {
  std::uint64_t got = 0;
  for (const std::string& bytes : {std::string(), std::string("\x80"), std::string(9, '\xff'),
                                   std::string(10, '\xff'), std::string(9, '\xff') + '\x02'}) {
    std::string_view in = bytes;
    EXPECT_FALSE(TakeVarint(in, got)) << bytes.size();
  }
}

TEST(Varint, FoldedNumbers_AreShortNearZeroAndComeBack) {
  EXPECT_EQ(Fold(0), 0u);
  EXPECT_EQ(Fold(-1), 1u);
  EXPECT_EQ(Fold(1), 2u);
  using Limits = std::numeric_limits<std::int64_t>;
  for (const std::int64_t number :
       {std::int64_t{0}, std::int64_t{-5}, Limits::min(), Limits::max()}) {
    EXPECT_EQ(Unfold(Fold(number)), number);
  }
}

}  // namespace
}  // namespace muster
