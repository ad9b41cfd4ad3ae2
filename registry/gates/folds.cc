#include <cmath>
#include <numeric>

#include "registry/gates/kinds.h"
#include "registry/statistics/hypothesis.h"
#include "runtime/base/random.h"

// The figure, or the gain over the alias' version, on each of k folds of the held-out rows. Both models are what they
// are, so the folds are independent and a plain t-test would do; the correction stands for the training sets that
// were not drawn again, and makes the test stricter.

namespace muster::registry::gates {
namespace {

/// k runs of the shuffled rows, the first ones a row longer where they do not divide.
std::vector<std::vector<std::int64_t>> FoldsOf(const Context& context, std::int64_t k) {
  std::vector<std::int64_t> rows = context.all_rows;
  Random random(context.seed, static_cast<std::uint64_t>(k));
  for (std::size_t i = rows.size(); i > 1; --i) std::swap(rows[i - 1], rows[random.Below(i)]);
  std::vector<std::vector<std::int64_t>> folds(static_cast<std::size_t>(k));
  for (std::size_t i = 0; i < rows.size(); ++i) folds[i % folds.size()].push_back(rows[i]);
  return folds;
}

Result<GateVerdict> Judge(const wire::GateSpec& gate, const Context& context) {
  const bool paired = !gate.better_than.empty();
  if (paired) {
    if (auto none = NoIncumbent(gate, context)) return *std::move(none);
  }
  const std::int64_t k = *gate.folds;
  if (context.rows() < k * kLeastRowsOfFold) {
    return TooFew("held-out rows for " + std::to_string(k) + " folds", context.rows(),
                  k * kLeastRowsOfFold);
  }
  MUSTER_ASSIGN_OR_RETURN(const bool higher, HigherIsBetter(gate.metric));
  std::vector<double> figures;
  for (const auto& fold : FoldsOf(context, k)) {
    MUSTER_ASSIGN_OR_RETURN(double figure, ComputeMetric(gate.metric, context.evidence.logits,
                                                         context.evaluation(), fold));
    if (paired) {
      MUSTER_ASSIGN_OR_RETURN(const double other,
                              ComputeMetric(gate.metric, *context.evidence.incumbent->logits,
                                            context.evaluation(), fold));
      figure = higher ? figure - other : other - figure;
    }
    figures.push_back(figure);
  }
  wire::GateSpec bound = gate;
  bound.confidence = gate.confidence.value_or(kUsualConfidence);
  // A gain of just -margin is not above it; an interval's end is hardly ever just there.
  if (paired) bound.at_least = -gate.margin.value_or(0);
  const auto test = statistics::CorrectedResampledTTest(
      figures, 1.0 / static_cast<double>(k - 1), bound.at_least ? *bound.at_least : *bound.at_most,
      *bound.confidence);
  GateVerdict verdict;
  verdict.seen = test.mean;
  verdict.interval = test.interval;
  verdict.rows = context.rows();
  verdict.method = "corrected resampled t-test over " + std::to_string(k) + " folds of the rows";
  verdict.detail =
      (paired ? "gain in " + gate.metric + " over " + IncumbentText(gate, context) : gate.metric) +
      " is " + Number(test.mean) + ", " + IntervalText(test.interval) + ", over " +
      std::to_string(k) + " folds of " + std::to_string(verdict.rows) + " rows, p " +
      Number(test.p);
  if (std::isnan(test.p)) verdict.detail += "; all folds are alike, so how they vary is not known";
  ApplyBounds(bound, verdict);
  return verdict;
}

}  // namespace

const Kind kFolds{.name = "folds",
                  .keys = " metric at_least at_most better_than confidence margin folds ",
                  .is = [](const wire::GateSpec& gate) { return gate.folds.has_value(); },
                  .check = [](const wire::GateSpec& gate) -> Status {
                    MUSTER_RETURN_IF_ERROR(CheckRange("folds", *gate.folds, 3, 100));
                    if (gate.better_than.empty()) return CheckBounds(gate, true);
                    if (gate.at_least || gate.at_most)
                      return Invalid("better_than: wanted it or a bound, not both");
                    return Ok();
                  },
                  .title =
                      [](const wire::GateSpec& gate) {
                        wire::GateSpec plain = gate;
                        plain.confidence = gate.confidence.value_or(kUsualConfidence);
                        return (gate.better_than.empty() ? kThreshold : kBetterThan).title(plain) +
                               ", over " + std::to_string(*gate.folds) + " folds";
                      },
                  .judge = Judge};

}  // namespace muster::registry::gates
