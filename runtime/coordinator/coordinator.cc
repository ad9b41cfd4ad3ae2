#include "runtime/coordinator/coordinator.h"

#include <array>
#include <cstdio>

#include "runtime/base/check.h"
#include "runtime/base/random.h"
#include "runtime/coordinator/coordinator_turn.h"
#include "runtime/coordinator/search_spec.h"

namespace muster::coordinator {

Config Config::Default() {
  Config config;
  config.random_hex = &RandomHex;
  config.make_search = &tuner::MakeSearch;
  return config;
}

Coordinator::Coordinator(Config config) : config_(std::move(config)) {
  MUSTER_CHECK(config_.random_hex && config_.make_search, "the configuration lacks a function");
}
Coordinator::~Coordinator() = default;
Coordinator::Coordinator(Coordinator&&) noexcept = default;
Coordinator& Coordinator::operator=(Coordinator&&) noexcept = default;

void Coordinator::Apply(const Event& event) { ApplyEvent(state_, event); }

Effects Coordinator::Start(MonotonicTime now, UnixMillis unix_now) {
  Turn turn{now, unix_now, {}, {}};
  const bool same = Mutated(Mutation::kSameEpoch) && state_.coordinator.value > 0;
  Emit(turn, CoordinatorStarted{CoordinatorEpoch(state_.coordinator.value + (same ? 0 : 1))});
  // Nodes with attempts have a whole lease to say Hello before those are given up.
  for (const auto& [id, node] : state_.nodes) {
    nodes_[id].heard = now;
    nodes_[id].node = &node;
  }
  for (const AttemptEpoch epoch : state_.live) {
    attempts_[epoch].deadline = TimeLimit(turn, state_.attempts.at(epoch));
  }
  for (const SweepId& id : state_.open) LimitTime(turn, state_.sweeps.at(id));
  if (!Mutated(Mutation::kForgetOutbox)) {
    for (const auto& [sequence, id] : state_.pending) QueueCommand(turn, state_.outbox.at(id));
  }
  if (Mutated(Mutation::kPromoteTwice)) {
    for (const SweepId& id : state_.open) {
      const Sweep& sweep = state_.sweeps.at(id);
      if (sweep.phase == SweepPhase::kPromoting)
        AddCommand(turn, PromoteModelOf(sweep, *State::Best(sweep)));
    }
  }
  all_unsettled_ = true;
  SettleTurn(turn);
  return std::move(turn.effects);
}

Effects Coordinator::Step(const Input& input, MonotonicTime now, UnixMillis unix_now) {
  Turn turn{now, unix_now, {}, {}};
  std::visit([&](const auto& alternative) { On(turn, alternative); }, input);
  return std::move(turn.effects);
}

Effects Coordinator::Settle(MonotonicTime now, UnixMillis unix_now) {
  Turn turn{now, unix_now, {}, {}};
  SettleTurn(turn);
  return std::move(turn.effects);
}

void Coordinator::Emit(Turn& turn, EventBody body) {
  turn.effects.events.push_back({turn.unix_now, std::move(body)});
  ApplyEvent(state_, turn.effects.events.back());
}

/// 32 hexadecimal digits, laid out as RFC 9562's version 7: 48 bits of wall clock in milliseconds, then random
/// ones. Databases that have it as a key write new rows side by side and not a page each.
std::string Coordinator::NewId(const Turn& turn) const {
  std::array<char, 16> clock{};
  std::snprintf(clock.data(), clock.size(), "%012llx",
                static_cast<unsigned long long>(turn.unix_now) & 0xffff'ffff'ffffULL);
  return clock.data() + config_.random_hex(10);
}

void Coordinator::SettleTurn(Turn& turn) {
  // Ending a sweep or adding a trial unsettles nothing else, so one round is enough.
  if (!all_unsettled_ && unsettled_.empty()) return;
  const std::set<SweepId> sweeps = all_unsettled_ ? state_.open : std::move(unsettled_);
  all_unsettled_ = false;
  unsettled_.clear();
  std::vector<Room> rooms = UsableRooms(turn.now);
  for (const SweepId& id : sweeps) {
    const Sweep& sweep = state_.sweeps.at(id);
    if (IsFinal(sweep.phase)) continue;
    AddTrials(turn, sweep, rooms);
    const SweepPhase before = sweep.phase;
    EndSweepWhenDone(turn, sweep);
    const bool over = before != sweep.phase;
    if (over || sweep.phase != SweepPhase::kPromoting) DropCheckpoints(turn, sweep, over);
  }
  Schedule(turn, std::move(rooms));
}

tuner::Search& Coordinator::SearchOf(const Sweep& sweep) {
  tuner::Search& search = searches_[sweep.id];
  if (!search.sampler) {
    auto spec = SearchSpecOf(sweep.spec);
    MUSTER_CHECK(spec.ok(), "an accepted sweep's space cannot be read");
    if (Mutated(Mutation::kSecretSeed))
      spec->seed += static_cast<std::uint64_t>(state_.coordinator.value);
    auto made = config_.make_search(*spec);
    MUSTER_CHECK(made.ok(), "an accepted sweep's search cannot be made");
    search = std::move(made).value();
  }
  return search;
}

std::optional<TokenOwner> Coordinator::AttemptOf(const std::string& token) const {
  const auto found = state_.tokens.find(token);
  if (found == state_.tokens.end()) return std::nullopt;
  const Attempt& attempt = state_.attempts.at(found->second);
  return TokenOwner{attempt.epoch, state_.FindTrial(attempt.trial)->run, attempt.live()};
}

const Coordinator::NodeWatch* Coordinator::WatchOf(const NodeId& node) const {
  const auto found = nodes_.find(node);
  return found == nodes_.end() ? nullptr : &found->second;
}

std::optional<MonotonicTime> Coordinator::RetryAt(const TrialId& trial) const {
  const auto found = not_before_.find(trial);
  return found == not_before_.end() ? std::nullopt : std::optional(found->second);
}

bool Coordinator::IsUsable(const NodeId& node, MonotonicTime now) const {
  const NodeWatch* watch = WatchOf(node);
  return watch != nullptr && IsUsable(*watch, now);
}

bool Coordinator::IsUsable(const NodeWatch& watch, MonotonicTime now) const {
  return watch.welcomed && watch.connected && now - watch.heard < Ms(config_.torpid_ms);
}

}  // namespace muster::coordinator
