#include "registry/gates/comparison.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "registry/statistics/bootstrap.h"
#include "registry/statistics/hypothesis.h"
#include "runtime/base/math.h"

namespace muster::registry::gates {
namespace {

using statistics::Discordant;
using statistics::Interval;

/// A figure that is the mean over rows, of tokens weighted by a row's labels, of its values on each row alone.
struct RowScores {
  std::vector<double> scores, weights;
  bool equal_weights = true;
};

double LabelsOf(const Evaluation& evaluation, std::int64_t row) {
  if (evaluation.task != Task::kTokens) return 1;
  const std::size_t each = evaluation.labels.size() / static_cast<std::size_t>(evaluation.rows());
  const auto first = evaluation.labels.begin() + row * static_cast<std::int64_t>(each);
  return static_cast<double>(std::count_if(first, first + static_cast<std::ptrdiff_t>(each),
                                           [](std::int64_t label) { return label >= 0; }));
}

double WeightedMean(const RowScores& of) {
  double sum = 0, weight = 0;
  for (std::size_t i = 0; i < of.scores.size(); ++i) {
    sum += of.weights[i] * of.scores[i];
    weight += of.weights[i];
  }
  return sum / weight;
}

/// Nothing for a figure that is no such mean (auroc, f1, rmse), which shows by its not being one.
Result<std::optional<RowScores>> RowScoresOf(const Question& of,
                                             const std::vector<float>& outputs) {
  MUSTER_ASSIGN_OR_RETURN(const double figure,
                          ComputeMetric(of.metric, outputs, of.evaluation, of.rows));
  RowScores found;
  for (const std::int64_t row : of.rows) {
    const double weight = LabelsOf(of.evaluation, row);
    double score = 0;
    if (weight > 0) {
      MUSTER_ASSIGN_OR_RETURN(score,
                              ComputeMetric(of.metric, outputs, of.evaluation, std::span(&row, 1)));
    }
    found.scores.push_back(score);
    found.weights.push_back(weight);
    found.equal_weights = found.equal_weights && weight == found.weights.front();
  }
  const double difference = std::abs(WeightedMean(found) - figure);
  if (!(difference <= 1e-9 * std::max(1.0, std::abs(figure)))) {
    return std::optional<RowScores>();
  }
  return std::optional(std::move(found));
}

bool IsRate(const RowScores& of) {
  return of.equal_weights &&
         std::ranges::all_of(of.scores, [](double score) { return score == 0 || score == 1; });
}

std::string BootstrapText(std::string_view of) {
  return "percentile bootstrap of " + std::string(of) + ", Philox";
}

/// Of the mean of scores.
Interval MeanInterval(const RowScores& of, const Question& question, std::string& method) {
  if (of.equal_weights) {
    if (static_cast<std::int64_t>(of.scores.size()) > kRowsOfBootstrap) {
      method = "Student's t";
      return statistics::TTest(of.scores, 0, question.confidence).interval;
    }
    method = BootstrapText("the mean over rows");
    return statistics::BootstrapMean(of.scores, question.confidence, question.seed);
  }
  method = BootstrapText("the mean over rows, weighted by their labels");
  std::vector<std::int64_t> places(of.scores.size());
  std::iota(places.begin(), places.end(), 0);
  return statistics::Bootstrap(
      {places},
      [&](std::span<const std::int64_t> drawn) {
        double sum = 0, weight = 0;
        for (const std::int64_t i : drawn) {
          sum += of.weights[static_cast<std::size_t>(i)] * of.scores[static_cast<std::size_t>(i)];
          weight += of.weights[static_cast<std::size_t>(i)];
        }
        return sum / weight;
      },
      question.confidence, question.seed);
}

/// Of any figure of drawn rows.
Interval RowsInterval(const Question& of,
                      const std::function<double(std::span<const std::int64_t>)>& figure,
                      std::string& method) {
  constexpr std::int64_t kCost = 20;  // sorts, more often than not
  method = BootstrapText("rows");
  return statistics::Bootstrap({{of.rows.begin(), of.rows.end()}}, figure, of.confidence, of.seed,
                               kCost);
}

/// The figure, for a metric that was computed once already.
double FigureOf(const Question& of, const std::vector<float>& outputs,
                std::span<const std::int64_t> rows) {
  const auto figure = ComputeMetric(of.metric, outputs, of.evaluation, rows);
  MUSTER_CHECK(figure.ok(), "the metric is one of the task's");
  return *figure;
}

/// Gains of each row: positive where the candidate is better.
RowScores Gains(const RowScores& candidate, const RowScores& other, double sign) {
  RowScores gains = candidate;
  for (std::size_t i = 0; i < gains.scores.size(); ++i) {
    gains.scores[i] = sign * (candidate.scores[i] - other.scores[i]);
  }
  return gains;
}

Discordant PairsOf(const RowScores& gains) {
  return {std::ranges::count(gains.scores, 1.0), std::ranges::count(gains.scores, -1.0),
          static_cast<std::int64_t>(gains.scores.size())};
}

Result<double> SignOf(std::string_view metric) {
  MUSTER_ASSIGN_OR_RETURN(const bool higher, HigherIsBetter(metric));
  return higher ? 1.0 : -1.0;
}

/// perplexity is exp(loss), and a mean over rows only so.
bool IsPerplexity(std::string_view metric) { return metric.ends_with("perplexity"); }

}  // namespace

Result<Estimate> EstimateFigure(const Question& of, const std::vector<float>& outputs) {
  if (IsPerplexity(of.metric)) {
    Question loss = of;
    loss.metric = "loss";
    MUSTER_ASSIGN_OR_RETURN(Estimate estimate, EstimateFigure(loss, outputs));
    estimate.figure = std::exp(estimate.figure);
    estimate.interval.low = std::exp(estimate.interval.low);
    estimate.interval.high = std::exp(estimate.interval.high);
    return estimate;
  }
  Estimate estimate;
  MUSTER_ASSIGN_OR_RETURN(estimate.figure,
                          ComputeMetric(of.metric, outputs, of.evaluation, of.rows));
  MUSTER_ASSIGN_OR_RETURN(const auto scores, RowScoresOf(of, outputs));
  if (!scores) {
    estimate.interval =
        RowsInterval(of, [&](auto drawn) { return FigureOf(of, outputs, drawn); }, estimate.method);
  } else if (IsRate(*scores)) {
    estimate.method = "Wilson's score interval";
    estimate.interval =
        statistics::WilsonInterval(std::ranges::count(scores->scores, 1.0),
                                   static_cast<std::int64_t>(of.rows.size()), of.confidence);
  } else {
    estimate.interval = MeanInterval(*scores, of, estimate.method);
  }
  return estimate;
}

Result<Comparison> Compare(const Question& of, const std::vector<float>& candidate,
                           const std::vector<float>& other) {
  Comparison found;
  MUSTER_ASSIGN_OR_RETURN(const double sign, SignOf(of.metric));
  MUSTER_ASSIGN_OR_RETURN(found.candidate,
                          ComputeMetric(of.metric, candidate, of.evaluation, of.rows));
  MUSTER_ASSIGN_OR_RETURN(found.other, ComputeMetric(of.metric, other, of.evaluation, of.rows));
  found.gain = sign * (found.candidate - found.other);
  MUSTER_ASSIGN_OR_RETURN(const auto ours, RowScoresOf(of, candidate));
  MUSTER_ASSIGN_OR_RETURN(const auto theirs, RowScoresOf(of, other));
  if (!ours || !theirs) {
    found.interval = RowsInterval(
        of,
        [&](auto drawn) {
          return sign * (FigureOf(of, candidate, drawn) - FigureOf(of, other, drawn));
        },
        found.method);
    return found;
  }
  const RowScores gains = Gains(*ours, *theirs, sign);
  if (IsRate(*ours) && IsRate(*theirs)) {
    const Discordant pairs = PairsOf(gains);
    found.method = "Tango's score interval of the paired difference";
    found.interval = statistics::TangoInterval(pairs, of.confidence);
    found.mcnemar = statistics::McNemarExact(pairs);
  } else {
    found.interval = MeanInterval(gains, of, found.method);
    found.method += " of paired differences";
  }
  return found;
}

Result<std::optional<RowTest>> TestRows(const Question& of, const std::vector<float>& candidate,
                                        const std::vector<float>* other, double bound) {
  MUSTER_ASSIGN_OR_RETURN(auto scores, RowScoresOf(of, candidate));
  if (!scores || !scores->equal_weights) return std::optional<RowTest>();
  bool rate = IsRate(*scores);
  if (other != nullptr) {
    MUSTER_ASSIGN_OR_RETURN(const double sign, SignOf(of.metric));
    MUSTER_ASSIGN_OR_RETURN(const auto theirs, RowScoresOf(of, *other));
    if (!theirs) return std::optional<RowTest>();
    rate = rate && IsRate(*theirs);
    scores = Gains(*scores, *theirs, sign);
  }
  RowTest test;
  test.value = WeightedMean(*scores);
  const auto rows = static_cast<std::int64_t>(of.rows.size());
  if (rate && other == nullptr) {
    const std::int64_t hits = std::ranges::count(scores->scores, 1.0);
    test.p =
        std::min(1.0, 2 * std::min(statistics::BinomialUpperTail(hits, rows, bound),
                                   statistics::BinomialUpperTail(rows - hits, rows, 1 - bound)));
  } else if (rate) {
    const double score = statistics::TangoScore(PairsOf(*scores), bound);
    test.p = math::Erfc(std::abs(score) / std::sqrt(2.0));
  } else {
    test.p = statistics::TTest(scores->scores, bound, of.confidence).p;
  }
  return std::optional(test);
}

}  // namespace muster::registry::gates
