#include "runtime/sim/network.h"

#include <algorithm>
#include <utility>

#include "runtime/agent/describe.h"

namespace muster::sim {

void Network::Join(CoordinatorHost& coordinator, std::vector<std::unique_ptr<Node>>& nodes) {
  coordinator_ = &coordinator;
  nodes_ = &nodes;
}

Node* Network::Find(const NodeId& id) const {
  if (const auto route = routes_.find(id.value); route != routes_.end()) return route->second;
  const auto found = std::ranges::find_if(
      *nodes_, [&id](const auto& node) { return !node->lent() && node->name() == id.value; });
  return found == nodes_->end() ? nullptr : found->get();
}

bool Network::Open(const Node& node, Way way) const {
  const auto cut = cut_until_.find({&node, way});
  return !world_.bad || cut == cut_until_.end() || cut->second <= world_.scheduler.now();
}

void Network::Partition(const Node& node, Way way, Micros how_long) {
  world_.Trace([&] {
    return std::string("network loses the way ") + (way == Way::kToNode ? "to " : "from ") +
           node.name();
  });
  cut_until_[{&node, way}] = world_.scheduler.now() + how_long;
}

void Network::Carry(const wire::Envelope& envelope,
                    const std::function<void(wire::Envelope)>& deliver) {
  const Rates& rates = world_.rates;
  if (world_.Fault(rates.loss)) {
    world_.Trace([&] { return "network drops " + agent::Describe(envelope.message); });
    return;
  }
  wire::Envelope carried = envelope;
  if (rates.through_codec) {
    auto decoded = wire::DecodeEnvelope(wire::EncodeEnvelope(envelope));
    if (!decoded.ok()) {
      world_.Violate("wire: " + decoded.error().message);
      return;
    }
    carried = *std::move(decoded);
  }
  const int copies = world_.Fault(rates.duplicate) ? 2 : 1;
  for (int copy = 0; copy < copies; ++copy) {
    Micros delay = world_.About(rates.delay);
    if (world_.Fault(rates.clog)) delay = std::min(delay * 1000, 8 * kSecond);
    world_.scheduler.After(delay, [deliver, carried] { deliver(carried); });
  }
}

void Network::ToNode(const NodeId& id, const wire::Envelope& envelope) {
  Node* node = Find(id);
  if (node == nullptr) return;
  Carry(envelope, [this, node, life = node->life()](wire::Envelope carried) {
    if (node->life() == life && node->agent_up() && node->connected() && Open(*node, Way::kToNode))
      node->Receive(std::move(carried));
  });
}

void Network::ToCoordinator(const Node& node, const wire::Envelope& envelope) {
  Carry(envelope, [this, &node, life = coordinator_->life()](wire::Envelope carried) {
    if (coordinator_->life() == life && coordinator_->up() && Open(node, Way::kToCoordinator) &&
        Hear(node))
      coordinator_->Take(coordinator::FromNode{NodeId(node.name()), std::move(carried.message)});
  });
}

bool Network::Hear(const Node& node) {
  if (!node.lent()) return true;
  if (!allowed_.contains(node.name().substr(0, node.name().rfind('.')))) return false;
  std::int64_t& latest = heard_[node.name()];
  if (node.incarnation() < latest && world_.sabotage != Sabotage::kHearCopies) return false;
  latest = std::max(latest, node.incarnation());
  const auto own =
      std::ranges::find_if(*nodes_, [&](const auto& one) { return one.get() == &node; });
  routes_[node.name()] = own->get();
  return true;
}

void Network::Allow(const AllocationId& allocation, bool allowed) {
  if (allowed)
    allowed_.insert(allocation.value);
  else
    allowed_.erase(allocation.value);
}

void Network::Maintain() {
  for (const auto& node : *nodes_) {
    const bool possible = coordinator_->up() && Reachable(*node);
    if (node->agent_up() && !node->connected() && possible) {
      node->Connect();
    } else if (node->connected() && !possible && world_.random.Chance(0.05)) {
      node->Disconnect();
      const bool known = !node->lent() || Find(NodeId(node->name())) == node.get();
      if (coordinator_->up() && world_.random.Chance(0.5) && known)
        coordinator_->Take(coordinator::NodeLost{NodeId(node->name())});
    }
  }
  world_.scheduler.After(world_.About(200 * kMillisecond), [this] { Maintain(); });
}

void Network::CoordinatorDied() {
  routes_.clear();
  heard_.clear();
  for (const auto& node : *nodes_) {
    // Otherwise its connection comes back behind its back, to the next coordinator.
    if (node->connected() && !world_.Fault(world_.rates.silent_reconnect)) node->Disconnect();
  }
}

}  // namespace muster::sim
