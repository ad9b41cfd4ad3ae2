#include "trainer/hdf5/convert.h"

#include <zlib.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>

#include "trainer/hdf5/array_files.h"
#include "trainer/hdf5/memory_rows.h"
#include "trainer/hdf5/split.h"

namespace muster::trainer::hdf5 {
namespace {

struct Table {
  std::size_t inputs = 0;     ///< columns without the label
  std::vector<float> values;  ///< rows x inputs
  std::vector<std::int64_t> labels;
};

constexpr std::size_t kTextMax = std::size_t{4} << 30;

/// zlib reads plain files as they are.
Result<std::string> ReadText(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) return NotFound("table " + path.string() + " does not exist");
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), gzclose);
  if (file == nullptr) return IoError("opening " + path.string(), errno);
  std::string text;
  std::string buffer(std::size_t{1} << 16, '\0');
  int got = 0;
  while ((got = gzread(file.get(), buffer.data(), static_cast<unsigned>(buffer.size()))) > 0) {
    text.append(buffer, 0, static_cast<std::size_t>(got));
    if (text.size() > kTextMax) return ResourceExhausted(path.string() + " is larger than 4 GiB");
  }
  int code = Z_OK;
  const char* words = gzerror(file.get(), &code);
  if (code < 0) return Corrupt(path.string() + ": " + words);
  return text;
}

std::string Place(const CsvOptions& options, std::size_t line, std::size_t column) {
  return options.csv.string() + ":" + std::to_string(line) + ": column " + std::to_string(column);
}

Result<std::vector<double>> ParseLine(const CsvOptions& options, std::string_view text,
                                      std::size_t line) {
  std::vector<double> numbers;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    std::string_view cell = text.substr(begin, end - begin);
    while (!cell.empty() && cell.front() == ' ') cell.remove_prefix(1);
    while (!cell.empty() && cell.back() == ' ') cell.remove_suffix(1);
    double value = 0;
    const auto [stop, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
    if (error != std::errc() || stop != cell.data() + cell.size()) {
      return Invalid(Place(options, line, numbers.size() + 1) + ": wanted a number, got '" +
                     std::string(cell) + "'");
    }
    numbers.push_back(value);
    begin = end + 1;
  }
  return numbers;
}

Result<Table> ReadTable(const CsvOptions& options) {
  MUSTER_ASSIGN_OR_RETURN(const std::string text, ReadText(options.csv));
  Table table;
  std::size_t line = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::string_view row(text.data() + begin, end - begin);
    begin = end + 1;
    ++line;
    if (!row.empty() && row.back() == '\r') row.remove_suffix(1);
    if (row.empty() || (line == 1 && options.header)) continue;
    MUSTER_ASSIGN_OR_RETURN(const std::vector<double> numbers, ParseLine(options, row, line));
    if (table.labels.empty()) table.inputs = numbers.size() - 1;
    if (numbers.size() != table.inputs + 1 || numbers.size() < 2) {
      return Invalid(options.csv.string() + ":" + std::to_string(line) + ": wanted " +
                     std::to_string(std::max<std::size_t>(2, table.inputs + 1)) + " columns, got " +
                     std::to_string(numbers.size()));
    }
    const double label = numbers.back();
    if (label < 0 || label > 1e15 || label != std::floor(label)) {
      return Invalid(Place(options, line, numbers.size()) +
                     ": wanted a label, a whole number from 0, got " + std::to_string(label));
    }
    table.values.insert(table.values.end(), numbers.begin(), numbers.end() - 1);
    table.labels.push_back(static_cast<std::int64_t>(label));
  }
  if (table.labels.empty()) return Invalid(options.csv.string() + " has no rows");
  return table;
}

template <typename T>
std::vector<std::byte> BytesOf(const std::vector<T>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  return {bytes.begin(), bytes.end()};
}

}  // namespace

Result<Converted> ConvertCsv(const CsvOptions& options) {
  MUSTER_RETURN_IF_ERROR(CheckOutput(options.output));
  MUSTER_ASSIGN_OR_RETURN(Table table, ReadTable(options));
  Field inputs{options.inputs_name, ElementType::kF32, options.row_shape};
  if (inputs.row_shape.empty()) inputs.row_shape = {static_cast<std::int64_t>(table.inputs)};
  if (inputs.row_elements() != table.inputs) {
    return Invalid("shape of " + inputs.Text() + " has " + std::to_string(inputs.row_elements()) +
                   " numbers a row; " + options.csv.string() + " has " +
                   std::to_string(table.inputs) + " columns before the label");
  }
  const MemoryRows rows(options.csv.string(), table.labels.size(),
                        {{inputs, BytesOf(table.values)},
                         {{options.labels_name, ElementType::kI64, {}}, BytesOf(table.labels)}});
  MUSTER_ASSIGN_OR_RETURN(
      auto files, WriteSplits(rows, table.labels, options.output, options.out_dir / options.name));
  return Converted{std::move(files), {}};
}

Result<Converted> ConvertArrays(const ArrayOptions& options) {
  MUSTER_RETURN_IF_ERROR(CheckOutput(options.output));
  if (options.out.extension() != ".h5" || options.out.stem().empty()) {
    return Invalid("'" + options.out.string() +
                   "' is no name of a file to write; wanted like digits.h5");
  }
  std::vector<ArrayColumn> columns;
  for (const std::string& text : options.columns) {
    MUSTER_ASSIGN_OR_RETURN(ArrayColumn column, ParseArrayColumn(text));
    columns.push_back(std::move(column));
  }
  Converted converted;
  MUSTER_ASSIGN_OR_RETURN(const auto rows, OpenArrays(columns, converted.notes));
  MUSTER_ASSIGN_OR_RETURN(const auto labels, ReadLabels(*rows, options.labels_name));
  auto stem = options.out;
  MUSTER_ASSIGN_OR_RETURN(converted.files,
                          WriteSplits(*rows, labels, options.output, stem.replace_extension()));
  return converted;
}

}  // namespace muster::trainer::hdf5
