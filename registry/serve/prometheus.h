#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "registry/serve/serving_stats.h"

namespace muster::registry::serve {

/// Statistics as Prometheus reads them: the text format 0.0.4, a block a metric, a line a model version. Names, types and
/// labels are Triton's (docs/user_guide/metrics.md), so that its dashboards work; the histogram is ours.
class PrometheusText {
 public:
  PrometheusText();
  /// `pending`: requests that wait now.
  void Add(std::string_view model, std::string_view version, const ServingStats::Snapshot& stats,
           std::size_t pending);
  [[nodiscard]] std::string Take() &&;

 private:
  struct Block {
    std::string_view name, type, help;
    std::string lines;
  };
  std::vector<Block> blocks_;
};

}  // namespace muster::registry::serve
