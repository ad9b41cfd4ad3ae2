#include <algorithm>

#include "runtime/coordinator/coordinator_turn.h"
#include "runtime/coordinator/trial_command.h"

/// Commands to the other databases: written with the events that call for them, given out until done, those
/// of one run in their order.

namespace muster::coordinator {
Command Coordinator::CreateRunOf(const Sweep& sweep, const Trial& trial) {
  CreateRun create;
  create.run = trial.run;
  create.trial = trial.id;
  create.experiment = sweep.spec.name;
  create.name = sweep.id.value + "-" + std::to_string(trial.number);
  for (const auto& [name, value] : trial.params) create.params[name] = tuner::ParamText(value);
  for (const auto& [name, value] : sweep.spec.fixed) create.params[name] = ScalarText(value);
  create.tags = {{"muster.sweep", sweep.id.value}, {"muster.trial", trial.id.value}};
  if (trial.from) {
    create.tags["muster.cloned_from"] = trial.from->trial.value;
    create.tags["muster.cloned_at_step"] = std::to_string(trial.from->step);
  }
  return create;
}

PromoteModel Coordinator::PromoteModelOf(const Sweep& sweep, const Trial& best) {
  return PromoteModel{sweep.id,
                      best.id,
                      best.run,
                      best.checkpoint ? best.checkpoint->path : std::string(),
                      ParamsJson(sweep, best),
                      wire::ToJson(sweep.spec).as_object(),
                      sweep.user};
}

void Coordinator::AddCommand(Turn& turn, Command command) {
  const std::string id = NewId(turn);
  Emit(turn, OutboxAdded{id, std::move(command)});
  QueueCommand(turn, state_.outbox.at(id));
}

void Coordinator::QueueCommand(Turn& turn, const OutboxEntry& entry) {
  auto& queue = run_commands_[RunOf(entry.command)];
  queue.push_back(entry.id);
  if (queue.size() == 1) turn.Do(RunCommand{entry.id, entry.command});
}

/// Is a CreateRun of it still to be answered?
bool Coordinator::AsksForRun(const RunId& run) const {
  const auto queue = run_commands_.find(run);
  return queue != run_commands_.end() &&
         std::ranges::any_of(queue->second, [this](const std::string& id) {
           return std::holds_alternative<CreateRun>(state_.outbox.at(id).command);
         });
}

void Coordinator::On(Turn& turn, const OutboxDone& input) {
  const auto found = state_.outbox.find(input.id);
  if (found == state_.outbox.end()) return;  // done already
  const Command command = found->second.command;
  Emit(turn, OutboxFinished{input.id, input.error, input.result});
  const auto queue = run_commands_.find(RunOf(command));
  std::erase(queue->second, input.id);
  if (queue->second.empty()) {
    run_commands_.erase(queue);
  } else {
    const OutboxEntry& next = state_.outbox.at(queue->second.front());
    turn.Do(RunCommand{next.id, next.command});
  }
  if (const auto* submit = std::get_if<SubmitAllocations>(&command)) {
    if (!input.error.empty()) RefusedAllocations(turn, *submit, input.error);
  } else if (const auto* drop = std::get_if<coordinator::DropCheckpoints>(&command)) {
    const Trial& trial = *state_.FindTrial(drop->trial);
    if (trial.phase == TrialPhase::kWaiting) unsettled_.insert(trial.sweep);
  } else if (const auto* create = std::get_if<CreateRun>(&command)) {
    const Trial& trial = *state_.FindTrial(create->trial);
    if (!input.error.empty() && !IsFinal(trial.phase)) {
      EndTrial(turn, trial, {}, TrialPhase::kFailed, {},
               "the tracker refuses the trial's run: " + input.error);
    }
    all_unsettled_ = true;
  } else if (const auto* promote = std::get_if<PromoteModel>(&command)) {
    const Sweep& sweep = state_.sweeps.at(promote->sweep);
    if (!IsFinal(sweep.phase)) {
      Emit(turn, SweepEnded{promote->sweep, SweepPhase::kComplete,
                            input.error.empty() ? std::string()
                                                : "the model was not promoted: " + input.error});
    }
  }
}

}  // namespace muster::coordinator
