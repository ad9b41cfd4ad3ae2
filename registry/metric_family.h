#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "registry/evaluation.h"

/// The figures of each task, one file a family. Private to the registry: evaluation.h has the contract.

namespace muster::registry {

/// What a figure is computed from.
struct Answers {
  const Evaluation& evaluation;
  std::span<const float> outputs;      ///< (N, W)
  std::span<const std::int64_t> rows;  ///< that count
  std::int64_t k = 0;                  ///< of "recall_at_<k>"

  [[nodiscard]] std::span<const float> of(std::int64_t row) const {
    const auto width = static_cast<std::size_t>(evaluation.width());
    return outputs.subspan(static_cast<std::size_t>(row) * width, width);
  }
  [[nodiscard]] std::int64_t label(std::int64_t row) const {
    return evaluation.labels[static_cast<std::size_t>(row)];
  }
};

struct Figure {
  std::string_view name;  ///< one that ends in "_at_" takes a k behind it
  bool higher_is_better;
  double (*compute)(const Answers& answers);
};

std::span<const Figure> ClassFigures();
std::span<const Figure> TokenFigures();
std::span<const Figure> BinaryFigures();
std::span<const Figure> RegressionFigures();
std::span<const Figure> RetrievalFigures();

/// The share of labels, 0 or above, whose logit is the largest; NaN logits are wrong. `logits` (labels, classes).
struct Hits {
  double right = 0, counted = 0;
};
Hits CountHits(std::span<const float> logits, std::span<const std::int64_t> labels,
               std::int64_t classes);
/// log(sum(exp(logits))) - logit of the label, shifted by the largest so that nothing overflows.
double CrossEntropy(std::span<const float> logits, std::int64_t label);

}  // namespace muster::registry
