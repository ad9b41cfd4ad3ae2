#pragma once

namespace muster::coordinator {

/// Deliberate bugs, each what a hasty change could bring. Only the simulator's tests turn one on, to show
/// that its checkers see it (tests/sim/mutant_test.cc).
enum class Mutation {
  kNone,
  kSameEpoch,            ///< a coordinator that starts anew keeps the epoch of the last one
  kFreeAtStop,           ///< slots are free when a stop is decided, not when nothing is left
  kNoLeaseMargin,        ///< a silent node is given up with its lease, before its agent has killed
  kExitedBeforeRecords,  ///< an attempt ends although some of its records were not heard
  kAckBeforeStore,       ///< records are acknowledged before the tracker has their metrics
  kStopOnce,             ///< Stop and Abort are not repeated
  kRetryForever,         ///< retry budgets end nothing
  kChargeTwice,          ///< each failure counts twice against its budget
  kPromoteTwice,         ///< a restart asks again for a promotion under way
  kPrunedCompletes,      ///< a pruned trial completes when its ranks exit with 0
  kGoBeforeDurable,      ///< Go leaves without AttemptPrepared
  kForgetOutbox,         ///< a restart does not give out again what the outbox holds
  kGangLacksASlot,       ///< a gang of several slots gets one less
  kSecretSeed,           ///< a restart searches on with another seed
  kDropNeeded,           ///< a paused trial's checkpoint is deleted although it may go on
  kDropCopies,           ///< copies are deleted that clones may start from
  kCloneNewest,          ///< a clone starts from what its donor's folder holds then
  kAskTooMany,           ///< a pool's limits do not bound what is asked for
  kAskAtOnce,            ///< a pool whose requests fail does not wait
  kReuseJob,             ///< a job that the batch system starts anew runs another trial
  kBelieveEnded,         ///< slots are free when the batch system calls their job ended
  kKeepAllocations,      ///< what leaves is neither told to end nor cancelled
};

}  // namespace muster::coordinator
