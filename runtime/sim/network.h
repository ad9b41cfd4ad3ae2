#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "runtime/sim/coordinator_host.h"
#include "runtime/sim/node.h"
#include "runtime/sim/world.h"

/// Carries messages between the coordinator and the nodes, badly: each may be lost, doubled, overtaken or held
/// up for seconds, and a partition loses all, of both directions or of one. What was sent to a process that
/// died meanwhile is lost. Of several nodes of one name, copies of a lent one, the coordinator hears the latest start.

namespace muster::sim {

class Network {
 public:
  explicit Network(World& world) : world_(world) {}

  /// Both outlive the network's messages.
  void Join(CoordinatorHost& coordinator, std::vector<std::unique_ptr<Node>>& nodes);

  void ToNode(const NodeId& node, const wire::Envelope& envelope);
  void ToCoordinator(const Node& node, const wire::Envelope& envelope);
  enum class Way { kToNode, kToCoordinator };
  void Partition(const Node& node, Way way, Micros how_long);
  [[nodiscard]] bool Open(const Node& node, Way way) const;
  [[nodiscard]] bool Reachable(const Node& node) const {
    return Open(node, Way::kToNode) && Open(node, Way::kToCoordinator);
  }
  /// Connects the nodes that can be, notices some of the connections that broke. For ever.
  void Maintain();
  void CoordinatorDied();
  /// Nodes of an allocation may speak from now on, or no more: their keys are deleted.
  void Allow(const AllocationId& allocation, bool allowed);
  /// Of a lent node the copy that the coordinator hears. Null: none yet.
  [[nodiscard]] Node* Find(const NodeId& id) const;

 private:
  /// False: the coordinator's socket refuses what this copy says.
  bool Hear(const Node& node);
  void Carry(const wire::Envelope& envelope, const std::function<void(wire::Envelope)>& deliver);

  World& world_;
  CoordinatorHost* coordinator_ = nullptr;
  std::vector<std::unique_ptr<Node>>* nodes_ = nullptr;
  std::map<std::pair<const Node*, Way>, Micros> cut_until_;
  std::map<std::string, Node*> routes_;        ///< to lent nodes, by name
  std::map<std::string, std::int64_t> heard_;  ///< of each, the latest start
  std::set<std::string> allowed_;              ///< allocations
};

}  // namespace muster::sim
