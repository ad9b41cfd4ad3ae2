#include "trainer/shm/collectives.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace muster::trainer::shm {
namespace {

constexpr std::size_t kLine = 64;                     ///< of the cache; parts begin at one
constexpr std::size_t kBlock = std::size_t{1} << 14;  ///< of the first-level cache

/// No bytes may have no address.
void Copy(void* to, const void* from, std::size_t bytes) {
  if (bytes != 0) std::memcpy(to, from, bytes);
}

/// How `bytes` are cut into steps of `step_bytes`.
struct Cut {
  std::size_t bytes = 0;
  std::size_t step_bytes = 1;
  [[nodiscard]] std::uint32_t steps() const {
    return static_cast<std::uint32_t>((bytes + step_bytes - 1) / step_bytes);
  }
  [[nodiscard]] std::size_t begin(std::uint32_t step) const { return step * step_bytes; }
  [[nodiscard]] std::size_t size(std::uint32_t step) const {
    return std::min(step_bytes, bytes - std::min(bytes, begin(step)));
  }
};

/// The largest multiple of a cache line that a slot holds for each rank.
std::size_t PartBytes(const Channel& channel) {
  return channel.slot_bytes() / channel.ranks() / kLine * kLine;
}

/// A reduction of the slots of a step at `offset`, this rank's values being at `own`.
class SlotReduction {
 public:
  SlotReduction(const Channel& channel, Element element, Operation operation)
      : channel_(channel), element_(element), operation_(operation) {}

  void Run(std::uint32_t step, std::size_t offset, const std::byte* own, std::byte* out,
           std::size_t bytes) {
    for (std::uint32_t rank = 0; rank < channel_.ranks(); ++rank) {
      in_.at(rank) = rank == channel_.rank() ? own : channel_.slot(rank, step) + offset;
    }
    Reduce(element_, operation_, out, in_.data(), static_cast<int>(channel_.ranks()),
           bytes / SizeOf(element_));
  }

 private:
  const Channel& channel_;
  Element element_;
  Operation operation_;
  std::array<const void*, kRanksMax> in_{};
};

Status AllReduceWhole(Channel& channel, std::byte* data, std::size_t bytes, const Call& call,
                      bool spin) {
  const Cut cut{.bytes = bytes, .step_bytes = channel.slot_bytes()};
  SlotReduction reduction(channel, call.element, call.operation);
  return channel.Run(call,
                     {.count = cut.steps(),
                      .write =
                          [&](std::uint32_t step) {
                            Copy(channel.slot(channel.rank(), step), data + cut.begin(step),
                                 cut.size(step));
                          },
                      .read =
                          [&](std::uint32_t step) {
                            std::byte* const part = data + cut.begin(step);
                            reduction.Run(step, 0, part, part, cut.size(step));
                          }},
                     spin);
}

/// Reduce-scatter and all-gather. A step is cut into a part a rank; a slot holds what its rank gives to each
/// part, and at its own part the reduction.
Status AllReduceByParts(Channel& channel, std::byte* data, std::size_t bytes, const Call& call,
                        bool spin) {
  const std::uint32_t mine = channel.rank();
  const std::uint32_t ranks = channel.ranks();
  const Cut cut{.bytes = bytes, .step_bytes = PartBytes(channel) * ranks};
  // The last step's parts are smaller, so that all have some.
  const auto parts_of = [&](std::uint32_t step) {
    const std::size_t size = cut.size(step);
    return Cut{.bytes = size,
               .step_bytes = ((size + ranks - 1) / ranks + kLine - 1) / kLine * kLine};
  };
  SlotReduction reduction(channel, call.element, call.operation);
  return channel.Run(call,
                     {.count = cut.steps(),
                      .write =
                          [&](std::uint32_t step) {
                            const Cut parts = parts_of(step);
                            for (std::uint32_t part = 0; part < ranks; ++part) {
                              if (part == mine) continue;
                              Copy(channel.slot(mine, step) + parts.begin(part),
                                   data + cut.begin(step) + parts.begin(part), parts.size(part));
                            }
                          },
                      .reduce =
                          [&](std::uint32_t step) {
                            const Cut parts = parts_of(step);
                            for (std::size_t done = 0; done < parts.size(mine); done += kBlock) {
                              const std::size_t size = std::min(kBlock, parts.size(mine) - done);
                              const std::size_t offset = parts.begin(mine) + done;
                              std::byte* const result = channel.slot(mine, step) + offset;
                              std::byte* const own = data + cut.begin(step) + offset;
                              reduction.Run(step, offset, own, result, size);
                              Copy(own, result, size);
                            }
                          },
                      .read =
                          [&](std::uint32_t step) {
                            const Cut parts = parts_of(step);
                            for (std::uint32_t part = 0; part < ranks; ++part) {
                              if (part == mine) continue;
                              Copy(data + cut.begin(step) + parts.begin(part),
                                   channel.slot(part, step) + parts.begin(part), parts.size(part));
                            }
                          }},
                     spin);
}

}  // namespace

Status AllReduce(Channel& channel, void* data, std::uint64_t count, Element element,
                 Operation operation, bool spin) {
  const Call call{.collective = Collective::kAllReduce,
                  .element = element,
                  .operation = operation,
                  .count = count};
  const std::size_t bytes = count * SizeOf(element);
  auto* const begin = static_cast<std::byte*>(data);
  return bytes <= kReducedWholeMax ? AllReduceWhole(channel, begin, bytes, call, spin)
                                   : AllReduceByParts(channel, begin, bytes, call, spin);
}

Status Broadcast(Channel& channel, void* data, std::uint64_t bytes, std::uint32_t root, bool spin) {
  auto* const begin = static_cast<std::byte*>(data);
  const Cut cut{.bytes = bytes, .step_bytes = channel.slot_bytes()};
  const auto copy = [&](std::uint32_t step) {
    std::byte* const slot = channel.slot(root, step);
    if (channel.rank() == root) {
      Copy(slot, begin + cut.begin(step), cut.size(step));
    } else {
      Copy(begin + cut.begin(step), slot, cut.size(step));
    }
  };
  Steps steps{.count = cut.steps()};
  (channel.rank() == root ? steps.write : steps.read) = copy;
  return channel.Run({.collective = Collective::kBroadcast,
                      .root = static_cast<std::int32_t>(root),
                      .count = bytes},
                     steps, spin);
}

Status AllGather(Channel& channel, const void* in, std::uint64_t bytes,
                 std::span<std::byte* const> outs, bool spin) {
  const Cut cut{.bytes = bytes, .step_bytes = channel.slot_bytes()};
  const std::uint32_t mine = channel.rank();
  const auto* const own = static_cast<const std::byte*>(in);
  return channel.Run({.collective = Collective::kAllGather, .count = bytes},
                     {.count = cut.steps(),
                      .write =
                          [&](std::uint32_t step) {
                            const std::byte* const part = own + cut.begin(step);
                            Copy(channel.slot(mine, step), part, cut.size(step));
                            if (outs[mine] != own) {
                              Copy(outs[mine] + cut.begin(step), part, cut.size(step));
                            }
                          },
                      .read =
                          [&](std::uint32_t step) {
                            for (std::uint32_t rank = 0; rank < channel.ranks(); ++rank) {
                              if (rank == mine) continue;
                              Copy(outs[rank] + cut.begin(step), channel.slot(rank, step),
                                   cut.size(step));
                            }
                          }},
                     spin);
}

Status ReduceScatter(Channel& channel, std::span<const std::byte* const> ins, void* out,
                     std::uint64_t count, Element element, Operation operation, bool spin) {
  const std::size_t part_bytes = PartBytes(channel);
  const Cut cut{.bytes = count * SizeOf(element), .step_bytes = part_bytes};
  const std::uint32_t mine = channel.rank();
  SlotReduction reduction(channel, element, operation);
  return channel.Run({.collective = Collective::kReduceScatter,
                      .element = element,
                      .operation = operation,
                      .count = count},
                     {.count = cut.steps(),
                      .write =
                          [&](std::uint32_t step) {
                            for (std::uint32_t rank = 0; rank < channel.ranks(); ++rank) {
                              if (rank == mine) continue;
                              Copy(channel.slot(mine, step) + rank * part_bytes,
                                   ins[rank] + cut.begin(step), cut.size(step));
                            }
                          },
                      .read =
                          [&](std::uint32_t step) {
                            reduction.Run(step, mine * part_bytes, ins[mine] + cut.begin(step),
                                          static_cast<std::byte*>(out) + cut.begin(step),
                                          cut.size(step));
                          }},
                     spin);
}

Status Barrier(Channel& channel, bool spin) {
  return channel.Run({.collective = Collective::kBarrier}, {}, spin);
}

}  // namespace muster::trainer::shm
