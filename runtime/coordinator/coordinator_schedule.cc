#include <algorithm>
#include <set>
#include <tuple>

#include "runtime/coordinator/coordinator_turn.h"
#include "runtime/coordinator/quota.h"
#include "tuner/search.h"

/// Which trials exist, and which of them get slots.
///
/// Order: priority, then fair share among users (who holds fewest slots), then among sweeps, then age. A gang
/// gets all it needs or nothing. One that finds no place keeps the nodes where it will find one first
/// (placement.h), takes them from gangs of a lower priority (coordinator_preempt.cc), and lends them to trials
/// that are gone by then (coordinator_backfill.cc).

namespace muster::coordinator {
namespace {

/// (-priority, slots of the user, slots of the sweep, age of its oldest ready trial, sweep): the smallest
/// goes first.
using QueueKey = std::tuple<int, std::int64_t, int, UnixMillis, SweepId>;

/// Nothing is started on a node that is drained so soon.
constexpr std::int64_t kLeastLeft = 10'000;

std::int64_t SlotsOfUser(const State& state, const std::string& user) {
  const auto held = state.users.find(user);
  if (held == state.users.end()) return 0;
  const auto slots = held->second.find("cpu");
  return slots == held->second.end() ? 0 : slots->second;
}

}  // namespace

std::vector<Room> Coordinator::UsableRooms(MonotonicTime now) const {
  std::vector<Room> rooms;
  for (const auto& [id, watch] : nodes_) {
    if (watch.node == nullptr || watch.node->slots == 0 || !IsUsable(watch, now)) continue;
    if (!watch.node->schedulable()) continue;
    rooms.push_back({watch.node});
  }
  return rooms;
}

/// A trial is made, or a paused one resumed, when it can soon run and not before: so its sampler and its
/// scheduler have seen all they can.
void Coordinator::AddTrials(Turn& turn, const Sweep& sweep, const std::vector<Room>& rooms) {
  if (sweep.phase != SweepPhase::kRunning || sweep.cancelled || sweep.time_up) return;
  if (sweep.full() && sweep.parked == 0) return;
  const auto [known, is_new] = turn.capacities.try_emplace(sweep.shape);
  if (is_new) known->second = CapacityFor(rooms, sweep.shape);
  const Capacity fit = known->second;
  const int parallel = sweep.spec.budget.parallel;
  const int limit = parallel > 0 ? parallel : std::max(1, fit.all);
  const int room = std::max(1, fit.now);
  while (sweep.busy() < limit && static_cast<int>(sweep.waiting.size()) < room) {
    if (!AddTrial(turn, sweep)) break;
  }
  if (sweep.full() && sweep.busy() == 0) EndPaused(turn, sweep);
}

/// False when nothing can be added now.
bool Coordinator::AddTrial(Turn& turn, const Sweep& sweep) {
  tuner::Search& search = SearchOf(sweep);
  const auto resume = [&](std::int64_t number) {
    Emit(turn, TrialResumed{sweep.trials[static_cast<std::size_t>(number)].id});
    return true;
  };
  if (sweep.full()) {
    const auto paused = search.NextPaused(sweep.history);
    return paused && resume(paused->trial);
  }
  auto next = search.Next(sweep.history, sweep.queue.empty() ? nullptr : &sweep.queue.front());
  if (!next.ok()) {
    if (next.error().kind != ErrorKind::kUnavailable) {
      Emit(turn, SweepChanged{sweep.id, SweepChange::kExhausted, next.error().message});
    }
    return false;
  }
  if (next->resumes()) return resume(next->trial);
  TrialCreated created;
  if (next->from) {
    // Asked again when the donor's next checkpoint is heard of.
    created.from = OriginOf(sweep, *next->from);
    if (!created.from) return false;
    if (Mutated(Mutation::kCloneNewest)) created.from->kept = {};
  }
  created.trial = TrialId(sweep.id.value + "/" + std::to_string(next->trial));
  created.sweep = sweep.id;
  created.number = next->trial;
  created.params = tuner::ParamsToJson(next->params);
  created.run = RunId(NewId(turn));
  created.history_position = sweep.history.position();
  created.by = std::move(next->by);
  created.search_version = tuner::kSearchVersion;
  Emit(turn, std::move(created));
  AddCommand(turn, CreateRunOf(sweep, sweep.trials.back()));
  return true;
}

/// Nothing runs and nothing will be added: those that were never good enough to go on have ended.
void Coordinator::EndPaused(Turn& turn, const Sweep& sweep) {
  for (const Trial& trial : sweep.trials) {
    if (trial.phase != TrialPhase::kPaused) continue;
    const std::optional<double> last =
        trial.reports.empty() ? std::nullopt : std::optional(trial.reports.back().value);
    EndTrial(turn, trial, {}, TrialPhase::kPruned, last,
             "paused at step " + std::to_string(trial.step) + "; others did better there");
  }
}

/// The oldest of its trials that may start now; null when there is none.
const Trial* Coordinator::FirstReady(const Sweep& sweep) const {
  if (sweep.phase != SweepPhase::kRunning) return nullptr;
  for (const std::int64_t number : sweep.waiting) {
    const Trial& trial = sweep.trials[static_cast<std::size_t>(number)];
    if (trial.run_created && !trial.dropping && !not_before_.contains(trial.id)) return &trial;
  }
  return nullptr;
}

void Coordinator::Schedule(Turn& turn, std::vector<Room> rooms) {
  if (rooms.empty()) return;
  std::set<QueueKey> queue;
  const auto enqueue = [&](const Sweep& sweep) {
    const Trial* trial = FirstReady(sweep);
    if (trial == nullptr || !QuotaHit(state_, sweep).empty()) return;
    queue.insert({-sweep.spec.priority, SlotsOfUser(state_, sweep.user), sweep.slots_held,
                  trial->created_ms, sweep.id});
  };
  for (const SweepId& id : state_.open) enqueue(state_.sweeps.at(id));

  // Found no place, with their time limits; room only shrinks from here on.
  std::set<std::pair<GangShape, std::int64_t>> too_large;
  KeptRooms kept;
  while (!queue.empty()) {
    const QueueKey first = *queue.begin();
    queue.erase(queue.begin());
    const Sweep& sweep = state_.sweeps.at(std::get<SweepId>(first));
    // Its user or its quota may have changed with a gang that was started since.
    if (!QuotaHit(state_, sweep).empty()) continue;
    if (SlotsOfUser(state_, sweep.user) != std::get<1>(first)) {
      enqueue(sweep);
      continue;
    }
    const std::pair size(sweep.shape, sweep.spec.trial.time_seconds);
    if (too_large.contains(size)) continue;
    std::vector<Room> lent;
    const bool borrows = !kept.empty() && sweep.spec.trial.time_seconds > 0;
    if (borrows) lent = WithLentRooms(turn, sweep, rooms, kept);
    const UnixMillis until =
        turn.unix_now + std::max(kLeastLeft, sweep.spec.trial.time_seconds * 1'000);
    const std::vector<Part> parts = FindPlace(borrows ? lent : rooms, sweep.shape, until);
    if (parts.empty()) {
      Preempt(turn, sweep, rooms);
      KeepRooms(turn, sweep.shape, until, rooms, kept);
      too_large.insert(size);
      continue;
    }
    StartAttempt(turn, *FirstReady(sweep), parts);
    enqueue(sweep);
  }
}

void Coordinator::StartAttempt(Turn& turn, const Trial& trial, const std::vector<Part>& parts) {
  const GangShape& shape = state_.sweeps.at(trial.sweep).shape;
  AttemptStarted started;
  started.epoch = AttemptEpoch(state_.newest_epoch.value + 1);
  started.trial = trial.id;
  int first_rank = 0;
  for (const Part& part : parts) {
    started.places.push_back(PlaceOn(*part.room->node, shape, first_rank, part.ranks));
    first_rank += part.ranks;
  }
  if (Mutated(Mutation::kGangLacksASlot) && started.places.back().slots.size() > 1) {
    started.places.back().slots.pop_back();
  }
  started.token = config_.random_hex(16);
  if (shape.mpi && parts.size() > 1) started.start_secret = config_.random_hex(32);
  const AttemptEpoch epoch = started.epoch;
  Emit(turn, std::move(started));
  LimitTime(turn, state_.sweeps.at(trial.sweep));
  SendNext(turn, state_.attempts.at(epoch));
}

}  // namespace muster::coordinator
