#include "registry/monitor/performance.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/base/check.h"

namespace muster::registry::monitor {

void ErrorSums::Add(double error, int sign) {
  rows += sign;
  sum += sign * error;
  squares += sign * error * error;
}

void ErrorSums::Merge(const ErrorSums& other) {
  rows += other.rows;
  sum += other.sum;
  squares += other.squares;
}

double ErrorSums::mean() const {
  return rows == 0 ? std::numeric_limits<double>::quiet_NaN() : sum / static_cast<double>(rows);
}

statistics::Interval ErrorSums::MeanInterval(double confidence) const {
  if (rows < 2) return statistics::NoInterval(confidence);
  const auto n = static_cast<double>(rows);
  const double variance = std::max(0.0, squares - sum * sum / n) / (n - 1);
  const double half = statistics::NormalQuantile(confidence) * std::sqrt(variance / n);
  return {mean() - half, mean() + half, confidence};
}

Performance::Performance(const Baseline& baseline)
    : labels(baseline.labels.size()), errors(baseline.targets.size()) {}

template <typename Score>
Score& Performance::SegmentOf(std::map<std::string, Score>& scores, const std::string& name) {
  const auto found = scores.find(name);
  if (found != scores.end()) return found->second;
  return scores[scores.size() >= kSegmentsMost ? kOtherSegments : name];
}

void Performance::Count(const JoinResult& joined, std::span<const double> label, int sign) {
  if (!errors.empty()) return CountErrors(joined, label, sign);
  const auto of_class = static_cast<std::size_t>(label[0]);
  const int is_right = joined.prediction[0] == label[0] ? sign : 0;
  rows += sign;
  right += is_right;
  labels[of_class] += sign;
  if (joined.segment.empty()) return;
  SegmentScore& segment = SegmentOf(segments, joined.segment);
  segment.rows += sign;
  segment.right += is_right;
}

void Performance::CountErrors(const JoinResult& joined, std::span<const double> label, int sign) {
  double mean = 0;
  for (std::size_t target = 0; target < errors.size(); ++target) {
    const double error = std::abs(joined.prediction[target] - label[target]);
    if (!std::isfinite(error)) return;  // as a row of no prediction: its mean would be none
    mean += error / static_cast<double>(errors.size());
  }
  for (std::size_t target = 0; target < errors.size(); ++target) {
    errors[target].Add(std::abs(joined.prediction[target] - label[target]), sign);
  }
  if (!joined.segment.empty()) SegmentOf(segment_errors, joined.segment).Add(mean, sign);
}

void Performance::Add(const JoinResult& joined, std::span<const double> label, std::int64_t window,
                      std::int64_t late_ms) {
  switch (joined.state) {
    case JoinState::kUnknown:
      ++unknown;
      return;
    case JoinState::kUnsampled:
      ++unsampled;
      return;
    case JoinState::kDuplicate:
      ++duplicate;
      return;
    case JoinState::kReplaced:
      ++replaced;
      if (joined.before_window == window) Count(joined, joined.before, -1);
      break;
    case JoinState::kJoined:
      break;
  }
  if (joined.waited_ms > late_ms) ++late;
  Count(joined, label, 1);
}

void Performance::Merge(const Performance& other) {
  MUSTER_CHECK(labels.size() == other.labels.size() && errors.size() == other.errors.size(),
               "windows of one baseline merge");
  rows += other.rows;
  right += other.right;
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] += other.labels[i];
  for (std::size_t i = 0; i < errors.size(); ++i) errors[i].Merge(other.errors[i]);
  for (const auto& [name, score] : other.segments) {
    SegmentScore& mine = SegmentOf(segments, name);
    mine.rows += score.rows;
    mine.right += score.right;
  }
  for (const auto& [name, sums] : other.segment_errors) {
    SegmentOf(segment_errors, name).Merge(sums);
  }
  late += other.late;
  duplicate += other.duplicate;
  replaced += other.replaced;
  unknown += other.unknown;
  unsampled += other.unsampled;
  invalid += other.invalid;
}

Status CheckLabel(const Baseline& baseline, std::span<const double> label) {
  if (baseline.has_classes()) {
    const auto classes = static_cast<double>(baseline.labels.size());
    if (label.size() == 1 && label[0] >= 0 && label[0] < classes &&
        label[0] == std::floor(label[0])) {
      return Ok();
    }
    return Invalid("a label is one class, from 0 to " + std::to_string(baseline.labels.size() - 1));
  }
  if (baseline.targets.empty())
    return Invalid("this version's task takes no labels: " + std::string(TaskName(baseline.task)));
  if (label.size() == baseline.targets.size() &&
      std::ranges::all_of(label, [](double x) { return std::isfinite(x); })) {
    return Ok();
  }
  return Invalid("a label is a finite number for each of " +
                 std::to_string(baseline.targets.size()) + " targets");
}

statistics::Interval DropInterval(const SegmentScore& before, const SegmentScore& now,
                                  double confidence) {
  const auto share = [](const SegmentScore& score) {
    return static_cast<double>(score.right) / static_cast<double>(score.rows);
  };
  const auto a = statistics::WilsonInterval(before.right, before.rows, confidence);
  const auto b = statistics::WilsonInterval(now.right, now.rows, confidence);
  const double drop = share(before) - share(now);
  return {drop - std::hypot(share(before) - a.low, b.high - share(now)),
          drop + std::hypot(a.high - share(before), share(now) - b.low), confidence};
}

void ConfidenceSums::Add(const CalibrationTable& table, double of) {
  rows.resize(table.rows.size());
  confidence.resize(table.rows.size());
  const std::size_t bin = table.BinOf(of);
  ++rows[bin];
  confidence[bin] += of;
}

void ConfidenceSums::Merge(const ConfidenceSums& other) {
  rows.resize(std::max(rows.size(), other.rows.size()));
  confidence.resize(rows.size());
  for (std::size_t bin = 0; bin < other.rows.size(); ++bin) {
    rows[bin] += other.rows[bin];
    confidence[bin] += other.confidence[bin];
  }
}

std::optional<Estimate> EstimateAccuracy(const CalibrationTable& table, const ConfidenceSums& sums,
                                         double confidence) {
  double all = 0;
  for (const std::int64_t rows : sums.rows) all += static_cast<double>(rows);
  if (all == 0) return std::nullopt;
  Estimate estimate;
  double variance = 0;
  for (std::size_t bin = 0; bin < sums.rows.size(); ++bin) {
    if (sums.rows[bin] == 0) continue;
    const auto rows = static_cast<double>(sums.rows[bin]);
    const auto known = static_cast<double>(table.rows[bin]);
    // A bin without rows knows nothing better than the confidence itself.
    const double accuracy =
        known > 0 ? static_cast<double>(table.right[bin]) / known : sums.confidence[bin] / rows;
    const double moved = known > 0 ? sums.confidence[bin] / rows - table.confidence[bin] : 0;
    const double p = std::clamp(accuracy + moved, 0.0, 1.0);
    estimate.accuracy += rows / all * p;
    // Rows of the table that were all right do not make it certain: Laplace's rule.
    const double uncertain = (accuracy * known + 1) / (known + 2);
    variance += rows * p * (1 - p) / (all * all) +
                rows * rows / (all * all) * uncertain * (1 - uncertain) / std::max(known, 1.0);
  }
  const double half = statistics::NormalQuantile(confidence) * std::sqrt(variance);
  estimate.interval = {std::max(0.0, estimate.accuracy - half),
                       std::min(1.0, estimate.accuracy + half), confidence};
  return estimate;
}

}  // namespace muster::registry::monitor
