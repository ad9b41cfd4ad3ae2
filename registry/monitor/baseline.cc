#include "registry/monitor/baseline.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "registry/monitor/baseline_file.h"
#include "runtime/base/sha256.h"
#include "runtime/wire/codec.h"
#include "runtime/wire/error_path.h"

namespace muster::registry::monitor {
namespace {

/// So that sums of counts do not overflow, whatever the file says.
constexpr std::int64_t kRowsMost = std::int64_t{1} << 40;
constexpr std::size_t kValuesMost = 8'000'000;

Error At(std::string_view path, std::string_view sentence) {
  return Corrupt("at " + std::string(path) + ": " + std::string(sentence));
}

/// `result`, its error with `path` before the path that it has.
template <typename Answer>
Answer Under(std::string_view path, Answer result) {
  if (result.ok()) return result;
  return wire::Under(path, result.error());
}

Status CheckAscending(std::string_view path, const std::vector<double>& values, bool strictly) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) return At(path, "wanted finite numbers");
    if (i > 0 && !(strictly ? values[i] > values[i - 1] : values[i] >= values[i - 1])) {
      return At(path, "wanted ascending numbers, got " + std::to_string(values[i]) + " after " +
                          std::to_string(values[i - 1]));
    }
  }
  return Ok();
}

/// Counts not below 0 that are `sum` together.
Status CheckCounts(std::string_view path, const std::vector<std::int64_t>& counts, std::size_t size,
                   std::int64_t sum) {
  if (counts.size() != size) {
    return At(path,
              "wanted " + std::to_string(size) + " counts, got " + std::to_string(counts.size()));
  }
  std::int64_t left = sum;
  for (const std::int64_t count : counts) {
    if (count < 0 || count > left)
      return At(path, "wanted counts that are " + std::to_string(sum) + " together");
    left -= count;
  }
  if (left != 0) return At(path, "wanted counts that are " + std::to_string(sum) + " together");
  return Ok();
}

/// Points that ranks at ascending values make; a value twice is a jump.
Result<Cdf> CdfOfRanks(const baseline_file::Ranked& ranked, const BaselineColumn& column) {
  MUSTER_RETURN_IF_ERROR(CheckAscending("values", ranked.values, false));
  if (ranked.values.empty() || ranked.values.size() != ranked.ranks.size()) {
    return At("ranks", "wanted a rank for each value");
  }
  Cdf cdf{{}, column.count, 0};
  std::int64_t before = 0;
  for (std::size_t i = 0; i < ranked.values.size(); ++i) {
    const std::int64_t rank = ranked.ranks[i];
    if (rank < before || rank > column.count) return At("ranks", "wanted ascending ranks");
    before = rank;
    const double share = static_cast<double>(rank) / static_cast<double>(column.count);
    if (!cdf.points.empty() && cdf.points.back().value == ranked.values[i]) {
      cdf.points.back().through = share;
    } else {
      cdf.points.push_back({ranked.values[i], cdf.points.empty() ? 0 : share, share});
    }
  }
  if (before != column.count) return At("ranks", "wanted the count as the last");
  return cdf;
}

Cdf CdfOfCounts(const BaselineColumn& column) {
  baseline_file::Ranked ranked;
  std::int64_t rank = 0;
  for (std::size_t i = 0; i < column.values.size(); ++i) {
    ranked.values.insert(ranked.values.end(), 2, column.values[i]);
    ranked.ranks.push_back(rank);
    ranked.ranks.push_back(rank += column.counts[i]);
  }
  return *CdfOfRanks(ranked, column);
}

/// Of format 1: lines between the edges of its histogram.
Cdf CdfOfBins(const BaselineColumn& column) {
  baseline_file::Ranked ranked{column.edges, {0}};
  for (const std::int64_t count : column.counts)
    ranked.ranks.push_back(ranked.ranks.back() + count);
  return *CdfOfRanks(ranked, column);
}

Result<BaselineColumn> ColumnOf(const baseline_file::Summary& summary) {
  BaselineColumn column{.name = summary.name, .pooled = summary.pooled};
  for (const std::int64_t count : {summary.count, summary.missing, summary.infinite}) {
    if (count < 0 || count > kRowsMost) return At("count", "wanted counts from 0 to 2^40");
  }
  column.count = summary.count;
  column.missing = summary.missing;
  column.infinite = summary.infinite;
  if (column.count == 0) return column;
  if (!summary.min || !summary.max || !summary.std) {
    return At("count", "wanted min, max and std where there are numbers");
  }
  column.min = *summary.min;
  column.max = *summary.max;
  column.std = *summary.std;
  if (!std::isfinite(column.min) || !std::isfinite(column.max) || column.min > column.max) {
    return At("min", "wanted a finite number that is at most max");
  }
  if (!(column.std >= 0) || !std::isfinite(column.std)) return At("std", "wanted a number from 0");
  if (summary.values) {
    if (summary.values->values.empty()) return At("values", "wanted one value at least");
    MUSTER_RETURN_IF_ERROR(CheckAscending("values.values", summary.values->values, true));
    MUSTER_RETURN_IF_ERROR(CheckCounts("values.counts", summary.values->counts,
                                       summary.values->values.size(), column.count));
    column.values = summary.values->values;
    column.counts = summary.values->counts;
    column.cdf = CdfOfCounts(column);
    return column;
  }
  if (!summary.histogram) return At("histogram", "wanted it, or values");
  const baseline_file::Binned& bins = *summary.histogram;
  if (bins.edges.size() < 2) return At("histogram.edges", "wanted two edges at least");
  MUSTER_RETURN_IF_ERROR(CheckAscending("histogram.edges", bins.edges, true));
  MUSTER_RETURN_IF_ERROR(
      CheckCounts("histogram.counts", bins.counts, bins.edges.size() - 1, column.count));
  column.edges = bins.edges;
  column.counts = bins.counts;
  if (!summary.cdf) {
    column.cdf = CdfOfBins(column);
    return column;
  }
  MUSTER_ASSIGN_OR_RETURN(column.cdf, Under("cdf", CdfOfRanks(*summary.cdf, column)));
  return column;
}

/// Of `rows` rows.
Result<std::vector<BaselineColumn>> ColumnsOf(std::string_view path,
                                              const std::vector<baseline_file::Summary>& summaries,
                                              std::int64_t rows) {
  std::vector<BaselineColumn> columns;
  for (std::size_t i = 0; i < summaries.size(); ++i) {
    MUSTER_ASSIGN_OR_RETURN(
        BaselineColumn column,
        Under(std::string(path) + "[" + std::to_string(i) + "]", ColumnOf(summaries[i])));
    if (column.pooled) {
      const std::int64_t values = column.count + column.missing + column.infinite;
      column.elements = std::max<std::int64_t>(1, values / rows);
    }
    columns.push_back(std::move(column));
  }
  return columns;
}

/// A column for each element of a row, or one of all.
Status CheckShape(const baseline_file::Input& input) {
  if (input.shape.empty()) return At("shape", "wanted (N, ...)");
  const auto elements = ElementCount({input.shape.begin() + 1, input.shape.end()});
  if (!elements.ok()) return At("shape", elements.error().message);
  const auto columns = static_cast<std::int64_t>(input.columns.size());
  const bool pooled = columns == 1 && input.columns[0].pooled && *elements > 0;
  const bool any_pooled = std::ranges::any_of(input.columns, &baseline_file::Summary::pooled);
  if (columns == 0 || pooled || (columns == *elements && !any_pooled)) return Ok();
  return At("columns", "wanted " + std::to_string(*elements) +
                           ", one of each element of a row, got " + std::to_string(columns));
}

Result<CalibrationTable> TableOf(const baseline_file::Calibrated& calibrated) {
  const std::size_t bins = calibrated.rows.size();
  if (bins == 0 || calibrated.edges.size() != bins + 1 || calibrated.confidence.size() != bins ||
      calibrated.right.size() != bins) {
    return At("rows", "wanted one edge more than bins, and a confidence and a right for each");
  }
  MUSTER_RETURN_IF_ERROR(CheckAscending("edges", calibrated.edges, false));
  for (std::size_t bin = 0; bin < bins; ++bin) {
    if (calibrated.rows[bin] < 0 || calibrated.rows[bin] > kRowsMost || calibrated.right[bin] < 0 ||
        calibrated.right[bin] > calibrated.rows[bin]) {
      return At("right", "wanted counts from 0 to those of rows");
    }
    if (!(calibrated.confidence[bin] >= 0 && calibrated.confidence[bin] <= 1)) {
      return At("confidence", "wanted numbers from 0 to 1");
    }
  }
  return CalibrationTable{calibrated.edges, calibrated.rows, calibrated.right,
                          calibrated.confidence};
}

Status ReadClasses(const baseline_file::File& file, Baseline& baseline) {
  const baseline_file::Classes& classes = *file.classes;
  const std::size_t count = classes.labels.size();
  if (count < 2) return At("classes.labels", "wanted two classes at least");
  MUSTER_RETURN_IF_ERROR(CheckCounts("classes.labels", classes.labels, count, baseline.rows));
  // Rows with a NaN are predicted to be of no class.
  const auto predicted =
      std::accumulate(classes.predictions.begin(), classes.predictions.end(), std::int64_t{0},
                      [](std::int64_t sum, std::int64_t x) {
                        return x < 0 || x > kRowsMost || sum > kRowsMost ? kRowsMost + 1 : sum + x;
                      });
  if (predicted > baseline.rows) return At("classes.predictions", "wanted no more than rows");
  MUSTER_RETURN_IF_ERROR(CheckCounts("classes.predictions", classes.predictions, count, predicted));
  baseline.labels = classes.labels;
  baseline.predictions = classes.predictions;
  if (file.format >= 2) {
    if (classes.right.size() != count) return At("classes.right", "wanted a count for each class");
    SegmentScore score{baseline.rows, 0};
    for (std::size_t i = 0; i < count; ++i) {
      if (classes.right[i] < 0 || classes.right[i] > classes.labels[i]) {
        return At("classes.right", "wanted counts from 0 to those of labels");
      }
      score.right += classes.right[i];
    }
    baseline.score = score;
  }
  return Ok();
}

Status ReadSegments(const baseline_file::File& file, Baseline& baseline) {
  for (const auto& [column, segments] : file.segments) {
    for (const baseline_file::Segment& segment : segments) {
      if (segment.rows < 0 || segment.rows > baseline.rows || segment.right < 0 ||
          segment.right > segment.rows) {
        return At("segments." + column, "wanted right from 0 to rows, and rows to those of all");
      }
      baseline.segments[column + "=" + std::to_string(segment.value)] = {segment.rows,
                                                                         segment.right};
    }
  }
  return Ok();
}

Result<Baseline> BaselineOf(const baseline_file::File& file) {
  if (file.format != 1 && file.format != 2) {
    return Unsupported("at format: " + std::to_string(file.format) + "; this muster reads 1 and 2");
  }
  if (file.rows < 1 || file.rows > kRowsMost) return At("rows", "wanted 1 to 2^40");
  Baseline baseline;
  baseline.rows = file.rows;
  for (std::size_t i = 0; i < file.inputs.size(); ++i) {
    const std::string path = "inputs[" + std::to_string(i) + "]";
    BaselineInput& input = baseline.inputs.emplace_back();
    input.name = file.inputs[i].name;
    input.shape = file.inputs[i].shape;
    MUSTER_ASSIGN_OR_RETURN(input.type,
                            Under(path + ".type", ElementTypeFromName(file.inputs[i].type)));
    MUSTER_RETURN_IF_ERROR(Under(path, CheckShape(file.inputs[i])));
    MUSTER_ASSIGN_OR_RETURN(input.columns,
                            ColumnsOf(path + ".columns", file.inputs[i].columns, file.rows));
  }
  baseline.task = file.classes               ? Task::kClasses
                  : file.predictions.empty() ? Task::kTokens
                                             : Task::kRegression;
  if (file.task) {
    MUSTER_ASSIGN_OR_RETURN(baseline.task, Under("task", TaskFromName(*file.task)));
  }
  if (baseline.task == Task::kBinary) {
    baseline.threshold = file.threshold.value_or(0.5);
    if (!(*baseline.threshold >= 0 && *baseline.threshold <= 1)) {
      return At("threshold", "wanted a number from 0 to 1");
    }
  }
  if (file.classes) MUSTER_RETURN_IF_ERROR(ReadClasses(file, baseline));
  if (file.confidence) {
    MUSTER_ASSIGN_OR_RETURN(baseline.confidence, Under("confidence", ColumnOf(*file.confidence)));
  }
  if (file.calibration) {
    MUSTER_ASSIGN_OR_RETURN(baseline.calibration, Under("calibration", TableOf(*file.calibration)));
  }
  MUSTER_RETURN_IF_ERROR(ReadSegments(file, baseline));
  MUSTER_ASSIGN_OR_RETURN(baseline.targets, ColumnsOf("targets", file.targets, file.rows));
  MUSTER_ASSIGN_OR_RETURN(baseline.outputs, ColumnsOf("predictions", file.predictions, file.rows));
  for (const baseline_file::Summary& error : file.absolute_error) {
    baseline.mean_absolute_error.push_back(
        error.mean.value_or(std::numeric_limits<double>::quiet_NaN()));
  }
  return baseline;
}

}  // namespace

std::size_t CalibrationTable::BinOf(double of) const {
  return static_cast<std::size_t>(std::upper_bound(edges.begin() + 1, edges.end() - 1, of) -
                                  (edges.begin() + 1));
}

Result<Baseline> ParseBaseline(std::string_view text) {
  if (text.size() > kBaselineBytesMost) {
    return ResourceExhausted("baseline: " + std::to_string(text.size()) +
                             " bytes, wanted at most " + std::to_string(kBaselineBytesMost));
  }
  const auto json = wire::ParseJson(text, kValuesMost);
  if (!json.ok()) return Corrupt("baseline: " + json.error().message);
  const auto file = wire::FromJson<baseline_file::File>(*json);
  if (!file.ok()) return Corrupt("baseline: " + file.error().message);
  auto baseline = BaselineOf(*file);
  if (!baseline.ok()) {
    const bool newer = baseline.error().kind == ErrorKind::kUnsupported;
    return Error{newer ? ErrorKind::kUnsupported : ErrorKind::kCorrupt, baseline.error().message}
        .With("baseline");
  }
  baseline->digest = Sha256Hex(text);
  return baseline;
}

}  // namespace muster::registry::monitor
