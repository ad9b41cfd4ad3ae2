#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "tuner/scheduler.h"
#include "tuner/schedulers/standing.h"

namespace muster::tuner {

/// Asynchronous successive halving: Li et al., "A System for Massively Parallel Hyperparameter Tuning" (MLSys
/// 2020), with its r, R and eta as min, max and eta. Rungs stand at min, min*eta, min*eta^2, ... below max.
///
/// stop: a trial that reaches a rung goes on when it is among the best max(1, floor(n/eta)) of the n that have
/// reached it so far, else it stops (the rule of Determined's and Ray's ASHA).
///
/// promote (algorithm 2 of the paper): a trial that reaches a rung pauses there unless it is among the best
/// floor(n/eta) at once. Free slots go to the best paused trial that is among the best floor(n/eta) of its rung,
/// higher rungs first; only then to a new one. Once no other trial can reach a rung any more the share is
/// max(1, floor(n/eta)), so that a search with few trials has a winner too. With a budget of trials a rung
/// will see at most as many more as are not yet started or are below it; a trial that would not be among the
/// best even then stops, or when it is paused is given up for good: it needs no checkpoint and is not resumed.
///
/// Hyperband (Li et al., JMLR 2018) is this with brackets: bracket i has no rungs below min*eta^i, and the last
/// one none at all. A trial's bracket is drawn by (seed, number) in proportion to the n of the paper's table,
/// ceil((s_max + 1) / (s + 1) * eta^s) for a bracket with s rungs.
///
/// Rungs keep the first losses that a trial brought to them: an attempt that reports a level again changes
/// nothing, but is judged again. A report that jumps over rungs counts at each of them and is judged at each.
/// Trials that broke or were lost leave all rungs, as if they had not been there; pruned ones stay. +infinity
/// is the worst, in one objective as in all. Ties go to the lower number. With several objectives the order is
/// that of MakeStanding; reports of the first alone are compared by it alone.
class SuccessiveHalving final : public Scheduler {
 public:
  struct Options {
    std::int64_t min = 1, max = 9, eta = 3;
    bool promote = false;
    bool brackets = false;  ///< Hyperband
    std::uint64_t seed = 0;
    std::int64_t trials = 0;  ///< the budget; 0: open
    std::size_t objectives = 1;
  };
  explicit SuccessiveHalving(const Options& options);

  Verdict Judge(std::int64_t number, const History& history) override;
  Choice Choose(std::int64_t number, const History& history) override;
  bool NeedsCheckpoint(std::int64_t number, const History& history) override;
  [[nodiscard]] std::vector<std::int64_t> rungs() const override { return levels_; }
  std::string Explain(const History& history) override;

  [[nodiscard]] std::size_t BracketOf(std::int64_t number) const;
  /// What its rungs cost so far, in entries looked at.
  [[nodiscard]] std::uint64_t visits() const;

 private:
  struct Bracket {
    std::size_t first = 0;  ///< index of its lowest level
    std::vector<std::unique_ptr<Standing>> rungs;
    std::vector<std::int64_t>
        live;  ///< [k]: unfinished trials that entered k rungs and may enter more
    std::int64_t started = 0;
  };
  struct Seen {
    std::size_t bracket = 0;
    std::size_t entered = 0;  ///< rungs that hold it
    std::size_t reached = 0;  ///< rungs that its running attempt has passed
    Verdict verdict = Verdict::kContinue;
    bool paused = false, finished = false;
    bool out = false;            ///< of the rungs
    bool given_up = false;       ///< paused for good
    std::vector<double> losses;  ///< those of its first rung, those of the second, ...
  };

  void Read(const History& history);
  void Apply(const Change& change, const History& history);
  void OnReport(const Change& change, Seen& seen, const History& history);
  void OnFinish(const Change& change, Seen& seen);
  void OnResume(std::int64_t number, Seen& seen);
  [[nodiscard]] Verdict JudgeAt(std::int64_t number, const Seen& seen, std::size_t from) const;
  void GiveUp(Bracket& bracket);

  [[nodiscard]] std::size_t Passed(const Bracket& bracket, std::int64_t step) const;
  [[nodiscard]] Standing::Losses LossesAt(const Seen& seen, std::size_t rung) const;
  /// How many trials at most may still come to a rung; `more` of those not yet started.
  [[nodiscard]] std::int64_t Arrivals(const Bracket& bracket, std::size_t rung,
                                      std::int64_t more) const;
  /// How many of a rung go on now, when `final` also if it is less than one.
  [[nodiscard]] std::size_t Share(const Bracket& bracket, std::size_t rung, bool final) const;
  [[nodiscard]] std::int64_t NotStarted() const;

  Options options_;
  std::vector<std::int64_t> levels_;
  std::vector<Bracket> brackets_;
  std::vector<std::uint64_t> bounds_;  ///< of the brackets' shares of [0, 2^64)
  std::vector<Seen> seen_;             ///< by number
  std::size_t read_ = 0;
  std::int64_t running_ = 0;
};

}  // namespace muster::tuner
