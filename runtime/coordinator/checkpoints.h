#pragma once

#include <string>
#include <vector>

#include "runtime/coordinator/state.h"

/// Where checkpoints lie, and which of them stay. The checkpoint root is on storage that all nodes share,
/// or those that do not bring theirs there (cluster/storage.md):
///
///   <sweep>/<n>                  MUSTER_CHECKPOINT_DIR of trial n; what is in it is its program's
///   <sweep>/<n>.at/<S>.a-<E>     a copy of it as it was when attempt E published the checkpoint of step S
///   <sweep>/<n>.at/<x>.partial   a copy that is being made, or was when its shim died
///
/// Copies are there for clones, so only where the scheduler clones (tuner::Scheduler::clone_interval): a donor runs
/// on, and its program overwrites and deletes. The donor's shim makes one, or has the server do so, before it
/// acknowledges the checkpoint's record (Prepare::keep_dir), so score, step and copy are one record once the coordinator
/// has heard them. The clone's first shim copies it to the clone's own folder before it says Prepared.
///
/// The coordinator decides what nothing will start from any more, and writes that down (DropCheckpoints, in the
/// outbox) before anything is deleted; the server, on whose disk the root is, deletes until it has. So a kill at any
/// moment leaves what is needed, and what was to go goes after the restart. What stays:
///   1. The folder of a trial that runs, waits or may be retried; of a paused one while its scheduler says that it
///      may go on (tuner::Scheduler::NeedsCheckpoint); and of one that completed, for good: its model may be
///      registered.
///   2. The folder of a pruned trial while its scheduler wants it. The folders of failed and cancelled ones until
///      their sweep completes; of a sweep that fails or is cancelled they are all there is, and stay.
///   3. Copies: of each donor the newest two at or before its last report, those beyond it, and what a clone that
///      has no folder yet starts from.
/// Within its own folder a program deletes what it needs no more.

namespace muster::coordinator {

/// Below the checkpoint root, without a leading slash.
std::string CheckpointFolder(const TrialId& trial);
std::string CopiesFolder(const TrialId& trial);
std::string CopyFolder(const TrialId& trial, const KeptCheckpoint& kept);
/// What a clone's folder becomes a copy of; empty: of nothing.
std::string StartFolder(const Origin& from);

/// Nothing is, or has yet to become, a copy of this folder or one of these copies.
bool IsAwaited(const Sweep& sweep, const Trial& trial, const std::string& folder);
/// Copies of the trial that no clone will be started from any more; `over`: there are no clones any more.
std::vector<std::string> UnneededCopies(const Sweep& sweep, const Trial& trial, bool over);

/// Of these folders ("<sweep>/<n>", "<sweep>/<n>.at"), those that were dropped and are there again: a process that
/// outlived its attempt made them.
std::vector<std::string> LeftBehind(const State& state, const std::vector<std::string>& folders);

}  // namespace muster::coordinator
