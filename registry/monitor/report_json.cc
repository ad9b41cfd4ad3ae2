#include <boost/json/array.hpp>
#include <cmath>

#include "registry/monitor/report.h"
#include "runtime/wire/codec.h"

namespace muster::registry::monitor {
namespace {

namespace json = boost::json;

json::array IntervalJson(const statistics::Interval& interval) {
  return {wire::ToJson(interval.low), wire::ToJson(interval.high)};
}

void AddEffect(json::object& column, std::string_view name, const Effect& effect) {
  if (std::isnan(effect.value)) return;
  column[name] = json::array{wire::ToJson(effect.value), wire::ToJson(effect.corrected),
                             wire::ToJson(effect.interval.low), wire::ToJson(effect.interval.high)};
}

json::object DriftJson(const ColumnDrift& drift) {
  json::object column{{"name", drift.column},
                      {"drifted", drift.drifted},
                      {"measure", drift.measure},
                      {"bound", drift.bound},
                      {"test", drift.test},
                      {"p", drift.p},
                      {"p_adjusted", drift.p_adjusted},
                      {"reference_rows", drift.reference_rows},
                      {"rows", drift.current_rows}};
  AddEffect(column, "wasserstein", drift.wasserstein);
  AddEffect(column, "kolmogorov_smirnov", drift.kolmogorov_smirnov);
  AddEffect(column, "stability", drift.stability);
  AddEffect(column, "jensen_shannon", drift.jensen_shannon);
  AddEffect(column, "l_infinity", drift.l_infinity);
  return column;
}

json::object SetJson(const std::vector<ColumnDrift>& columns, const SetDrift& set) {
  json::array list;
  for (const ColumnDrift& column : columns) list.push_back(DriftJson(column));
  return {{"judged", set.columns},
          {"drifted", set.drifted},
          {"share", set.share},
          {"all", set.all},
          {"columns", std::move(list)}};
}

/// What of a column's values is no number, or none that the baseline has.
json::array QualityJson(const Baseline& baseline, const Window& window) {
  json::array list;
  std::size_t at = 0;
  for (const BaselineInput& input : baseline.inputs) {
    for (const BaselineColumn& column : input.columns) {
      const ColumnWindow& seen = window.columns[at++];
      const bool odd = seen.missing() + seen.infinite() + seen.outside() > 0;
      if (!odd) continue;
      json::object entry{{"name", column.name},
                         {"values", seen.all()},
                         {"missing", seen.missing()},
                         {"infinite", seen.infinite()},
                         {"outside", seen.outside()},
                         {"baseline_missing", column.missing},
                         {"baseline_values", column.count + column.missing + column.infinite}};
      if (seen.example()) entry["example"] = wire::ToJson(*seen.example());
      if (column.categorical()) {
        json::array unseen;
        for (const auto& [value, count] : seen.unseen().counts()) {
          unseen.push_back(json::array{wire::ToJson(value), count});
        }
        entry["unseen"] = std::move(unseen);
      } else if (column.count > 0) {
        entry["range"] = json::array{column.min, column.max};
      }
      list.push_back(std::move(entry));
    }
  }
  return list;
}

json::object ErrorJson(const ErrorSums& error, const Report& report) {
  return {{"labelled", error.rows},
          {"mae", wire::ToJson(error.mean())},
          {"interval", IntervalJson(error.MeanInterval(report.confidence))}};
}

json::object PerformanceJson(const Baseline& baseline, const Window& window, const Report& report) {
  const Performance& performance = window.performance;
  json::object result{{"late", performance.late},           {"duplicate", performance.duplicate},
                      {"replaced", performance.replaced},   {"unknown", performance.unknown},
                      {"unsampled", performance.unsampled}, {"invalid", performance.invalid}};
  if (report.accuracy_interval) {
    result["labelled"] = performance.rows;
    result["right"] = performance.right;
    result["accuracy"] = report.metrics.at("accuracy");
    result["interval"] = IntervalJson(*report.accuracy_interval);
    if (report.drop_interval) {
      result["drop"] = report.metrics.at("accuracy_drop");
      result["drop_interval"] = IntervalJson(*report.drop_interval);
    }
    json::object segments;
    for (const auto& [name, score] : performance.segments) {
      if (score.rows == 0) continue;
      json::object segment{{"labelled", score.rows}, {"right", score.right}};
      segment["interval"] =
          IntervalJson(statistics::WilsonInterval(score.right, score.rows, report.confidence));
      if (const auto before = baseline.segments.find(name); before != baseline.segments.end()) {
        segment["baseline_rows"] = before->second.rows;
        segment["baseline_right"] = before->second.right;
      }
      segments[name] = std::move(segment);
    }
    result["segments"] = std::move(segments);
  }
  if (report.labels) result["labels"] = DriftJson(*report.labels);
  json::array errors;
  for (const ErrorSums& error : performance.errors) {
    errors.push_back(ErrorJson(error, report));
  }
  if (!errors.empty()) {
    result["targets"] = std::move(errors);
    json::object segments;
    for (const auto& [name, sums] : performance.segment_errors)
      segments[name] = ErrorJson(sums, report);
    result["segments"] = std::move(segments);
  }
  if (report.estimate) {
    result["estimated_accuracy"] = report.estimate->accuracy;
    result["estimated_interval"] = IntervalJson(report.estimate->interval);
  }
  return result;
}

}  // namespace

json::object ReportJson(const Baseline& baseline, const Window& window, const Report& report) {
  json::object violations;
  for (const auto& [kind, violation] : window.violations) {
    violations[kind] = json::object{{"count", violation.count}, {"example", violation.example}};
  }
  return {{"baseline", report.baseline},
          {"begun_ms", report.begun_ms},
          {"ended_ms", report.ended_ms},
          {"confidence", report.confidence},
          {"inputs", SetJson(report.inputs, report.input_drift)},
          {"predictions", SetJson(report.predictions, report.prediction_drift)},
          {"performance", PerformanceJson(baseline, window, report)},
          {"quality", QualityJson(baseline, window)},
          {"violations", std::move(violations)},
          {"metrics", wire::ToJson(report.metrics)}};
}

}  // namespace muster::registry::monitor
