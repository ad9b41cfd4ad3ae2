#pragma once

#include <memory>
#include <vector>

#include "tuner/gp/acquisition.h"
#include "tuner/gp/evidence.h"

/// The regressions of a Gaussian process search and when each is fitted.

namespace muster::tuner::gp {

/// The length at which models over the whole space are fitted when `n` >= 2 observations have been made: 2, 4, 6,
/// ... in steps of a tenth of what there was.
std::size_t FittedAt(std::size_t n);

/// Models over the whole space: of the objective, with warped inputs where the data ask for them (warp.h), and of
/// each limit. A function of the observations alone: they are fitted to the first n of them for certain n only, and
/// the rest is added one by one.
class Wide {
 public:
  explicit Wide(std::shared_ptr<const Space> space);
  ~Wide();
  Wide(Wide&&) noexcept;
  Wide& operator=(Wide&&) noexcept;

  /// Brings the models to `all`, which has grown at its end since the last call.
  void Update(const std::vector<Observation>& all, const Evidence& evidence);
  /// Where trials run, as if they had come out as expected; until the next Update.
  void Assume(const std::vector<Unit>& pending);
  /// The least expected value at an observation that is feasible; +infinity when there is none.
  [[nodiscard]] double best() const { return best_; }
  [[nodiscard]] const Model& objective() const { return *objective_; }
  [[nodiscard]] bool has_objective() const { return objective_ != nullptr; }
  /// The more of the newest trials failed, the more a risk of failure weighs.
  [[nodiscard]] std::vector<Utility::Limit> limits() const;

 private:
  struct LimitModel;

  void Refit(const std::vector<Observation>& all, std::size_t count);
  void SetTargets(const Evidence& evidence);

  std::shared_ptr<const Space> space_;
  std::size_t fitted_ = 0, read_ = 0;
  std::unique_ptr<Model> objective_;
  std::vector<std::size_t> rows_;  ///< of the objective: indices of observations
  std::vector<double> targets_;
  double best_ = 0, caution_ = 1;
  std::vector<std::unique_ptr<LimitModel>> limits_;
};

/// The model of the best observations, in their own chart.
struct Near {
  Model objective;
  double best = 0;
  std::size_t rows = 0;
};
/// Of at most `most` feasible observations (of all, when none is).
Near FitNear(const Space& space, const std::vector<Observation>& all, const Evidence& evidence,
             const std::vector<Unit>& pending, std::size_t most);

}  // namespace muster::tuner::gp
