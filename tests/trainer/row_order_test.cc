#include "trainer/row_order.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <set>

namespace muster::trainer {
namespace {

std::vector<std::uint64_t> Order(const Epoch& epoch) {
  std::vector<std::uint64_t> order;
  for (std::uint64_t place = 0; place < epoch.rows; ++place) order.push_back(RowAt(epoch, place));
  return order;
}

TEST(RowOrder, AnySize_EveryRowOnce) {
  for (const std::uint64_t rows : {1, 2, 3, 4, 5, 16, 17, 63, 64, 65, 1257, 4096, 5000}) {
    auto order = Order({.seed = 7, .number = 3, .rows = rows});
    std::ranges::sort(order);
    for (std::uint64_t row = 0; row < rows; ++row) ASSERT_EQ(order[row], row) << rows;
  }
}

TEST(RowOrder, OtherSeedOrEpoch_OtherOrder) {
  const auto base = Order({.seed = 1, .number = 0, .rows = 1000});
  EXPECT_EQ(base, Order({.seed = 1, .number = 0, .rows = 1000}));
  EXPECT_NE(base, Order({.seed = 2, .number = 0, .rows = 1000}));
  EXPECT_NE(base, Order({.seed = 1, .number = 1, .rows = 1000}));
}

// 10 rows over 20,000 epochs: each (row, place) is expected 2,000 times, standard deviation 42.
TEST(RowOrder, ManyEpochs_EveryRowAtEveryPlaceEquallyOften) {
  std::vector<std::vector<int>> count(10, std::vector<int>(10, 0));
  for (std::uint64_t number = 0; number < 20'000; ++number) {
    const Epoch epoch{.seed = 11, .number = number, .rows = 10};
    for (std::uint64_t place = 0; place < 10; ++place) ++count[place][RowAt(epoch, place)];
  }
  for (const auto& row : count) {
    for (const int seen : row) EXPECT_NEAR(seen, 2000, 5 * 42);
  }
}

TEST(Batches, AnyNumberOfRanks_SameGlobalBatches) {
  const Epoch epoch{.seed = 5, .number = 2, .rows = 103};
  ASSERT_EQ(BatchCount(epoch, 16), 7U);
  std::multiset<std::uint64_t> all;
  for (std::uint64_t batch = 0; batch < 7; ++batch) {
    const auto rows = BatchRows(epoch, 16, batch);
    EXPECT_EQ(rows.size(), batch == 6 ? 7U : 16U);
    all.insert(rows.begin(), rows.end());
    for (const std::int64_t ranks : {1, 2, 3, 9}) {
      std::multiset<std::uint64_t> shared;
      for (std::int64_t rank = 0; rank < ranks; ++rank) {
        const auto share = ShareOf(rows, {.rank = rank, .world_size = ranks});
        shared.insert(share.begin(), share.end());
      }
      EXPECT_EQ(shared, std::multiset<std::uint64_t>(rows.begin(), rows.end()));
    }
  }
  EXPECT_EQ(all.size(), 103U);
  EXPECT_EQ(std::set<std::uint64_t>(all.begin(), all.end()).size(), 103U);
}

TEST(Batches, NotShuffled_RowsInOrder) {
  EXPECT_THAT(BatchRows({.rows = 5, .shuffled = false}, 3, 1), testing::ElementsAre(3, 4));
}

TEST(Batches, FewerRowsThanRanks_LastRanksGetNone) {
  EXPECT_THAT(ShareOf({8, 9}, {.rank = 2, .world_size = 3}), testing::IsEmpty());
}

}  // namespace
}  // namespace muster::trainer
