#pragma once

#include <cstdint>
#include <string>
#include <string_view>

/// Integers of as few bytes as they need: seven bits a byte, lowest first, the top bit says that more follow
/// (LEB128, as protobuf has it). Signed ones are folded first, so that small negative ones stay short.

namespace muster {

inline void AppendVarint(std::string& out, std::uint64_t number) {
  while (number >= 0x80) {
    out += static_cast<char>(number | 0x80);
    number >>= 7;
  }
  out += static_cast<char>(number);
}

/// Takes one from the front of `in`. False when it does not end there, or is longer than 64 bits.
inline bool TakeVarint(std::string_view& in, std::uint64_t& number) {
  number = 0;
  for (unsigned shift = 0, at = 0; at < in.size() && shift < 64; shift += 7, ++at) {
    const auto byte = static_cast<unsigned char>(in[at]);
    if (shift == 63 && byte > 1) return false;
    number |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) {
      in.remove_prefix(at + 1);
      return true;
    }
  }
  return false;
}

/// 0, -1, 1, -2, 2 ... become 0, 1, 2, 3, 4 ...
inline std::uint64_t Fold(std::int64_t number) {
  return (static_cast<std::uint64_t>(number) << 1) ^ static_cast<std::uint64_t>(number >> 63);
}
inline std::int64_t Unfold(std::uint64_t folded) {
  return static_cast<std::int64_t>(folded >> 1) ^ -static_cast<std::int64_t>(folded & 1);
}

}  // namespace muster
