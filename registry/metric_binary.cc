#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "registry/metric_family.h"

namespace muster::registry {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// The logarithm of the odds of label 1.
double Score(std::span<const float> outputs) {
  return outputs.size() == 1 ? outputs[0] : double{outputs[1]} - double{outputs[0]};
}

/// Rows by what was said of them and what they are; NaN among the scores is none of these.
struct Confusion {
  double found_right = 0, found = 0, positives = 0, right = 0, rows = 0;
  bool nan = false;
};

Confusion Count(const Answers& answers) {
  const double threshold = answers.evaluation.threshold;
  const double least = std::log(threshold) - std::log1p(-threshold);
  Confusion count;
  for (const std::int64_t row : answers.rows) {
    const double score = Score(answers.of(row));
    const bool positive = answers.label(row) == 1, found = score > least;
    count.nan = count.nan || std::isnan(score);
    count.found += found ? 1 : 0;
    count.positives += positive ? 1 : 0;
    count.found_right += found && positive ? 1 : 0;
    count.right += !std::isnan(score) && found == positive ? 1 : 0;
    count.rows += 1;
  }
  return count;
}

double Accuracy(const Answers& answers) {
  const Confusion count = Count(answers);
  return count.right / count.rows;
}

double ErrorRate(const Answers& answers) { return 1 - Accuracy(answers); }

double Precision(const Answers& answers) {
  const Confusion count = Count(answers);
  if (count.nan) return kNan;
  return count.found == 0 ? 0 : count.found_right / count.found;
}

double Recall(const Answers& answers) {
  const Confusion count = Count(answers);
  return count.nan || count.positives == 0 ? kNan : count.found_right / count.positives;
}

double F1(const Answers& answers) {
  const Confusion count = Count(answers);
  if (count.nan || count.positives == 0) return kNan;
  return 2 * count.found_right / (count.found + count.positives);
}

/// log(1 + exp(-s)) of a positive row, log(1 + exp(s)) of a negative one.
double Loss(const Answers& answers) {
  double total = 0;
  for (const std::int64_t row : answers.rows) {
    const double score = Score(answers.of(row));
    const double wrong = answers.label(row) == 1 ? -score : score;
    total += std::max(wrong, 0.0) + std::log1p(std::exp(-std::abs(wrong)));
    if (std::isnan(score)) return kNan;  // max would drop it
  }
  return total / static_cast<double>(answers.rows.size());
}

/// Rows of one score, and how many of them are positive.
struct Level {
  double rows = 0, positives = 0;
};

/// From the highest score down; nothing when a score is NaN.
std::vector<Level> Levels(const Answers& answers) {
  std::vector<std::pair<double, bool>> scored;
  scored.reserve(answers.rows.size());
  for (const std::int64_t row : answers.rows) {
    scored.emplace_back(Score(answers.of(row)), answers.label(row) == 1);
    if (std::isnan(scored.back().first)) return {};
  }
  std::ranges::sort(scored, std::greater<>());
  std::vector<Level> levels;
  for (std::size_t i = 0; i < scored.size(); ++i) {
    if (i == 0 || scored[i].first != scored[i - 1].first) levels.emplace_back();
    levels.back().rows += 1;
    levels.back().positives += scored[i].second ? 1 : 0;
  }
  return levels;
}

/// The probability that a positive row has a higher score than a negative one, where equal ones count half
/// (Fawcett 2006, "An introduction to ROC analysis", section 7).
double Auroc(const Answers& answers) {
  double positives = 0, negatives = 0, won = 0;
  for (const Level& level : Levels(answers)) {
    const double here = level.rows - level.positives;
    won += here * (positives + level.positives / 2);
    positives += level.positives;
    negatives += here;
  }
  return won / (positives * negatives);
}

/// sum over scores, from the highest, of (recall gained) x (precision there), as scikit-learn's.
double AveragePrecision(const Answers& answers) {
  double rows = 0, positives = 0, total = 0;
  for (const Level& level : Levels(answers)) {
    rows += level.rows;
    positives += level.positives;
    total += level.positives * positives / rows;
  }
  return total / positives;
}

constexpr std::array kFigures{Figure{"loss", false, Loss},
                              Figure{"accuracy", true, Accuracy},
                              Figure{"error_rate", false, ErrorRate},
                              Figure{"precision", true, Precision},
                              Figure{"recall", true, Recall},
                              Figure{"f1", true, F1},
                              Figure{"auroc", true, Auroc},
                              Figure{"average_precision", true, AveragePrecision}};

}  // namespace

std::span<const Figure> BinaryFigures() { return kFigures; }

}  // namespace muster::registry
