#include <algorithm>
#include <cmath>

#include "registry/gates/kinds.h"

// What the exported model costs where it serves: time of a call, and bytes.

namespace muster::registry::gates {
namespace {

struct Quantile {
  std::string_view name;
  double q;
  std::optional<double> at_most;
};

std::vector<Quantile> QuantilesOf(const wire::LatencyGate& latency) {
  std::vector<Quantile> asked;
  if (latency.p50_ms) asked.push_back({"p50", 0.5, latency.p50_ms});
  if (latency.p99_ms) asked.push_back({"p99", 0.99, latency.p99_ms});
  return asked;
}

Result<GateVerdict> JudgeLatency(const wire::GateSpec& gate, const Context& context) {
  if (!context.evidence.time_calls) return Fails("there is no engine whose calls could be timed");
  MUSTER_ASSIGN_OR_RETURN(auto calls, context.evidence.time_calls(gate.latency->batch));
  const auto count = static_cast<std::int64_t>(calls.size());
  if (count < kLeastCalls) return TooFew("calls in the time there was", count, kLeastCalls);
  std::ranges::sort(calls);
  GateVerdict verdict;
  verdict.passed = true;
  double worst = -1;
  for (const Quantile& of : QuantilesOf(*gate.latency)) {
    GateVerdict one;
    one.seen = statistics::SortedQuantile(calls, of.q);
    one.interval =
        statistics::QuantileInterval(calls, of.q, gate.confidence.value_or(kUsualConfidence));
    ApplyAtMost(gate, *of.at_most, one);
    verdict.passed = verdict.passed && one.passed;
    verdict.detail += std::string(of.name) + " is " + Number(one.seen) + " ms, " +
                      IntervalText(*one.interval) + "; ";
    // The one that comes nearest to its bound speaks for both.
    const double share = one.seen / *of.at_most;
    if (share > worst || std::isnan(share)) {
      worst = share;
      verdict.seen = one.seen;
      verdict.wanted = one.wanted;
      verdict.interval = one.interval;
    }
  }
  verdict.rows = count;
  verdict.method = "wall time of calls one after the other; interval by order statistics";
  verdict.detail += "over " + std::to_string(count) + " calls with " +
                    std::to_string(gate.latency->batch) + " rows";
  return verdict;
}

Status CheckLatency(const wire::GateSpec& gate) {
  const wire::LatencyGate& latency = *gate.latency;
  if (!latency.p50_ms && !latency.p99_ms) return Invalid("latency: wanted p50_ms or p99_ms");
  MUSTER_RETURN_IF_ERROR(CheckRange("latency.batch", latency.batch, 1, 65'536));
  MUSTER_RETURN_IF_ERROR(CheckRange("latency.p50_ms", latency.p50_ms, 1e-6, 1e6));
  return CheckRange("latency.p99_ms", latency.p99_ms, 1e-6, 1e6);
}

std::string LatencyTitle(const wire::GateSpec& gate) {
  std::string text = "latency of " + std::to_string(gate.latency->batch) + " rows";
  std::string_view before = ": ";
  for (const Quantile& of : QuantilesOf(*gate.latency)) {
    text += std::string(before) + std::string(of.name) + " <= " + Number(*of.at_most) + " ms";
    before = " and ";
  }
  return text + ConfidenceText(gate);
}

Result<GateVerdict> JudgeSize(const wire::GateSpec& gate, const Context& context) {
  if (context.evidence.model_bytes <= 0) return Fails("the size of the exported file is not known");
  GateVerdict verdict;
  verdict.seen = static_cast<double>(context.evidence.model_bytes);
  verdict.method = "bytes of the exported file with its external data";
  verdict.detail =
      "the exported file has " + std::to_string(context.evidence.model_bytes) + " bytes";
  ApplyAtMost(gate, static_cast<double>(*gate.size_bytes), verdict);
  return verdict;
}

}  // namespace

const Kind kLatency{.name = "latency",
                    .keys = " latency confidence ",
                    .is = [](const wire::GateSpec& gate) { return gate.latency.has_value(); },
                    .check = CheckLatency,
                    .title = LatencyTitle,
                    .judge = JudgeLatency,
                    .reads_outputs = false};

const Kind kSize{.name = "size",
                 .keys = " size_bytes ",
                 .is = [](const wire::GateSpec& gate) { return gate.size_bytes.has_value(); },
                 .check =
                     [](const wire::GateSpec& gate) {
                       return CheckRange("size_bytes", static_cast<double>(*gate.size_bytes), 1,
                                         1e15);
                     },
                 .title =
                     [](const wire::GateSpec& gate) {
                       return "size <= " + std::to_string(*gate.size_bytes) + " bytes";
                     },
                 .judge = JudgeSize,
                 .reads_outputs = false};

}  // namespace muster::registry::gates
