#include "registry/package/class_figures.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/base/check.h"

namespace muster::registry {
namespace {

double Share(std::int64_t part, std::int64_t whole) {
  if (whole == 0) return std::numeric_limits<double>::quiet_NaN();
  return static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

Decision DecideClass(std::span<const float> logits, std::optional<double> threshold) {
  if (std::ranges::any_of(logits, [](float x) { return std::isnan(x); })) return {};
  const float alone[] = {0, logits[0]};
  if (logits.size() == 1) logits = alone;
  const auto best = std::ranges::max_element(logits);
  double sum = 0;  // of probabilities relative to the best one's
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - *best);
  Decision decision{static_cast<std::size_t>(best - logits.begin()), 1 / sum};
  if (threshold) {
    const double positive = std::exp(static_cast<double>(logits[1]) - *best) / sum;
    decision.of_class = positive > *threshold ? 1 : 0;
  }
  return decision;
}

double ClassFigures::recall() const { return Share(right, labelled); }
double ClassFigures::precision() const { return Share(right, predicted); }

Predictions PredictionsOf(const Evaluation& evaluation, const std::vector<float>& logits) {
  Predictions result;
  const bool binary = evaluation.task == Task::kBinary;
  if (!binary && evaluation.task != Task::kClasses) return result;
  result.classes.resize(binary ? 2 : static_cast<std::size_t>(evaluation.classes));
  const auto rows = static_cast<std::size_t>(evaluation.rows());
  const auto width = static_cast<std::size_t>(evaluation.width());
  MUSTER_CHECK(logits.size() == rows * width, "logits are (N, W)");
  const auto threshold = binary ? std::optional(evaluation.threshold) : std::nullopt;
  for (std::size_t row = 0; row < rows; ++row) {
    const auto label = static_cast<std::size_t>(evaluation.labels[row]);
    ++result.classes[label].labelled;
    const Decision decision = DecideClass(std::span(logits).subspan(row * width, width), threshold);
    result.confidence.push_back(decision.confidence);
    result.right.push_back(decision.of_class == label ? 1 : 0);
    if (!decision.of_class) continue;
    ++result.classes[*decision.of_class].predicted;
    if (*decision.of_class == label) ++result.classes[label].right;
  }
  return result;
}

}  // namespace muster::registry
