#include "trainer/hdf5/convert.h"

#include <zlib.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <memory>
#include <numeric>
#include <string_view>

#include "trainer/hdf5/dataset_file.h"
#include "trainer/row_order.h"

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

Status CheckOptions(const CsvOptions& options) {
  double sum = 0;
  for (const Split& split : options.splits) {
    if (!(split.fraction > 0 && split.fraction <= 1)) {
      return Invalid("split '" + split.role + "': wanted a fraction above 0 and up to 1, got " +
                     std::to_string(split.fraction));
    }
    if (std::ranges::count(options.splits, split.role, &Split::role) > 1) {
      return Invalid("split '" + split.role + "' is there twice");
    }
    sum += split.fraction;
  }
  if (std::abs(sum - 1) > 1e-6) {
    return Invalid("the fractions of the splits add up to " + std::to_string(sum) + "; wanted 1");
  }
  return Ok();
}

/// For each split its rows, ascending. Rows are lined up by label, shuffled within it, and dealt out one by
/// one to the split that is furthest behind, which spreads every label in proportion.
std::vector<std::vector<std::uint64_t>> Deal(const CsvOptions& options, const Table& table) {
  const Epoch order{.seed = options.seed, .number = 0, .rows = table.labels.size()};
  std::vector<std::uint64_t> line(table.labels.size());
  for (std::uint64_t place = 0; place < line.size(); ++place) line[place] = RowAt(order, place);
  std::ranges::stable_sort(line, {}, [&](std::uint64_t row) { return table.labels[row]; });
  std::vector<std::vector<std::uint64_t>> dealt(options.splits.size());
  for (std::size_t i = 0; i < line.size(); ++i) {
    std::size_t furthest = 0;
    double deficit = -1e300;
    for (std::size_t s = 0; s < dealt.size(); ++s) {
      const double behind = options.splits[s].fraction * static_cast<double>(i + 1) -
                            static_cast<double>(dealt[s].size());
      if (behind > deficit) {
        deficit = behind;
        furthest = s;
      }
    }
    dealt[furthest].push_back(line[i]);
  }
  for (auto& rows : dealt) std::ranges::sort(rows);
  return dealt;
}

template <typename T>
std::vector<std::byte> Gather(const std::vector<T>& values, std::size_t width,
                              const std::vector<std::uint64_t>& rows) {
  std::vector<std::byte> bytes(rows.size() * width * sizeof(T));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::memcpy(bytes.data() + i * width * sizeof(T), values.data() + rows[i] * width,
                width * sizeof(T));
  }
  return bytes;
}

}  // namespace

Result<std::vector<ConvertedFile>> ConvertCsv(const CsvOptions& options) {
  MUSTER_RETURN_IF_ERROR(CheckOptions(options));
  MUSTER_ASSIGN_OR_RETURN(const Table table, ReadTable(options));
  Field inputs{options.inputs_name, ElementType::kF32, options.row_shape};
  if (inputs.row_shape.empty()) inputs.row_shape = {static_cast<std::int64_t>(table.inputs)};
  if (inputs.row_elements() != table.inputs) {
    return Invalid("shape of " + inputs.Text() + " has " + std::to_string(inputs.row_elements()) +
                   " numbers a row; " + options.csv.string() + " has " +
                   std::to_string(table.inputs) + " columns before the label");
  }
  const auto dealt = Deal(options, table);
  for (std::size_t s = 0; s < dealt.size(); ++s) {
    if (dealt[s].empty()) {
      return Invalid("split '" + options.splits[s].role + "' gets none of the " +
                     std::to_string(table.labels.size()) + " rows");
    }
  }
  std::error_code error;
  std::filesystem::create_directories(options.out_dir, error);
  if (error) return IoError("making folder " + options.out_dir.string(), error.value());
  std::vector<ConvertedFile> files;
  for (std::size_t s = 0; s < dealt.size(); ++s) {
    const std::string& role = options.splits[s].role;
    const auto path = options.out_dir / (options.name + "-" + role + ".h5");
    MUSTER_RETURN_IF_ERROR(WriteDatasetFile(
        path, dealt[s].size(),
        {{inputs, Gather(table.values, table.inputs, dealt[s])},
         {{options.labels_name, ElementType::kI64, {}}, Gather(table.labels, 1, dealt[s])}}));
    files.push_back({role, path, dealt[s].size()});
  }
  return files;
}

}  // namespace muster::trainer::hdf5
