#include "registry/package/baselines.h"

#include <algorithm>
#include <cmath>

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

boost::json::object Histogram(const std::vector<double>& sorted) {
  std::vector<double> edges;
  for (std::size_t i = 0; i <= kBins; ++i) {
    const double edge = statistics::SortedQuantile(sorted, static_cast<double>(i) / kBins);
    if (edges.empty() || edge > edges.back()) edges.push_back(edge);
  }
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
  }
  return summary;
}

std::string BaselineText(const PackageSpec& spec) {
  const Evaluation& evaluation = *spec.evaluation;
  boost::json::object baseline = {
      {"format", 1}, {"rows", evaluation.rows()}, {"inputs", InputSummaries(spec)}};
  const Predictions predictions = PredictionsOf(evaluation, *spec.logits);
  if (!predictions.classes.empty()) {
    boost::json::array labels, predicted;
    for (const ClassFigures& figures : predictions.classes) {
      labels.push_back(figures.labelled);
      predicted.push_back(figures.predicted);
    }
    baseline["classes"] = boost::json::object{{"labels", labels}, {"predictions", predicted}};
    baseline["confidence"] = SummaryOf("confidence", predictions.confidence);
  }
  if (evaluation.task == Task::kRegression) {
    const auto rows = static_cast<std::size_t>(evaluation.rows());
    baseline["targets"] = Columns("target", Doubles(evaluation.targets), rows);
    baseline["predictions"] = Columns("prediction", Doubles(*spec.logits), rows);
  }
  return wire::SerializeJson(baseline) + "\n";
}

}  // namespace muster::registry
