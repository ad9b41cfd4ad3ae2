#include "runtime/wire/messages.h"

#include <array>

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>

#include "runtime/wire/codec.h"
#include "runtime/wire/trial_record_json.h"

namespace muster::wire {

BOOST_DESCRIBE_ENUM(LauncherKind, kLocal, kMpi)
BOOST_DESCRIBE_ENUM(AttemptPhase, kPreparing, kPrepared, kRunning, kStopping, kExited)
BOOST_DESCRIBE_ENUM(ExitCause, kSuccess, kResume, kUser, kOom, kNode, kPreempt, kWalltime, kHang,
                    kInfra, kFenced, kStopped)
BOOST_DESCRIBE_ENUM(StopReason, kPruned, kCancelled, kPaused, kFenced, kShutdown, kPreempted,
                    kGangLost)
BOOST_DESCRIBE_STRUCT(DeviceShare, (), (device, milli, memory_bytes))
BOOST_DESCRIBE_STRUCT(AttemptReport, (), (epoch, trial, phase))
BOOST_DESCRIBE_STRUCT(Hello, (),
                      (node, host, slots, gpus, gpu_memory, resources, labels, incarnation,
                       attempts))
BOOST_DESCRIBE_STRUCT(Heartbeat, (), (node, sequence))
BOOST_DESCRIBE_STRUCT(Prepared, (), (epoch, address, port))
BOOST_DESCRIBE_STRUCT(Started, (), (epoch))
BOOST_DESCRIBE_STRUCT(Records, (), (epoch, begin, end, records))
BOOST_DESCRIBE_STRUCT(LogChunk, (), (epoch, rank, stream, begin, data))
BOOST_DESCRIBE_STRUCT(RankExit, (), (rank, code, text))
BOOST_DESCRIBE_STRUCT(Exited, (), (epoch, started, cause, message, ranks, records_end))
BOOST_DESCRIBE_STRUCT(Welcome, (), (coordinator, lease_ms, heartbeat_ms, keep, kill, records_end))
BOOST_DESCRIBE_STRUCT(HeartbeatAck, (), (sequence))
BOOST_DESCRIBE_STRUCT(Prepare, (),
                      (epoch, trial, run, launcher, command, working_dir, env, params_json,
                       checkpoint_dir, ranks, first_rank, world_size, node_rank, cpus_per_rank,
                       gpus_per_rank, slots, devices, memory_per_rank, grace_ms, silence_ms))
BOOST_DESCRIBE_STRUCT(Go, (), (epoch, master_address, master_port))
BOOST_DESCRIBE_STRUCT(Abort, (), (epoch))
BOOST_DESCRIBE_STRUCT(Stop, (), (epoch, reason, grace_ms))
BOOST_DESCRIBE_STRUCT(AskCheckpoint, (), (epoch))
BOOST_DESCRIBE_STRUCT(Ack, (), (epoch, records_end, logs_end))
BOOST_DESCRIBE_STRUCT(Forget, (), (epoch))

namespace {

/// In the order of `Message`.
constexpr std::array<std::string_view, std::variant_size_v<Message>> kNames{
    "hello",  "heartbeat",      "prepared",      "started", "records", "log_chunk",
    "exited", "welcome",        "heartbeat_ack", "prepare", "go",      "abort",
    "stop",   "ask_checkpoint", "ack",           "forget"};

template <std::size_t kIndex = 0>
Result<Message> DecodeBody(std::string_view name, const Json& body) {
  if constexpr (kIndex == std::variant_size_v<Message>) {
    return Invalid("unknown message type '" + std::string(name) + "'");
  } else {
    if (kNames[kIndex] != name) return DecodeBody<kIndex + 1>(name, body);
    auto message = FromJson<std::variant_alternative_t<kIndex, Message>>(body);
    if (!message.ok()) return message.error().With(name);
    return Message(std::move(message).value());
  }
}

}  // namespace

std::string_view MessageName(const Message& message) { return kNames[message.index()]; }

std::string EncodeEnvelope(const Envelope& envelope) {
  boost::json::object frame;
  frame["v"] = boost::json::array{envelope.major, envelope.minor};
  frame["c"] = envelope.coordinator.value;
  frame["type"] = boost::json::string_view(MessageName(envelope.message));
  frame["body"] = std::visit([](const auto& message) { return ToJson(message); }, envelope.message);
  return SerializeJson(frame);
}

Result<Envelope> DecodeEnvelope(std::string_view bytes) {
  MUSTER_ASSIGN_OR_RETURN(const Json json, ParseJson(bytes));
  MUSTER_ASSIGN_OR_RETURN(auto frame, FromJson<boost::json::object>(json));
  MUSTER_ASSIGN_OR_RETURN(auto version, FromJson<std::vector<int>>(frame["v"]));
  if (version.size() != 2) return Invalid("envelope version must be [major, minor]");
  Envelope envelope;
  envelope.major = version[0];
  envelope.minor = version[1];
  if (envelope.major != kMajorVersion) {
    return Unsupported("the peer speaks protocol " + std::to_string(version[0]) + "." +
                       std::to_string(version[1]) + ", this muster speaks " +
                       std::to_string(kMajorVersion) + "." + std::to_string(kMinorVersion));
  }
  MUSTER_ASSIGN_OR_RETURN(envelope.coordinator, FromJson<CoordinatorEpoch>(frame["c"]));
  MUSTER_ASSIGN_OR_RETURN(auto type, FromJson<std::string>(frame["type"]));
  MUSTER_ASSIGN_OR_RETURN(envelope.message, DecodeBody(type, frame["body"]));
  return envelope;
}

}  // namespace muster::wire
