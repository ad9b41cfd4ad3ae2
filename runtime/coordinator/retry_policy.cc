#include "runtime/coordinator/retry_policy.h"

#include <algorithm>
#include <array>
#include <utility>

namespace muster::coordinator {
namespace {

using wire::ExitCause;

/// A trial that ends with it wants to be started again (design.md).
constexpr int kResumeCode = 75;
constexpr int kDefaultCrashes = 5;

/// The first fired rule of that reaction, as the trial's message; nullopt: none.
std::optional<std::string> FiredLine(const Sweep& sweep, const Attempt& attempt,
                                     wire::LogReaction reaction) {
  for (const FiredRule& fired : attempt.fired) {
    if (sweep.spec.on_log.at(static_cast<std::size_t>(fired.rule)).reaction != reaction) continue;
    return fired.line + " (on_log[" + std::to_string(fired.rule) + "])";
  }
  return std::nullopt;
}

/// Why the sweep's own limits let the trial not go on; nullopt: they do.
std::optional<std::string> LimitReached(const Sweep& sweep, const Trial& trial,
                                        const Attempt& attempt, const Loss& loss, Charge charge) {
  const wire::RetrySpec& retry = sweep.spec.retry;
  if (loss.cause == ExitCause::kWalltime && sweep.spec.trial.time_seconds > 0 &&
      !attempt.progressed && loss.exit_code != kResumeCode) {
    return loss.message + " and left no new checkpoint to go on from";
  }
  const int crashes = retry.crashes.value_or(wire::kUnlimited);
  if (loss.cause == ExitCause::kNode && crashes != wire::kUnlimited &&
      trial.crashes + 1 >= crashes) {
    return std::to_string(trial.crashes + 1) +
           " nodes were lost under it, which may be its own doing (retry.crashes); the last: " +
           loss.message;
  }
  const auto budget = BudgetOf(retry, charge);
  if (!budget || trial.failures(charge) < *budget) return std::nullopt;
  if (*budget == 0) return loss.message;
  return loss.message + " (after " + std::to_string(*budget) + " retries, retry." +
         std::string(NameOf(charge)) + ")";
}

}  // namespace

wire::RetrySpec WithDefaults(wire::RetrySpec retry) {
  retry.preempt = retry.preempt.value_or(wire::kUnlimited);
  retry.walltime = retry.walltime.value_or(wire::kUnlimited);
  retry.crashes = retry.crashes.value_or(kDefaultCrashes);
  return retry;
}

Charge ChargeOf(const wire::RetrySpec& retry, ExitCause cause) {
  const bool two_budgets = !retry.preempt;
  switch (cause) {
    case ExitCause::kUser:
      return Charge::kUser;
    case ExitCause::kOom:
      return retry.oom ? Charge::kOom : Charge::kUser;
    case ExitCause::kHang:
      return retry.hang ? Charge::kHang : Charge::kUser;
    case ExitCause::kNode:
      return retry.node ? Charge::kNode : Charge::kInfra;
    case ExitCause::kFenced:
      return retry.fenced ? Charge::kFenced : Charge::kInfra;
    case ExitCause::kPreempt:
      return two_budgets ? Charge::kInfra : Charge::kPreempt;
    case ExitCause::kWalltime:
      return two_budgets ? Charge::kInfra : Charge::kWalltime;
    case ExitCause::kResume:
      return two_budgets ? Charge::kInfra : Charge::kNothing;
    case ExitCause::kInfra:
    case ExitCause::kSuccess:
    case ExitCause::kStopped:  // nobody asked it to
      break;
  }
  return Charge::kInfra;
}

std::optional<int> BudgetOf(const wire::RetrySpec& retry, Charge charge) {
  const auto budget = [&]() -> std::optional<int> {
    switch (charge) {
      case Charge::kNothing:
        return std::nullopt;
      case Charge::kInfra:
        return retry.infra;
      case Charge::kUser:
        return retry.user;
      case Charge::kOom:
        return retry.oom;
      case Charge::kNode:
        return retry.node;
      case Charge::kPreempt:
        return retry.preempt;
      case Charge::kWalltime:
        return retry.walltime;
      case Charge::kHang:
        return retry.hang;
      case Charge::kFenced:
        return retry.fenced;
    }
    return std::nullopt;
  }();
  return budget == wire::kUnlimited ? std::nullopt : budget;
}

std::string_view NameOf(Charge charge) {
  // In the order of Charge.
  constexpr std::array<std::string_view, 9> kNames = {
      "nothing", "infra", "user", "oom", "node", "preempt", "walltime", "hang", "fenced"};
  return kNames.at(static_cast<std::size_t>(charge));
}

bool IsFailure(ExitCause cause) {
  return cause != ExitCause::kSuccess && cause != ExitCause::kStopped &&
         cause != ExitCause::kResume && cause != ExitCause::kPreempt &&
         cause != ExitCause::kWalltime;
}

Verdict Judge(const Sweep& sweep, const Trial& trial, const Attempt& attempt, const Loss& loss,
              int most_by_rule) {
  Verdict verdict;
  verdict.charge = ChargeOf(sweep.spec.retry, loss.cause);
  if (IsFailure(loss.cause)) {
    verdict.failure = FiredLine(sweep, attempt, wire::LogReaction::kFail);
    if (verdict.failure) return verdict;
    if (!attempt.fired.empty() && trial.by_rule < most_by_rule) {
      return {Charge::kNothing, true, std::nullopt, trial.by_rule + 1};
    }
  }
  verdict.failure = LimitReached(sweep, trial, attempt, loss, verdict.charge);
  if (IsFailure(loss.cause) || loss.cause == ExitCause::kStopped) {
    // A node that is gone says nothing about the next one.
    verdict.delayed = loss.cause == ExitCause::kNode ? 0 : trial.failures(verdict.charge) + 1;
  }
  return verdict;
}

}  // namespace muster::coordinator
