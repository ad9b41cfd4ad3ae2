#include "runtime/sim/pool_rules.h"

#include <algorithm>
#include <variant>

namespace muster::sim {
namespace {

// As runtime/coordinator has them, told anew.
constexpr int kFailuresMost = 5;
constexpr Micros kFirstWait = 5 * kSecond;
constexpr Micros kLongestWait = 600 * kSecond;
/// Looks come about once a second; the batch system is asked as often.
constexpr Micros kStrayMost = 30 * kSecond;

bool IsLent(const NodeId& node) { return node.value.find('.') != std::string::npos; }

}  // namespace

void PoolRules::Committed(const std::vector<coordinator::Event>& events) {
  for (const auto& event : events) {
    unix_ms_ = event.unix_ms;
    std::visit([this](const auto& one) { On(one); }, event.body);
  }
}

PoolRules::AllocationBook* PoolRules::Of(const NodeId& node) {
  const auto found = open_.find(AllocationId(node.value.substr(0, node.value.rfind('.'))));
  return found == open_.end() ? nullptr : &found->second;
}

void PoolRules::On(const coordinator::PoolSet& event) {
  PoolBook& pool = pools_[event.spec.name];
  pool.spec = event.spec;
  pool.stopped = false;
  pool.failures = 0;
}

void PoolRules::On(const coordinator::PoolChanged& event) {
  PoolBook& pool = pools_[event.pool];
  pool.stopped = event.change != coordinator::PoolChange::kResumed;
  if (!pool.stopped) pool.failures = 0;
}

void PoolRules::On(const coordinator::AllocationAsked& event) {
  PoolBook& pool = pools_[event.pool];
  const std::string name = "pool " + event.pool;
  if (pool.stopped)
    world_.Violate("S19: " + name + " asks for " + event.allocation.value +
                   " though it is stopped");
  const Micros passed = (unix_ms_ - pool.failed_ms) * kMillisecond;
  const Micros wait = std::min(kLongestWait, kFirstWait << std::max(0, pool.failures - 1));
  const bool soon = pool.failures > 0 && passed < wait;
  if (soon && world_.rates.clock_jump_every == 0) {  // it goes by the wall clock
    world_.Violate("S19: " + name + " asks again " + std::to_string(passed / kSecond) +
                   " s after " + std::to_string(pool.failures) + " failures in a row");
  }
  if (pool.failures >= kFailuresMost)
    world_.Violate("S19: " + name + " asks after " + std::to_string(pool.failures) +
                   " failures in a row");
  pool.open.insert(event.allocation);
  open_[event.allocation] = {
      .pool = event.pool, .key = event.key, .task = event.task, .sweep = event.sweep};
  const auto waiting = std::ranges::count_if(
      pool.open, [this](const AllocationId& id) { return !open_.at(id).joined; });
  if (std::ssize(pool.open) > pool.spec.most || waiting > pool.spec.backlog)
    world_.Violate("S18: " + name + " has " + std::to_string(pool.open.size()) +
                   " allocations, of which " + std::to_string(waiting) + " wait; it may have " +
                   std::to_string(pool.spec.most) + " and " + std::to_string(pool.spec.backlog));
}

void PoolRules::On(const coordinator::NodeSeen& event) {
  AllocationBook* allocation = Of(event.node);
  if (allocation == nullptr) return;
  allocation->joined = true;
  pools_[allocation->pool].failures = 0;
}

void PoolRules::On(const coordinator::NodeLeft& event) {
  if (event.back)
    leaving_.erase(event.node);
  else
    leaving_.insert(event.node);
}

void PoolRules::On(const coordinator::AllocationLeft& event) {
  open_[event.allocation].left = true;
}

void PoolRules::On(const coordinator::AllocationEnded& event) {
  PoolBook& pool = pools_[open_[event.allocation].pool];
  pool.open.erase(event.allocation);
  open_.erase(event.allocation);
  if (!event.failed) return;
  ++pool.failures;
  pool.failed_ms = unix_ms_;
}

void PoolRules::On(const coordinator::AttemptStarted& event) {
  std::set<AllocationId> used;
  const std::string name = "attempt " + std::to_string(event.epoch.value);
  for (const coordinator::Placement& place : event.places) {
    if (!IsLent(place.node)) continue;
    AllocationBook* allocation = Of(place.node);
    if (allocation == nullptr || allocation->left || leaving_.contains(place.node)) {
      world_.Violate("S20: " + name + " is given to " + place.node.value + ", which " +
                     (allocation == nullptr ? "has ended" : "leaves"));
      return;
    }
    if (allocation->sweep.empty()) continue;
    const std::string sweep = event.trial.value.substr(0, event.trial.value.rfind('/'));
    const bool first_part =
        used.insert(AllocationId(place.node.value.substr(0, place.node.value.rfind('.')))).second;
    if (sweep != allocation->sweep.value || (first_part && ++allocation->attempts > 1))
      world_.Violate("S20: " + name + " is given to the job of " + place.node.value +
                     ", which is another's");
  }
}

void PoolRules::Look(const std::vector<cluster::Job>& jobs, const std::string& home_id,
                     bool watched) {
  if (!watched) return stray_since_.clear();
  std::map<std::pair<std::string, int>, int> wanted;  ///< jobs of each
  for (const auto& [id, one] : open_) wanted[{home_id + ":" + one.key, one.task}] = 1;
  std::map<std::string, Micros> strays;
  for (const cluster::Job& job : jobs) {
    const auto found = wanted.find({job.key, job.task});
    if (found != wanted.end() && found->second-- > 0) continue;
    const auto known = stray_since_.find(job.id);
    const Micros since = known == stray_since_.end() ? world_.scheduler.now() : known->second;
    strays[job.id] = since;
    if (world_.scheduler.now() - since > kStrayMost)
      world_.Violate("S21: nobody has known job " + job.id + " of " + job.key + " for " +
                     std::to_string(kStrayMost / kSecond) + " s, and it was not cancelled");
  }
  stray_since_ = std::move(strays);
}

}  // namespace muster::sim
