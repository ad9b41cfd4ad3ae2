#include "registry/monitor/window.h"

#include <algorithm>

namespace muster::registry::monitor {

Window::Window(const Baseline& of, std::int64_t begun, std::uint64_t seed)
    : baseline(of.digest),
      begun_ms(begun),
      ended_ms(begun),
      latency_us(QuantileSketch::kDefaultK, seed),
      classes(of.predictions.size()),
      performance(of) {
  for (const BaselineInput& input : of.inputs) {
    for (const BaselineColumn& column : input.columns) columns.emplace_back(column, ++seed);
  }
  if (of.confidence) confidence.emplace(*of.confidence, ++seed);
  for (const BaselineColumn& column : of.outputs) outputs.emplace_back(column, ++seed);
}

Status Window::Merge(const Window& other) {
  if (baseline != other.baseline) {
    return Invalid("windows of two baselines do not add up: " + baseline.substr(0, 12) + " and " +
                   other.baseline.substr(0, 12));
  }
  begun_ms = std::min(begun_ms, other.begun_ms);
  ended_ms = std::max(ended_ms, other.ended_ms);
  requests += other.requests;
  failed += other.failed;
  rows += other.rows;
  sampled += other.sampled;
  latency_us.Merge(other.latency_us);
  for (std::size_t i = 0; i < columns.size(); ++i) columns[i].Merge(other.columns[i]);
  for (const auto& [kind, violation] : other.violations) {
    Violation& mine = violations.try_emplace(kind, Violation{0, violation.example}).first->second;
    mine.count += violation.count;
  }
  for (std::size_t i = 0; i < classes.size(); ++i) classes[i] += other.classes[i];
  no_class += other.no_class;
  if (confidence) confidence->Merge(*other.confidence);
  confidence_sums.Merge(other.confidence_sums);
  for (std::size_t i = 0; i < outputs.size(); ++i) outputs[i].Merge(other.outputs[i]);
  performance.Merge(other.performance);
  if (other.resources) {
    Resources& mine = resources ? *resources : resources.emplace();
    mine.cpu_ms += other.resources->cpu_ms;
    mine.memory_bytes = std::max(mine.memory_bytes, other.resources->memory_bytes);
    mine.replicas += other.resources->replicas;
  }
  return Ok();
}

}  // namespace muster::registry::monitor
