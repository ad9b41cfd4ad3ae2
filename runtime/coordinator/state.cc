#include "runtime/coordinator/state.h"

#include <algorithm>
#include <cmath>

namespace muster::coordinator {

bool SaysMore(wire::ExitCause later, wire::ExitCause first) {
  using enum wire::ExitCause;
  return first == kUser && (later == kOom || later == kNode || later == kHang || later == kInfra);
}

double LossOf(double value, bool maximize) {
  if (std::isnan(value)) return INFINITY;
  return maximize ? -value : value;
}

int Attempt::living_members() const {
  return static_cast<int>(std::ranges::count_if(members, &Member::live));
}

const Member* Attempt::LiveMember(const NodeId& node) const {
  const auto found = std::ranges::find_if(
      members, [&](const Member& member) { return member.place.node == node; });
  return found != members.end() && live() && found->live() ? &*found : nullptr;
}

std::string Attempt::NodeNames() const {
  std::string names;
  for (const Member& member : members) {
    names += (names.empty() ? "" : ", ") + member.place.node.value;
  }
  return names;
}

const Sweep* State::FindSweep(const SweepId& id) const {
  const auto found = sweeps.find(id);
  return found == sweeps.end() ? nullptr : &found->second;
}

const Trial* State::FindTrial(const TrialId& id) const {
  const std::size_t slash = id.value.rfind('/');
  if (slash == std::string::npos) return nullptr;
  const Sweep* sweep = FindSweep(SweepId(id.value.substr(0, slash)));
  if (sweep == nullptr) return nullptr;
  const std::string digits = id.value.substr(slash + 1);
  if (digits.empty() || digits.size() > 9 ||
      digits.find_first_not_of("0123456789") != digits.npos) {
    return nullptr;
  }
  const auto number = static_cast<std::size_t>(std::stoul(digits));
  if (number >= sweep->trials.size() || sweep->trials[number].id != id) return nullptr;
  return &sweep->trials[number];
}

const Attempt* State::FindAttempt(AttemptEpoch epoch) const {
  const auto found = attempts.find(epoch);
  return found == attempts.end() ? nullptr : &found->second;
}

const Allocation* State::FindAllocation(const AllocationId& id) const {
  const auto found = allocations.find(id);
  return found == allocations.end() ? nullptr : &found->second;
}

bool State::CanBeCounted(const Uncounted& allocation) const {
  return std::ranges::none_of(allocation.attempts,
                              [this](AttemptEpoch epoch) { return live.contains(epoch); });
}

AllocationId State::AllocationOf(const NodeId& node) const {
  const std::size_t dot = node.value.rfind('.');
  if (dot == std::string::npos) return {};
  const std::size_t dash = node.value.rfind('-', dot);
  if (dash == std::string::npos || !pools.contains(node.value.substr(0, dash))) return {};
  const auto digits = [&](std::size_t from, std::size_t to) {
    return from < to && node.value.find_first_not_of("0123456789", from) >= to;
  };
  if (!digits(dash + 1, dot) || !digits(dot + 1, node.value.size())) return {};
  return AllocationId(node.value.substr(0, dot));
}

const Trial* State::Best(const Sweep& sweep) {
  const bool maximize = sweep.spec.objective.maximize();
  const Trial* best = nullptr;
  for (const Trial& trial : sweep.trials) {
    if (trial.phase != TrialPhase::kComplete || !trial.value) continue;
    if (best == nullptr || LossOf(*trial.value, maximize) < LossOf(*best->value, maximize)) {
      best = &trial;
    }
  }
  return best;
}

}  // namespace muster::coordinator
