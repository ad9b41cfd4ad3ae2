#include "registry/serve/prometheus.h"

#include <algorithm>
#include <utility>

namespace muster::registry::serve {

namespace {

/// Label values escape backslash, quote and line feed.
std::string Escaped(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '\\' || c == '"') escaped += '\\';
    if (c == '\n') {
      escaped += "\\n";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

/// 1500 -> "0.0015", exactly.
std::string SecondsText(std::uint64_t microseconds) {
  std::string fraction = std::to_string(microseconds % 1'000'000);
  fraction.insert(0, 6 - fraction.size(), '0');
  fraction.erase(std::min(fraction.size(), fraction.find_last_not_of('0') + 1));
  const std::string whole = std::to_string(microseconds / 1'000'000);
  return fraction.empty() ? whole : whole + "." + fraction;
}

std::uint64_t Microseconds(std::uint64_t ns) { return ns / 1000; }

/// The metrics with one figure a version.
struct Figure {
  std::string_view name, type, help;
  std::uint64_t (*of)(const ServingStats::Snapshot& stats);
};
using Stats = ServingStats::Snapshot;
constexpr Figure kFigures[] = {
    {"nv_inference_request_success", "counter", "requests answered with a result",
     [](const Stats& stats) { return stats.success.count; }},
    {"nv_inference_count", "counter", "rows inferred",
     [](const Stats& stats) { return stats.rows; }},
    {"nv_inference_exec_count", "counter", "calls of the engine",
     [](const Stats& stats) { return stats.executions; }},
    {"nv_inference_request_duration_us", "counter", "microseconds spent on requests with a result",
     [](const Stats& stats) { return Microseconds(stats.success.ns); }},
    {"nv_inference_queue_duration_us", "counter", "microseconds that they waited for their call",
     [](const Stats& stats) { return Microseconds(stats.queue.ns); }},
    {"nv_inference_compute_input_duration_us", "counter", "microseconds of decoding them",
     [](const Stats& stats) { return Microseconds(stats.input.ns); }},
    {"nv_inference_compute_infer_duration_us", "counter", "microseconds of the engine",
     [](const Stats& stats) { return Microseconds(stats.infer.ns); }},
    {"nv_inference_compute_output_duration_us", "counter", "microseconds of encoding the answers",
     [](const Stats& stats) { return Microseconds(stats.output.ns); }}};
constexpr std::size_t kFailures = std::size(kFigures);
constexpr std::size_t kPending = kFailures + 1;
constexpr std::size_t kHistogram = kFailures + 2;

}  // namespace

PrometheusText::PrometheusText() {
  for (const Figure& figure : kFigures) {
    blocks_.push_back({figure.name, figure.type, figure.help, {}});
  }
  blocks_.push_back(
      {"nv_inference_request_failure", "counter", "requests answered with an error", {}});
  blocks_.push_back({"nv_inference_pending_request_count", "gauge", "requests that wait", {}});
  blocks_.push_back({"muster_inference_request_seconds",
                     "histogram",
                     "a request, decoded to encoded, with a result or without",
                     {}});
}

void PrometheusText::Add(std::string_view model, std::string_view version, const Stats& stats,
                         std::size_t pending) {
  const std::string labels =
      "model=\"" + Escaped(model) + "\",version=\"" + Escaped(version) + "\"";
  const auto line = [&](std::size_t block, std::string_view suffix, std::string_view more,
                        const std::string& value) {
    auto& [name, type, help, lines] = blocks_[block];
    lines.append(name).append(suffix).append("{").append(labels).append(more).append("} ");
    lines.append(value).append("\n");
  };
  for (std::size_t i = 0; i < std::size(kFigures); ++i) {
    line(i, "", "", std::to_string(kFigures[i].of(stats)));
  }
  for (std::size_t i = 0; i < kFailureReasons.size(); ++i) {
    line(kFailures, "", std::string(",reason=\"") + kFailureReasons[i] + "\"",
         std::to_string(stats.failures[i]));
  }
  line(kPending, "", "", std::to_string(pending));
  std::uint64_t so_far = 0;
  for (std::size_t i = 0; i < stats.buckets.size(); ++i) {
    so_far += stats.buckets[i];
    const bool last = i == ServingStats::kBoundsUs.size();
    const std::string bound =
        last ? "+Inf" : SecondsText(static_cast<std::uint64_t>(ServingStats::kBoundsUs[i]));
    line(kHistogram, "_bucket", ",le=\"" + bound + "\"", std::to_string(so_far));
  }
  line(kHistogram, "_sum", "", SecondsText(Microseconds(stats.success.ns + stats.fail.ns)));
  line(kHistogram, "_count", "", std::to_string(so_far));
}

std::string PrometheusText::Take() && {
  std::string text;
  for (const Block& block : blocks_) {
    text.append("# HELP ").append(block.name).append(" ").append(block.help).append("\n");
    text.append("# TYPE ").append(block.name).append(" ").append(block.type).append("\n");
    text.append(block.lines);
  }
  return text;
}

}  // namespace muster::registry::serve
