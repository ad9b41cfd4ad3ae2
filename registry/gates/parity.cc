#include <algorithm>
#include <cmath>
#include <limits>

#include "registry/gates/kinds.h"

namespace muster::registry::gates {
namespace {

/// A few units in the last place of the type, times what sums over a layer make of them.
double ToleranceOf(ElementType type) {
  switch (type) {
    case ElementType::kF64:
      return 1e-9;
    case ElementType::kF16:
      return 5e-3;
    case ElementType::kBf16:
      return 4e-2;
    default:
      return 1e-5;
  }
}

Result<GateVerdict> Judge(const wire::GateSpec& gate, const Context& context) {
  const std::vector<float>& reference = context.evaluation().reference;
  MUSTER_CHECK(reference.size() == context.evidence.logits.size(), "both are (N, W)");
  double largest = 0, absolute = 0;
  for (std::size_t i = 0; i < reference.size(); ++i) {
    const double difference = std::abs(double{reference[i]} - double{context.evidence.logits[i]});
    const double scaled = difference / std::max(1.0, std::abs(double{reference[i]}));
    absolute = std::max(absolute, difference);
    // std::max would drop a NaN that comes second.
    if (std::isnan(scaled) || scaled > largest) largest = scaled;
    if (std::isnan(largest)) break;
  }
  GateVerdict verdict;
  verdict.seen = largest;
  verdict.rows = context.rows();
  verdict.method = "largest |reference - engine| / max(1, |reference|)";
  verdict.detail = "largest difference between LibTorch and the inference engine over " +
                   std::to_string(verdict.rows) + " rows is " + Number(largest) +
                   " of the larger of 1 and the output (" + Number(absolute) + " in itself)";
  ApplyAtMost(gate, gate.tolerance.value_or(ToleranceOf(context.evidence.precision)), verdict);
  return verdict;
}

}  // namespace

const Kind kParity{
    .name = "parity",
    .keys = " parity tolerance ",
    .is = [](const wire::GateSpec& gate) { return gate.parity; },
    .check =
        [](const wire::GateSpec& gate) {
          return CheckRange("tolerance", gate.tolerance, 0, std::numeric_limits<float>::max());
        },
    // Without the tolerance: verdicts have borne this name since before it could be left out.
    .title = [](const wire::GateSpec&) { return std::string("parity"); },
    .judge = Judge};

}  // namespace muster::registry::gates
