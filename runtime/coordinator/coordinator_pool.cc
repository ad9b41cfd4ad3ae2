#include <algorithm>
#include <cstdlib>
#include <utility>

#include "runtime/coordinator/coordinator_turn.h"

/// Nodes that a batch system lends. One allocation:
///   1. AllocationAsked is committed with the command that asks for it (coordinator_ask.cc); until the batch system
///      has it, the command is given again and again, and its key finds a request that was taken before.
///   2. Its agents join under the names that it has given out ("<allocation>.<k>"). A job that runs twice is two
///      agents of one name: the one that started later is heard, the other's attempts are ended by its lease.
///   3. It leaves (AllocationLeft) when its trial is over, nothing ran on it for long, its time ends, or nobody wants it:
///      no new work, what runs is stopped with a checkpoint where it must, then its agents are told to end.
///   4. AllocationEnded when the batch system says so. That is no proof that its processes are gone (a node that was
///      cut off): slots there are free only after Exited or the lease, as everywhere; then its nodes are forgotten.

namespace muster::coordinator {
namespace {

constexpr std::int64_t kRetireAgainMs = 1'000;
/// An allocation that was told to leave is cancelled when it is still there so long after its last attempt.
constexpr std::int64_t kCancelAfterMs = 30'000;
/// Who was told of an allocation so long ago knows when it began, ...
constexpr std::int64_t kSeenLatelyMs = 30'000;
/// ... and by how much the batch system's clock differs; a site rounds times up to minutes.
constexpr std::int64_t kClocksDifferMs = 120'000;

Error NoPool(const std::string& name) { return NotFound("there is no pool '" + name + "'"); }

}  // namespace

void Coordinator::On(Turn& turn, const SetPool& input) {
  if (const Status valid = wire::CheckPoolSpec(input.spec); !valid.ok()) {
    turn.effects.reply = valid.error();
    return;
  }
  const auto before = state_.pools.find(input.spec.name);
  const bool asks_otherwise =
      before != state_.pools.end() && before->second.spec.site != input.spec.site;
  Emit(turn, PoolSet{input.spec});
  if (!asks_otherwise) return;
  // What waits as it was asked for before may wait for ever.
  const std::set<AllocationId> live = state_.pools.at(input.spec.name).live;
  for (const AllocationId& id : live) {
    const Allocation& allocation = state_.allocations.at(id);
    if (!allocation.running && !allocation.joined && !allocation.leaving)
      LeaveAllocation(turn, allocation, "its pool asks otherwise now");
  }
}

void Coordinator::On(Turn& turn, const ChangePool& input) {
  const auto found = state_.pools.find(input.pool);
  if (found == state_.pools.end()) {
    turn.effects.reply = NoPool(input.pool);
    return;
  }
  if (input.verb != PoolVerb::kRemove) {
    const bool pause = input.verb == PoolVerb::kPause;
    Emit(turn,
         PoolChanged{input.pool, pause ? PoolChange::kPaused : PoolChange::kResumed, input.reason});
    return;
  }
  const std::set<AllocationId> live = found->second.live;
  Emit(turn, PoolChanged{input.pool, PoolChange::kRemoved, input.reason});
  for (const AllocationId& id : live) {
    const Allocation& allocation = state_.allocations.at(id);
    if (!allocation.leaving) LeaveAllocation(turn, allocation, "its pool was removed");
  }
}

void Coordinator::On(Turn& turn, const AllocationTold& input) {
  const Allocation* allocation = state_.FindAllocation(input.allocation);
  if (allocation == nullptr) return;
  if (input.state == AllocationTold::State::kEnded) {
    EndAllocation(turn, *allocation, input);
    return;
  }
  const bool running = input.state == AllocationTold::State::kRunning;
  const UnixMillis ends_ms = EndOf(turn, *allocation, input);
  if (allocation->running == running && allocation->ends_ms == ends_ms &&
      allocation->restarts == input.restarts && allocation->words == input.words) {
    return;
  }
  Emit(turn, AllocationSeen{input.allocation, running, ends_ms, input.restarts, input.words});
}

/// When its time is over, by our clock. The batch system's may differ by hours, and every allocation would leave as soon
/// as it came; so that of a job which was seen to begin is measured.
UnixMillis Coordinator::EndOf(const Turn& turn, const Allocation& allocation,
                              const AllocationTold& told) {
  AllocationWatch& watch = allocations_[allocation.asked.allocation];
  const auto before = std::exchange(watch.told_at, turn.now);
  const UnixMillis told_before = std::exchange(watch.told_ends_ms, told.ends_ms);
  if (told.state != AllocationTold::State::kRunning || told.ends_ms == 0) return told.ends_ms;
  if (allocation.running && allocation.ends_ms > 0 && allocation.restarts == told.restarts)
    return allocation.ends_ms + (told_before > 0 ? told.ends_ms - told_before : 0);
  const bool seen_to_begin = before && turn.now - *before <= Ms(kSeenLatelyMs);
  const UnixMillis ours = turn.unix_now + allocation.asked.time_seconds * 1'000;
  return seen_to_begin && std::abs(told.ends_ms - ours) > kClocksDifferMs ? ours : told.ends_ms;
}

void Coordinator::On(Turn& /*turn*/, const NodeNotUnderstood& input) {
  const AllocationId id = state_.AllocationOf(input.node);
  if (state_.allocations.contains(id)) allocations_[id].not_understood = input.why;
}

void Coordinator::RefusedAllocations(Turn& turn, const SubmitAllocations& asked,
                                     const std::string& why) {
  for (const AllocationId& id : asked.allocations) {
    if (const Allocation* allocation = state_.FindAllocation(id))
      EndAllocation(turn, *allocation, {.words = why});
  }
  // All pilots are alike, so another try cannot help; of jobs the next sweep's may have another shape.
  const auto pool = state_.pools.find(asked.pool);
  if (pool == state_.pools.end() || pool->second.paused) return;
  if (pool->second.spec.form == wire::PoolForm::kPilot)
    Emit(turn, PoolChanged{asked.pool, PoolChange::kPaused, why, true});
}

void Coordinator::EndAllocation(Turn& turn, const Allocation& allocation,
                                const AllocationTold& told) {
  const AllocationId id = allocation.asked.allocation;
  const std::string name = allocation.asked.pool;
  const bool failed = !allocation.joined && !allocation.leaving;
  for (int index = 0; Mutated(Mutation::kBelieveEnded) && index < allocation.asked.nodes; ++index) {
    const auto node = state_.nodes.find(allocation.NodeOf(index));
    if (node == state_.nodes.end()) continue;
    for (const AttemptEpoch epoch : node->second.attempts()) {
      EndMember(turn, state_.attempts.at(epoch),
                {epoch, node->first, wire::ExitCause::kNode, told.words});
    }
  }
  std::string why = told.words;
  if (const auto watch = allocations_.find(id); failed && watch != allocations_.end()) {
    if (const std::string& words = watch->second.not_understood; !words.empty())
      why += "; its agent was not understood: " + words;
  }
  Emit(turn, AllocationEnded{id, why, failed, told.job, told.counted});
  allocations_.erase(id);
  const auto pool = state_.pools.find(name);
  if (pool == state_.pools.end() || pool->second.failures < config_.pool_failures_most) return;
  if (pool->second.paused) return;
  Emit(turn, PoolChanged{name, PoolChange::kPaused,
                         std::to_string(pool->second.failures) +
                             " allocations in a row did not bring a node; the last: " + why,
                         true});
}

void Coordinator::On(Turn& turn, const AllocationUsed& input) {
  const auto found = state_.uncounted.find(input.allocation);
  if (found == state_.uncounted.end() || !state_.CanBeCounted(found->second)) return;
  std::set<TrialId> trials;
  for (const AttemptEpoch epoch : found->second.attempts)
    trials.insert(state_.attempts.at(epoch).trial);
  Emit(turn, input);
  for (const TrialId& id : trials) {
    const Trial& trial = *state_.FindTrial(id);
    // Of one that goes on, its end tells.
    if (input.joules && IsFinal(trial.phase))
      AddCommand(turn, TagRun{trial.run, UseTags(state_, trial)});
  }
}

/// Nothing is started there any more. What the batch system has not begun is given back at once.
void Coordinator::LeaveAllocation(Turn& turn, const Allocation& allocation,
                                  const std::string& reason) {
  Emit(turn, AllocationLeft{allocation.asked.allocation, reason});
  AllocationWatch& watch = allocations_[allocation.asked.allocation];
  watch.cancel_at = turn.now + (allocation.joined ? Ms(kCancelAfterMs) : Ms(0));
  TendLeaving(turn, allocation, false);
}

void Coordinator::OnLeaving(Turn& turn, const NodeId& node, const wire::Leaving& leaving) {
  const auto found = state_.nodes.find(node);
  if (found == state_.nodes.end()) return;
  const bool walltime = leaving.cause == wire::ExitCause::kWalltime;
  const std::string why = walltime ? "its time is over" : "its batch system takes it";
  if (!found->second.leaving) Emit(turn, NodeLeft{node, false, why});
  // A trial that had a whole job's time and saved nothing would be cut off again.
  const bool own = walltime && !found->second.only.empty();
  for (const AttemptEpoch epoch : found->second.attempts()) {
    Decide(turn, state_.attempts.at(epoch),
           {epoch, own ? wire::StopReason::kWalltime : wire::StopReason::kPreempted,
            own ? wire::ExitCause::kWalltime : wire::ExitCause::kPreempt,
            "node " + node.value + " leaves: " + why});
  }
}

/// A later start of the agent: the batch system has started the job anew.
void Coordinator::ComeBack(Turn& turn, const Node& node) {
  const Allocation* allocation = state_.FindAllocation(node.allocation);
  const bool spent =
      allocation != nullptr &&
      (allocation->leaving || (allocation->used && !allocation->asked.sweep.empty()));
  if (!node.leaving || (spent && !Mutated(Mutation::kReuseJob))) return;
  Emit(turn, NodeLeft{node.id, true, {}});
}

/// Of an allocation that has ended and been forgotten: a job that the batch system started once more.
bool Coordinator::IsPast(const NodeId& node) const {
  const AllocationId id = state_.AllocationOf(node);
  return !id.empty() && !state_.allocations.contains(id) && !state_.nodes.contains(node);
}

void Coordinator::TendPools(Turn& turn) {
  if (state_.pools.empty()) return;
  std::vector<AllocationId> ids;
  ids.reserve(state_.allocations.size());
  for (const auto& [id, allocation] : state_.allocations) ids.push_back(id);
  std::map<SweepId, int> left;
  for (const AllocationId& id : ids) TendAllocation(turn, state_.allocations.at(id), left);
  ForgetNodes(turn);
  for (const auto& [name, pool] : state_.pools) {
    if (pool.spec.form == wire::PoolForm::kJob) {
      AskForJobs(turn, pool);
    } else {
      AskForPilots(turn, pool);
    }
  }
}

void Coordinator::TendAllocation(Turn& turn, const Allocation& allocation,
                                 std::map<SweepId, int>& left) {
  const wire::PoolSpec& spec = state_.pools.at(allocation.asked.pool).spec;
  bool busy = false;
  std::vector<NodeId> nodes;
  for (int index = 0; index < allocation.asked.nodes; ++index) {
    const auto found = state_.nodes.find(allocation.NodeOf(index));
    if (found == state_.nodes.end()) continue;
    nodes.push_back(found->first);
    busy = busy || !found->second.holders.empty();
  }
  if (allocation.leaving) return TendLeaving(turn, allocation, busy);
  AllocationWatch& watch = allocations_[allocation.asked.allocation];
  if (!allocation.running || busy) watch.idle_from.reset();
  if (allocation.running && !busy && !watch.idle_from) watch.idle_from = turn.now;
  const bool over =
      allocation.ends_ms > 0 && turn.unix_now >= allocation.ends_ms - spec.drain_seconds * 1'000;
  if (over) {
    LeaveAllocation(turn, allocation, "its time ends");
    for (const NodeId& node : nodes) OnLeaving(turn, node, {wire::ExitCause::kWalltime});
  } else if (!busy && allocation.used && !allocation.asked.sweep.empty()) {
    LeaveAllocation(turn, allocation, "its trial has ended");
  } else if (!busy && !allocation.used && !IsWanted(allocation, left)) {
    LeaveAllocation(turn, allocation, "nothing waits for it any more");
  } else if (allocation.joined && watch.idle_from &&
             turn.now - *watch.idle_from >= std::chrono::seconds(spec.idle_seconds)) {
    LeaveAllocation(turn, allocation, "idle for " + std::to_string(spec.idle_seconds) + " s");
  }
}

/// Its agents end when nothing runs there; its job, if they do not.
void Coordinator::TendLeaving(Turn& turn, const Allocation& allocation, bool busy) {
  if (Mutated(Mutation::kKeepAllocations)) return;
  AllocationWatch& watch = allocations_[allocation.asked.allocation];
  if (busy) {
    watch.cancel_at.reset();
    return;
  }
  if (!watch.cancel_at) watch.cancel_at = turn.now + Ms(kCancelAfterMs);
  if (!watch.next_retire || turn.now >= *watch.next_retire) {
    watch.next_retire = turn.now + Ms(kRetireAgainMs);
    for (int index = 0; index < allocation.asked.nodes; ++index) {
      const NodeId node = allocation.NodeOf(index);
      if (state_.nodes.contains(node)) turn.Send(node, wire::Retire{allocation.reason});
    }
  }
  if (watch.cancelled || turn.now < *watch.cancel_at) return;
  watch.cancelled = true;
  const AllocationAsked& asked = allocation.asked;
  AddCommand(turn, CancelAllocation{asked.pool, asked.key, asked.task, asked.allocation,
                                    state_.pools.at(asked.pool).spec.site});
}

void Coordinator::ForgetNodes(Turn& turn) {
  std::vector<NodeId> gone;
  for (const auto& [id, node] : state_.nodes) {
    if (node.gone && node.holders.empty()) gone.push_back(id);
  }
  for (const NodeId& id : gone) {
    nodes_.erase(id);
    Emit(turn, NodeForgotten{id});
  }
}

}  // namespace muster::coordinator
