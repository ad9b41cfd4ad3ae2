#include "tuner/trial_table.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "tuner/table_columns.h"

namespace muster::tuner {
namespace {

using Role = TableColumn::Role;

std::string Quoted(std::string_view text) { return "'" + std::string(text) + "'"; }

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return lower;
}

std::optional<double> NumberOf(std::string_view text) {
  double number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size()) return std::nullopt;
  return number;
}

/// By muster's words, Optuna's and MLflow's; one that has no end to learn from is lost.
std::optional<TrialState> StateOf(std::string_view text) {
  const std::string word = Lower(text);
  if (word == "complete" || word == "finished") return TrialState::kComplete;
  if (word == "failed" || word == "fail") return TrialState::kFailed;
  for (const char* other :
       {"pruned", "lost", "cancelled", "killed", "running", "paused", "waiting", "scheduled"}) {
    if (word == other) return TrialState::kLost;
  }
  return std::nullopt;
}

/// Whether a cell says this value of a choice.
bool Means(const CsvCell& cell, const ParamValue& value) {
  if (std::holds_alternative<bool>(value)) return Lower(cell.text) == ParamText(value);
  if (const auto* text = std::get_if<std::string>(&value)) {
    return cell.text == *text && (cell.quoted || !text->empty());
  }
  const auto number = NumberOf(cell.text);
  const auto* integer = std::get_if<std::int64_t>(&value);
  return number &&
         *number == (integer != nullptr ? static_cast<double>(*integer) : std::get<double>(value));
}

class Reader {
 public:
  Reader(const Space& space, std::size_t objectives) : space_(space), objectives_(objectives) {}

  Result<TrialTable> Read(std::string_view csv, const std::vector<std::string>& metrics) {
    MUSTER_ASSIGN_OR_RETURN(const auto records, ParseCsv(csv));
    if (records.empty()) return Invalid("1: wanted a row of column names, got nothing");
    MUSTER_ASSIGN_OR_RETURN(columns_, ReadColumns(records[0], space_, metrics));
    for (const CsvCell& cell : records[0].cells) names_.push_back(cell.text);
    TrialTable table;
    for (std::size_t i = 1; i < records.size(); ++i) {
      MUSTER_ASSIGN_OR_RETURN(auto trial, TrialOf(records[i]));
      if (trial.outcome.state == TrialState::kLost) {
        ++table.left_out;
      } else {
        table.trials.push_back(std::move(trial));
      }
    }
    if (!table.trials.empty()) return table;
    const std::string seen = std::to_string(table.left_out) + " that were pruned or have not ended";
    return Invalid("1: wanted rows of complete or failed trials, got " +
                   (table.left_out == 0 ? "none" : seen));
  }

 private:
  [[nodiscard]] Error At(const CsvRecord& record, std::size_t column,
                         const std::string& what) const {
    return AtCell(record.line, names_[column], what);
  }
  [[nodiscard]] Error Unlike(const CsvRecord& record, std::size_t column,
                             const std::string& wanted) const {
    return At(record, column, "wanted " + wanted + ", got " + Quoted(record.cells[column].text));
  }

  Result<TableTrial> TrialOf(const CsvRecord& record) const {
    TableTrial trial{.line = record.line};
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (columns_[i].role != Role::kState) continue;
      const auto state = StateOf(record.cells[i].text);
      if (!state) return Unlike(record, i, "complete, failed or pruned");
      trial.outcome.state = *state;
    }
    if (trial.outcome.state == TrialState::kLost) return trial;
    if (trial.outcome.state == TrialState::kComplete) trial.outcome.values.resize(objectives_);
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      MUSTER_RETURN_IF_ERROR(ReadCell(record, i, trial));
    }
    const Status fits = space_.Check(trial.params);
    if (!fits.ok()) return Misfit(record, fits.error());
    return trial;
  }

  Status ReadCell(const CsvRecord& record, std::size_t i, TableTrial& trial) const {
    const auto& [role, index] = columns_[i];
    if (role == Role::kParameter) return ReadParameter(record, i, trial.params);
    const auto number = NumberOf(record.cells[i].text);
    if (role == Role::kValue && trial.outcome.state == TrialState::kComplete) {
      if (!number) return Unlike(record, i, "the number that a complete trial ended with");
      trial.outcome.values[index] = *number;
    }
    if (role == Role::kWeight) {
      if (!number || !(*number > 0 && *number <= 1)) return Unlike(record, i, "above 0 up to 1");
      trial.weight = *number;
    }
    return Ok();
  }

  Status ReadParameter(const CsvRecord& record, std::size_t i, Params& params) const {
    const auto& [name, domain, when] = space_.parameters()[columns_[i].index];
    const CsvCell& cell = record.cells[i];
    if (const auto* choice = std::get_if<ChoiceDomain>(&domain)) {
      std::vector<const ParamValue*> meant;
      std::string wanted;
      for (const ParamValue& value : choice->values) {
        wanted += (wanted.empty() ? "one of " : ", ") + ParamText(value);
        if (Means(cell, value)) meant.push_back(&value);
      }
      if (meant.size() == 1) params[name] = *meant[0];
      return meant.size() == 1 || cell.text.empty() ? Ok() : Status(Unlike(record, i, wanted));
    }
    if (cell.text.empty()) return Ok();
    const auto number = NumberOf(cell.text);
    if (!number) return Unlike(record, i, "a number");
    // A column of integers with empty cells is one of floats to other programs.
    const bool whole = std::get<NumericDomain>(domain).integer && *number == std::floor(*number) &&
                       std::abs(*number) <= 0x1p53;
    params[name] = whole ? ParamValue(static_cast<std::int64_t>(*number)) : ParamValue(*number);
    return Ok();
  }

  /// "at lr: ..." of the space, with the name of its column.
  [[nodiscard]] Error Misfit(const CsvRecord& record, const Error& error) const {
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (columns_[i].role != Role::kParameter) continue;
      const std::string at = "at " + space_.parameters()[columns_[i].index].name + ": ";
      if (!error.message.starts_with(at)) continue;
      const std::string what = error.message.substr(at.size());
      return At(record, i,
                what == "missing" ? "wanted a value, for it is active here; got ''" : what);
    }
    return Invalid(std::to_string(record.line) + ": " + error.message);
  }

  const Space& space_;
  std::size_t objectives_;
  std::vector<std::string> names_;
  std::vector<TableColumn> columns_;
};

}  // namespace

Result<TrialTable> ReadTrialTable(std::string_view csv, const std::string& file, const Space& space,
                                  const std::vector<std::string>& metrics) {
  auto table = Reader(space, metrics.size()).Read(csv, metrics);
  if (!table.ok()) return Invalid(file + ":" + table.error().message);
  return table;
}

std::string WriteTrialTable(const Space& space, const History& history,
                            const std::vector<std::string>& metrics) {
  std::string csv = WriteColumns(space, metrics) + "\r\n";
  for (const Trial& trial : history.trials()) {
    csv += std::to_string(trial.number) + "," + std::string(NameOf(trial.state)) + "," +
           ParamText(trial.weight);
    for (std::size_t k = 0; k < metrics.size(); ++k) {
      csv += ',';
      if (!trial.losses.empty()) csv += ParamText(ValueOf(trial.losses[k], history.goals()[k]));
    }
    for (const auto& parameter : space.parameters()) {
      csv += ',';
      const auto found = trial.params.find(parameter.name);
      if (found != trial.params.end()) AppendCsv(csv, ParamText(found->second));
    }
    csv += "\r\n";
  }
  return csv;
}

}  // namespace muster::tuner
