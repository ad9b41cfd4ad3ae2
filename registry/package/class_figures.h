#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
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

/// Of one row's outputs; no class, and confidence NaN, when one of them is NaN.
struct Decision {
  std::optional<std::size_t> of_class;
  double confidence = std::numeric_limits<double>::quiet_NaN();  ///< of the likeliest class
};
/// The class with the largest logit, the lower of two alike; where `threshold` is set (of the task binary), 1 where its
/// probability is above it. A single logit is that of class 1 against class 0. Pure.
Decision DecideClass(std::span<const float> logits, std::optional<double> threshold);

struct Predictions {
  std::vector<ClassFigures>
      classes;                      ///< by class; empty when the task is neither classes nor binary
  std::vector<double> confidence;   ///< (N), the probability of each row's likeliest class
  std::vector<std::uint8_t> right;  ///< (N), whether a row is of its label's class
};

/// Each row as DecideClass has it. Pure.
Predictions PredictionsOf(const Evaluation& evaluation, const std::vector<float>& logits);

}  // namespace muster::registry
