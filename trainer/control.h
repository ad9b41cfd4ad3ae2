#pragma once

#include <cstdint>

#include "runtime/base/result.h"
#include "runtime/wire/trial_record.h"

/// The port between a trial and whoever watches it. Adapters: trainer/control (muster's socket; a terminal).

namespace muster::trainer {

enum class Command {
  kNone,
  kCheckpoint,  ///< save a checkpoint and go on
  kStop,        ///< save a checkpoint and end with kExitResume
};

/// The exit code that says "start me again, I go on from my checkpoint".
inline constexpr int kExitResume = 75;

/// Where a rank is in its training.
struct Position {
  std::int64_t step = 0;
  std::int64_t total = 0;  ///< steps in all
  const char* phase = "";  ///< one word: "load", "forward", ...
};

/// One thread.
class Control {
 public:
  virtual ~Control() = default;
  /// Hands a record over; it may still be on its way when this returns. kUnavailable when the other side is
  /// gone for good or too far behind.
  virtual Status Send(const wire::TrialRecord& record) = 0;
  /// The strongest command since the last call; never blocks.
  virtual Command Poll() = 0;
  /// Returns when all that was sent is safe with the other side, or kUnavailable after a deadline.
  virtual Status Flush() = 0;
  /// This rank enters a phase. Cheap, and never fails. The ranks of a gang call it at the same places, so that the one
  /// that called it less often is the one the others wait for.
  virtual void Beat(const Position& /*at*/) {}
};

}  // namespace muster::trainer
