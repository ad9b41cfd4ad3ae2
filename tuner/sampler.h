#pragma once

#include <memory>
#include <string>

#include "tuner/history.h"
#include "tuner/space.h"

namespace muster::tuner {

/// Counts up when a release may suggest something else than the one before did, given the same history.
inline constexpr int kSearchVersion = 2;

struct Suggestion {
  Params params;
  /// Which algorithm made it, "tpe", "tpe: random start": for people, and for replay.
  std::string by;
};

/// Proposes the parameters of the next trial.
///
/// No I/O, no clock, no hidden random state: the answer is a function of (space, seed, number, the history's
/// trials and changes so far), bit for bit, also for a sampler that was made a moment ago. What an instance
/// keeps between calls only saves time, so it is asked about one history, which grows.
class Sampler {
 public:
  virtual ~Sampler() = default;
  /// For trial `number`, the next one of `history`. kResource with "space exhausted" when a finite space has no
  /// untried point left.
  virtual Result<Suggestion> Suggest(std::int64_t number, const History& history) = 0;
  /// What it does next and why, as one or more sentences.
  virtual std::string Explain(const History& history) = 0;
};

/// What a search is told when it begins.
struct SearchSpec {
  std::shared_ptr<const Space> space;
  std::uint64_t seed = 0;
  std::vector<Goal> goals{Goal::kMinimize};
  std::string sampler = "auto";
  boost::json::object stop;   ///< see MakeScheduler
  std::int64_t trials = 0;    ///< the budget; 0: open
  std::int64_t parallel = 0;  ///< how many run at once; 0: not known
};

/// By SearchSpec::sampler; an unknown name, or one that cannot do what the space or the objectives ask, is
/// kInvalid and says which can.
Result<std::unique_ptr<Sampler>> MakeSampler(const SearchSpec& spec);

}  // namespace muster::tuner
