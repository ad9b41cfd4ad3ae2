#include "registry/package/baselines.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>
#include <utility>

#include "registry/package/class_figures.h"
#include "registry/statistics/interval.h"
#include "registry/tensor_values.h"
#include "runtime/wire/codec.h"

namespace muster::registry {
namespace {

constexpr std::size_t kColumnsMax = 512;
constexpr std::size_t kDistinctMax = 20;
/// Every 5 %.
constexpr std::size_t kBins = 20;
/// Of the sine's square, so that they are close to each other in the tails.
constexpr int kCdfSteps = 128;
/// As the gate of calibration; of few rows fewer, so that each has some.
constexpr std::size_t kCalibrationBins = 15;
constexpr std::size_t kCalibrationRows = 30;
constexpr double kLevels[] = {0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99};

/// Values and their counts; empty when there are more than kDistinctMax.
boost::json::object Distinct(const std::vector<double>& sorted) {
  std::vector<double> values;
  std::vector<std::int64_t> counts;
  for (const double value : sorted) {
    if (values.empty() || value != values.back()) {
      if (values.size() == kDistinctMax) return {};
      values.push_back(value);
      counts.push_back(0);
    }
    ++counts.back();
  }
  return {{"values", wire::ToJson(values)}, {"counts", wire::ToJson(counts)}};
}

/// The distinct quantiles that cut `sorted` in `bins`; the two ends at least.
std::vector<double> Edges(const std::vector<double>& sorted, std::size_t bins) {
  std::vector<double> edges;
  for (std::size_t i = 0; i <= bins; ++i) {
    const auto level = static_cast<double>(i) / static_cast<double>(bins);
    const double edge = statistics::SortedQuantile(sorted, level);
    if (edges.empty() || edge > edges.back()) edges.push_back(edge);
  }
  if (edges.size() == 1) edges.push_back(edges[0]);
  return edges;
}

boost::json::object Histogram(const std::vector<double>& sorted) {
  const std::vector<double> edges = Edges(sorted, kBins);
  // As numpy: a bin holds its lower edge, the last one its upper edge too.
  std::vector<std::int64_t> counts;
  auto from = sorted.begin();
  for (std::size_t bin = 0; bin + 1 < edges.size(); ++bin) {
    const bool last = bin + 2 == edges.size();
    const auto to = last ? sorted.end() : std::lower_bound(from, sorted.end(), edges[bin + 1]);
    counts.push_back(to - from);
    from = to;
  }
  return {{"edges", wire::ToJson(edges)}, {"counts", wire::ToJson(counts)}};
}

boost::json::object CdfObject(const std::vector<double>& sorted) {
  const std::size_t count = sorted.size();
  std::vector<double> values;
  std::vector<std::size_t> ranks;
  const auto add = [&](double value, std::size_t rank) {
    values.push_back(value);
    ranks.push_back(rank);
  };
  int step = 0;
  double wanted = 0;  // the rank that the next point is to reach
  for (std::size_t below = 0, through = 0; below < count; below = through) {
    while (through < count && sorted[through] == sorted[below]) ++through;
    if (static_cast<double>(through) < wanted && through < count) continue;
    if (through - below > count / kCdfSteps) add(sorted[below], below);
    add(sorted[below], through);
    for (; step < kCdfSteps && wanted <= static_cast<double>(through); ++step) {
      const double way = std::sin(std::numbers::pi / 2 * (step + 1) / kCdfSteps);
      wanted = static_cast<double>(count) * way * way;
    }
  }
  return {{"values", wire::ToJson(values)}, {"ranks", wire::ToJson(ranks)}};
}

/// Of numbers (N, width).
boost::json::array Columns(const std::string& name, const std::vector<double>& numbers,
                           std::size_t rows) {
  const std::size_t width = numbers.size() / rows;
  if (width > kColumnsMax) {
    auto pooled = SummaryOf(name, numbers);
    pooled["pooled"] = true;
    return {std::move(pooled)};
  }
  boost::json::array columns;
  for (std::size_t column = 0; column < width; ++column) {
    std::vector<double> values(rows);
    for (std::size_t row = 0; row < rows; ++row) values[row] = numbers[row * width + column];
    columns.push_back(SummaryOf(name + "[" + std::to_string(column) + "]", std::move(values)));
  }
  return columns;
}

/// Under the model's own names: one alone goes by its place.
boost::json::array InputSummaries(const PackageSpec& spec) {
  const Evaluation& evaluation = *spec.evaluation;
  boost::json::array summaries;
  for (const Tensor& input : evaluation.inputs) {
    const std::string& name =
        evaluation.inputs.size() == 1 ? spec.info.inputs.front().name : input.name;
    summaries.push_back(boost::json::object{
        {"name", name},
        {"type", ElementTypeName(input.type)},
        {"shape", wire::ToJson(input.shape)},
        {"columns",
         Columns(name, ValuesAs<double>(input), static_cast<std::size_t>(evaluation.rows()))}});
  }
  return summaries;
}

/// How right rows of each confidence are.
boost::json::object Calibration(const Predictions& predictions) {
  std::vector<double> sorted = predictions.confidence;
  std::erase_if(sorted, [](double x) { return std::isnan(x); });
  if (sorted.empty()) return {};
  std::ranges::sort(sorted);
  const std::vector<double> edges =
      Edges(sorted, std::clamp<std::size_t>(sorted.size() / kCalibrationRows, 1, kCalibrationBins));
  std::vector<double> confidence(edges.size() - 1);
  std::vector<std::int64_t> rows(edges.size() - 1), right(edges.size() - 1);
  for (std::size_t row = 0; row < predictions.confidence.size(); ++row) {
    if (std::isnan(predictions.confidence[row])) continue;
    const auto bin = static_cast<std::size_t>(
        std::upper_bound(edges.begin() + 1, edges.end() - 1, predictions.confidence[row]) -
        (edges.begin() + 1));
    ++rows[bin];
    confidence[bin] += predictions.confidence[row];
    right[bin] += predictions.right[row];
  }
  for (std::size_t bin = 0; bin < rows.size(); ++bin) {
    confidence[bin] /= static_cast<double>(std::max<std::int64_t>(rows[bin], 1));
  }
  return {{"edges", wire::ToJson(edges)},
          {"rows", wire::ToJson(rows)},
          {"confidence", wire::ToJson(confidence)},
          {"right", wire::ToJson(right)}};
}

boost::json::object Segments(const Evaluation& evaluation, const Predictions& predictions) {
  boost::json::object columns;
  for (const auto& [name, values] : evaluation.segments) {
    std::map<std::int64_t, std::pair<std::int64_t, std::int64_t>> figures;
    for (std::size_t row = 0; row < values.size(); ++row) {
      auto& [rows, right] = figures[values[row]];
      ++rows;
      right += predictions.right[row];
    }
    boost::json::array segments;
    for (const auto& [value, counts] : figures) {
      segments.push_back(
          boost::json::object{{"value", value}, {"rows", counts.first}, {"right", counts.second}});
    }
    columns[name] = std::move(segments);
  }
  return columns;
}

std::vector<double> Doubles(const std::vector<float>& values) {
  return {values.begin(), values.end()};
}

}  // namespace

boost::json::object SummaryOf(std::string_view name, std::vector<double> values) {
  const std::size_t all = values.size();
  std::erase_if(values, [](double x) { return std::isnan(x); });
  const std::size_t present = values.size();
  std::erase_if(values, [](double x) { return std::isinf(x); });
  boost::json::object summary = {{"name", name},
                                 {"count", values.size()},
                                 {"missing", all - present},
                                 {"infinite", present - values.size()}};
  if (values.empty()) return summary;
  std::sort(values.begin(), values.end());
  const auto count = static_cast<double>(values.size());
  double mean = 0;
  for (const double value : values) mean += value / count;
  double variance = 0;
  for (const double value : values) variance += (value - mean) * (value - mean) / count;
  std::vector<double> levels, quantiles;
  for (const double level : kLevels) {
    levels.push_back(level);
    quantiles.push_back(statistics::SortedQuantile(values, level));
  }
  summary["min"] = values.front();
  summary["max"] = values.back();
  summary["mean"] = mean;
  summary["std"] = std::sqrt(variance);
  summary["quantiles"] =
      boost::json::object{{"levels", wire::ToJson(levels)}, {"values", wire::ToJson(quantiles)}};
  if (auto distinct = Distinct(values); !distinct.empty()) {
    summary["values"] = std::move(distinct);
  } else {
    summary["histogram"] = Histogram(values);
    summary["cdf"] = CdfObject(values);
  }
  return summary;
}

std::string BaselineText(const PackageSpec& spec) {
  const Evaluation& evaluation = *spec.evaluation;
  const auto rows = static_cast<std::size_t>(evaluation.rows());
  boost::json::object baseline = {{"format", 2},
                                  {"rows", rows},
                                  {"task", TaskName(evaluation.task)},
                                  {"inputs", InputSummaries(spec)}};
  if (evaluation.task == Task::kBinary) baseline["threshold"] = evaluation.threshold;
  const Predictions predictions = PredictionsOf(evaluation, *spec.logits);
  if (!predictions.classes.empty()) {
    boost::json::array labels, predicted, right;
    for (const ClassFigures& figures : predictions.classes) {
      labels.push_back(figures.labelled);
      predicted.push_back(figures.predicted);
      right.push_back(figures.right);
    }
    baseline["classes"] =
        boost::json::object{{"labels", labels}, {"predictions", predicted}, {"right", right}};
    baseline["confidence"] = SummaryOf("confidence", predictions.confidence);
    if (auto calibration = Calibration(predictions); !calibration.empty()) {
      baseline["calibration"] = std::move(calibration);
    }
    if (!evaluation.segments.empty()) baseline["segments"] = Segments(evaluation, predictions);
  }
  if (evaluation.task == Task::kRegression) {
    const std::vector<double> targets = Doubles(evaluation.targets),
                              outputs = Doubles(*spec.logits);
    std::vector<double> errors(targets.size());
    for (std::size_t i = 0; i < errors.size(); ++i) errors[i] = std::abs(outputs[i] - targets[i]);
    baseline["targets"] = Columns("target", targets, rows);
    baseline["predictions"] = Columns("prediction", outputs, rows);
    baseline["absolute_error"] = Columns("absolute_error", errors, rows);
  }
  return wire::SerializeJson(baseline) + "\n";
}

}  // namespace muster::registry
