#include "runtime/coordinator/coordinator_turn.h"

/// Nodes are taken out of work and come back: by people, or because trial after trial fails on them.

namespace muster::coordinator {
namespace {

NodeChange ChangeOf(NodeVerb verb) {
  switch (verb) {
    case NodeVerb::kCordon:
      return NodeChange::kCordoned;
    case NodeVerb::kDrain:
      return NodeChange::kDrained;
    case NodeVerb::kExclude:
      return NodeChange::kExcluded;
    case NodeVerb::kUncordon:
      break;
  }
  return NodeChange::kUncordoned;
}

}  // namespace

void Coordinator::On(Turn& turn, const ChangeNode& input) {
  const auto found = state_.nodes.find(input.node);
  if (found == state_.nodes.end()) {
    turn.effects.reply = NotFound("there is no node '" + input.node.value + "'");
    return;
  }
  Emit(turn, NodeChanged{input.node, ChangeOf(input.verb), input.reason, false});
  if (input.verb == NodeVerb::kDrain) Drain(turn, found->second, input.reason);
  all_unsettled_ = true;
}

/// Each trial that runs there saves a checkpoint and goes back to the queue. No attempt is added later: the
/// node gets none.
void Coordinator::Drain(Turn& turn, const Node& node, const std::string& reason) {
  const std::string message =
      "node " + node.id.value + " is being drained" + (reason.empty() ? "" : ": " + reason);
  for (const AttemptEpoch epoch : node.attempts()) {
    Decide(turn, state_.attempts.at(epoch),
           {epoch, wire::StopReason::kPreempted, wire::ExitCause::kPreempt, message});
  }
}

/// An on_log rule says that the node is broken, or it could not start the ranks or lost them soon after.
bool Coordinator::BlamesNode(const Turn& turn, const Attempt& attempt,
                             wire::ExitCause cause) const {
  const Trial& trial = *state_.FindTrial(attempt.trial);
  const auto& rules = state_.sweeps.at(trial.sweep).spec.on_log;
  for (const FiredRule& fired : attempt.fired) {
    if (rules[static_cast<std::size_t>(fired.rule)].reaction == wire::LogReaction::kExcludeNode) {
      return true;
    }
  }
  if (cause != wire::ExitCause::kNode && cause != wire::ExitCause::kInfra) return false;
  return attempt.started_ms == 0 || turn.unix_now - attempt.started_ms < config_.blame_within_ms;
}

void Coordinator::ExcludeIfBlamed(Turn& turn, const NodeId& id, const std::string& last) {
  const Node& node = state_.nodes.at(id);
  const int trials = static_cast<int>(node.blamed_by.size());
  if (!node.schedulable() || trials < config_.blame_limit) return;
  // A bad node is better than none: the last one stays, and the next failure asks again.
  if (!HasRoomBeside(id, GangShape(), turn.now)) return;
  std::string names;
  for (const TrialId& trial : node.blamed_by) names += (names.empty() ? "" : ", ") + trial.value;
  Emit(turn, NodeChanged{id, NodeChange::kExcluded,
                         std::to_string(trials) + " trials in a row failed on it (" + names +
                             "); the last: " + last,
                         true});
}

/// Could the nodes that take new work now hold such a gang without this one?
bool Coordinator::HasRoomBeside(const NodeId& node, const GangShape& shape,
                                MonotonicTime now) const {
  std::vector<Room> rooms = UsableRooms(now);
  std::erase_if(rooms, [&](const Room& room) { return room.node->id == node; });
  return CouldHold(rooms, shape);
}

}  // namespace muster::coordinator
