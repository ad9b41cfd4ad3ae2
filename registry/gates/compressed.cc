#include "registry/gates/kinds.h"

namespace muster::registry::gates {
namespace {

bool HasDecisions(Task task) {
  return task == Task::kClasses || task == Task::kBinary || task == Task::kTokens;
}

Result<GateVerdict> Judge(const wire::GateSpec& gate, const Context& context) {
  const auto& full = context.evidence.full;
  if (!full) {
    GateVerdict verdict = Fails("this is no compressed version, so there is nothing to compare");
    verdict.passed = true;
    return verdict;
  }
  const wire::CompressedGate& asked = *gate.compressed;
  if (full->size() != context.evidence.logits.size()) {
    return Fails("the version that it was made of answers in another shape");
  }
  if (context.rows() < kLeastRows) return TooFew("held-out rows", context.rows(), kLeastRows);
  // The drop is the gain of the full one.
  MUSTER_ASSIGN_OR_RETURN(const Comparison drop,
                          Compare(context.Ask(gate), *full, context.evidence.logits));
  GateVerdict verdict;
  verdict.seen = drop.gain;
  verdict.interval = drop.interval;
  verdict.rows = context.rows();
  verdict.method = "of the drop: " + drop.method;
  verdict.detail = gate.metric + " is " + Number(drop.other) + ", that of the full version " +
                   Number(drop.candidate) + "; worse by " + Number(drop.gain) + ", " +
                   IntervalText(drop.interval) + ", over " + std::to_string(verdict.rows) + " rows";
  ApplyAtMost(gate, asked.drop_at_most, verdict);
  if (!HasDecisions(context.evaluation().task)) return verdict;
  const Agreement agreement = AgreementOf(*full, context.evidence.logits, context.evaluation());
  const double share = agreement.share();
  const auto interval =
      statistics::WilsonInterval(agreement.same, agreement.all, context.Ask(gate).confidence);
  verdict.method += "; of the agreement: Wilson's score interval";
  verdict.detail += "; " + std::to_string(agreement.same) + " of " + std::to_string(agreement.all) +
                    " decisions agree, " + Number(share) + ", " + IntervalText(interval);
  if ((gate.confidence ? interval.low : share) < asked.agreement_at_least && verdict.passed) {
    verdict.passed = false;
    verdict.seen = share;
    verdict.wanted = asked.agreement_at_least;
    verdict.interval = interval;
  }
  return verdict;
}

}  // namespace

const Kind kCompressed{
    .name = "compressed",
    .keys = " metric compressed confidence ",
    .is = [](const wire::GateSpec& gate) { return gate.compressed.has_value(); },
    .check = [](const wire::GateSpec& gate) -> Status {
      MUSTER_RETURN_IF_ERROR(
          CheckRange("compressed.agreement_at_least", gate.compressed->agreement_at_least, 0, 1));
      return CheckRange("compressed.drop_at_most", gate.compressed->drop_at_most, 0, 1e9);
    },
    .title =
        [](const wire::GateSpec& gate) {
          return "compressed agrees in " + Number(gate.compressed->agreement_at_least) + ", " +
                 gate.metric + " drops by at most " + Number(gate.compressed->drop_at_most) +
                 ConfidenceText(gate);
        },
    .judge = Judge};

}  // namespace muster::registry::gates
