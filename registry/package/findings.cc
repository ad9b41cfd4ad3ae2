#include "registry/package/findings.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "registry/package/class_figures.h"
#include "registry/package/text.h"

namespace muster::registry {
namespace {

/// Below this a share of rows says little: its 95 % interval is wider than 0.3.
constexpr std::int64_t kFewRows = 30;
/// Classes named in one sentence.
constexpr std::size_t kNamedMax = 10;

std::string Rows(std::int64_t rows) {
  return std::to_string(rows) + (rows == 1 ? " row" : " rows");
}

/// "Accuracy is known to within 0.03 ..." of n rows, k of them right (Wilson's interval; its wider half).
std::string Uncertainty(double share, double rows) {
  constexpr double kZ = 1.959964;
  const double scale = 1 + kZ * kZ / rows;
  const double middle = (share + kZ * kZ / (2 * rows)) / scale;
  const double half =
      kZ / scale * std::sqrt(share * (1 - share) / rows + kZ * kZ / (4 * rows * rows));
  return "Accuracy on the held-out rows is " + ShortNumber(share) + ", with a 95 % interval from " +
         ShortNumber(middle - half) + " to " + ShortNumber(middle + half) + ".";
}

/// "Classes 1, 4 and 2 more have fewer than 30 held-out rows ..."; empty when there is none.
std::string FewRows(const std::vector<ClassFigures>& classes) {
  std::string names;
  std::size_t count = 0;
  for (std::size_t c = 0; c < classes.size(); ++c) {
    if (classes[c].labelled >= kFewRows) continue;
    if (++count <= kNamedMax) names += (names.empty() ? "" : ", ") + std::to_string(c);
  }
  if (count == 0) return "";
  if (count > kNamedMax) names += " and " + std::to_string(count - kNamedMax) + " more";
  return "Figures of these classes rest on fewer than " + std::to_string(kFewRows) +
         " rows each: " + names + ".";
}

/// The trial's metrics over the rows of each value of each segment column; those that are not defined on a group
/// are left out.
std::vector<SegmentFigure> ColumnFigures(const PackageSpec& spec) {
  std::vector<SegmentFigure> figures;
  for (const auto& [column, values] : spec.evaluation->segments) {
    std::map<std::int64_t, std::vector<std::int64_t>> groups;  // value -> rows
    for (std::size_t row = 0; row < values.size(); ++row) {
      groups[values[row]].push_back(static_cast<std::int64_t>(row));
    }
    for (const auto& [value, rows] : groups) {
      for (const auto& [metric, seen] : spec.info.metrics) {
        const auto figure = ComputeMetric(metric, *spec.logits, *spec.evaluation, rows);
        if (!figure.ok() || std::isnan(*figure)) continue;
        figures.push_back({column + " " + std::to_string(value), metric, *figure,
                           static_cast<std::int64_t>(rows.size())});
      }
    }
  }
  return figures;
}

}  // namespace

std::string HubTask(const PackageSpec& spec) {
  const bool table = spec.info.inputs.front().shape.size() == 2;
  switch (spec.info.task) {
    case Task::kClasses:
      if (spec.info.inputs.front().shape.size() == 4) return "image-classification";
      return table ? "tabular-classification" : "other";
    case Task::kBinary:
      return table ? "tabular-classification" : "other";
    case Task::kRegression:
      return table ? "tabular-regression" : "other";
    case Task::kTokens:
      return "text-generation";
    case Task::kRetrieval:
      return "feature-extraction";
  }
  return "other";
}

std::vector<SegmentFigure> SegmentFigures(const PackageSpec& spec) {
  std::vector<SegmentFigure> figures = ColumnFigures(spec);
  const auto classes = PredictionsOf(*spec.evaluation, *spec.logits).classes;
  for (std::size_t c = 0; c < classes.size(); ++c) {
    const ClassFigures& of_class = classes[c];
    const std::string name = "class " + std::to_string(c);
    if (of_class.labelled > 0) {
      figures.push_back({name, "recall", of_class.recall(), of_class.labelled});
    }
    if (of_class.predicted > 0) {
      figures.push_back({name, "precision", of_class.precision(), of_class.predicted});
    }
  }
  return figures;
}

bool IsFairness(const GateVerdict& verdict) { return verdict.kind == "fairness"; }

std::vector<std::string> Limits(const PackageSpec& spec) {
  std::vector<std::string> limits;
  limits.push_back(
      "Inputs unlike those of the held-out rows were not judged; baseline.json holds "
      "their ranges and distributions.");
  const std::int64_t rows = spec.evaluation->rows();
  limits.push_back("All figures rest on " + Rows(rows) + ".");
  const auto classes = PredictionsOf(*spec.evaluation, *spec.logits).classes;
  if (!classes.empty()) {
    std::int64_t right = 0;
    for (const ClassFigures& figures : classes) right += figures.right;
    limits.push_back(Uncertainty(static_cast<double>(right) / static_cast<double>(rows),
                                 static_cast<double>(rows)));
    if (auto few = FewRows(classes); !few.empty()) limits.push_back(std::move(few));
  }
  if (std::ranges::none_of(spec.verdicts, IsFairness)) {
    limits.push_back("No gate compared groups of people or of rows: nothing is known of fairness.");
  }
  for (const auto& [role, path] : spec.lineage.data) {
    if (spec.DataDigest(role).empty()) {
      limits.push_back("The digest of the data '" + role +
                       "' was not recorded: which bytes they were cannot be shown.");
    }
  }
  return limits;
}

}  // namespace muster::registry
