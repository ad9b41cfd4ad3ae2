#include "runtime/coordinator/coordinator_turn.h"
#include "runtime/coordinator/retry_policy.h"
#include "runtime/coordinator/search_spec.h"
#include "runtime/coordinator/validate.h"
#include "runtime/wire/sweep_spec.h"

/// What people ask for: sweeps and trials are submitted, paused, resumed, stopped and retried.

namespace muster::coordinator {
namespace {

SweepId UnusedId(const State& state, const std::string& name) {
  for (int n = 1;; ++n) {
    SweepId id(name + "-" + std::to_string(n));
    if (state.FindSweep(id) == nullptr) return id;
  }
}

/// What a client wants of a sweep; the code beside its file may have changed since it was sent first.
boost::json::value Asked(wire::SweepSpec spec) {
  spec.code.reset();
  return wire::ToJson(spec);
}

Error NoSweep(const SweepId& id) { return NotFound("there is no sweep '" + id.value + "'"); }
Error NoTrial(const TrialId& id) { return NotFound("there is no trial '" + id.value + "'"); }

}  // namespace

void Coordinator::On(Turn& turn, const SubmitSweep& input) {
  wire::SweepSpec spec = input.spec;
  spec.retry = WithDefaults(spec.retry);
  if (const Sweep* known = state_.FindSweep(input.id)) {
    // As it was sent, too: one that an older muster accepted is stored so.
    const auto stored = Asked(known->spec);
    if (stored == Asked(spec) || stored == Asked(input.spec)) {
      turn.effects.reply = boost::json::object{{"id", input.id.value}, {"created", false}};
    } else {
      turn.effects.reply = Conflict("sweep '" + input.id.value +
                                    "' exists with another specification; choose another id");
    }
    return;
  }
  Status valid = ValidateSpec(input.spec);
  if (valid.ok() && !input.id.empty()) valid = ValidateSweepId(input.id);
  if (valid.ok()) valid = ValidateGang(input.spec, state_);
  if (valid.ok()) valid = ValidateQuota(input.spec, input.user, state_.quotas);
  if (!valid.ok()) {
    turn.effects.reply = valid.error();
    return;
  }
  auto imported = TrialsToStartWith(state_, spec);
  if (!imported.ok()) {
    turn.effects.reply = imported.error();
    return;
  }
  const SweepId id = input.id.empty() ? UnusedId(state_, input.spec.name) : input.id;
  Emit(turn, SweepSubmitted{id, std::move(spec), input.user, std::move(imported).value()});
  unsettled_.insert(id);
  turn.effects.reply = boost::json::object{{"id", id.value}, {"created", true}};
}

void Coordinator::On(Turn& turn, const ChangeSweep& input) {
  const Sweep* sweep = state_.FindSweep(input.sweep);
  if (sweep == nullptr) {
    turn.effects.reply = NoSweep(input.sweep);
    return;
  }
  if (IsFinal(sweep->phase) || sweep->phase == SweepPhase::kPromoting) {
    turn.effects.reply = Conflict("sweep '" + input.sweep.value + "' has ended its trials already");
    return;
  }
  switch (input.verb) {
    case SweepVerb::kPause:
      if (sweep->phase == SweepPhase::kPaused) break;
      Emit(turn, SweepChanged{input.sweep, SweepChange::kPaused, {}});
      StopAll(turn, *sweep, wire::StopReason::kPaused, "the sweep was paused");
      break;
    case SweepVerb::kResume:
      if (sweep->phase == SweepPhase::kPaused) {
        Emit(turn, SweepChanged{input.sweep, SweepChange::kResumed, {}});
      }
      break;
    case SweepVerb::kCancel:
      if (sweep->cancelled) break;
      Emit(turn, SweepChanged{input.sweep, SweepChange::kCancelled, "cancelled"});
      StopAll(turn, *sweep, wire::StopReason::kCancelled, "the sweep was cancelled");
      break;
  }
  unsettled_.insert(input.sweep);
}

/// Stops what runs; unless it is only a pause, ends what waits.
void Coordinator::StopAll(Turn& turn, const Sweep& sweep, wire::StopReason reason,
                          const std::string& message) {
  if (reason != wire::StopReason::kPaused) {
    for (const Trial& trial : sweep.trials) {
      if (trial.phase != TrialPhase::kWaiting && trial.phase != TrialPhase::kPaused) continue;
      EndTrial(turn, trial, {}, TrialPhase::kCancelled, {}, message);
    }
  }
  for (const Trial& trial : sweep.trials) {
    if (trial.live.value == 0 || IsFinal(trial.phase)) continue;
    Decide(turn, state_.attempts.at(trial.live), {trial.live, reason, {}, message});
  }
}

void Coordinator::On(Turn& turn, const StopTrial& input) {
  const Trial* trial = state_.FindTrial(input.trial);
  if (trial == nullptr) {
    turn.effects.reply = NoTrial(input.trial);
  } else if (IsFinal(trial->phase)) {
    turn.effects.reply = Conflict("trial '" + input.trial.value + "' has ended already");
  } else if (trial->live.value != 0) {
    Decide(turn, state_.attempts.at(trial->live),
           {trial->live, wire::StopReason::kCancelled, {}, "stopped by request"});
  } else {
    EndTrial(turn, *trial, {}, TrialPhase::kCancelled, {}, "stopped by request");
  }
}

void Coordinator::On(Turn& turn, const EnqueueTrial& input) {
  const Sweep* sweep = state_.FindSweep(input.sweep);
  if (sweep == nullptr) {
    turn.effects.reply = NoSweep(input.sweep);
  } else if (IsFinal(sweep->phase) || sweep->full()) {
    turn.effects.reply =
        Conflict("sweep '" + input.sweep.value + "' adds no more trials; its budget is " +
                 std::to_string(sweep->spec.budget.trials));
  } else if (const Status valid = ValidateParams(sweep->spec, input.params); !valid.ok()) {
    turn.effects.reply = valid.error();
  } else {
    Emit(turn, TrialEnqueued{input.sweep, input.params});
  }
}

void Coordinator::On(Turn& turn, const WidenSpace& input) {
  const Sweep* sweep = state_.FindSweep(input.sweep);
  if (sweep == nullptr || IsFinal(sweep->phase)) {
    turn.effects.reply = sweep == nullptr ? NoSweep(input.sweep)
                                          : Conflict("sweep '" + input.sweep.value + "' has ended");
    return;
  }
  wire::SweepSpec wider = sweep->spec;
  wider.space = input.space;
  wider.constraints = input.constraints;
  Status valid = ValidateSpec(wider);
  if (valid.ok()) {
    valid = tuner::Widens(*SearchSpecOf(sweep->spec)->space, *SearchSpecOf(wider)->space);
  }
  if (!valid.ok()) {
    turn.effects.reply = valid.error();
    return;
  }
  Emit(turn, SpaceWidened{input.sweep, input.space, input.constraints});
  searches_.erase(input.sweep);  // it reads the history anew, in the new space
  unsettled_.insert(input.sweep);
}

void Coordinator::On(Turn& turn, const RetryTrial& input) {
  const Trial* trial = state_.FindTrial(input.trial);
  if (trial == nullptr) {
    turn.effects.reply = NoTrial(input.trial);
    return;
  }
  const Sweep& sweep = state_.sweeps.at(trial->sweep);
  if (IsFinal(sweep.phase) || sweep.phase == SweepPhase::kPromoting || sweep.cancelled ||
      sweep.time_up) {
    turn.effects.reply = Conflict("sweep '" + sweep.id.value + "' has ended; submit it again");
  } else if ((trial->phase != TrialPhase::kFailed && trial->phase != TrialPhase::kCancelled) ||
             trial->live.value != 0) {
    turn.effects.reply =
        Conflict("trial '" + input.trial.value + "' has neither failed nor been cancelled");
  } else {
    Emit(turn, TrialRetried{input.trial});
    if (!trial->run_created && !AsksForRun(trial->run)) {  // the tracker refused it before
      AddCommand(turn, CreateRunOf(sweep, *trial));
    }
    not_before_.erase(input.trial);
    unsettled_.insert(sweep.id);
  }
}

void Coordinator::On(Turn& turn, const SetQuota& input) {
  if (input.user.empty()) {
    turn.effects.reply = Invalid("at user: missing; whose quota it is");
    return;
  }
  for (const auto& [name, amount] : input.most) {
    if (amount >= 0) continue;
    turn.effects.reply =
        Invalid("at most." + name + ": wanted at least 0, got " + std::to_string(amount));
    return;
  }
  Emit(turn, QuotaSet{input.user, input.most});
  all_unsettled_ = true;
}

}  // namespace muster::coordinator
