#include <array>
#include <cmath>
#include <numbers>

#include "registry/metric_family.h"

namespace muster::registry {
namespace {

std::span<const std::int64_t> LabelsOf(const Answers& answers, std::int64_t row) {
  const std::int64_t places = answers.evaluation.width() / answers.evaluation.classes;
  return std::span(answers.evaluation.labels)
      .subspan(static_cast<std::size_t>(row * places), static_cast<std::size_t>(places));
}

double Accuracy(const Answers& answers) {
  Hits all;
  for (const std::int64_t row : answers.rows) {
    const Hits hits =
        CountHits(answers.of(row), LabelsOf(answers, row), answers.evaluation.classes);
    all.right += hits.right;
    all.counted += hits.counted;
  }
  return all.right / all.counted;
}

double ErrorRate(const Answers& answers) { return 1 - Accuracy(answers); }

double Loss(const Answers& answers) {
  const auto classes = static_cast<std::size_t>(answers.evaluation.classes);
  double total = 0, counted = 0;
  for (const std::int64_t row : answers.rows) {
    const auto labels = LabelsOf(answers, row);
    const auto logits = answers.of(row);
    for (std::size_t place = 0; place < labels.size(); ++place) {
      if (labels[place] < 0) continue;
      total += CrossEntropy(logits.subspan(place * classes, classes), labels[place]);
      counted += 1;
    }
  }
  return total / counted;
}

double Perplexity(const Answers& answers) { return std::exp(Loss(answers)); }
double BitsPerToken(const Answers& answers) { return Loss(answers) / std::numbers::ln2; }

constexpr std::array kFigures{Figure{"loss", false, Loss}, Figure{"perplexity", false, Perplexity},
                              Figure{"bits_per_token", false, BitsPerToken},
                              Figure{"accuracy", true, Accuracy},
                              Figure{"error_rate", false, ErrorRate}};

}  // namespace

std::span<const Figure> TokenFigures() { return kFigures; }

}  // namespace muster::registry
