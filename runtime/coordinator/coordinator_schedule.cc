#include <algorithm>
#include <tuple>

#include "runtime/coordinator/coordinator_turn.h"
#include "runtime/coordinator/validate.h"

/// Which trials exist, and which of them get slots.
///
/// Order: priority, then fair share (the sweep that holds fewest slots), then age. A gang gets all its
/// slots on one node or none. A gang that finds no room reserves the node where room will come first (the
/// one with most free slots that is large enough), so smaller gangs behind it cannot starve it.

namespace muster::coordinator {
namespace {

/// (-priority, slots held, age of the oldest ready trial, sweep): the smallest goes first.
using QueueKey = std::tuple<int, int, UnixMillis, SweepId>;

/// The fullest room that holds the gang; else null, and the best node for it is reserved.
template <typename Room>
Room* FindRoom(std::vector<Room>& rooms, int slots, int gpus) {
  Room* best = nullptr;
  Room* reserve = nullptr;
  for (Room& room : rooms) {
    if (room.reserved || room.node->slots < slots || room.node->gpus < gpus) continue;
    if (room.free >= slots && room.gpus >= gpus) {
      if (best == nullptr || room.free < best->free) best = &room;
    } else if (reserve == nullptr || room.free > reserve->free) {
      reserve = &room;
    }
  }
  if (best == nullptr && reserve != nullptr) reserve->reserved = true;
  return best;
}

/// How many gangs of one shape the rooms hold, all in all and beside what they hold now.
template <typename Fit, typename Room>
Fit FitOf(const std::vector<Room>& rooms, int slots, int gpus) {
  Fit fit;
  for (const Room& room : rooms) {
    const auto hold = [&](int free, int free_gpus) {
      return gpus > 0 ? std::min(free / slots, free_gpus / gpus) : free / slots;
    };
    fit.all += hold(room.node->slots, room.node->gpus);
    fit.now += hold(room.free, room.gpus);
  }
  return fit;
}

std::vector<int> LowestFree(const Node& node, int count) {
  std::vector<int> slots;
  for (int slot = 0; slot < node.slots && static_cast<int>(slots.size()) < count; ++slot) {
    if (!node.holders.contains(slot)) slots.push_back(slot);
  }
  return slots;
}

}  // namespace

std::vector<Coordinator::Room> Coordinator::UsableRooms(MonotonicTime now) const {
  std::vector<Room> rooms;
  for (const auto& [id, watch] : nodes_) {
    if (watch.node == nullptr || watch.node->slots == 0 || !IsUsable(watch, now)) continue;
    rooms.push_back(
        {watch.node, watch.node->free(), watch.node->gpus - watch.node->gpus_held, false});
  }
  return rooms;
}

/// A trial is made when it can soon run and not before, so that its sampler has seen all it can.
void Coordinator::AddTrials(Turn& turn, const Sweep& sweep, const std::vector<Room>& rooms) {
  if (sweep.phase != SweepPhase::kRunning || sweep.full()) return;
  const int slots = SlotsOf(sweep.spec);
  const int gpus = GpusOf(sweep.spec);
  const auto [known, is_new] = turn.fits.try_emplace({slots, gpus});
  if (is_new) known->second = FitOf<Turn::Fit>(rooms, slots, gpus);
  const int parallel = sweep.spec.budget.parallel;
  const int limit = parallel > 0 ? parallel : std::max(1, known->second.all);
  const auto unfinished = [&] { return static_cast<int>(sweep.trials.size()) - sweep.finished; };
  if (unfinished() >= limit) return;
  const int room = std::max(1, known->second.now);
  while (!sweep.full() && unfinished() < limit && static_cast<int>(sweep.waiting.size()) < room) {
    const auto number = static_cast<std::int64_t>(sweep.trials.size());
    auto params = SearchOf(sweep).sampler->Suggest(number, sweep.history);
    if (!params.ok()) {
      Emit(turn, SweepChanged{sweep.id, SweepChange::kExhausted, params.error().message});
      return;
    }
    const TrialId id(sweep.id.value + "/" + std::to_string(number));
    Emit(turn, TrialCreated{id, sweep.id, number, tuner::ParamsToJson(*params),
                            RunId(config_.random_hex(16)), sweep.history_position});
    AddCommand(turn, CreateRunOf(sweep, sweep.trials.back()));
  }
}

void Coordinator::Schedule(Turn& turn, std::vector<Room> rooms) {
  if (std::ranges::none_of(rooms, [](const Room& room) { return room.free > 0; })) return;

  const auto first_ready = [&](const Sweep& sweep) -> const Trial* {
    if (sweep.phase != SweepPhase::kRunning) return nullptr;
    for (const std::int64_t number : sweep.waiting) {
      const Trial& trial = sweep.trials[static_cast<std::size_t>(number)];
      if (trial.run_created && !not_before_.contains(trial.id)) return &trial;
    }
    return nullptr;
  };
  std::set<QueueKey> queue;
  const auto enqueue = [&](const Sweep& sweep) {
    const Trial* trial = first_ready(sweep);
    if (trial == nullptr) return;
    queue.insert({-sweep.spec.priority, sweep.slots_held, trial->created_ms, sweep.id});
  };
  for (const SweepId& id : state_.open) enqueue(state_.sweeps.at(id));

  while (!queue.empty()) {
    const Sweep& sweep = state_.sweeps.at(std::get<SweepId>(*queue.begin()));
    queue.erase(queue.begin());
    const Trial& trial = *first_ready(sweep);
    const int gpus = GpusOf(sweep.spec);
    Room* room = FindRoom(rooms, SlotsOf(sweep.spec), gpus);
    if (room == nullptr) continue;
    const AttemptEpoch epoch(state_.newest_epoch.value + 1);
    Emit(turn, AttemptStarted{epoch, trial.id, room->node->id,
                              LowestFree(*room->node, SlotsOf(sweep.spec)), gpus,
                              config_.random_hex(16)});
    room->free -= SlotsOf(sweep.spec);
    room->gpus -= gpus;
    SendNext(turn, state_.attempts.at(epoch));
    enqueue(sweep);
  }
}

}  // namespace muster::coordinator
