#include <algorithm>
#include <vector>

#include "runtime/coordinator/coordinator_turn.h"

/// Small trials on the nodes that are kept for a gang, as long as they do not delay it. When the gang can start at
/// the latest, which is when the last of its nodes has room, is known where the attempts there have time limits
/// (trial.time); a trial whose own limit ends before that may use such a node meanwhile. After D. Lifka, "The ANL/IBM SP scheduling system", 1995 (EASY).

namespace muster::coordinator {
namespace {

/// Between the end of an attempt's time and its slots being free, and for a start to get going.
constexpr std::chrono::seconds kSlack(10);

}  // namespace

/// When the node will hold so many ranks of the gang at the latest; nullopt: nobody knows.
std::optional<MonotonicTime> Coordinator::RoomBy(const Turn& turn, const Node& node,
                                                 const GangShape& shape, int ranks) const {
  if (RanksThatFit(node, shape, Count::kFree) >= ranks) return turn.now;
  std::vector<std::pair<MonotonicTime, const Attempt*>> ends;
  for (const AttemptEpoch epoch : node.attempts()) {
    const Attempt& attempt = state_.attempts.at(epoch);
    if (const auto limit = TimeLimit(turn, attempt)) ends.emplace_back(*limit, &attempt);
  }
  std::ranges::sort(ends, {}, &std::pair<MonotonicTime, const Attempt*>::first);
  Node later = node;
  for (const auto& [end, attempt] : ends) {
    Release(later, attempt->LiveMember(node.id)->place,
            state_.sweeps.at(state_.FindTrial(attempt->trial)->sweep).shape);
    if (RanksThatFit(later, shape, Count::kFree) >= ranks) return end;
  }
  return std::nullopt;
}

/// The rooms for a trial with a time limit: also those that are kept for others, if it is gone by then.
std::vector<Room> Coordinator::WithLentRooms(const Turn& turn, const Sweep& sweep,
                                             std::vector<Room> rooms, const KeptRooms& kept) const {
  const std::chrono::seconds limit(sweep.spec.trial.time_seconds);
  const MonotonicTime gone = turn.now + limit + Ms(config_.grace_ms) + kSlack;
  for (Room& room : rooms) {
    const auto until = kept.find(room.node->id);
    if (room.reserved && until != kept.end() && gone <= until->second) room.reserved = false;
  }
  return rooms;
}

/// Keeps nodes for a gang that found no place.
void Coordinator::KeepRooms(const Turn& turn, const GangShape& shape, UnixMillis until,
                            std::vector<Room>& rooms, KeptRooms& kept) const {
  const std::vector<Part> parts = Reserve(rooms, shape, until);
  MonotonicTime start = turn.now;
  for (const Part& part : parts) {
    const auto until = RoomBy(turn, *part.room->node, shape, part.ranks);
    if (!until) return;
    start = std::max(start, *until);
  }
  for (const Part& part : parts) kept[part.room->node->id] = start;
}

}  // namespace muster::coordinator
