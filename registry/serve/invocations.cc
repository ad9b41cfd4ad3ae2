#include "registry/serve/invocations.h"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <utility>

#include "registry/serve/json_tensors.h"

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

}  // namespace

Result<Invocation> DecodeInvocation(std::string_view body, const std::vector<TensorSpec>& specs) {
  boost::system::error_code failed;
  const json::value parsed = json::parse(json::string_view(body.data(), body.size()), failed);
  if (failed) return Invalid("the request is not JSON: " + failed.message());
  struct Form {
    std::string_view key;
    Result<std::vector<Tensor>> (*decode)(const json::value&, const std::vector<TensorSpec>&);
    bool as_table;
  };
  constexpr Form kForms[] = {{"dataframe_split", Split, true},
                             {"dataframe_records", Records, true},
                             {"instances", Instances, false},
                             {"inputs", Inputs, false}};
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
  Invocation invocation;
  invocation.as_table = form->as_table;
  MUSTER_ASSIGN_OR_RETURN(invocation.inputs, form->decode(*value, specs));
  return invocation;
}

Result<std::string> EncodePredictions(const Invocation& invocation,
                                      const std::vector<Tensor>& outputs) {
  std::string body = "{\"predictions\":";
  if (!invocation.as_table) {
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      body += i == 0 ? '{' : ',';
      AppendQuoted(body, outputs[i].name);
      body += ':';
      MUSTER_RETURN_IF_ERROR(AppendNested(body, outputs[i]));
    }
    return body + "}}";
  }
  const auto rows_of = [](const Tensor& tensor) {
    return tensor.shape.empty() ? -1 : tensor.shape.front();
  };
  const std::int64_t rows = rows_of(outputs.front());
  for (const Tensor& output : outputs) {
    if (rows < 0 || rows_of(output) != rows) {
      return Invalid("output '" + output.name + "' has shape " + ShapeText(output.shape) +
                     ", which is no column of a table; ask with 'inputs'");
    }
  }
  body += '[';
  for (std::int64_t row = 0; row < rows; ++row) {
    body += row == 0 ? "{" : ",{";
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      if (i > 0) body += ',';
      AppendQuoted(body, outputs[i].name);
      body += ':';
      MUSTER_RETURN_IF_ERROR(AppendRow(body, outputs[i], row));
    }
    body += '}';
  }
  return body + "]}";
}

}  // namespace muster::registry::serve
