#include <algorithm>
#include <deque>

#include "runtime/coordinator/coordinator_turn.h"
#include "runtime/coordinator/quota.h"

/// How many nodes are asked of batch systems: as many as what waits would fill, beside those that are there, within
/// what a pool allows.

namespace muster::coordinator {
namespace {

/// So many gangs are looked at, at most: no pool is filled by more.
constexpr int kGangsMost = 10'000;
constexpr std::int64_t kBackOffMs = 5'000;
constexpr std::int64_t kBackOffMostMs = 600'000;
/// A job's time beyond its trial's limit, for the agent to come and go.
constexpr std::int64_t kAroundTrialSeconds = 60;

/// Trials of the sweep that would start if there were room: those that wait, and those that it would add.
int GangsWanted(const State& state, const Sweep& sweep) {
  if (sweep.phase != SweepPhase::kRunning || !QuotaHit(state, sweep).empty()) return 0;
  int more = sweep.full() ? 0 : sweep.spec.budget.trials - static_cast<int>(sweep.trials.size());
  if (const int parallel = sweep.spec.budget.parallel; parallel > 0)
    more = std::min(more, std::max(0, parallel - sweep.busy()));
  return std::min(kGangsMost, static_cast<int>(sweep.waiting.size()) + more);
}

/// Nodes that are there and nodes that are on their way, for trying what would fit.
class Supply {
 public:
  void Add(Node node) {
    nodes_.push_back(std::move(node));
    rooms_.push_back({&nodes_.back()});
  }
  bool Take(const GangShape& shape) {
    const auto parts = FindPlace(rooms_, shape);
    int first_rank = 0;
    for (const Part& part : parts) {
      // The rooms are of these nodes.
      Node& node =
          const_cast<Node&>(*part.room->node);  // NOLINT(cppcoreguidelines-pro-type-const-cast)
      Hold(node, PlaceOn(node, shape, first_rank, part.ranks), shape, AttemptEpoch());
      first_rank += part.ranks;
    }
    return !parts.empty();
  }

 private:
  std::deque<Node> nodes_;
  std::vector<Room> rooms_;
};

}  // namespace

/// Allocations that the pool may ask for now.
int Coordinator::MayAsk(const Turn& turn, const Pool& pool) const {
  if (pool.paused || pool.removed) return 0;
  if (pool.failures > 0 && !Mutated(Mutation::kAskAtOnce)) {
    const std::int64_t wait =
        std::min(kBackOffMostMs, kBackOffMs << std::min(pool.failures - 1, 16));
    if (turn.unix_now - pool.failed_ms < wait && turn.unix_now >= pool.failed_ms) return 0;
  }
  if (Mutated(Mutation::kAskTooMany)) return kGangsMost;
  int waiting = 0;
  for (const AllocationId& id : pool.live) waiting += state_.allocations.at(id).joined ? 0 : 1;
  return std::min(pool.spec.most - static_cast<int>(pool.live.size()), pool.spec.backlog - waiting);
}

/// Is there anything that it could run? A sweep's jobs take of what it wants in their order: the latest are too many.
bool Coordinator::IsWanted(const Allocation& allocation, std::map<SweepId, int>& left) const {
  const SweepId& own = allocation.asked.sweep;
  if (own.empty() && allocation.joined) return true;  // idle_seconds says how long it stays
  const auto [known, is_new] = left.try_emplace(own, 0);
  if (is_new && !own.empty()) known->second = GangsWanted(state_, state_.sweeps.at(own));
  if (is_new && own.empty()) {
    known->second = static_cast<int>(std::ranges::count_if(state_.open, [&](const SweepId& id) {
      return GangsWanted(state_, state_.sweeps.at(id)) > 0;
    }));
  }
  return own.empty() ? known->second > 0 : known->second-- > 0;
}

void Coordinator::AskForPilots(Turn& turn, const Pool& pool) {
  int may = MayAsk(turn, pool);
  if (may <= 0) return;
  Supply supply;
  for (const Room& room : UsableRooms(turn.now)) supply.Add(*room.node);
  for (const auto& [id, allocation] : state_.allocations) {
    const Pool& other = state_.pools.at(allocation.asked.pool);
    if (allocation.leaving || !allocation.asked.sweep.empty()) continue;
    for (int index = 0; index < allocation.asked.nodes; ++index) {
      if (state_.nodes.contains(allocation.NodeOf(index))) continue;
      supply.Add(NodeOf(other.spec));
    }
  }
  int more = 0;
  const auto add = [&](const GangShape& shape) {
    Supply alone;
    for (int index = 0; index < pool.spec.nodes; ++index) alone.Add(NodeOf(pool.spec));
    if (more >= may || !alone.Take(shape)) return false;
    for (int index = 0; index < pool.spec.nodes; ++index) supply.Add(NodeOf(pool.spec));
    ++more;
    return true;
  };
  for (const SweepId& id : state_.open) {
    const Sweep& sweep = state_.sweeps.at(id);
    for (int gangs = GangsWanted(state_, sweep); gangs > 0; --gangs) {
      if (!supply.Take(sweep.shape) && !(add(sweep.shape) && supply.Take(sweep.shape))) break;
    }
  }
  const wire::PoolSpec& spec = pool.spec;
  Ask(turn, pool, nullptr,
      {.nodes = spec.nodes,
       .slots = spec.slots,
       .gpus = spec.gpus,
       .memory_bytes = spec.memory_bytes,
       .time_seconds = spec.time_seconds},
      more);
}

namespace {

/// A job for one gang of this shape; no nodes when the pool cannot give it.
AllocationAsked JobFor(const wire::PoolSpec& spec, const GangShape& shape,
                       std::int64_t trial_seconds) {
  AllocationAsked job;
  job.nodes = 0;
  const Node node = NodeOf(spec);
  const int fit = RanksThatFit(node, shape, Count::kAll);
  if (fit == 0) return job;
  const int nodes = (shape.ranks + fit - 1) / fit;
  const int most = shape.most_nodes == 0 ? spec.nodes : std::min(spec.nodes, shape.most_nodes);
  if (nodes > most) return job;
  const int ranks = (shape.ranks + nodes - 1) / nodes;  // of a node
  job.nodes = nodes;
  job.slots = ranks * shape.cpus;
  job.gpus = shape.gpus > 0 ? ranks * shape.gpus : (ranks * shape.gpu_milli + 999) / 1'000;
  const auto memory = shape.amounts.find("memory");
  if (memory != shape.amounts.end()) job.memory_bytes = memory->second * ranks;
  job.time_seconds = spec.time_seconds;
  if (trial_seconds > 0)
    job.time_seconds =
        std::min(job.time_seconds, trial_seconds + spec.drain_seconds + kAroundTrialSeconds);
  return job;
}

}  // namespace

void Coordinator::AskForJobs(Turn& turn, const Pool& pool) {
  std::map<SweepId, int> coming;
  for (const auto& [id, allocation] : state_.allocations) {
    if (!allocation.used && !allocation.leaving) coming[allocation.asked.sweep] += 1;
  }
  const std::vector<Room> rooms = UsableRooms(turn.now);
  const std::set<SweepId> open = state_.open;
  for (const SweepId& id : open) {
    const int may = MayAsk(turn, pool);
    if (may <= 0) return;
    const Sweep& sweep = state_.sweeps.at(id);
    std::vector<Room> shared = rooms;
    std::erase_if(shared, [](const Room& room) { return !room.node->only.empty(); });
    const int wanted =
        GangsWanted(state_, sweep) - coming[id] - CapacityFor(shared, sweep.shape).now;
    if (wanted <= 0) continue;
    const AllocationAsked job = JobFor(pool.spec, sweep.shape, sweep.spec.trial.time_seconds);
    if (job.nodes > 0) Ask(turn, pool, &sweep, job, std::min(wanted, may));
  }
}

/// `count` allocations like `each`, in one request.
void Coordinator::Ask(Turn& turn, const Pool& pool, const Sweep* sweep, const AllocationAsked& each,
                      int count) {
  if (count <= 0) return;
  const wire::PoolSpec spec = pool.spec;
  SubmitAllocations submit{.pool = spec.name,
                           .name = "muster-" + (sweep == nullptr ? spec.name : sweep->id.value),
                           .nodes = each.nodes,
                           .slots = each.slots,
                           .gpus = each.gpus,
                           .memory_bytes = each.memory_bytes,
                           .time_seconds = each.time_seconds,
                           .warn_seconds = spec.drain_seconds,
                           .labels = spec.labels,
                           .site = spec.site};
  // Numbers outlive pools: under an older key the batch system would find the older jobs.
  submit.key = spec.name + "-" + std::to_string(state_.allocations_numbered + 1);
  for (int task = 0; task < count; ++task) {
    AllocationAsked asked = each;
    asked.allocation =
        AllocationId(spec.name + "-" + std::to_string(state_.allocations_numbered + 1));
    asked.pool = spec.name;
    if (sweep != nullptr) asked.sweep = sweep->id;
    asked.key = submit.key;
    asked.task = task;
    submit.allocations.push_back(asked.allocation);
    allocations_[asked.allocation].told_at = turn.now;
    Emit(turn, std::move(asked));
  }
  AddCommand(turn, std::move(submit));
}

}  // namespace muster::coordinator
