#pragma once

#include <array>
#include <cstddef>
#include <string_view>
#include <variant>

#include "runtime/wire/messages.h"

/// The one table of message types; for the .cc files of this folder. A number and a name are for ever: they
/// travel, in major 2 and major 1. A new type gets a new number of its side and a row at its place.

namespace muster::wire {

/// What a coordinator says is numbered from here, what an agent says below.
inline constexpr int kFirstCoordinatorType = 64;

inline constexpr std::size_t kShortBytes = 4096;
inline constexpr std::size_t kLongBytes = kEnvelopeBytesMax;

struct MessageType {
  int number = 0;
  std::string_view name;
  std::size_t bytes_max =
      0;  ///< of a whole message; a longer one is refused before its body is read
};

/// In the order of `Message`.
inline constexpr std::array<MessageType, std::variant_size_v<Message>> kMessageTypes{{
    {1, "hello", kLongBytes},
    {2, "heartbeat", kShortBytes},
    {3, "prepared", kShortBytes},
    {4, "started", kShortBytes},
    {5, "records", kLongBytes},
    {6, "log_chunk", kLongBytes},
    {7, "exited", kLongBytes},
    {64, "welcome", kLongBytes},
    {65, "heartbeat_ack", kShortBytes},
    {66, "prepare", kLongBytes},
    {67, "go", kLongBytes},
    {68, "abort", kShortBytes},
    {69, "stop", kShortBytes},
    {70, "ask_checkpoint", kShortBytes},
    {71, "ack", kLongBytes},
    {72, "forget", kShortBytes},
    {8, "notice", kLongBytes},
    {9, "leaving", kShortBytes},
    {73, "retire", kShortBytes},
}};

constexpr bool EachTypeHasItsOwn() {
  for (std::size_t i = 0; i < kMessageTypes.size(); ++i) {
    for (std::size_t j = i + 1; j < kMessageTypes.size(); ++j) {
      if (kMessageTypes[i].number == kMessageTypes[j].number ||
          kMessageTypes[i].name == kMessageTypes[j].name)
        return false;
    }
  }
  return true;
}
static_assert(EachTypeHasItsOwn(), "two message types share a number or a name");

}  // namespace muster::wire
