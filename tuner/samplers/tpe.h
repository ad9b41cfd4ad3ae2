#pragma once

#include <memory>

#include "tuner/samplers/feasibility.h"
#include "tuner/samplers/parzen.h"
#include "tuner/samplers/random.h"
#include "tuner/samplers/tpe_split.h"

namespace muster::tuner {

/// Multivariate tree-structured Parzen estimator (parzen.h; Optuna 5.0.0's formulas and split), with two
/// additions. After 10 trials that taught something it takes turns: an odd trial is the minimum of a quadratic
/// model of the best trials (quadratic.h), where there is one; otherwise, of 128 points (fewer beside
/// more than 3,000 trials) drawn from the density l of the best tenth (at most 25), the one with the greatest
///
///   P(ok) / (gamma + (1 - gamma) g / l)
///
/// is asked for, where g is the density of the rest, gamma = 0.1: the expected improvement of Bergstra et al.
/// (2011, eq. 3) times the probability that the configuration does not fail (feasibility.h). The quadratic's
/// minimum is approached from the best trial as far as it is more likely than not to be fine.
///
/// With several objectives the best are those of the first fronts (tpe_split.h), at most 100 with equal weights,
/// and there is no quadratic.
///
/// Running and failed trials count among the rest, which keeps parallel workers apart; under a scheduler with
/// rungs, trials that reached one rank by it (tpe_split.h), also while they run or wait there. A finite space is never
/// asked for the same point twice.
class TpeSampler final : public Sampler {
 public:
  explicit TpeSampler(const SearchSpec& spec);
  Result<Suggestion> Suggest(std::int64_t number, const History& history) override;
  std::string Explain(const History& history) override;

 private:
  /// What a suggestion by densities needs.
  struct Model {
    TpeSplit split;
    ParzenEstimator below;
  };
  Model Fit(const History& history, TpeSplit split);
  void Read(const History& history, const TpeSplit& split);
  std::optional<Point> ProposeQuadratic(const TpeSplit& split, Random& random) const;
  std::optional<Point> ProposeDensity(Model& model, Random& random);

  std::shared_ptr<const Space> space_;
  std::uint64_t seed_;
  SplitRule rule_;
  RandomSampler start_;
  SeenPoints seen_;
  std::vector<Point> points_;  ///< of all trials
  ParzenEstimator above_;      ///< over all trials
  Feasibility feasibility_;
};

}  // namespace muster::tuner
