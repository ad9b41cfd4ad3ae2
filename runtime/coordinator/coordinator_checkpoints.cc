#include <algorithm>

#include "runtime/coordinator/checkpoints.h"
#include "runtime/coordinator/coordinator_turn.h"

/// Which checkpoints clones start from, and which are deleted: the rules stand in checkpoints.h.

namespace muster::coordinator {

/// The donor's last committed triple at or before the step whose score made it one. Empty: it is still to come. A
/// donor that rests and never saved so early gives its parameters alone (step 0); of one in a sweep whose programs
/// publish nothing it is not known what its folder holds.
std::optional<Origin> Coordinator::OriginOf(const Sweep& sweep, const tuner::Asked::Origin& from) {
  const Trial& donor = sweep.trials[static_cast<std::size_t>(from.trial)];
  const auto beyond = std::ranges::upper_bound(donor.kept, from.step, {}, &KeptCheckpoint::step);
  if (beyond != donor.kept.begin()) {
    const KeptCheckpoint& kept = *std::prev(beyond);
    return Origin{donor.id, kept.step, kept.epoch};
  }
  if (!sweep.publishes) return Origin{donor.id, from.step, {}};
  if (donor.live.value != 0) return std::nullopt;
  return Origin{donor.id, 0, {}};
}

/// A step has one copy: the first checkpoint at or beyond a multiple of the interval. Another attempt's shim cannot
/// know that there is one.
void Coordinator::CheckKept(const Sweep& sweep, const Trial& trial, Reported& reported) {
  if (reported.checkpoints.empty()) return;
  const std::int64_t interval = SearchOf(sweep).scheduler->clone_interval();
  std::int64_t newest = 0;
  for (const KeptCheckpoint& kept : trial.kept) {
    const bool hidden = reported.resumed_after && kept.epoch < reported.epoch &&
                        kept.step > *reported.resumed_after;
    if (interval > 0 && !hidden) newest = kept.step / interval;
  }
  for (Checkpoint& checkpoint : reported.checkpoints) {
    checkpoint.kept = checkpoint.kept && interval > 0 && checkpoint.step / interval > newest;
    if (checkpoint.kept) newest = checkpoint.step / interval;
  }
  if (interval > 0) unsettled_.insert(sweep.id);  // a clone may have waited for it
}

/// `over`: the sweep has just ended its trials, so its scheduler asks for nothing any more.
void Coordinator::DropCheckpoints(Turn& turn, const Sweep& sweep, bool over) {
  const auto drop = [&](const Trial& trial, std::vector<std::string> folders) {
    if (!folders.empty()) {
      AddCommand(turn, coordinator::DropCheckpoints{trial.run, trial.id, std::move(folders)});
    }
  };
  for (const std::int64_t number : std::set(sweep.keepers)) {
    const Trial& trial = sweep.trials[static_cast<std::size_t>(number)];
    drop(trial, UnneededCopies(sweep, trial, over || Mutated(Mutation::kDropCopies)));
  }
  if (over) {
    const bool complete = !IsFinal(sweep.phase) || sweep.phase == SweepPhase::kComplete;
    for (const Trial& trial : sweep.trials) {
      const bool kept =
          trial.phase == TrialPhase::kComplete || (trial.phase != TrialPhase::kPruned && !complete);
      if (!kept && !trial.dropped && !trial.attempts.empty()) {
        drop(trial, {CheckpointFolder(trial.id), CopiesFolder(trial.id)});
      }
    }
    return;
  }
  if (sweep.stored.empty()) return;
  // Many may be paused for long: a look at all of them after as many turns costs each turn one.
  std::size_t& turns = turns_since_drop_[sweep.id];
  if (++turns < sweep.stored.size()) return;
  turns = 0;
  tuner::Scheduler& scheduler = *SearchOf(sweep).scheduler;
  for (const std::int64_t number : std::set(sweep.stored)) {
    const Trial& trial = sweep.trials[static_cast<std::size_t>(number)];
    const std::string folder = CheckpointFolder(trial.id);
    const bool needed = scheduler.NeedsCheckpoint(number, sweep.history);
    if (needed && !Mutated(Mutation::kDropNeeded)) continue;
    if (IsAwaited(sweep, trial, folder)) continue;
    drop(trial, {folder});
  }
}

}  // namespace muster::coordinator
