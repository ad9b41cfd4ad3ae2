#pragma once

namespace muster::sim {

/// A lie told on purpose, to show that the checkers can see one.
enum class Sabotage {
  kNone,
  kNoFence,         ///< what an old attempt says is taken for the trial's live one
  kNoTokenFence,    ///< the tracker takes a script's metrics whatever its attempt
  kStartTwice,      ///< a shim follows an order to start again
  kEarlyEmpty,      ///< the process side says SlotEmpty without having looked
  kLyingDisk,       ///< effects leave before the journal is durable
  kForgetfulStore,  ///< the tracker drops points and says it has them
  kHearCopies,      ///< an older copy of a lent node is heard beside the newer one
  kBlindSubmit,     ///< a batch system that is asked again does not find what it took
  kNoSync,          ///< the journal's database does not wait for the disk
};

}  // namespace muster::sim
