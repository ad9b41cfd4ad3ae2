#include "registry/gates.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "registry/model_rules.h"
#include "runtime/wire/codec.h"

namespace muster::registry {
namespace {

/// As people write it: 0.97, 1e-05.
std::string Number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

Status CheckGate(const wire::GateSpec& gate) {
  const bool threshold = gate.at_least || gate.at_most;
  const int kinds =
      (threshold ? 1 : 0) + (gate.better_than.empty() ? 0 : 1) + (gate.parity ? 1 : 0);
  if (kinds != 1) {
    return Invalid(
        "a gate wants exactly one of: parity; better_than; at_least and/or at_most of a metric");
  }
  if (gate.parity) {
    if (gate.tolerance >= 0) return Ok();
    return Invalid("parity wants a tolerance of 0 or more, got " + Number(gate.tolerance));
  }
  if (gate.metric.empty()) return Invalid("a gate wants a metric");
  if (!gate.better_than.empty()) MUSTER_RETURN_IF_ERROR(CheckAlias(gate.better_than));
  MUSTER_RETURN_IF_ERROR(HigherIsBetter(gate.metric));
  return Ok();
}

Result<GateVerdict> Threshold(const wire::GateSpec& gate, const GateEvidence& evidence) {
  GateVerdict verdict;
  MUSTER_ASSIGN_OR_RETURN(verdict.seen,
                          ComputeMetric(gate.metric, evidence.logits, *evidence.evaluation));
  const bool high_enough = !gate.at_least || verdict.seen >= *gate.at_least;
  const bool low_enough = !gate.at_most || verdict.seen <= *gate.at_most;
  verdict.passed = high_enough && low_enough && !std::isnan(verdict.seen);
  verdict.wanted =
      gate.at_least && (high_enough == false || !gate.at_most) ? *gate.at_least : *gate.at_most;
  verdict.detail = gate.metric + " is " + Number(verdict.seen) + " over " +
                   std::to_string(evidence.evaluation->rows()) + " held-out rows";
  return verdict;
}

Result<GateVerdict> BetterThan(const wire::GateSpec& gate, const GateEvidence& evidence) {
  GateVerdict verdict;
  MUSTER_ASSIGN_OR_RETURN(verdict.seen,
                          ComputeMetric(gate.metric, evidence.logits, *evidence.evaluation));
  verdict.wanted = std::numeric_limits<double>::quiet_NaN();
  if (!evidence.incumbent) {
    verdict.passed = !std::isnan(verdict.seen);
    verdict.detail =
        "there is no " + gate.better_than + " yet; " + gate.metric + " is " + Number(verdict.seen);
    return verdict;
  }
  const Incumbent& incumbent = *evidence.incumbent;
  const std::string named =
      gate.better_than + " (version " + std::to_string(incumbent.version) + ")";
  if (!incumbent.logits.ok()) {
    verdict.detail =
        named + " could not be judged on these rows: " + incumbent.logits.error().message;
    return verdict;
  }
  MUSTER_ASSIGN_OR_RETURN(verdict.wanted,
                          ComputeMetric(gate.metric, *incumbent.logits, *evidence.evaluation));
  MUSTER_ASSIGN_OR_RETURN(const bool higher, HigherIsBetter(gate.metric));
  verdict.passed = higher ? verdict.seen > verdict.wanted : verdict.seen < verdict.wanted;
  // A champion whose figure is NaN is beaten by any number.
  if (std::isnan(verdict.wanted)) verdict.passed = !std::isnan(verdict.seen);
  verdict.detail = gate.metric + " is " + Number(verdict.seen) + ", that of " + named + " is " +
                   Number(verdict.wanted) + " on the same " +
                   std::to_string(evidence.evaluation->rows()) + " rows";
  return verdict;
}

GateVerdict Parity(const wire::GateSpec& gate, const GateEvidence& evidence) {
  const std::vector<float>& reference = evidence.evaluation->reference;
  MUSTER_CHECK(reference.size() == evidence.logits.size(), "both are (N, C)");
  double largest = 0, absolute = 0;
  for (std::size_t i = 0; i < reference.size(); ++i) {
    const double difference = std::abs(double{reference[i]} - double{evidence.logits[i]});
    const double scaled = difference / std::max(1.0, std::abs(double{reference[i]}));
    absolute = std::max(absolute, difference);
    // std::max would drop a NaN that comes second.
    if (std::isnan(scaled) || scaled > largest) largest = scaled;
    if (std::isnan(largest)) break;
  }
  GateVerdict verdict;
  verdict.seen = largest;
  verdict.wanted = gate.tolerance;
  verdict.passed = largest <= gate.tolerance;
  verdict.detail = "largest difference between LibTorch and the inference engine over " +
                   std::to_string(evidence.evaluation->rows()) + " rows is " + Number(largest) +
                   " of the larger of 1 and the logit (" + Number(absolute) + " in itself)";
  return verdict;
}

}  // namespace

Status CheckGates(const std::vector<wire::GateSpec>& gates) {
  std::string compared;
  for (std::size_t i = 0; i < gates.size(); ++i) {
    const std::string& alias = gates[i].better_than;
    Status status = CheckGate(gates[i]);
    if (status.ok() && !alias.empty() && !compared.empty() && alias != compared) {
      status = Invalid("better_than '" + alias + "'; an earlier gate compares with '" + compared +
                       "', and one alias is what a candidate is compared with");
    }
    if (!status.ok()) return status.error().With("gates[" + std::to_string(i) + "]");
    if (!alias.empty()) compared = alias;
  }
  return Ok();
}

std::string GateName(const wire::GateSpec& gate) {
  if (gate.parity) return "parity";
  if (!gate.better_than.empty()) return "better than " + gate.better_than + " on " + gate.metric;
  std::string name = gate.metric;
  if (gate.at_least) name += " >= " + Number(*gate.at_least);
  if (gate.at_most) name += (gate.at_least ? " and <= " : " <= ") + Number(*gate.at_most);
  return name;
}

Result<std::vector<GateVerdict>> DecideGates(const std::vector<wire::GateSpec>& gates,
                                             const GateEvidence& evidence) {
  MUSTER_RETURN_IF_ERROR(CheckGates(gates));
  MUSTER_CHECK(evidence.evaluation != nullptr, "gates are judged on rows");
  std::vector<wire::GateSpec> asked = gates;
  if (std::ranges::none_of(gates, &wire::GateSpec::parity)) asked.push_back({.parity = true});
  std::vector<GateVerdict> verdicts;
  for (const wire::GateSpec& gate : asked) {
    GateVerdict verdict;
    if (gate.parity) {
      verdict = Parity(gate, evidence);
    } else if (!gate.better_than.empty()) {
      MUSTER_ASSIGN_OR_RETURN(verdict, BetterThan(gate, evidence));
    } else {
      MUSTER_ASSIGN_OR_RETURN(verdict, Threshold(gate, evidence));
    }
    verdict.gate = GateName(gate);
    verdicts.push_back(std::move(verdict));
  }
  return verdicts;
}

bool AllPassed(const std::vector<GateVerdict>& verdicts) {
  return std::all_of(verdicts.begin(), verdicts.end(),
                     [](const GateVerdict& verdict) { return verdict.passed; });
}

std::string Summary(const std::vector<GateVerdict>& verdicts) {
  if (verdicts.empty()) return "no gates were judged";
  const auto passed = std::count_if(verdicts.begin(), verdicts.end(),
                                    [](const GateVerdict& verdict) { return verdict.passed; });
  std::string text =
      std::to_string(passed) + " of " + std::to_string(verdicts.size()) + " gates passed";
  for (const GateVerdict& verdict : verdicts) {
    if (!verdict.passed) text += "; refused by " + verdict.gate + ": " + verdict.detail;
  }
  return text;
}

}  // namespace muster::registry
