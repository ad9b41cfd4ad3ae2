#include "runtime/coordinator/explain_policy.h"

#include <algorithm>

#include "runtime/coordinator/retry_policy.h"

namespace muster::coordinator {
namespace {

constexpr Charge kCharges[] = {Charge::kUser, Charge::kOom,    Charge::kHang,    Charge::kInfra,
                               Charge::kNode, Charge::kFenced, Charge::kPreempt, Charge::kWalltime};

std::string RuleText(const Sweep& sweep, int index) {
  const wire::LogRule& rule = sweep.spec.on_log[static_cast<std::size_t>(index)];
  const auto word = [&] {
    switch (*rule.reaction) {
      case wire::LogReaction::kFail:
        return "fail";
      case wire::LogReaction::kExcludeNode:
        return "exclude_node";
      case wire::LogReaction::kRetry:
        break;
    }
    return "retry";
  };
  return "on_log[" + std::to_string(index) + "] ('" + rule.match + "', " + word() + ")";
}

std::string LeftOf(std::int64_t limit_seconds, UnixMillis started, UnixMillis now) {
  const std::int64_t left = limit_seconds - std::max<std::int64_t>(0, now - started) / 1000;
  return std::to_string(std::max<std::int64_t>(0, left)) + " of " + std::to_string(limit_seconds) +
         " s";
}

/// Which nodes get no trial of the sweep because somebody forbids it, and why.
void ExplainNodes(const State& state, const Sweep& sweep, Lines& lines) {
  for (const auto& [id, node] : state.nodes) {
    const std::string undo = "; `muster node uncordon " + id.value + "` undoes that.";
    const auto excluded = sweep.excluded_nodes.find(id);
    if (node.mode != NodeMode::kOpen) {
      lines.push_back("Node " + id.value + " is taken out of work" +
                      (node.mode_reason.empty() ? "" : ": " + node.mode_reason) + undo);
    } else if (excluded != sweep.excluded_nodes.end()) {
      lines.push_back("Node " + id.value +
                      " is excluded for this sweep by on_log: " + excluded->second + undo);
    }
  }
}

void ExplainRules(const State& state, const Sweep& sweep, Lines& lines) {
  std::vector<int> attempts(sweep.spec.on_log.size(), 0);
  for (const Trial& trial : sweep.trials) {
    for (const AttemptEpoch epoch : trial.attempts) {
      for (const FiredRule& fired : state.FindAttempt(epoch)->fired) {
        attempts[static_cast<std::size_t>(fired.rule)] += 1;
      }
    }
  }
  for (std::size_t i = 0; i < attempts.size(); ++i) {
    if (attempts[i] == 0) continue;
    lines.push_back(RuleText(sweep, static_cast<int>(i)) + " matched what " +
                    std::to_string(attempts[i]) + " of its attempts printed.");
  }
}

}  // namespace

std::string NodeState(const Coordinator& coordinator, const Node& node, MonotonicTime now) {
  switch (node.mode) {
    case NodeMode::kCordoned:
      return "cordoned";
    case NodeMode::kDrained:
      return node.holders.empty() ? "drained" : "draining";
    case NodeMode::kExcluded:
      return "excluded";
    case NodeMode::kOpen:
      break;
  }
  const auto* watch = coordinator.WatchOf(node.id);
  const auto& config = coordinator.config();
  const std::chrono::milliseconds lease(config.lease_ms + config.lease_margin_ms);
  if (watch == nullptr || now - watch->heard > lease) return "lost";
  return coordinator.IsUsable(node.id, now) ? "up" : "torpid";
}

void ExplainPolicy(const State& state, const Sweep& sweep, UnixMillis unix_now, Lines& lines) {
  if (IsFinal(sweep.phase)) {
    ExplainRules(state, sweep, lines);
    return;
  }
  if (sweep.spec.budget.time_seconds > 0 && sweep.started_ms > 0) {
    lines.push_back("Of its time limit (budget.time) it has " +
                    LeftOf(sweep.spec.budget.time_seconds, sweep.started_ms, unix_now) + " left.");
  }
  if (sweep.spec.trial.time_seconds > 0) {
    lines.push_back("An attempt may run for " + std::to_string(sweep.spec.trial.time_seconds) +
                    " s (trial.time).");
  }
  std::string budgets;
  for (const Charge charge : kCharges) {
    const auto budget = BudgetOf(sweep.spec.retry, charge);
    if (!budget) continue;  // without end, or shared with another
    budgets +=
        (budgets.empty() ? "" : ", ") + std::string(NameOf(charge)) + " " + std::to_string(*budget);
  }
  if (!budgets.empty()) lines.push_back("A trial is retried at most so often: " + budgets + ".");
  ExplainRules(state, sweep, lines);
  ExplainNodes(state, sweep, lines);
}

void ExplainPolicy(const State& state, const Sweep& sweep, const Trial& trial, UnixMillis unix_now,
                   Lines& lines) {
  if (trial.phase == TrialPhase::kWaiting) ExplainNodes(state, sweep, lines);
  const Attempt* live = state.FindAttempt(trial.live);
  const std::int64_t limit = sweep.spec.trial.time_seconds;
  if (limit > 0 && live != nullptr && live->phase == wire::AttemptPhase::kRunning) {
    lines.push_back("Of its time limit (trial.time) attempt " + std::to_string(live->epoch.value) +
                    " has " + LeftOf(limit, live->started_ms, unix_now) + " left.");
  }
  for (const AttemptEpoch epoch : trial.attempts) {
    for (const FiredRule& fired : state.FindAttempt(epoch)->fired) {
      lines.push_back(RuleText(sweep, fired.rule) + " matched in " + fired.log + " of attempt " +
                      std::to_string(epoch.value) + ": " + fired.line);
    }
  }
  std::string used;
  for (const auto& [charge, count] : trial.charges) {
    const auto budget = BudgetOf(sweep.spec.retry, charge);
    used += (used.empty() ? "" : ", ") + std::to_string(count) + " of " +
            (budget ? std::to_string(*budget) : "any number") + " (" + std::string(NameOf(charge)) +
            ")";
  }
  if (!used.empty()) lines.push_back("Of its retries, " + used + " are used.");
  if (trial.by_rule > 0) {
    lines.push_back("on_log left " + std::to_string(trial.by_rule) + " of its attempts uncounted.");
  }
  if (trial.crashes > 0) {
    const int most = sweep.spec.retry.crashes.value_or(wire::kUnlimited);
    lines.push_back("Nodes were lost under it " + std::to_string(trial.crashes) + " times" +
                    (most == wire::kUnlimited
                         ? "."
                         : "; it fails at " + std::to_string(most) + " (retry.crashes)."));
  }
}

}  // namespace muster::coordinator
