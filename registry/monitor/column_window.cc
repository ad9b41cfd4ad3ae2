#include "registry/monitor/column_window.h"

#include <algorithm>
#include <cmath>

#include "runtime/base/check.h"

namespace muster::registry::monitor {
namespace {

/// So many values of a row as one; the sum may come to nothing.
void CountRows(std::vector<std::int64_t>& counts, std::int64_t values_of_a_row) {
  if (values_of_a_row == 1) return;
  for (auto& count : counts) count = (count + values_of_a_row / 2) / values_of_a_row;
}

bool Empty(const std::vector<std::int64_t>& counts) {
  return std::ranges::all_of(counts, [](std::int64_t count) { return count == 0; });
}

}  // namespace

ColumnWindow::ColumnWindow(const BaselineColumn& baseline, std::uint64_t seed)
    : counts_(baseline.counts.size() + (baseline.categorical() ? 1 : 0)),
      sketch_(QuantileSketch::kDefaultK, seed) {}

void ColumnWindow::Add(const BaselineColumn& baseline, double value) {
  if (std::isnan(value)) {
    ++missing_;
    return;
  }
  if (std::isinf(value)) {
    ++infinite_;
    return;
  }
  ++count_;
  bool inside = baseline.count > 0 && value >= baseline.min && value <= baseline.max;
  if (baseline.categorical()) {
    const auto found = std::ranges::lower_bound(baseline.values, value);
    inside = found != baseline.values.end() && *found == value;
    const auto at = inside ? found - baseline.values.begin() : std::ssize(baseline.values);
    ++counts_[static_cast<std::size_t>(at)];
    if (!inside) unseen_.Add(value);
  } else if (!counts_.empty()) {
    const auto after =
        std::upper_bound(baseline.edges.begin() + 1, baseline.edges.end() - 1, value);
    ++counts_[static_cast<std::size_t>(after - (baseline.edges.begin() + 1))];
    sketch_.Add(value);
  }
  if (inside) return;
  ++outside_;
  if (!example_) example_ = value;
}

void ColumnWindow::Merge(const ColumnWindow& other) {
  MUSTER_CHECK(counts_.size() == other.counts_.size(), "windows of one baseline merge");
  count_ += other.count_;
  missing_ += other.missing_;
  infinite_ += other.infinite_;
  outside_ += other.outside_;
  if (!example_) example_ = other.example_;
  for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  sketch_.Merge(other.sketch_);
  unseen_.Merge(other.unseen_);
}

std::optional<ColumnDrift> DriftOf(const BaselineColumn& baseline, const ColumnWindow& window,
                                   const DriftSpec& spec) {
  if (baseline.count == 0 || window.count() == 0) return std::nullopt;
  std::vector<std::int64_t> reference = baseline.counts, current = window.counts();
  if (baseline.categorical()) reference.push_back(0);
  const std::int64_t sampled = std::min(kPooledSample, baseline.elements);
  CountRows(reference, baseline.elements);
  CountRows(current, sampled);
  if (Empty(reference) || Empty(current)) return std::nullopt;
  ColumnDrift drift;
  if (baseline.categorical()) {
    drift = CategoryDrift({reference, current}, spec);
  } else {
    Cdf before = baseline.cdf, now = CdfOf(window.sketch());
    before.count = std::max<std::int64_t>(1, before.count / baseline.elements);
    now.count = std::max<std::int64_t>(1, now.count / sampled);
    drift = NumberDrift(Compare(before, now, baseline.std), {reference, current}, spec);
  }
  drift.column = baseline.name;
  return drift;
}

}  // namespace muster::registry::monitor
