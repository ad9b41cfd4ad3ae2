#include "runtime/wire/public_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <string>

namespace muster::wire {
namespace {

/// The first `bits` bits of `bytes`.
struct Network {
  std::array<std::uint8_t, 16> bytes;
  int bits;
};

constexpr Network kPrivateV4[] = {
    {{0}, 8},         {{10}, 8},       {{100, 64}, 10},      {{127}, 8},
    {{169, 254}, 16}, {{172, 16}, 12}, {{192, 0, 0}, 24},    {{192, 0, 2}, 24},
    {{192, 168}, 16}, {{198, 18}, 15}, {{198, 51, 100}, 24}, {{203, 0, 113}, 24},
    {{240}, 4},
};
constexpr Network kPrivateV6[] = {
    {{}, 127},                          // :: and ::1
    {{0, 0x64, 0xff, 0x9b, 0, 1}, 48},  // NAT64 of a local network
    {{0x01, 0x00}, 64},                 // discard
    {{0x20, 0x01}, 23},                 // protocol assignments, Teredo among them
    {{0x20, 0x01, 0x0d, 0xb8}, 32},     // documentation
    {{0x3f, 0xff}, 20},                 // documentation
    {{0xfc}, 7},                        // unique local
    {{0xfe, 0x80}, 10},                 // link-local
};
constexpr Network kMapped = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96};
constexpr Network kNat64 = {{0, 0x64, 0xff, 0x9b}, 96};
constexpr Network k6to4 = {{0x20, 0x02}, 16};

bool Contains(const Network& network, std::span<const std::uint8_t> address) {
  const auto whole = static_cast<std::size_t>(network.bits / 8);
  if (!std::equal(address.begin(), address.begin() + static_cast<std::ptrdiff_t>(whole),
                  network.bytes.begin())) {
    return false;
  }
  const int rest = network.bits % 8;
  if (rest == 0) return true;
  const auto mask = static_cast<std::uint8_t>(0xff << (8 - rest));
  return (address[whole] & mask) == (network.bytes[whole] & mask);
}

bool IsPublicV4(std::span<const std::uint8_t> address) {
  return std::ranges::none_of(kPrivateV4, [&](const Network& n) { return Contains(n, address); });
}

}  // namespace

bool IsPublicAddress(std::string_view address) {
  const std::string text(address);
  std::array<std::uint8_t, 16> bytes{};
  if (::inet_pton(AF_INET, text.c_str(), bytes.data()) == 1) {
    return IsPublicV4(std::span(bytes).first(4));
  }
  if (::inet_pton(AF_INET6, text.c_str(), bytes.data()) != 1) return false;
  if (Contains(kMapped, bytes) || Contains(kNat64, bytes)) {
    return IsPublicV4(std::span(bytes).subspan(12, 4));
  }
  if (Contains(k6to4, bytes)) return IsPublicV4(std::span(bytes).subspan(2, 4));
  return std::ranges::none_of(kPrivateV6, [&](const Network& n) { return Contains(n, bytes); });
}

}  // namespace muster::wire
