#pragma once

#include <memory>

#include "tuner/samplers/parzen.h"
#include "tuner/samplers/random.h"

namespace muster::tuner {

/// Multivariate tree-structured Parzen estimator. After 10 finished random trials, splits the history
/// into the best tenth (at most 25) and the rest, and suggests the candidate, of 128 drawn from the
/// density of the best, whose ratio to the density of the rest is largest.
///
/// Running and failed trials count among the rest: the first keeps parallel workers apart, the second
/// keeps the search away from what breaks. Pruned trials rank behind completed ones, those that got
/// further first. A finite space is never asked for the same point twice.
class TpeSampler final : public Sampler {
 public:
  explicit TpeSampler(const SearchSpec& spec);
  Result<Suggestion> Suggest(std::int64_t number, const History& history) override;
  std::string Explain(const History& history) override;

 private:
  std::shared_ptr<const Space> space_;
  std::uint64_t seed_;
  RandomSampler start_;
  SeenPoints seen_;
};

}  // namespace muster::tuner
