#pragma once

#include <memory>
#include <optional>

#include "tuner/gp/models.h"
#include "tuner/samplers/random.h"

namespace muster::tuner {

/// Gaussian process search for one objective. After some trials spread over the space, each is where the
/// expected improvement is largest under one of two models, once `wide` to twice `near`:
///   wide   of all that was seen, over the whole space (at most about 1,000 observations: the best, the newest,
///          some of the rest); its hyperparameters are fitted when the history reaches certain lengths
///   near   of the best observations, in coordinates in which they lie as a ball; fitted anew for each trial
///
/// Inputs of the wide model are warped where the data ask for it (gp/warp.h). Losses are warped, so that bad ones
/// do not hide the differences between good ones. Running trials are taken to come out as the model expects
/// (Ginsbourger, Le Riche, Carraro, "Kriging is well-suited to parallelize optimization", 2010), which takes the
/// improvement away from around them. Failed
/// configurations are labels of a model of their own, whose probability of success is multiplied to the
/// improvement; so are those of constraints. Pruned trials count with their last report, but as no better
/// than the median. Choices differ or not; inactive parameters stand in the middle, beside the choice that
/// made them so. Numbers with steps and choices are scored where they snap to. A finite space is never
/// asked for the same point twice.
class GpSampler final : public Sampler {
 public:
  explicit GpSampler(const SearchSpec& spec);
  /// kInvalid for several objectives.
  static Status Check(const SearchSpec& spec);
  Result<Suggestion> Suggest(std::int64_t number, const History& history) override;
  std::string Explain(const History& history) override;

 private:
  [[nodiscard]] bool Starting(std::int64_t number) const;
  [[nodiscard]] bool AsksNear(std::int64_t number) const;
  void Read(const History& history);
  [[nodiscard]] std::optional<Point> Spread(std::int64_t number, const History& history) const;
  std::optional<Point> Improve(std::int64_t number, const History& history);

  std::shared_ptr<const Space> space_;
  std::uint64_t seed_;
  std::int64_t startup_;     ///< trials spread over the space
  std::size_t numbers_ = 0;  ///< parameters that are numbers
  RandomSampler random_;
  SeenPoints seen_;
  gp::Observations observations_;
  gp::Wide wide_;
};

}  // namespace muster::tuner
