#include <algorithm>

#include "runtime/coordinator/coordinator_turn.h"
#include "runtime/coordinator/retry_policy.h"

/// Attempts, trials and sweeps end.

namespace muster::coordinator {
namespace {

/// Of the first rank that failed; ranks are in the order in which they ended.
int ExitCode(const wire::Exited& exited) {
  for (const wire::RankExit& rank : exited.ranks) {
    if (rank.code != 0) return rank.code;
  }
  return 0;
}

bool AnyComplete(const Sweep& sweep) {
  return std::ranges::any_of(
      sweep.trials, [](const Trial& trial) { return trial.phase == TrialPhase::kComplete; });
}

/// The attempt was asked to make room for others, which says nothing about its trial.
bool MadeRoom(wire::ExitCause cause) {
  return cause == wire::ExitCause::kPreempt || cause == wire::ExitCause::kWalltime;
}

std::string MetricNames(const std::map<std::string, double>& metrics) {
  std::string names;
  for (const auto& [name, value] : metrics) names += (names.empty() ? "" : ", ") + name;
  return names.empty() ? "it reported no metric" : "it reported " + names;
}

std::string_view RunStatus(TrialPhase phase) {
  switch (phase) {
    case TrialPhase::kComplete:
      return "FINISHED";
    case TrialPhase::kFailed:
      return "FAILED";
    default:
      return "KILLED";
  }
}

/// The trial as it would be after one more such end; of a mutation.
Trial Charged(Trial trial, const wire::RetrySpec& retry, wire::ExitCause cause) {
  trial.charges[ChargeOf(retry, cause)] += 1;
  return trial;
}

}  // namespace

void Coordinator::OnExited(Turn& turn, const NodeId& node, const wire::Exited& exited) {
  const Attempt* attempt = state_.FindAttempt(exited.epoch);
  const Member* member = attempt == nullptr ? nullptr : attempt->LiveMember(node);
  if (member == nullptr) {
    turn.Send(node, wire::Forget{exited.epoch});
    return;
  }
  if (older_.contains({exited.epoch, node})) {  // it is another start's
    turn.Send(node, wire::Forget{exited.epoch});
    return;
  }
  // An agent sends it after its spool was acknowledged to the end, unless it was told that nobody wants it.
  if (exited.records_end > member->records_end && exited.cause != wire::ExitCause::kFenced &&
      !Mutated(Mutation::kExitedBeforeRecords)) {
    if (attempts_[exited.epoch].members[node].batches.empty()) {
      turn.Send(node, wire::Ack{exited.epoch, member->records_end, {}});
    }
    return;
  }
  turn.Send(node, wire::Forget{exited.epoch});
  EndMember(turn, *attempt,
            {exited.epoch, node, exited.cause, exited.message, ExitCode(exited), exited.used});
}

/// One node's part has ended. The last one to end ends the attempt; the first to fail says why, and takes
/// the others along.
void Coordinator::EndMember(Turn& turn, const Attempt& attempt, MemberEnded end) {
  if (attempt.living_members() > 1) {
    all_unsettled_ = true;  // slots become free
    const bool alone = end.cause == wire::ExitCause::kSuccess || attempt.stop;
    StopDecided stop{end.epoch, wire::StopReason::kGangLost, end.cause, end.message};
    Emit(turn, std::move(end));
    if (!alone) Decide(turn, attempt, std::move(stop));
    return;
  }
  const auto used = end.used;
  if (attempt.failure && !SaysMore(end.cause, attempt.failure->cause)) end = *attempt.failure;
  EndAttempt(turn, attempt, end.cause, std::move(end.message), end.exit_code, used);
}

void Coordinator::EndAttempt(Turn& turn, const Attempt& attempt, wire::ExitCause cause,
                             std::string message, int exit_code,
                             const std::optional<wire::ResourceUse>& used) {
  // An agent that was told to stop says so; one that says success was done before.
  const bool done = cause == wire::ExitCause::kSuccess;
  const bool verdict =
      attempt.stop && attempt.stop->cause &&
      attempt.stop->reason != wire::StopReason::kGangLost;  // `cause` is the gang's
  if (verdict && !(done && MadeRoom(*attempt.stop->cause))) {
    cause = *attempt.stop->cause;
    message = attempt.stop->message;
  }
  const Trial& trial = *state_.FindTrial(attempt.trial);
  const AttemptEpoch epoch = attempt.epoch;
  const bool was_final = IsFinal(trial.phase);
  AttemptEnded end{.epoch = epoch,
                   .cause = cause,
                   .message = std::move(message),
                   .exit_code = exit_code,
                   .used = used};
  turn.ending = epoch;
  all_unsettled_ = true;  // slots become free
  // A trial that was asked to stop may well say so with exit code 0.
  const bool pruned = attempt.stop && attempt.stop->reason == wire::StopReason::kPruned;
  if (was_final) {
    Emit(turn, std::move(end));
  } else if (cause == wire::ExitCause::kSuccess &&
             (!pruned || Mutated(Mutation::kPrunedCompletes))) {
    CompleteTrial(turn, trial, epoch, {});
    Emit(turn, std::move(end));
  } else if (attempt.stop && !attempt.stop->cause) {
    const wire::StopReason reason = attempt.stop->reason;
    if (reason == wire::StopReason::kPruned) {
      const std::optional<double> last =
          trial.reports.empty() ? std::nullopt : std::optional(trial.reports.back().value);
      EndTrial(turn, trial, epoch, TrialPhase::kPruned, last, attempt.stop->message);
    } else if (reason == wire::StopReason::kCancelled) {
      EndTrial(turn, trial, epoch, TrialPhase::kCancelled, {}, attempt.stop->message);
    }  // paused: it goes back to the queue
    end.message = attempt.stop->message;
    Emit(turn, std::move(end));
  } else {
    RetryOrFail(turn, attempt, std::move(end));
  }
  turn.ending = {};
  attempts_.erase(epoch);
  if (was_final) {
    AddCommand(turn, TagRun{trial.run, UseTags(state_, trial)});
  } else if (IsFinal(trial.phase)) {
    FinishRunOf(turn, trial);
  }
}

void Coordinator::RetryOrFail(Turn& turn, const Attempt& attempt, AttemptEnded end) {
  const wire::ExitCause cause = end.cause;
  const std::string message = end.message;
  const Trial& trial = *state_.FindTrial(attempt.trial);
  const Sweep& sweep = state_.sweeps.at(trial.sweep);
  const Loss loss{cause, message, end.exit_code};
  const bool twice = Mutated(Mutation::kChargeTwice);
  const Verdict verdict = Judge(sweep, twice ? Charged(trial, sweep.spec.retry, cause) : trial,
                                attempt, loss, config_.most_by_rule);
  if (sweep.cancelled || sweep.time_up) {
    EndTrial(turn, trial, attempt.epoch, TrialPhase::kCancelled, {}, message);
  } else if (cause == wire::ExitCause::kHang && sweep.spec.hang.action == "kill") {
    EndTrial(turn, trial, attempt.epoch, TrialPhase::kFailed, {}, message, cause);
  } else if (verdict.failure && !Mutated(Mutation::kRetryForever)) {
    EndTrial(turn, trial, attempt.epoch, TrialPhase::kFailed, {}, *verdict.failure, cause);
  } else if (verdict.delayed > 0) {
    const auto delay = Ms(std::min(config_.retry_delay_most_ms,
                                   config_.retry_delay_ms << std::min(verdict.delayed - 1, 20)));
    not_before_[trial.id] = turn.now + delay;
  }
  const bool blames_node = BlamesNode(turn, attempt, cause);
  const NodeId node = attempt.failure ? attempt.failure->node : attempt.members.front().place.node;
  end.charge = verdict.charge;
  end.by_rule = verdict.by_rule;
  end.blames_node = blames_node;
  end.node = node;
  Emit(turn, std::move(end));
  if (blames_node) ExcludeIfBlamed(turn, node, message);
}

void Coordinator::CompleteTrial(Turn& turn, const Trial& trial, AttemptEpoch epoch,
                                std::optional<double> value) {
  const wire::SweepSpec& spec = state_.sweeps.at(trial.sweep).spec;
  if (!value && !trial.reports.empty()) value = trial.reports.back().value;
  std::string missing = value ? "" : spec.objective.metric;
  for (const auto& objective : spec.more_objectives) {
    if (!trial.metrics.contains(objective.metric)) missing = objective.metric;
  }
  if (missing.empty()) {
    EndTrial(turn, trial, epoch, TrialPhase::kComplete, value, {});
  } else {
    EndTrial(turn, trial, epoch, TrialPhase::kFailed, {},
             "the trial ended without the metric '" + missing + "', which the sweep optimises; " +
                 MetricNames(trial.metrics));
  }
}

void Coordinator::EndTrial(Turn& turn, const Trial& trial, AttemptEpoch epoch, TrialPhase phase,
                           std::optional<double> value, std::string message,
                           std::optional<wire::ExitCause> cause) {
  Emit(turn, TrialEnded{trial.id, epoch, phase, value, std::move(message), cause});
  not_before_.erase(trial.id);
  unsettled_.insert(trial.sweep);
  // What its last attempt used is known a moment later.
  if (turn.ending.value == 0 || trial.live != turn.ending) FinishRunOf(turn, trial);
}

void Coordinator::FinishRunOf(Turn& turn, const Trial& trial) {
  FinishRun finish{trial.run, std::string(RunStatus(trial.phase)), {}};
  if (trial.live.value == 0) finish.tags = UseTags(state_, trial);
  AddCommand(turn, std::move(finish));
}

void Coordinator::EndSweepWhenDone(Turn& turn, const Sweep& sweep) {
  if (IsFinal(sweep.phase) || sweep.phase == SweepPhase::kPromoting || !sweep.full() ||
      sweep.finished < static_cast<int>(sweep.trials.size()) || sweep.live > 0) {
    return;
  }
  searches_.erase(sweep.id);
  turns_since_drop_.erase(sweep.id);
  const Trial* best = State::Best(sweep);
  if (sweep.cancelled) {
    Emit(turn, SweepEnded{sweep.id, SweepPhase::kCancelled, sweep.message});
  } else if (best == nullptr && AnyComplete(sweep)) {
    // Nothing was compared: a lone command (muster run).
    Emit(turn, SweepEnded{sweep.id, SweepPhase::kComplete, sweep.message});
  } else if (best == nullptr) {
    std::string message = "none of " + std::to_string(sweep.trials.size()) + " trials completed";
    if (!sweep.message.empty()) message += "; " + sweep.message;
    const auto last = std::ranges::find_if(
        sweep.trials, [](const Trial& trial) { return trial.phase == TrialPhase::kFailed; });
    if (last != sweep.trials.end()) {
      message += "; trial " + std::to_string(last->number) + ": " + last->message;
    }
    Emit(turn, SweepEnded{sweep.id, SweepPhase::kFailed, std::move(message)});
  } else if (sweep.spec.model) {
    Emit(turn, SweepPromoting{sweep.id, best->id});
    AddCommand(turn, PromoteModelOf(sweep, *best));
  } else {
    Emit(turn, SweepEnded{sweep.id, SweepPhase::kComplete, sweep.message});
  }
}

}  // namespace muster::coordinator
