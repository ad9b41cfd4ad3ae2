#include "registry/monitor/table_window.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

namespace muster::registry::monitor {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

class Table {
 public:
  explicit Table(const std::vector<CsvRecord>& records) : records_(records) {}

  [[nodiscard]] std::optional<std::size_t> Find(const std::string& name) const {
    const auto& header = records_[0].cells;
    for (std::size_t i = 0; i < header.size(); ++i) {
      if (header[i].text == name) return i;
    }
    return std::nullopt;
  }
  /// NAME[0], NAME[1] ... as far as they go, or NAME alone.
  [[nodiscard]] std::vector<std::size_t> FindAll(const std::string& name) const {
    std::vector<std::size_t> found;
    while (const auto at = Find(name + "[" + std::to_string(found.size()) + "]"))
      found.push_back(*at);
    if (const auto alone = Find(name); found.empty() && alone) found.push_back(*alone);
    return found;
  }

  [[nodiscard]] Result<double> Number(const CsvRecord& record, std::size_t column) const {
    const std::string& text = record.cells[column].text;
    if (text.empty() || text == "NA") return kNan;
    double value = 0;
    const char* const end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, value);
    if (read.ec == std::errc() && read.ptr == end) return value;
    return Invalid("line " + std::to_string(record.line) + ", column '" +
                   records_[0].cells[column].text + "': wanted a number, got '" + text + "'");
  }

 private:
  const std::vector<CsvRecord>& records_;
};

class Reader {
 public:
  Reader(const Baseline& baseline, const Table& table, const TableColumns& names, Window& window)
      : baseline_(baseline), table_(table), window_(window) {
    prediction_ = table.FindAll(names.prediction);
    label_ = table.FindAll(names.label);
    confidence_ = table.Find(names.confidence);
    segment_ = table.Find(names.segment);
  }

  Status FindInputs() {
    for (const BaselineInput& input : baseline_.inputs) {
      for (const BaselineColumn& column : input.columns) {
        auto& places = inputs_.emplace_back();
        if (column.pooled) {
          MUSTER_ASSIGN_OR_RETURN(places, Pooled(column));
        } else if (const auto place = table_.Find(column.name)) {
          places = {*place};
        }
        if (places.empty()) {
          return Invalid("the table has no column '" + column.name +
                         "', which is an input of the model");
        }
        columns_.push_back(&column);
      }
    }
    return Ok();
  }

  Status Read(const CsvRecord& record) {
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      for (const std::size_t place : inputs_[i]) {
        MUSTER_ASSIGN_OR_RETURN(const double value, table_.Number(record, place));
        window_.columns[i].Add(*columns_[i], value);
      }
    }
    MUSTER_ASSIGN_OR_RETURN(const auto predicted, Numbers(record, prediction_));
    MUSTER_ASSIGN_OR_RETURN(const auto label, Numbers(record, label_));
    MUSTER_RETURN_IF_ERROR(Predicted(record, predicted));
    if (predicted.empty() || label.empty() || std::isnan(label[0])) return Ok();
    if (const Status status = CheckLabel(baseline_, label); !status.ok()) {
      return status.error().With("line " + std::to_string(record.line));
    }
    JoinResult joined{.state = JoinState::kJoined, .prediction = predicted};
    if (segment_) joined.segment = record.cells[*segment_].text;
    window_.performance.Add(joined, label, 0, std::numeric_limits<std::int64_t>::max());
    return Ok();
  }

 private:
  /// As many as a Monitor looks at, from all over the row.
  Result<std::vector<std::size_t>> Pooled(const BaselineColumn& column) {
    const auto all = table_.FindAll(column.name);
    if (std::ssize(all) != column.elements) {
      return Invalid("the table has " + std::to_string(all.size()) + " columns '" + column.name +
                     "[...]', the model's input has " + std::to_string(column.elements));
    }
    std::vector<std::size_t> some;
    const std::int64_t count = std::min(kPooledSample, column.elements);
    some.reserve(static_cast<std::size_t>(count));
    for (std::int64_t i = 0; i < count; ++i) {
      some.push_back(all[static_cast<std::size_t>(i * column.elements / count)]);
    }
    return some;
  }

  Result<std::vector<double>> Numbers(const CsvRecord& record,
                                      const std::vector<std::size_t>& places) {
    std::vector<double> values;
    for (const std::size_t place : places) {
      MUSTER_ASSIGN_OR_RETURN(const double value, table_.Number(record, place));
      values.push_back(value);
    }
    return values;
  }

  Status Predicted(const CsvRecord& record, const std::vector<double>& values) {
    if (!baseline_.has_classes()) {
      if (!values.empty() && values.size() != window_.outputs.size()) {
        return Invalid("the table has " + std::to_string(values.size()) +
                       " columns of predictions, the model has " +
                       std::to_string(window_.outputs.size()) + " outputs");
      }
      for (std::size_t i = 0; i < values.size(); ++i) {
        window_.outputs[i].Add(baseline_.outputs[i], values[i]);
      }
      return Ok();
    }
    if (!values.empty() && !std::isnan(values[0])) {
      // A prediction has the form of a label.
      if (const Status status = CheckLabel(baseline_, values); !status.ok()) {
        return Invalid("line " + std::to_string(record.line) +
                       ": a prediction is one class, from 0 to " +
                       std::to_string(baseline_.labels.size() - 1));
      }
      ++window_.classes[static_cast<std::size_t>(values[0])];
    } else if (!values.empty()) {
      ++window_.no_class;
    }
    if (!confidence_) return Ok();
    MUSTER_ASSIGN_OR_RETURN(const double confidence, table_.Number(record, *confidence_));
    if (window_.confidence) window_.confidence->Add(*baseline_.confidence, confidence);
    if (baseline_.calibration && !std::isnan(confidence)) {
      window_.confidence_sums.Add(*baseline_.calibration, confidence);
    }
    return Ok();
  }

  const Baseline& baseline_;
  const Table& table_;
  Window& window_;
  std::vector<std::vector<std::size_t>> inputs_;  ///< places in the table, by column
  std::vector<const BaselineColumn*> columns_;
  std::vector<std::size_t> prediction_, label_;
  std::optional<std::size_t> confidence_, segment_;
};

}  // namespace

Result<Window> WindowOfTable(const Baseline& baseline, const std::vector<CsvRecord>& records,
                             const TableColumns& names, std::int64_t time_ms) {
  if (records.empty())
    return Invalid("the table is empty; wanted a header with the inputs' columns");
  const Table table(records);
  Window window(baseline, time_ms);
  Reader reader(baseline, table, names, window);
  MUSTER_RETURN_IF_ERROR(reader.FindInputs());
  for (std::size_t i = 1; i < records.size(); ++i) {
    MUSTER_RETURN_IF_ERROR(reader.Read(records[i]));
  }
  window.rows = window.sampled = std::ssize(records) - 1;
  return window;
}

}  // namespace muster::registry::monitor
