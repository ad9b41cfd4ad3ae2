#include "tuner/table_columns.h"

#include <algorithm>
#include <array>
#include <optional>

namespace muster::tuner {
namespace {

using Role = TableColumn::Role;

/// What Optuna, MLflow and WriteColumns write besides.
constexpr std::array<std::string_view, 17> kLeftOut{
    "trial",      "number",   "datetime_start", "datetime_complete",
    "duration",   "run_id",   "experiment_id",  "artifact_uri",
    "start_time", "end_time", "Start Time",     "Duration",
    "Run ID",     "Name",     "Source Type",    "Source Name",
    "User"};
constexpr std::array<std::string_view, 3> kLeftOutPrefixes{"user_attrs_", "system_attrs_", "tags."};
constexpr std::array<std::string_view, 3> kStates{"state", "status", "Status"};

bool IsStates(std::string_view name) { return std::ranges::find(kStates, name) != kStates.end(); }

std::string ValueName(const std::vector<std::string>& metrics, std::size_t objective) {
  if (!metrics[objective].empty()) return metrics[objective];
  return metrics.size() == 1 ? "value" : "values_" + std::to_string(objective);
}

std::string NamesOf(const Space& space) {
  std::string names;
  for (const auto& parameter : space.parameters()) {
    names += (names.empty() ? "" : ", ") + parameter.name;
  }
  return names;
}

class Header {
 public:
  Header(const CsvRecord& header, const Space& space, const std::vector<std::string>& metrics)
      : line_(header.line), space_(space), metrics_(metrics) {
    for (const CsvCell& cell : header.cells) names_.push_back(cell.text);
  }

  Result<std::vector<TableColumn>> Read() {
    for (std::size_t i = 0; i < names_.size(); ++i) {
      MUSTER_ASSIGN_OR_RETURN(const TableColumn column, ColumnOf(i));
      for (std::size_t k = 0; k < i && column.role != Role::kLeftOut; ++k) {
        if (columns_[k].role != column.role || columns_[k].index != column.index) continue;
        return AtCell(line_, names_[i], "says the same as column " + names_[k]);
      }
      columns_.push_back(column);
    }
    for (std::size_t p = 0; p < space_.size(); ++p) {
      const Parameter& parameter = space_.parameters()[p];
      if (!parameter.when.empty() || Has(Role::kParameter, p)) continue;
      return Missing(parameter.name, "parameter: " + NamesOf(space_));
    }
    for (std::size_t k = 0; k < metrics_.size(); ++k) {
      if (!Has(Role::kValue, k)) return Missing(ValueName(metrics_, k), "objective");
    }
    return std::move(columns_);
  }

 private:
  [[nodiscard]] Error Missing(const std::string& name, const std::string& of) const {
    return Invalid(std::to_string(line_) + ": no column " + name + "; wanted one for each " + of);
  }
  [[nodiscard]] bool Has(Role role, std::size_t index) const {
    return std::ranges::any_of(
        columns_, [&](const TableColumn& c) { return c.role == role && c.index == index; });
  }
  [[nodiscard]] bool Names(const std::string& name) const {
    return std::ranges::find(names_, name) != names_.end();
  }

  [[nodiscard]] std::optional<TableColumn> ParameterOf(std::string_view name) const {
    const auto found = std::ranges::find(space_.parameters(), name, &Parameter::name);
    if (found == space_.parameters().end()) return std::nullopt;
    return TableColumn{Role::kParameter,
                       static_cast<std::size_t>(found - space_.parameters().begin())};
  }
  [[nodiscard]] std::optional<TableColumn> ObjectiveOf(std::string_view name) const {
    const auto found = std::ranges::find(metrics_, name);
    if (found == metrics_.end() || name.empty()) return std::nullopt;
    return TableColumn{Role::kValue, static_cast<std::size_t>(found - metrics_.begin())};
  }

  [[nodiscard]] Result<TableColumn> ColumnOf(std::size_t i) const {
    const std::string& name = names_[i];
    // Where a prefixed name says the parameter or the objective, the bare one is something else.
    std::vector<TableColumn> meant;
    const auto p = ParameterOf(name), k = ObjectiveOf(name);
    if (p && !Names("params." + name) && !Names("params_" + name)) meant.push_back(*p);
    if (k && !Names("metrics." + name) && !Names("values_" + name)) meant.push_back(*k);
    if (name == "value" && metrics_.size() == 1 && !k) meant.push_back({Role::kValue});
    if (IsStates(name)) meant.push_back({Role::kState});
    if (name == "weight") meant.push_back({Role::kWeight});
    if (meant.size() == 1) return meant[0];
    if (meant.size() > 1) {
      return AtCell(line_, name,
                    "may be several things; wanted params." + name +
                        " for the parameter, metrics." + name + " for the objective");
    }
    if (const auto prefixed = Prefixed(name)) return *prefixed;
    const bool known = std::ranges::find(kLeftOut, name) != kLeftOut.end() ||
                       std::ranges::any_of(kLeftOutPrefixes,
                                           [&](auto prefix) { return name.starts_with(prefix); });
    if (known || (name.empty() && i == 0)) return TableColumn{};  // without a name: row numbers
    if (p || k) return p ? *p : *k;                               // there twice
    std::string values;
    for (std::size_t o = 0; o < metrics_.size(); ++o) values += ", " + ValueName(metrics_, o);
    return AtCell(line_, name,
                  "unknown; wanted one of " + NamesOf(space_) + values + ", state, weight");
  }

  [[nodiscard]] std::optional<TableColumn> Prefixed(std::string_view name) const {
    const auto rest = [&](std::string_view prefix) { return name.substr(prefix.size()); };
    if (name.starts_with("params_")) return ParameterOf(rest("params_"));
    // A run of MLflow logs more than one search varies.
    if (name.starts_with("params.")) {
      return ParameterOf(rest("params.")).value_or(TableColumn{});
    }
    if (name.starts_with("metrics.")) {
      return ObjectiveOf(rest("metrics.")).value_or(TableColumn{});
    }
    if (!name.starts_with("values_")) return std::nullopt;
    if (const auto k = ObjectiveOf(rest("values_"))) return k;
    for (std::size_t k = 0; k < metrics_.size(); ++k) {
      if (rest("values_") == std::to_string(k)) return TableColumn{Role::kValue, k};
    }
    return std::nullopt;
  }

  std::size_t line_;
  const Space& space_;
  const std::vector<std::string>& metrics_;
  std::vector<std::string> names_;
  std::vector<TableColumn> columns_;
};

}  // namespace

Result<std::vector<TableColumn>> ReadColumns(const CsvRecord& header, const Space& space,
                                             const std::vector<std::string>& metrics) {
  return Header(header, space, metrics).Read();
}

std::string WriteColumns(const Space& space, const std::vector<std::string>& metrics) {
  std::string csv = "trial,state,weight";
  const auto add = [&](const std::string& name, const char* prefix) {
    const auto meanings = std::ranges::count(space.parameters(), name, &Parameter::name) +
                          std::ranges::count(metrics, name);
    const bool taken = name == "trial" || name == "weight" || name == "value" || IsStates(name);
    csv += ',';
    AppendCsv(csv, (taken || meanings > 1 ? prefix : "") + name);
  };
  for (std::size_t k = 0; k < metrics.size(); ++k) {
    add(ValueName(metrics, k), metrics[k].empty() ? "" : "metrics.");
  }
  for (const auto& parameter : space.parameters()) add(parameter.name, "params.");
  return csv;
}

Error AtCell(std::size_t line, const std::string& column, const std::string& what) {
  return Invalid(std::to_string(line) + ": column " + column + ": " + what);
}

}  // namespace muster::tuner
