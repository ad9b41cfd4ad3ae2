#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/result.h"

/// What HDF5 does to the bytes of a chunk before it stores them, undone without the library: deflate (gzip),
/// shuffle, fletcher32 (HDF5 File Format Specification 3.0, IV.A.2.l and its filters' registrations) and LZF,
/// which h5py brings (filter 32000; the C library cannot read it). Pure; any thread.

namespace muster::trainer::hdf5 {

inline constexpr int kDeflate = 1;
inline constexpr int kShuffle = 2;
inline constexpr int kFletcher32 = 3;
inline constexpr int kLzf = 32000;

struct Filter {
  int id = 0;
  std::size_t element_bytes = 1;  ///< of shuffle
};

/// "gzip", "szip", "filter 32015".
std::string FilterName(int id);
bool IsOwnFilter(int id);

/// A stored chunk back to its `out.size()` bytes. `filters` are in the order in which they were applied; bit i
/// of `skipped` says that this chunk went past filter i. `scratch` is kept by the caller for the next chunk.
/// kCorrupt says which filter found what, not where: the caller knows. Nothing is read or written outside.
Status UndoFilters(std::span<const Filter> filters, std::uint32_t skipped,
                   std::span<const std::byte> stored, std::span<std::byte> out,
                   std::vector<std::byte>& scratch);

/// The parts, for their tests.
Status InflateLzf(std::span<const std::byte> in, std::span<std::byte> out);
std::uint32_t Fletcher32(std::span<const std::byte> bytes);

}  // namespace muster::trainer::hdf5
