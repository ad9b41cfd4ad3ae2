#pragma once

#include "runtime/base/clock.h"
#include "trainer/control.h"
#include "trainer/torch/gang.h"

/// When the ranks of a gang hear what any of them was told. They agree after the same steps, about every second as rank
/// 0 measures its steps, so that nobody waits for a command that another has not heard.

namespace muster::trainer {

class Agreement {
 public:
  struct Options {
    int most_steps = 16;            ///< from one agreement to the next
    double telemetry_seconds = 10;  ///< from one telling to the next
  };
  /// Of a step's figures that not only rank 0 must know.
  struct Heard {
    Command command = Command::kNone;  ///< the strongest that any rank has heard
    bool tell = false;                 ///< it is time for telemetry
    bool failed = false;               ///< some rank has said that its training has failed
  };

  Agreement(const Gang& gang, Control& control, const Clock& clock, Options options);

  /// The time starts now: of an epoch, or after something that is no step.
  void Restart();
  /// After each step: whether the next agreement is due. The same on all ranks.
  [[nodiscard]] bool Due() { return ++steps_since_ >= interval_; }
  /// All ranks, at the same step.
  Heard Agree(bool failed = false);

 private:
  [[nodiscard]] std::int64_t NextInterval() const;
  [[nodiscard]] double Seconds() const;

  const Gang& gang_;
  Control& control_;
  const Clock& clock_;
  const Options options_;
  std::int64_t interval_ = 1;     ///< steps; the same on all ranks
  std::int64_t steps_since_ = 0;  ///< the last agreement
  double agreed_at_ = 0;
  double told_at_ = 0;  ///< rank 0's counts
};

}  // namespace muster::trainer
