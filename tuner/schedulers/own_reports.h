#pragma once

#include <cstdint>
#include <vector>

#include "tuner/history.h"

namespace muster::tuner {

/// Folds each trial's reports of the first objective by step, as they come: O(1) a report. A rewind or a report
/// out of order starts that trial's fold anew from Trial::reports. State has `void Add(const Report&)`; each
/// trial begins with a copy of `initial`.
template <class State>
class OwnReports {
 public:
  explicit OwnReports(State initial = {}) : initial_(initial) {}

  /// Of trial `number` >= 0 as it stands now in `history`, which is the one of all calls.
  const State& Of(std::int64_t number, const History& history) {
    for (; read_ < history.changes().size(); ++read_) Read(history.changes()[read_], history);
    Fold& fold = folds_[static_cast<std::size_t>(number)];
    if (fold.stale) {
      fold = {initial_};
      for (const Report& report : history.At(number).reports) fold.Add(report);
    }
    return fold.state;
  }

 private:
  struct Fold {
    State state;
    std::int64_t last = -1;  ///< step
    bool stale = false;

    void Add(const Report& report) {
      state.Add(report);
      last = report.step;
    }
  };

  void Read(const Change& change, const History& history) {
    if (change.kind == ChangeKind::kStart) folds_.push_back({initial_});
    Fold& fold = folds_[static_cast<std::size_t>(change.trial)];
    if (change.kind == ChangeKind::kRewind) fold.stale = true;
    if (change.kind != ChangeKind::kReport || fold.stale) return;
    if (change.step <= fold.last) {
      fold.stale = true;
    } else {
      fold.Add({change.step, history.losses(change)[0]});
    }
  }

  State initial_;
  std::vector<Fold> folds_;  ///< by number
  std::size_t read_ = 0;
};

}  // namespace muster::tuner
