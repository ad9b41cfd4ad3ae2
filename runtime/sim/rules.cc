#include "runtime/sim/rules.h"

#include <algorithm>
#include <type_traits>
#include <variant>

#include "runtime/wire/sweep_spec.h"

namespace muster::sim {
namespace {

// coordinator::Config's; clocks differ by a percent.
constexpr Micros kLease = 10 * kSecond;
constexpr Micros kLeaseAndMargin = 14 * kSecond;
constexpr Micros kDrift = kSecond;

std::string Name(AttemptEpoch epoch) { return "attempt " + std::to_string(epoch.value); }

struct Budget {
  std::string name;  ///< empty: the end counts against none
  int most = 0;
};

/// Which budget an end counts against (README of runtime/coordinator), told anew.
Budget BudgetFor(const wire::RetrySpec& retry, wire::ExitCause cause) {
  using wire::ExitCause;
  const auto own_or = [](const char* name, const std::optional<int>& own, const char* shared,
                         int most) { return own ? Budget{name, *own} : Budget{shared, most}; };
  switch (cause) {
    case ExitCause::kUser:
      return {"user", retry.user};
    case ExitCause::kOom:
      return own_or("oom", retry.oom, "user", retry.user);
    case ExitCause::kHang:
      return own_or("hang", retry.hang, "user", retry.user);
    case ExitCause::kNode:
      return own_or("node", retry.node, "infra", retry.infra);
    case ExitCause::kFenced:
      return own_or("fenced", retry.fenced, "infra", retry.infra);
    case ExitCause::kInfra:
    case ExitCause::kStopped:
      return {"infra", retry.infra};
    case ExitCause::kPreempt:
      return {"preempt", retry.preempt.value_or(wire::kUnlimited)};
    case ExitCause::kWalltime:
      return {"walltime", retry.walltime.value_or(wire::kUnlimited)};
    case ExitCause::kSuccess:
    case ExitCause::kResume:
      break;
  }
  return {};
}

}  // namespace

// --- the book ---------------------------------------------------------------------------------------

void Rules::Committed(const std::vector<coordinator::Event>& events) {
  for (const auto& event : events) {
    std::visit(
        [this](const auto& one) {
          using T = std::remove_cvref_t<decltype(one)>;
          On(one);
          constexpr bool kBetween = std::is_same_v<T, coordinator::TrialEnded> ||
                                    std::is_same_v<T, coordinator::OutboxAdded>;
          if (!kBetween) failed_ = {};
        },
        event.body);
  }
}

void Rules::On(const coordinator::CoordinatorStarted& /*event*/) {
  coordinator_since_ = world_.scheduler.now();
}

void Rules::On(const coordinator::SweepSubmitted& event) {
  SweepBook& sweep = sweeps_[event.sweep];
  sweep.retry = event.spec.retry;
  sweep.on_log = event.spec.on_log;
  sweep.seconds = event.spec.budget.time_seconds;
}

void Rules::On(const coordinator::SweepChanged& event) {
  SweepBook& sweep = sweeps_[event.sweep];
  if (event.change == coordinator::SweepChange::kCancelled) sweep.over = true;
  if (event.change != coordinator::SweepChange::kTimeUp) return;
  sweep.over = true;
  // What passed while no coordinator lived, nobody but the wall clock knows.
  if (!sweep.started || coordinator_since_ > *sweep.started) return;
  const Micros passed = world_.scheduler.now() - *sweep.started;
  if (passed + kDrift < sweep.seconds * kSecond)
    world_.Violate("S14: the time limit of sweep " + event.sweep.value + ", " +
                   std::to_string(sweep.seconds) + " s, is up after " +
                   std::to_string(passed / kSecond) + " s");
}

void Rules::On(const coordinator::TrialEnded& event) {
  if (event.phase == coordinator::TrialPhase::kFailed) failed_ = event.epoch;
  if (event.phase != coordinator::TrialPhase::kComplete) return;
  const auto found = live_.find(event.epoch);
  if (found == live_.end()) return;
  const AttemptBook& attempt = found->second;
  if (attempt.stop && attempt.stop->reason == wire::StopReason::kPruned && !attempt.stop->cause &&
      !attempt.result)
    world_.Violate("S12: trial " + event.trial.value + " was pruned and completes by the exit of " +
                   Name(event.epoch));
}

void Rules::On(const coordinator::TrialRetried& event) {
  TrialBook& trial = trials_[event.trial];
  trial.failures.clear();
  trial.crashes = 0;
}

void Rules::On(const coordinator::LogRuleFired& event) {
  const auto found = live_.find(event.epoch);
  if (found == live_.end()) return;
  const auto& rules = sweeps_[trials_[found->second.trial].sweep].on_log;
  if (rules.at(static_cast<std::size_t>(event.rule)).reaction == wire::LogReaction::kFail) {
    found->second.may_fail = true;
  }
}

void Rules::On(const coordinator::AttemptStarted& event) {
  live_[event.epoch].trial = event.trial;
  SweepBook& sweep = sweeps_[trials_[event.trial].sweep];
  if (!sweep.started) sweep.started = world_.scheduler.now();
}

void Rules::On(const coordinator::StopDecided& event) {
  AttemptBook& attempt = live_[event.epoch];
  if (!attempt.stop) attempt.stopped_at = world_.scheduler.now();
  attempt.stop = event;
}

void Rules::On(const coordinator::Reported& event) {
  if (event.result_checkpoint) live_[event.epoch].result = true;
}

void Rules::On(const coordinator::AttemptEnded& event) {
  const AttemptBook attempt = live_[event.epoch];
  live_.erase(event.epoch);
  TrialBook& trial = trials_[attempt.trial];
  trial.crashes += event.cause == wire::ExitCause::kNode && !event.by_rule ? 1 : 0;
  const SweepBook& sweep = sweeps_[trial.sweep];
  const Budget budget = BudgetFor(sweep.retry, event.cause);
  const bool asked = attempt.stop && !attempt.stop->cause;
  if (budget.name.empty() || asked || event.charge == coordinator::Charge::kNothing) return;
  const int failures = ++trial.failures[budget.name];
  const bool used_up = budget.most != wire::kUnlimited && failures > budget.most;
  const bool failed = failed_ == event.epoch;
  if (failed == used_up || sweep.over) return;
  // What ends a trial beside its budgets.
  if (failed && (attempt.may_fail || event.cause == wire::ExitCause::kWalltime ||
                 trial.crashes >= sweep.retry.crashes.value_or(trial.crashes + 1))) {
    return;
  }
  world_.Violate("S10: trial " + attempt.trial.value + (failed ? " fails" : " goes on") +
                 " after " + std::to_string(failures) + " failures that count against retry." +
                 budget.name + ", which is " + std::to_string(budget.most));
}

// --- nodes ------------------------------------------------------------------------------------------

Micros Rules::SilenceOf(const Node& node) const {
  const auto heard = heard_.find(&node);
  return world_.scheduler.now() - (heard == heard_.end() ? 0 : heard->second);
}

void Rules::Sent(const Node& node, const wire::Envelope& envelope) {
  Belief& belief = beliefs_[&node];
  if (belief.life == node.life() && envelope.coordinator < belief.coordinator)
    world_.Violate("S13: the agent of " + node.name() + " goes back from coordinator " +
                   std::to_string(belief.coordinator.value) + " to " +
                   std::to_string(envelope.coordinator.value));
  belief = {node.life(), envelope.coordinator};
}

void Rules::Starting(const Node& node, const wire::Prepare& prepare) {
  if (node.late()) return;
  if (SilenceOf(node) > kLease + kDrift)
    world_.Violate("S11: ranks of " + Name(prepare.epoch) + " start on " + node.name() +
                   ", which was not heard for " + std::to_string(SilenceOf(node) / kSecond) + " s");
  for (const auto& other : nodes_) {
    if (other.get() == &node || other->SteadyFor() < kLeaseAndMargin) continue;
    for (const auto& [epoch, gang] : other->gangs()) {
      if (gang->prepare.trial == prepare.trial && epoch != prepare.epoch && gang->LivingRanks() > 0)
        world_.Violate("S11: ranks of " + Name(prepare.epoch) + " of trial " + prepare.trial.value +
                       " start while ranks of " + Name(epoch) + " run on " + other->name());
    }
  }
}

// --- time -------------------------------------------------------------------------------------------

void Rules::Look(bool coordinator_steady) {
  for (const auto& node : nodes_) {
    if (node->SteadyFor() < kLeaseAndMargin || SilenceOf(*node) < kLeaseAndMargin) continue;
    for (const auto& [epoch, gang] : node->gangs()) {
      if (gang->LivingRanks() > 0)
        world_.Violate("S11: ranks of " + Name(epoch) + " run on " + node->name() +
                       ", which was not heard for " + std::to_string(SilenceOf(*node) / kSecond) +
                       " s");
    }
  }
  if (coordinator_steady) LookAtSweeps();
  if (!healed_) return;
  constexpr Micros kToStop = 120 * kSecond;
  for (const auto& [epoch, attempt] : live_) {
    if (attempt.stop && world_.scheduler.now() > std::max(*healed_, attempt.stopped_at) + kToStop)
      world_.Violate("L3: " + Name(epoch) + " is to stop since " +
                     std::to_string(attempt.stopped_at / kSecond) + " s and has not ended");
  }
}

void Rules::LookAtSweeps() {
  constexpr Micros kSlack = 100 * kSecond;  // the process may have been stopped
  for (const auto& [id, sweep] : sweeps_) {
    if (sweep.over || sweep.seconds == 0 || !sweep.started) continue;
    const Micros from = std::max(*sweep.started, coordinator_since_);
    if (world_.scheduler.now() > from + sweep.seconds * kSecond + kSlack)
      world_.Violate("S14: the time limit of sweep " + id.value + ", " +
                     std::to_string(sweep.seconds) + " s, is not up after " +
                     std::to_string((world_.scheduler.now() - *sweep.started) / kSecond) + " s");
  }
}

}  // namespace muster::sim
