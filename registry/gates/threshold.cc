#include "registry/gates/kinds.h"

namespace muster::registry::gates {
namespace {

Result<GateVerdict> Judge(const wire::GateSpec& gate, const Context& context) {
  if (gate.confidence && context.rows() < kLeastRows) {
    return TooFew("held-out rows", context.rows(), kLeastRows);
  }
  MUSTER_ASSIGN_OR_RETURN(const Estimate estimate,
                          EstimateFigure(context.Ask(gate), context.evidence.logits));
  GateVerdict verdict;
  verdict.seen = estimate.figure;
  verdict.interval = estimate.interval;
  verdict.rows = context.rows();
  verdict.method = estimate.method;
  verdict.detail = gate.metric + " is " + Number(verdict.seen) + ", " +
                   IntervalText(estimate.interval) + ", over " + std::to_string(verdict.rows) +
                   " held-out rows";
  ApplyBounds(gate, verdict);
  return verdict;
}

}  // namespace

const Kind kThreshold{
    .name = "threshold",
    .keys = " metric at_least at_most confidence ",
    .is = [](const wire::GateSpec& gate) { return gate.at_least || gate.at_most; },
    .check = [](const wire::GateSpec& gate) { return CheckBounds(gate); },
    .title = [](const wire::GateSpec& gate) { return gate.metric + BoundText(gate); },
    .judge = Judge};

}  // namespace muster::registry::gates
