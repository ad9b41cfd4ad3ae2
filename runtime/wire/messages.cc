#include "runtime/wire/messages.h"

#include <boost/mp11/algorithm.hpp>

#include "runtime/wire/body.h"
#include "runtime/wire/frame.h"
#include "runtime/wire/message_types.h"
#include "runtime/wire/messages_json.h"

namespace muster::wire {
namespace {

constexpr int kMinorOfMajorOne = 0;

std::string EncodeJsonEnvelope(const Envelope& envelope) {
  boost::json::object frame;
  frame["v"] = boost::json::array{1, kMinorOfMajorOne};
  frame["c"] = envelope.coordinator.value;
  frame["type"] = boost::json::string_view(MessageName(envelope.message));
  frame["body"] = BodyToJson(envelope.message);
  return SerializeJson(frame);
}

Result<Envelope> DecodeJsonEnvelope(std::string_view bytes, Majors spoken) {
  MUSTER_ASSIGN_OR_RETURN(const Json json, ParseJson(bytes, kBodyValuesMax));
  MUSTER_ASSIGN_OR_RETURN(auto frame, FromJson<boost::json::object>(json));
  MUSTER_ASSIGN_OR_RETURN(auto version, FromJson<std::vector<int>>(frame["v"]));
  if (version.size() != 2) return Invalid("envelope version must be [major, minor]");
  Envelope envelope;
  envelope.major = version[0];
  envelope.minor = version[1];
  // The binary form is the only one of the majors after the first.
  if (envelope.major != 1 || spoken.oldest > 1)
    return AnotherMajor(envelope.major, envelope.minor, spoken);
  MUSTER_ASSIGN_OR_RETURN(envelope.coordinator, FromJson<CoordinatorEpoch>(frame["c"]));
  MUSTER_ASSIGN_OR_RETURN(auto name, FromJson<std::string>(frame["type"]));
  MUSTER_ASSIGN_OR_RETURN(const std::size_t type, TypeOfName(name));
  if (bytes.size() > kMessageTypes[type].bytes_max)
    return TooLong(name, bytes.size(), kMessageTypes[type].bytes_max);
  MUSTER_ASSIGN_OR_RETURN(envelope.message, BodyFromJson(type, frame["body"]));
  return envelope;
}

}  // namespace

std::string EncodeEnvelope(const Envelope& envelope) {
  MUSTER_CHECK(envelope.major >= kOldestMajor && envelope.major <= kMajorVersion,
               "a message is encoded in a major that is spoken");
  return envelope.major == 1 ? EncodeJsonEnvelope(envelope) : EncodeFrame(envelope);
}

Result<Envelope> DecodeEnvelope(std::string_view bytes, Majors spoken) {
  if (bytes.size() > kEnvelopeBytesMax)
    return TooLong("a message", bytes.size(), kEnvelopeBytesMax);
  return IsFrame(bytes) ? DecodeFrame(bytes, spoken) : DecodeJsonEnvelope(bytes, spoken);
}

std::string_view MessageName(const Message& message) { return kMessageTypes[message.index()].name; }

bool SentByAgent(const Message& message) {
  return kMessageTypes[message.index()].number < kFirstCoordinatorType;
}

AttemptEpoch AttemptOf(const Message& message) {
  return std::visit(
      [](const auto& one) {
        if constexpr (requires { one.epoch; })
          return one.epoch;
        else
          return AttemptEpoch();
      },
      message);
}

}  // namespace muster::wire
