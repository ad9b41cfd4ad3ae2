#include <cmath>
#include <cstring>
#include <limits>

#include "registry/gates/kinds.h"
#include "runtime/base/random.h"

// The same rows with noise in proportion to each column's own spread, or with a share of the values replaced, through
// the engine; then how much the metric drops, paired row by row.

namespace muster::registry::gates {
namespace {

/// The standard deviation of each of the columns of values (N, columns), NaN left out; 0 of fewer than two.
std::vector<double> Spreads(const std::vector<float>& values, std::size_t columns) {
  std::vector<double> spreads(columns);
  for (std::size_t column = 0; column < columns; ++column) {
    double count = 0, mean = 0, squares = 0;  // Welford's
    for (std::size_t i = column; i < values.size(); i += columns) {
      if (std::isnan(values[i])) continue;
      const double away = values[i] - mean;
      mean += away / ++count;
      squares += away * (values[i] - mean);
    }
    spreads[column] = count < 2 ? 0 : std::sqrt(squares / (count - 1));
  }
  return spreads;
}

void MakeWorse(const wire::RobustnessGate& how, Random& random, std::size_t rows,
               std::vector<float>& values) {
  if (how.noise) {
    const std::size_t columns = values.size() / rows;
    const auto spreads = Spreads(values, columns);
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] += static_cast<float>(*how.noise * spreads[i % columns] * random.Normal());
    }
    return;
  }
  for (float& value : values) {
    if (random.Chance(*how.missing)) value = static_cast<float>(how.value);
  }
}

/// The rows with every input of f32 made worse; kUnsupported without one.
Result<Evaluation> MadeWorse(const wire::RobustnessGate& how, const Context& context) {
  Evaluation worse = context.evaluation();
  bool any = false;
  for (std::size_t i = 0; i < worse.inputs.size(); ++i) {
    Tensor& input = worse.inputs[i];
    if (input.type != ElementType::kF32) continue;
    any = true;
    std::vector<float> values(input.bytes.size() / sizeof(float));
    std::memcpy(values.data(), input.bytes.data(), input.bytes.size());
    Random random(context.seed, i);
    MakeWorse(how, random, context.all_rows.size(), values);
    std::memcpy(input.bytes.data(), values.data(), input.bytes.size());
  }
  if (any) return worse;
  return Unsupported("no input of the model is FP32, and others cannot be made worse a little");
}

std::string HowText(const wire::RobustnessGate& how) {
  return how.noise ? "noise of " + Number(*how.noise) + " standard deviations"
                   : Number(*how.missing) + " of the values being " + Number(how.value);
}

Result<GateVerdict> Judge(const wire::GateSpec& gate, const Context& context) {
  if (context.rows() < kLeastRows) return TooFew("held-out rows", context.rows(), kLeastRows);
  if (!context.evidence.predict) return Fails("there is no engine to compute other rows with");
  const wire::RobustnessGate& how = *gate.robustness;
  const auto worse = MadeWorse(how, context);
  if (!worse.ok()) return Fails(worse.error().message);
  MUSTER_ASSIGN_OR_RETURN(const auto outputs, context.evidence.predict(*worse));
  // The drop is the gain of the clean rows over the others.
  MUSTER_ASSIGN_OR_RETURN(const Comparison drop,
                          Compare(context.Ask(gate), context.evidence.logits, outputs));
  GateVerdict verdict;
  verdict.seen = drop.gain;
  verdict.interval = drop.interval;
  verdict.rows = context.rows();
  verdict.method = HowText(how) + ", Philox; of the drop: " + drop.method;
  verdict.detail = "with " + HowText(how) + " " + gate.metric + " goes from " +
                   Number(drop.candidate) + " to " + Number(drop.other) + ", worse by " +
                   Number(drop.gain) + ", " + IntervalText(drop.interval) + ", over " +
                   std::to_string(verdict.rows) + " held-out rows";
  ApplyAtMost(gate, how.drop_at_most, verdict);
  return verdict;
}

Status Check(const wire::GateSpec& gate) {
  const wire::RobustnessGate& how = *gate.robustness;
  if (how.noise.has_value() == how.missing.has_value()) {
    return Invalid("robustness: wanted exactly one of noise, missing");
  }
  constexpr double kHuge = std::numeric_limits<float>::max();
  MUSTER_RETURN_IF_ERROR(CheckRange("robustness.noise", how.noise, 0, 100));
  MUSTER_RETURN_IF_ERROR(CheckRange("robustness.missing", how.missing, 0, 1));
  MUSTER_RETURN_IF_ERROR(CheckRange("robustness.drop_at_most", how.drop_at_most, 0, kHuge));
  // NaN is what a model that knows missing values takes.
  if (std::isnan(how.value)) return Ok();
  return CheckRange("robustness.value", how.value, -kHuge, kHuge);
}

}  // namespace

const Kind kRobustness{.name = "robustness",
                       .keys = " metric robustness confidence ",
                       .is = [](const wire::GateSpec& gate) { return gate.robustness.has_value(); },
                       .check = Check,
                       .title =
                           [](const wire::GateSpec& gate) {
                             return gate.metric + " drops by at most " +
                                    Number(gate.robustness->drop_at_most) + " with " +
                                    HowText(*gate.robustness) + ConfidenceText(gate);
                           },
                       .judge = Judge};

}  // namespace muster::registry::gates
