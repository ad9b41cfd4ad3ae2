#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "tuner/scheduler.h"
#include "tuner/schedulers/perturb.h"
#include "tuner/schedulers/rung.h"

namespace muster::tuner {

/// Population based training: Jaderberg et al., "Population Based Training of Neural Networks" (arXiv
/// 1711.09846), asynchronous, with truncation selection ("exploit") and perturb.h ("explore").
///
/// `population` members run at a time. At each multiple of `interval` steps a member is compared with all that
/// have come there, by the loss of its first report at or beyond it; a report that jumps over several is
/// compared at the last of them. When it is among the worst floor(quantile n) of n, or has the worst loss there
/// is, it stops. Its place goes to a clone: a new trial that starts from a donor's last committed step with the
/// donor's parameters perturbed. The donor is drawn, by (seed, number of the clone), from the best
/// max(1, floor(quantile n)) there that still run or wait; when none of those does it is the best that does, and
/// without any the place goes to a trial of the sampler. A member that broke or was stopped by another rule is
/// replaced in the same way when it had come to an interval; one that completed or was lost by a trial of the
/// sampler. Ties go to the lower number.
///
/// With fewer slots than members (SearchSpec::parallel) they share them: a member that others wait for pauses
/// at its interval, and the one that has come least far goes on. It pauses at an interval once: one that saved nothing
/// there goes on from before it, and would come there for ever.
///
/// A member's step, score and checkpoint are one record: a donor's step is that of its last report that reached
/// an interval, which its program commits a checkpoint with. One that has come to `max` has nothing left to run: it neither
/// stops nor pauses there and is no donor. A checkpoint is needed while its member is paused,
/// and while a clone of it that runs has not reached an interval of its own.
class Pbt final : public Scheduler {
 public:
  struct Options {
    std::int64_t interval = 1, population = 16;
    std::int64_t max = 0;  ///< the last step of a whole trial; 0: not known
    double quantile = 0.25;
    PerturbOptions perturb;
    std::shared_ptr<const Space> space;
    std::uint64_t seed = 0;
    std::int64_t trials = 0, parallel = 0;  ///< as in SearchSpec
  };
  explicit Pbt(Options options) : options_(std::move(options)) {}

  Verdict Judge(std::int64_t number, const History& history) override;
  Choice Choose(std::int64_t number, const History& history) override;
  bool NeedsCheckpoint(std::int64_t number, const History& history) override;
  [[nodiscard]] std::int64_t clone_interval() const override { return options_.interval; }
  std::string Explain(const History& history) override;

 private:
  struct Member {
    std::int64_t level =
        0;  ///< intervals passed by its running attempt; a clone begins with its donor's
    std::int64_t step = 0;    ///< of the report that brought it there
    std::int64_t donor = -1;  ///< the trial that it is a clone of
    bool committed = false;   ///< it has passed an interval of its own
    bool paused = false, finished = false;
    Verdict verdict = Verdict::kContinue;
    std::map<std::int64_t, double> losses;  ///< by level
  };
  /// A place that a clone takes: `level` of the member that left it.
  using Vacancy = std::int64_t;

  void Read(const History& history);
  void Apply(const Change& change, const History& history);
  void OnReport(const Change& change, const History& history);
  void OnFinish(const Change& change);
  [[nodiscard]] Verdict JudgeAt(std::int64_t number, const Member& member, bool first) const;
  [[nodiscard]] bool AtMax(const Member& member) const {
    return options_.max > 0 && member.step >= options_.max;
  }
  [[nodiscard]] bool Over(std::int64_t number) const;
  [[nodiscard]] Choice Plan(std::int64_t number) const;
  [[nodiscard]] std::optional<std::int64_t> Donor(std::int64_t number, Vacancy level) const;
  [[nodiscard]] Member& At(std::int64_t number) {
    return members_[static_cast<std::size_t>(number)];
  }
  [[nodiscard]] const Member& At(std::int64_t number) const {
    return members_[static_cast<std::size_t>(number)];
  }

  Options options_;
  std::vector<Member> members_;         ///< by number
  std::map<std::int64_t, Rung> rungs_;  ///< by level, from 1
  std::deque<Vacancy> vacancies_;
  std::set<std::int64_t> live_;                              ///< running and paused
  std::set<std::pair<std::int64_t, std::int64_t>> waiting_;  ///< paused: level, number
  std::size_t read_ = 0;
};

}  // namespace muster::tuner
