#include "runtime/wire/body.h"

#include <boost/mp11/algorithm.hpp>
#include <type_traits>

#include "runtime/wire/bounds.h"
#include "runtime/wire/message_types.h"
#include "runtime/wire/messages_json.h"

namespace muster::wire {
namespace {

constexpr std::size_t kNodeBytesMax = 128;
constexpr std::size_t kTextBytesMax = 1024;  ///< of a host, an address, a label
constexpr std::size_t kLabelsMax = 256;
constexpr int kSlotsMax = 65'536;
constexpr std::size_t kSecretBytesMax = 256;
constexpr std::int64_t kPartsMax = 65'536;  ///< of a gang, a node each
constexpr std::int64_t kUseMax = std::int64_t{1} << 53;

Status CheckText(std::string_view path, std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return Ok();
  return Invalid("at " + std::string(path) + ": " + std::to_string(text.size()) +
                 " bytes; at most " + std::to_string(bytes_max));
}

Status CheckNumber(std::string_view path, std::int64_t number, std::int64_t low,
                   std::int64_t high) {
  if (number >= low && number <= high) return Ok();
  return Invalid("at " + std::string(path) + ": " + std::to_string(number) + "; wanted " +
                 std::to_string(low) + " to " + std::to_string(high));
}

Status CheckRange(std::int64_t begin, std::int64_t end) {
  if (begin >= 0 && begin <= end) return Ok();
  return Invalid("at begin: offsets " + std::to_string(begin) + " to " + std::to_string(end) +
                 "; wanted 0 <= begin <= end");
}

Status Check(const Hello& hello) {
  MUSTER_RETURN_IF_ERROR(CheckText("node", hello.node.value, kNodeBytesMax));
  MUSTER_RETURN_IF_ERROR(CheckText("host", hello.host, kTextBytesMax));
  MUSTER_RETURN_IF_ERROR(CheckNumber("slots", hello.slots, 0, kSlotsMax));
  MUSTER_RETURN_IF_ERROR(CheckNumber("gpus", hello.gpus, 0, kSlotsMax));
  MUSTER_RETURN_IF_ERROR(
      CheckNumber("labels", static_cast<std::int64_t>(hello.labels.size()), 0, kLabelsMax));
  for (const auto& [key, value] : hello.labels) {
    MUSTER_RETURN_IF_ERROR(CheckText("labels", key, kTextBytesMax));
    MUSTER_RETURN_IF_ERROR(CheckText("labels", value, kTextBytesMax));
  }
  return Ok();
}
Status Check(const Heartbeat& heartbeat) {
  return CheckText("node", heartbeat.node.value, kNodeBytesMax);
}
Status Check(const Prepared& prepared) {
  MUSTER_RETURN_IF_ERROR(CheckText("address", prepared.address, kTextBytesMax));
  return CheckNumber("port", prepared.port, 0, 65'535);
}
Status Check(const Records& records) { return CheckRange(records.begin, records.end); }
Status Check(const LogChunk& chunk) {
  // Rank and stream become a file's name.
  MUSTER_RETURN_IF_ERROR(CheckNumber("rank", chunk.rank, 0, 1'000'000));
  MUSTER_RETURN_IF_ERROR(
      CheckNumber("begin", chunk.begin, 0, std::numeric_limits<std::int64_t>::max()));
  if (chunk.stream == "out" || chunk.stream == "err") return Ok();
  return Invalid("at stream: wanted out or err, got " + internal::Excerpt(ToJson(chunk.stream)));
}
Status Check(const Prepare& prepare) {
  return CheckText("start_secret", prepare.start_secret, kSecretBytesMax);
}
Status Check(const Go& go) {
  MUSTER_RETURN_IF_ERROR(
      CheckNumber("parts", static_cast<std::int64_t>(go.parts.size()), 0, kPartsMax));
  for (const GangPart& part : go.parts) {
    MUSTER_RETURN_IF_ERROR(CheckText("parts", part.address, kTextBytesMax));
    MUSTER_RETURN_IF_ERROR(CheckNumber("parts", part.port, 0, 65'535));
    MUSTER_RETURN_IF_ERROR(CheckNumber("parts", part.ranks, 1, kSlotsMax));
  }
  return Ok();
}
Status Check(const Exited& exited) {
  if (!exited.used) return Ok();
  MUSTER_RETURN_IF_ERROR(CheckNumber("used", exited.used->cpu_ms, 0, kUseMax));
  MUSTER_RETURN_IF_ERROR(CheckNumber("used", exited.used->memory_bytes, 0, kUseMax));
  return CheckNumber("used", exited.used->gpu_ms.value_or(0), 0, kUseMax);
}
template <typename T>
Status Check(const T& /*bounded by the message's length and kBodyValuesMax*/) {
  return Ok();
}

}  // namespace

Status CheckMessage(const Message& message) {
  const Status good = std::visit([](const auto& one) { return Check(one); }, message);
  return good.ok() ? good : Status(good.error().With(MessageName(message)));
}

Json BodyToJson(const Message& message) {
  return std::visit([](const auto& one) { return ToJson(one); }, message);
}

std::string EncodeBody(const Message& message) {
  return std::visit([](const auto& one) { return Encode(one); }, message);
}

Result<Message> BodyFromJson(std::size_t type, const Json& body) {
  return boost::mp11::mp_with_index<std::variant_size_v<Message>>(
      type, [&](auto index) -> Result<Message> {
        auto decoded = FromJson<std::variant_alternative_t<index, Message>>(body);
        if (!decoded.ok()) return decoded.error().With(kMessageTypes[index].name);
        Message message(std::in_place_index<index>, std::move(decoded).value());
        MUSTER_RETURN_IF_ERROR(CheckMessage(message));
        return message;
      });
}

Result<std::size_t> TypeOfName(std::string_view name) {
  for (std::size_t type = 0; type < kMessageTypes.size(); ++type) {
    if (kMessageTypes[type].name == name) return type;
  }
  return Invalid("unknown message type " + internal::Excerpt(ToJson(name)));
}

Result<std::size_t> TypeOfNumber(int number, int minor) {
  for (std::size_t type = 0; type < kMessageTypes.size(); ++type) {
    if (kMessageTypes[type].number == number) return type;
  }
  return Invalid("unknown message type " + std::to_string(number) + " of protocol " +
                 std::to_string(kMajorVersion) + "." + std::to_string(minor) +
                 "; this muster speaks " + std::to_string(kMajorVersion) + "." +
                 std::to_string(kMinorVersion));
}

Error AnotherMajor(int major, int minor, Majors spoken) {
  std::string ours = std::to_string(spoken.newest);
  if (spoken.oldest < spoken.newest) ours = std::to_string(spoken.oldest) + " to " + ours;
  return Unsupported("the peer speaks protocol " + std::to_string(major) + "." +
                     std::to_string(minor) + ", this muster speaks major " + ours);
}

Error TooLong(std::string_view what, std::size_t bytes, std::size_t bytes_max) {
  return ResourceExhausted(std::string(what) + " of " + std::to_string(bytes) + " bytes; at most " +
                           std::to_string(bytes_max));
}

}  // namespace muster::wire
