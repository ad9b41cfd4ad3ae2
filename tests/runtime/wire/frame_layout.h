#pragma once

#include <cstdint>
#include <string>
#include <string_view>

/// The bytes of major 2 as the README has them, written anew, so that the tests do not repeat the codec's own
/// mistakes.

namespace muster::wire {

/// CRC-32C bit by bit (RFC 3720, appendix B.4).
inline std::uint32_t Crc32cBitwise(std::string_view bytes) {
  std::uint32_t crc = 0xFFFFFFFF;
  for (const char byte : bytes) {
    crc ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78U : 0U);
  }
  return ~crc;
}

inline void PutNumber(std::string& frame, std::size_t at, std::size_t size, std::uint64_t number) {
  for (std::size_t i = 0; i < size; ++i) frame[at + i] = static_cast<char>(number >> (8 * i));
}

/// Makes length and checksum of a changed frame right again.
inline void Seal(std::string& frame) {
  if (frame.size() < 64) return;
  const auto low = static_cast<unsigned char>(frame[8]),
             high = static_cast<unsigned char>(frame[9]);
  const std::size_t header = static_cast<std::size_t>(low) + 256U * high;
  if (header <= frame.size()) PutNumber(frame, 56, 4, frame.size() - header);
  PutNumber(frame, 60, 4, Crc32cBitwise(frame.substr(64) + frame.substr(0, 60)));
}

}  // namespace muster::wire
