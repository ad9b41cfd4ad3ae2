#include "runtime/wire/frame.h"

#include <array>
#include <boost/crc.hpp>
#include <boost/mp11/list.hpp>
#include <concepts>
#include <cstdio>
#include <optional>

#include "runtime/wire/body.h"
#include "runtime/wire/bounds.h"
#include "runtime/wire/message_types.h"
#include "runtime/wire/messages_json.h"

namespace muster::wire {
namespace {

constexpr std::string_view kMagic = "\xF5MST";
/// Where a field lies. All numbers are little-endian; magic, major and minor stay where they are in every major.
enum Offset : std::size_t {
  kMajorAt = 4,         // 2 bytes
  kMinorAt = 6,         // 2
  kHeaderBytesAt = 8,   // 2: where the body begins; a newer minor has a longer header
  kTypeAt = 10,         // 2
  kFormAt = 12,         // 1: of the body
  kCoordinatorAt = 16,  // 8
  kIncarnationAt = 24,  // 8
  kAttemptAt = 32,      // 8
  kSequenceAt = 40,     // 8
  kKeyAt = 48,          // 8
  kBodyBytesAt = 56,    // 4
  kCrcAt = 60,          // 4
  kHeaderBytes = 64,
};
enum Form : std::uint8_t { kJsonForm = 0, kShortForm = 1 };

/// CRC-32C, as iSCSI and ext4 have it.
using Crc32c = boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true>;

template <std::unsigned_integral T>
void Put(char* at, T number) {
  for (std::size_t i = 0; i < sizeof(T); ++i) at[i] = static_cast<char>(number >> (8 * i));
}
template <std::unsigned_integral T>
T Get(std::string_view bytes, std::size_t at) {
  T number = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i)
    number |= static_cast<T>(static_cast<T>(static_cast<unsigned char>(bytes[at + i])) << (8 * i));
  return number;
}
std::int64_t GetSigned(std::string_view bytes, std::size_t at) {
  return static_cast<std::int64_t>(Get<std::uint64_t>(bytes, at));
}

// --- the short form -----------------------------------------------------------------------------------
// Of what a thousand nodes say each second: 8 bytes of sequence, then the node's name as it is. A member more
// would be lost here, so that the compiler asks for it; JSON of these types is read as well.

template <typename T>
constexpr std::size_t kMembers = boost::mp11::mp_size<internal::MembersOf<T>>::value;
static_assert(kMembers<Heartbeat> == 2, "the short form of a heartbeat carries each member");
static_assert(kMembers<HeartbeatAck> == 1, "the short form of a heartbeat_ack carries each member");

std::string ShortBody(std::int64_t sequence, std::string_view text) {
  std::string body(8, '\0');
  Put(body.data(), static_cast<std::uint64_t>(sequence));
  return body.append(text);
}

std::pair<Form, std::string> BodyOf(const Message& message) {
  if (const auto* beat = std::get_if<Heartbeat>(&message))
    return {kShortForm, ShortBody(beat->sequence, beat->node.value)};
  if (const auto* ack = std::get_if<HeartbeatAck>(&message))
    return {kShortForm, ShortBody(ack->sequence, {})};
  return {kJsonForm, EncodeBody(message)};
}

Result<Message> ReadShortBody(std::string_view name, std::string_view body) {
  std::optional<Message> message;
  if (body.size() >= 8 && name == "heartbeat")
    message = Heartbeat{NodeId(std::string(body.substr(8))), GetSigned(body, 0)};
  if (body.size() == 8 && name == "heartbeat_ack") message = HeartbeatAck{GetSigned(body, 0)};
  if (!message)
    return Invalid(std::string(name) + " has no short form of " + std::to_string(body.size()) +
                   " bytes");
  MUSTER_RETURN_IF_ERROR(CheckMessage(*message));
  return *std::move(message);
}

Result<Message> ReadBody(std::size_t type, int form, std::string_view body) {
  const std::string_view name = kMessageTypes[type].name;
  if (form == kShortForm) return ReadShortBody(name, body);
  if (form != kJsonForm) {
    return Invalid(std::string(name) + " has a body of form " + std::to_string(form) +
                   "; wanted 0 (JSON) or 1 (short)");
  }
  const auto json = ParseJson(body, kBodyValuesMax);
  if (!json.ok()) return json.error().With(name);
  return BodyFromJson(type, *json);
}

// --- the header ---------------------------------------------------------------------------------------

std::uint64_t KeyOf(std::size_t type, std::size_t body_bytes, std::uint32_t body_crc) {
  return static_cast<std::uint64_t>(kMessageTypes[type].number) << 48 |
         static_cast<std::uint64_t>(body_bytes & 0xFFFF) << 32 | body_crc;
}

std::string Hex(std::uint32_t number) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "0x%08x", number);
  return text.data();
}

/// Over what follows the header's first 64 bytes, then over those without the checksum itself: the sender
/// has passed the body once for the key when it comes to the header.
std::uint32_t ChecksumOf(std::string_view bytes) {
  Crc32c crc;
  crc.process_bytes(bytes.data() + kHeaderBytes, bytes.size() - kHeaderBytes);
  crc.process_bytes(bytes.data(), kCrcAt);
  return crc.checksum();
}

/// Lengths and checksum; `bytes` has a whole header of a major that is spoken.
Status CheckHeader(std::string_view bytes) {
  const std::size_t header = Get<std::uint16_t>(bytes, kHeaderBytesAt);
  if (header < kHeaderBytes || header > bytes.size()) {
    return Invalid("a header of " + std::to_string(header) + " bytes in a frame of " +
                   std::to_string(bytes.size()) + "; wanted at least " +
                   std::to_string(kHeaderBytes) + " and not more than the frame");
  }
  const std::size_t body = Get<std::uint32_t>(bytes, kBodyBytesAt);
  if (header + body != bytes.size()) {
    return Invalid("a frame of " + std::to_string(bytes.size()) + " bytes says that it has " +
                   std::to_string(header) + " of header and " + std::to_string(body) + " of body");
  }
  const auto written = Get<std::uint32_t>(bytes, kCrcAt);
  const std::uint32_t seen = ChecksumOf(bytes);
  if (written == seen) return Ok();
  return Corrupt("a frame of " + std::to_string(bytes.size()) + " bytes with the checksum " +
                 Hex(seen) + "; its sender wrote " + Hex(written));
}

}  // namespace

bool IsFrame(std::string_view bytes) { return bytes.starts_with(kMagic); }

std::uint64_t IdempotencyKey(const Message& message) {
  const std::string body = BodyOf(message).second;
  Crc32c crc;
  crc.process_bytes(body.data(), body.size());
  return KeyOf(message.index(), body.size(), crc.checksum());
}

std::string EncodeFrame(const Envelope& envelope) {
  const auto [form, body] = BodyOf(envelope.message);
  const std::size_t type = envelope.message.index();
  std::string frame(kHeaderBytes, '\0');
  frame.reserve(kHeaderBytes + body.size());
  kMagic.copy(frame.data(), kMagic.size());
  const auto put = [&frame](Offset at, auto number) { Put(frame.data() + at, number); };
  put(kMajorAt, static_cast<std::uint16_t>(kMajorVersion));
  put(kMinorAt, static_cast<std::uint16_t>(kMinorVersion));
  put(kHeaderBytesAt, static_cast<std::uint16_t>(kHeaderBytes));
  put(kTypeAt, static_cast<std::uint16_t>(kMessageTypes[type].number));
  put(kFormAt, static_cast<std::uint8_t>(form));
  put(kCoordinatorAt, static_cast<std::uint64_t>(envelope.coordinator.value));
  put(kIncarnationAt, static_cast<std::uint64_t>(envelope.incarnation));
  put(kAttemptAt, static_cast<std::uint64_t>(AttemptOf(envelope.message).value));
  put(kSequenceAt, static_cast<std::uint64_t>(envelope.sequence));
  Crc32c crc;
  crc.process_bytes(body.data(), body.size());
  put(kKeyAt, KeyOf(type, body.size(), crc.checksum()));
  put(kBodyBytesAt, static_cast<std::uint32_t>(body.size()));
  crc.process_bytes(frame.data(), kCrcAt);
  put(kCrcAt, static_cast<std::uint32_t>(crc.checksum()));
  return frame.append(body);
}

Result<Envelope> DecodeFrame(std::string_view bytes, Majors spoken) {
  if (bytes.size() < kHeaderBytesAt) {
    return Invalid("a frame of " + std::to_string(bytes.size()) +
                   " bytes, which ends before its version");
  }
  Envelope envelope;
  envelope.major = Get<std::uint16_t>(bytes, kMajorAt);
  envelope.minor = Get<std::uint16_t>(bytes, kMinorAt);
  if (envelope.major != kMajorVersion || spoken.newest < kMajorVersion)
    return AnotherMajor(envelope.major, envelope.minor, spoken);
  if (bytes.size() < kHeaderBytes) {
    return Invalid("a frame of " + std::to_string(bytes.size()) + " bytes; its header alone has " +
                   std::to_string(kHeaderBytes));
  }
  MUSTER_RETURN_IF_ERROR(CheckHeader(bytes));
  MUSTER_ASSIGN_OR_RETURN(const std::size_t type,
                          TypeOfNumber(Get<std::uint16_t>(bytes, kTypeAt), envelope.minor));
  if (bytes.size() > kMessageTypes[type].bytes_max)
    return TooLong(kMessageTypes[type].name, bytes.size(), kMessageTypes[type].bytes_max);
  envelope.coordinator.value = GetSigned(bytes, kCoordinatorAt);
  envelope.incarnation = GetSigned(bytes, kIncarnationAt);
  envelope.sequence = GetSigned(bytes, kSequenceAt);
  envelope.key = Get<std::uint64_t>(bytes, kKeyAt);
  MUSTER_ASSIGN_OR_RETURN(envelope.message,
                          ReadBody(type, Get<std::uint8_t>(bytes, kFormAt),
                                   bytes.substr(Get<std::uint16_t>(bytes, kHeaderBytesAt))));
  const AttemptEpoch attempt(GetSigned(bytes, kAttemptAt));
  if (attempt == AttemptOf(envelope.message)) return envelope;
  return Invalid(std::string(kMessageTypes[type].name) + " of attempt " +
                 std::to_string(AttemptOf(envelope.message).value) + " in a frame of attempt " +
                 std::to_string(attempt.value));
}

}  // namespace muster::wire
