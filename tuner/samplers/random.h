#pragma once

#include <memory>
#include <set>

#include "tuner/sampler.h"

namespace muster::tuner {

/// Points that a search has tried, and the way to a point it has not: no trial is spent twice on one
/// point of a finite space.
class SeenPoints {
 public:
  explicit SeenPoints(std::shared_ptr<const Space> space) : space_(std::move(space)) {}
  /// Reads the trials that were started since the last call. Spaces with a float are not read: no point
  /// comes twice there.
  void Read(const History& history);
  [[nodiscard]] bool Contains(const Point& point) const;
  /// Any point of a finite space that was not seen, by seed; kResource when none is left. A space with
  /// a float, or with more than 100,000 points, answers kNotFound: it cannot be listed.
  [[nodiscard]] Result<Point> Unseen(Random random) const;

 private:
  std::shared_ptr<const Space> space_;
  std::set<Point> seen_;  ///< inactive coordinates as -1, which NaN's order asks for
  std::size_t read_ = 0;
};

/// Uniform over the space, trial by trial independent; unseen points first in finite spaces.
class RandomSampler final : public Sampler {
 public:
  explicit RandomSampler(const SearchSpec& spec)
      : space_(spec.space), seed_(spec.seed), seen_(spec.space) {}
  Result<Suggestion> Suggest(std::int64_t number, const History& history) override;
  std::string Explain(const History& history) override;

 private:
  std::shared_ptr<const Space> space_;
  std::uint64_t seed_;
  SeenPoints seen_;
};

}  // namespace muster::tuner
