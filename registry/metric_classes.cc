#include <algorithm>
#include <array>
#include <cmath>

#include "registry/metric_family.h"

namespace muster::registry {
namespace {

double Accuracy(const Answers& answers) {
  double right = 0;
  for (const std::int64_t row : answers.rows) {
    const std::int64_t label = answers.label(row);
    right += CountHits(answers.of(row), {&label, 1}, answers.evaluation.classes).right;
  }
  return right / static_cast<double>(answers.rows.size());
}

double ErrorRate(const Answers& answers) { return 1 - Accuracy(answers); }

double Loss(const Answers& answers) {
  double total = 0;
  for (const std::int64_t row : answers.rows) {
    total += CrossEntropy(answers.of(row), answers.label(row));
  }
  return total / static_cast<double>(answers.rows.size());
}

constexpr std::array kFigures{Figure{"accuracy", true, Accuracy},
                              Figure{"error_rate", false, ErrorRate}, Figure{"loss", false, Loss},
                              Figure{"cross_entropy", false, Loss}};

}  // namespace

std::span<const Figure> ClassFigures() { return kFigures; }

Hits CountHits(std::span<const float> logits, std::span<const std::int64_t> labels,
               std::int64_t classes) {
  Hits hits;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] < 0) continue;
    const auto width = static_cast<std::size_t>(classes);
    const auto row = logits.subspan(i * width, width);
    const bool number = std::ranges::none_of(row, [](float x) { return std::isnan(x); });
    const auto best = std::ranges::max_element(row) - row.begin();
    hits.right += number && best == labels[i] ? 1 : 0;
    hits.counted += 1;
  }
  return hits;
}

double CrossEntropy(std::span<const float> logits, std::int64_t label) {
  const double largest = *std::ranges::max_element(logits);
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - largest);
  return largest + std::log(sum) - logits[static_cast<std::size_t>(label)];
}

}  // namespace muster::registry
