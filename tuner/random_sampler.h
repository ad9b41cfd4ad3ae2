#pragma once

#include <memory>
#include <set>

#include "tuner/space.h"

namespace muster::tuner {

/// Points that a search has tried, and the way to a point it has not: no trial is spent twice on one
/// point of a finite space.
class SeenPoints {
 public:
  /// Empty for a space with a float, where no point comes twice.
  SeenPoints(const Space& space, const History& history);
  [[nodiscard]] bool Contains(const Params& params) const { return seen_.contains(params); }
  /// Any point of a finite space that was not seen, by seed; kResource when none is left. A space with
  /// a float, or with more than 100,000 points, answers kNotFound: it cannot be listed.
  [[nodiscard]] Result<Params> Unseen(const Space& space, Random random) const;

 private:
  std::set<Params> seen_;
};

/// Uniform over the space, trial by trial independent; unseen points first in finite spaces.
class RandomSampler final : public Sampler {
 public:
  RandomSampler(std::shared_ptr<const Space> space, std::uint64_t seed)
      : space_(std::move(space)), seed_(seed) {}
  Result<Params> Suggest(std::int64_t number, const History& history) override;

 private:
  std::shared_ptr<const Space> space_;
  std::uint64_t seed_;
};

}  // namespace muster::tuner
