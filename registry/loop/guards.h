#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "registry/trigger.h"
#include "runtime/wire/sweep_spec.h"

/// What holds a retraining back. Pure. In this order:
///
///   duplicate   its key was taken within dedup_seconds, by one that was not refused, skipped or failed: skipped
///   stale       it was held while another version became champion, which it says nothing about: skipped
///   superseded  a newer one of the same trigger and kind is held: skipped
///   in_flight   another one of the model, or of the trigger, is submitted, waits for approvals or is in canary
///   cooldown    another one of the model or trigger ended less than cooldown_seconds ago
///   budget      `retrainings` of the trigger were submitted within period_seconds, or took trial_seconds. One that
///               crosses trial_seconds is the last: what it will take is not known before
///
/// The last three skip what a clock or a person asked for: it comes again, or sees the answer. Anything else is held
/// until they let it pass: a monitor that raised its alarm once must not be forgotten.

namespace muster::registry {

struct GuardVerdict {
  enum class What { kPass, kHold, kSkip };
  What what = What::kPass;
  std::string guard;      ///< as above; empty: none
  std::string seen, why;  ///< that do not change while the verdict does not
};

struct GuardCase {
  const Firing& firing;
  const wire::RetrainGuards& guards;
  std::vector<Firing> others;  ///< TriggerStore::Related, as long ago as GuardMemory
  std::int64_t champion = 0;   ///< what the alias names now
  std::int64_t now_unix = 0;
  bool forced = false;  ///< by a person: neither duplicate, cooldown nor budget
};
GuardVerdict JudgeGuards(const GuardCase& of);

/// Seconds after which a firing that has ended does not matter any more.
std::int64_t GuardMemory(const wire::RetrainGuards& guards);
/// kInvalid names the key.
Status CheckGuards(const wire::RetrainGuards& guards);

}  // namespace muster::registry
