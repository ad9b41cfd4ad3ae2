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

/// A wrong graph may be right for the batch that it was traced with.
constexpr std::int64_t kBatches[] = {1, 3, 64};
constexpr std::int64_t kCallsOfABatch = 8;

struct Difference {
  double scaled = 0, absolute = 0;

  /// Of the first rows' outputs.
  void Add(const std::vector<float>& reference, const std::vector<float>& engine) {
    for (std::size_t i = 0; i < engine.size() && !std::isnan(scaled); ++i) {
      const double difference = std::abs(double{reference[i]} - double{engine[i]});
      const double now = difference / std::max(1.0, std::abs(double{reference[i]}));
      absolute = std::max(absolute, difference);
      // std::max would drop a NaN that comes second.
      if (std::isnan(now) || now > scaled) scaled = now;
    }
  }
};

Result<GateVerdict> Judge(const wire::GateSpec& gate, const Context& context) {
  const std::vector<float>& reference = context.evaluation().reference;
  MUSTER_CHECK(reference.size() == context.evidence.logits.size(), "both are (N, W)");
  Difference largest;
  largest.Add(reference, context.evidence.logits);
  std::string batches;
  for (const std::int64_t batch : kBatches) {
    if (!context.evidence.predict_batches) break;
    const std::int64_t rows = std::min(context.rows(), batch * kCallsOfABatch);
    MUSTER_ASSIGN_OR_RETURN(const auto engine, context.evidence.predict_batches(rows, batch));
    largest.Add(reference, engine);
    batches +=
        (batches.empty() ? ", also of the first in calls of " : ", ") + std::to_string(batch);
  }
  GateVerdict verdict;
  verdict.seen = largest.scaled;
  verdict.rows = context.rows();
  verdict.method = "largest |reference - engine| / max(1, |reference|)";
  verdict.detail = "largest difference between LibTorch and the inference engine over " +
                   std::to_string(verdict.rows) + " rows" + batches + " is " +
                   Number(largest.scaled) + " of the larger of 1 and the output (" +
                   Number(largest.absolute) + " in itself)";
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
