#include "registry/serve/invocations.h"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <charconv>
#include <utility>

#include "registry/serve/json_tensors.h"
#include "runtime/base/csv.h"

namespace muster::registry::serve {

namespace {

namespace json = boost::json;

/// Rows of the right number of elements take the shape that the model wants for a row.
std::vector<std::int64_t> Reshaped(const std::vector<std::int64_t>& shape, const TensorSpec& spec) {
  if (shape.empty() || spec.shape.empty() || ShapeFits(shape, spec.shape)) return shape;
  const auto seen = ElementCount({shape.begin() + 1, shape.end()});
  const auto wanted = ElementCount({spec.shape.begin() + 1, spec.shape.end()});
  if (!seen.ok() || !wanted.ok() || *seen != *wanted) return shape;
  std::vector<std::int64_t> reshaped = spec.shape;
  reshaped.front() = shape.front();
  return reshaped;
}

Result<Tensor> TensorOf(const json::value& value, const TensorSpec& spec) {
  Tensor tensor{.name = spec.name, .type = spec.type};
  auto bytes = BytesFromJson(value, spec.type, NullIs::kNaN, &tensor.shape);
  if (!bytes.ok()) return bytes.error().With("input '" + spec.name + "'");
  tensor.bytes = std::move(bytes).value();
  tensor.shape = Reshaped(tensor.shape, spec);
  return tensor;
}

Result<std::vector<Tensor>> TensorsByName(const json::object& values,
                                          const std::vector<TensorSpec>& specs) {
  for (const auto& entry : values) {
    if (std::none_of(specs.begin(), specs.end(),
                     [&](const TensorSpec& spec) { return entry.key() == spec.name; })) {
      return Invalid("the model has no input '" + std::string(entry.key()) + "'; it has " +
                     NamesText(specs));
    }
  }
  std::vector<Tensor> inputs;
  for (const TensorSpec& spec : specs) {
    const auto* value = values.if_contains(spec.name);
    if (value == nullptr) return Invalid("input '" + spec.name + "' is missing");
    MUSTER_ASSIGN_OR_RETURN(inputs.emplace_back(), TensorOf(*value, spec));
  }
  return inputs;
}

Result<std::vector<Tensor>> OnlyInput(const json::value& value,
                                      const std::vector<TensorSpec>& specs) {
  if (specs.size() != 1) {
    return Invalid("the model has the inputs " + NamesText(specs) + "; give them by name");
  }
  std::vector<Tensor> inputs;
  MUSTER_ASSIGN_OR_RETURN(inputs.emplace_back(), TensorOf(value, specs[0]));
  return inputs;
}

/// [{"a": 1, "b": 2}, ...] -> {"a": [1, ...], "b": [2, ...]}
Result<json::object> Columns(const json::array& records, std::string_view what) {
  json::object columns;
  for (const json::value& record : records) {
    if (!record.is_object()) return Invalid(std::string(what) + ": wanted a list of objects");
    const bool is_first = &record == &records.front();
    if (!is_first && record.get_object().size() != columns.size()) {
      return Invalid(std::string(what) + ": the records have different columns");
    }
    for (const auto& cell : record.get_object()) {
      if (!is_first && !columns.contains(cell.key())) {
        return Invalid(std::string(what) + ": column '" + std::string(cell.key()) +
                       "' is not in the first record");
      }
      json::value& column = columns[cell.key()];
      if (is_first) column = json::array();
      column.get_array().push_back(cell.value());
    }
  }
  return columns;
}

/// A table as rows for the only input, or as columns for several.
Result<std::vector<Tensor>> Table(const json::array& names, const json::array& rows,
                                  const std::vector<TensorSpec>& specs) {
  const bool one_by_name = specs.size() == 1 && names.size() == 1 && names[0].is_string() &&
                           names[0].get_string() == specs[0].name;
  if (specs.size() == 1 && !one_by_name) return OnlyInput(rows, specs);
  json::object columns;
  for (std::size_t column = 0; column < names.size(); ++column) {
    if (!names[column].is_string()) return Invalid("dataframe_split: a column's name is no string");
    json::array cells;
    for (const json::value& row : rows) {
      if (!row.is_array() || row.get_array().size() != names.size()) {
        return Invalid("dataframe_split: wanted rows of " + std::to_string(names.size()) +
                       " cells");
      }
      cells.push_back(row.get_array()[column]);
    }
    columns[names[column].get_string()] = std::move(cells);
  }
  return TensorsByName(columns, specs);
}

Result<std::vector<Tensor>> Split(const json::value& value, const std::vector<TensorSpec>& specs) {
  if (!value.is_object()) return Invalid("dataframe_split: wanted an object with columns and data");
  const auto* data = value.get_object().if_contains("data");
  if (data == nullptr || !data->is_array()) {
    return Invalid("dataframe_split: 'data' must be a list of rows");
  }
  const auto* columns = value.get_object().if_contains("columns");
  const bool named = columns != nullptr && columns->is_array();
  return Table(named ? columns->get_array() : json::array(), data->get_array(), specs);
}

Result<std::vector<Tensor>> Records(const json::value& value,
                                    const std::vector<TensorSpec>& specs) {
  if (!value.is_array()) return Invalid("dataframe_records: wanted a list of records");
  MUSTER_ASSIGN_OR_RETURN(const json::object columns,
                          Columns(value.get_array(), "dataframe_records"));
  const bool by_name = specs.size() > 1 || (columns.size() == 1 && columns.contains(specs[0].name));
  if (by_name) return TensorsByName(columns, specs);
  json::array rows;  // the columns of each record in the order of the first record
  for (std::size_t row = 0; row < value.get_array().size(); ++row) {
    json::array cells;
    for (const auto& column : columns) cells.push_back(column.value().get_array()[row]);
    rows.push_back(std::move(cells));
  }
  return OnlyInput(rows, specs);
}

Result<std::vector<Tensor>> Instances(const json::value& value,
                                      const std::vector<TensorSpec>& specs) {
  if (!value.is_array()) return Invalid("instances: wanted a list");
  const json::array& list = value.get_array();
  if (list.empty() || !list[0].is_object()) return OnlyInput(value, specs);
  MUSTER_ASSIGN_OR_RETURN(const json::object columns, Columns(list, "instances"));
  return TensorsByName(columns, specs);
}

Result<std::vector<Tensor>> Inputs(const json::value& value, const std::vector<TensorSpec>& specs) {
  if (value.is_object()) return TensorsByName(value.get_object(), specs);
  return OnlyInput(value, specs);
}

/// Azure ML's.
Result<std::vector<Tensor>> InputData(const json::value& value,
                                      const std::vector<TensorSpec>& specs) {
  const bool table = value.is_object() && value.get_object().contains("data") &&
                     value.get_object().contains("columns");
  return table ? Split(value, specs) : Inputs(value, specs);
}

/// A cell as JSON has it. The words are those that pandas.read_csv takes for NaN and booleans, and for what overflows.
Result<json::value> ValueOf(const CsvCell& cell) {
  const std::string& text = cell.text;
  for (const std::string_view nothing : {"", "NaN", "nan", "NA", "N/A", "NULL", "null", "None"}) {
    if (text == nothing) return json::value(nullptr);
  }
  if (text == "True" || text == "TRUE" || text == "true") return json::value(true);
  if (text == "False" || text == "FALSE" || text == "false") return json::value(false);
  if (text == "inf" || text == "Infinity") return json::value("Infinity");
  if (text == "-inf" || text == "-Infinity") return json::value("-Infinity");
  const char* const end = text.data() + text.size();
  std::int64_t whole = 0;
  if (const auto read = std::from_chars(text.data(), end, whole);
      read.ec == std::errc() && read.ptr == end) {
    return json::value(whole);
  }
  double real = 0;
  if (const auto read = std::from_chars(text.data(), end, real);
      read.ec == std::errc() && read.ptr == end) {
    return json::value(real);
  }
  return Invalid("'" + text.substr(0, 40) + "' is no number");
}

}  // namespace

Result<Invocation> DecodeInvocation(std::string_view body, const std::vector<TensorSpec>& specs) {
  boost::system::error_code failed;
  const json::value parsed = json::parse(json::string_view(body.data(), body.size()), failed);
  if (failed) return Invalid("the request is not JSON: " + failed.message());
  struct Form {
    std::string_view key;
    Result<std::vector<Tensor>> (*decode)(const json::value&, const std::vector<TensorSpec>&);
    PredictionForm form;
    bool bare = false;
  };
  constexpr Form kForms[] = {{"dataframe_split", Split, PredictionForm::kRecords},
                             {"dataframe_records", Records, PredictionForm::kRecords},
                             {"instances", Instances, PredictionForm::kByOutput},
                             {"inputs", Inputs, PredictionForm::kByOutput},
                             {"input_data", InputData, PredictionForm::kRows, true}};
  const Form* form = nullptr;
  const json::value* value = nullptr;
  for (const Form& candidate : kForms) {
    const auto* found =
        parsed.is_object() ? parsed.get_object().if_contains(candidate.key) : nullptr;
    if (found == nullptr) continue;
    if (form != nullptr) {
      return Invalid("the request has both '" + std::string(form->key) + "' and '" +
                     std::string(candidate.key) + "'");
    }
    form = &candidate;
    value = found;
  }
  if (form == nullptr) {
    return Invalid(
        "the request must be a JSON object with one of dataframe_split, "
        "dataframe_records, instances, inputs");
  }
  const json::value* params = parsed.get_object().if_contains("params");
  if (params != nullptr && !params->is_object() && !params->is_null()) {
    return Invalid("'params' must be an object");
  }
  Invocation invocation{.form = form->form, .bare = form->bare};
  MUSTER_ASSIGN_OR_RETURN(invocation.inputs, form->decode(*value, specs));
  return invocation;
}

Result<Invocation> DecodeCsv(std::string_view body, bool has_header,
                             const std::vector<TensorSpec>& specs) {
  auto records = ParseCsv(body);
  if (!records.ok()) return records.error().With("CSV, line");
  json::array names, rows;
  for (std::size_t i = 0; i < records->size(); ++i) {
    const CsvRecord& record = (*records)[i];
    json::array cells;
    for (const CsvCell& cell : record.cells) {
      if (has_header && i == 0) {
        names.emplace_back(cell.text);
        continue;
      }
      auto value = ValueOf(cell);
      if (!value.ok()) return value.error().With("CSV, line " + std::to_string(record.line));
      cells.push_back(std::move(*value));
    }
    if (!has_header || i > 0) rows.emplace_back(std::move(cells));
  }
  if (rows.empty()) return Invalid("CSV: there is no row");
  Invocation invocation{.form = PredictionForm::kRecords};
  MUSTER_ASSIGN_OR_RETURN(invocation.inputs, Table(names, rows, specs));
  return invocation;
}

}  // namespace muster::registry::serve
