#include "runtime/net/coordinator_socket.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <optional>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "runtime/base/log.h"
#include "runtime/net/zap.h"
#include "runtime/net/zmq_handles.h"
#include "runtime/wire/dialect.h"
#include "runtime/wire/refusal.h"

namespace muster::net {
namespace {

/// Before the next look after one that found heartbeats alone: those of a thousand nodes are taken together. What
/// runs a trial never waits behind more than one such pause.
constexpr std::chrono::milliseconds kAfterHeartbeats(10);

struct Outgoing {
  NodeId node;
  wire::Envelope envelope;
};

/// Where and how a node is spoken to: as its newest message came.
struct Route {
  std::string id;
  std::string key;
  int major = wire::kMajorVersion;
  std::int64_t incarnation = 0;  ///< the highest heard
  std::int64_t sequence = 0;     ///< of the last message to it
};

/// Says the first of many, and then each thousandth.
class Seldom {
 public:
  void Warn(const std::string& what, const std::string& text) {
    const std::int64_t times = ++counts_[what];
    if (times % 1000 == 1)
      LogWarning("net", text + (times > 1 ? " (" + std::to_string(times) + " times)" : ""));
  }

 private:
  std::map<std::string, std::int64_t> counts_;
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
      : options(std::move(given)), callbacks(std::move(calls)), outbox(options.queue_max) {
    allowed.Set(std::move(options.allowed));
  }

  Status Open();
  void Run();
  bool ReceiveAll();
  bool HandleMessage(const std::string& routing_id, Frame& payload);
  void Deliver(const std::string& routing_id, const std::string& key, const NodeId& node,
               wire::Envelope envelope);
  void Refuse(const std::string& routing_id, wire::RefusalCode code, const std::string& sentence);
  void CutRevoked();
  void SendAll();

  Options options;
  Callbacks callbacks;
  Mailbox<Outgoing> outbox;
  KeyTable allowed;
  std::atomic<bool> stopping = false;
  std::atomic<bool> allowed_changed = false;
  std::string endpoint;
  ContextHandle context;
  ZapHandler zap;
  SocketHandle router;
  // Of the socket's thread:
  std::unordered_map<NodeId, Route> routes;
  std::unordered_set<std::string> seen;  ///< keys that on_key_seen was called with
  Seldom seldom;
  std::thread thread;
};

Status CoordinatorSocket::Impl::Open() {
  context.reset(zmq_ctx_new());
  MUSTER_RETURN_IF_ERROR(zap.Open(context.get()));
  router.reset(zmq_socket(context.get(), ZMQ_ROUTER));
  if (!router) return ZmqError("zmq_socket");
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
    std::array<zmq_pollitem_t, 3> items{{{zap.socket(), 0, ZMQ_POLLIN, 0},
                                         {router.get(), 0, ZMQ_POLLIN, 0},
                                         {nullptr, outbox.fd(), ZMQ_POLLIN, 0}}};
    if (zmq_poll(items.data(), items.size(), 1000) < 0 && zmq_errno() != EINTR) {
      LogError("net", ZmqError("zmq_poll").message);
      return;
    }
    if (allowed_changed.exchange(false)) CutRevoked();
    if (items[0].revents != 0) {
      // Anybody may call, with a key of his own each time: one line for all of them.
      if (const auto key = zap.Answer(allowed))
        seldom.Warn("unknown key", "refused a connection with the unknown key " + *key);
    }
    const bool idle = items[1].revents != 0 && !ReceiveAll();
    if (items[2].revents != 0) SendAll();
    if (idle) std::this_thread::sleep_for(kAfterHeartbeats);
  }
}

/// False: nothing but heartbeats came.
bool CoordinatorSocket::Impl::ReceiveAll() {
  bool work = false;
  for (int i = 0; i < kReceiveBurst; ++i) {
    Frame routing_id;
    if (!routing_id.Receive(router.get())) return work;
    Frame payload;
    if (!routing_id.more() || !payload.Receive(router.get())) continue;
    if (!payload.more()) {
      work = HandleMessage(std::string(routing_id.text()), payload) || work;
      continue;
    }
    for (bool more = true; more;) {  // not ours: a message is one frame
      Frame rest;
      more = rest.Receive(router.get()) && rest.more();
    }
  }
  return true;  // there is more
}

/// False: it was a heartbeat, or nothing to be heard.
bool CoordinatorSocket::Impl::HandleMessage(const std::string& routing_id, Frame& payload) {
  const std::string key = payload.property("User-Id");
  const auto holder = allowed.Find(key);
  if (!holder) {
    seldom.Warn("revoked " + key, "dropped a message with the key " + key + ", which was revoked");
    Refuse(routing_id, wire::RefusalCode::kKey, "this node's key was revoked");
    return false;
  }
  const auto who = [&] { return "node " + holder->node.value; };
  auto envelope = wire::DecodeEnvelope(payload.text(), options.majors);
  if (!envelope.ok()) {
    seldom.Warn("decode " + key, "message of " + who() + " dropped: " + envelope.error().message);
    if (envelope.error().kind == ErrorKind::kUnsupported) {
      Refuse(routing_id, wire::RefusalCode::kVersion, envelope.error().message);
      if (callbacks.on_stranger) callbacks.on_stranger(holder->node, envelope.error().message);
    }
    return false;
  }
  if (holder->role != Role::kAgent || !wire::SentByAgent(envelope->message)) {
    const std::string name(wire::MessageName(envelope->message));
    seldom.Warn("role " + key, "dropped " + name + " of " + who() + ": its key may not say that");
    Refuse(routing_id, wire::RefusalCode::kRole, "this key may not say " + name);
    return false;
  }
  const NodeId claimed = ClaimedNode(envelope->message);
  if (!claimed.empty() && claimed != holder->node) {
    seldom.Warn("claim " + key, "dropped a message that claims to be from node " + claimed.value +
                                    " with the key of " + who());
    return false;
  }
  const bool work = !std::holds_alternative<wire::Heartbeat>(envelope->message);
  Deliver(routing_id, key, holder->node, std::move(envelope).value());
  return work;
}

void CoordinatorSocket::Impl::Deliver(const std::string& routing_id, const std::string& key,
                                      const NodeId& node, wire::Envelope envelope) {
  Route& route = routes[node];
  if (envelope.incarnation != 0 && envelope.incarnation < route.incarnation) {
    seldom.Warn("replaced " + key, "dropped a message of start " +
                                       std::to_string(envelope.incarnation) + " of node " +
                                       node.value + "'s agent; start " +
                                       std::to_string(route.incarnation) + " was heard already");
    return Refuse(routing_id, wire::RefusalCode::kReplaced,
                  "an agent of this node that was started later is here; is the key file in use "
                  "on two machines, or was a clock ahead?");
  }
  if (route.id != routing_id) {
    route.id = routing_id;
    route.sequence = 0;
  }
  const bool other_key = route.key != key;
  if (other_key) route.key = key;
  route.major = envelope.major;
  route.incarnation = std::max(route.incarnation, envelope.incarnation);
  if (other_key && seen.insert(key).second && callbacks.on_key_seen) callbacks.on_key_seen(key);
  callbacks.on_message(node, std::move(envelope));
}

void CoordinatorSocket::Impl::Refuse(const std::string& routing_id, wire::RefusalCode code,
                                     const std::string& sentence) {
  const std::string line =
      wire::EncodeRefusal({.code = code, .majors = options.majors, .sentence = sentence});
  if (zmq_send(router.get(), routing_id.data(), routing_id.size(), ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0)
    zmq_send(router.get(), line.data(), line.size(), ZMQ_DONTWAIT);
}

void CoordinatorSocket::Impl::CutRevoked() {
  for (auto it = routes.begin(); it != routes.end();) {
    const auto& [node, route] = *it;
    const auto holder = allowed.Find(route.key);
    if (holder && holder->node == node && holder->role == Role::kAgent) {
      ++it;
      continue;
    }
    LogInfo("net", "the key of node " + node.value + " was revoked; its connection is cut");
    Refuse(route.id, wire::RefusalCode::kKey, "this node's key was revoked");
    if (callbacks.on_lost) callbacks.on_lost(node);
    seen.erase(route.key);
    it = routes.erase(it);
  }
}

void CoordinatorSocket::Impl::SendAll() {
  for (Outgoing& item : outbox.TakeAll()) {
    const auto found = routes.find(item.node);
    if (found == routes.end()) continue;
    Route& route = found->second;
    item.envelope.major = route.major;
    wire::PutInWordsOf(route.major, item.envelope.message);
    item.envelope.sequence = ++route.sequence;
    const std::string bytes = wire::EncodeEnvelope(item.envelope);
    if (zmq_send(router.get(), route.id.data(), route.id.size(), ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0) {
      zmq_send(router.get(), bytes.data(), bytes.size(), ZMQ_DONTWAIT);
    } else if (zmq_errno() == EHOSTUNREACH) {
      routes.erase(found);
      if (callbacks.on_lost) callbacks.on_lost(item.node);
    } else {
      seldom.Warn("full " + item.node.value,
                  "queue to node " + item.node.value + " is full; messages were dropped");
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

void CoordinatorSocket::Send(const NodeId& node, wire::Envelope envelope) {
  if (!impl_->outbox.Put({node, std::move(envelope)})) {
    LogWarning("net", "outgoing queue is full; a message to node " + node.value + " was dropped");
  }
}

void CoordinatorSocket::SetAllowed(AllowList allowed) {
  impl_->allowed.Set(std::move(allowed));
  impl_->allowed_changed = true;
  impl_->outbox.Wake();
}

const std::string& CoordinatorSocket::endpoint() const { return impl_->endpoint; }

}  // namespace muster::net
