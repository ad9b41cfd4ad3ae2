#include "trainer/shard.h"

#include <algorithm>
#include <cstring>

#include "runtime/base/check.h"

namespace muster::trainer {
namespace {

std::string Text(const ElementRange& range) {
  return std::to_string(range.begin) + ".." + std::to_string(range.end);
}

/// Ok when the ranges hold each element of `whole` once; nothing outside it is looked at.
Status CheckCoverOf(const std::string& name, std::vector<ElementRange> ranges,
                    const ElementRange& whole) {
  std::erase_if(ranges, [](const ElementRange& range) { return range.size() == 0; });
  std::ranges::sort(ranges, {},
                    [](const ElementRange& range) { return std::pair(range.begin, range.end); });
  std::int64_t covered = whole.begin;
  for (const ElementRange& range : ranges) {
    if (range.begin < 0 || range.end < range.begin) {
      return Corrupt(name + ": a part of elements " + Text(range));
    }
    if (range.end <= whole.begin || range.begin >= whole.end) continue;
    if (range.begin > covered) break;
    if (range.begin < covered && covered > whole.begin) {
      return Corrupt(name + ": two parts have elements " +
                     Text({range.begin, std::min(covered, range.end)}));
    }
    covered = range.end;
  }
  if (covered >= whole.end) return Ok();
  const auto next = std::ranges::find_if(
      ranges, [&](const ElementRange& range) { return range.begin > covered; });
  const std::int64_t until = next == ranges.end() ? whole.end : std::min(next->begin, whole.end);
  return Corrupt(name + ": no part has elements " + Text({covered, until}) + ", wanted " +
                 Text(whole));
}

}  // namespace

std::int64_t ShardSize(std::int64_t elements, std::int64_t world_size, std::int64_t align) {
  MUSTER_CHECK(elements >= 0 && world_size > 0 && align > 0, "a vector is shared out over ranks");
  const std::int64_t units = elements / align + (elements % align != 0 ? 1 : 0);
  return (units / world_size + (units % world_size != 0 ? 1 : 0)) * align;
}

ElementRange ShardRange(std::int64_t elements, const RankInfo& rank, std::int64_t align) {
  const std::int64_t size = ShardSize(elements, rank.world_size, align);
  return {.begin = std::min(elements, rank.rank * size),
          .end = std::min(elements, (rank.rank + 1) * size)};
}

std::vector<ElementRange> Pieces(const ElementRange& range, std::int64_t most) {
  MUSTER_CHECK(most > 0, "a piece has an element");
  std::vector<ElementRange> pieces;
  for (std::int64_t begin = range.begin; begin < range.end; begin += most) {
    pieces.push_back({begin, begin + std::min(most, range.end - begin)});
  }
  return pieces;
}

Status CheckCover(const std::string& name, std::vector<ElementRange> ranges,
                  std::int64_t elements) {
  for (const ElementRange& range : ranges) {
    if (range.end > elements) {
      return Corrupt(name + ": a part of elements " + Text(range) + ", wanted " +
                     Text({0, elements}));
    }
  }
  return CheckCoverOf(name, std::move(ranges), {0, elements});
}

Status CutFromParts(const std::string& name, const std::vector<FlatPart>& parts,
                    std::size_t element_size, const ElementRange& wanted,
                    std::span<std::byte> out) {
  std::vector<ElementRange> ranges;
  for (const FlatPart& part : parts) {
    ranges.push_back(part.range);
    const std::size_t bytes = static_cast<std::size_t>(part.range.size()) * element_size;
    if (part.bytes.size() != bytes) {
      return Corrupt(name + ": the part of elements " + Text(part.range) + " has " +
                     std::to_string(part.bytes.size()) + " bytes, wanted " + std::to_string(bytes));
    }
  }
  MUSTER_RETURN_IF_ERROR(CheckCoverOf(name, std::move(ranges), wanted));
  MUSTER_CHECK(out.size() == static_cast<std::size_t>(wanted.size()) * element_size,
               "there is room for what is wanted, and no more");
  for (const FlatPart& part : parts) {
    const ElementRange both{std::max(part.range.begin, wanted.begin),
                            std::min(part.range.end, wanted.end)};
    if (both.size() <= 0) continue;
    const auto offset = [&](std::int64_t from) {
      return static_cast<std::size_t>(both.begin - from) * element_size;
    };
    std::memcpy(out.data() + offset(wanted.begin), part.bytes.data() + offset(part.range.begin),
                static_cast<std::size_t>(both.size()) * element_size);
  }
  return Ok();
}

}  // namespace muster::trainer
