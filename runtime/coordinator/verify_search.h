#pragma once

#include <string>
#include <vector>

#include "runtime/coordinator/state.h"
#include "tuner/search.h"

namespace muster::coordinator {

/// What became of the suggestions of a sweep when they were computed again.
struct SearchVerification {
  struct Difference {
    std::int64_t trial = 0;
    boost::json::object recorded, computed;
    std::string message;  ///< when nothing could be computed
  };
  std::int64_t trials = 0;         ///< of the sweep
  std::int64_t verified = 0;       ///< the same, bit for bit
  std::int64_t by_people = 0;      ///< enqueued: nobody computed them
  std::int64_t other_version = 0;  ///< of a release whose samplers may suggest something else
  std::vector<Difference> differences;
};

/// Recomputes each suggestion of a sweep, running, finished or resumed, from the events alone. It asks samplers
/// that know nothing but what the events said before each trial, so a crash of the coordinator in between makes
/// no difference, or shows.
class SearchVerifier {
 public:
  /// With a new sampler for every `fresh`-th trial: 1 is the strictest, and the slowest.
  explicit SearchVerifier(SweepId sweep, std::int64_t fresh = 64);
  /// Every event of the journal, oldest first.
  void Read(const Event& event);
  /// kNotFound when no event named the sweep.
  [[nodiscard]] Result<SearchVerification> Finish() const;

 private:
  void Verify(const TrialCreated& created);
  void MakeSearch(const Sweep& sweep);

  SweepId sweep_;
  std::int64_t fresh_;
  State state_;
  tuner::Search search_;
  SearchVerification result_;
};

boost::json::value ToJson(const SearchVerification& verification);

}  // namespace muster::coordinator
