#include "runtime/net/coordinator_socket.h"

#include <array>
#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

#include "runtime/base/log.h"
#include "runtime/net/zmq_handles.h"

namespace muster::net {
namespace {

struct Outgoing {
  NodeId node;
  std::string bytes;
};

/// The node that a message claims to be from; empty when it makes no claim.
NodeId ClaimedNode(const wire::Message& message) {
  if (const auto* hello = std::get_if<wire::Hello>(&message)) return hello->node;
  if (const auto* heartbeat = std::get_if<wire::Heartbeat>(&message)) return heartbeat->node;
  return {};
}

}  // namespace

struct CoordinatorSocket::Impl {
  Impl(Options given, Callbacks calls)
      : options(std::move(given)), callbacks(std::move(calls)), outbox(options.queue_max) {}

  Status Open();
  void Run();
  void AnswerZap();
  void ReceiveAll();
  void HandleMessage(const std::string& routing_id, Frame& payload);
  void SendAll();
  NodeId Lookup(const std::string& public_key);

  Options options;
  Callbacks callbacks;
  Mailbox<Outgoing> outbox;
  std::mutex mutex;  ///< guards options.allowed
  std::atomic<bool> stopping = false;
  std::string endpoint;
  ContextHandle context;
  SocketHandle zap;
  SocketHandle router;
  /// Of the socket's thread: where the newest message of a node came from.
  std::map<NodeId, std::string> routes;
  std::int64_t dropped = 0;
  std::thread thread;
};

Status CoordinatorSocket::Impl::Open() {
  context.reset(zmq_ctx_new());
  zap.reset(zmq_socket(context.get(), ZMQ_REP));
  router.reset(zmq_socket(context.get(), ZMQ_ROUTER));
  if (!zap || !router) return ZmqError("zmq_socket");
  MUSTER_RETURN_IF_ERROR(SetOption(zap.get(), ZMQ_LINGER, 0));
  // The handler has to stand before the first handshake, or libzmq lets every key in.
  if (zmq_bind(zap.get(), "inproc://zeromq.zap.01") != 0) return ZmqError("bind ZAP");
  MUSTER_RETURN_IF_ERROR(SetCommonOptions(router.get()));
  MUSTER_RETURN_IF_ERROR(SetOption(router.get(), ZMQ_ROUTER_MANDATORY, 1));
  MUSTER_RETURN_IF_ERROR(SetOption(router.get(), ZMQ_CURVE_SERVER, 1));
  MUSTER_RETURN_IF_ERROR(SetOption(router.get(), ZMQ_CURVE_SECRETKEY, options.keys.secret_key));
  MUSTER_RETURN_IF_ERROR(SetOption(router.get(), ZMQ_ZAP_DOMAIN, std::string("muster")));
  if (zmq_bind(router.get(), options.endpoint.c_str()) != 0)
    return ZmqError("cannot listen on " + options.endpoint);
  std::array<char, 256> bound{};
  std::size_t size = bound.size();
  if (zmq_getsockopt(router.get(), ZMQ_LAST_ENDPOINT, bound.data(), &size) != 0)
    return ZmqError("ZMQ_LAST_ENDPOINT");
  endpoint = bound.data();
  return Ok();
}

void CoordinatorSocket::Impl::Run() {
  while (!stopping) {
    std::array<zmq_pollitem_t, 3> items{{{zap.get(), 0, ZMQ_POLLIN, 0},
                                         {router.get(), 0, ZMQ_POLLIN, 0},
                                         {nullptr, outbox.fd(), ZMQ_POLLIN, 0}}};
    if (zmq_poll(items.data(), items.size(), 1000) < 0 && zmq_errno() != EINTR) {
      LogError("net", ZmqError("zmq_poll").message);
      return;
    }
    if (items[0].revents != 0) AnswerZap();
    if (items[1].revents != 0) ReceiveAll();
    if (items[2].revents != 0) SendAll();
  }
}

NodeId CoordinatorSocket::Impl::Lookup(const std::string& public_key) {
  const std::lock_guard lock(mutex);
  const auto found = options.allowed.find(public_key);
  return found == options.allowed.end() ? NodeId() : found->second;
}

void CoordinatorSocket::Impl::AnswerZap() {
  // version, request id, domain, address, identity, mechanism, client key (32 bytes)
  std::vector<std::string> request;
  for (bool more = true; more;) {
    Frame frame;
    if (!frame.Receive(zap.get())) return;
    request.emplace_back(frame.text());
    more = frame.more();
  }
  NodeId node;
  std::string key = "none";
  if (request.size() == 7 && request[5] == "CURVE" && request[6].size() == 32) {
    std::array<char, 41> text{};
    zmq_z85_encode(text.data(), reinterpret_cast<const std::uint8_t*>(request[6].data()), 32);
    key = text.data();
    node = Lookup(key);
  }
  const bool known = !node.empty();
  if (!known) LogWarning("net", "refused a connection with the unknown key " + key);
  // 300, not 400: at a permanent refusal libzmq's client never tries again, so that a node whose key is
  // allowed later would have to be restarted.
  const std::array<std::string, 6> answer{"1.0",
                                          request.size() > 1 ? request[1] : "",
                                          known ? "200" : "300",
                                          known ? "OK" : "unknown key",
                                          node.value,
                                          ""};
  for (std::size_t i = 0; i < answer.size(); ++i) {
    zmq_send(zap.get(), answer[i].data(), answer[i].size(),
             ZMQ_DONTWAIT | (i + 1 < answer.size() ? ZMQ_SNDMORE : 0));
  }
}

void CoordinatorSocket::Impl::ReceiveAll() {
  for (int i = 0; i < kReceiveBurst; ++i) {
    Frame routing_id;
    if (!routing_id.Receive(router.get())) return;
    Frame payload;
    if (!routing_id.more() || !payload.Receive(router.get())) continue;
    if (!payload.more()) {
      HandleMessage(std::string(routing_id.text()), payload);
      continue;
    }
    for (bool more = true; more;) {  // not ours: a message is one frame
      Frame rest;
      more = rest.Receive(router.get()) && rest.more();
    }
  }
}

void CoordinatorSocket::Impl::HandleMessage(const std::string& routing_id, Frame& payload) {
  const NodeId node(payload.property("User-Id"));
  auto envelope = wire::DecodeEnvelope(payload.text());
  if (!envelope.ok()) {
    LogWarning("net", "message of node " + node.value + " dropped: " + envelope.error().message);
    return;
  }
  const NodeId claimed = ClaimedNode(envelope->message);
  if (!claimed.empty() && claimed != node) {
    LogWarning("net", "dropped a message that claims to be from node " + claimed.value +
                          " with the key of node " + node.value);
    return;
  }
  routes[node] = routing_id;
  callbacks.on_message(node, std::move(envelope).value());
}

void CoordinatorSocket::Impl::SendAll() {
  for (const auto& item : outbox.TakeAll()) {
    const auto route = routes.find(item.node);
    if (route == routes.end()) continue;
    const std::string& id = route->second;
    if (zmq_send(router.get(), id.data(), id.size(), ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0) {
      zmq_send(router.get(), item.bytes.data(), item.bytes.size(), ZMQ_DONTWAIT);
    } else if (zmq_errno() == EHOSTUNREACH) {
      routes.erase(route);
      if (callbacks.on_lost) callbacks.on_lost(item.node);
    } else if (dropped++ % 1000 == 0) {
      LogWarning("net", "queue to node " + item.node.value +
                            " is full; messages dropped so far: " + std::to_string(dropped));
    }
  }
}

CoordinatorSocket::CoordinatorSocket(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<CoordinatorSocket>> CoordinatorSocket::Start(Options options,
                                                                    Callbacks callbacks) {
  auto impl = std::make_unique<Impl>(std::move(options), std::move(callbacks));
  MUSTER_RETURN_IF_ERROR(impl->Open());
  auto* raw = impl.get();
  impl->thread = std::thread([raw] { raw->Run(); });
  return std::unique_ptr<CoordinatorSocket>(new CoordinatorSocket(std::move(impl)));
}

CoordinatorSocket::~CoordinatorSocket() {
  impl_->stopping = true;
  impl_->outbox.Wake();
  impl_->thread.join();
}

void CoordinatorSocket::Send(const NodeId& node, const wire::Envelope& envelope) {
  if (!impl_->outbox.Put({node, wire::EncodeEnvelope(envelope)})) {
    LogWarning("net", "outgoing queue is full; a message to node " + node.value + " was dropped");
  }
}

void CoordinatorSocket::SetAllowed(AllowList allowed) {
  const std::lock_guard lock(impl_->mutex);
  impl_->options.allowed = std::move(allowed);
}

const std::string& CoordinatorSocket::endpoint() const { return impl_->endpoint; }

}  // namespace muster::net
