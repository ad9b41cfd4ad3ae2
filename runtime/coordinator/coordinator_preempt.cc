#include <algorithm>
#include <unordered_map>
#include <vector>

#include "runtime/coordinator/coordinator_turn.h"

/// A gang that finds no place takes it from gangs of a lower priority: they are told to save a checkpoint and
/// end, and go back to the queue without a charge. Only as many as it takes, the lowest priority and the
/// shortest run first, and none while those that were told already will make room.

namespace muster::coordinator {
namespace {

/// The usable nodes as they would be without some of the gangs.
class Prospect {
 public:
  Prospect(const State& state, const std::vector<Room>& rooms) : state_(state) {
    nodes_.reserve(rooms.size());
    for (const Room& room : rooms) {
      if (room.reserved) continue;
      index_[room.node->id] = nodes_.size();
      nodes_.push_back(*room.node);
    }
    for (const Node& node : nodes_) rooms_.push_back({&node});
  }

  void Without(const Attempt& attempt) {
    EachMember(attempt, [&](Node& node, const Placement& place, const GangShape& shape) {
      coordinator::Release(node, place, shape);
    });
  }
  void With(const Attempt& attempt) {
    EachMember(attempt, [&](Node& node, const Placement& place, const GangShape& shape) {
      coordinator::Hold(node, place, shape, attempt.epoch);
    });
  }
  [[nodiscard]] bool Holds(const GangShape& shape) { return !FindPlace(rooms_, shape).empty(); }
  /// The same when it did not hold it before `gone` went: cheap for gangs that stay on one node.
  [[nodiscard]] bool HoldsWithout(const Attempt& gone, const GangShape& shape) {
    if (shape.most_nodes != 1) return Holds(shape);
    return std::ranges::any_of(gone.members, [&](const Member& member) {
      const auto node = index_.find(member.place.node);
      return node != index_.end() &&
             RanksThatFit(nodes_[node->second], shape, Count::kFree) >= shape.ranks;
    });
  }

 private:
  template <typename Change>
  void EachMember(const Attempt& attempt, Change change) {
    const GangShape& shape = state_.sweeps.at(state_.FindTrial(attempt.trial)->sweep).shape;
    for (const Member& member : attempt.members) {
      if (!member.live()) continue;
      const auto node = index_.find(member.place.node);
      if (node != index_.end()) change(nodes_[node->second], member.place, shape);
    }
  }

  const State& state_;
  std::vector<Node> nodes_;
  std::unordered_map<NodeId, std::size_t> index_;  // in nodes_
  std::vector<Room> rooms_;
};

}  // namespace

void Coordinator::Preempt(Turn& turn, const Sweep& sweep, const std::vector<Room>& rooms) {
  const int priority = sweep.spec.priority;
  if (state_.live_by_priority.empty() || state_.live_by_priority.begin()->first >= priority) return;
  Prospect prospect(state_, rooms);
  std::vector<const Attempt*> running;  // the first to go first
  for (const auto& [lower, epochs] : state_.live_by_priority) {
    // Whatever is ending makes room, whoever it was.
    for (auto epoch = epochs.rbegin(); epoch != epochs.rend(); ++epoch) {
      const Attempt& attempt = state_.attempts.at(*epoch);
      if (attempt.stop) {
        prospect.Without(attempt);
      } else if (lower < priority) {
        running.push_back(&attempt);
      }
    }
  }
  if (prospect.Holds(sweep.shape)) return;  // it only has to wait
  std::vector<const Attempt*> victims;
  bool enough = false;
  for (auto attempt = running.begin(); attempt != running.end() && !enough; ++attempt) {
    prospect.Without(**attempt);
    victims.push_back(*attempt);
    enough = prospect.HoldsWithout(**attempt, sweep.shape);
  }
  if (!enough) return;
  // Those whose going helped nobody stay, the highest priority and the longest run first.
  for (auto victim = victims.rbegin(); victim != victims.rend(); ++victim) {
    prospect.With(**victim);
    if (prospect.Holds(sweep.shape)) {
      *victim = nullptr;
    } else {
      prospect.Without(**victim);
    }
  }
  for (const Attempt* victim : victims) {
    if (victim == nullptr) continue;
    Decide(turn, *victim,
           {victim->epoch, wire::StopReason::kPreempted, wire::ExitCause::kPreempt,
            "made room for sweep " + sweep.id.value + ", which has a higher priority"});
  }
}

}  // namespace muster::coordinator
