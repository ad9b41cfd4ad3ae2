#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

/// Tables as files, row by row in bounded memory. One thread; what was taken needs nothing else of the writer.

namespace muster::tracker {

enum class ColumnType { kText, kInteger, kNumber };
struct Column {
  std::string_view name;
  ColumnType type = ColumnType::kText;
};
/// Null, or what the column's type says. Text must be UTF-8; it is copied.
using Cell = std::variant<std::monostate, std::string_view, std::int64_t, double>;

class TableWriter {
 public:
  virtual ~TableWriter() = default;
  /// As many cells as columns.
  virtual void Add(std::span<const Cell> row) = 0;
  /// About how many bytes wait to be taken.
  [[nodiscard]] virtual std::size_t pending() const = 0;
  /// The bytes of the rows since the last call, after those taken before. Not after Finish.
  virtual std::string Take() = 0;
  /// The rest of the file, once.
  virtual std::string Finish() = 0;
};

/// RFC 4180 with a line of names, lines end in CR LF. Null is an empty field, an empty text is "". Numbers have
/// the shortest form that reads back the same; NaN, Infinity and -Infinity as in protobuf's JSON.
std::unique_ptr<TableWriter> MakeCsvWriter(std::span<const Column> columns);

/// Arrow's IPC file format, metadata version 5 (https://arrow.apache.org/docs/format/Columnar.html): texts are
/// utf8, integers int64, numbers float64, all nullable. Every Take is one record batch, of less than 2 GiB text
/// a column: take in time.
std::unique_ptr<TableWriter> MakeArrowWriter(std::span<const Column> columns);

}  // namespace muster::tracker
