#include "registry/monitor/outcome_join.h"

#include <algorithm>

namespace muster::registry::monitor {

void OutcomeJoin::Predicted(std::string_view id, std::string_view segment, std::int64_t time_ms,
                            std::vector<PredictedRow> rows) {
  if (id.empty() || id.size() > kIdBytesMost || rows.empty()) return;
  Request request{std::string(segment), time_ms, ++generation_, {}};
  request.rows.reserve(rows.size());
  for (auto& row : rows) request.rows.push_back({std::move(row), {}, 0});
  order_.push_back({std::string(id), generation_, rows.size()});
  rows_ += rows.size();
  by_id_.insert_or_assign(order_.back().id, std::move(request));
  while (rows_ > capacity_ && order_.size() > 1) {
    const auto oldest = by_id_.find(order_.front().id);
    if (oldest != by_id_.end() && oldest->second.generation == order_.front().generation) {
      by_id_.erase(oldest);
    }
    rows_ -= order_.front().rows;
    order_.pop_front();
  }
}

JoinResult OutcomeJoin::Labelled(const Label& label) {
  JoinResult result;
  const auto found = by_id_.find(std::string(label.id));
  if (found == by_id_.end()) return result;
  Request& request = found->second;
  const auto row = std::ranges::find_if(
      request.rows, [&](const Row& candidate) { return candidate.predicted.row == label.row; });
  if (row == request.rows.end()) {
    result.state = JoinState::kUnsampled;
    return result;
  }
  if (std::ranges::equal(row->label, label.values)) {
    result.state = JoinState::kDuplicate;
    return result;
  }
  result.state = row->label.empty() ? JoinState::kJoined : JoinState::kReplaced;
  result.prediction = row->predicted.values;
  result.segment = request.segment;
  result.before = std::move(row->label);
  result.before_window = row->window;
  result.waited_ms = std::max<std::int64_t>(0, label.time_ms - request.time_ms);
  row->label.assign(label.values.begin(), label.values.end());
  row->window = label.window;
  return result;
}

}  // namespace muster::registry::monitor
