#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"

namespace muster::trainer::hdf5 {

/// What a .npy file says of its array (numpy.lib.format, versions 1.0 to 3.0).
struct NpyHeader {
  std::string type;                 ///< "<f4"
  std::vector<std::int64_t> shape;  ///< rows first; not empty
  std::uint64_t data_at = 0;        ///< byte of the first number
};

/// `head` is the beginning of the file, all of it or at least kNpyHeadBytes. kCorrupt with the offset; kUnsupported
/// for Fortran order and types of several fields; kInvalid for a single value. Messages begin with `name`.
inline constexpr std::size_t kNpyHeadBytes = 65536 + 16;
Result<NpyHeader> ParseNpyHeader(std::string_view head, const std::string& name);

}  // namespace muster::trainer::hdf5
