#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "runtime/base/result.h"

namespace muster::trainer::hdf5 {

/// Bytes [offset, offset + size) of an open file, by pread: any thread. kCorrupt "<name> ends at byte A; wanted
/// bytes B to C" when it is shorter, kIo.
Status ReadAt(int fd, std::byte* out, std::size_t size, std::uint64_t offset,
              const std::string& name);

/// A little-endian number of 1 to 8 bytes.
inline std::uint64_t Little(const std::byte* bytes, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i) {
    value |= std::to_integer<std::uint64_t>(bytes[i]) << (8 * i);
  }
  return value;
}

}  // namespace muster::trainer::hdf5
