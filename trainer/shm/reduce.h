#pragma once

#include <cstddef>
#include <cstdint>

/// Element-wise reduction of the ranks' values. Needs no LibTorch.

namespace muster::trainer::shm {

enum class Element : std::uint8_t {
  kFloat,
  kDouble,
  kHalf,
  kBFloat16,
  kInt8,
  kUInt8,
  kInt16,
  kInt32,
  kInt64,
};
enum class Operation : std::uint8_t { kSum, kAverage, kMin, kMax, kProduct };

std::size_t SizeOf(Element element);
const char* NameOf(Element element);
const char* NameOf(Operation operation);

constexpr int kRanksMax = 256;  ///< of one machine

/// out[i] = in[0][i] op in[1][i] op ... in[ranks - 1][i], always in this order, so that every rank gets the same
/// bits. half and bfloat16 are reduced in float and rounded once; the average is the sum times
/// 1 / ranks, of floating-point elements only. A NaN anywhere makes NaN, in min and max too; integers wrap
/// around. `out` may be one of `in`, and may not overlap one otherwise.
void Reduce(Element element, Operation operation, void* out, const void* const* in, int ranks,
            std::size_t count);

}  // namespace muster::trainer::shm
