#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "tuner/history.h"
#include "tuner/sampler.h"
#include "tuner/scheduler.h"

namespace muster::tuner {

/// Asked::by of what a person put into the queue.
inline constexpr std::string_view kEnqueued = "enqueued";
/// And of what a scheduler cloned.
inline constexpr std::string_view kCloned = "clone";

/// A trial to run.
struct Asked {
  std::int64_t trial = 0;  ///< a new one has the history's size() as its number
  Params params;
  std::string by;  ///< the algorithm, kEnqueued or kCloned
  /// It goes on (its own number) or starts (another's) from the checkpoint of this trial at this step.
  struct Origin {
    std::int64_t trial = 0;
    std::int64_t step = 0;
  };
  std::optional<Origin> from;
  [[nodiscard]] bool resumes() const { return from && from->trial == trial; }
};

/// Both halves of a search. Neither changes the history: whoever keeps it writes down what they say.
struct Search {
  std::unique_ptr<Sampler> sampler;
  std::unique_ptr<Scheduler> scheduler;

  /// What free slots are used for: a paused trial, a clone, or a new trial, with `*enqueued` where something is in
  /// the queue. kUnavailable when the scheduler first wants to hear from a running trial; the sampler's errors.
  Result<Asked> Next(const History& history, const Params* enqueued);
  /// The paused trial that goes on when there will be no new one; nullopt: none now, and none ever when no trial
  /// runs.
  std::optional<Asked> NextPaused(const History& history);
};

/// An error names its key: "at sampler: ...", "at stop.asha.max: ...".
Result<Search> MakeSearch(const SearchSpec& spec);

}  // namespace muster::tuner
