#pragma once

#include <span>

#include "trainer/shm/channel.h"

/// Collectives of plain memory over a channel, by copies through its slots, which stay in the caches. Every rank
/// gets the same bits, which depend on nothing but the values: reductions go in the order of the ranks.
/// Errors and `spin`: Channel::Run.

namespace muster::trainer::shm {

/// Tensors up to this many bytes are reduced whole by every rank, one wait instead of two; beyond, each
/// rank reduces a part.
constexpr std::size_t kReducedWholeMax = std::size_t{1} << 15;

/// In place.
Status AllReduce(Channel& channel, void* data, std::uint64_t count, Element element,
                 Operation operation, bool spin);

Status Broadcast(Channel& channel, void* data, std::uint64_t bytes, std::uint32_t root, bool spin);

/// Rank r's `bytes` at `in` come to outs[r] on every rank. outs[own rank] may be `in`.
Status AllGather(Channel& channel, const void* in, std::uint64_t bytes,
                 std::span<std::byte* const> outs, bool spin);

/// The reduction of all ranks' ins[r], of `count` elements, comes to rank r's `out`, which may be ins[r].
Status ReduceScatter(Channel& channel, std::span<const std::byte* const> ins, void* out,
                     std::uint64_t count, Element element, Operation operation, bool spin);

Status Barrier(Channel& channel, bool spin);

}  // namespace muster::trainer::shm
