#include "registry/statistics/calibration.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "registry/gates/kinds.h"
#include "registry/statistics/bootstrap.h"

namespace muster::registry::gates {
namespace {

/// How sure each row's decision is, and whether it is right.
struct Sureness {
  std::vector<double> confidence;
  std::vector<std::uint8_t> correct;

  [[nodiscard]] double Error(std::span<const std::int64_t> rows, std::int64_t bins) const {
    Sureness some;
    for (const std::int64_t row : rows) {
      some.confidence.push_back(confidence[static_cast<std::size_t>(row)]);
      some.correct.push_back(correct[static_cast<std::size_t>(row)]);
    }
    return statistics::ExpectedCalibrationError(some.confidence, some.correct, bins);
  }
};

/// Of the class with the largest probability, whatever the threshold.
Sureness SurenessOf(const Decisions& decisions, const std::vector<std::int64_t>& labels) {
  Sureness sureness;
  for (std::size_t row = 0; row < labels.size(); ++row) {
    const auto first =
        decisions.probabilities.begin() + static_cast<std::ptrdiff_t>(row) * decisions.classes;
    const auto likeliest = std::max_element(first, first + decisions.classes);
    sureness.confidence.push_back(*likeliest);
    sureness.correct.push_back(likeliest - first == labels[row] ? 1 : 0);
  }
  return sureness;
}

Result<GateVerdict> Judge(const wire::GateSpec& gate, const Context& context) {
  const bool ece = gate.calibration->measure == "ece";
  const std::int64_t bins = gate.calibration->bins;
  const std::int64_t least = ece ? std::max(kLeastRows, bins * kLeastRowsOfBin) : kLeastRows;
  if (context.rows() < least) return TooFew("held-out rows", context.rows(), least);
  const auto decisions = DecisionsOf(context.evidence.logits, context.evaluation());
  if (!decisions.ok()) return Fails(decisions.error().message);
  const std::vector<std::int64_t>& labels = context.evaluation().labels;
  const double confidence = gate.confidence.value_or(kUsualConfidence);
  GateVerdict verdict;
  verdict.rows = context.rows();
  if (std::ranges::any_of(decisions->probabilities, [](double p) { return std::isnan(p); })) {
    return Fails("a probability is NaN");  // it would have no place among the sorted
  }
  if (ece) {
    const Sureness sureness = SurenessOf(*decisions, labels);
    verdict.seen = sureness.Error(context.all_rows, bins);
    verdict.interval = statistics::Bootstrap(
        {context.all_rows}, [&](auto drawn) { return sureness.Error(drawn, bins); }, confidence,
        context.seed, 20);
    verdict.method = "expected calibration error, " + std::to_string(bins) +
                     " bins of equal mass; percentile bootstrap of rows, Philox";
  } else {
    const auto scores =
        statistics::BrierScores(decisions->probabilities, labels, decisions->classes);
    verdict.seen =
        std::accumulate(scores.begin(), scores.end(), 0.0) / static_cast<double>(scores.size());
    verdict.interval = statistics::BootstrapMean(scores, confidence, context.seed);
    verdict.method = "Brier score, as scikit-learn; percentile bootstrap of rows, Philox";
  }
  verdict.detail = gate.calibration->measure + " is " + Number(verdict.seen) + ", " +
                   IntervalText(*verdict.interval) + ", over " + std::to_string(verdict.rows) +
                   " held-out rows";
  ApplyBounds(gate, verdict);
  return verdict;
}

Status Check(const wire::GateSpec& gate) {
  const wire::CalibrationGate& calibration = *gate.calibration;
  if (calibration.measure != "ece" && calibration.measure != "brier") {
    return Invalid("calibration.measure: wanted one of ece, brier, got '" + calibration.measure +
                   "'");
  }
  MUSTER_RETURN_IF_ERROR(CheckRange("calibration.bins", calibration.bins, 1, 1000));
  if (!gate.at_most) return Invalid("at_most: missing; wanted the largest " + calibration.measure);
  return CheckBounds(gate);
}

}  // namespace

const Kind kCalibration{
    .name = "calibration",
    .keys = " calibration at_most confidence ",
    .is = [](const wire::GateSpec& gate) { return gate.calibration.has_value(); },
    .check = Check,
    .title =
        [](const wire::GateSpec& gate) {
          const bool ece = gate.calibration->measure == "ece";
          return gate.calibration->measure +
                 (ece ? " of " + std::to_string(gate.calibration->bins) + " bins" : "") +
                 BoundText(gate);
        },
    .judge = Judge};

}  // namespace muster::registry::gates
