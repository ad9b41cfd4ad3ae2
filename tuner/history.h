#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tuner/params.h"

/// What a search has seen, in the order in which it was seen. Samplers and schedulers are functions of it: a
/// program that writes the changes down and plays them back gets the same answers bit for bit.
///
/// Values are losses here: smaller is better, whatever the goal of the objective; NaN has become +infinity, the
/// worst. Not thread-safe; copies are independent.

namespace muster::tuner {

enum class Goal { kMinimize, kMaximize };

/// The value as a loss; NaN is the worst there is.
double LossOf(double value, Goal goal);
/// The value of a loss, as people know it.
double ValueOf(double loss, Goal goal);

enum class TrialState {
  kRunning,
  kPaused,  ///< at a rung, without slots; may be resumed
  kComplete,
  kPruned,  ///< stopped early; what it reported counts
  kFailed,  ///< by its configuration (out of memory, NaN, diverged, its own exit): samplers learn from it
  kLost,  ///< by the infrastructure, or cancelled: teaches nothing
};
[[nodiscard]] constexpr bool IsFinished(TrialState state) { return state >= TrialState::kComplete; }
std::string_view NameOf(TrialState state);

struct Report {
  std::int64_t step = 0;
  double loss = 0;  ///< of the first objective
};

struct Trial {
  std::int64_t number = 0;  ///< from 0; imported ones have -1, -2, ...
  Params params;
  TrialState state = TrialState::kRunning;
  std::vector<double> losses;       ///< one an objective, once complete
  std::vector<double> constraints;  ///< each held when <= 0; as its program told them
  std::vector<Report> reports;      ///< by step
  double weight = 1;                ///< of an imported one: how much it counts, (0, 1]

  /// The sum of what its constraints are violated by; 0: feasible. NaN counts as +infinity.
  [[nodiscard]] double violation() const;
  /// Failed, or complete with a value that is the worst there is: what P(feasible) learns from.
  [[nodiscard]] bool broke() const;
};

enum class ChangeKind { kStart, kReport, kRewind, kPause, kResume, kFinish };

struct Change {
  ChangeKind kind = ChangeKind::kStart;
  std::int64_t trial = 0;  ///< its number
  std::int64_t step = 0;   ///< of a report or rewind
  std::size_t losses = 0;  ///< of a report: where they are, see History::losses
  /// Of a finish: how the trial ended then; kFailed also for a complete one that broke().
  TrialState ended = TrialState::kComplete;
};

/// How a trial ended.
struct Outcome {
  TrialState state = TrialState::kComplete;
  std::vector<double> values;  ///< one an objective; empty unless complete
  std::vector<double> constraints;
};

class History {
 public:
  explicit History(std::vector<Goal> goals = {Goal::kMinimize});

  // Each of these is one change. Breaking a rule given with it is a bug of the caller (MUSTER_CHECK); study.h
  // checks what comes from outside.

  /// A finished trial of an earlier search; before the first Start.
  void Import(Params params, const Outcome& outcome, double weight);
  /// `number` is the next one: size().
  void Start(std::int64_t number, Params params);
  /// Values of a running trial at a step, one an objective, or of the first alone. A second report of the
  /// same step replaces the first in Trial::reports; as a change it comes after it.
  void AddReport(std::int64_t number, std::int64_t step, std::span<const double> values);
  /// An attempt went on from a checkpoint at `step`: reports beyond it leave Trial::reports.
  void Rewind(std::int64_t number, std::int64_t step);
  void Pause(std::int64_t number);
  /// A paused trial goes on; or a finished one is run again, and its outcome is forgotten.
  void Resume(std::int64_t number);
  void Finish(std::int64_t number, const Outcome& outcome);

  [[nodiscard]] const std::vector<Goal>& goals() const { return goals_; }
  /// Imported ones first, then by number.
  [[nodiscard]] const std::vector<Trial>& trials() const { return trials_; }
  /// Trials that were started.
  [[nodiscard]] std::int64_t size() const {
    return static_cast<std::int64_t>(trials_.size()) - imported_;
  }
  [[nodiscard]] std::int64_t imported() const { return imported_; }
  [[nodiscard]] bool Has(std::int64_t number) const {
    return number >= -imported_ && number < size();
  }
  [[nodiscard]] const Trial& At(std::int64_t number) const { return trials_[IndexOf(number)]; }
  /// Everything but imports, oldest first. Samplers remember how far they have read.
  [[nodiscard]] const std::vector<Change>& changes() const { return changes_; }
  /// What a suggestion is a function of, besides seed and number: changes().size().
  [[nodiscard]] std::int64_t position() const { return static_cast<std::int64_t>(changes_.size()); }
  /// Of a kReport: as they were then; as many as were reported.
  [[nodiscard]] std::span<const double> losses(const Change& report) const;
  /// Running and paused trials.
  [[nodiscard]] std::int64_t unfinished() const { return unfinished_; }

 private:
  [[nodiscard]] std::size_t IndexOf(std::int64_t number) const;
  Trial& Mutable(std::int64_t number) { return trials_[IndexOf(number)]; }
  void SetOutcome(Trial& trial, const Outcome& outcome) const;

  std::vector<Goal> goals_;
  std::vector<Trial> trials_;
  std::vector<Change> changes_;
  std::vector<double> reported_;  ///< a report's count, then its losses
  std::int64_t imported_ = 0, unfinished_ = 0;
};

}  // namespace muster::tuner
