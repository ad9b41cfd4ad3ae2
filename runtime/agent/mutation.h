#pragma once

namespace muster::agent {

/// Deliberate bugs, each what a hasty change could bring. Only the simulator's tests turn one on, to show
/// that its checkers see it (tests/sim/mutant_test.cc).
enum class Mutation {
  kNone,
  kGoAfterLease,          ///< a prepared attempt outlives the lease, and Go starts it then
  kFollowOldCoordinator,  ///< messages of an older coordinator epoch are heard
  kNoFence,               ///< attempts go on when the lease has passed
  kEmptyUnseen,           ///< a killed attempt counts as gone before it was seen to be
  kStartAgain,            ///< Go starts ranks that run already
  kNoWaiting,             ///< a new attempt does not wait for an older one on its slots
  kNoResend,              ///< what was not acknowledged is not read again
  kExitedUndrained,       ///< Exited is sent before the records were acknowledged
};

}  // namespace muster::agent
