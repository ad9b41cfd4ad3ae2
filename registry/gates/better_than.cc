#include <cmath>

#include "registry/gates/kinds.h"

// By the figures alone, or with confidence or a margin by a paired test: the interval of the gain lies above -margin;
// of rates without a margin McNemar's exact p decides, which is the stricter where few rows are discordant.

namespace muster::registry::gates {
namespace {

bool IsTest(const wire::GateSpec& gate) { return gate.confidence || gate.margin; }

bool Passes(const wire::GateSpec& gate, const Comparison& found) {
  if (!IsTest(gate)) {
    // A champion whose figure is NaN is beaten by any number.
    return std::isnan(found.other) ? !std::isnan(found.candidate) : found.gain > 0;
  }
  const double margin = gate.margin.value_or(0);
  if (found.mcnemar && margin == 0) {
    return found.gain > 0 && *found.mcnemar <= 1 - found.interval.confidence;
  }
  return found.interval.low > -margin;
}

Result<GateVerdict> Judge(const wire::GateSpec& gate, const Context& context) {
  if (auto none = NoIncumbent(gate, context)) {
    if (none->passed) {
      MUSTER_ASSIGN_OR_RETURN(
          none->seen, ComputeMetric(gate.metric, context.evidence.logits, context.evaluation()));
      none->passed = !std::isnan(none->seen);
      none->rows = context.rows();
      none->detail += "; " + gate.metric + " is " + Number(none->seen);
    }
    return *std::move(none);
  }
  if (IsTest(gate) && context.rows() < kLeastRows) {
    return TooFew("held-out rows", context.rows(), kLeastRows);
  }
  MUSTER_ASSIGN_OR_RETURN(
      const Comparison found,
      Compare(context.Ask(gate), context.evidence.logits, *context.evidence.incumbent->logits));
  GateVerdict verdict;
  verdict.passed = Passes(gate, found);
  verdict.seen = found.candidate;
  verdict.wanted = found.other;
  verdict.interval = found.interval;
  verdict.rows = context.rows();
  verdict.method = (IsTest(gate) ? "" : "the figures alone; interval: ") + found.method;
  verdict.detail = gate.metric + " is " + Number(verdict.seen) + ", that of " +
                   IncumbentText(gate, context) + " is " + Number(verdict.wanted) +
                   " on the same " + std::to_string(verdict.rows) + " rows; better by " +
                   Number(found.gain) + ", " + IntervalText(found.interval);
  if (found.mcnemar) {
    verdict.method += ", McNemar's exact test";
    verdict.detail += ", p " + Number(*found.mcnemar);
  }
  return verdict;
}

}  // namespace

const Kind kBetterThan{
    .name = "better_than",
    .keys = " metric better_than confidence margin ",
    .is = [](const wire::GateSpec& gate) { return !gate.better_than.empty(); },
    .check = [](const wire::GateSpec&) { return Ok(); },
    .title =
        [](const wire::GateSpec& gate) {
          const bool better = gate.margin.value_or(0) == 0;
          return (better ? "better than " : "not worse than ") + gate.better_than + " on " +
                 gate.metric + (better ? "" : " by " + Number(*gate.margin)) +
                 (gate.margin && !gate.confidence ? ", confidence " + Number(kUsualConfidence)
                                                  : ConfidenceText(gate));
        },
    .judge = Judge};

}  // namespace muster::registry::gates
