#pragma once

#include <cstdint>
#include <vector>

#include "registry/evaluation.h"

namespace muster::registry {

/// Of the held-out rows of one class; of the task binary, 0 and 1.
struct ClassFigures {
  std::int64_t labelled = 0;   ///< rows of this class
  std::int64_t predicted = 0;  ///< rows that the model says are of it
  std::int64_t right = 0;      ///< rows of both

  /// right / labelled, right / predicted; NaN where there are none.
  [[nodiscard]] double recall() const;
  [[nodiscard]] double precision() const;
};

struct Predictions {
  std::vector<ClassFigures>
      classes;                     ///< by class; empty when the task is neither classes nor binary
  std::vector<double> confidence;  ///< (N), the probability of each row's likeliest class
};

/// The class of a row is the one with the largest logit, the lower of two alike; of the task binary 1 where its
/// probability is above the threshold. A row with a NaN logit is of no class, with confidence NaN. Pure.
Predictions PredictionsOf(const Evaluation& evaluation, const std::vector<float>& logits);

}  // namespace muster::registry
