#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "registry/monitor/baseline.h"
#include "registry/monitor/outcome_join.h"
#include "registry/statistics/interval.h"

/// How right a model was where labels came, and how right it probably was where none did. Pure; one thread at a time.

namespace muster::registry::monitor {

/// Sums of absolute errors of one target.
struct ErrorSums {
  std::int64_t rows = 0;
  double sum = 0, squares = 0;

  void Add(double error, int sign);
  void Merge(const ErrorSums& other);
  /// NaN of no rows.
  [[nodiscard]] double mean() const;
  /// Of the mean, by the normal distribution; no interval of fewer than two rows.
  [[nodiscard]] statistics::Interval MeanInterval(double confidence) const;
};

/// The labels that came during a window, whenever their predictions were made. A row that was labelled again in the same
/// window counts with its newest label alone.
struct Performance {
  /// Segments beyond are counted as kOtherSegments.
  static constexpr std::size_t kSegmentsMost = 64;
  static constexpr const char* kOtherSegments = "(other)";

  Performance() = default;  ///< of no task
  explicit Performance(const Baseline& baseline);

  /// Of a label that is of this baseline's kind (`CheckLabel`). `window` is this one's number, a label that waited longer
  /// than `late_ms` is late, and counts.
  void Add(const JoinResult& joined, std::span<const double> label, std::int64_t window,
           std::int64_t late_ms);
  void AddInvalid() { ++invalid; }
  void Merge(const Performance& other);

  std::int64_t rows = 0, right = 0;                 ///< of classes
  std::vector<std::int64_t> labels;                 ///< by class
  std::map<std::string, SegmentScore> segments;     ///< those that are not ""
  std::vector<ErrorSums> errors;                    ///< of regression, by target
  std::map<std::string, ErrorSums> segment_errors;  ///< of regression, of the mean over targets
  std::int64_t late = 0, duplicate = 0, replaced = 0, unknown = 0, unsampled = 0, invalid = 0;

 private:
  void Count(const JoinResult& joined, std::span<const double> label, int sign);
  void CountErrors(const JoinResult& joined, std::span<const double> label, int sign);
  /// A new one, while there is room.
  template <typename Score>
  static Score& SegmentOf(std::map<std::string, Score>& scores, const std::string& name);
};

/// kInvalid unless `label` is one class, or of regression a finite number for each target.
Status CheckLabel(const Baseline& baseline, std::span<const double> label);

/// Where two independent shares' difference lies, from the intervals of both (Newcombe, Statistics in Medicine 17, 1998,
/// method 10): `before` - `now`. Both of one row at least.
statistics::Interval DropInterval(const SegmentScore& before, const SegmentScore& now,
                                  double confidence);

/// The confidences of a window's rows, by the bins of the calibration table.
struct ConfidenceSums {
  std::vector<std::int64_t> rows;
  std::vector<double> confidence;

  void Add(const CalibrationTable& table, double of);
  void Merge(const ConfidenceSums& other);
};

/// Accuracy without labels: each row is right with the probability that rows of its confidence were right when the version
/// was published (NannyML's confidence-based performance estimation, with histogram binning of Zadrozny and Elkan, ICML
/// 2001, in place of isotonic regression; within a bin the confidence's own differences are kept). It holds where the
/// inputs have moved but what they mean has not; it cannot see that the latter changes. The interval is of the accuracy
/// that labels of these very rows would show: their chance, and that of the table. None of no rows.
struct Estimate {
  double accuracy = 0;
  statistics::Interval interval;
};
std::optional<Estimate> EstimateAccuracy(const CalibrationTable& table, const ConfidenceSums& sums,
                                         double confidence);

}  // namespace muster::registry::monitor
