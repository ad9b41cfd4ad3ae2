#include "trainer/shm/reduce.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <type_traits>

// Everything is inlined into one function for each vector unit, in which the compiler makes a loop of each
// pair of element and operation. This file is compiled at -O3 in every build.
#define MUSTER_INLINE [[gnu::always_inline]] inline

namespace muster::trainer::shm {
namespace {

/// Two-byte floats as they lie in memory.
struct Half {
  std::uint16_t bits;
};
struct BFloat16 {
  std::uint16_t bits;
};

template <typename T>
MUSTER_INLINE T Load(T value) {
  return value;
}
MUSTER_INLINE float Load(BFloat16 value) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(value.bits) << 16);
}
/// Without branches, and without arithmetic on subnormals, which takes a hundred times as long.
MUSTER_INLINE float Load(Half value) {
  const std::uint32_t magnitude = static_cast<std::uint32_t>(value.bits & 0x7fffU) << 13;
  const std::uint32_t sign = static_cast<std::uint32_t>(value.bits & 0x8000U) << 16;
  // Subnormals, m 2^-24, as (2^-14 + m 2^-24) - 2^-14.
  const auto small =
      std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude + 0x38800000U) - 0x1p-14F);
  const std::uint32_t normal = magnitude + 0x38000000U;
  const std::uint32_t special = magnitude + 0x70000000U;  // infinity and NaN
  const std::uint32_t bits =
      magnitude < 0x00800000U ? small : (magnitude < 0x0f800000U ? normal : special);
  return std::bit_cast<float>(bits | sign);
}

template <typename T>
MUSTER_INLINE void Store(T& out, T value) {
  out = value;
}
/// To nearest, ties to even.
MUSTER_INLINE void Store(BFloat16& out, float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t rounded = (bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16;
  const std::uint32_t nan = (bits >> 16) | 0x40U;
  out.bits = static_cast<std::uint16_t>((bits & 0x7fffffffU) > 0x7f800000U ? nan : rounded);
}
MUSTER_INLINE void Store(Half& out, float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000U;
  const std::uint32_t magnitude = bits & 0x7fffffffU;
  // Subnormal halves are multiples of 2^-24: an addition at that unit rounds them.
  const std::uint32_t small =
      std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5F) - 0x3f000000U;
  const std::uint32_t normal = (magnitude - 0x38000000U + 0xfffU + ((magnitude >> 13) & 1U)) >> 13;
  std::uint32_t half = magnitude < 0x38800000U ? small : normal;
  half = magnitude >= 0x47800000U ? 0x7c00U : half;  // 2^16 and above
  half = magnitude > 0x7f800000U ? 0x7e00U : half;
  out.bits = static_cast<std::uint16_t>(half | sign);
}

/// The type in which T is reduced.
template <typename T>
using Wide = decltype(Load(T()));

/// As unsigned, where overflow is defined, and as int at least, to which the language would promote it.
template <typename T, bool kWraps = std::is_integral_v<T>>
struct Arithmetic {
  using Type = decltype(std::make_unsigned_t<T>() * 1U);
};
template <typename T>
struct Arithmetic<T, false> {
  using Type = T;
};

template <Operation kOperation, typename T>
MUSTER_INLINE T Apply(T a, T b) {
  using U = typename Arithmetic<T>::Type;
  if constexpr (kOperation == Operation::kMin) {
    return a < b || a != a ? a : b;
  } else if constexpr (kOperation == Operation::kMax) {
    return a > b || a != a ? a : b;
  } else if constexpr (kOperation == Operation::kProduct) {
    return static_cast<T>(static_cast<U>(a) * static_cast<U>(b));
  } else {
    return static_cast<T>(static_cast<U>(a) + static_cast<U>(b));
  }
}

template <Operation kOperation, typename T>
MUSTER_INLINE T Finish(T value, T scale) {
  if constexpr (kOperation == Operation::kAverage && std::is_floating_point_v<T>) {
    return value * scale;
  }
  return value;
}

constexpr std::size_t kBlock = 1024;  ///< elements that are accumulated in the first-level cache

template <typename T, Operation kOperation>
MUSTER_INLINE void Loop(void* out_bytes, const void* const* in, int ranks, std::size_t count) {
  using W = Wide<T>;
  W scale = 1;
  if constexpr (std::is_floating_point_v<W>) scale /= static_cast<W>(ranks);
  T* const out = static_cast<T*>(out_bytes);
  const T* const first = static_cast<const T*>(in[0]);
  if (ranks == 2) {
    const T* const second = static_cast<const T*>(in[1]);
#pragma GCC ivdep
    for (std::size_t i = 0; i < count; ++i) {
      Store(out[i], Finish<kOperation>(Apply<kOperation>(Load(first[i]), Load(second[i])), scale));
    }
    return;
  }
  alignas(64) std::array<W, kBlock> block;
  W* const sum = block.data();
  for (std::size_t from = 0; from < count; from += kBlock) {
    const std::size_t size = std::min(kBlock, count - from);
#pragma GCC ivdep
    for (std::size_t i = 0; i < size; ++i) sum[i] = Load(first[from + i]);
    for (int rank = 1; rank < ranks; ++rank) {
      const T* const next = static_cast<const T*>(in[rank]) + from;
#pragma GCC ivdep
      for (std::size_t i = 0; i < size; ++i) sum[i] = Apply<kOperation>(sum[i], Load(next[i]));
    }
#pragma GCC ivdep
    for (std::size_t i = 0; i < size; ++i) {
      Store(out[from + i], Finish<kOperation>(sum[i], scale));
    }
  }
}

template <typename T>
MUSTER_INLINE void Choose(Operation operation, void* out, const void* const* in, int ranks,
                          std::size_t count) {
  switch (operation) {
    case Operation::kSum:
      return Loop<T, Operation::kSum>(out, in, ranks, count);
    case Operation::kAverage:
      return Loop<T, Operation::kAverage>(out, in, ranks, count);
    case Operation::kMin:
      return Loop<T, Operation::kMin>(out, in, ranks, count);
    case Operation::kMax:
      return Loop<T, Operation::kMax>(out, in, ranks, count);
    case Operation::kProduct:
      return Loop<T, Operation::kProduct>(out, in, ranks, count);
  }
}

MUSTER_INLINE void ReduceBody(Element element, Operation operation, void* out,
                              const void* const* in, int ranks, std::size_t count) {
  switch (element) {
    case Element::kFloat:
      return Choose<float>(operation, out, in, ranks, count);
    case Element::kDouble:
      return Choose<double>(operation, out, in, ranks, count);
    case Element::kHalf:
      return Choose<Half>(operation, out, in, ranks, count);
    case Element::kBFloat16:
      return Choose<BFloat16>(operation, out, in, ranks, count);
    case Element::kInt8:
      return Choose<std::int8_t>(operation, out, in, ranks, count);
    case Element::kUInt8:
      return Choose<std::uint8_t>(operation, out, in, ranks, count);
    case Element::kInt16:
      return Choose<std::int16_t>(operation, out, in, ranks, count);
    case Element::kInt32:
      return Choose<std::int32_t>(operation, out, in, ranks, count);
    case Element::kInt64:
      return Choose<std::int64_t>(operation, out, in, ranks, count);
  }
}

#ifdef __x86_64__
[[gnu::target("arch=x86-64-v3")]] void ReduceAvx2(Element element, Operation operation, void* out,
                                                  const void* const* in, int ranks,
                                                  std::size_t count) {
  ReduceBody(element, operation, out, in, ranks, count);
}
[[gnu::target("arch=x86-64-v4")]] void ReduceAvx512(Element element, Operation operation, void* out,
                                                    const void* const* in, int ranks,
                                                    std::size_t count) {
  ReduceBody(element, operation, out, in, ranks, count);
}
bool HasAvx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2"); }
bool HasAvx512() {
  return HasAvx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#endif

}  // namespace

void Reduce(Element element, Operation operation, void* out, const void* const* in, int ranks,
            std::size_t count) {
#ifdef __x86_64__
  // By hand: the resolver that target_clones makes runs before a sanitizer is ready.
  static const auto kReduce = HasAvx512() ? ReduceAvx512 : HasAvx2() ? ReduceAvx2 : nullptr;
  if (kReduce != nullptr) return kReduce(element, operation, out, in, ranks, count);
#endif
  ReduceBody(element, operation, out, in, ranks, count);
}

std::size_t SizeOf(Element element) {
  switch (element) {
    case Element::kInt8:
    case Element::kUInt8:
      return 1;
    case Element::kHalf:
    case Element::kBFloat16:
    case Element::kInt16:
      return 2;
    case Element::kFloat:
    case Element::kInt32:
      return 4;
    case Element::kDouble:
    case Element::kInt64:
      return 8;
  }
  return 1;
}

const char* NameOf(Element element) {
  constexpr std::array kNames = {"float", "double", "half",  "bfloat16", "int8",
                                 "uint8", "int16",  "int32", "int64"};
  const auto index = static_cast<std::size_t>(element);
  return index < kNames.size() ? kNames.at(index) : "unknown";
}

const char* NameOf(Operation operation) {
  constexpr std::array kNames = {"sum", "average", "min", "max", "product"};
  const auto index = static_cast<std::size_t>(operation);
  return index < kNames.size() ? kNames.at(index) : "unknown";
}

}  // namespace muster::trainer::shm
