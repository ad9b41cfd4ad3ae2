#pragma once

#include <cstddef>
#include <set>
#include <vector>

#include "tuner/history.h"

namespace muster::tuner {

/// Reads a history as it grows, for samplers whose state follows the order of starts and ends. A trial that had
/// ended and is run again makes it begin anew, since how it had ended is not known any more: the first end is
/// then left out.
class ChangeReader {
 public:
  /// `reset` forgets everything; `start` and `finish` get each trial at its start and at its end, imported
  /// trials at their end only, before all others.
  template <class Reset, class Start, class Finish>
  void Read(const History& history, Reset reset, Start start, Finish finish) {
    Look(history);
    if (next_ == 0) {
      reset();
      for (const Trial& trial : history.trials()) {
        if (trial.number < 0) finish(trial);
      }
    }
    for (; next_ < history.changes().size(); ++next_) {
      const Change& change = history.changes()[next_];
      if (change.kind == ChangeKind::kStart) start(history.At(change.trial));
      if (change.kind == ChangeKind::kFinish && !overtaken_.contains(next_)) {
        finish(history.At(change.trial));
      }
    }
  }

 private:
  void Look(const History& history);

  std::size_t next_ = 0;             ///< change
  std::vector<std::size_t> ends_;    ///< by number: the change that ended it, plus 1; 0: none
  std::set<std::size_t> overtaken_;  ///< changes that ended a trial which was run again later
};

}  // namespace muster::tuner
