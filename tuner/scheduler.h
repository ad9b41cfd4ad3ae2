#pragma once

#include <boost/json/object.hpp>
#include <memory>
#include <vector>

#include "tuner/history.h"
#include "tuner/sampler.h"

namespace muster::tuner {

enum class Verdict {
  kContinue,
  kStop,   ///< the trial ends as kPruned
  kPause,  ///< it publishes a checkpoint and gives its slots back; Choose may resume it
};

/// What free slots are used for.
struct Choice {
  enum class Kind {
    kSample,   ///< a new trial from the sampler
    kResume,   ///< `trial`, which is paused, goes on from where it is
    kClone,    ///< a new trial with `params`, which starts from the checkpoint of `trial` at `step`
    kNothing,  ///< nothing before a running trial has told more
  };
  Kind kind = Kind::kSample;
  std::int64_t trial = 0;
  std::int64_t step = 0;
  Params params;
};

/// Given to Choose when there will be no new trial: the budget is spent, or the space exhausted.
inline constexpr std::int64_t kNoNewTrial = -1;

/// Spends the budget of steps: which trials stop early, pause, go on or are cloned. Functions of the history
/// like samplers, and like them free to remember what they have read of it: each change once, from where they
/// were.
class Scheduler {
 public:
  virtual ~Scheduler() = default;
  /// Called after reports of the running trial `number` were added to `history`; the verdict holds until the
  /// trial rewinds, resumes or ends.
  virtual Verdict Judge(std::int64_t number, const History& history) = 0;
  /// Called when slots are free; `number` is what a new trial would get, or kNoNewTrial. With kNoNewTrial and
  /// no trial running, any answer but kResume says that the paused ones will never go on: they end as kPruned.
  virtual Choice Choose(std::int64_t /*number*/, const History& /*history*/) { return {}; }
  /// Whether a checkpoint of this trial can still be resumed or cloned from. Those of running trials always
  /// can by themselves.
  virtual bool NeedsCheckpoint(std::int64_t /*number*/, const History& /*history*/) {
    return false;
  }
  /// A clone starts from a checkpoint at a multiple of so many steps, or the first one beyond it; 0: it clones
  /// nothing.
  [[nodiscard]] virtual std::int64_t clone_interval() const { return 0; }
  /// Steps at which trials are compared, ascending; empty: none.
  [[nodiscard]] virtual std::vector<std::int64_t> rungs() const { return {}; }
  virtual std::string Explain(const History& history) = 0;
};

/// By SearchSpec::stop: {} never stops; {"asha": {min, max, eta}}, {"median": {...}}, ...; README.md lists them.
/// Other keys and wrong bounds are kInvalid with their path.
Result<std::unique_ptr<Scheduler>> MakeScheduler(const SearchSpec& spec);

}  // namespace muster::tuner
