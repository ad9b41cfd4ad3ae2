#include <algorithm>
#include <boost/describe.hpp>
#include <cmath>

#include "registry/monitor/window.h"
#include "runtime/base/base64.h"
#include "runtime/wire/codec.h"

namespace muster::registry::monitor {

BOOST_DESCRIBE_STRUCT(Violation, (), (count, example))
BOOST_DESCRIBE_STRUCT(SegmentScore, (), (rows, right))
BOOST_DESCRIBE_STRUCT(ErrorSums, (), (rows, sum, squares))
BOOST_DESCRIBE_STRUCT(ConfidenceSums, (), (rows, confidence))
BOOST_DESCRIBE_STRUCT(Resources, (), (cpu_ms, memory_bytes, replicas))
BOOST_DESCRIBE_STRUCT(Performance, (),
                      (rows, right, labels, segments, errors, segment_errors, late, duplicate,
                       replaced, unknown, unsampled, invalid))

namespace {

struct Frequencies {
  std::vector<double> values;
  std::vector<std::int64_t> counts;
  std::int64_t total = 0, error = 0;
};
BOOST_DESCRIBE_STRUCT(Frequencies, (), (values, counts, total, error))
struct Column {
  std::int64_t count = 0, missing = 0, infinite = 0, outside = 0;
  std::optional<double> example;
  std::vector<std::int64_t> counts;
  std::string sketch;
  Frequencies unseen;
};
BOOST_DESCRIBE_STRUCT(Column, (),
                      (count, missing, infinite, outside, example, counts, sketch, unseen))
struct File {
  std::int64_t format = 0;
  std::string baseline;
  std::int64_t begun_ms = 0, ended_ms = 0, requests = 0, failed = 0, rows = 0, sampled = 0;
  std::string latency;
  std::vector<Column> columns;
  std::map<std::string, Violation> violations;
  std::vector<std::int64_t> classes;
  std::int64_t no_class = 0;
  std::optional<Column> confidence;
  ConfidenceSums confidence_sums;
  std::vector<Column> outputs;
  Performance performance;
  std::optional<Resources> resources;
};
BOOST_DESCRIBE_STRUCT(File, (),
                      (format, baseline, begun_ms, ended_ms, requests, failed, rows, sampled,
                       latency, columns, violations, classes, no_class, confidence, confidence_sums,
                       outputs, performance, resources))

constexpr std::int64_t kFormat = 1;
constexpr std::size_t kValuesMost = 8'000'000;
/// So that sums of many windows do not overflow.
constexpr std::int64_t kCountMost = std::int64_t{1} << 48;

Error At(std::string_view path, std::string_view sentence) {
  return Corrupt("at " + std::string(path) + ": " + std::string(sentence));
}

Status CheckCounts(std::string_view path, const std::vector<std::int64_t>& counts,
                   std::size_t size) {
  if (counts.size() != size) {
    return At(path,
              "wanted " + std::to_string(size) + " numbers, got " + std::to_string(counts.size()));
  }
  for (const std::int64_t count : counts) {
    if (count < 0 || count > kCountMost) return At(path, "wanted counts from 0 to 2^48");
  }
  return Ok();
}

Result<QuantileSketch> SketchOf(std::string_view path, const std::string& base64,
                                std::uint64_t seed) {
  const auto bytes = DecodeBase64(base64);
  if (!bytes.ok()) return At(path, bytes.error().message);
  auto sketch = QuantileSketch::FromBytes(*bytes, seed);
  if (!sketch.ok()) return At(path, sketch.error().message);
  if (sketch->k() != QuantileSketch::kDefaultK) {
    return At(path, "k is " + std::to_string(sketch->k()) + ", wanted " +
                        std::to_string(QuantileSketch::kDefaultK));
  }
  return sketch;
}

}  // namespace

/// Reads and writes what ColumnWindow keeps.
struct ColumnWindowJson {
  static Column Write(const ColumnWindow& window) {
    Column column{window.count_,
                  window.missing_,
                  window.infinite_,
                  window.outside_,
                  window.example_,
                  window.counts_,
                  EncodeBase64(window.sketch_.Bytes()),
                  {}};
    column.unseen.total = window.unseen_.total();
    column.unseen.error = window.unseen_.error();
    for (const auto& [value, count] : window.unseen_.counts()) {
      column.unseen.values.push_back(value);
      column.unseen.counts.push_back(count);
    }
    return column;
  }

  /// Into a window of the baseline's column, whose seed it keeps.
  static Status Read(const std::string& path, const Column& column, std::uint64_t seed,
                     ColumnWindow& window) {
    MUSTER_RETURN_IF_ERROR(
        CheckCounts(path, {column.count, column.missing, column.infinite, column.outside}, 4));
    MUSTER_RETURN_IF_ERROR(CheckCounts(path + ".counts", column.counts, window.counts_.size()));
    std::int64_t sum = 0;
    for (const std::int64_t count : column.counts) sum += count;
    if (!column.counts.empty() && sum != column.count) {
      return At(path + ".counts",
                "wanted " + std::to_string(column.count) + " together, got " + std::to_string(sum));
    }
    MUSTER_ASSIGN_OR_RETURN(window.sketch_, SketchOf(path + ".sketch", column.sketch, seed));
    if (window.sketch_.count() != 0 && window.sketch_.count() != column.count) {
      return At(path + ".sketch", "wanted one of " + std::to_string(column.count) + " numbers");
    }
    if (column.unseen.values.size() != column.unseen.counts.size()) {
      return At(path + ".unseen", "wanted a count for each value");
    }
    std::map<double, std::int64_t> counts;
    for (std::size_t i = 0; i < column.unseen.values.size(); ++i) {
      counts[column.unseen.values[i]] = column.unseen.counts[i];
    }
    auto unseen =
        FrequencySketch::FromCounts(std::move(counts), column.unseen.total, column.unseen.error);
    if (!unseen.ok()) return At(path + ".unseen", unseen.error().message);
    window.unseen_ = std::move(unseen).value();
    window.count_ = column.count;
    window.missing_ = column.missing;
    window.infinite_ = column.infinite;
    window.outside_ = column.outside;
    window.example_ = column.example;
    window.counts_ = column.counts;
    return Ok();
  }

  /// `seed` is that of the window's first column, and goes on.
  static Status ReadAll(const std::string& path, const std::vector<Column>& columns,
                        std::uint64_t& seed, std::vector<ColumnWindow>& windows) {
    if (columns.size() != windows.size()) {
      return At(path, "wanted " + std::to_string(windows.size()) + " columns, got " +
                          std::to_string(columns.size()));
    }
    for (std::size_t i = 0; i < columns.size(); ++i) {
      MUSTER_RETURN_IF_ERROR(
          Read(path + "[" + std::to_string(i) + "]", columns[i], ++seed, windows[i]));
    }
    return Ok();
  }
};

namespace {

/// Sums of performance that the baseline could have.
Status CheckPerformance(const Performance& performance, const Performance& empty) {
  MUSTER_RETURN_IF_ERROR(
      CheckCounts("performance.labels", performance.labels, empty.labels.size()));
  const auto counts = {performance.rows,      performance.right,    performance.late,
                       performance.duplicate, performance.replaced, performance.unknown,
                       performance.unsampled, performance.invalid};
  MUSTER_RETURN_IF_ERROR(CheckCounts("performance", counts, counts.size()));
  if (performance.right > performance.rows) return At("performance.right", "wanted at most rows");
  if (std::max(performance.segments.size(), performance.segment_errors.size()) >
      Performance::kSegmentsMost + 1) {
    return At("performance.segments",
              "wanted at most " + std::to_string(Performance::kSegmentsMost + 1));
  }
  for (const auto& [name, score] : performance.segments) {
    if (score.rows < 0 || score.rows > kCountMost || score.right < 0 || score.right > score.rows) {
      return At("performance.segments." + name, "wanted right from 0 to rows");
    }
  }
  if (performance.errors.size() != empty.errors.size()) {
    return At("performance.errors", "wanted one for each target");
  }
  std::vector<ErrorSums> all = performance.errors;
  for (const auto& [name, sums] : performance.segment_errors) all.push_back(sums);
  for (const ErrorSums& error : all) {
    if (error.rows < 0 || error.rows > kCountMost || !std::isfinite(error.sum) ||
        !std::isfinite(error.squares)) {
      return At("performance.errors", "wanted finite sums and rows from 0 to 2^48");
    }
  }
  return Ok();
}

Status Fill(const Baseline& baseline, const File& file, Window& window) {
  MUSTER_RETURN_IF_ERROR(CheckCounts(
      "requests", {file.requests, file.failed, file.rows, file.sampled, file.no_class}, 5));
  window.begun_ms = file.begun_ms;
  window.ended_ms = file.ended_ms;
  window.requests = file.requests;
  window.failed = file.failed;
  window.rows = file.rows;
  window.sampled = file.sampled;
  window.no_class = file.no_class;
  std::uint64_t seed = 0;
  MUSTER_ASSIGN_OR_RETURN(window.latency_us, SketchOf("latency", file.latency, seed));
  MUSTER_RETURN_IF_ERROR(ColumnWindowJson::ReadAll("columns", file.columns, seed, window.columns));
  for (const auto& [kind, violation] : file.violations) {
    MUSTER_RETURN_IF_ERROR(CheckCounts("violations." + kind, {violation.count}, 1));
  }
  window.violations = file.violations;
  MUSTER_RETURN_IF_ERROR(CheckCounts("classes", file.classes, window.classes.size()));
  window.classes = file.classes;
  if (file.confidence.has_value() != window.confidence.has_value()) {
    return At("confidence", "wanted it where the baseline has it");
  }
  if (file.confidence) {
    MUSTER_RETURN_IF_ERROR(
        ColumnWindowJson::Read("confidence", *file.confidence, ++seed, *window.confidence));
  }
  const std::size_t bins = file.confidence_sums.rows.size();
  const std::size_t wanted = baseline.calibration ? baseline.calibration->rows.size() : 0;
  if ((bins != 0 && bins != wanted) || file.confidence_sums.confidence.size() != bins) {
    return At("confidence_sums", "wanted a number for each bin of the calibration table");
  }
  MUSTER_RETURN_IF_ERROR(CheckCounts("confidence_sums.rows", file.confidence_sums.rows, bins));
  for (const double sum : file.confidence_sums.confidence) {
    if (!std::isfinite(sum)) return At("confidence_sums.confidence", "wanted finite numbers");
  }
  window.confidence_sums = file.confidence_sums;
  MUSTER_RETURN_IF_ERROR(CheckPerformance(file.performance, window.performance));
  window.performance = file.performance;
  if (file.resources) {
    const Resources& used = *file.resources;
    MUSTER_RETURN_IF_ERROR(
        CheckCounts("resources", {used.cpu_ms, used.memory_bytes, used.replicas}, 3));
    window.resources = used;
  }
  return ColumnWindowJson::ReadAll("outputs", file.outputs, seed, window.outputs);
}

}  // namespace

std::string ToJson(const Window& window) {
  File file{kFormat,         window.baseline, window.begun_ms,
            window.ended_ms, window.requests, window.failed,
            window.rows,     window.sampled,  EncodeBase64(window.latency_us.Bytes())};
  for (const ColumnWindow& column : window.columns) {
    file.columns.push_back(ColumnWindowJson::Write(column));
  }
  file.violations = window.violations;
  file.classes = window.classes;
  file.no_class = window.no_class;
  if (window.confidence) file.confidence = ColumnWindowJson::Write(*window.confidence);
  file.confidence_sums = window.confidence_sums;
  for (const ColumnWindow& column : window.outputs) {
    file.outputs.push_back(ColumnWindowJson::Write(column));
  }
  file.performance = window.performance;
  file.resources = window.resources;
  return wire::SerializeJson(wire::ToJson(file)) + "\n";
}

Result<Window> WindowFromJson(const Baseline& baseline, std::string_view text) {
  if (text.size() > kWindowBytesMost) {
    return ResourceExhausted("window: " + std::to_string(text.size()) + " bytes, wanted at most " +
                             std::to_string(kWindowBytesMost));
  }
  const auto json = wire::ParseJson(text, kValuesMost);
  if (!json.ok()) return Corrupt("window: " + json.error().message);
  const auto file = wire::FromJson<File>(*json);
  if (!file.ok()) return Corrupt("window: " + file.error().message);
  if (file->format != kFormat) {
    return Unsupported("window: at format: " + std::to_string(file->format) +
                       "; this muster reads 1");
  }
  if (file->baseline != baseline.digest) {
    return Invalid("window: it is of the baseline " + file->baseline.substr(0, 12) + ", not of " +
                   baseline.digest.substr(0, 12));
  }
  Window window(baseline, file->begun_ms);
  const Status filled = Fill(baseline, *file, window);
  if (!filled.ok()) return filled.error().With("window");
  return window;
}

}  // namespace muster::registry::monitor
