#include "registry/serve/serving_stats.h"

#include <algorithm>

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

}  // namespace

void ServingStats::Time(std::chrono::nanoseconds duration) {
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
  const auto* const bound = std::lower_bound(kBoundsUs.begin(), kBoundsUs.end(), us);
  const auto bucket = static_cast<std::size_t>(bound - kBoundsUs.begin());
  buckets_[bucket].fetch_add(1, std::memory_order_relaxed);
  duration_ns_.fetch_add(static_cast<std::uint64_t>(duration.count()), std::memory_order_relaxed);
}

void ServingStats::Succeeded(std::chrono::nanoseconds duration, std::int64_t rows) {
  success_.fetch_add(1, std::memory_order_relaxed);
  rows_.fetch_add(static_cast<std::uint64_t>(rows), std::memory_order_relaxed);
  Time(duration);
}

void ServingStats::Failed(std::chrono::nanoseconds duration) {
  failure_.fetch_add(1, std::memory_order_relaxed);
  Time(duration);
}

ServingStats::Snapshot ServingStats::Read() const {
  Snapshot read{success_, failure_, rows_, duration_ns_ / 1000, {}};
  std::copy(buckets_.begin(), buckets_.end(), read.buckets.begin());
  return read;
}

void PrometheusText::Add(std::string_view model, std::string_view version,
                         const ServingStats::Snapshot& stats) {
  const std::string labels =
      "model=\"" + Escaped(model) + "\",version=\"" + Escaped(version) + "\"";
  const auto line = [&](std::size_t block, std::string_view suffix, std::string_view more,
                        const std::string& value) {
    auto& [name, type, help, lines] = blocks_[block];
    lines.append(name).append(suffix).append("{").append(labels).append(more).append("} ");
    lines.append(value).append("\n");
  };
  line(0, "", "", std::to_string(stats.success));
  line(1, "", ",reason=\"OTHER\"", std::to_string(stats.failure));
  line(2, "", "", std::to_string(stats.rows));
  line(3, "", "", std::to_string(stats.duration_us));
  std::uint64_t so_far = 0;
  for (std::size_t i = 0; i < stats.buckets.size(); ++i) {
    so_far += stats.buckets[i];
    const bool last = i == ServingStats::kBoundsUs.size();
    const std::string bound =
        last ? "+Inf" : SecondsText(static_cast<std::uint64_t>(ServingStats::kBoundsUs[i]));
    line(4, "_bucket", ",le=\"" + bound + "\"", std::to_string(so_far));
  }
  line(4, "_sum", "", SecondsText(stats.duration_us));
  line(4, "_count", "", std::to_string(so_far));
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
