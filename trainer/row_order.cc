#include "trainer/row_order.h"

#include <algorithm>
#include <bit>

#include "runtime/base/check.h"
#include "runtime/base/random.h"

namespace muster::trainer {
namespace {

constexpr std::uint32_t kRounds = 8;

std::uint64_t Permute(const Epoch& epoch, unsigned half_bits, std::uint64_t value) {
  const std::uint64_t mask = (std::uint64_t{1} << half_bits) - 1;
  std::uint64_t left = value >> half_bits;
  std::uint64_t right = value & mask;
  for (std::uint32_t round = 0; round < kRounds; ++round) {
    const auto noise = Philox4x32(
        {static_cast<std::uint32_t>(right), round, static_cast<std::uint32_t>(epoch.number),
         static_cast<std::uint32_t>(epoch.number >> 32)},
        {static_cast<std::uint32_t>(epoch.seed), static_cast<std::uint32_t>(epoch.seed >> 32)});
    const std::uint64_t next = (left ^ noise[0]) & mask;
    left = right;
    right = next;
  }
  return (left << half_bits) | right;
}

}  // namespace

std::uint64_t RowAt(const Epoch& epoch, std::uint64_t place) {
  MUSTER_CHECK(place < epoch.rows, "a place lies within its epoch");
  if (!epoch.shuffled || epoch.rows == 1) return place;
  const auto bits = static_cast<unsigned>(std::bit_width(epoch.rows - 1));
  const unsigned half_bits = (bits + 1) / 2;
  // The walk stays within the power of two, which is less than four times the rows.
  std::uint64_t value = place;
  do {
    value = Permute(epoch, half_bits, value);
  } while (value >= epoch.rows);
  return value;
}

std::uint64_t BatchCount(const Epoch& epoch, std::uint64_t batch_size) {
  MUSTER_CHECK(batch_size > 0, "a batch has rows");
  return (epoch.rows + batch_size - 1) / batch_size;
}

std::vector<std::uint64_t> BatchRows(const Epoch& epoch, std::uint64_t batch_size,
                                     std::uint64_t batch) {
  const std::uint64_t begin = batch * batch_size;
  const std::uint64_t end = std::min(epoch.rows, begin + batch_size);
  std::vector<std::uint64_t> rows;
  rows.reserve(end - begin);
  for (std::uint64_t place = begin; place < end; ++place) rows.push_back(RowAt(epoch, place));
  return rows;
}

std::vector<std::uint64_t> ShareOf(const std::vector<std::uint64_t>& batch_rows, RankInfo rank) {
  std::vector<std::uint64_t> share;
  for (auto i = static_cast<std::size_t>(rank.rank); i < batch_rows.size();
       i += static_cast<std::size_t>(rank.world_size)) {
    share.push_back(batch_rows[i]);
  }
  return share;
}

}  // namespace muster::trainer
