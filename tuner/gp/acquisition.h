#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "runtime/base/random.h"
#include "tuner/gp/chart.h"
#include "tuner/gp/log_ei.h"
#include "tuner/gp/regression.h"
#include "tuner/samplers/random.h"

namespace muster::tuner::gp {

/// A regression with the chart of its features.
struct Model {
  Chart chart;
  Regression regression;
};

/// The logarithm of the expected improvement on `best` of the objective, plus that of the probability that
/// each of the limits is at most its bound. Models live longer than this.
struct Utility {
  struct Limit {
    const Model* model;
    double bound;
    double power;  ///< of its probability: above 1, risk is shunned
  };
  const Model* objective = nullptr;  ///< null: the limits alone
  double best = 0;
  std::vector<Limit> limits;

  /// At a unit; writes the gradient over the numbers' u.
  double At(const Unit& unit, std::vector<double>* gradient) const;
  [[nodiscard]] std::vector<double> AtMany(const std::vector<Unit>& units) const;
};

struct SearchPlan {
  const Chart* chart = nullptr;      ///< the coordinates to climb in
  double reach = 0;                  ///< how far from the chart's centre, in z; 0: the whole space
  std::vector<const Unit*> centres;  ///< good points to look around, the best first
  int draws = 300;                   ///< raw candidates
  int climbs = 4, evaluations = 30;  ///< from the best of them, with so many evaluations each
};

/// A point of the space that nobody has tried, where the utility is high: raw candidates, ascents by L-BFGS from the best of
/// them, then, where the space has steps and choices, a search coordinate by coordinate. Nothing when every candidate was seen.
std::optional<Point> Maximize(const Space& space, const Utility& utility, const SearchPlan& plan,
                              const SeenPoints& seen, Random random);

}  // namespace muster::tuner::gp
