#include "trainer/shard.h"

#include <gmock/gmock.h>

#include <numeric>

#include "runtime/base/random.h"

namespace muster::trainer {
namespace {

using testing::ElementsAre;

std::vector<ElementRange> AllShards(std::int64_t elements, std::int64_t world_size,
                                    std::int64_t align) {
  std::vector<ElementRange> shards;
  for (std::int64_t rank = 0; rank < world_size; ++rank) {
    shards.push_back(ShardRange(elements, {.rank = rank, .world_size = world_size}, align));
  }
  return shards;
}

std::string Refusal(std::vector<ElementRange> ranges, std::int64_t elements) {
  const Status status = CheckCover("optimizer.mean", std::move(ranges), elements);
  EXPECT_FALSE(status.ok());
  if (status.ok()) return "";
  EXPECT_EQ(status.error().kind, ErrorKind::kCorrupt);
  return status.error().message;
}

TEST(Shard, TenElementsOverThreeRanksByTwo_LastIsShorter) {
  EXPECT_EQ(ShardSize(10, 3, 2), 4);
  EXPECT_THAT(AllShards(10, 3, 2),
              ElementsAre(ElementRange{0, 4}, ElementRange{4, 8}, ElementRange{8, 10}));
}

TEST(Shard, FewerElementsThanRanks_LastHaveNothing) {
  EXPECT_THAT(AllShards(2, 4, 1), ElementsAre(ElementRange{0, 1}, ElementRange{1, 2},
                                              ElementRange{2, 2}, ElementRange{2, 2}));
  EXPECT_THAT(AllShards(0, 2, 8), ElementsAre(ElementRange{0, 0}, ElementRange{0, 0}));
}

TEST(Shard, AnySize_CoversOnceAlignedAndPaddedTheSame) {
  for (std::int64_t elements = 0; elements < 70; ++elements) {
    for (std::int64_t world_size = 1; world_size < 9; ++world_size) {
      for (const std::int64_t align : {1, 2, 3, 8, 64}) {
        const std::int64_t size = ShardSize(elements, world_size, align);
        const auto shards = AllShards(elements, world_size, align);
        const Status covers = CheckCover("x", shards, elements);
        EXPECT_TRUE(covers.ok()) << covers.error().message;
        EXPECT_EQ(size % align, 0);
        EXPECT_GE(size * world_size, elements);
        // No rank less would do.
        EXPECT_LT(size * world_size - elements, align * world_size);
        for (const ElementRange& shard : shards) {
          EXPECT_LE(shard.size(), size);
          EXPECT_TRUE(shard.begin % align == 0 || shard.begin == elements);
        }
      }
    }
  }
}

TEST(Shard, BeyondFourBillionElements_FitsStill) {
  const std::int64_t elements = 10'000'000'019;
  EXPECT_EQ(ShardRange(elements, {.rank = 7, .world_size = 8}, 128).end, elements);
  EXPECT_TRUE(CheckCover("x", AllShards(elements, 8, 128), elements).ok());
}

TEST(Shard, Pieces_AreTheRangeInOrder) {
  EXPECT_THAT(Pieces({3, 10}, 3),
              ElementsAre(ElementRange{3, 6}, ElementRange{6, 9}, ElementRange{9, 10}));
  EXPECT_THAT(Pieces({3, 6}, 3), ElementsAre(ElementRange{3, 6}));
  EXPECT_THAT(Pieces({3, 3}, 3), ElementsAre());
}

TEST(Shard, Cover_NamesGapOverlapAndBeyond) {
  EXPECT_TRUE(CheckCover("x", {{4, 10}, {0, 4}, {7, 7}}, 10).ok());
  EXPECT_EQ(Refusal({{0, 4}, {5, 10}}, 10),
            "optimizer.mean: no part has elements 4..5, wanted 0..10");
  EXPECT_EQ(Refusal({{2, 10}}, 10), "optimizer.mean: no part has elements 0..2, wanted 0..10");
  EXPECT_EQ(Refusal({{0, 4}}, 10), "optimizer.mean: no part has elements 4..10, wanted 0..10");
  EXPECT_EQ(Refusal({}, 10), "optimizer.mean: no part has elements 0..10, wanted 0..10");
  EXPECT_EQ(Refusal({{0, 6}, {4, 10}}, 10), "optimizer.mean: two parts have elements 4..6");
  EXPECT_EQ(Refusal({{0, 10}, {0, 10}}, 10), "optimizer.mean: two parts have elements 0..10");
  EXPECT_EQ(Refusal({{0, 10}, {2, 3}}, 10), "optimizer.mean: two parts have elements 2..3");
  EXPECT_EQ(Refusal({{0, 11}}, 10), "optimizer.mean: a part of elements 0..11, wanted 0..10");
  EXPECT_EQ(Refusal({{-1, 10}}, 10), "optimizer.mean: a part of elements -1..10");
  EXPECT_EQ(Refusal({{0, 10}, {5, 4}}, 10), "optimizer.mean: a part of elements 5..4");
}

TEST(Shard, CutFromPartsOfAnotherWorld_SameAsFromTheWhole) {
  Random random(20261127);
  for (int round = 0; round < 500; ++round) {
    const auto elements = static_cast<std::int64_t>(random.Below(200));
    std::vector<std::int32_t> whole(static_cast<std::size_t>(elements));
    std::iota(whole.begin(), whole.end(), 1000);
    const auto bytes = std::as_bytes(std::span(whole));
    const auto of = [&](const ElementRange& range) {
      return bytes.subspan(static_cast<std::size_t>(range.begin) * 4,
                           static_cast<std::size_t>(range.size()) * 4);
    };
    std::vector<FlatPart> parts;
    const auto align = static_cast<std::int64_t>(1 + random.Below(9));
    for (const auto& range :
         AllShards(elements, static_cast<std::int64_t>(1 + random.Below(7)), align)) {
      parts.insert(parts.begin() + static_cast<std::ptrdiff_t>(random.Below(parts.size() + 1)),
                   {range, of(range)});
    }
    for (const auto& wanted :
         AllShards(elements, static_cast<std::int64_t>(1 + random.Below(7)), 1)) {
      std::vector<std::byte> out(static_cast<std::size_t>(wanted.size()) * 4);
      const Status cut = CutFromParts("x", parts, 4, wanted, out);
      ASSERT_TRUE(cut.ok()) << cut.error().message;
      EXPECT_TRUE(std::ranges::equal(out, of(wanted)));
    }
  }
}

TEST(Shard, CutWhereAPartIsMissingOrShort_NamesIt) {
  const std::vector<std::byte> bytes(40);
  const std::span<const std::byte> all(bytes);
  std::vector<std::byte> out(16);
  const std::vector<FlatPart> gap = {{{0, 4}, all.first(16)}, {{6, 10}, all.first(16)}};
  EXPECT_TRUE(CutFromParts("v", gap, 4, {0, 4}, out).ok());
  EXPECT_TRUE(CutFromParts("v", gap, 4, {6, 10}, out).ok());
  Status status = CutFromParts("v", gap, 4, {3, 7}, out);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().message, "v: no part has elements 4..6, wanted 3..7");
  status = CutFromParts("v", {{{0, 10}, all.first(36)}}, 4, {0, 4}, out);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().message, "v: the part of elements 0..10 has 36 bytes, wanted 40");
  status = CutFromParts("v", {{{0, 4}, all.first(16)}, {{2, 4}, all.first(8)}}, 4, {2, 4}, out);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().message, "v: two parts have elements 2..4");
}

}  // namespace
}  // namespace muster::trainer
