#include "runtime/net/agent_socket.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <optional>
#include <thread>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/net/zmq_handles.h"
#include "runtime/wire/dialect.h"
#include "runtime/wire/refusal.h"

namespace muster::net {
namespace {

constexpr std::chrono::milliseconds kLookAtLeast(1000);

bool WantsAnswer(const wire::Message& message) {
  const auto* heartbeat = std::get_if<wire::Heartbeat>(&message);
  return heartbeat == nullptr || heartbeat->sequence != 0;
}

}  // namespace

struct AgentSocket::Impl {
  Impl(Options given, Callbacks calls)
      : options(std::move(given)),
        callbacks(std::move(calls)),
        outbox(options.queue_max),
        dialect(options.majors) {}

  Status Open();
  void Run();
  void TakeEvents();
  void HandleEvent(int event);
  void ReceiveAll();
  void OnRefused(const wire::Refusal& refusal);
  void HangUp(std::chrono::milliseconds pause);
  void HangUpIfDead();
  void CallAgain();
  void SendAll();

  Options options;
  Callbacks callbacks;
  Mailbox<wire::Envelope> outbox;
  std::atomic<bool> stopping = false;
  ContextHandle context;
  SocketHandle dealer;
  SocketHandle monitor;
  // Of the socket's thread:
  bool connected = false;
  bool refusal_logged = false;  // once a stretch of refusals, not at each of many retries
  wire::Dialect dialect;
  std::int64_t sequence = 0;                // of this connection
  std::optional<MonotonicTime> call_again;  // set while the agent has hung up
  std::optional<MonotonicTime> unanswered;  // the oldest message since something came
  std::int64_t dropped = 0;
  std::thread thread;
};

Status AgentSocket::Impl::Open() {
  context.reset(zmq_ctx_new());
  dealer.reset(zmq_socket(context.get(), ZMQ_DEALER));
  monitor.reset(zmq_socket(context.get(), ZMQ_PAIR));
  if (!dealer || !monitor) return ZmqError("zmq_socket");
  void* socket = dealer.get();
  MUSTER_RETURN_IF_ERROR(SetCommonOptions(socket));
  // Nothing is queued for a connection that does not stand: the protocol repeats what matters.
  MUSTER_RETURN_IF_ERROR(SetOption(socket, ZMQ_IMMEDIATE, 1));
  MUSTER_RETURN_IF_ERROR(SetOption(socket, ZMQ_RECONNECT_IVL, 50));
  MUSTER_RETURN_IF_ERROR(SetOption(socket, ZMQ_RECONNECT_IVL_MAX, 1000));
  MUSTER_RETURN_IF_ERROR(SetOption(socket, ZMQ_CONNECT_TIMEOUT, 5000));
  MUSTER_RETURN_IF_ERROR(SetOption(socket, ZMQ_CURVE_SERVERKEY, options.server_public_key));
  MUSTER_RETURN_IF_ERROR(SetOption(socket, ZMQ_CURVE_PUBLICKEY, options.keys.public_key));
  MUSTER_RETURN_IF_ERROR(SetOption(socket, ZMQ_CURVE_SECRETKEY, options.keys.secret_key));
  MUSTER_RETURN_IF_ERROR(SetOption(monitor.get(), ZMQ_LINGER, 0));
  if (zmq_socket_monitor(socket, "inproc://monitor",
                         ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED |
                             ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                             ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                             ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL) != 0 ||
      zmq_connect(monitor.get(), "inproc://monitor") != 0) {
    return ZmqError("zmq_socket_monitor");
  }
  if (zmq_connect(socket, options.endpoint.c_str()) != 0)
    return ZmqError("cannot connect to " + options.endpoint);
  return Ok();
}

void AgentSocket::Impl::Run() {
  while (!stopping) {
    std::array<zmq_pollitem_t, 3> items{{{monitor.get(), 0, ZMQ_POLLIN, 0},
                                         {dealer.get(), 0, ZMQ_POLLIN, 0},
                                         {nullptr, outbox.fd(), ZMQ_POLLIN, 0}}};
    const auto most = std::min({options.pause_after_refusal, options.silence_max, kLookAtLeast});
    if (zmq_poll(items.data(), items.size(), most.count()) < 0 && zmq_errno() != EINTR) {
      LogError("net", ZmqError("zmq_poll").message);
      return;
    }
    // Events first: on_connected comes before the first message of the connection.
    if (items[0].revents != 0) TakeEvents();
    if (items[1].revents != 0) ReceiveAll();
    if (items[2].revents != 0) SendAll();
    HangUpIfDead();
    if (call_again && SystemClock().Now() >= *call_again) CallAgain();
  }
}

void AgentSocket::Impl::TakeEvents() {
  while (true) {
    Frame event;  // event number in 16 bits, a value in 32; the address follows in a second frame
    if (!event.Receive(monitor.get())) return;
    std::uint16_t number = 0;
    if (event.text().size() >= sizeof number)
      std::memcpy(&number, event.text().data(), sizeof number);
    Frame address;
    if (event.more()) address.Receive(monitor.get());
    HandleEvent(number);
  }
}

void AgentSocket::Impl::HandleEvent(int event) {
  if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
    connected = true;
    refusal_logged = false;
    dialect.OnConnected();
    sequence = 0;
    unanswered.reset();
    callbacks.on_connected();
  } else if (event == ZMQ_EVENT_DISCONNECTED) {
    if (std::exchange(connected, false)) callbacks.on_disconnected();
  } else {
    const std::string why =
        "the server at " + options.endpoint +
        " refused this node's key (or is not the server that the key file names)";
    if (!std::exchange(refusal_logged, true)) LogError("net", why);
    // Other failures of a handshake may be the network's.
    if (event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH && callbacks.on_refused) callbacks.on_refused(why);
  }
}

void AgentSocket::Impl::ReceiveAll() {
  for (int i = 0; i < kReceiveBurst; ++i) {
    Frame payload;
    if (!payload.Receive(dealer.get())) return;
    if (!connected) continue;  // of a connection that was hung up
    unanswered.reset();
    if (const auto refusal = wire::DecodeRefusal(payload.text())) {
      OnRefused(*refusal);
      continue;
    }
    auto envelope = wire::DecodeEnvelope(payload.text(), options.majors);
    if (!envelope.ok()) {
      LogWarning("net", "message of the coordinator dropped: " + envelope.error().message);
    } else if (wire::SentByAgent(envelope->message)) {
      LogWarning("net", "the coordinator said " +
                            std::string(wire::MessageName(envelope->message)) +
                            ", which only an agent says; dropped");
    } else {
      dialect.OnReceived(envelope->major);
      callbacks.on_message(std::move(envelope).value());
    }
  }
}

void AgentSocket::Impl::OnRefused(const wire::Refusal& refusal) {
  const bool version = refusal.code == wire::RefusalCode::kVersion;
  if (version && dialect.OnRefused(refusal.majors)) {
    LogInfo("net", "the server at " + options.endpoint + " is older; speaking protocol " +
                       std::to_string(dialect.major()) + " to it");
    return;
  }
  const std::string why =
      "the server at " + options.endpoint + " refused: " +
      (version ? "it speaks other protocols than this muster's " +
                     std::to_string(options.majors.newest) + "; update the older of the two"
               : refusal.sentence);
  if (!std::exchange(refusal_logged, true)) LogError("net", why);
  HangUp(options.pause_after_refusal);
  if (callbacks.on_refused) callbacks.on_refused(why);
}

/// A peer that lost its power, or a cut cable, ends no TCP connection.
void AgentSocket::Impl::HangUpIfDead() {
  if (!connected || !unanswered || SystemClock().Now() - *unanswered < options.silence_max) return;
  LogWarning("net", "the server at " + options.endpoint + " has not answered for " +
                        std::to_string(options.silence_max.count()) + " ms; connecting anew");
  HangUp({});
}

void AgentSocket::Impl::HangUp(std::chrono::milliseconds pause) {
  zmq_disconnect(dealer.get(), options.endpoint.c_str());
  call_again = SystemClock().Now() + pause;
  if (std::exchange(connected, false)) callbacks.on_disconnected();
}

void AgentSocket::Impl::CallAgain() {
  call_again.reset();
  if (zmq_connect(dealer.get(), options.endpoint.c_str()) == 0) return;
  LogError("net", ZmqError("cannot connect to " + options.endpoint).message);
  call_again = SystemClock().Now() + options.pause_after_refusal;
}

void AgentSocket::Impl::SendAll() {
  for (wire::Envelope& envelope : outbox.TakeAll()) {
    if (!connected) continue;
    dialect.OnSend(envelope.message);
    envelope.major = dialect.major();
    envelope.incarnation = options.incarnation;
    envelope.sequence = ++sequence;
    if (!unanswered && WantsAnswer(envelope.message)) unanswered = SystemClock().Now();
    const std::string bytes = wire::EncodeEnvelope(envelope);
    if (zmq_send(dealer.get(), bytes.data(), bytes.size(), ZMQ_DONTWAIT) < 0 &&
        dropped++ % 1000 == 0) {
      LogWarning("net", "queue to the coordinator is full; messages dropped so far: " +
                            std::to_string(dropped));
    }
  }
}

AgentSocket::AgentSocket(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<AgentSocket>> AgentSocket::Start(Options options, Callbacks callbacks) {
  auto impl = std::make_unique<Impl>(std::move(options), std::move(callbacks));
  MUSTER_RETURN_IF_ERROR(impl->Open());
  auto* raw = impl.get();
  impl->thread = std::thread([raw] { raw->Run(); });
  return std::unique_ptr<AgentSocket>(new AgentSocket(std::move(impl)));
}

AgentSocket::~AgentSocket() {
  impl_->stopping = true;
  impl_->outbox.Wake();
  impl_->thread.join();
}

void AgentSocket::Send(wire::Envelope envelope) {
  if (!impl_->outbox.Put(std::move(envelope))) {
    LogWarning("net", "outgoing queue to the coordinator is full; a message was dropped");
  }
}

}  // namespace muster::net
