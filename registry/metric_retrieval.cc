#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>

#include "registry/metric_family.h"

namespace muster::registry {
namespace {

/// How many candidates of other items score higher than the row's own, plus 1; nothing when a score is NaN.
std::optional<std::int64_t> Rank(const Answers& answers, std::int64_t row) {
  const auto dimensions = static_cast<std::size_t>(answers.evaluation.classes);
  const auto user = answers.of(row).first(dimensions);
  const auto score = [&](std::int64_t other) {
    const auto item = answers.of(other).subspan(dimensions);
    double sum = 0;
    for (std::size_t d = 0; d < dimensions; ++d) sum += double{user[d]} * double{item[d]};
    return sum;
  };
  const double own = score(row);
  bool number = !std::isnan(own);
  const std::int64_t begin = row / kRetrievalBlock * kRetrievalBlock;
  const std::int64_t end = std::min(begin + kRetrievalBlock, answers.evaluation.rows());
  std::int64_t rank = 1;
  for (std::int64_t other = begin; other < end; ++other) {
    if (answers.label(other) == answers.label(row)) continue;
    const double rival = score(other);
    number = number && !std::isnan(rival);
    rank += rival > own ? 1 : 0;
  }
  return number ? std::optional(rank) : std::nullopt;
}

template <typename Of>
double MeanOfRanks(const Answers& answers, Of of) {
  double total = 0;
  for (const std::int64_t row : answers.rows) {
    const auto rank = Rank(answers, row);
    if (!rank) return std::numeric_limits<double>::quiet_NaN();
    total += of(*rank);
  }
  return total / static_cast<double>(answers.rows.size());
}

double RecallAt(const Answers& answers) {
  return MeanOfRanks(answers, [&](std::int64_t rank) { return rank <= answers.k ? 1.0 : 0.0; });
}

double Mrr(const Answers& answers) {
  return MeanOfRanks(answers, [](std::int64_t rank) { return 1.0 / static_cast<double>(rank); });
}

constexpr std::array kFigures{Figure{"recall_at_", true, RecallAt}, Figure{"mrr", true, Mrr}};

}  // namespace

std::span<const Figure> RetrievalFigures() { return kFigures; }

}  // namespace muster::registry
